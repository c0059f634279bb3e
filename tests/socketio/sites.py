"""A Socket.IO server under each framework, on each engine, as an application starts it."""

from __future__ import annotations

import re
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import eio_socketio
import engineio  # type: ignore[import-untyped]
import socketio  # type: ignore[import-untyped]

from tests.integrations.servers import aiohttp, listen, sanic, uvicorn

from .application import Application

PLAIN, INSTALLED, OURS, MIXED = "plain", "installed", "ours", "mixed"
"""python-engineio's engine; eio's by install(); eio's by the classes of eio_socketio; and its AsyncServer alone, with
what python-socketio brings for ASGI and Tornado."""


@dataclass(slots=True)
class Site:
    """A server that is being served."""

    port: int
    sio: Any
    application: Application

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def on_aiohttp(sio: Any, engine: str, path: str, **options: Any) -> AsyncIterator[int]:
    from aiohttp import web

    app = web.Application()
    sio.attach(app, path)
    async with aiohttp.run(app, **options) as port:
        yield port


@asynccontextmanager
async def on_asgi(sio: Any, engine: str, path: str, **options: Any) -> AsyncIterator[int]:
    app = (eio_socketio if engine == OURS else socketio).ASGIApp(sio, socketio_path=path)
    async with uvicorn.run(app, ws="websockets-sansio", **options) as port:
        yield port


@asynccontextmanager
async def on_sanic(sio: Any, engine: str, path: str, **options: Any) -> AsyncIterator[int]:
    app = sanic.make()
    sio.attach(app, path)
    if engine == PLAIN:
        app.enable_websocket()
    async with sanic.run(app, **options) as port:
        yield port


@asynccontextmanager
async def on_tornado(sio: Any, engine: str, path: str, **options: Any) -> AsyncIterator[int]:
    from tornado.httpserver import HTTPServer
    from tornado.web import Application as Routes

    handler = (eio_socketio if engine == OURS else socketio).get_tornado_handler(sio)
    server = HTTPServer(Routes([(rf"/{re.escape(path)}/?", handler)], log_function=lambda _: None), **options)
    listener, port = listen()
    listener.setblocking(False)
    server.add_socket(listener)
    try:
        yield port
    finally:
        server.stop()
        await server.close_all_connections()


MODES: dict[str, Callable[..., AbstractAsyncContextManager[int]]] = {
    "aiohttp": on_aiohttp,
    "asgi": on_asgi,
    "sanic": on_sanic,
    "tornado": on_tornado,
}


@asynccontextmanager
async def serving(
    mode: str,
    engine: str = OURS,
    *,
    path: str = "socket.io",
    run: dict[str, Any] | None = None,
    **options: Any,
) -> AsyncIterator[Site]:
    """Serve the application; ``run`` has options of the web server, the others are those of AsyncServer."""
    if engine == INSTALLED:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a server of an earlier test may not be collected yet
            eio_socketio.install()
    try:
        sio = (eio_socketio if engine in {OURS, MIXED} else socketio).AsyncServer(async_mode=mode, **options)
        assert isinstance(sio.eio, engineio.AsyncServer) is (engine == PLAIN)
        application = Application(sio)
        async with MODES[mode](sio, engine, path, **(run or {})) as port:
            yield Site(port, sio, application)
            await sio.shutdown()
    finally:
        eio_socketio.uninstall()
