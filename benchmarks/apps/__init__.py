"""The programs that are compared. Each module serves one framework: ``raw`` is the framework's plainest program, the
others are eio's and python-engineio's server under the same framework, or python-socketio's on either of them.

What a program does is told by the environment: ``BENCH_KIND`` (raw, eio, eio-async, engineio, eio-socketio, socketio),
``BENCH_APP`` (echo, broadcast, or hostile: an echo that also tells what the server holds, and takes its time to accept
who asks for that), ``BENCH_PORT``, ``BENCH_PING`` and ``BENCH_TIMEOUT`` (seconds between pings, and for their answers).
"""

from __future__ import annotations

import asyncio
import os
from importlib import import_module
from typing import Any

KIND = os.environ.get("BENCH_KIND", "raw")
APP = os.environ.get("BENCH_APP", "echo")
BROADCASTS = APP == "broadcast"
PORT = int(os.environ.get("BENCH_PORT", "0"))
SOCKETIO = {"eio-socketio": "eio_socketio", "socketio": "socketio"}
"""The kinds that are Socket.IO, and whose module the server is from."""
PING = float(os.environ.get("BENCH_PING", "300"))
"""Longer than any measurement, but for that of the heartbeat."""
TIMEOUT = float(os.environ.get("BENCH_TIMEOUT", "60"))


PATH = "engine.io"
"""Where all of them are, Socket.IO too."""


def engine(integration: str) -> Any:
    """The server of this kind, with its handlers: an echo, or whatever comes goes to everybody."""
    if KIND in SOCKETIO:
        return socketio(integration)
    options: dict[str, Any] = {"ping_interval": PING, "ping_timeout": TIMEOUT, "async_handlers": KIND == "eio-async"}
    if KIND == "engineio":
        server = import_module("engineio").AsyncServer(async_mode=integration, cors_allowed_origins="*", **options)
    else:
        server = import_module(f"eio_{integration}").AsyncServer(**options)

    async def echo(sid: str, data: Any) -> None:
        await server.send(sid, data)

    def broadcast(sid: str, data: Any) -> None:
        server.broadcast(server.sockets, data)

    async def broadcast_one_by_one(sid: str, data: Any) -> None:
        for other in list(server.sockets):
            await server.send(other, data)

    async def echo_or_tell(sid: str, data: Any) -> None:
        if data == "?":
            data = {"sessions": len(server.sockets), "tasks": len(asyncio.all_tasks())}
        await server.send(sid, data)

    async def connect(sid: str, environ: dict[str, Any]) -> None:
        if "slow" in environ["QUERY_STRING"]:
            await server.sleep(1)

    if APP == "hostile":
        server.on("connect", connect)
        server.on("message", echo_or_tell)
    elif BROADCASTS:
        server.on("message", broadcast_one_by_one if KIND == "engineio" else broadcast)
    else:
        server.on("message", echo)
    return server


def socketio(integration: str) -> Any:
    """A Socket.IO server, whose clients are all in one room."""
    sio = import_module(SOCKETIO[KIND]).AsyncServer(
        async_mode=integration, cors_allowed_origins="*", ping_interval=PING, ping_timeout=60
    )

    async def connect(sid: str, environ: Any) -> None:
        await sio.enter_room(sid, "room")

    async def echo(sid: str, data: Any) -> None:
        await sio.emit("echo", data, to="room" if BROADCASTS else sid)

    sio.on("connect", connect)
    sio.on("echo", echo)
    return sio
