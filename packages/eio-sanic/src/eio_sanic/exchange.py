"""A request of Sanic as the runner sees it, and the response to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from eio_core import REQUEST_HEADERS, Request, Response
from eio_server.endings import LINGER, unanswered
from eio_server.environ import decoded_path, latin1, make_environ
from eio_server.integration import BodyTooLarge, Disconnected, Offer
from eio_server.watch import Watch
from sanic import HTTPResponse
from sanic import Request as SanicRequest
from sanic.exceptions import RequestCancelled, SanicException

__all__ = ["Exchange"]

TEXT = "text/plain; charset=utf-8"
"""The type of a response that names none: Sanic's own word for that would be ``None``."""


class Exchange(Watch):
    """See :class:`eio_server.integration.Exchange`."""

    __slots__ = ("_lost", "_protocol", "_sanic", "_stream", "request")

    def __init__(self, request: SanicRequest[Any, Any]) -> None:
        self._sanic = request
        stream: Any = request.stream  # an Http, on Sanic's own server
        self._stream = stream
        self._protocol = stream.protocol
        self._lost: Callable[[], None] | None = None
        headers = request.headers
        # Asked for by name: to go through all makes a new name for each, which lives as long as Sanic has the request.
        wanted = {name: latin1(", ".join(headers.getall(name))) for name in REQUEST_HEADERS if name in headers}
        self.request = Request(
            method=request.method,
            query=latin1(request.query_string),
            headers=wanted,
            scheme="https" if self._protocol.conn_info.ssl else "http",  # not of a forwarded header
            http_version=request.version,
        )
        if self.request.asks_websocket():
            wanted["connection"] = headers.get("connection", "")  # of several, Sanic goes by the first
            if not hasattr(self._protocol, "websocket_handshake"):  # Sanic's server was not told that there are any
                self.request.websocket = False

    def environ(self) -> dict[str, Any]:
        """See :class:`eio_server.integration.Exchange`; ``sanic.request`` is in it."""
        request, info = self._sanic, self._protocol.conn_info
        environ = make_environ(
            self.request,
            path=decoded_path(request.path),
            headers=((name, latin1(value)) for name, value in request.headers.items()),
            peer=info.peername,
            server=info.sockname,
            raw_path=request.path,
        )
        environ["sanic.request"] = request
        return environ

    @property
    def gone(self) -> bool:
        """Whether the client has left."""
        transport = self._protocol.transport
        return transport is None or transport.is_closing()

    async def shield(self, handshake: Coroutine[Any, Any, Offer | None]) -> Offer | None:
        """Finish a handshake, even if Sanic cancels this meanwhile (row HS-26)."""
        task = asyncio.create_task(handshake)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not self.cancelled():
                task.cancel()
            await asyncio.wait([task])
            if not task.cancelled() and (offer := task.result()) is not None:
                offer.failed()
            raise

    def cancelled(self) -> bool:
        """The handler was cancelled, which is how Sanic says that the client is gone: tell whoever watches.

        :returns: whether anybody did.
        """
        self._stream.request_body = None  # else Sanic waits for the rest of it, and for ever
        return self.tell()

    async def read(self, limit: int) -> bytes:
        """See :class:`eio_server.integration.Exchange`."""
        body = bytearray(self._sanic.body)  # of a route without stream=True, where Sanic has read it
        try:
            while len(body) <= limit and (chunk := await self._stream.read()):
                body += chunk
        except SanicException as error:  # it is malformed
            raise Disconnected from error
        if len(body) > limit:
            raise BodyTooLarge
        return bytes(body)

    async def respond(self, response: Response) -> None:
        """See :class:`eio_server.integration.Exchange`. Written here and not by Sanic, so that a failure shows."""
        protocol = self._protocol
        if self.gone:
            raise Disconnected
        answer = HTTPResponse(response.body, response.status, content_type=TEXT)
        for name, value in response.headers:
            answer.headers.add(name, value)
        if response.closes:
            self._stream.keep_alive = False
        try:
            answer = await self._sanic.respond(answer)  # which has the application's middlewares see it
            if self._sanic.method != "HEAD":  # which Sanic can send only once, when its handler has returned
                await answer.send(end_stream=True)
            await protocol.send(b"")  # waits until that was taken
        except RequestCancelled:
            raise Disconnected from None
        except asyncio.CancelledError:  # while a slow client was waited for; nothing can follow half a response
            protocol.abort()
            raise

    async def finish(self) -> None:
        """Bring the request to its end for Sanic: answered, and the rest of its body out of the way."""
        stream = self._stream
        if not self.gone and not self._sanic.responded:  # what came as a body was none
            with suppress(Disconnected):
                await self.respond(unanswered(self.request))
        if self.gone:
            raise RequestCancelled
        if stream.request_body:
            try:
                async with asyncio.timeout(LINGER):
                    while await stream.read():
                        pass
            except (TimeoutError, SanicException):
                stream.keep_alive = False
            finally:
                stream.request_body = None  # else Sanic goes on reading, even when the client has gone
