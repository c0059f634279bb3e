"""No sockets: the protocol itself, to the packet and to the tick."""
