"""Each program of ``examples/`` is started on a free port, talked to on both transports, and ended by a signal."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from tests.integrations.clients import TIMEOUT, Client, ClosedError, WebSocket
from tests.programs import free_port, log, running

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PROGRAMS = sorted(path.stem for path in EXAMPLES.glob("*.py"))

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def serving(program: str, number: signal.Signals) -> AsyncIterator[int]:
    """Start a program and give its port; afterwards see that the signal ends it, without complaints."""
    port = free_port()
    command = [sys.executable, "-W", "default", str(EXAMPLES / f"{program}.py"), str(port)]
    async with running(command, port) as process:
        yield port
        process.send_signal(number)
        with anyio.fail_after(TIMEOUT):
            errors = await log(process)
            await process.wait()
        # uvicorn ends itself by the signal that it got, once it has cleaned up.
        assert process.returncode in {0, -number}, errors
        assert "Traceback" not in errors
        assert "Warning" not in errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
@pytest.mark.parametrize("program", PROGRAMS)
async def test_an_example_serves_and_stops(program: str, number: signal.Signals) -> None:
    """HS-1, PP-1, PG-1, UP-4, WS-1, SD-1: on polling, upgraded and on WebSocket it answers, and it says goodbye."""
    async with anyio.create_task_group() as group, serving(program, number) as port:
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
        codes = {1001, 1012} if "import uvicorn" in (EXAMPLES / f"{program}.py").read_text("utf-8") else {1001}
        group.start_soon(leave, upgraded, codes)
        group.start_soon(leave, websocket, codes)
    client.close()


async def leave(websocket: WebSocket, codes: set[int]) -> None:
    """Take what comes, until the server goes away; uvicorn closes some itself, where it was quicker than we."""
    code = None
    while code is None:
        try:
            await websocket.receive()
        except ClosedError as closed:
            code = closed.code
    assert code in codes


async def test_the_http_side_of_fastapi_reaches_clients() -> None:
    """PG-2: a notification, posted by anybody, arrives."""
    async with serving("fastapi_app", signal.SIGTERM) as port:
        client = Client(port)
        session = await client.handshake()
        poll = await session.park()
        response = await client.request("POST", "/notify?text=hello")
        assert response.json() == {"clients": 1}
        assert (await poll.receive()).body == b"4hello"
        client.close()
