"""A WebSocket of ASGI, from the offer of it to its end."""

from __future__ import annotations

from eio_core import headers_to_wire
from eio_server.integration import Connection, Disconnected, Offer
from eio_server.runtime import Runtime, Scope

from .asgi import Receive, Send, lost

__all__ = ["WebSocket", "carry"]


class WebSocket:
    """See :class:`eio_server.integration.WebSocket`.

    It is read by the task of the request, and written by others. A close takes the reader out of receive() and has it
    send the close frame, for granian loses one that is sent while somebody receives. Then it is read to its end, so
    that the server finishes the close handshake in its own way. Neither a close nor an abort cancels an application's
    handler that the reader runs.
    """

    __slots__ = ("_code", "_delivering", "_ending", "_let_go", "_reading", "_receive", "_runtime", "_send")

    def __init__(self, runtime: Runtime, receive: Receive, send: Send) -> None:
        self._runtime = runtime
        self._receive = receive
        self._send = send
        self._reading: Scope | None = None
        """What to cancel for the reader to come out of receive()."""
        self._delivering = False
        """The reader is not in receive(), but runs a handler."""
        self._code: int | None = None
        """To close with, until somebody does."""
        self._ending = False
        self._let_go = False

    async def write(self, frame: str | bytes) -> None:
        """See :class:`eio_server.integration.WebSocket`. Nothing but the server's send, whose errors it translates."""
        try:
            if isinstance(frame, str):
                await self._send({"type": "websocket.send", "text": frame})
            else:
                await self._send({"type": "websocket.send", "bytes": frame})
        except lost(websocket=True) as error:
            raise Disconnected from error

    async def close(self, code: int) -> None:
        """See :class:`eio_server.integration.WebSocket`."""
        self._code = code
        if not self._interrupt():
            await self._send_close()

    def abort(self) -> None:
        """See :class:`eio_server.integration.WebSocket`. We let go; the socket is the server's affair."""
        self._let_go = True
        self._interrupt()

    def _interrupt(self) -> bool:
        """Have the reader stop, now if it is in receive(): then the rest is its own."""
        self._ending = True
        if self._reading is None or self._delivering:
            return False
        self._reading.cancel()
        return True

    async def _send_close(self) -> None:
        code, self._code = self._code, None
        if code is None:
            return
        try:
            try:
                await self._send({"type": "websocket.close", "code": code})
            except lost(websocket=True):
                raise
            except Exception:  # daphne's bare one: it sends no code below 3000 but this (row WS-22)
                await self._send({"type": "websocket.close", "code": 1000})
        except lost(websocket=True) as error:
            self.abort()
            raise Disconnected from error

    async def read(self, connection: Connection) -> int | None:
        """Feed the connection until the WebSocket ends; the close code, if any came."""
        receive, feed = self._receive, connection.feed
        try:
            with self._runtime.scope() as self._reading:
                while not self._ending:
                    message = await receive()
                    if message["type"] != "websocket.receive":
                        code: int | None = message.get("code")
                        return code
                    frame = message.get("text")
                    if frame is None:
                        frame = message.get("bytes")
                        if frame is None:
                            continue
                        if type(frame) is not bytes:
                            frame = bytes(frame)
                    waiting = feed(frame)
                    if waiting is not None:
                        self._delivering = True
                        await waiting
                        self._delivering = False
        finally:
            self._reading = None
        return await self._read_rest()

    async def _read_rest(self) -> int | None:
        """It is closed by us: nothing more is fed, and abort() ends this."""
        with self._runtime.scope() as self._reading:
            await self._send_close()
            while not self._let_go:
                message = await self._receive()
                if message["type"] != "websocket.receive":
                    code: int | None = message.get("code")
                    return code
        return None


async def carry(offer: Offer, runtime: Runtime, receive: Receive, send: Send) -> None:
    """Accept the WebSocket that is offered, and read it until it ends."""
    try:
        with offer:  # a fresh dict and a fresh list: middleware adds to them
            await send({"type": "websocket.accept", "subprotocol": None, "headers": headers_to_wire(offer.headers)})
    except lost(websocket=True):
        return

    websocket = WebSocket(runtime, receive, send)
    connection = offer.opened(websocket)
    code = None
    try:
        code = await websocket.read(connection)
    except (OSError, Disconnected):
        pass
    finally:
        connection.lost(code)
