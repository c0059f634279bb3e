"""Event loops to run a test on: asyncio's own, one with eager tasks, and uvloop."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from eio_server.asyncio_runtime import AsyncioRuntime

__all__ = ["FACTORIES", "SOON", "Run", "runner"]

Factory = Callable[[], asyncio.AbstractEventLoop]
Main = Callable[[AsyncioRuntime], Coroutine[Any, Any, Any]]
Run = Callable[[Main], Any]
SOON = 10.0
"""Seconds after which what is waited for does not come any more."""


def eager_loop() -> asyncio.AbstractEventLoop:
    """Tasks begin as soon as they are made."""
    loop = asyncio.new_event_loop()
    loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined, unused-ignore] # from 3.12 on
    return loop


def uvloop_loop() -> asyncio.AbstractEventLoop:
    """Where it is installed."""
    import uvloop  # type: ignore[import-not-found, unused-ignore]

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


FACTORIES: dict[str, Factory] = {"asyncio": asyncio.new_event_loop}
if sys.version_info >= (3, 12):
    FACTORIES["eager"] = eager_loop
if importlib.util.find_spec("uvloop") is not None:
    FACTORIES["uvloop"] = uvloop_loop


def runner(factory: Factory) -> Run:
    """What runs a coroutine function of a runtime on such a loop; whatever the loop complains of fails the test."""

    def run(main: Main) -> Any:
        complaints: list[dict[str, Any]] = []

        async def whole() -> Any:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
            async with asyncio.timeout(SOON):
                return await main(AsyncioRuntime())

        with asyncio.Runner(loop_factory=factory) as loop:
            result = loop.run(whole())
            gc.collect()
        assert complaints == []
        return result

    return run
