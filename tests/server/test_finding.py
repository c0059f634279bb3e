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
        self._failures: dict[str, BaseException] = {}
        self.imported: list[str] = []
        monkeypatch.setattr(integration, "entry_points", self._entry_points)
        monkeypatch.setattr(importlib, "import_module", self._import)

    def _entry_points(self, **params: Any) -> EntryPoints:
        return EntryPoints(self._points).select(**params)

    def _import(self, name: str) -> types.ModuleType:
        self.imported.append(name)
        if name in self._failures:
            raise self._failures[name]
        register(fake(name.removeprefix("eio_")))
        return types.ModuleType(name)

    def add(self, *modes: str, module: str | None = None) -> None:
        """A wheel is installed."""
        for mode in modes:
            value = f"{module or 'eio_' + mode}:integration"
            self._points.append(EntryPoint(mode, value, "eio_server.integrations"))

    def fail(self, mode: str, failure: BaseException) -> None:
        """A wheel is installed, but cannot be imported."""
        self.add(mode)
        self._failures[f"eio_{mode}"] = failure


def without(module: str) -> ModuleNotFoundError:
    """What an import raises where this module is not installed."""
    return ModuleNotFoundError(f"No module named {module!r}", name=module)


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
    installed.fail("aiohttp", without("aiohttp"))
    installed.add("tornado")
    assert AsyncServer().async_mode == "tornado"


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


@pytest.mark.parametrize("mode", [None, "aiohttp"])
def test_a_module_with_a_defect_is_not_hidden(installed: Installed, mode: str | None) -> None:
    """Only an ImportError says that something is not installed."""
    installed.fail("aiohttp", SyntaxError("theirs"))
    installed.add("tornado")
    with pytest.raises(SyntaxError, match="theirs"):
        AsyncServer(mode)


def test_a_module_with_a_defect_disturbs_nobody_else(installed: Installed) -> None:
    """It is not even imported: neither where another one serves, nor to tell what is installed."""
    installed.fail("zebra", SyntaxError("theirs"))
    installed.add("asgi")
    assert AsyncServer().async_mode == AsyncServer("asgi").async_mode == "asgi"
    with pytest.raises(ValueError, match=r"^Invalid async_mode specified: 'gevent' .*installed: asgi, zebra"):
        AsyncServer("gevent")
    assert installed.imported == ["eio_asgi"]


def test_names(installed: Installed) -> None:
    installed.add("zebra", "asgi", "aiohttp")
    register(fake("frozen"))
    register(fake("asgi"))
    assert integration.names() == ["aiohttp", "asgi", "frozen", "zebra"]


# ---------------------------------------------------------------------------------------------------------- not found


ANY_OF_OURS = "pip install one of eio-aiohttp, eio-sanic, eio-tornado, eio-asgi"


def refusal(mode: str | None) -> str:
    """What AsyncServer says of an async_mode that it cannot have, behind what it says of each."""
    with pytest.raises(ValueError, match=r"^Invalid async_mode specified: ") as caught:
        AsyncServer(mode)
    return str(caught.value).removeprefix("Invalid async_mode specified: ")


@pytest.mark.parametrize(
    ("mode", "there", "text"),
    [
        (None, [], f"None, and no integration is installed; {ANY_OF_OURS}"),
        ("gevent", [], f"'gevent' is unknown (installed: none); {ANY_OF_OURS}"),
        ("gevent", ["asgi"], f"'gevent' is unknown (installed: asgi); {ANY_OF_OURS}"),
        ("", ["asgi"], f"'' is unknown (installed: asgi); {ANY_OF_OURS}"),
        ("tornado", [], "'tornado' is not installed (installed: none); pip install eio-tornado"),
        ("tornado", ["zebra", "asgi"], "'tornado' is not installed (installed: asgi, zebra); pip install eio-tornado"),
    ],
)
def test_not_found(installed: Installed, mode: str | None, there: list[str], text: str) -> None:
    """AP-1: a name that nobody has, and one whose wheel is not installed; what is; the ``pip install`` that helps."""
    installed.add(*there)
    assert refusal(mode) == text


@pytest.mark.parametrize(
    ("failure", "help_"),
    [
        (without("aiohttp"), "; pip install aiohttp"),
        (without("aiohttp.web"), "; pip install --upgrade aiohttp"),
        (ImportError("cannot import name 'web' from 'aiohttp'", name="aiohttp"), "; pip install --upgrade aiohttp"),
        (without("eio_aiohttp"), ""),
        (ImportError("cannot import name 'x' from 'eio_aiohttp.y'", name="eio_aiohttp.y"), ""),
        (ImportError("anything"), ""),
    ],
    ids=str,
)
def test_a_wheel_that_cannot_be_imported(installed: Installed, failure: ImportError, help_: str) -> None:
    """AP-1: its framework is missing or too old, which can be installed; or its own package is damaged."""
    installed.fail("aiohttp", failure)
    installed.add("tornado")
    assert refusal("aiohttp") == (
        f"'aiohttp' is installed, but cannot be used: {failure} (installed: aiohttp, tornado){help_}"
    )


def test_a_third_party_that_cannot_be_imported(installed: Installed) -> None:
    """AP-1: who knows which distribution has the module that it lacks."""
    installed.fail("mine", without("mine.framework"))
    assert refusal("mine").endswith("cannot be used: No module named 'mine.framework' (installed: mine)")


def test_the_import_that_failed_is_the_cause(installed: Installed) -> None:
    """Its traceback leads to the line that imports the framework."""
    failure = without("aiohttp")
    installed.fail("aiohttp", failure)
    for mode in ("aiohttp", None):
        with pytest.raises(ValueError, match="aiohttp") as caught:
            AsyncServer(mode)
        assert caught.value.__cause__ is failure


def test_wheels_without_any_framework(installed: Installed) -> None:
    """AP-1: each is named, with what it lacks."""
    installed.fail("asgi", without("anyio"))
    installed.fail("aiohttp", without("aiohttp"))
    assert refusal(None) == (
        "None, and no integration that is installed can be used: "
        "aiohttp (No module named 'aiohttp'; pip install aiohttp), asgi (No module named 'anyio'; pip install anyio)"
    )


def test_a_module_that_registers_another_name(installed: Installed) -> None:
    installed.add("promised", module="eio_delivered")
    assert "'promised' is installed, but cannot be used: eio_delivered does not register it" in refusal("promised")


def test_a_frozen_program(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    """AP-1: whoever runs one cannot install a thing, and its author has installed it: what is missing is the import."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert refusal("tornado") == (
        "'tornado' is not installed (installed: none); a frozen program has to import eio_tornado"
    )
    assert refusal(None).endswith(
        "None, and no integration is installed; a frozen program has to import one of "
        "eio_aiohttp, eio_sanic, eio_tornado, eio_asgi"
    )


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
