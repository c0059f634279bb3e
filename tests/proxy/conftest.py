"""Servers, harness and rules are those of tests/integrations; what is new is nginx before them."""

from __future__ import annotations

import pytest

from tests.integrations.conftest import anyio_backend, logs, pytest_configure, serve, thaw
from tests.integrations.servers import SERVERS

__all__ = ["anyio_backend", "logs", "pytest_configure", "serve", "thaw"]

DEFAULT = ("aiohttp", "asgi-uvicorn")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every-server", action="store_true", help=f"behind the proxy, not only {' and '.join(DEFAULT)}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        every = metafunc.config.getoption("--every-server", default=False)
        metafunc.parametrize("server", [one for one in SERVERS if every or one.name in DEFAULT], ids=str)
