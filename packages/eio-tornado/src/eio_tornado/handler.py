"""Tornado's handler of Engine.IO: requests for polling, and the WebSocket."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, ClassVar

from eio_server import AsyncServer
from eio_server.asyncio_runtime import EAGER
from eio_server.endings import LINGER, unanswered
from eio_server.integration import Connection, Disconnected, Offer
from tornado.web import RequestHandler, stream_request_body
from tornado.websocket import WebSocketHandler

from .exchange import Body, Exchange
from .websocket import Protocol, Waiter, WebSocket

__all__ = ["Handler", "get_tornado_handler"]

IGNORED = 64 * 1024
"""Bytes of a body where none belongs, which Tornado reads first; it refuses more, and what takes longer than LINGER."""


def get_tornado_handler(eio: AsyncServer) -> type[Handler]:
    """The handler class to route ``/engine.io/`` to, for this server."""
    return type("EngineIOHandler", (Handler,), {"server": eio, "__doc__": Handler.__doc__})


METHODS = WebSocketHandler.SUPPORTED_METHODS
"""Those that Tornado calls a method of the handler for."""


class _Any(tuple[str, ...]):
    """Every method is ours to answer (row ER-6)."""

    __slots__ = ()

    def __contains__(self, method: object) -> bool:
        return True


@stream_request_body
class Handler(WebSocketHandler):
    """Hands requests to the runner. A body arrives while it is handled, under our limit; so the order is Tornado's own:
    ``prepare`` begins, ``data_received`` brings the body, and the method, which is called behind it, ends."""

    SUPPORTED_METHODS = _Any(METHODS)

    server: ClassVar[AsyncServer]

    def initialize(self) -> None:
        """Called by Tornado for each request."""
        self._exchange: Exchange | None = None
        self._body: Body | None = None
        self._serving: asyncio.Task[Offer | None] | None = None
        self._offer: Offer | None = None
        self._connection: Connection | None = None
        self._websocket: WebSocket | None = None
        self._waiter: Waiter | None = None

    # ------------------------------------------------------------------------------------------------------- requests

    async def prepare(self) -> None:
        """Serve what is no GET, as far as that goes without its body."""
        self._transforms = []  # no gzip of Tornado's: we compress what is worth it
        connection: Any = self.request.connection
        if self.request.method == "GET":
            self._exchange = Exchange(self)
            connection.set_max_body_size(IGNORED)
            connection.set_body_timeout(LINGER)
            return
        connection.set_max_body_size(sys.maxsize)  # larger than any: it is we who count
        self._body = body = Body()
        self._exchange = Exchange(self, body)
        self._serving = serving = asyncio.create_task(self.server.runner.serve(self._exchange))
        serving.add_done_callback(self._served)
        await body.wanted
        if serving.done():
            serving.result()
            if self.request.method not in METHODS or "Expect" in self.request.headers:  # its body was not sent yet
                await self._end()

    def _served(self, _: asyncio.Task[Offer | None]) -> None:
        """Whatever is left of the body is nobody's wish; but its sender shall be able to read the response."""
        assert self._body is not None, "there is one where a task serves"
        self._body.settle()
        if not self._body.over:
            asyncio.get_running_loop().call_later(LINGER, self._give_up)

    def _give_up(self) -> None:
        if not self._finished:
            self.finish()  # with a body unread Tornado closes the connection

    def data_received(self, chunk: bytes) -> None:
        """Some of the body."""
        if self._body is not None:
            self._body.feed(chunk)

    async def get(self, *_: Any, **__: Any) -> None:
        """A poll, or the beginning of a WebSocket."""
        exchange = self._exchange
        assert exchange is not None, "prepare() made it"
        self._offer = await self.server.runner.serve(exchange)
        if self._offer is None:
            await self._end()
            return
        self._exchange = exchange = None  # a WebSocket lives long, and what was asked at its start need not
        await self._accept(self._offer)

    async def post(self, *_: Any, **__: Any) -> None:
        """The body is complete."""
        assert self._body is not None, "prepare() made it"
        assert self._serving is not None, "prepare() began it"
        self._body.end()
        await self._serving
        if not self._finished:
            await self._end()

    head = put = patch = delete = options = post

    async def _end(self) -> None:
        exchange = self._exchange
        assert exchange is not None, "there is no WebSocket"
        if not exchange.answered:  # nobody is there
            try:
                await exchange.respond(unanswered(exchange.request))
            except Disconnected:
                exchange.closing = True
        connection: Any = self.request.connection
        self.finish()
        if exchange.closing:
            connection.close()

    def on_finish(self) -> None:
        """The request is over: it and its exchange hold each other no longer."""
        self._exchange = None

    def on_connection_close(self) -> None:
        """The client is gone, while its request was handled or its body was awaited, or from its WebSocket."""
        if self._exchange is not None:
            self._exchange.connection_lost()
        super().on_connection_close()
        if self._websocket is None:
            RequestHandler.on_connection_close(self)  # who waits for the body need not

    def check_xsrf_cookie(self) -> None:
        """The origin policy is ours (row IN-11)."""

    def check_trusted_origin(self, origin: str) -> bool:
        """The origin policy is ours (row IN-11)."""
        return True

    # ------------------------------------------------------------------------------------------------------ WebSocket

    async def _accept(self, offer: Offer) -> None:
        """Send the 101, and read until the end."""
        self.clear_header("Content-Type")
        for name, value in offer.headers:
            self.add_header(name, value)
        self.open_args, self.open_kwargs = (), {}
        try:
            self.ws_connection = protocol = self.get_websocket_protocol()
            assert protocol is not None, "the version was checked"
            await protocol.accept_connection(self)
        finally:
            if self._offer is not None:
                offer.failed()

    def get_websocket_protocol(self) -> Protocol | None:
        """Tornado's own, which tells why it closes."""
        protocol = super().get_websocket_protocol()
        return None if protocol is None else Protocol(self, False, protocol.params)  # type: ignore[attr-defined]

    @property
    def max_message_size(self) -> int:
        """Bytes; a longer message is refused when its header arrives (row PL-14)."""
        return self._offer.max_size if self._offer is not None else 0

    @property
    def ping_interval(self) -> float | None:
        """No pings of the WebSocket's: the heartbeat is the protocol's."""
        return None

    def get_compression_options(self) -> dict[str, Any] | None:
        """Whether to negotiate permessage-deflate."""
        return {} if self._offer is not None and self._offer.compress else None

    def open(self, *_: str, **__: str) -> None:
        """The 101 was sent."""
        offer, self._offer = self._offer, None
        assert offer is not None, "nothing else accepts"
        assert isinstance(self.ws_connection, Protocol)
        self.set_nodelay(True)
        self._websocket = WebSocket(self, self.ws_connection)
        self._connection = offer.opened(self._websocket)

    def on_message(self, message: str | bytes) -> Any:
        """A message; Tornado reads no further while what is returned is not done, if anything is (row IN-13)."""
        assert self._connection is not None, "it was opened"
        waiting = self._connection.feed(message)
        if waiting is None or self._connection.crowded:
            return waiting
        if EAGER:  # mostly done at once, so that the answer leaves before Tornado looks for more
            self.server.runner.runtime.start(waiting)
            return None
        if self._waiter is None:
            self._waiter = Waiter()
        self._waiter.begin(waiting)
        return None

    def on_close(self) -> None:
        """The WebSocket is over; or a poll, which has none."""
        connection, self._connection = self._connection, None
        websocket, self._websocket = self._websocket, None
        if connection is not None:
            assert websocket is not None, "it was opened"
            connection.lost(self.close_code, error=websocket.protocol.too_big)
        if self._waiter is not None:
            self._waiter.end()
