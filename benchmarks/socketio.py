"""Socket.IO: python-socketio on eio and on python-engineio, side by side, over WebSocket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from .clients import Event, Window, connected, frame
from .in_process import opened
from .measures import WARM, Figures, Plan, Rounds, Row, echoing
from .processes import Server, running
from .stacks import Stack

__all__ = ["event", "event_memory", "event_open", "room", "rows"]

KINDS = ("eio-socketio", "socketio")


@asynccontextmanager
async def joined(server: Server, count: int, *, replies: bool = False) -> AsyncIterator[list[Event]]:
    """So many clients, connected to the namespace."""
    async with connected(server, lambda: Event(replies=replies), count) as clients:
        for start in range(0, count, 100):
            batch = clients[start : start + 100]
            for client in batch:
                client.connect()
            async with asyncio.timeout(60):
                await asyncio.gather(*(client.connected for client in batch))
        yield clients


def event(stack: Stack, plan: Plan) -> Rounds:
    """Echoes of an event a second, and the server's processor time for each (S2)."""

    async def measure(server: Server) -> Figures:
        async with joined(server, plan.connections, replies=True) as clients:
            return await echoing("event", server, clients, plan)

    with running(stack, *plan.of(stack, *KINDS)) as servers:
        return Rounds(stack, plan).run(servers, measure)


def room(stack: Stack, plan: Plan) -> Rounds:
    """The server's processor time for each recipient of an event to a room, the writing included."""

    async def measure(server: Server) -> Figures:
        async with joined(server, plan.recipients) as members:
            window, count = Window(server), 0
            measuring = asyncio.create_task(window.measure(plan.seconds))
            while not measuring.done() or not count:
                count += 1
                members[0].transport.write(frame(Event.message))
                while any(member.echoes < count for member in members):  # noqa: ASYNC110 - cheaper
                    await asyncio.sleep(0)
        return {"room-cpu": (window.cpu / count / plan.recipients * 1e6, "µs", window.busy)}

    with running(stack, *plan.of(stack, *KINDS), app="broadcast") as servers:
        return Rounds(stack, plan).run(servers, measure)


def event_open(stack: Stack, plan: Plan) -> Rounds:
    """The server's processor time for a client that connects to a namespace, and leaves."""

    async def measure(server: Server) -> Figures:
        end, before, count = time.perf_counter() + plan.seconds, server.cpu(), 0
        while time.perf_counter() < end:
            async with joined(server, 50):
                count += 50
        await asyncio.sleep(0.2)  # for the end of the last ones
        return {"event-open-cpu": ((server.cpu() - before) / count * 1e6, "µs", 0.0)}

    with running(stack, *plan.of(stack, *KINDS)) as servers:
        return Rounds(stack, plan).run(servers, measure)


def event_memory(stack: Stack, plan: Plan) -> Rounds:
    """Bytes of an idle client that is connected to a namespace, and is in a room."""

    async def measure(server: Server) -> Figures:
        async with joined(server, 100):
            await asyncio.sleep(WARM)  # whatever is made once
        await asyncio.sleep(1.0)
        before = server.memory()
        async with joined(server, plan.idle):
            await asyncio.sleep(1.0)
            return {"event-memory": ((server.memory() - before) / plan.idle, "bytes", 0.0)}

    with running(stack, *plan.of(stack, *KINDS)) as servers:
        return Rounds(stack, Plan(rounds=1)).run(servers, measure)  # memory that was used once is there for the next


def rows(rounds: int = 7, recipients: int = 1_000) -> list[Row]:
    """Processor time to enqueue an event for each recipient of a room, without the wire (S1)."""
    return asyncio.run(_enqueue(rounds, recipients))


async def _enqueue(rounds: int, recipients: int) -> list[Row]:
    servers = {kind: await _crowded(kind, recipients) for kind in KINDS}
    figures: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        for kind, sio in servers.items():
            await asyncio.sleep(0)
            before = time.process_time()
            for _ in range(10):
                await sio.emit("told", "x" * 32, room="room")
            figures[kind].append((time.process_time() - before) / 10 / recipients * 1e6)
    await servers["eio-socketio"].shutdown()
    return [Row("room-enqueue", "core", kind, figures[kind], "µs") for kind in KINDS]


async def _crowded(kind: str, recipients: int) -> Any:
    """A server with so many clients in a room, none of which reads."""
    options: dict[str, Any] = {"max_buffered_bytes": None} if kind == "eio-socketio" else {}
    module = "eio_socketio" if kind == "eio-socketio" else "socketio"
    sio = import_module(module).AsyncServer(async_mode="aiohttp", **options)
    if kind == "eio-socketio":
        sids = await opened(sio.eio, recipients)
    else:
        make = import_module("engineio.async_socket").AsyncSocket
        sids = [f"eio{number}" for number in range(recipients)]
        for sid in sids:
            socket = sio.eio.sockets[sid] = make(sio.eio, sid)
            socket.connected = True
    for sid in sids:
        await sio.enter_room(await sio.manager.connect(sid, "/"), "room")
    return sio
