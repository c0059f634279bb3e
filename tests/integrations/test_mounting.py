"""Inside Starlette and FastAPI, before them, and below a prefix of a proxy's: IN-6, AP-14, AP-23, HS-25."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from eio_server import AsyncServer
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from .clients import UPGRADE, Client, Session, settle, url
from .harness import Seen, Serve
from .servers import Gap, Server

pytestmark = [pytest.mark.anyio, pytest.mark.only(integration="asgi")]

FRAMEWORKS: list[Callable[..., Starlette]] = [Starlette, FastAPI]
each_framework = pytest.mark.parametrize("framework", FRAMEWORKS)


async def hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse(getattr(request.state, "greeting", "hello"))


async def shout(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text((await websocket.receive_text()).upper())
    await websocket.close()


ROUTES = [Route("/hello", hello), WebSocketRoute("/shout", shout)]


async def goes_through(client: Client, seen: Seen, eio: AsyncServer, below: str) -> None:
    """A whole session at a path: polling, the upgrade, a message both ways, the end."""
    response = await client.request("GET", below + url())
    assert response.status == 200, response
    session = Session(client, response)
    session.url = below + session.url
    poll = await session.park()
    websocket = await client.upgrade(below + url("websocket", session.sid))
    await websocket.send("2probe")
    assert await websocket.receive() == "3probe"
    assert (await poll.receive()).body == b"6"
    await websocket.send("5", "4to the server")
    await seen.until("message", session.sid, "to the server")
    await eio.send(session.sid, "to the client")
    assert await websocket.receive() == "4to the client"
    await websocket.leave()
    assert await seen.closed(session.sid) == "transport close"


@each_framework
async def test_mounted_in_a_framework(serve: Serve, server: Server, framework: Callable[..., Starlette]) -> None:
    """IN-6, AP-14, AP-23: below its path, beside its routes; no lifespan reaches us there, and none is missed."""

    def application(eio: AsyncServer) -> Starlette:
        app = framework(routes=ROUTES)
        app.mount("/sub", server.application(eio))
        return app

    async with serve(app=application, check=False) as site:
        await goes_through(site, site.seen, site.eio, "/sub")
        assert (site.seen.environ["SCRIPT_NAME"], site.seen.environ["PATH_INFO"]) == ("/sub", "/engine.io/")
        assert (await site.request("GET", "/hello")).body == b"hello"
        for target in ("/sub/other", "/subengine.io/", url()):
            assert (await site.request("GET", target)).status == 404
        assert (await site.request("GET", "/other" + url("websocket"), UPGRADE)).status == 403


@each_framework
async def test_before_a_framework(serve: Serve, server: Server, framework: Callable[..., Starlette]) -> None:
    """AP-14, AP-23, HS-25: its routes, its WebSockets and its lifespan, with the state from there, are its own."""
    ran: list[str] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        ran.append("startup")
        yield {"greeting": "hello from the lifespan"}
        ran.append("shutdown")

    def application(eio: AsyncServer) -> Any:
        return server.application(eio, other_asgi_app=framework(routes=ROUTES, lifespan=lifespan))

    none = Gap.NO_LIFESPAN in server.gaps
    async with serve(app=application) as site:
        await goes_through(site, site.seen, site.eio, "")
        assert ran == ([] if none else ["startup"])
        greeting = b"hello" if none else b"hello from the lifespan"
        assert (await site.request("GET", "/hello")).body == greeting
        assert (await site.request("GET", "/engine.iofoo/")).status == 404
        websocket = await site.upgrade("/shout")
        await websocket.send("hey")
        assert await websocket.receive() == "HEY"
        assert await websocket.closed() == 1000
        await settle()
    assert ran == ([] if none else ["startup", "shutdown"])


@pytest.mark.parametrize("below", ["", "/sub"])
async def test_behind_a_proxy_that_takes_a_prefix_off(server: Server, below: str) -> None:
    """IN-6, HS-25: the server's root_path says which; uvicorn puts it in front of the path again, others do not."""
    eio = server.make()
    seen = Seen()
    seen.register(eio)
    app = server.application(eio)
    if below:
        outer = Starlette(routes=ROUTES)
        outer.mount(below, app)
        app = outer
    async with server.run(app, root_path="/api") as port:
        client = Client(port)
        await goes_through(client, seen, eio, below)
        assert (seen.environ["SCRIPT_NAME"], seen.environ["PATH_INFO"]) == ("/api" + below, "/engine.io/")
        assert (await client.request("GET", "/other")).status == 404
        client.close()
    await eio.shutdown()
    seen.verify()
