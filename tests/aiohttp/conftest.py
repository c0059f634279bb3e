"""The aiohttp integration served in the loop of the test, in the two ways that aiohttp handles a client that leaves."""

from __future__ import annotations

import gc
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.util import find_spec
from typing import Any

import pytest

from tests.integrations.harness import Logs, Serve, serving
from tests.integrations.servers import Server, listen
from tests.integrations.servers.aiohttp import application

collect_ignore_glob = [] if find_spec("eio_aiohttp") else ["test_*.py"]


@asynccontextmanager
async def run(app: Any, *, handler_cancellation: bool) -> AsyncIterator[int]:
    from aiohttp import web

    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, handler_cancellation=handler_cancellation)
    await runner.setup()
    listener, port = listen()
    await web.SockSite(runner, listener).start()
    try:
        yield port
    finally:
        await runner.cleanup()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=[False, True], ids=["plain", "handler cancellation"])
def serve(request: pytest.FixtureRequest) -> Serve:
    server = Server("aiohttp", "aiohttp", application, partial(run, handler_cancellation=request.param))
    return partial(serving, server)


@pytest.fixture(autouse=True)
def logs() -> Iterator[Logs]:
    """What is logged during the test; a traceback that it did not take fails it."""
    handler = Logs()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)
    handler.verify()
    gc.unfreeze()  # what serving() froze
