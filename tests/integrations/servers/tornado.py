"""Tornado's own server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .server import Gap, Server, listen, tls

if TYPE_CHECKING:
    from eio_server import AsyncServer

__all__ = ["SERVERS"]


def application(eio: AsyncServer, **options: Any) -> Any:
    from tornado.web import Application

    app = Application(log_function=lambda _: None)
    app.settings["eio"] = eio
    eio.attach(app, **options)
    return app


@asynccontextmanager
async def run(app: Any, pem: Path | None = None) -> AsyncIterator[int]:
    from tornado.httpserver import HTTPServer

    eio = app.settings["eio"]
    eio.runner.startup()  # as the shutdown below the program's to do: Tornado tells nobody
    server = HTTPServer(app, ssl_options=tls(pem))
    listener, port = listen()
    listener.setblocking(False)
    server.add_socket(listener)
    try:
        yield port
    finally:
        server.stop()
        await eio.shutdown()
        await server.close_all_connections()


GAPS = frozenset(
    {
        Gap.CUTS_ON_WEBSOCKET_ERROR,
        Gap.HIDES_WEBSOCKET_ERRORS,
        Gap.REFUSES_BAD_HEADERS,
        Gap.ACCEPTS_UNMASKED_FRAMES,
    }
)

SERVERS = (Server("tornado", "tornado", application, run, gaps=GAPS),)
