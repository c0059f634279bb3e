"""A request of aiohttp as the runner sees it, and the response to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web
from eio_core import Request, Response, headers_from_wire
from eio_server.endings import LINGER, unanswered
from eio_server.environ import decoded_path, latin1, make_environ
from eio_server.integration import BodyTooLarge, Disconnected

from .relays import Watch

__all__ = ["Exchange"]


class Exchange:
    """See :class:`eio_server.integration.Exchange`."""

    __slots__ = ("_aiohttp", "_response", "_transport", "request")

    def __init__(self, request: web.Request) -> None:
        self._aiohttp = request
        self._transport = request.transport  # aiohttp forgets it as soon as the connection closes
        self._response: web.StreamResponse | None = None
        self.request = Request(
            request.method,
            latin1(request.rel_url.raw_query_string),
            headers_from_wire(request.raw_headers),
            request.scheme,  # of the connection, not of a forwarded header
            http_version="{}.{}".format(*request.version),
        )

    def environ(self) -> dict[str, Any]:
        """See :class:`eio_server.integration.Exchange`; ``aiohttp.request`` is in it."""
        request = self._aiohttp
        environ = make_environ(
            self.request,
            path=decoded_path(request.rel_url.raw_path),
            headers=((name, latin1(value)) for name, value in request.headers.items()),
            peer=request.get_extra_info("peername"),
            server=request.get_extra_info("sockname"),
            raw_path=request.rel_url.raw_path,
        )
        environ["aiohttp.request"] = request
        return environ

    def watch(self, lost: Callable[[], None]) -> Watch:
        """See :class:`eio_server.integration.Exchange`."""
        return Watch(self._transport, lost)

    async def read(self, limit: int) -> bytes:
        """See :class:`eio_server.integration.Exchange`. aiohttp decompresses a body; what comes out is counted."""
        body = bytearray()
        while not self._aiohttp.content.at_eof():
            body += await self._chunk()
            if len(body) > limit:
                raise BodyTooLarge
        return bytes(body)

    async def _chunk(self) -> bytes:
        """What arrives next of the body; nothing at its end."""
        content = self._aiohttp.content
        if self._aiohttp.transport is None and not content.is_eof():
            raise Disconnected
        try:
            return await content.readany()
        except (ConnectionError, web.RequestPayloadError) as error:
            raise Disconnected from error

    async def respond(self, response: Response) -> None:
        """See :class:`eio_server.integration.Exchange`. Written here and not by aiohttp, so that a failure shows.

        A Response, for a StreamResponse, though cheaper to make, is written in two pieces, and the second system call
        costs more than that.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise Disconnected
        self._response = answer = web.Response(status=response.status, headers=response.headers, body=response.body)
        if response.closes:
            answer.force_close()
        try:
            await answer.prepare(self._aiohttp)
            await answer.write_eof()
        except ConnectionError:
            raise Disconnected from None
        except asyncio.CancelledError:  # while a slow client was waited for; nothing can follow half a response
            transport.abort()
            raise
        if transport.is_closing():  # meanwhile: aiohttp's waiting for a slow client ends then without an error
            raise Disconnected

    async def finish(self) -> web.StreamResponse:
        """Bring the request to its end for aiohttp: answered, and the rest of its body out of the way.

        aiohttp would read that too, for ten seconds, even when the client has gone.
        """
        try:
            if self._response is None:  # what came as a body was none, or nobody is there
                await self.respond(unanswered(self.request))
            if not self._aiohttp.content.at_eof():
                async with asyncio.timeout(LINGER):
                    while await self._chunk():
                        pass
        except (Disconnected, TimeoutError):
            self._aiohttp.protocol.force_close()
        return web.Response() if self._response is None else self._response
