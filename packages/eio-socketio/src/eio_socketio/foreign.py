"""The handler that python-engineio makes for Tornado, on our engine: that of ``socketio.get_tornado_handler``.

It calls the engine for each request, and for a WebSocket when that has been accepted already. Then no response is
possible any more, and a refusal is a close.
"""

from __future__ import annotations

from typing import Any

from eio_core import Response
from eio_server import AsyncServer
from eio_tornado.exchange import Exchange
from eio_tornado.websocket import WebSocket

__all__ = ["serve"]

POLICY_VIOLATION = 1008


class ForeignExchange(Exchange):
    """A request to that handler."""

    __slots__ = ("_accepted",)

    def __init__(self, handler: Any) -> None:
        super().__init__(handler)
        self._accepted = handler.ws_connection is not None
        if self._accepted:
            self._stream = handler.ws_connection.stream

    async def respond(self, response: Response) -> None:
        """See :class:`eio_server.integration.Exchange`."""
        if self._accepted:
            self._handler.close(POLICY_VIOLATION)  # type: ignore[attr-defined] # it is a WebSocketHandler
        else:
            await super().respond(response)


async def serve(server: AsyncServer, handler: Any) -> None:
    """Serve a request of such a handler."""
    exchange, on_connection_close = ForeignExchange(handler), handler.on_connection_close

    def lost() -> None:
        exchange.connection_lost()
        on_connection_close()

    handler.on_connection_close = lost
    try:
        offer = await server.runner.serve(exchange)
    finally:
        del handler.on_connection_close
    if offer is None:
        return
    if handler.ws_connection is None:  # gone meanwhile
        offer.failed()
        return
    connection = offer.opened(WebSocket(handler, handler.ws_connection))
    try:
        while (message := await handler.get_next_message()) is not None:
            waiting = connection.feed(message)
            if waiting is not None:
                await waiting
    finally:
        connection.lost(handler.close_code)
