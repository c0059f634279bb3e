"""A WebSocket of aiohttp, from the offer of it to its end."""

from __future__ import annotations

import asyncio
from typing import cast

from aiohttp import WSCloseCode, WSMsgType, web
from eio_server.endings import FLUSH
from eio_server.integration import Connection, Disconnected, Offer

from .relays import Cork

__all__ = ["WebSocket", "carry"]

TEXT, BINARY, CLOSE, ERROR = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CLOSE, WSMsgType.ERROR


async def carry(request: web.Request, offer: Offer) -> web.StreamResponse:
    """Accept the WebSocket that is offered, and read it until it ends."""
    # aiohttp refuses a message of max_msg_size bytes, and ours of exactly the limit are legal.
    response = web.WebSocketResponse(compress=offer.compress, max_msg_size=offer.max_size + 1)
    for name, value in offer.headers:
        response.headers.add(name, value)
    transport = request.transport
    try:
        with offer:
            if transport is None:
                raise ConnectionResetError
            request.protocol.transport = transport = cast("asyncio.Transport", Cork(transport))
            await response.prepare(request)
    except ConnectionError:
        return web.Response(status=400)  # for aiohttp: nobody gets it
    websocket = WebSocket(request, response, transport)
    await websocket.read(offer.opened(websocket))
    return response


class WebSocket:
    """See :class:`eio_server.integration.WebSocket`."""

    __slots__ = ("_code", "_reader", "_request", "_response", "_transport")

    def __init__(self, request: web.Request, response: web.WebSocketResponse, transport: asyncio.Transport) -> None:
        self._request = request
        self._response = response
        self._transport = transport
        self._reader: asyncio.Task[None] | None = None
        """The task that reads, while it waits for a message and not for the application."""
        self._code: int | None = None
        """What it is to close with."""

    async def write(self, frame: str | bytes) -> None:
        """See :class:`eio_server.integration.WebSocket`."""
        try:
            if isinstance(frame, str):
                await self._response.send_str(frame)
            else:
                await self._response.send_bytes(frame)
        except ConnectionError:
            raise Disconnected from None

    async def close(self, code: int) -> None:
        """See :class:`eio_server.integration.WebSocket`.

        The reader does it. While somebody else is reading, aiohttp's ``close()`` drops the connection at once, and a
        peer that was sending just then may lose what it has not read yet. When the server goes away that is right: by
        then aiohttp takes in nothing more, so there is no answer to wait for.
        """
        if self._reader is None or code == WSCloseCode.GOING_AWAY:
            await self._response.close(code=code)
        else:
            self._code = code
            self._reader.cancel()

    def abort(self) -> None:
        """See :class:`eio_server.integration.WebSocket`."""
        self._transport.abort()

    async def read(self, connection: Connection) -> None:
        """Hand every message to the runner, until the end; then say so."""
        receive, feed = self._response.receive, connection.feed
        self._reader = reader = asyncio.current_task()
        code, error = None, False
        try:
            while True:
                message = await receive()
                if message.type is TEXT or message.type is BINARY:
                    waiting = feed(message.data)
                    if waiting is not None:
                        self._reader = None
                        await waiting
                        self._reader = reader
                else:
                    error = message.type is ERROR
                    code = message.data if message.type is CLOSE else None
                    break
        except ConnectionError:
            pass  # aiohttp's, when it answers a ping of a client that has gone
        except asyncio.CancelledError:
            if self._code is None or reader is None or reader.uncancel():
                raise
            await self._response.close(code=self._code)
        finally:
            self._reader = None
            connection.lost(code, error=error)
            if self._request.transport is not None and self._transport.get_write_buffer_size():
                # It is closed, but a peer that reads nothing would keep it so for ever.
                asyncio.get_running_loop().call_later(FLUSH, self._transport.abort)
