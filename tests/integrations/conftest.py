"""Every test that asks for ``serve`` or ``server`` runs once per registered server, on that server's event loop."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from functools import partial

import pytest

from .harness import Logs, Serve, serving
from .matrix import note_servers
from .servers import ALL, SERVERS, SUITE, Server

collect_ignore = [
    f"test_integration_{name}.py"
    for name in {server.integration for server in ALL} - {server.integration for server in SERVERS}
]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "only(integration=None, backend=None): the servers a test is for")
    config.addinivalue_line("markers", "api(why): a test of AsyncServer's own doing, not for servers without it")
    config.addinivalue_line("markers", "without(gap): the servers a test is not for, because they would not survive it")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        wanted: dict[str, str] = {}
        for marker in metafunc.definition.iter_markers("only"):
            wanted.update(marker.kwargs)
        chosen = [server for server in SERVERS if all(getattr(server, key) == wanted[key] for key in wanted)]
        for marker in metafunc.definition.iter_markers("without"):
            chosen = [server for server in chosen if marker.args[0] not in server.gaps]
        metafunc.parametrize("server", chosen, ids=str)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is for other servers: where one integration is tested alone, and where there is no AsyncServer."""
    others = [item for item in items if (SUITE and is_for_others(item)) or wants_api(item)]
    if others:
        items[:] = [item for item in items if item not in others]
        config.hook.pytest_deselected(items=others)
    note_servers(items)


def is_for_others(item: pytest.Item) -> bool:
    """Whether a test is for servers alone that are not tested now."""
    mark = item.get_closest_marker("skip")
    return mark is not None and "empty" in str(mark.kwargs)


def wants_api(item: pytest.Item) -> bool:
    """Whether a test is of AsyncServer's own doing, and its server has none."""
    if item.get_closest_marker("api") is None or not isinstance(item, pytest.Function):
        return False
    callspec = getattr(item, "callspec", None)
    return callspec is not None and "server" in callspec.params and not callspec.params["server"].api


@pytest.fixture
def anyio_backend(server: Server) -> tuple[str, dict[str, bool]]:
    return server.backend, {"use_uvloop": True} if server.uvloop else {}


@pytest.fixture
def serve(server: Server) -> Serve:
    return partial(serving, server)


@pytest.fixture(autouse=True)
def logs() -> Iterator[Logs]:
    """What is logged during the test; see Logs for what fails it."""
    handler = Logs()
    root = logging.getLogger()
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)
    handler.verify()


@pytest.fixture(scope="package", autouse=True)
def thaw() -> Iterator[None]:
    """What the suite froze to make its collections quick is garbage like any other after it."""
    yield
    gc.unfreeze()


@pytest.fixture
def logger() -> logging.Logger:
    """A logger to pass as ``logger=``: everything from INFO on reaches ``logs``."""
    logger = logging.getLogger("eio_server.tests")
    logger.setLevel(logging.INFO)
    return logger
