"""A runtime that does nothing by itself: its tasks are coroutines that the test steps, and its clock stands still.

A coroutine that waits yields a function: it may go on as soon as that returns True. So there is no event loop, nothing
happens behind the test's back, and what has not happened when :meth:`ManualRuntime.run` returns never will.
"""

from __future__ import annotations

import types
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, copy_context
from types import TracebackType
from typing import Any, Self

from eio_server.asyncio_runtime import _resume
from eio_server.integration import Disconnected

__all__ = ["Cancelled", "Event", "Gate", "ManualRuntime", "Queue", "Scope", "Task", "until"]

Ready = Callable[[], bool]
MANY = 10_000
"""Rounds after which tasks that are always ready count as a hot loop."""


class Cancelled(BaseException):
    """What is thrown into a task that was cancelled."""


class Empty(Exception):  # noqa: N818 - as asyncio calls its own
    """Nothing is in the queue."""


@types.coroutine
def _yield(ready: Ready) -> Generator[Ready, None, None]:
    yield ready


async def until(ready: Ready) -> None:
    """Wait until a function returns True."""
    while not ready():
        await _yield(ready)


class Gate:
    """A place where a fake waits while the test has it closed, or fails."""

    def __init__(self) -> None:
        self.is_open = True
        self.error: BaseException | None = None
        self.waiting = 0
        """How many wait here."""

    @classmethod
    def closed(cls) -> Gate:
        """One that nobody passes."""
        gate = cls()
        gate.close()
        return gate

    def close(self) -> None:
        """Hold what comes."""
        self.is_open = False

    def open(self) -> None:
        """Let all pass."""
        self.is_open = True

    def fail(self, error: BaseException) -> None:
        """Let all pass, to their misfortune."""
        self.error = error
        self.is_open = True

    async def passed(self) -> None:
        """Go through, sooner or later."""
        self.waiting += 1
        try:
            await until(lambda: self.is_open)
        finally:
            self.waiting -= 1
        if self.error is not None:
            raise self.error


class Task:
    """A coroutine in a context of its own, stepped by hand."""

    def __init__(self, runtime: ManualRuntime, coroutine: Coroutine[Any, Any, Any], context: Context) -> None:
        self._runtime = runtime
        self._coroutine = coroutine
        self._context = context
        self._wish: Ready | None = None
        self._must_cancel = False
        self.cancelling = 0
        self.done = False
        self.cancelled = False
        """Whether a cancellation ended it."""
        self.error: BaseException | None = None
        self._result: Any = None

    @property
    def ready(self) -> bool:
        """Whether a step would get it further."""
        return not self.done and (self._wish is None or self._must_cancel or self._wish())

    def cancel(self) -> None:
        """Throw Cancelled into it at its next step."""
        if not self.done:
            self.cancelling += 1
            self._must_cancel = True

    def step(self) -> None:
        """Run it until it next waits."""
        assert not self.done, "it has ended"
        before, self._runtime.current = self._runtime.current, self
        try:
            if self._must_cancel:
                self._must_cancel = False
                self._wish = self._context.run(self._coroutine.throw, Cancelled())
            else:
                self._wish = self._context.run(self._coroutine.send, None)
        except StopIteration as stop:
            self.done, self._result = True, stop.value
        except Cancelled as error:
            self.done = self.cancelled = True
            self.error = error
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self.done, self.error = True, error
        finally:
            self._runtime.current = before

    @property
    def result(self) -> Any:
        """What it returned; or its exception is raised."""
        assert self.done, "it still waits"
        if self.error is not None:
            raise self.error
        return self._result

    def __await__(self) -> Generator[Any, Any, Any]:
        yield from until(lambda: self.done).__await__()
        return self.result

    def close(self) -> None:
        """Forget it, wherever it is."""
        if not self.done:
            self.done = self.cancelled = True
            self._coroutine.close()


class Event:
    """See :class:`eio_server.runtime.Event`."""

    def __init__(self) -> None:
        self._set = False

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._set

    def set(self) -> None:
        """Wake all who wait."""
        self._set = True

    async def wait(self) -> bool:
        """Wait until it is set."""
        await until(self.is_set)
        return True


class Queue:
    """As much of asyncio's as an application here needs."""

    def __init__(self) -> None:
        self._items: deque[Any] = deque()

    def put_nowait(self, item: Any) -> None:
        """Append."""
        self._items.append(item)

    def get_nowait(self) -> Any:
        """Take the first.

        :raises Empty: there is none.
        """
        if not self._items:
            raise Empty
        return self._items.popleft()


class Scope:
    """See :class:`eio_server.runtime.Scope`: the same counting as on asyncio."""

    def __init__(self, runtime: ManualRuntime) -> None:
        self._runtime = runtime
        self._task: Task | None = None
        self._requested = False
        self._before = 0

    def __enter__(self) -> Self:
        self._task = self._runtime.current
        assert self._task is not None, "a scope is entered in a task"
        self._before = self._task.cancelling
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
        if task is None or not self._requested:
            return False
        task.cancelling -= 1
        return task.cancelling <= self._before and kind is Cancelled


