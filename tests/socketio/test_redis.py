"""python-socketio's Redis manager with a real Redis: rooms across two processes."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.integrations.servers import listen

from .python_client import POLLING, WEBSOCKET, connected

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Redis of our own, which writes nothing to disk; a missing one fails the test."""
    if shutil.which("redis-server") is None:
        pytest.fail("redis-server is missing: put it on PATH (on Debian: apt-get install redis-server)", pytrace=False)
    listener, port = listen()
    listener.close()
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    folder = tmp_path_factory.mktemp("redis")
    with subprocess.Popen([*command, "--dir", str(folder)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Ready to accept connections" in line:
                break
        yield f"redis://127.0.0.1:{port}/0"
        process.terminate()
        process.stdout.read()


@asynccontextmanager
async def running(redis: str, manager: str) -> AsyncIterator[str]:
    """A process that serves; its URL."""
    command = [sys.executable, "-m", "tests.socketio.redis_program", redis, manager]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, cwd=ROOT)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        process.stdin.close()
        assert await process.wait() == 0


@pytest.mark.parametrize("manager", ["derived", "installed"])
async def test_a_room_across_two_processes(redis: str, manager: str) -> None:
    """AP-9: text and binary, everybody in the room, in order; acknowledgements and leaving by way of the other one."""
    async with AsyncExitStack() as stack:
        one, two = [await stack.enter_async_context(running(redis, manager)) for _ in range(2)]
        clients = [
            await stack.enter_async_context(connected(url, transports))
            for url in (one, two)
            for transports in (POLLING, WEBSOCKET)
        ]
        for client in clients:
            await client.call("join", "room")
        await clients[0].emit("count", ("room", 100))
        wanted = [[number, b"%d" % number, {"again": b"%d" % number}] for number in range(100)]
        for client in clients:
            assert await client.until("number", 100) == wanted
        for number in range(20):  # one after the other: what tasks publish at once goes to Redis by several connections
            await clients[1].call("tell", ("room", number))
        for client in (clients[0], *clients[2:]):
            assert await client.until("told", 20) == [*range(20)]
        assert clients[1].told("told") == []
        await clients[2].call("leave", "room")
        await clients[1].call("tell", ("room", "again"))
        assert (await clients[3].until("told", 21))[20:] == ["again"]
        assert await clients[2].call("echo", 1) == 1
        assert len(clients[2].told("told")) == 20
