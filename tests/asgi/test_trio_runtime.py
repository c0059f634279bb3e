"""The runtime on trio, on a clock that jumps: the same promises as asyncio's."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import CancelledError
from contextvars import ContextVar, copy_context
from typing import Any

import pytest
import trio
import trio.testing
from eio_asgi.trio_primitives import Queue, QueueEmpty, QueueFull
from eio_asgi.trio_runtime import TrioRuntime

pytestmark = pytest.mark.anyio

variable: ContextVar[str] = ContextVar("variable", default="nothing")


@pytest.fixture
def anyio_backend() -> Any:
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


@pytest.fixture
async def runtime() -> AsyncIterator[TrioRuntime]:
    runtime = TrioRuntime()
    yield runtime
    await runtime.stop(0)
    assert holders() == 0


def holders() -> int:
    """How many system tasks are ours."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    return sum(task.name == "eio_asgi" for nursery in root.child_nurseries for task in nursery.child_tasks)


async def stay(seconds: float = math.inf) -> None:
    await trio.sleep(seconds)


async def test_the_timer_fires_once_at_its_time(runtime: TrioRuntime) -> None:
    fired: list[float] = []
    start = runtime.now()
    runtime.set_timer(start + 10, lambda: fired.append(runtime.now() - start))
    await trio.sleep(9.9)
    assert not fired
    await trio.sleep(100)
    assert fired == [10]


@pytest.mark.parametrize(("first", "then", "expected"), [(10, 20, [20]), (20, 10, [10]), (10, None, []), (10, -1, [0])])
async def test_a_wish_replaces_the_one_before(
    runtime: TrioRuntime, first: float, then: float | None, expected: list[float]
) -> None:
    fired: list[float] = []
    start = runtime.now()
    runtime.set_timer(start + first, lambda: fired.append(-1))
    await trio.testing.wait_all_tasks_blocked()
    runtime.set_timer(None if then is None else start + then, lambda: fired.append(runtime.now() - start))
    await trio.sleep(100)
    assert fired == expected


