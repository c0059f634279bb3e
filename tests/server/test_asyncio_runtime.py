"""The runtime on asyncio, on a real event loop: asyncio's own, one with eager tasks, and uvloop."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import threading
from contextlib import suppress
from typing import Any

import pytest
from eio_server.asyncio_runtime import AsyncioRuntime

from .logs import Logs
from .loops import SOON, Run

EAGER = sys.version_info >= (3, 12)

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="default")


# --------------------------------------------------------------------------------------------------------------- timer


def test_the_timer(run: Run) -> None:
    """Once, not before its time, in the server's own context."""

    async def main(runtime: AsyncioRuntime) -> None:
        rang: asyncio.Future[tuple[float, str]] = asyncio.get_running_loop().create_future()
        variable.set("the request's")
        when = runtime.now() + 0.02
        runtime.set_timer(when, lambda: rang.set_result((runtime.now(), variable.get())))
        at, context = await rang
        assert at >= when - 0.005, "uvloop's clock has milliseconds"
        assert context == "default"

    run(main)


def test_the_timer_is_one(run: Run) -> None:
    """A later wish takes the place of an earlier one; None takes it back."""
    rang: list[str] = []

    async def main(runtime: AsyncioRuntime) -> None:
        done = asyncio.Event()

        def ring() -> None:
            rang.append("past")
            done.set()

        runtime.set_timer(runtime.now(), lambda: rang.append("first"))
        runtime.set_timer(runtime.now() + 0.01, lambda: rang.append("second"))
        runtime.set_timer(None, lambda: rang.append("third"))
        runtime.set_timer(runtime.now() - 100, ring)
        assert rang == [], "never at once"
        await done.wait()
        asyncio.get_running_loop().call_later(0.03, done.set)
        done.clear()
        await done.wait()
        assert rang == ["past"]

    run(main)


def test_a_timer_that_sets_itself(run: Run) -> None:
    async def main(runtime: AsyncioRuntime) -> None:
        rang: list[int] = []
        done = asyncio.Event()

        def ring() -> None:
            rang.append(len(rang))
            if len(rang) == 3:
                done.set()
            else:
                runtime.set_timer(runtime.now(), ring)

        runtime.set_timer(runtime.now(), ring)
        await done.wait()

    run(main)


# --------------------------------------------------------------------------------------------------------------- tasks


def test_spawned_tasks_begin_in_order_and_never_at_once(run: Run) -> None:
    """Not even where the loop makes eager tasks: the caller is in the middle of something."""
    order: list[int] = []

    async def main(runtime: AsyncioRuntime) -> None:
        async def work(number: int) -> None:
            order.append(number)

        tasks = [runtime.spawn(work(number)) for number in range(5)]
        assert order == []
        await asyncio.wait(tasks)
        assert order == [0, 1, 2, 3, 4]

    run(main)


def test_started_tasks_begin_in_order(run: Run) -> None:
    """At once from Python 3.12 on; in any case before what is spawned afterwards."""
    order: list[str] = []

    async def main(runtime: AsyncioRuntime) -> None:
        async def work(name: str) -> None:
            order.append(name)
            await asyncio.sleep(0)

        runtime.start(work("a"))
        runtime.start(work("b"))
        assert order == (["a", "b"] if EAGER else [])
        await runtime.spawn(work("c"))
        assert order == ["a", "b", "c"]

    run(main)


def test_contexts_of_tasks(run: Run) -> None:
    """``spawn``: the server's own, a copy for each, or the one that is given. ``start``: a copy of the caller's."""
    seen: list[str] = []

    async def main(runtime: AsyncioRuntime) -> None:
        async def work() -> None:
            seen.append(variable.get())
            variable.set("theirs")

        variable.set("the caller's")
        given = contextvars.copy_context()
        given.run(variable.set, "given")
        await runtime.spawn(work())
        await runtime.spawn(work())
        await runtime.spawn(work(), context=given)
        runtime.start(work())
        await runtime.stop(SOON)
        assert seen == ["default", "default", "given", "the caller's"]
        assert given[variable] == "theirs"
        assert variable.get() == "the caller's"

    run(main)


