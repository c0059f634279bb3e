"""The demo: an echo server, and a page that shows what becomes of a session.

``python examples/demo/server.py`` serves it with aiohttp on http://127.0.0.1:8000/, ``server.py asgi`` with uvicorn,
``server.py tornado`` and ``server.py sanic`` with these. Engine.IO is in ``echo``; the functions below it put it, and
the page, under each of the frameworks.
"""

# ruff: noqa: PLC0415 (each integration's imports stand in its function: only one of them needs to be installed)

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eio_server import AsyncServer

STATIC = Path(__file__).resolve().parent / "static"

OPTIONS: dict[str, Any] = {
    "ping_interval": 5,  # seconds; the default of 25 is a long time to wait for on a stage
    "ping_timeout": 5,
    "max_http_buffer_size": 5_000_000,  # bytes of the largest message or file
    "async_handlers": False,  # one message of a client after the other, so that echoes come back in order
}


def echo(eio: AsyncServer) -> None:
    """Send every message back, and tell all clients how many they are."""
    started = time.monotonic()
    messages = 0

    @eio.on("connect")
    def connect(sid: str, environ: dict[str, Any]) -> None:
        eio.broadcast(eio.sockets, {"clients": len(eio.sockets)})

    @eio.on("message")
    async def message(sid: str, data: Any) -> None:
        nonlocal messages
        messages += 1
        if isinstance(data, dict) and "rtt" in data:  # the page measures: what the server knows rides along
            data["server"] = {
                "integration": eio.async_mode,
                "transport": eio.transport(sid),
                "messages": messages,
                "uptime": time.monotonic() - started,
            }
        await eio.send(sid, data)

    @eio.on("disconnect")
    def disconnect(sid: str, reason: str) -> None:
        others = [other for other in eio.sockets if other != sid]
        eio.broadcast(others, {"clients": len(others)})


def serve_aiohttp(listener: socket.socket, announce: Callable[[], None]) -> None:
    """Serve with aiohttp: Engine.IO is attached to the application."""
    from aiohttp import web
    from eio_aiohttp import AsyncServer

    async def page(request: web.Request) -> web.FileResponse:
        return web.FileResponse(STATIC / "index.html")

    eio = AsyncServer(**OPTIONS)
    echo(eio)
    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_static("/static", STATIC)
    eio.attach(app)
    announce()
    web.run_app(app, sock=listener, print=None, access_log=None)


def serve_asgi(listener: socket.socket, announce: Callable[[], None]) -> None:
    """Serve with uvicorn: Engine.IO is an ASGI application."""
    import uvicorn
    from eio_asgi import ASGIApp, AsyncServer

    eio = AsyncServer(**OPTIONS)
    echo(eio)
    app = ASGIApp(eio, static_files={"/": str(STATIC / "index.html"), "/static": str(STATIC)})
    announce()
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


def serve_tornado(listener: socket.socket, announce: Callable[[], None]) -> None:
    """Serve with Tornado: Engine.IO is attached to the application; the end of the server is ours to tell."""
    from eio_tornado import AsyncServer
    from tornado.httpserver import HTTPServer
    from tornado.web import Application, StaticFileHandler

    async def serve() -> None:
        eio = AsyncServer(**OPTIONS)
        echo(eio)
        app = Application(
            [
                ("/()", StaticFileHandler, {"path": STATIC, "default_filename": "index.html"}),
                ("/static/(.*)", StaticFileHandler, {"path": STATIC}),
            ],
            log_function=lambda _: None,
        )
        eio.attach(app)
        listener.setblocking(False)
        HTTPServer(app).add_socket(listener)
        announce()
        try:
            await asyncio.Event().wait()
        finally:
            await eio.shutdown()

    asyncio.run(serve())


def serve_sanic(listener: socket.socket, announce: Callable[[], None]) -> None:
    """Serve with Sanic: Engine.IO is attached to the application."""
    from eio_sanic import AsyncServer
    from sanic import Sanic

    eio = AsyncServer(**OPTIONS)
    echo(eio)
    app = Sanic("eio_demo", configure_logging=False)
    app.static("/", STATIC / "index.html", name="page")
    app.static("/static", STATIC, name="static")
    eio.attach(app)
    announce()
    app.run(sock=listener, single_process=True, motd=False, access_log=False)


SERVE = {"aiohttp": serve_aiohttp, "asgi": serve_asgi, "tornado": serve_tornado, "sanic": serve_sanic}


def main() -> None:
    """Listen, print the URL, and serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="The demo of eio: a page that shows what becomes of a session.")
    parser.add_argument("integration", nargs="?", choices=SERVE, default="aiohttp", help="default: %(default)s")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="0: any that is free (default: %(default)s)")
    options = parser.parse_args()
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    try:
        listener = socket.create_server((options.host, options.port), family=family)
    except OSError as error:
        sys.exit(f"cannot listen on {options.host}, port {options.port}: {error.strerror}; try --port")
    # An answer must not wait for the client's ACK; asyncio sees to it only where the socket names its protocol.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    host = f"[{options.host}]" if family == socket.AF_INET6 else options.host
    url = f"http://{host}:{listener.getsockname()[1]}/"

    def announce() -> None:
        print(f"eio demo on {options.integration}: {url}   (Ctrl-C stops it)", flush=True)

    with contextlib.suppress(KeyboardInterrupt):
        SERVE[options.integration](listener, announce)


if __name__ == "__main__":
    main()
