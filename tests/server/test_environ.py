"""The environ of a connect handler."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from eio_core import Request
from eio_server.environ import decoded_path, make_environ

from .world import HANDSHAKE, World


def environ(*headers: tuple[str, str], **changes: Any) -> dict[str, Any]:
    """The environ of a request that has nothing special."""
    request = Request("GET", changes.pop("query", "EIO=4"), scheme=changes.pop("scheme", "http"))
    arguments = {"path": "/engine.io/", "peer": ("192.0.2.1", 4711), "server": ("127.0.0.1", 8000), **changes}
    return make_environ(request, headers=headers, **arguments)


def test_everything(world: World) -> None:
    """AP-19, HS-19, HS-24: all the keys, and the real peer."""
    given = environ(("Host", "a.example"), ("Content-Type", "text/plain"), ("content-length", "7"))
    assert asyncio.run(given.pop("wsgi.input").read()) == b""
    assert given == {
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.async": True,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "SERVER_SOFTWARE": "eio",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/engine.io/",
        "QUERY_STRING": "EIO=4",
        "RAW_URI": "/engine.io/?EIO=4",
        "REMOTE_ADDR": "192.0.2.1",
        "REMOTE_PORT": "4711",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "7",
        "HTTP_HOST": "a.example",
    }


def test_what_is_not_there() -> None:
    """AP-19: the keys that every request has are there, empty."""
    given = environ()
    assert (given["CONTENT_TYPE"], given["CONTENT_LENGTH"]) == ("", "")


@pytest.mark.parametrize(
    ("headers", "key", "value"),
    [
        ([("X-A", "1"), ("x-a", "2")], "HTTP_X_A", "1,2"),
        ([("Cookie", "a=1"), ("cookie", "b=2")], "HTTP_COOKIE", "a=1; b=2"),
        ([("X-Forwarded-For", "1.2.3.4")], "HTTP_X_FORWARDED_FOR", "1.2.3.4"),
        ([("X-Empty", "")], "HTTP_X_EMPTY", ""),
    ],
)
def test_headers(headers: list[tuple[str, str]], key: str, value: str) -> None:
    """AP-19: repeated ones are joined, cookies with ``; ``."""
    assert environ(*headers)[key] == value


def test_names_with_an_underscore_shadow_nothing() -> None:
    """AP-19."""
    given = environ(("X-Forwarded-For", "real"), ("X_Forwarded_For", "forged"), ("Content_Length", "9"))
    assert given["HTTP_X_FORWARDED_FOR"] == "real"
    assert given["CONTENT_LENGTH"] == ""


def test_no_header_overwrites_a_key_of_ours() -> None:
    """AP-19: they all begin with HTTP_."""
    assert environ(("Remote-Addr", "forged"), ("wsgi.input", "forged"))["REMOTE_ADDR"] == "192.0.2.1"


@pytest.mark.parametrize(
    ("peer", "addr", "port"),
    [
        (("::1", 5, 0, 0), "::1", "5"),
        (("a", "6"), "a", "6"),
        (("a", None), "a", ""),
        (("a",), "a", ""),
        (None, "", ""),
        ("/run/a", "", ""),
    ],
)
def test_the_peer(peer: Any, addr: str, port: str) -> None:
    """HS-24; granian's port is a str, and a Unix socket has none."""
    given = environ(peer=peer)
    assert (given["REMOTE_ADDR"], given["REMOTE_PORT"]) == (addr, port)


@pytest.mark.parametrize(
    ("server", "scheme", "name", "port"),
    [
        (("0.0.0.0", 8000), "http", "0.0.0.0", "8000"),  # noqa: S104 - no socket is bound
        (("a", None), "http", "a", "80"),
        (("/run/a.sock", None), "https", "/run/a.sock", "443"),
        (None, "http", "localhost", "80"),
        (None, "https", "localhost", "443"),
    ],
)
def test_our_own_address(server: Any, scheme: str, name: str, port: str) -> None:
    """AP-19: real values."""
    given = environ(server=server, scheme=scheme)
    assert (given["SERVER_NAME"], given["SERVER_PORT"], given["wsgi.url_scheme"]) == (name, port, scheme)


def test_mounted() -> None:
    """IN-6, AP-19."""
    given = environ(script_name="/chat", raw_path="/chat/engine.io/%C3%A4", path="/engine.io/\xc3\xa4")
    assert (given["SCRIPT_NAME"], given["PATH_INFO"]) == ("/chat", "/engine.io/\xc3\xa4")
    assert given["RAW_URI"] == "/chat/engine.io/%C3%A4?EIO=4"
    assert environ(script_name="/chat", query="")["RAW_URI"] == "/chat/engine.io/"


@pytest.mark.parametrize(
    ("raw", "path"),
    [("/a%20b", "/a b"), ("/%C3%A4", "/\xc3\xa4"), ("/%ff%zz%", "/\xff%zz%"), ("/\udcff", "/\xff"), ("", "")],
)
def test_a_decoded_path(raw: str, path: str) -> None:
    """IN-5: never raises."""
    assert decoded_path(raw) == path


def test_the_environ_is_made_once_and_not_kept(world: World) -> None:
    """api.md: the server keeps no reference to it after the connect handler."""
    import gc
    import weakref

    class Environ(dict[str, Any]):
        pass

    seen: list[weakref.ref[Environ]] = []
    world.eio.on("connect", lambda sid, given: seen.append(weakref.ref(given)))
    from eio_core import Request

    from .fakes import FakeExchange

    class Exchange(FakeExchange):
        def environ(self) -> dict[str, Any]:
            return Environ(super().environ())

    for transport in ("polling", "websocket"):
        exchange = Exchange(Request("GET", HANDSHAKE + transport, websocket=transport == "websocket"))
        world.begin(exchange)
        assert exchange.environs == 1
        gc.collect()
        assert seen[-1]() is None
