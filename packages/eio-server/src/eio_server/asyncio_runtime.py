"""The runtime on asyncio (and uvloop), with the standard library alone."""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
import time
import types
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from threading import get_ident
from types import TracebackType
from typing import Any, Self, cast

from .integration import Disconnected
from .runtime import Event, Scope

__all__ = ["AsyncioRuntime"]

EAGER = sys.version_info >= (3, 12)
GRACE = 1.0
"""Seconds that a cancelled task has to end."""
FAILED = "a task of the server failed"

_logger = logging.getLogger("eio_server")


class AsyncioRuntime:
    """One server's tasks and its one timer, in the loop that runs when it is made."""

    library = "asyncio"

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = get_ident()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None
        # Not a copy of the present one: a timer and tasks that live on would keep a request's variables alive.
        self._context = Context()
        self.now = time.monotonic

    def is_here(self) -> bool:
        """See :class:`~eio_server.runtime.Runtime`."""
        return self._loop.is_running() and get_ident() == self._thread  # CPython 3.11 asks the kernel who is running

    def set_timer(self, when: float | None, callback: Callable[[], None]) -> None:
        """See :class:`~eio_server.runtime.Runtime`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if when is not None:  # not call_at(): the loop's clock may be another one
            delay = max(0.0, when - self.now())
            self._timer = self._loop.call_later(delay, callback, context=self._context)

    def spawn(self, coroutine: Coroutine[Any, Any, object], *, context: Context | None = None) -> asyncio.Task[Any]:
        """See :class:`~eio_server.runtime.Runtime`."""
        # Not by the loop's create_task(): with asyncio.eager_task_factory that would begin at once.
        context = self._context.copy() if context is None else context
        return self._own(asyncio.Task(coroutine, loop=self._loop, context=context))

    def start(self, coroutine: Coroutine[Any, Any, object], *, later: Context | None = None) -> None:
        """See :class:`~eio_server.runtime.Runtime`."""
        if EAGER and later is None:
            task = asyncio.Task(coroutine, loop=self._loop, eager_start=True)  # type: ignore[call-arg, unused-ignore]
            if not task.done():
                self._own(task)
        else:
            self._tasks.add(asyncio.Task(self._until_done(coroutine), loop=self._loop, context=later))

    def step(self, coroutine: Coroutine[Any, Any, object], context: Context | None = None) -> tuple[bool, Any]:
        """See :class:`~eio_server.runtime.Runtime`. Costs 0.25 µs more than awaiting; a task costs 8 (CPython 3.11)."""
        try:
            yielded = coroutine.send(None) if context is None else context.run(coroutine.send, None)
        except StopIteration as stop:
            return True, stop.value
        except asyncio.CancelledError:  # its own: nobody else can cancel a step, and the caller must not be
            raise Disconnected from None
        return False, _resume(coroutine, yielded)

    def event(self) -> Event:
        """See :class:`~eio_server.runtime.Runtime`."""
        return asyncio.Event()

    def scope(self) -> Scope:
        """See :class:`~eio_server.runtime.Runtime`."""
        return _Scope()

    async def turn(self) -> None:
        """See :class:`~eio_server.runtime.Runtime`."""
        await asyncio.sleep(0)

    async def sleep(self, seconds: float) -> None:
        """See :class:`~eio_server.runtime.Runtime`."""
        await asyncio.sleep(seconds)

    async def run_in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        """See :class:`~eio_server.runtime.Runtime`."""
        return await asyncio.to_thread(function, *args)

    async def stop(self, timeout: float) -> None:
        """See :class:`~eio_server.runtime.Runtime`."""
        self.set_timer(None, _nothing)
        end = self.now() + timeout
        # What ends may begin something: after the last message handler comes the disconnect handler.
        while tasks := self._others():
            await asyncio.wait(tasks, timeout=max(0.0, end - self.now()))
            if self.now() >= end:
                break
        while tasks := self._others():
            await asyncio.sleep(0)  # all of them begin: one that never did would not even call its disconnect handler
            for task in tasks:
                task.cancel()
            _, stubborn = await asyncio.wait(tasks, timeout=GRACE)
            if stubborn:
                break

    def start_background_task(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> asyncio.Task[Any]:
        """See :class:`~eio_server.runtime.Runtime`."""
        task = self._loop.create_task(_call(target, args, kwargs))
        _background.add(task)
        task.add_done_callback(_background_done)
        return task

    @staticmethod
    def create_queue(*args: Any, **kwargs: Any) -> asyncio.Queue[Any]:
        """See :class:`~eio_server.runtime.Runtime`."""
        return asyncio.Queue(*args, **kwargs)

    @staticmethod
    def queue_empty() -> type[asyncio.QueueEmpty]:
        """See :class:`~eio_server.runtime.Runtime`."""
        return asyncio.QueueEmpty

    @staticmethod
    def create_event() -> asyncio.Event:
        """See :class:`~eio_server.runtime.Runtime`."""
        return asyncio.Event()

    async def _until_done(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """For :meth:`start`: a task that lets go of itself, because a callback for that costs a turn of the loop."""
        try:
            await coroutine
        except Exception:
            _logger.exception(FAILED)
        finally:
            self._tasks.discard(cast("asyncio.Task[Any]", asyncio.current_task()))

    def _own(self, task: asyncio.Task[Any]) -> asyncio.Task[Any]:
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _logger.error(FAILED, exc_info=error)

    def _others(self) -> set[asyncio.Task[Any]]:
        return self._tasks - {cast("asyncio.Task[Any]", asyncio.current_task())}


class _Scope:
    """A cancellation that ends where the block ends: what ``asyncio.timeout`` does, without its timer."""

    __slots__ = ("_before", "_requested", "_task")

    def __init__(self) -> None:
        self._task: asyncio.Task[Any] | None = None
        self._requested = False
        self._before = 0

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        assert self._task is not None
        self._before = self._task.cancelling()
        return self

    def cancel(self) -> None:
        """Leave the block."""
        if self._task is not None and not self._requested:
            self._requested = True
            self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        task, self._task = self._task, None
        if not self._requested or task is None:
            return False
        # Somebody else's cancellation at the same time counts above ours.
        return task.uncancel() <= self._before and kind is asyncio.CancelledError


# Applications' tasks outlive the server's, and the loop itself holds only weak references (row AP-13).
_background: set[asyncio.Task[Any]] = set()


def _background_done(task: asyncio.Task[Any]) -> None:
    _background.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        _logger.error("a background task failed", exc_info=error)


async def _call(target: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    result = target(*args, **kwargs)
    return await result if inspect.isawaitable(result) else result


@types.coroutine
def _resume(coroutine: Coroutine[Any, Any, object], yielded: Any) -> Generator[Any, Any, object]:
    """Go on with a coroutine that was stepped by hand: hand its first wish to the task that runs this."""
    try:
        while True:
            try:
                value = yield yielded
            except BaseException as error:
                yielded = coroutine.throw(error)
            else:
                yielded = coroutine.send(value)
    except StopIteration as stop:
        return cast("object", stop.value)


def _nothing() -> None:
    """A timer that was taken back calls nobody."""
