"""A world for each test, that is looked over when the test is done, and the log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from eio_server import integration

from .logs import Logs
from .loops import FACTORIES, Run, runner
from .world import World


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is forgotten after it."""
    monkeypatch.setattr(integration, "_registered", {})


@pytest.fixture(autouse=True)
def logs() -> Iterator[Logs]:
    """What the server logs; a traceback that the test did not take fails it."""
    logger = logging.getLogger("eio_server")
    level, handlers = logger.level, logger.handlers[:]
    logs = Logs()
    logger.addHandler(logs)
    yield logs
    logger.setLevel(level)
    logger.handlers[:] = handlers
    logs.verify()


@pytest.fixture
def make_world() -> Iterator[Callable[..., World]]:
    """``World``; all of them are looked over at the end."""
    worlds: list[World] = []

    def make(**options: Any) -> World:
        worlds.append(World(**options))
        return worlds[-1]

    yield make
    for world in worlds:
        world.end()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A server with the defaults."""
    return make_world()


@pytest.fixture(params=[True, False], ids=["stepping", "untouched"])
def any_world(request: pytest.FixtureRequest, make_world: Callable[..., World]) -> World:
    """A server on a loop whose writes can be stepped, as asyncio's, and on one where they cannot, as trio's."""
    return make_world(stepping=request.param)


@pytest.fixture(params=[*FACTORIES.values()], ids=[*FACTORIES])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine function on each event loop that there is."""
    return runner(request.param)
