"""What only aiohttp has: sub-applications, middlewares, routing tables of one's own. The IN rows, and AP-14."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from .clients import UPGRADE, assert_refused, url
from .harness import Serve
from .servers import Server

if TYPE_CHECKING:
    from eio_server import AsyncServer

pytestmark = [pytest.mark.anyio, pytest.mark.only(integration="aiohttp")]


async def test_below_a_sub_application_of_aiohttp(serve: Serve) -> None:
    """IN-6, SD-4, SD-5: beside its other routes; the stop of the main application reaches it."""

    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="hello")

    def application(eio: AsyncServer) -> web.Application:
        app, sub = web.Application(), web.Application()
        app.router.add_get("/hello", hello)
        eio.attach(sub)
        app.add_subapp("/sub", sub)
        return app

    async with serve(app=application, check=False) as site:
        assert (await site.request("GET", "/hello")).body == b"hello"
        assert (await site.request("GET", "/sub/engine.io/?EIO=4&transport=polling")).status == 200
        response = await site.request("GET", "/sub/engine.io/?EIO=4&transport=websocket", UPGRADE)
        assert response.status == 101
        assert (await site.request("GET", url())).status == 404


async def test_handle_request_is_a_handler(serve: Serve) -> None:
    """AP-15, IN-8: a routing table of one's own, with every method."""

    def application(eio: AsyncServer) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/engine.io/", eio.handle_request)
        return app

    async with serve(app=application) as site:
        session = await site.handshake()
        poll = await session.park()
        await site.eio.send(session.sid, "x")
        assert (await poll.receive()).body == b"4x"
        assert_refused(await site.request("PUT", session.url), 3)
        websocket = await session.upgrade()
        await site.eio.send(session.sid, "y")
        assert await websocket.receive() == "4y"


async def test_the_scheme_of_aiohttp_is_the_real_one(serve: Serve) -> None:
    """HD-2, HD-8, MH-1: request.scheme, as a middleware for proxies may have set it."""

    @web.middleware
    async def secure(request: web.Request, handler: Any) -> Any:
        return await handler(request.clone(scheme="https"))

    def application(eio: AsyncServer) -> web.Application:
        app = web.Application(middlewares=[secure])
        eio.attach(app)
        return app

    async with serve(app=application, cookie="io") as site:
        response = await site.request("GET", url(), [("Origin", f"https://{site.host}")])
        assert response.status == 200
        assert "secure" in (response.get("set-cookie") or "").lower()
        assert_refused(await site.request("GET", url(), [("Origin", f"http://{site.host}")]), 3)


@pytest.mark.parametrize("path", ["some/where", "/some/where", "some/where/", "/some/where/"])
async def test_attach_takes_any_path(serve: Serve, server: Server, path: str) -> None:
    """AP-14: slashes at either end are stripped."""
    async with serve(app=lambda eio: server.application(eio, engineio_path=path), check=False) as site:
        for target in ("/some/where/", "/some/where"):
            assert (await site.request("GET", f"{target}?EIO=4&transport=polling")).status == 200
        assert (await site.request("GET", url())).status == 404
