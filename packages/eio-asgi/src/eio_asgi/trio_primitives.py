"""A queue, an event and a task for applications on trio, with the methods of asyncio's (row AP-13)."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Coroutine, Generator
from concurrent.futures import CancelledError
from typing import Any

import trio

__all__ = ["Event", "Queue", "QueueEmpty", "QueueFull", "Task"]

_logger = logging.getLogger("eio_server")


class QueueEmpty(Exception):  # noqa: N818 - asyncio's name
    """Raised by :meth:`Queue.get_nowait`."""


class QueueFull(Exception):  # noqa: N818 - asyncio's name
    """Raised by :meth:`Queue.put_nowait`."""


class Queue:
    """:class:`asyncio.Queue` for trio.

    :param maxsize: how many items it takes; 0 or less: any number.
    """

    def __init__(self, maxsize: int = 0) -> None:
        self.maxsize = maxsize
        self._items: deque[Any] = deque()
        self._unfinished = 0
        self._getters = trio.lowlevel.ParkingLot()
        self._putters = trio.lowlevel.ParkingLot()
        self._joiners = trio.lowlevel.ParkingLot()

    def qsize(self) -> int:
        """How many items there are."""
        return len(self._items)

    def empty(self) -> bool:
        """Whether there is none."""
        return not self._items

    def full(self) -> bool:
        """Whether it takes no more."""
        return 0 < self.maxsize <= len(self._items)

    async def put(self, item: Any) -> None:
        """Put an item, waiting for room."""
        await trio.lowlevel.checkpoint()
        while self.full():
            await self._putters.park()
        self.put_nowait(item)

    def put_nowait(self, item: Any) -> None:
        """Put an item.

        :raises QueueFull: there is no room.
        """
        if self.full():
            raise QueueFull
        self._items.append(item)
        self._unfinished += 1
        self._getters.unpark()

    async def get(self) -> Any:
        """Take the oldest item, waiting for one."""
        await trio.lowlevel.checkpoint()
        while not self._items:
            await self._getters.park()
        return self.get_nowait()

    def get_nowait(self) -> Any:
        """Take the oldest item.

        :raises QueueEmpty: there is none.
        """
        if not self._items:
            raise QueueEmpty
        item = self._items.popleft()
        self._putters.unpark()
        return item

    def task_done(self) -> None:
        """What was taken has been dealt with.

        :raises ValueError: called more often than items were put.
        """
        if self._unfinished <= 0:
            raise ValueError("task_done() called too many times")
        self._unfinished -= 1
        if not self._unfinished:
            self._joiners.unpark_all()

    async def join(self) -> None:
        """Wait until all that was put has been dealt with."""
        await trio.lowlevel.checkpoint()
        while self._unfinished:
            await self._joiners.park()


class Event:
    """:class:`asyncio.Event` for trio, whose own cannot be cleared."""

    def __init__(self) -> None:
        self._is_set = False
        self._waiters = trio.lowlevel.ParkingLot()

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._is_set

    def set(self) -> None:
        """Set it, and wake all who wait."""
        self._is_set = True
        self._waiters.unpark_all()

    def clear(self) -> None:
        """Have everybody wait again."""
        self._is_set = False

    async def wait(self) -> bool:
        """Wait until it is set; True."""
        await trio.lowlevel.checkpoint()
        if not self._is_set:
            await self._waiters.park()
        return True


class Task:
    """A coroutine that runs in the background: ``cancel()``, ``done()``, and its result by ``await``.

    Awaiting one that was cancelled raises :class:`concurrent.futures.CancelledError`; trio's own says that the one who
    awaits is cancelled.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, object], failure: str) -> None:
        self._coroutine = coroutine
        self._failure = failure
        self._cancel_scope = trio.CancelScope()
        self._finished = trio.Event()
        self._error: BaseException | None = None
        self._result: Any = None
        self.trio_task: trio.lowlevel.Task | None = None

    def cancel(self) -> bool:
        """Cancel it; whether it was not done yet."""
        self._cancel_scope.cancel()
        return not self.done()

    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._finished.is_set()

    async def wait(self) -> None:
        """Wait until it has ended, in whatever way."""
        await self._finished.wait()

    def __await__(self) -> Generator[Any, None, Any]:
        return self._outcome().__await__()

    async def _outcome(self) -> Any:
        await self._finished.wait()
        if self._error is not None:
            raise self._error
        return self._result

    async def run(self) -> None:
        """Be the body of trio's task. An exception is logged and ends here: in a system task it would end trio."""
        self.trio_task = trio.lowlevel.current_task()
        self._error = CancelledError()
        try:
            with self._cancel_scope:
                self._result = await self._coroutine
                self._error = None
        except Exception as error:
            self._error = error
            _logger.exception(self._failure)
        finally:
            self.trio_task = None
            self._finished.set()

    def discard(self) -> None:
        """It will never run."""
        self._coroutine.close()
        self._error = CancelledError()
        self._finished.set()
