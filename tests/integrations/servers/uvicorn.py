"""uvicorn, with each of its WebSocket implementations and both of its event loops."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from .asgi import announced, application, startup
from .server import Gap, Server, listen

__all__ = ["SERVERS"]


@asynccontextmanager
async def run(
    app: Any, pem: Path | None = None, *, http: str = "h11", ws: str, root_path: str = ""
) -> AsyncIterator[int]:
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
        http=http,
        ws=ws,
        root_path=root_path,
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        ssl_certfile=pem,
    )
    server = Uvicorn(config)
    listener, port = listen()
    task = asyncio.create_task(server.serve(sockets=[listener]))
    await startup(started, task)
    try:
        yield port
    finally:
        server.should_exit = True
        stop.set()
        await task


@asynccontextmanager
async def run_legacy(app: Any, pem: Path | None = None, **options: Any) -> AsyncIterator[int]:
    """On the older half of websockets, which is deprecated, and says so also at each handshake."""
    with warnings.catch_warnings():
        for module in (r"websockets\.legacy", r"uvicorn\.protocols\.websockets"):
            warnings.filterwarnings("ignore", category=Warning, module=module)
        async with run(app, pem, ws="websockets", **options) as port:
            yield port


GAPS = frozenset(
    {
        Gap.HIDES_FAILED_WRITES,
        Gap.CANNOT_ABORT,
        Gap.COMPRESSION_IS_THE_SERVERS,
        Gap.LOSES_EARLY_FRAMES,
        Gap.STOPS_AFTER_REQUESTS,
    }
)

SERVERS = (
    Server(
        "asgi-uvicorn", "asgi", application, partial(run, ws="websockets-sansio"), gaps=GAPS | {Gap.ANSWERS_EVERY_PING}
    ),
    Server(
        "asgi-uvicorn-websockets",
        "asgi",
        application,
        run_legacy,
        gaps=GAPS | {Gap.HIDES_WEBSOCKET_ERRORS},
    ),
    Server(
        "asgi-uvicorn-wsproto",
        "asgi",
        application,
        partial(run, ws="wsproto"),
        gaps=GAPS | {Gap.ANSWERS_EVERY_PING, Gap.CUTS_ON_WEBSOCKET_ERROR, Gap.INFLATES_WITHOUT_LIMIT},
    ),
    Server(
        "asgi-uvicorn-uvloop",
        "asgi",
        application,
        partial(run, http="httptools", ws="websockets-sansio"),
        uvloop=True,
        gaps=GAPS | {Gap.ANSWERS_EVERY_PING, Gap.REFUSES_BAD_HEADERS},
    ),
)
