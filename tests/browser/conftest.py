"""Servers, harness and rules are those of tests/integrations; the server serves the page of these tests as well.

Two servers are tested unless ``--servers`` says otherwise: what frameworks do to connections is seen without a browser.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from tests.integrations.conftest import anyio_backend, logs, pytest_configure, thaw
from tests.integrations.harness import Serve, serving
from tests.integrations.servers import SERVERS, Server

from .chromium import Chromium, launch
from .pages import application

__all__ = ["anyio_backend", "logs", "pytest_configure", "thaw"]

DEFAULT = "aiohttp,asgi-uvicorn"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--servers", default=DEFAULT, help="'all', or names with commas between (default: %(default)s)")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        wanted = metafunc.config.getoption("servers", DEFAULT)
        servers = {server.name: server for server in SERVERS if server.api}  # which serve the page, too
        names = list(servers) if wanted == "all" else wanted.split(",")
        metafunc.parametrize("server", [servers[name] for name in names], ids=str)


@pytest.fixture
def serve(server: Server) -> Serve:
    return partial(serving, server, app=partial(application, server))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    with launch() as browser:
        yield browser
