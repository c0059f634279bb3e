"""Servers, harness and rules are those of tests/integrations; what is new is nginx before them."""

from __future__ import annotations

import pytest

from tests.integrations.conftest import anyio_backend, logs, pytest_configure, serve, thaw, wants_api
from tests.integrations.servers import SERVERS, Gap

__all__ = ["anyio_backend", "logs", "pytest_configure", "serve", "thaw"]

DEFAULT = ("aiohttp", "asgi-uvicorn")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every-server", action="store_true", help=f"behind the proxy, not only {' and '.join(DEFAULT)}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        every = metafunc.config.getoption("--every-server", default=False)
        # One that says little of what goes wrong (daphne) is tested for that without a proxy.
        chosen = [one for one in SERVERS if Gap.REFUSES_WITHOUT_A_REASON not in one.gaps] if every else SERVERS
        metafunc.parametrize("server", [one for one in chosen if every or one.name in DEFAULT], ids=str)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what asks an AsyncServer, where there is none."""
    items[:] = [item for item in items if not wants_api(item)]
