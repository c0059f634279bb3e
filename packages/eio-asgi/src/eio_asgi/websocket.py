"""A WebSocket of ASGI, from the offer of it to its end."""

from __future__ import annotations

from eio_server.integration import Disconnected, Offer
from eio_server.runtime import Runtime, Scope

from .asgi import Receive, Send, encode_headers
from .exchange import LOST

__all__ = ["WebSocket", "carry"]


class WebSocket:
    """See :class:`eio_server.integration.WebSocket`."""

    __slots__ = ("_reading", "_send")

    def __init__(self, send: Send, reading: Scope) -> None:
        self._send = send
        self._reading = reading

    async def write(self, frame: str | bytes) -> None:
        """See :class:`eio_server.integration.WebSocket`. Nothing but the server's send, whose errors it translates."""
        try:
            if isinstance(frame, str):
                await self._send({"type": "websocket.send", "text": frame})
            else:
                await self._send({"type": "websocket.send", "bytes": frame})
        except LOST as error:
            raise Disconnected from error

    async def close(self, code: int) -> None:
        """See :class:`eio_server.integration.WebSocket`."""
        try:
            try:
                await self._send({"type": "websocket.close", "code": code})
            except LOST:
                raise
            except Exception:  # daphne's bare one: it sends no code below 3000 but this (row WS-22)
                await self._send({"type": "websocket.close", "code": 1000})
        except LOST as error:
            raise Disconnected from error

    def abort(self) -> None:
        """See :class:`eio_server.integration.WebSocket`. We let go; the socket is the server's affair."""
        self._reading.cancel()


async def carry(offer: Offer, runtime: Runtime, receive: Receive, send: Send) -> None:
    """Accept the WebSocket that is offered, and read it until it ends."""
    try:
        # A fresh dict and a fresh list: middleware adds to them.
        await send({"type": "websocket.accept", "subprotocol": None, "headers": encode_headers(offer.headers)})
    except LOST:
        offer.failed()
        return
    except BaseException:
        offer.failed()
        raise

    with runtime.scope() as reading:
        connection = offer.opened(WebSocket(send, reading))
        code: int | None = None
        try:
            while True:
                message = await receive()
                if message["type"] != "websocket.receive":
                    code = message.get("code")
                    break
                frame = message.get("text")
                if frame is None:
                    frame = message.get("bytes")
                    if frame is None:
                        continue
                    if type(frame) is not bytes:
                        frame = bytes(frame)
                waiting = connection.feed(frame)
                if waiting is not None:
                    await waiting
        except OSError:
            pass
        finally:
            connection.lost(code)