async def test_a_callback_may_set_the_timer_again_and_may_fail(
    runtime: TrioRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    count = 0

    def callback() -> None:
        nonlocal count
        count += 1
        if count < 3:
            runtime.set_timer(runtime.now() + 1, callback)
            raise KeyError(count)

    runtime.set_timer(runtime.now() + 1, callback)
    await trio.sleep(10)
    assert count == 3
    assert [record.exc_info is not None for record in caplog.records] == [True, True]


async def test_the_clock_can_be_read_in_a_thread(runtime: TrioRuntime) -> None:
    assert await runtime.run_in_thread(runtime.now) == runtime.now()


async def test_tasks_start_in_the_order_in_which_they_were_spawned(runtime: TrioRuntime) -> None:
    """FD-6: which trio does not promise; and what is spawned by one comes after what was spawned before."""
    ran: list[int] = []

    async def note(number: int) -> None:
        ran.append(number)
        if number < 3:
            runtime.start(note(number + 100))
        await trio.lowlevel.checkpoint()

    for number in range(20):
        (runtime.start if number % 2 else runtime.spawn)(note(number))
    await trio.testing.wait_all_tasks_blocked()
    assert ran == [*range(20), 100, 101, 102]


async def test_a_failing_task_is_logged_and_harms_no_other(
    runtime: TrioRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    done = trio.Event()

    async def fail() -> None:
        raise KeyError("x")

    async def go_on() -> None:
        await trio.sleep(1)
        done.set()

    runtime.spawn(fail())
    runtime.spawn(go_on())
    await done.wait()
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("eio_server", logging.ERROR)


async def test_the_context_of_a_task(runtime: TrioRuntime) -> None:
    seen: list[str] = []

    async def look() -> None:
        seen.append(variable.get())

    variable.set("of the caller")
    context = copy_context()
    context.run(variable.set, "given")
    runtime.spawn(look())
    runtime.spawn(look(), context=context)
    runtime.start(look())
    await trio.testing.wait_all_tasks_blocked()
    assert seen == ["nothing", "given", "of the caller"]


async def test_a_spawned_task_can_be_cancelled(runtime: TrioRuntime) -> None:
    early, late = runtime.spawn(stay()), runtime.spawn(stay())
    early.cancel()  # before it ran
    await trio.testing.wait_all_tasks_blocked()
    assert early.done()
    assert not late.done()
    late.cancel()
    await trio.testing.wait_all_tasks_blocked()
    assert late.done()


async def test_a_scope_is_left_from_outside(runtime: TrioRuntime) -> None:
    with runtime.scope() as scope:
        trio.lowlevel.spawn_system_task(leave, scope.cancel)
        await trio.sleep_forever()
    await trio.lowlevel.checkpoint()


async def leave(cancel: Callable[[], None]) -> None:
    await trio.sleep(1)
    cancel()


async def test_stop_waits_and_then_cancels(runtime: TrioRuntime) -> None:
    ended: list[str] = []

    async def take(seconds: float, name: str) -> None:
        try:
            await trio.sleep(seconds)
            ended.append(name)
        except trio.Cancelled:
            ended.append(name + " cancelled")
            raise

    start = runtime.now()
    runtime.set_timer(start + 1, lambda: ended.append("timer"))
    runtime.spawn(take(2, "short"))
    runtime.spawn(take(200, "long"))
    await runtime.stop(5)
    assert ended == ["short", "long cancelled"]
    assert runtime.now() - start == 5
    assert holders() == 0
    runtime.spawn(take(2, "again"))
    runtime.set_timer(runtime.now() + 1, lambda: ended.append("timer again"))
    await trio.sleep(3)
    assert ended[2:] == ["timer again", "again"]


async def test_a_task_of_the_server_may_stop_it(runtime: TrioRuntime) -> None:
    """As a handler does that calls shutdown()."""
    stopped = trio.Event()

    async def stop() -> None:
        await runtime.stop(1)
        stopped.set()

    runtime.spawn(stay())
    runtime.spawn(stop())
    await stopped.wait()
    await trio.testing.wait_all_tasks_blocked()
    assert holders() == 0


async def test_it_is_there_only_while_there_is_something_to_do(runtime: TrioRuntime) -> None:
    """So a runtime that is given up leaves nothing behind."""
    for _ in range(2):
        runtime.spawn(stay(1))
        await trio.sleep(0.5)
        assert holders() == 1
        await trio.sleep(1)
        assert holders() == 0
        runtime.set_timer(runtime.now() + 1, lambda: None)
        await trio.sleep(0.5)
        assert holders() == 1
        await trio.sleep(1)
        assert holders() == 0
    runtime.set_timer(runtime.now() + 1, lambda: None)
    runtime.set_timer(None, lambda: None)
    await trio.testing.wait_all_tasks_blocked()
    assert holders() == 0


async def test_work_that_comes_at_the_very_end(runtime: TrioRuntime) -> None:
    """Whenever it comes: while the last task ends, or its nursery closes."""
    for delay in range(12):
        ran = trio.Event()

        async def note(ran: trio.Event = ran) -> None:
            ran.set()

        runtime.spawn(stay(0))
        for _ in range(delay):
            await trio.lowlevel.checkpoint()
        runtime.spawn(note())
        with trio.fail_after(1):
            await ran.wait()


async def test_stop_before_anything_began(runtime: TrioRuntime) -> None:
    await runtime.stop(1)
    task = runtime.spawn(stay(5))
    await runtime.stop(10)
    assert task.done()


def test_the_end_of_trio_ends_it() -> None:
    """Without a lifespan nobody calls stop()."""
    ended: list[str] = []

    async def go_on() -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append("task")

    async def main() -> None:
        runtime = TrioRuntime()
        runtime.spawn(go_on())
        runtime.start_background_task(go_on)
        runtime.set_timer(runtime.now() + 100, lambda: None)
        await trio.testing.wait_all_tasks_blocked()
        runtime.spawn(go_on())  # it had no time to start

    trio.run(main)
    assert len(ended) in {2, 3}


async def test_background_tasks(runtime: TrioRuntime, caplog: pytest.LogCaptureFixture) -> None:
    """AP-13: a coroutine function, a function, or a function with an awaitable result."""

    async def add(one: int, *, two: int) -> int:
        await trio.sleep(1)
        return one + two

    def fail() -> Awaitable[int]:
        raise KeyError("x")

    task = runtime.start_background_task(add, 1, two=2)
    assert not task.done()
    assert await task == 3
    assert task.done()
    assert await runtime.start_background_task(lambda: 4) == 4
    assert await runtime.start_background_task(lambda: add(1, two=1)) == 2
    with pytest.raises(KeyError):
        await runtime.start_background_task(fail)
    assert len(caplog.records) == 1
    task = runtime.start_background_task(trio.sleep_forever)
    await runtime.stop(0)
    assert not task.done()  # it outlives the server's own tasks, as on asyncio
    assert task.cancel()
    with pytest.raises(CancelledError):
        await task
    assert not task.cancel()


async def test_the_queue(runtime: TrioRuntime) -> None:
    """AP-13: with the methods of asyncio.Queue."""
    queue = runtime.create_queue(maxsize=2)
    assert queue.empty()
    with pytest.raises(QueueEmpty):
        queue.get_nowait()
    assert runtime.queue_empty() is QueueEmpty
    got: list[int] = []

    async def consume() -> None:
        while True:
            got.append(await queue.get())
            queue.task_done()

    for number in range(2):
        queue.put_nowait(number)
    assert (queue.qsize(), queue.full(), queue.maxsize) == (2, True, 2)
    with pytest.raises(QueueFull):
        queue.put_nowait(2)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(consume)
        nursery.start_soon(consume)
        for number in range(2, 10):
            await queue.put(number)
        await queue.join()
        assert sorted(got) == list(range(10))
        nursery.cancel_scope.cancel()
    with pytest.raises(ValueError, match="too many"):
        queue.task_done()


async def test_a_cancelled_getter_takes_nothing(runtime: TrioRuntime) -> None:
    queue = Queue()
    with trio.move_on_after(1):
        await queue.get()
    await queue.put("x")
    assert await queue.get() == "x"


async def test_the_event(runtime: TrioRuntime) -> None:
    """AP-13: it can be cleared."""
    event = runtime.create_event()
    with trio.move_on_after(1) as scope:
        await event.wait()
    assert scope.cancelled_caught
    event.set()
    assert event.is_set()
    assert await event.wait()
    event.clear()
    assert not event.is_set()
