"""hypercorn, on asyncio and on trio."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from .asgi import announced, application, startup
from .server import Gap, Server, listen

__all__ = ["SERVERS"]


@asynccontextmanager
async def run_hypercorn(app: Any, pem: Path | None = None, *, root_path: str = "") -> AsyncIterator[int]:
    from hypercorn.asyncio import serve

    config, port = hypercorn_config(pem, root_path)
    started, stop = anyio.Event(), asyncio.Event()
    task = asyncio.create_task(serve(announced(app, started), config, shutdown_trigger=stop.wait))
    await startup(started, task)
    try:
        yield port
    finally:
        stop.set()
        await task


@asynccontextmanager
async def run_hypercorn_trio(app: Any, pem: Path | None = None, *, root_path: str = "") -> AsyncIterator[int]:
    from hypercorn.trio import serve

    config, port = hypercorn_config(pem, root_path)
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


def hypercorn_config(pem: Path | None, root_path: str) -> tuple[Any, int]:
    from hypercorn.config import Config

    listener, port = listen()
    config = Config()
    config.root_path = root_path
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = logging.getLogger("hypercorn.error")
    config.graceful_timeout = 1.0
    if pem:
        config.certfile = config.keyfile = str(pem)
    return config, port


HYPERCORN = frozenset(
    {
        Gap.CUTS_ON_WEBSOCKET_ERROR,
        Gap.HIDES_WEBSOCKET_ERRORS,
        Gap.HIDES_FAILED_WRITES,
        Gap.CANNOT_ABORT,
        Gap.COMPRESSION_IS_THE_SERVERS,
        Gap.INFLATES_WITHOUT_LIMIT,
        Gap.LOSES_EARLY_FRAMES,
        Gap.STOPS_AFTER_REQUESTS,
        Gap.CANCELS_REQUESTS_ON_STOP,
    }
)

# From Python 3.12 on, asyncio's Server.wait_closed() waits for the connections, and hypercorn for it.
HYPERCORN_ASYNCIO = (HYPERCORN if sys.version_info < (3, 12) else HYPERCORN - {Gap.CANCELS_REQUESTS_ON_STOP}) | {
    Gap.KEEPS_UNREAD_BODIES
}

SERVERS = (
    Server("asgi-hypercorn", "asgi", application, run_hypercorn, http2=True, gaps=HYPERCORN_ASYNCIO),
    Server(
        "asgi-hypercorn-trio",
        "asgi",
        application,
        run_hypercorn_trio,
        backend="trio",
        http2=True,
        gaps=HYPERCORN | {Gap.DIES_OF_EARLY_FRAMES},
    ),
)
