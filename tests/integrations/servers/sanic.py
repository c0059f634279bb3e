"""Sanic's own server, on asyncio's event loop and on uvloop, which it brings along and prefers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .server import Gap, Server, listen, tls

if TYPE_CHECKING:
    from eio_server import AsyncServer

__all__ = ["SERVERS", "make"]

_numbers = count()


def make() -> Any:
    """An application without routes; Sanic has a registry of all, by name."""
    from sanic import Sanic

    Sanic.test_mode = True  # what it rewrites of itself when it starts is then rewritten at each start
    return Sanic(f"eio-{next(_numbers)}", configure_logging=False)


def application(eio: AsyncServer, **options: Any) -> Any:
    app = make()
    eio.attach(app, **options)
    return app


@asynccontextmanager
async def run(app: Any, pem: Path | None = None) -> AsyncIterator[int]:
    listener, port = listen()
    server = await app.create_server(sock=listener, ssl=tls(pem), return_asyncio_server=True, access_log=False)
    await server.startup()
    await server.before_start()
    await server.after_start()
    try:
        yield port
    finally:
        await server.before_stop()
        closing = server.close()
        for connection in [*server.connections]:
            if not connection.close_if_idle():
                connection.abort()
        await closing
        await server.after_stop()
        type(app).unregister_app(app)


GAPS = frozenset({Gap.BARE_HANDSHAKE, Gap.NEVER_COMPRESSES})

SERVERS = (
    Server("sanic", "sanic", application, run, gaps=GAPS),
    *([Server("sanic-uvloop", "sanic", application, run, uvloop=True, gaps=GAPS)] if find_spec("uvloop") else []),
)
