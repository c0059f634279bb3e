"""What all servers of ASGI serve, and how they tell that they do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from eio_server import AsyncServer

__all__ = ["announced", "application", "startup"]


def application(eio: AsyncServer, **options: Any) -> Any:
    from eio_asgi import ASGIApp

    return ASGIApp(eio, **options)


def announced(app: Any, started: anyio.Event) -> Any:
    """An ASGI application that tells when its startup is complete."""

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        async def announce(message: Any) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                started.set()

        await app(scope, receive, announce if scope["type"] == "lifespan" else send)

    return outer


async def startup(started: anyio.Event, server: asyncio.Task[Any]) -> None:
    """Wait until a server has started, or its task has failed."""
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait({waiting, server}, return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        waiting.cancel()
        await server
