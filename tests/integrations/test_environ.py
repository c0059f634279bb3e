"""What the connect handler is told about the request: AP-19, and the rows it rests on."""

from __future__ import annotations

import gc
import weakref
from importlib import import_module
from typing import Any

import pytest

from .clients import UPGRADE, Headers, settle, url
from .harness import Serve
from .servers import Gap

pytestmark = [pytest.mark.anyio, pytest.mark.api("environ")]


async def test_the_application_sees_the_whole_query(serve: Serve) -> None:
    """HS-19: as it was sent."""
    async with serve() as site:
        for transport, headers in (("polling", ()), ("websocket", UPGRADE)):
            query = f"EIO=4&transport={transport}&user=a%20b%2B&x=1&x=2&t=%C3%A9"
            await site.request("GET", f"/engine.io/?{query}", headers)
            assert site.seen.environ["QUERY_STRING"] == query


async def test_environ_names_the_peer(serve: Serve) -> None:
    """HS-24, AP-19: its real address and port."""
    async with serve() as site:
        for target, headers in ((url(), ()), (url("websocket"), UPGRADE)):
            connection = site.connect()
            await connection.request("GET", target, headers)
            environ = site.seen.environ
            assert environ["REMOTE_ADDR"] == "127.0.0.1"
            assert environ["REMOTE_PORT"] == str(connection.stream.port)


KEYS = (
    *("wsgi.input", "wsgi.errors", "wsgi.version", "wsgi.async", "wsgi.multithread", "wsgi.multiprocess"),
    *("wsgi.run_once", "SERVER_SOFTWARE", "RAW_URI", "CONTENT_LENGTH"),
)


async def test_environ(serve: Serve) -> None:
    """AP-19, HS-19, HS-24: as WSGI has it, from the real request."""
    async with serve() as site:
        headers: Headers = [
            ("X-Custom", "one"),
            ("X-Custom", "two"),
            ("Cookie", "a=1"),
            ("Cookie", "b=2"),
            ("X_Custom", "shadow"),
            ("Content-Type", "text/x-test"),
            ("X-Forwarded-For", "1.2.3.4"),
            ("X-Forwarded-Proto", "https"),
            ("Authorization", "Bearer x"),
        ]
        for transport, more in (("polling", ()), ("websocket", UPGRADE)):
            connection = site.connect()
            await connection.request("GET", url(transport, x="1"), [*headers, *more])
            environ = site.seen.environ
            expected = {
                "REQUEST_METHOD": "GET",
                "SCRIPT_NAME": "",
                "PATH_INFO": "/engine.io/",
                "QUERY_STRING": f"EIO=4&transport={transport}&x=1",
                "CONTENT_TYPE": "text/x-test",
                "SERVER_NAME": "127.0.0.1",
                "SERVER_PORT": str(site.port),
                "SERVER_PROTOCOL": "HTTP/1.1",
                "REMOTE_ADDR": "127.0.0.1",
                "REMOTE_PORT": str(connection.stream.port),
                "HTTP_HOST": site.host,
                "HTTP_X_CUSTOM": "one,two",
                "HTTP_COOKIE": "a=1; b=2",
                "HTTP_AUTHORIZATION": "Bearer x",
                "HTTP_X_FORWARDED_FOR": "1.2.3.4",
                "wsgi.url_scheme": "http",
            }
            if transport == "websocket" and Gap.JOINS_COOKIES in site.server.gaps:
                expected["HTTP_COOKIE"] = "a=1,b=2"
            assert type(environ) is dict
            assert set(KEYS) <= set(environ)
            assert {key: environ.get(key) for key in expected} == expected
            assert "HTTP_CONTENT_TYPE" not in environ


def native(integration: str) -> type:
    """The class of a framework's own object."""
    module, name = {
        "aiohttp": ("aiohttp.web", "Request"),
        "sanic": ("sanic", "Request"),
        "tornado": ("tornado.web", "RequestHandler"),
    }[integration]
    found: type = getattr(import_module(module), name)
    return found


async def test_environ_has_the_native_objects(serve: Serve) -> None:
    """AP-19"""
    async with serve() as site:
        for target, headers in ((url(), ()), (url("websocket"), UPGRADE)):
            await site.request("GET", target, headers)
            environ = site.seen.environ
            if site.server.integration == "asgi":
                assert environ["asgi.scope"]["type"] == ("websocket" if headers else "http")
                assert callable(environ["asgi.receive"])
                assert callable(environ["asgi.send"])
            else:
                key = {"aiohttp": "aiohttp.request", "sanic": "sanic.request", "tornado": "tornado.handler"}
                assert isinstance(environ[key[site.server.integration]], native(site.server.integration))


async def test_environ_belongs_to_the_application(serve: Serve) -> None:
    """AP-19: after the connect handler the server keeps no reference to it."""

    class Marker:
        pass

    markers: list[weakref.ref[Marker]] = []
    async with serve() as site:

        def connect(sid: str, environ: dict[str, Any]) -> None:
            site.seen.live.add(sid)
            site.seen.connect(sid, {})
            marker = environ["marker"] = Marker()
            markers.append(weakref.ref(marker))

        site.eio.on("connect", connect)
        await site.handshake()
        await site.websocket()
        await settle()
        gc.collect()
        assert [marker() for marker in markers] == [None, None]
