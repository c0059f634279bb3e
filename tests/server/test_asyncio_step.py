"""Writes that are stepped by hand, and what goes on with them, on real event loops."""

from __future__ import annotations

import asyncio
import contextvars
import types
from collections.abc import Awaitable
from typing import Any

import pytest
from eio_server.asyncio_runtime import AsyncioRuntime
from eio_server.integration import Disconnected

from .loops import SOON, Run

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="default")


async def finish(rest: Awaitable[object]) -> object:
    """As the writer of a WebSocket does."""
    return await rest


@types.coroutine
def bare() -> Any:
    """What ``asyncio.sleep(0)`` does."""
    yield


def test_a_step_that_is_all(run: Run) -> None:
    """Run in the context that is given, at once."""
    seen = []

    async def write() -> str:
        seen.append(variable.get())
        variable.set("set by the write")
        return "done"

    async def main(runtime: AsyncioRuntime) -> None:
        context = contextvars.copy_context()
        context.run(variable.set, "the connection's")
        assert runtime.step(write(), context) == (True, "done")
        assert seen == ["the connection's"]
        assert variable.get() == "default"
        assert context[variable] == "set by the write"

    run(main)


def test_a_step_that_fails(run: Run) -> None:
    async def write() -> None:
        raise OSError("gone")

    async def main(runtime: AsyncioRuntime) -> None:
        with pytest.raises(OSError, match="gone"):
            runtime.step(write(), contextvars.copy_context())

    run(main)


def test_a_step_that_is_cancelled_by_itself(run: Run) -> None:
    """Some frameworks raise CancelledError where a connection is lost: whoever sends is not meant."""

    async def write() -> None:
        raise asyncio.CancelledError

    async def main(runtime: AsyncioRuntime) -> None:
        with pytest.raises(Disconnected):
            runtime.step(write(), contextvars.copy_context())
        task = asyncio.current_task()
        assert task is not None
        assert not task.cancelling()

    run(main)


@pytest.mark.parametrize("when", ["before the task runs", "while it waits"])
def test_a_step_that_suspends(run: Run, when: str) -> None:
    """The rest goes on in a task with the same context: on a future that is done by then, or later."""
    order: list[str] = []

    async def main(runtime: AsyncioRuntime) -> None:
        loop = asyncio.get_running_loop()
        first: asyncio.Future[str] = loop.create_future()
        second: asyncio.Future[str] = loop.create_future()

        async def write() -> str:
            token = variable.set("inside")
            order.append(await first)
            await asyncio.sleep(0)
            await bare()
            order.append(await second)
            variable.reset(token)
            return "the result"

        context = contextvars.copy_context()
        done, rest = runtime.step(write(), context)
        assert not done
        if when == "before the task runs":
            first.set_result("first")
        task = runtime.spawn(finish(rest), context=context)
        if when == "while it waits":
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert order == []
            first.set_result("first")
        second.set_result("second")
        assert await task == "the result"
        assert order == ["first", "second"]
        assert variable not in context, "reset"

    run(main)


@pytest.mark.parametrize("catches", [True, False])
def test_an_exception_for_the_rest(run: Run, *, catches: bool) -> None:
    """It is raised where the write waits."""

    async def main(runtime: AsyncioRuntime) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        later: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def write() -> str:
            try:
                await future
            except OSError:
                if not catches:
                    raise
            return await later

        done, rest = runtime.step(write(), contextvars.copy_context())
        assert not done
        future.set_exception(OSError("gone"))
        later.set_result("went on")
        if catches:
            assert await rest == "went on"
        else:
            with pytest.raises(OSError, match="gone"):
                await rest

    run(main)


@pytest.mark.parametrize("catches", [True, False])
def test_a_cancellation_for_the_rest(run: Run, *, catches: bool) -> None:
    """It reaches the write; what it waits for is cancelled as ever."""
    seen: list[str] = []

    async def main(runtime: AsyncioRuntime) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        more: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def write() -> None:
            try:
                await future
            except asyncio.CancelledError:
                seen.append("cancelled")
                if not catches:
                    raise
                await more
                seen.append("went on")
            finally:
                seen.append("finally")

        done, rest = runtime.step(write(), contextvars.copy_context())
        assert not done
        task = runtime.spawn(finish(rest))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        assert future.cancelled()
        more.set_result(None)
        if catches:
            await task
            assert seen == ["cancelled", "went on", "finally"]
        else:
            with pytest.raises(asyncio.CancelledError):
                await task
            assert seen == ["cancelled", "finally"]

    run(main)


def test_a_rest_that_is_given_up(run: Run) -> None:
    """The write is closed with it."""
    seen: list[str] = []

    async def main(runtime: AsyncioRuntime) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def write() -> None:
            try:
                await future
            except GeneratorExit:
                seen.append("closed")
                raise

        done, rest = runtime.step(write(), contextvars.copy_context())
        assert not done
        task = finish(rest)
        task.send(None)
        task.close()
        assert seen == ["closed"]

    run(main)


def test_a_rest_that_uses_asyncio(run: Run) -> None:
    """Locks, events, timeouts: from its second part on it is in a task."""

    async def main(runtime: AsyncioRuntime) -> None:
        lock, event = asyncio.Lock(), asyncio.Event()
        await lock.acquire()

        async def write() -> asyncio.Task[Any] | None:
            async with lock:
                async with asyncio.timeout(SOON):
                    await event.wait()
                return asyncio.current_task()

        context = contextvars.copy_context()
        done, rest = runtime.step(write(), context)
        assert not done
        task = runtime.spawn(finish(rest), context=context)
        lock.release()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        event.set()
        assert await task is task
        assert not lock.locked()

    run(main)
