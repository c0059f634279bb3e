"""What the suite knows of a server: how to start it, and what it cannot do."""

from __future__ import annotations

import enum
import socket
import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eio_server import AsyncServer

__all__ = ["THREADED", "Gap", "Server", "listen", "tls"]

THREADED: set[int] = set()
"""The ports of servers that do their I/O in a thread of their own, while they run."""


class Gap(enum.Enum):
    """What a framework or server cannot do; the tests assert what happens there instead."""

    CUTS_ON_WEBSOCKET_ERROR = "a broken WebSocket frame ends the connection without a close frame"
    CLOSES_WITHOUT_CODE = "a broken WebSocket frame gets a close frame without a code"
    HIDES_WEBSOCKET_ERRORS = "a broken WebSocket frame looks like a drop to us"
    REFUSES_BAD_HEADERS = "answers a control character in a header itself, before us"
    HIDES_FAILED_WRITES = "does not tell that a response could not be written"
    CANNOT_ABORT = "gives no way to abort a connection whose close handshake never ends"
    COMPRESSION_IS_THE_SERVERS = "permessage-deflate is an option of the server, not ours"
    NEVER_COMPRESSES = "knows no permessage-deflate"
    INFLATES_WITHOUT_LIMIT = "inflates all that has arrived of a compressed message before it looks at a limit"
    BARE_HANDSHAKE = "sends no header of ours with the 101 of a WebSocket"
    REFUSES_WITHOUT_A_REASON = "refuses a WebSocket with a 403 without a body, whatever we say"
    KNOWS_ONE_CLOSE_CODE = "closes a WebSocket with 1000, for it sends no other code below 3000"
    SENDS_NO_EMPTY_MESSAGE = "drops an empty WebSocket message that we send"
    TAKES_WHAT_IT_GETS = "takes all that we write, and does not tell how much of it is unsent"
    READS_AHEAD = "reads on, however much of it nobody has received"
    ANSWERS_EVERY_PING = "keeps a pong for each WebSocket ping, however many of them nobody reads"
    LEAVES_SENDERS = "ends a connection on which the body of a refused request still arrives"
    WAITS_FOR_BODIES = "hands on a request when the whole body has arrived"
    KEEPS_UNREAD_BODIES = "keeps a connection for ever that sends a body which nobody reads"
    EATS_FORMS = "parses the body of a form itself"
    JOINS_COOKIES = "joins the Cookie headers of a WebSocket handshake by commas"
    ACCEPTS_FOR_NOBODY = "a client that left during its WebSocket handshake has left the WebSocket"
    ACCEPTS_UNMASKED_FRAMES = "takes a client's frame without a mask"
    LOSES_EARLY_FRAMES = "drops what a client sends behind its WebSocket handshake, and may keep quiet about the client"
    DIES_OF_EARLY_FRAMES = "the whole server ends with an exception when a client sends behind its WebSocket handshake"
    STOPS_AFTER_REQUESTS = "a stop reaches us only after all requests have ended"
    NO_LIFESPAN = "tells an application neither of its start nor of its stop"
    CANCELS_REQUESTS_ON_STOP = "a stop cancels requests after a while: a parked poll gets a 500"


Run = Callable[..., AbstractAsyncContextManager[int]]
"""Serves an application on a free port, ``run(app, pem, **options)``; with TLS if there is a PEM file, of a certificate
and its key. The options are the server's own."""


@dataclass(frozen=True, slots=True)
class Server:
    """A framework under a server: ``run`` serves an application of the framework and gives the port."""

    name: str
    integration: str
    application: Callable[..., Any]
    """The smallest application of the framework that serves an AsyncServer; options of attach() or ASGIApp."""
    run: Run
    """Serves the application; ASGI: ``root_path`` is an option."""
    backend: str = "asyncio"
    """asyncio or trio."""
    uvloop: bool = False
    """Whether the event loop of asyncio is uvloop's."""
    http2: bool = False
    """Whether it also speaks HTTP/2 to clients that begin with it, and WebSocket over that."""
    gaps: frozenset[Gap] = frozenset()
    api: bool = True
    """Whether there is a whole AsyncServer; if not, the tests with the marker ``api`` are left out."""

    def make(self, **options: Any) -> AsyncServer:
        """This integration's AsyncServer."""
        server: AsyncServer = import_module(f"eio_{self.integration}").AsyncServer(**options)
        return server

    def __str__(self) -> str:
        return self.name


def listen() -> tuple[socket.socket, int]:
    """A listening socket: clients may connect at once, even if the server takes it up a moment later."""
    # asyncio turns Nagle's algorithm off only where the protocol is named: else each response may wait 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener, listener.getsockname()[1]


def tls(pem: Path | None) -> ssl.SSLContext | None:
    """What asyncio's servers want, from the PEM file of a certificate and its key."""
    if pem is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context