@pytest.mark.parametrize("how", ["spawn", "start"])
def test_tasks_are_held(run: Run, how: str) -> None:
    """AP-13: the loop itself has weak references only."""

    async def main(runtime: AsyncioRuntime) -> None:
        done = []

        async def work() -> None:
            event = asyncio.Event()
            asyncio.get_running_loop().call_later(0.01, event.set)
            await event.wait()
            done.append(True)

        getattr(runtime, how)(work())
        await asyncio.sleep(0)
        gc.collect()
        await runtime.stop(SOON)
        assert done == [True]

    run(main)


@pytest.mark.parametrize("suspends", [True, False])
def test_an_exception_of_a_task_is_logged(run: Run, logs: Logs, *, suspends: bool) -> None:
    async def main(runtime: AsyncioRuntime) -> None:
        async def work() -> None:
            if suspends:
                await asyncio.sleep(0)
            raise OSError("lost")

        await asyncio.wait([runtime.spawn(work())])
        await asyncio.sleep(0)

    run(main)
    assert logs.take("a task of the server failed").exc_info is not None


# ---------------------------------------------------------------------------------------------------------------- stop


def test_stop_waits(run: Run) -> None:
    """Also for what begins meanwhile: after the last message handler comes the disconnect handler."""
    ended: list[str] = []

    async def main(runtime: AsyncioRuntime) -> None:
        async def second() -> None:
            for _ in range(5):
                await asyncio.sleep(0)
            ended.append("second")

        async def first() -> None:
            await asyncio.sleep(0)
            runtime.spawn(second())
            ended.append("first")

        runtime.spawn(first())
        await runtime.stop(SOON)
        assert ended == ["first", "second"]

    run(main)


def test_stop_cancels(run: Run) -> None:
    """When its time is over; what begins then too. It has begun before, though: a disconnect handler is called."""
    seen: list[str] = []

    async def main(runtime: AsyncioRuntime) -> None:
        async def second() -> None:
            seen.append("begun")
            try:
                await asyncio.Event().wait()
            finally:
                seen.append("ended")

        async def first() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                runtime.spawn(second())

        tasks = [runtime.spawn(first()) for _ in range(2)]
        await runtime.stop(0.01)
        assert all(task.cancelled() for task in tasks)
        assert seen == ["begun", "begun", "ended", "ended"]

    run(main)


def test_stop_lets_everything_begin(run: Run) -> None:
    """However long the chain: the disconnect handler may be the last of it."""
    begun: list[int] = []

    async def main(runtime: AsyncioRuntime) -> None:
        async def link(number: int) -> None:
            begun.append(number)
            if number < 6:
                runtime.spawn(link(number + 1))

        async def first() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                runtime.spawn(link(1))

        runtime.spawn(first())
        await runtime.stop(0)
        assert begun == [1, 2, 3, 4, 5, 6]

    run(main)


def test_stop_at_once(run: Run) -> None:
    """With no time at all, what was spawned begins all the same."""
    seen: list[str] = []

    async def main(runtime: AsyncioRuntime) -> None:
        async def work() -> None:
            seen.append("begun")
            await asyncio.Event().wait()

        task = runtime.spawn(work())
        await runtime.stop(0)
        assert task.cancelled()
        assert seen == ["begun"]

    run(main)


