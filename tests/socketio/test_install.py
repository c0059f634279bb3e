"""install() and uninstall()."""

from __future__ import annotations

import inspect
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator

import eio_server
import eio_socketio
import engineio  # type: ignore[import-untyped]
import pytest
import socketio  # type: ignore[import-untyped]


@pytest.fixture(autouse=True)
def uninstalled() -> Iterator[None]:
    yield
    eio_socketio.uninstall()


def install() -> None:
    """Without a word about servers of other tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        eio_socketio.install()


def test_servers_that_are_made_meanwhile_stand_on_eio() -> None:
    install()
    install()
    during = socketio.AsyncServer(async_mode="aiohttp")
    eio_socketio.uninstall()
    after = socketio.AsyncServer(async_mode="aiohttp")
    assert isinstance(during.eio, eio_server.AsyncServer)
    assert isinstance(after.eio, engineio.AsyncServer)


def test_it_is_taken_back_without_a_trace() -> None:
    before = [dict(vars(owner)) for owner in (socketio.AsyncServer, socketio.AsyncManager, socketio.tornado)]
    install()
    assert [dict(vars(owner)) for owner in (socketio.AsyncServer, socketio.AsyncManager, socketio.tornado)] != before
    eio_socketio.uninstall()
    assert [dict(vars(owner)) for owner in (socketio.AsyncServer, socketio.AsyncManager, socketio.tornado)] == before
    eio_socketio.uninstall()


def test_an_import_installs_nothing() -> None:
    code = (
        "import socketio, engineio; before = dict(vars(socketio.AsyncServer)); import eio_socketio; "
        "assert dict(vars(socketio.AsyncServer)) == before; "
        "assert isinstance(socketio.AsyncServer(async_mode='asgi').eio, engineio.AsyncServer)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_says_that_a_server_was_made_before() -> None:
    early = socketio.AsyncServer(async_mode="asgi")
    with pytest.warns(RuntimeWarning, match=r"comes too late for \d+ socketio.AsyncServer .* call install\(\) first"):
        eio_socketio.install()
    assert isinstance(early.eio, engineio.AsyncServer)


def test_a_server_that_could_not_be_made_is_none() -> None:
    """The traceback still has it, and it has no engine."""
    code = (
        "import eio_socketio, socketio\n"
        "try:\n"
        "    socketio.AsyncServer(async_mode='no such mode')\n"
        "except ValueError as error:\n"
        "    kept = error\n"
        "eio_socketio.install()"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_a_server_of_ours_is_none_of_those() -> None:
    code = (
        "import eio_socketio; early = eio_socketio.AsyncServer(async_mode='asgi'); eio_socketio.install(); "
        "import socketio; socketio.AsyncServer(async_mode='asgi'); eio_socketio.install()"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_the_arguments_of_our_class_are_those_of_python_socketio() -> None:
    """AP-1: by position, too."""
    ours, theirs = [inspect.signature(one.AsyncServer) for one in (eio_socketio, socketio)]
    assert [*ours.parameters] == [*theirs.parameters]
    defaults = [[parameter.default for parameter in one.parameters.values()] for one in (ours, theirs)]
    assert defaults[0] == defaults[1]
    sio = eio_socketio.AsyncServer(None, logging.getLogger("mine"), None, False, ["/one"], async_mode="aiohttp")
    assert (sio.logger.name, sio.async_handlers, sio.namespaces) == ("mine", False, ["/one"])


def test_what_ours_wraps_may_stand_on_python_engineio() -> None:
    """ASGIApp and get_tornado_handler take either."""
    plain = socketio.AsyncServer(async_mode="asgi")
    assert isinstance(eio_socketio.ASGIApp(plain), socketio.ASGIApp)
    handler = eio_socketio.get_tornado_handler(socketio.AsyncServer(async_mode="tornado"))
    assert hasattr(handler, "get_next_message")
    ours = eio_socketio.get_tornado_handler(eio_socketio.AsyncServer(async_mode="tornado"))
    assert not hasattr(ours, "get_next_message")
