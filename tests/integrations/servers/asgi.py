"""The servers of ASGI."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from .server import Gap, Server, listen

if TYPE_CHECKING:
    from eio_server import AsyncServer

__all__ = ["SERVERS"]


def application(eio: AsyncServer, **options: Any) -> Any:
    from eio_asgi import ASGIApp

    return ASGIApp(eio, **options)


@asynccontextmanager
async def run_uvicorn(app: Any, pem: Path | None = None) -> AsyncIterator[int]:
    import uvicorn

    class Uvicorn(uvicorn.Server):
        async def main_loop(self) -> None:
            """Stop when asked to, not up to 0.1 s later."""
            await self.on_tick(0)
            await stop.wait()

        def handle_exit(self, sig: int, frame: Any) -> None:
            super().handle_exit(sig, frame)
            stop.set()

    started, stop = anyio.Event(), anyio.Event()
    config = uvicorn.Config(
        announced(app, started),
        http="h11",
        ws="websockets-sansio",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        ssl_certfile=pem,
    )
    server = Uvicorn(config)
    listener, port = listen()
    task = asyncio.create_task(server.serve(sockets=[listener]))
    await started.wait()
    try:
        yield port
    finally:
        server.should_exit = True
        stop.set()
        await task


@asynccontextmanager
async def run_hypercorn(app: Any, pem: Path | None = None) -> AsyncIterator[int]:
    from hypercorn.asyncio import serve

    config, port = hypercorn_config(pem)
    started, stop = anyio.Event(), asyncio.Event()
    task = asyncio.create_task(serve(announced(app, started), config, shutdown_trigger=stop.wait))
    await started.wait()
    try:
        yield port
    finally:
        stop.set()
        await task


@asynccontextmanager
async def run_hypercorn_trio(app: Any, pem: Path | None = None) -> AsyncIterator[int]:
    from hypercorn.trio import serve

    config, port = hypercorn_config(pem)
    started, stop = anyio.Event(), anyio.Event()

    async def run() -> None:
        await serve(announced(app, started), config, shutdown_trigger=stop.wait)

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await started.wait()
        try:
            yield port
        finally:
            stop.set()


def announced(app: Any, started: anyio.Event) -> Any:
    """An ASGI application that tells when its startup is complete."""

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        async def announce(message: Any) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                started.set()

        await app(scope, receive, announce if scope["type"] == "lifespan" else send)

    return outer


def hypercorn_config(pem: Path | None) -> tuple[Any, int]:
    from hypercorn.config import Config

    listener, port = listen()
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = logging.getLogger("hypercorn.error")
    config.graceful_timeout = 1.0
    if pem:
        config.certfile = config.keyfile = str(pem)
    return config, port


HYPERCORN = frozenset(
    {
        Gap.CUTS_ON_WEBSOCKET_ERROR,
        Gap.HIDES_FAILED_WRITES,
        Gap.CANNOT_ABORT,
        Gap.COMPRESSION_IS_THE_SERVERS,
        Gap.LOSES_EARLY_FRAMES,
        Gap.STOPS_AFTER_REQUESTS,
        Gap.CANCELS_REQUESTS_ON_STOP,
    }
)
UVICORN = frozenset(
    {
        Gap.HIDES_FAILED_WRITES,
        Gap.CANNOT_ABORT,
        Gap.COMPRESSION_IS_THE_SERVERS,
        Gap.LOSES_EARLY_FRAMES,
        Gap.STOPS_AFTER_REQUESTS,
    }
)

# From Python 3.12 on, asyncio's Server.wait_closed() waits for the connections, and hypercorn for it.
HYPERCORN_ASYNCIO = HYPERCORN if sys.version_info < (3, 12) else HYPERCORN - {Gap.CANCELS_REQUESTS_ON_STOP}

SERVERS = (
    Server("asgi-uvicorn", "asgi", application, run_uvicorn, gaps=UVICORN),
    Server("asgi-hypercorn", "asgi", application, run_hypercorn, gaps=HYPERCORN_ASYNCIO),
    Server(
        "asgi-hypercorn-trio",
        "asgi",
        application,
        run_hypercorn_trio,
        backend="trio",
        gaps=HYPERCORN | {Gap.DIES_OF_EARLY_FRAMES},
    ),
)
