"""A WebSocket of Tornado, to be written."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from contextvars import copy_context
from typing import Any

from eio_server.integration import Connection, Disconnected
from eio_server.runtime import Runtime
from tornado.websocket import WebSocketClosedError, WebSocketHandler, WebSocketProtocol13

__all__ = ["Protocol", "Reader", "WebSocket"]

TOO_BIG = 1009
READ_AHEAD = 64 * 1024
"""Bytes that wait for a handler, above which Tornado reads no further."""


class Protocol(WebSocketProtocol13):
    """Tornado's framing, which tells that a message was too big: its handler sees a dropped connection only."""

    too_big = False

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Called by Tornado itself when it refuses a message."""
        if code == TOO_BIG:
            self.too_big = True
        super().close(code, reason)


class Reader:
    """Hands every message to the runner, those that came at once in one task: Tornado makes one for each message whose
    handler is to be awaited (row IN-13). It waits while a handler does."""

    __slots__ = ("_connection", "_delivering", "_ended", "_messages", "_room", "_running", "_runtime", "_size")

    def __init__(self, connection: Connection, runtime: Runtime) -> None:
        self._connection = connection
        self._runtime = runtime
        self._messages: deque[str | bytes] | None = None
        self._size = 0
        self._running = False
        self._delivering = False
        """The task waits for a handler."""
        self._room: asyncio.Future[None] | None = None
        """What Tornado waits for."""
        self._ended: tuple[int | None, bool] | None = None

    def put(self, message: str | bytes) -> asyncio.Future[None] | None:
        """A message came; the next one is wanted when what is returned is done."""
        if self._messages is None:
            self._messages = deque()
        self._messages.append(message)
        self._size += len(message)
        if not self._running:
            self._running = True
            self._runtime.start(self._run(), later=copy_context())
        if not self._delivering and self._size < READ_AHEAD:
            return None
        self._room = asyncio.get_running_loop().create_future()
        return self._room

    def end(self, code: int | None, *, error: bool) -> None:
        """The WebSocket is gone: the runner hears of it, behind the messages that came before."""
        if not self._running:
            self._connection.lost(code, error=error)
        elif not self._delivering:
            self._ended = code, error
        else:  # which may last: what has not been handed over waits in the session
            messages, self._messages = [*(self._messages or ())], None
            for message in messages:
                waiting = self._connection.feed(message)
                if waiting is not None:
                    self._runtime.start(waiting, later=copy_context())
            self._connection.lost(code, error=error)

    async def _run(self) -> None:
        try:
            while self._messages:
                message = self._messages.popleft()
                self._size -= len(message)
                waiting = self._connection.feed(message)
                if waiting is not None:
                    self._delivering = True
                    await waiting
                    self._delivering = False
                if self._size < READ_AHEAD:
                    self._make_room()
        finally:
            self._running = self._delivering = False
            self._messages = None
            self._make_room()
            if self._ended is not None:
                code, error = self._ended
                self._connection.lost(code, error=error)

    def _make_room(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)


class WebSocket:
    """See :class:`eio_server.integration.WebSocket`."""

    __slots__ = ("_handler", "_stream", "_writing", "protocol")

    def __init__(self, handler: WebSocketHandler, protocol: Protocol) -> None:
        self._handler = handler
        self._stream = protocol.stream
        self._writing = protocol.stream.writing
        self.protocol = protocol

    def write(self, frame: str | bytes) -> Coroutine[Any, Any, None] | None:
        """See :class:`eio_server.integration.WebSocket`. What the kernel took at once is not awaited."""
        try:
            written = self._handler.write_message(frame, binary=not isinstance(frame, str))
        except WebSocketClosedError:
            raise Disconnected from None
        if not self._writing():
            return None
        written.add_done_callback(_retrieve)
        return _finish(written)

    async def close(self, code: int) -> None:
        """See :class:`eio_server.integration.WebSocket`. The reader finishes the handshake, or a timer after 5 s."""
        self._handler.close(code)

    def abort(self) -> None:
        """See :class:`eio_server.integration.WebSocket`."""
        self._stream.close()


async def _finish(written: asyncio.Future[None]) -> None:
    await asyncio.wait((written,))  # which does not cancel it: Tornado's own callbacks do not expect that
    try:
        written.result()
    except WebSocketClosedError:
        raise Disconnected from None


def _retrieve(written: asyncio.Future[None]) -> None:
    """Whoever waits for the write may have been cancelled, even before it began: then nobody asks how it ended."""
    if not written.cancelled():
        written.exception()