class ManualRuntime:
    """See :class:`eio_server.runtime.Runtime`.

    :param stepping: whether :meth:`step` runs a write until it suspends, as on asyncio, or returns it untouched, as on
        trio.
    :param eager: whether :meth:`start` begins at once, as asyncio does from Python 3.12 on.
    """

    library = "manual"

    def __init__(self, *, stepping: bool = True, eager: bool = True) -> None:
        self.stepping = stepping
        self.eager = eager
        self.time = 1000.0
        self.current: Task | None = None
        self.calls: Counter[str] = Counter()
        """How often each method was called."""
        self.tasks: list[Task] = []
        """The server's, in the order of their creation."""
        self.others: list[Task] = []
        """Those of the framework and of the application."""
        self.timer: tuple[float, Callable[[], None]] | None = None
        self.thread = Gate()
        """Where worker threads wait."""

    # ---------------------------------------------------------------------------------------------------- for tests

    def task(self, coroutine: Coroutine[Any, Any, Any]) -> Task:
        """A task of the framework: the server neither knows it nor ends it. It has not begun yet."""
        task = Task(self, coroutine, copy_context())
        self.others.append(task)
        return task

    def run(self) -> None:
        """Step every task that is ready, in turn, until none is."""
        for _ in range(MANY):
            ready = [task for task in [*self.others, *self.tasks] if task.ready]
            if not ready:
                return
            for task in ready:
                if task.ready:
                    task.step()
        raise AssertionError("the tasks do not come to rest: a hot loop")

    def call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine of the application to its end; everything else goes on too."""
        task = self.task(coroutine)
        self.run()
        return task.result

    def advance(self, seconds: float) -> None:
        """Let time pass; the timer fires when it is due, and everybody gets on."""
        end = self.time + seconds
        while self.timer is not None and self.timer[0] <= end:
            (when, callback), self.timer = self.timer, None
            self.time = max(self.time, when)
            callback()
            self.run()
        self.time = end
        self.run()

    def close(self) -> None:
        """Forget all that still waits, and what that begins."""
        while left := [task for task in [*self.others, *self.tasks] if not task.done]:
            for task in left:
                task.close()

    @property
    def running(self) -> list[Task]:
        """The server's tasks that have not ended."""
        return [task for task in self.tasks if not task.done]

    # ---------------------------------------------------------------------------------------------------- the runtime

    here = True
    """Whether it pretends to be of the event loop that runs now."""

    def is_here(self) -> bool:
        return self.here

    def now(self) -> float:
        """See :class:`~eio_server.runtime.Runtime`."""
        self.calls["now"] += 1
        return self.time

    def set_timer(self, when: float | None, callback: Callable[[], None]) -> None:
        """See :class:`~eio_server.runtime.Runtime`."""
        self.calls["set_timer"] += 1
        self.timer = None if when is None else (when, callback)

    def spawn(self, coroutine: Coroutine[Any, Any, object], *, context: Context | None = None) -> Task:
        """See :class:`~eio_server.runtime.Runtime`."""
        self.calls["spawn"] += 1
        task = Task(self, coroutine, Context() if context is None else context)
        self.tasks.append(task)
        return task

    def start(self, coroutine: Coroutine[Any, Any, object], *, later: Context | None = None) -> None:
        """See :class:`~eio_server.runtime.Runtime`."""
        self.calls["start"] += 1
        task = Task(self, coroutine, copy_context() if later is None else later)
        self.tasks.append(task)
        if self.eager and later is None:
            task.step()

    def step(self, coroutine: Coroutine[Any, Any, object], context: Context | None = None) -> tuple[bool, Any]:
        """See :class:`~eio_server.runtime.Runtime`."""
        self.calls["step"] += 1
        if not self.stepping:
            return False, coroutine
        try:
            wish = coroutine.send(None) if context is None else context.run(coroutine.send, None)
        except StopIteration as stop:
            return True, stop.value
        except Cancelled:
            raise Disconnected from None
        return False, _resume(coroutine, wish)

    def event(self) -> Event:
        """See :class:`~eio_server.runtime.Runtime`."""
        self.calls["event"] += 1
        return Event()

    def scope(self) -> Scope:
        """See :class:`~eio_server.runtime.Runtime`."""
        self.calls["scope"] += 1
        return Scope(self)

    async def turn(self) -> None:
        """See :class:`~eio_server.runtime.Runtime`."""
        self.calls["turn"] += 1
        await _yield(lambda: True)

    async def sleep(self, seconds: float) -> None:
        """See :class:`~eio_server.runtime.Runtime`."""
        self.calls["sleep"] += 1
        end = self.time + seconds
        await until(lambda: self.time >= end)

    async def run_in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        """See :class:`~eio_server.runtime.Runtime`."""
        self.calls["run_in_thread"] += 1
        await self.thread.passed()
        return function(*args)

    async def stop(self, timeout: float) -> None:
        """See :class:`~eio_server.runtime.Runtime`."""
        self.calls["stop"] += 1
        self.timer = None
        end, me = self.time + timeout, self.current

        def others() -> list[Task]:
            return [task for task in self.running if task is not me]

        await _yield(lambda: True)
        await until(lambda: self.time >= end or not others())
        while tasks := others():
            for _ in range(2):  # all of them begin
                await _yield(lambda: True)
            for task in tasks:
                task.cancel()
            await self._all_done(tasks)

    @staticmethod
    async def _all_done(tasks: list[Task]) -> None:
        await until(lambda: all(task.done for task in tasks))

    def start_background_task(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """See :class:`~eio_server.runtime.Runtime`."""
        return self.task(target(*args, **kwargs))

    @staticmethod
    def create_queue(*_: Any, **__: Any) -> Queue:
        """See :class:`~eio_server.runtime.Runtime`."""
        return Queue()

    @staticmethod
    def queue_empty() -> type[Exception]:
        """See :class:`~eio_server.runtime.Runtime`."""
        return Empty

    @staticmethod
    def create_event() -> Event:
        """See :class:`~eio_server.runtime.Runtime`."""
        return Event()
