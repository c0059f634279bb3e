"""What it takes to test an Engine.IO server without sockets and without waiting: clients, a network, time, transcripts.

====================  =============================================================================================
:class:`Network`      many clients and one engine, with latency, losses and stalls; a :class:`Peer` is one client
:class:`Clock`        virtual time, which jumps to the next deadline
:class:`Client`       the client's side of the protocol, without I/O
:class:`Server`       the integrator of an engine in its plainest form, with an :class:`Application` on top
:class:`Recorder`     what happened, for assertions and in the language of transcripts; an :class:`Observer`
:func:`replay`        runs a transcript: a dialogue as text
====================  =============================================================================================

A test of an application's logic takes a :class:`Network`; a test of the protocol is best written as a transcript; a
test of an integration uses a :class:`Client` over sockets, and :class:`Server` to see what an integration has to do.

``import eio_core`` does not load this package. It imports nothing but what the core may, and ``random``.
"""

from .client import (
    Client,
    ClientEffect,
    ClientState,
    Dial,
    Ended,
    Fetch,
    HangUp,
    Opened,
    Received,
    Switched,
    Transmit,
)
from .clock import Clock, Timer
from .network import Network, Peer
from .recorder import Observer, Recorder
from .server import Application, Exchange, Server, Socket
from .transcript import TranscriptError, replay, scenes
from .wires import HttpWire, SocketWire, Wire

__all__ = [
    "Application",
    "Client",
    "ClientEffect",
    "ClientState",
    "Clock",
    "Dial",
    "Ended",
    "Exchange",
    "Fetch",
    "HangUp",
    "HttpWire",
    "Network",
    "Observer",
    "Opened",
    "Peer",
    "Received",
    "Recorder",
    "Server",
    "Socket",
    "SocketWire",
    "Switched",
    "Timer",
    "TranscriptError",
    "Transmit",
    "Wire",
    "replay",
    "scenes",
]