def test_stop_does_not_wait_for_ever(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """For who does not let itself be cancelled."""
    monkeypatch.setattr("eio_server.asyncio_runtime.GRACE", 0.01)

    async def main(runtime: AsyncioRuntime) -> None:
        release = asyncio.Event()

        async def stubborn() -> None:
            while not release.is_set():
                with suppress(asyncio.CancelledError):
                    await release.wait()

        task = runtime.spawn(stubborn())
        await runtime.stop(0)
        assert not task.done()
        release.set()
        await task

    run(main)


@pytest.mark.parametrize("how", ["spawn", "start"])
def test_stop_in_a_task_of_the_server(run: Run, how: str) -> None:
    """A handler that shuts down does not wait for itself."""
    ended: list[str] = []

    async def main(runtime: AsyncioRuntime) -> None:
        done = asyncio.Event()

        async def other() -> None:
            await asyncio.sleep(0)
            ended.append("other")

        async def handler() -> None:
            await asyncio.sleep(0)
            runtime.spawn(other())
            await runtime.stop(SOON)
            ended.append("handler")
            done.set()

        getattr(runtime, how)(handler())
        await done.wait()
        assert ended == ["other", "handler"]

    run(main)


def test_stop_stops_the_timer_and_nothing_else(run: Run) -> None:
    """The runtime can be used again."""

    async def main(runtime: AsyncioRuntime) -> None:
        rang: list[str] = []
        runtime.set_timer(runtime.now(), lambda: rang.append("stopped"))
        await runtime.stop(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert rang == []
        done = asyncio.Event()
        runtime.set_timer(runtime.now(), done.set)
        await done.wait()

        async def work() -> str:
            return "works"

        assert await runtime.spawn(work()) == "works"

    run(main)


# --------------------------------------------------------------------------------------------------------- application


def test_background_tasks(run: Run) -> None:
    """AP-13: coroutine functions and plain ones, whose awaitable result is awaited."""

    async def main(runtime: AsyncioRuntime) -> None:
        async def add(a: int, b: int) -> int:
            await asyncio.sleep(0)
            return a + b

        def plain(a: int) -> int:
            return a

        def later(a: int) -> Any:
            return add(a, b=a)

        task = runtime.start_background_task(add, 1, b=2)
        assert isinstance(task, asyncio.Task)
        assert await task == 3
        assert await runtime.start_background_task(plain, 4) == 4
        assert await runtime.start_background_task(later, 4) == 8

    run(main)


def test_background_tasks_outlive_the_server(run: Run) -> None:
    """AP-13: and are held until they end."""

    async def main(runtime: AsyncioRuntime) -> None:
        release = asyncio.Event()

        async def work() -> str:
            await release.wait()
            return "done"

        task = runtime.start_background_task(work)
        await runtime.stop(0)
        assert not task.done()
        release.set()
        assert await task == "done"

    run(main)


def test_an_exception_of_a_background_task_is_logged(run: Run, logs: Logs) -> None:
    """AP-13."""

    async def main(runtime: AsyncioRuntime) -> None:
        def work() -> None:
            raise OSError("mine")

        await asyncio.wait([runtime.start_background_task(work)])
        cancelled = runtime.start_background_task(asyncio.sleep, SOON)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        await asyncio.sleep(0)

    run(main)
    logs.take("a background task failed")


def test_conveniences(run: Run) -> None:
    """AP-13: asyncio's own."""

    async def main(runtime: AsyncioRuntime) -> None:
        assert isinstance(runtime.create_queue(3), asyncio.Queue)
        assert runtime.queue_empty() is asyncio.QueueEmpty
        assert isinstance(runtime.create_event(), asyncio.Event)
        await runtime.sleep(0)
        await runtime.turn()
        thread = await runtime.run_in_thread(threading.get_ident)
        assert thread != threading.get_ident()
        event = runtime.event()
        waiting = [asyncio.ensure_future(event.wait()) for _ in range(2)]
        await asyncio.sleep(0)
        event.set()
        event.set()
        await asyncio.wait(waiting)
        assert runtime.library == "asyncio"
        assert runtime.is_here()

    run(main)


def test_queues_and_events_before_there_is_a_loop() -> None:
    """AP-13: applications make them where they make the server."""
    from eio_server import AsyncServer
    from eio_server.integration import register

    class Integration:
        name, distribution = "asyncio", "eio-asyncio"

        def make_runtime(self) -> AsyncioRuntime:
            return AsyncioRuntime()

        def attach(self, server: AsyncServer, app: Any, path: str) -> None: ...

        async def handle_request(self, server: AsyncServer, *args: Any) -> Any: ...

    register(Integration())
    eio = AsyncServer("asyncio")
    assert isinstance(eio.create_queue(), asyncio.Queue)
    assert isinstance(eio.create_event(), asyncio.Event)
    assert eio.get_queue_empty_exception() is asyncio.QueueEmpty


def test_another_loop() -> None:
    """SD-4: a framework that starts again may do so in another event loop."""

    async def make() -> AsyncioRuntime:
        return AsyncioRuntime()

    async def is_here(runtime: AsyncioRuntime) -> bool:
        return runtime.is_here()

    assert not asyncio.run(is_here(asyncio.run(make())))
