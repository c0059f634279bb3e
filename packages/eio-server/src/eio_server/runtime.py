"""What the runner needs of an event loop.

One implementation is here, :class:`~eio_server.asyncio_runtime.AsyncioRuntime`, on the standard library alone; the one
for trio is in eio-asgi; the tests have one that is driven by hand.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager
from contextvars import Context
from typing import Any, Protocol

__all__ = ["BackgroundTask", "Event", "Runtime", "Scope"]


class BackgroundTask(Awaitable[Any], Protocol):
    """What ``start_background_task()`` returns: an ``asyncio.Task``, or on trio something with these of its methods."""

    def cancel(self) -> object:
        """End it at its next (or present) await."""

    def done(self) -> bool:
        """Whether it has ended, in whatever way."""


class Event(Protocol):
    """Set once, for good."""

    def set(self) -> None:
        """Wake all who wait; a second time does nothing."""

    async def wait(self) -> object:
        """Wait until it is set."""


class Scope(AbstractContextManager["Scope"], Protocol):
    """A ``with`` block that can be left from outside: :meth:`cancel` ends it, and what follows it goes on."""

    def cancel(self) -> None:
        """Leave the block at its next (or present) await, without an exception behind it."""


class Runtime(Protocol):
    """An event loop, as the runner sees it. All methods but ``now`` are called inside the loop."""

    library: str
    """``asyncio`` or ``trio``."""

    def is_here(self) -> bool:
        """Whether its event loop is the one that runs now."""

    def now(self) -> float:
        """Seconds on a monotonic clock."""

    def set_timer(self, when: float | None, callback: Callable[[], None]) -> None:
        """Call back once at ``when`` on the clock of :meth:`now`, instead of any earlier wish; None: never."""

    def spawn(self, coroutine: Coroutine[Any, Any, object], *, context: Context | None = None) -> Any:
        """Run a coroutine in a task that belongs to the server: it outlives the caller, :meth:`stop` ends it.

        It never begins before the caller has let the event loop go on. The coroutine handles its own exceptions.
        Without a context it runs in the server's own, not in the request's.
        """

    def start(self, coroutine: Coroutine[Any, Any, object], *, later: Context | None = None) -> None:
        """Like :meth:`spawn`, but nobody except :meth:`stop` cancels it, which is cheaper.

        It runs in a copy of the caller's context, and begins at once where the event loop can do that (3.12+). What was
        started begins in the order of the calls, and before what is spawned afterwards.

        :param later: run it in this context, and not before the caller has let the event loop go on.
        """

    def step(self, coroutine: Coroutine[Any, Any, object], context: Context | None = None) -> tuple[bool, Any]:
        """Run a framework's reading or writing until it first suspends.

        :param context: to run it in; None: the present one.
        :returns: (True, its result) if it is done; else (False, what finishes it), to be awaited in a task with the
            same context. A loop that cannot be stepped returns the coroutine untouched.
        :raises Exception: the coroutine's own; a cancellation that comes out of it is a ``Disconnected``.
        """

    def event(self) -> Event:
        """A new event."""

    def scope(self) -> Scope:
        """A new scope, for the task that enters it."""

    async def turn(self) -> None:
        """Let the event loop go round once."""

    async def sleep(self, seconds: float) -> None:
        """Sleep."""

    async def run_in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a function in a worker thread."""

    async def stop(self, timeout: float) -> None:
        """Wait for the server's tasks for up to so many seconds, then cancel the rest; the timer is stopped first.

        The calling task is not waited for. The runtime can be used again afterwards.
        """

    # What the API offers to applications (row AP-13).

    def start_background_task(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> BackgroundTask:
        """Run an application's function or coroutine function in a task; its exception is logged."""

    def create_queue(self, *args: Any, **kwargs: Any) -> Any:
        """A queue with the methods of asyncio.Queue."""

    def queue_empty(self) -> type[Exception]:
        """The exception of its ``get_nowait()``."""

    def create_event(self) -> Any:
        """An event with the methods of asyncio.Event."""
