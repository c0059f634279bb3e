"""Scopes, which end from outside what a task waits for, on real event loops."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from eio_server.asyncio_runtime import AsyncioRuntime

from .loops import SOON, Run


def test_a_scope_that_is_left_from_outside(run: Run) -> None:
    """What follows the block goes on, and the task has not been cancelled."""

    async def main(runtime: AsyncioRuntime) -> None:
        entered = asyncio.Event()
        scopes = []

        async def block() -> str:
            with runtime.scope() as scope:
                scopes.append(scope)
                entered.set()
                await asyncio.Event().wait()
                raise AssertionError("it was left")
            await asyncio.sleep(0)
            return "went on"

        task = asyncio.ensure_future(block())
        await entered.wait()
        scopes[0].cancel()
        scopes[0].cancel()
        assert await task == "went on"
        assert task.cancelling() == 0
        scopes[0].cancel()

    run(main)


def test_a_scope_that_is_not_left(run: Run) -> None:
    async def main(runtime: AsyncioRuntime) -> None:
        with runtime.scope() as scope:
            await asyncio.sleep(0)
        scope.cancel()  # too late, and harmless
        await asyncio.sleep(0)
        with pytest.raises(OSError, match="mine"), runtime.scope():
            raise OSError("mine")

    run(main)


def test_a_scope_whose_wait_ends_at_the_same_time(run: Run) -> None:
    """The result is there, but the cancellation has come: the block is left, and nothing of it comes later."""

    async def main(runtime: AsyncioRuntime) -> None:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        scopes, got = [], []

        async def block() -> None:
            with runtime.scope() as scope:
                scopes.append(scope)
                got.append(await future)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            got.append("after")

        task = asyncio.ensure_future(block())
        await asyncio.sleep(0)
        future.set_result("result")
        scopes[0].cancel()
        await task
        assert got == ["after"]
        assert task.cancelling() == 0

    run(main)


def test_a_scope_whose_block_swallows_the_cancellation(run: Run) -> None:
    async def main(runtime: AsyncioRuntime) -> None:
        scopes = []

        async def block() -> str:
            with runtime.scope() as scope:
                scopes.append(scope)
                with suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
            await asyncio.sleep(0)
            return "went on"

        task = asyncio.ensure_future(block())
        await asyncio.sleep(0)
        scopes[0].cancel()
        assert await task == "went on"
        assert task.cancelling() == 0

    run(main)


def test_a_scope_whose_block_raises_when_it_is_left(run: Run) -> None:
    """As a framework may, in the middle of a body."""

    async def main(runtime: AsyncioRuntime) -> None:
        scopes = []

        async def block() -> None:
            with runtime.scope() as scope:
                scopes.append(scope)
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    raise ConnectionResetError from None

        task = asyncio.ensure_future(block())
        await asyncio.sleep(0)
        scopes[0].cancel()
        with pytest.raises(ConnectionResetError):
            await task
        assert task.cancelling() == 0

    run(main)


@pytest.mark.parametrize("order", ["scope first", "task first"])
def test_a_scope_and_its_task_at_the_same_time(run: Run, order: str) -> None:
    """Somebody else's cancellation counts above ours."""

    async def main(runtime: AsyncioRuntime) -> None:
        scopes = []

        async def block() -> None:
            with runtime.scope() as scope:
                scopes.append(scope)
                await asyncio.Event().wait()
            raise AssertionError("it was cancelled")

        task = asyncio.ensure_future(block())
        await asyncio.sleep(0)
        for cancel in (scopes[0].cancel, task.cancel)[:: 1 if order == "scope first" else -1]:
            cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    run(main)


def test_a_scope_that_was_not_asked(run: Run) -> None:
    """A cancellation from elsewhere passes."""

    async def main(runtime: AsyncioRuntime) -> None:
        async def block() -> None:
            with runtime.scope():
                await asyncio.Event().wait()

        task = asyncio.ensure_future(block())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelling() == 1

    run(main)


def test_scopes_in_one_another(run: Run) -> None:
    """And inside of a timeout of asyncio's."""

    async def main(runtime: AsyncioRuntime) -> None:
        scopes, passed = [], []

        async def block() -> None:
            async with asyncio.timeout(SOON):
                with runtime.scope() as outer:
                    scopes.append(outer)
                    with runtime.scope() as inner:
                        scopes.append(inner)
                        await asyncio.Event().wait()
                    passed.append("inner")
                    await asyncio.Event().wait()
                passed.append("outer")

        task = asyncio.ensure_future(block())
        await asyncio.sleep(0)
        scopes[1].cancel()
        await asyncio.sleep(0)
        assert passed == ["inner"]
        scopes[0].cancel()
        await task
        assert passed == ["inner", "outer"]

    run(main)
