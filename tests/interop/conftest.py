"""Servers, harness and rules are those of tests/integrations: a server registered there is tested here as well."""

from __future__ import annotations

import pytest

from tests.integrations import conftest as integrations
from tests.integrations.conftest import (
    anyio_backend,
    logs,
    pytest_collection_modifyitems,
    pytest_configure,
    serve,
    thaw,
)
from tests.integrations.servers import SERVERS, Server

from .engineio_client import AsyncioClient, Client, ThreadedClient

__all__ = ["anyio_backend", "logs", "pytest_collection_modifyitems", "pytest_configure", "serve", "thaw"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for ``client_type`` runs with each client of python-engineio that fits the server's loop."""
    if "client_type" in metafunc.fixturenames:
        pairs: list[tuple[Server, type[Client]]] = [(server, ThreadedClient) for server in SERVERS]
        pairs += [(server, AsyncioClient) for server in SERVERS if server.backend == "asyncio"]
        metafunc.parametrize(
            ("server", "client_type"), pairs, ids=[f"{server}-{kind.__name__}" for server, kind in pairs]
        )
    else:
        integrations.pytest_generate_tests(metafunc)
