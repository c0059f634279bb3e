"""SIGTERM and SIGINT at a real process with a hundred clients, under load, while handshakes are under way (H28)."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, closing, suppress
from itertools import count

import anyio
import pytest
from wsproto.utilities import LocalProtocolError

from benchmarks.stacks import STACKS, Stack
from tests.integrations.clients import (
    UPGRADE,
    Client,
    ClosedError,
    Connection,
    DisconnectedError,
    WebSocket,
    settle,
    url,
)
from tests.programs import log

from .programs import serving

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

ASGI = "benchmarks.apps.asgi:app"
PYTHON = (sys.executable, "-W", "default", "-m")
FURTHER = (
    Stack("hypercorn", (*PYTHON, "hypercorn", "--workers", "0", "--bind", "127.0.0.1:{port}", ASGI)),
    Stack("hypercorn-trio", (*PYTHON, "hypercorn", "--workers", "0", "-k", "trio", "--bind", "127.0.0.1:{port}", ASGI)),
    Stack("daphne", (*PYTHON, "daphne", "-b", "127.0.0.1", "-p", "{port}", "-v", "0", ASGI)),
)
PROGRAMS = [
    *(stack for stack in STACKS.values() if stack.name not in {"node", "hypercorn"}),
    *FURTHER,
]

TOLD = 0.5
"""Seconds from the signal until every client has been told: what a quiet machine is held to; see patience()."""
ENDED = 2.0
LATER = {"hypercorn": 3.5, "hypercorn-trio": 3.5}
"""What hypercorn waits for connections to end, and half a second."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Witness:
    """When each client was told, in seconds after the signal."""

    def __init__(self) -> None:
        self.signalled = 0.0
        self.signal = anyio.Event()
        self.told: dict[str, list[float]] = {"GET": [], "WebSocket": [], "probe": []}
        self.wrong: list[object] = []
        self.goodbyes = {b"1"}

    def note(self, kind: str) -> None:
        self.told[kind].append(time.perf_counter() - self.signalled)

    async def get(self, poll: Connection) -> None:
        """A parked GET gets the close packet."""
        await self.signal.wait()  # however long it takes until all clients are there
        try:
            body = (await poll.receive()).body
        except DisconnectedError:
            body = b""
        self.note("GET")
        if body not in self.goodbyes:
            self.wrong.append(body)

    async def websocket(self, websocket: WebSocket, kind: str, flooded: bool = False) -> None:
        """A WebSocket gets a close frame."""
        if not flooded:
            await self.signal.wait()
        try:
            while True:
                await websocket.receive()
        except ClosedError as closed:
            self.note(kind)
            if closed.code not in {1001, 1000, 1012} and b"" not in self.goodbyes:
                self.wrong.append(closed)


async def flood(websocket: WebSocket, stop: anyio.Event) -> None:
    """Keep the server busy."""
    with suppress(OSError, LocalProtocolError):  # it was closed meanwhile
        for number in count():
            if stop.is_set():
                return
            await websocket.send(f"4{number}" + "x" * 500)
            await anyio.sleep(0.002)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
@pytest.mark.parametrize("stack", PROGRAMS, ids=lambda stack: stack.name)
async def test_a_signal_with_a_hundred_clients(
    stack: Stack, number: signal.Signals, record_property: Callable[[str, object], None]
) -> None:
    """H28, SD-1: parked GETs, WebSockets, half-open upgrades, half a body, handshakes under way, and load."""
    witness, stop = Witness(), anyio.Event()
    if stack.name in {"daphne", "granian", "hypercorn-trio"}:  # they may drop whom we have not reached at once
        witness.goodbyes.add(b"")
    async with serving(stack) as (process, port), AsyncExitStack() as end:
        client = end.enter_context(closing(Client(port)))
        async with anyio.create_task_group() as group:
            for _ in range(30):
                session = await client.handshake()
                group.start_soon(witness.get, await session.park())
            for index in range(40):
                websocket = await client.websocket()
                group.start_soon(witness.websocket, websocket, "WebSocket", index < 10)
                if index < 10:
                    group.start_soon(flood, websocket, stop)
            for index in range(20):
                session = await client.handshake()
                websocket = await (session.probe() if index % 2 else session.websocket())
                group.start_soon(witness.websocket, websocket, "probe")
            for index in range(10):
                session = await client.handshake()
                await client.connect().send("POST", session.url, [("Content-Length", "100")], b"4half", end=False)
                target = url("websocket" if index % 2 else "polling", slow="1")
                await client.connect().send("GET", target, UPGRADE if index % 2 else ())
            await settle()
            witness.signalled = time.perf_counter()
            process.send_signal(number)
            witness.signal.set()
            group.start_soon(stop_later, stop)
        for connection in client.connections:  # else Sanic waits for those that are idle
            connection.close()
        with anyio.fail_after(20):
            errors = await log(process)
            await process.wait()
        ended = time.perf_counter() - witness.signalled
    last = max(max(times) for times in witness.told.values())
    report = f"{stack.name}, {number.name}: all told after {last:.2f} s, ended after {ended:.2f} s"
    record_property("shutdown", report)
    print(report)
    assert [len(times) for times in witness.told.values()] == [30, 40, 20]
    assert not witness.wrong
    assert last < patience() * TOLD
    assert ended < patience() * LATER.get(stack.name, ENDED)
    assert "Task was destroyed" not in errors or stack.name == "sanic"  # its own, of connections, at the very end
    theirs = ("CancelledError", "KeyboardInterrupt") if "hypercorn" in stack.name else ()  # on Python 3.11, and on trio
    assert "Traceback" not in errors or any(name in errors for name in theirs)
    assert process.returncode in {0, -number} or (theirs and process.returncode in {1, 130})


def patience() -> float:
    """How many times as long it may take here: four, and more where the processors have more to do than they can."""
    return 4 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


async def stop_later(stop: anyio.Event) -> None:
    """The flood goes on for a moment behind the signal."""
    await anyio.sleep(0.3)
    stop.set()
