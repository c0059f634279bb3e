"""The servers that the suite runs against: each is started on a free port, in the event loop of the test.

A further integration or server is one more entry of ``ALL``: how an application is made of an ``AsyncServer`` (once per
integration), how it is served and stopped, and which gaps it has. Frameworks are imported when they are used: where
one wheel is tested alone (``EIO_SUITE=aiohttp``, ``EIO_SUITE=asgi``) the others are not even installed.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from eio_server import AsyncServer


class Gap(enum.Enum):
    """What a framework or server cannot do; the tests assert what happens there instead."""

    CUTS_ON_WEBSOCKET_ERROR = "a broken WebSocket frame ends the connection without a close frame, like a drop"
    REFUSES_BAD_HEADERS = "answers a control character in a header itself, before us"
    HIDES_FAILED_WRITES = "does not tell that a response could not be written"
    CANNOT_ABORT = "gives no way to abort a connection whose close handshake never ends"
    COMPRESSION_IS_THE_SERVERS = "permessage-deflate is an option of the server, not ours"
    ACCEPTS_UNMASKED_FRAMES = "takes a client's frame without a mask"
    LOSES_EARLY_FRAMES = "drops what a client sends behind its WebSocket handshake, and may keep quiet about the client"
    DIES_OF_EARLY_FRAMES = "the whole server ends with an exception when a client sends behind its WebSocket handshake"
    STOPS_AFTER_REQUESTS = "a stop reaches us only after all requests have ended"
    CANCELS_REQUESTS_ON_STOP = "a stop cancels requests after a while: a parked poll gets a 500"


Run = Callable[[Any], AbstractAsyncContextManager[int]]


@dataclass(frozen=True, slots=True)
class Server:
    """A framework under a server: ``run`` serves an application of the framework and gives the port."""

    name: str
    integration: str
    backend: str
    run: Run
    gaps: frozenset[Gap] = frozenset()

    def make(self, **options: Any) -> AsyncServer:
        """This integration's AsyncServer."""
        server: AsyncServer = import_module(f"eio_{self.integration}").AsyncServer(**options)
        return server

    def application(self, eio: AsyncServer, **options: Any) -> Any:
        """The smallest application of the framework that serves Engine.IO; options of attach() or ASGIApp."""
        return APPLICATIONS[self.integration](eio, **options)

    def __str__(self) -> str:
        return self.name


def aiohttp_application(eio: AsyncServer, **options: Any) -> Any:
    from aiohttp import web

    app = web.Application()
    eio.attach(app, **options)
    return app


def asgi_application(eio: AsyncServer, **options: Any) -> Any:
    from eio_asgi import ASGIApp

    return ASGIApp(eio, **options)


APPLICATIONS: dict[str, Callable[..., Any]] = {"aiohttp": aiohttp_application, "asgi": asgi_application}


@asynccontextmanager
async def run_aiohttp(app: Any) -> AsyncIterator[int]:
    from aiohttp import web

    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    listener, port = listen()
    await web.SockSite(runner, listener).start()
    try:
        yield port
    finally:
        await runner.cleanup()


@asynccontextmanager
async def run_uvicorn(app: Any) -> AsyncIterator[int]:
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
async def run_hypercorn(app: Any) -> AsyncIterator[int]:
    from hypercorn.asyncio import serve

    config, port = hypercorn_config()
    started, stop = anyio.Event(), asyncio.Event()
    task = asyncio.create_task(serve(announced(app, started), config, shutdown_trigger=stop.wait))
    await started.wait()
    try:
        yield port
    finally:
        stop.set()
        await task


@asynccontextmanager
async def run_hypercorn_trio(app: Any) -> AsyncIterator[int]:
    from hypercorn.trio import serve

    config, port = hypercorn_config()
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


def hypercorn_config() -> tuple[Any, int]:
    from hypercorn.config import Config

    listener, port = listen()
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = logging.getLogger("hypercorn.error")
    config.graceful_timeout = 1.0
    return config, port


def listen() -> tuple[socket.socket, int]:
    """A listening socket: clients may connect at once, even if the server takes it up a moment later."""
    # asyncio turns Nagle's algorithm off only where the protocol is named: else each response may wait 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener, listener.getsockname()[1]


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

ALL = (
    Server(
        "aiohttp", "aiohttp", "asyncio", run_aiohttp, frozenset({Gap.REFUSES_BAD_HEADERS, Gap.ACCEPTS_UNMASKED_FRAMES})
    ),
    Server("asgi-uvicorn", "asgi", "asyncio", run_uvicorn, UVICORN),
    Server("asgi-hypercorn", "asgi", "asyncio", run_hypercorn, HYPERCORN_ASYNCIO),
    Server("asgi-hypercorn-trio", "asgi", "trio", run_hypercorn_trio, HYPERCORN | {Gap.DIES_OF_EARLY_FRAMES}),
)

SUITE = os.environ.get("EIO_SUITE")
SERVERS = tuple(server for server in ALL if SUITE in {None, "", server.integration})
