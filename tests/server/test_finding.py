"""Which integration serves: those that were imported, and those that announced themselves by an entry point."""

from __future__ import annotations

import importlib
import sys
import types
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest
from eio_server import AsyncServer, integration, register

from .fakes import FakeIntegration
from .runtime import ManualRuntime


class Installed:
    """Wheels that are installed, as importlib.metadata tells."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._points: list[EntryPoint] = []
        self.imported: list[str] = []
        monkeypatch.setattr(integration, "entry_points", self._entry_points)
        monkeypatch.setattr(importlib, "import_module", self._import)

    def _entry_points(self, **params: Any) -> EntryPoints:
        return EntryPoints(self._points).select(**params)

    def _import(self, name: str) -> types.ModuleType:
        self.imported.append(name)
        mode = name.removeprefix("eio_")
        if mode.startswith("broken"):
            raise ImportError("No module named 'framework'")
        register(fake(mode))
        return types.ModuleType(name)

    def add(self, *modes: str, module: str | None = None) -> None:
        """A wheel is installed."""
        for mode in modes:
            value = f"{module or 'eio_' + mode}:integration"
            self._points.append(EntryPoint(mode, value, "eio_server.integrations"))


def fake(mode: str) -> FakeIntegration:
    return FakeIntegration(ManualRuntime(), mode)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Installed:
    """Nothing is installed yet."""
    return Installed(monkeypatch)


def test_by_name(installed: Installed) -> None:
    installed.add("aiohttp", "asgi")
    eio = AsyncServer("asgi")
    assert eio.async_mode == eio.integration.name == "asgi"
    assert installed.imported == ["eio_asgi"]


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        (["asgi", "tornado", "sanic", "aiohttp"], "aiohttp"),
        (["asgi", "tornado", "sanic"], "sanic"),
        (["asgi", "tornado"], "tornado"),
        (["another", "asgi"], "asgi"),
        (["zebra", "another"], "another"),
    ],
)
def test_the_first_that_is_there(installed: Installed, there: list[str], taken: str) -> None:
    """aiohttp, sanic, tornado, asgi; then others by name."""
    installed.add(*there)
    assert AsyncServer().async_mode == taken
    assert AsyncServer(None).async_mode == taken


def test_a_wheel_without_its_framework(installed: Installed) -> None:
    """It is passed over."""
    installed.add("aiohttp", module="eio_broken")
    installed.add("tornado")
    assert AsyncServer().async_mode == "tornado"
    with pytest.raises(ValueError, match=r"^Invalid async_mode specified: 'aiohttp'") as caught:
        AsyncServer("aiohttp")
    assert "installed: tornado)" in str(caught.value)
    assert "pip install eio-aiohttp" in str(caught.value)


def test_importing_is_enough(installed: Installed) -> None:
    """PyInstaller drops entry points: what was imported is known without one."""
    register(fake("frozen"))
    assert AsyncServer().async_mode == "frozen"
    assert AsyncServer("frozen").async_mode == "frozen"
    assert installed.imported == []


def test_the_last_registered_wins(installed: Installed) -> None:
    first, second = fake("aiohttp"), fake("aiohttp")
    register(first)
    register(second)
    installed.add("aiohttp")
    assert AsyncServer("aiohttp").integration is second


def test_a_third_party(installed: Installed) -> None:
    """Its entry point names any module."""
    installed.add("mine", module="eio_mine")
    assert AsyncServer("mine").async_mode == "mine"


def test_a_module_that_registers_another_name(installed: Installed) -> None:
    installed.add("promised", module="eio_delivered")
    with pytest.raises(ValueError, match="Invalid async_mode specified: 'promised'"):
        AsyncServer("promised")


def test_a_module_with_a_defect_is_not_hidden(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only an ImportError says that something is not installed."""

    def fail(_: str) -> Any:
        raise SyntaxError

    installed.add("aiohttp")
    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(SyntaxError):
        AsyncServer()


def test_names(installed: Installed) -> None:
    installed.add("zebra", "asgi", "aiohttp")
    register(fake("frozen"))
    register(fake("asgi"))
    assert integration.names() == ["aiohttp", "asgi", "frozen", "zebra"]


# ---------------------------------------------------------------------------------------------------------- not found


ANY_OF_OURS = "pip install one of eio-aiohttp, eio-sanic, eio-tornado, eio-asgi"


@pytest.mark.parametrize(
    ("mode", "there", "text"),
    [
        (None, [], f"None, and no integration is installed (none is installed); {ANY_OF_OURS}"),
        ("tornado", [], "'tornado' (none is installed); pip install eio-tornado"),
        ("tornado", ["asgi", "aiohttp"], "'tornado' (installed: aiohttp, asgi); pip install eio-tornado"),
        ("gevent", ["asgi"], f"'gevent' (installed: asgi); {ANY_OF_OURS}"),
        ("", ["asgi"], f"'' (installed: asgi); {ANY_OF_OURS}"),
    ],
)
def test_not_found(installed: Installed, mode: str | None, there: list[str], text: str) -> None:
    """AP-1: what is installed, and the ``pip install`` that would help."""
    installed.add(*there)
    with pytest.raises(ValueError, match=r"^Invalid async_mode specified") as caught:
        AsyncServer(mode)
    assert str(caught.value) == f"Invalid async_mode specified: {text}"


def test_none_found_but_wheels_are_there(installed: Installed) -> None:
    """What cannot be imported does not count as installed."""
    installed.add("aiohttp", "asgi", module="eio_broken")
    with pytest.raises(ValueError, match="none is installed"):
        AsyncServer()


# ----------------------------------------------------------------------------------------- the server of an integration


class Fixed(AsyncServer):
    """As an integration has it."""

    default_async_mode = "aiohttp"


@pytest.mark.parametrize("mode", [None, "aiohttp"])
def test_a_server_of_one_integration(installed: Installed, mode: str | None) -> None:
    installed.add("asgi", "aiohttp")
    assert Fixed(mode).async_mode == Fixed(async_mode=mode).async_mode == "aiohttp"


def test_a_server_of_another_integration(installed: Installed) -> None:
    """Says where to go."""
    installed.add("asgi", "aiohttp")
    with pytest.raises(ValueError, match=r"^Invalid async_mode specified: 'asgi'") as caught:
        Fixed("asgi")
    assert "'aiohttp' only; use eio_server.AsyncServer(async_mode='asgi')" in str(caught.value)


def test_the_real_entry_points_are_asked() -> None:
    """Whatever is installed here: names are found without importing a thing."""
    before = set(sys.modules)
    assert isinstance(integration.names(), list)
    assert not {name for name in set(sys.modules) - before if name.startswith("eio_")}
