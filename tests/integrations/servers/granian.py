"""granian: HTTP and WebSocket in a thread of Rust, the application in the event loop that the test runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import anyio

from .asgi import announced, application, startup
from .server import THREADED, Gap, Server, listen

__all__ = ["SERVERS"]


@asynccontextmanager
async def run(app: Any, pem: Path | None = None, *, root_path: str = "") -> AsyncIterator[int]:
    from granian.constants import HTTPModes, Interfaces
    from granian.server.embed import Server as Embedded

    class Granian(Embedded):
        def _init_shared_socket(self) -> None:
            """Serve on a socket that is open already."""
            holder: Any = import_module("granian.net").SocketHolder  # its annotations lag behind
            self._shd = holder(listener.detach(), uds=False, backlog=128)

    listener, port = listen()
    listener.setblocking(False)  # as tokio wants it
    started, running = anyio.Event(), set[asyncio.Task[Any]]()

    async def tracked(scope: Any, receive: Any, send: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            with suppress(asyncio.CancelledError):
                await app(scope, receive, send)
        finally:
            running.discard(task)

    logging.getLogger("_granian").setLevel(logging.ERROR)  # it warns that an embedded server is an experiment
    with mock.patch("granian.server.common.configure_logging"):  # it closes all handlers that there are
        server = Granian(
            announced(tracked, started),
            interface=Interfaces.ASGI,
            http=HTTPModes.http1,
            url_path_prefix=root_path or None,
            ssl_cert=pem,
            ssl_key=pem,
            backpressure=1024,  # connections at once; as its command line has it, not an eighth of that
        )
    task = asyncio.create_task(server.serve())
    await startup(started, task)
    THREADED.add(port)
    try:
        yield port
    finally:
        THREADED.discard(port)
        server.signal_handler_interrupt()  # type: ignore[no-untyped-call]
        await task
        for left in running:  # WebSockets, to which nothing will ever be received: the process would end here
            left.cancel()


GAPS = frozenset(
    {
        Gap.CLOSES_WITHOUT_CODE,
        Gap.HIDES_WEBSOCKET_ERRORS,
        Gap.REFUSES_BAD_HEADERS,
        Gap.HIDES_FAILED_WRITES,
        Gap.CANNOT_ABORT,
        Gap.COMPRESSION_IS_THE_SERVERS,
        Gap.NEVER_COMPRESSES,
        Gap.BARE_HANDSHAKE,
        Gap.ACCEPTS_FOR_NOBODY,
        Gap.ANSWERS_EVERY_PING,
        Gap.LEAVES_SENDERS,
        Gap.STOPS_AFTER_REQUESTS,
    }
)

SERVERS = (Server("asgi-granian", "asgi", application, run, gaps=GAPS),)
