"""Servers, harness and rules are those of tests/integrations; what must hold after every case is stricter here."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.integrations.clients import settle
from tests.integrations.conftest import (
    anyio_backend,
    logger,
    logs,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_generate_tests,
    thaw,
)
from tests.integrations.harness import Serve, Site, eventually, serving
from tests.integrations.servers import Server

__all__ = [
    "anyio_backend",
    "logger",
    "logs",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_generate_tests",
    "thaw",
]

MANY = ("aiohttp", "asgi-uvicorn", "sanic", "tornado")
"""The servers that are asked for everything by the thousand: one for each integration, for that takes its time."""


@asynccontextmanager
async def besieged(server: Server, **options: Any) -> AsyncIterator[Site]:
    """Serve, and see afterwards what hostile clients must not change.

    No connection remains once its client is gone, a fresh client is served, ``sockets`` has exactly the sessions that
    are open, no task is left over (``serving`` sees to these), and no traceback was logged that no test asked for
    (``logs`` does).
    """
    async with serving(server, **options) as site:
        await settle()  # some open what they need only now
        before = sockets()
        yield site
        site.close()
        await eventually(lambda: sockets() <= before + site.kept)


def sockets() -> int:
    """How many sockets this process has open, as far as the system tells: client and server are both in it."""
    files = Path("/proc/self/fd")
    return sum(file.is_socket() for file in files.iterdir()) if files.exists() else 0


@pytest.fixture
def serve(server: Server) -> Serve:
    return partial(besieged, server)


class Memory:
    """What the process has allocated since the test said ``begin()``, in bytes; of Python's objects alone."""

    def begin(self) -> None:
        tracemalloc.reset_peak()
        self._before = tracemalloc.get_traced_memory()[0]

    @property
    def peak(self) -> int:
        return tracemalloc.get_traced_memory()[1] - self._before

    @staticmethod
    def ours() -> int:
        """What our own code has allocated and still holds: frameworks keep some of theirs for a while, on purpose."""
        snapshot = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*eio_*")])
        return sum(trace.size for trace in snapshot.traces)


@pytest.fixture
def memory() -> Iterator[Memory]:
    tracemalloc.start()
    yield Memory()
    tracemalloc.stop()
