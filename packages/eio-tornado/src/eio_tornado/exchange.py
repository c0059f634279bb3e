"""A request of Tornado as the runner sees it, and the response to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from eio_core import Request, Response, headers_from_text
from eio_server.environ import decoded_path, make_environ
from eio_server.integration import BodyTooLarge, Disconnected
from eio_server.watch import Watch
from tornado.iostream import IOStream, StreamClosedError
from tornado.web import RequestHandler

__all__ = ["Body", "Exchange"]


class Body:
    """A body that arrives: what Tornado's callbacks bring, for one who awaits all of it."""

    __slots__ = ("_chunks", "_end", "_limit", "wanted")

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.wanted: asyncio.Future[None] = loop.create_future()
        """Done when somebody reads, or when nobody will."""
        self._end: asyncio.Future[None] = loop.create_future()
        self._chunks = bytearray()
        self._limit = 0

    async def read(self, limit: int) -> bytes:
        """All of it, which begins to arrive now."""
        self._limit = limit
        self.settle()
        await self._end
        return bytes(self._chunks)

    @property
    def over(self) -> bool:
        """Whether it is complete, or will never be."""
        return self._end.done()

    def settle(self) -> None:
        """It is known whether it is wanted."""
        if not self.wanted.done():
            self.wanted.set_result(None)

    def feed(self, chunk: bytes) -> None:
        """The next of it; behind the limit nothing is kept."""
        if not self.over:
            self._chunks += chunk
            if len(self._chunks) > self._limit:
                self._chunks.clear()
                self.end(BodyTooLarge())

    def end(self, error: Exception | None = None) -> None:
        """It is complete, or will never be."""
        if self.over:
            return
        if error is None:
            self._end.set_result(None)
        else:
            self._end.set_exception(error)
            self._end.exception()  # perhaps nobody reads


class Exchange(Watch):
    """See :class:`eio_server.integration.Exchange`."""

    __slots__ = ("_body", "_handler", "_lost", "_stream", "answered", "closing", "request")

    def __init__(self, handler: RequestHandler, body: Body | None = None) -> None:
        self._handler = handler
        self._body = body
        self._stream: IOStream = handler.request.connection.stream  # type: ignore[union-attr] # HTTP1Connection's
        self._lost: Callable[[], None] | None = None
        self.answered = False
        """Whether a response was handed to the connection."""
        self.closing = False
        """Whether the connection is to end with it."""
        request = handler.request
        self.request = Request(
            method=request.method or "",
            query=request.query,
            headers=headers_from_text(request.headers.get_all()),
            scheme=request.protocol,
            http_version=request.version.removeprefix("HTTP/"),
        )

    def environ(self) -> dict[str, Any]:
        """See :class:`eio_server.integration.Exchange`; ``tornado.handler`` is in it."""
        request, sock = self._handler.request, self._stream.socket
        peer: Any = None
        server: Any = None
        with contextlib.suppress(OSError):  # the client is gone
            if sock is not None:
                peer, server = sock.getpeername(), sock.getsockname()
        if isinstance(peer, tuple) and peer[0] != request.remote_ip:  # with xheaders=True it is the proxy's
            peer = request.remote_ip, None
        environ = make_environ(
            self.request,
            path=decoded_path(request.path),
            headers=request.headers.get_all(),
            peer=peer,
            server=server,
            raw_path=request.path,
        )
        environ["tornado.handler"] = self._handler
        return environ

    @property
    def gone(self) -> bool:
        """Whether the client has left."""
        return self._stream.closed()

    def connection_lost(self) -> None:
        """The client is gone: Tornado's ``on_connection_close``."""
        self.tell()
        if self._body is not None:
            self._body.end(Disconnected())

    async def read(self, limit: int) -> bytes:
        """See :class:`eio_server.integration.Exchange`."""
        if self._body is not None:
            return await self._body.read(limit)
        body = self._handler.request.body  # a handler of the application's, which has read it
        if len(body) > limit:
            raise BodyTooLarge
        return body

    async def respond(self, response: Response) -> None:
        """See :class:`eio_server.integration.Exchange`. Without Tornado's ETag and its 304, which ``finish`` adds."""
        handler = self._handler
        if self.gone:
            raise Disconnected
        self.answered = True
        handler.set_status(response.status)
        handler.clear_header("Content-Type")
        for name, value in response.headers:
            handler.add_header(name, value)
        self.closing = response.closes
        if response.status != 204:
            handler.set_header("Content-Length", str(len(response.body)))
            handler.write(response.body)
        try:
            await asyncio.shield(handler.flush())  # Tornado's own callbacks do not expect that it is cancelled
        except StreamClosedError:
            raise Disconnected from None
        except asyncio.CancelledError:  # while a slow client was waited for; nothing can follow half a response
            self._stream.close()
            raise
        if self.gone:  # meanwhile: Tornado's waiting for a slow client ends then without an error
            raise Disconnected
