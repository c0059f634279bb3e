"""One of several processes that share their clients by Redis: ``python -m tests.socketio.redis_program URL MANAGER``.

It serves the application of application.py on a free port, and prints it. The manager is ``derived``, with eio's by
inheritance, or ``installed``, python-socketio's own with install().
"""

from __future__ import annotations

import asyncio
import sys

import eio_socketio
import socketio  # type: ignore[import-untyped]

from tests.integrations.servers import aiohttp

from .application import Application


class RedisManager(socketio.AsyncRedisManager, eio_socketio.AsyncManager):  # type: ignore[misc]
    """python-socketio's on Redis, which fans out as eio does."""


async def main(url: str, manager: str) -> None:
    """Serve until standard input ends."""
    from aiohttp import web

    if manager == "installed":
        eio_socketio.install()
        sio = socketio.AsyncServer(async_mode="aiohttp", client_manager=socketio.AsyncRedisManager(url))
    else:
        sio = eio_socketio.AsyncServer(async_mode="aiohttp", client_manager=RedisManager(url))
    Application(sio)
    app = web.Application()
    sio.attach(app)
    async with aiohttp.run(app) as port:
        print(port, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
