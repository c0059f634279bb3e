"""A WebSocket of Tornado, to be written."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from eio_server.integration import Disconnected
from tornado.websocket import WebSocketClosedError, WebSocketHandler, WebSocketProtocol13

__all__ = ["Protocol", "Waiter", "WebSocket"]

TOO_BIG = 1009


class Protocol(WebSocketProtocol13):
    """Tornado's framing, which tells that a message was too big: its handler sees a dropped connection only."""

    too_big = False

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Called by Tornado itself when it refuses a message."""
        if code == TOO_BIG:
            self.too_big = True
        super().close(code, reason)


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
        if not self._writing() and not self._stream.closed():  # a write that fails at once closes it
            return None
        written.add_done_callback(_retrieve)
        return _finish(written)

    async def close(self, code: int) -> None:
        """See :class:`eio_server.integration.WebSocket`. The reader finishes the handshake, or a timer after 5 s."""
        self._handler.close(code)

    def abort(self) -> None:
        """See :class:`eio_server.integration.WebSocket`."""
        self._stream.close()


class Waiter:
    """Awaits what messages leave to be done, in one task, while Tornado reads on (row IN-13). For Python 3.11, whose
    tasks cannot begin at once.

    What comes meanwhile waits in the session's own queue. To have Tornado wait for each message instead costs two
    futures and three turns of the loop.
    """

    __slots__ = ("_over", "_task", "_waiting", "_wake")

    def __init__(self) -> None:
        self._waiting: Coroutine[Any, Any, None] | None = None
        self._wake: asyncio.Future[None] | None = None
        """What the task waits for when it has nothing else to wait for."""
        self._task: asyncio.Task[None] | None = None
        self._over = False

    def begin(self, waiting: Coroutine[Any, Any, None]) -> None:
        """Await it."""
        assert self._waiting is None, "it is what delivers, and there is one of that at a time"
        self._waiting = waiting
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        else:
            self._wake_up()

    def end(self) -> None:
        """Nothing more will be begun. What was begun goes on to its end."""
        self._over = True
        self._wake_up()

    def _wake_up(self) -> None:
        wake, self._wake = self._wake, None
        if wake is not None and not wake.done():
            wake.set_result(None)

    async def _run(self) -> None:
        while self._waiting is not None:
            try:
                await self._waiting
            finally:
                self._waiting = None
            if not self._over:
                self._wake = asyncio.get_running_loop().create_future()
                await self._wake


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
