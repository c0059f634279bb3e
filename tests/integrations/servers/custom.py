"""The server of ``examples/custom_server.py``: the core embedded by hand, with nothing of eio-server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from .server import Server, listen, tls

if TYPE_CHECKING:
    from eio_server import AsyncServer

__all__ = ["SERVERS"]


class Embedded(Server):
    """A server without an AsyncServer: what the tests of the wire use of one is imitated."""

    def make(self, **options: Any) -> AsyncServer:
        from tests.integrations.embedded import EmbeddedServer

        return cast("AsyncServer", EmbeddedServer(**options))


def application(eio: AsyncServer) -> Any:
    return eio


@asynccontextmanager
async def run(app: Any, pem: Path | None = None) -> AsyncIterator[int]:
    listener, port = listen()
    stop = asyncio.Event()
    serving = asyncio.create_task(app.serve(stop, sock=listener, ssl=tls(pem)))
    try:
        yield port
    finally:
        stop.set()
        await serving


SERVERS = (Embedded("custom", "custom", application, run, api=False),)
