"""The aiohttp integration served in the loop of the test, in the two ways that aiohttp handles a client that leaves."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec

import pytest

from tests.integrations.harness import Logs, Serve, serving
from tests.integrations.servers import Server
from tests.integrations.servers.aiohttp import application, run

collect_ignore_glob = [] if find_spec("eio_aiohttp") else ["test_*.py"]


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
