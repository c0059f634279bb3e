"""The runtime on trio.

A system task of trio holds one nursery with all tasks of a server, and is its timer besides. So the server works
wherever it is mounted, without a lifespan; and it is there only as long as there is a task or something to wait for.
"""

from __future__ import annotations

import inspect
import logging
import math
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any

import trio
from eio_server.runtime import Scope

from .trio_primitives import Event, Queue, QueueEmpty, Task

__all__ = ["TrioRuntime"]

GRACE = 1.0
"""Seconds that a cancelled task has to end."""

_logger = logging.getLogger("eio_server")


class TrioRuntime:
    """One server's tasks and its one timer, in the trio that runs when it is made."""

    library = "trio"

    def __init__(self) -> None:
        self._crew: Crew | None = None
        self._token = trio.lowlevel.current_trio_token()
        # Not a copy of the present one: tasks that live on would keep a request's variables alive.
        self._context = Context()
        # trio's own clock, so that trio's clock for tests is ours too; and it can be read outside of trio.
        self.now = trio.lowlevel.current_clock().current_time

    def is_here(self) -> bool:
        """See :class:`~eio_server.runtime.Runtime`."""
        return trio.lowlevel.current_trio_token() is self._token

    def set_timer(self, when: float | None, callback: Callable[[], None]) -> None:
        """See :class:`~eio_server.runtime.Runtime`."""
        if when is not None or self._crew is not None:
            self._crew_there().set_timer(math.inf if when is None else when, callback)

    def spawn(self, coroutine: Coroutine[Any, Any, object], *, context: Context | None = None) -> Task:
        """See :class:`~eio_server.runtime.Runtime`. Tasks are started in the order in which they are spawned."""
        task = Task(coroutine, "a task of the server failed")
        self._crew_there().add(task, self._context if context is None else context)
        return task

    def start(self, coroutine: Coroutine[Any, Any, object], *, later: Context | None = None) -> None:
        """See :class:`~eio_server.runtime.Runtime`."""
        self.spawn(coroutine, context=copy_context() if later is None else later)

    def step(self, coroutine: Coroutine[Any, Any, object], context: Context | None = None) -> tuple[bool, Any]:
        """See :class:`~eio_server.runtime.Runtime`. Trio's tasks cannot be stepped by anybody else."""
        return False, coroutine

    def event(self) -> trio.Event:
        """See :class:`~eio_server.runtime.Runtime`."""
        return trio.Event()

    def scope(self) -> Scope:
        """See :class:`~eio_server.runtime.Runtime`."""
        return trio.CancelScope()

    async def turn(self) -> None:
        """See :class:`~eio_server.runtime.Runtime`."""
        await trio.lowlevel.checkpoint()

    async def sleep(self, seconds: float) -> None:
        """See :class:`~eio_server.runtime.Runtime`."""
        await trio.sleep(seconds)

    async def run_in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        """See :class:`~eio_server.runtime.Runtime`."""
        return await trio.to_thread.run_sync(function, *args)

    async def stop(self, timeout: float) -> None:
        """See :class:`~eio_server.runtime.Runtime`."""
        crew = self._crew
        if crew is None:
            return
        crew.set_timer(math.inf, _nothing)
        with trio.move_on_after(timeout):
            await crew.wait_for_others()
        crew.cancel_others()
        with trio.move_on_after(GRACE):
            await crew.wait_for_others()
            await crew.wait_for_end()

    def start_background_task(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> Task:
        """See :class:`~eio_server.runtime.Runtime`. Like asyncio's, it outlives the server's own tasks."""
        task = Task(_call(target, args, kwargs), "a background task failed")
        trio.lowlevel.spawn_system_task(task.run, name=target, context=copy_context())
        return task

    def create_queue(self, *args: Any, **kwargs: Any) -> Queue:
        """See :class:`~eio_server.runtime.Runtime`."""
        return Queue(*args, **kwargs)

    def queue_empty(self) -> type[QueueEmpty]:
        """See :class:`~eio_server.runtime.Runtime`."""
        return QueueEmpty

    def create_event(self) -> Event:
        """See :class:`~eio_server.runtime.Runtime`."""
        return Event()

    def _crew_there(self) -> Crew:
        if self._crew is None or self._crew.over:
            self._crew = Crew()
        return self._crew


class Crew:
    """The nursery of a server, as long as it has one: its tasks, those that are to start, and the timer."""

    def __init__(self) -> None:
        self.over = False
        """It takes no task and no timer any more."""
        self._ended = trio.Event()
        self._tasks: set[Task] = set()
        self._waiting: deque[tuple[Task, Context]] = deque()
        self._starting = False
        self._nursery: trio.Nursery | None = None
        self._when = math.inf
        self._callback: Callable[[], None] = _nothing
        self._tick = trio.CancelScope()
        trio.lowlevel.spawn_system_task(self._hold, name="eio_asgi", context=Context())

    async def _hold(self) -> None:
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                self._start_next()
                while not self._idle:
                    with trio.CancelScope(deadline=self._when) as self._tick:
                        await trio.sleep_forever()
                    if self._when <= trio.current_time():
                        self._when = math.inf
                        self._call_back()
                self.over = True  # before anything is awaited: what is started now would be in a closed nursery
        finally:
            self.over = True
            self._ended.set()
            for task, _ in self._waiting:
                task.discard()

    @property
    def _idle(self) -> bool:
        return not self._tasks and self._when == math.inf

    # --------------------------------------------------------------------------------------------------- the timer

    def set_timer(self, when: float, callback: Callable[[], None]) -> None:
        """Have the timer call back at another time."""
        self._when = self._tick.deadline = when
        self._callback = callback
        if self._idle:
            self._tick.cancel()

    def _call_back(self) -> None:
        try:
            self._callback()
        except Exception:  # in a system task it would end trio
            _logger.exception("the timer of the server failed")

    # --------------------------------------------------------------------------------------------------- the tasks

    def add(self, task: Task, context: Context) -> None:
        """Start a task in its turn.

        Trio runs the tasks that became ready at the same time in random order, and messages are to be handled in
        theirs: so each task that begins to run has the next one started.
        """
        self._waiting.append((task, context))
        if not self._starting and self._nursery is not None:
            self._start_next()

    def _start_next(self) -> None:
        self._starting = bool(self._waiting)
        if self._starting:
            assert self._nursery is not None, "who calls has seen that there is one"
            task, context = self._waiting.popleft()
            self._tasks.add(task)
            context.run(self._nursery.start_soon, self._run, task)

    @trio.lowlevel.enable_ki_protection
    async def _run(self, task: Task) -> None:
        """Ctrl-C belongs to the main task, as on asyncio: raised here, it would end in a system task."""
        self._start_next()
        try:
            await task.run()
        finally:
            self._tasks.discard(task)
            if self._idle:
                self._tick.cancel()

    def _others(self) -> list[Task]:
        me = trio.lowlevel.current_task()
        return [task for task in [*self._tasks, *(task for task, _ in self._waiting)] if task.trio_task is not me]

    async def wait_for_others(self) -> None:
        """Wait for all tasks but the one that calls."""
        while others := self._others():
            await others[0].wait()

    def cancel_others(self) -> None:
        """Cancel all tasks but the one that calls."""
        for task in self._others():
            task.cancel()

    async def wait_for_end(self) -> None:
        """Wait until the nursery is closed, unless the task that calls is in it."""
        if not self._tasks:
            await self._ended.wait()


async def _call(target: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    result = target(*args, **kwargs)
    return await result if inspect.isawaitable(result) else result


def _nothing() -> None:
    """A timer that was taken back calls nobody."""
