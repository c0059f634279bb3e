"""Each program of ``examples/`` is started on a free port, talked to on both transports, and ended by a signal."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from tests.integrations.clients import TIMEOUT, Client, ClosedError, WebSocket

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PROGRAMS = sorted(path.stem for path in EXAMPLES.glob("*.py"))

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def running(program: str, number: signal.Signals) -> AsyncIterator[int]:
    """Start a program and give its port; afterwards see that the signal ends it, without complaints."""
    port = free_port()
    command = [sys.executable, "-W", "default", str(EXAMPLES / f"{program}.py"), str(port)]
    async with await anyio.open_process(command, stdout=subprocess.DEVNULL) as process:
        try:
            await until_it_listens(port, process)
            yield port
            assert process.stderr is not None
            process.send_signal(number)
            with anyio.fail_after(TIMEOUT):
                errors = b"".join([chunk async for chunk in process.stderr]).decode()
                await process.wait()
            # uvicorn ends itself by the signal that it got, once it has cleaned up.
            assert process.returncode in {0, -number}, errors
            assert "Traceback" not in errors
            assert "Warning" not in errors
        finally:
            if process.returncode is None:
                process.kill()


async def until_it_listens(port: int, process: anyio.abc.Process) -> None:
    """Wait until somebody accepts connections; nothing tells, but that one is accepted."""
    with anyio.fail_after(20):
        while process.returncode is None:
            try:
                socket.create_connection(("127.0.0.1", port), TIMEOUT).close()
            except ConnectionRefusedError:
                await anyio.sleep(0.05)
            else:
                return
    assert process.stderr is not None
    raise AssertionError((await process.stderr.receive()).decode())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
@pytest.mark.parametrize("program", PROGRAMS)
async def test_an_example_serves_and_stops(program: str, number: signal.Signals) -> None:
    """HS-1, PP-1, PG-1, UP-4, WS-1, SD-1: on polling, upgraded and on WebSocket it answers, and it says goodbye."""
    async with anyio.create_task_group() as group, running(program, number) as port:
        client = Client(port)
        session = await client.handshake()
        assert (await session.post("4polled")).body == b"ok"
        while not any(packet.endswith("polled") for packet in (await session.get()).packets):
            pass
        upgraded = await session.upgrade()
        await upgraded.send("4upgraded")
        assert str(await upgraded.receive()).endswith("upgraded")
        assert await session.client.request("GET", "/")
        websocket = await client.websocket()
        await websocket.send("4direct")
        while not str(await websocket.receive()).endswith("direct"):
            pass
        # Both are told while the program stops, and not by the end of their connections.
        group.start_soon(leave, upgraded)
        group.start_soon(leave, websocket)
    client.close()


async def leave(websocket: WebSocket) -> None:
    """Take what comes, until the server goes away."""
    code = None
    while code is None:
        try:
            await websocket.receive()
        except ClosedError as closed:
            code = closed.code
    assert code == 1001


async def test_the_http_side_of_fastapi_reaches_clients() -> None:
    """PG-2: a notification, posted by anybody, arrives."""
    async with running("fastapi_app", signal.SIGTERM) as port:
        client = Client(port)
        session = await client.handshake()
        poll = await session.park()
        response = await client.request("POST", "/notify?text=hello")
        assert response.json() == {"clients": 1}
        assert (await poll.receive()).body == b"4hello"
        client.close()
