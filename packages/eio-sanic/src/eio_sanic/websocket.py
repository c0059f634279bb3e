"""A WebSocket of Sanic, from the offer of it to its end.

Messages are taken from where Sanic puts their frames, the assembler, and not from its ``recv()``: that costs two tasks
a message, drops what a client sends right before its close frame, and says by a CancelledError that the peer closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from eio_server.endings import FLUSH
from eio_server.integration import Connection, Disconnected, Offer
from sanic import HTTPResponse, Request
from sanic.exceptions import RequestCancelled, SanicException
from sanic.server.websockets.impl import WebsocketImplProtocol
from websockets.frames import Frame, Opcode

if TYPE_CHECKING:
    from sanic.server.websockets.frame import WebsocketFrameAssembler

__all__ = ["WebSocket", "carry"]

INVALID_DATA = 1007

TEXT, BINARY, CONT = Opcode.TEXT, Opcode.BINARY, Opcode.CONT


async def carry(request: Request[Any, Any], offer: Offer) -> HTTPResponse:
    """Accept the WebSocket that is offered, and read it until it ends."""
    protocol: Any = request.protocol  # a WebSocketProtocol
    protocol.websocket_max_size = offer.max_size
    protocol.websocket_timeout = FLUSH
    with offer:  # it sends no other headers than its own: those of the offer are lost (row HD-7)
        sanic: WebsocketImplProtocol = await protocol.websocket_handshake(request)
    reader = Reader(sanic, protocol.transport, offer.opened(WebSocket(sanic, protocol.transport)))
    if protocol.recv_buffer:  # what came behind the request, which Sanic forgets
        protocol.data_received(bytes(protocol.recv_buffer))
        protocol.recv_buffer.clear()
        protocol.transport.resume_reading()
    await reader.run()
    return Answered()


class WebSocket:
    """See :class:`eio_server.integration.WebSocket`."""

    __slots__ = ("_sanic", "_transport")

    def __init__(self, sanic: WebsocketImplProtocol, transport: asyncio.Transport) -> None:
        self._sanic = sanic
        self._transport = transport

    async def write(self, frame: str | bytes) -> None:
        """See :class:`eio_server.integration.WebSocket`."""
        try:
            await self._sanic.send(frame)
        except (SanicException, RequestCancelled):
            raise Disconnected from None

    async def close(self, code: int) -> None:
        """See :class:`eio_server.integration.WebSocket`. The reader finishes the handshake, or a timer after 5 s."""
        try:
            await self._sanic.close(code)
        except (SanicException, RequestCancelled):
            raise Disconnected from None

    def abort(self) -> None:
        """See :class:`eio_server.integration.WebSocket`."""
        self._transport.abort()


class Reader:
    """Hands every message to the runner, until the end; then says so. Stands where Sanic has its assembler."""

    __slots__ = ("_before", "_buffer", "_connection", "_failed", "_react", "_sanic", "_text", "_transport")

    _sanic: Any  # which has no types for half of its methods

    def __init__(self, sanic: WebsocketImplProtocol, transport: asyncio.Transport, connection: Connection) -> None:
        self._sanic = sanic
        self._transport = transport
        self._connection = connection
        self._buffer = bytearray()
        """What has arrived of a message in several frames."""
        self._text = False
        self._failed = False
        self._before = sanic.assembler
        sanic.assembler = cast("WebsocketFrameAssembler", self)
        self._react = self._sanic.async_data_received
        self._sanic.async_data_received = self._received

    async def _received(self, answers: Sequence[bytes], events: Sequence[object]) -> None:
        """Called by Sanic, in a task each time, for what arrived and its own answers to that: pongs.

        While the client does not take those nothing more is read, or there would be ever more such tasks (row H19).
        """
        waits = bool(answers) and not self._transport.is_closing() and self._transport.get_write_buffer_size() > 0
        paused = waits and self._sanic.pause_frames()
        try:
            await self._react(answers, events)
        finally:
            if paused:
                self._sanic.resume_frames()

    async def put(self, frame: Frame) -> None:
        """Called by Sanic for each frame in turn; the next one comes when this returns."""
        opcode, data = frame.opcode, frame.data
        if opcode is not CONT:
            if opcode is not TEXT and opcode is not BINARY:
                return
            self._text = opcode is TEXT
        if opcode is CONT or not frame.fin:
            self._buffer += data
            if not frame.fin:
                return
            data, self._buffer = self._buffer, bytearray()
        if self._failed:
            return
        try:
            message = str(data, "utf-8") if self._text else bytes(data)
        except UnicodeDecodeError:  # row WS-20
            self._failed = True
            self._sanic.fail_connection(INVALID_DATA)
            return
        waiting = self._connection.feed(message)
        if waiting is not None:
            paused = not self._transport.is_closing() and self._sanic.pause_frames()
            try:
                await waiting
            finally:
                if paused:
                    self._sanic.resume_frames()

    async def run(self) -> None:
        """Wait for the end."""
        sanic = self._sanic
        # Sanic cancels it for a close frame and for the end of the stream; where the connection is lost, the task.
        sanic.recv_cancel = ended = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait([ended])
        finally:
            try:
                async with sanic.process_event_mutex:
                    pass  # what arrived before the end is handed over before it
            finally:
                close = sanic.ws_proto.close_rcvd or sanic.ws_proto.close_sent
                self._connection.lost(None if close is None else close.code)
                sanic.assembler = self._before  # else Sanic's own cycles would keep us, and the session
                del sanic.async_data_received


class Answered(HTTPResponse):
    """What Sanic is given to send when all is sent."""

    async def send(self, *_: Any, **__: Any) -> None:
        """Send nothing, and let go of the request: each holds the other."""
        stream: Any = self.stream
        if stream is not None:
            self.stream = stream.response = None
