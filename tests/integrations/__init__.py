"""One suite for every integration and server, over real loopback sockets."""
