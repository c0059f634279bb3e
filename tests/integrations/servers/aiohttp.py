"""aiohttp's own server."""

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
    from aiohttp import web

    app = web.Application()
    eio.attach(app, **options)
    return app


@asynccontextmanager
async def run(app: Any, pem: Path | None = None, **options: Any) -> AsyncIterator[int]:
    from aiohttp import web

    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, **options)
    await runner.setup()
    listener, port = listen()
    await web.SockSite(runner, listener, ssl_context=tls(pem)).start()
    try:
        yield port
    finally:
        await runner.cleanup()


GAPS = frozenset({Gap.REFUSES_BAD_HEADERS, Gap.ACCEPTS_UNMASKED_FRAMES})

SERVERS = (
    Server("aiohttp", "aiohttp", application, run, gaps=GAPS),
    Server("aiohttp-uvloop", "aiohttp", application, run, uvloop=True, gaps=GAPS),
)
