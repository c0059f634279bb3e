"""What only uvicorn does, with each of its WebSocket implementations."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import anyio
import pytest
from eio_asgi import ASGIApp, AsyncServer
from uvicorn import Config

from tests.integrations.clients import UPGRADE, Client, DisconnectedError, url
from tests.integrations.servers import uvicorn


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
@pytest.mark.parametrize("ws", ["websockets-sansio", "wsproto"])
async def test_a_handshake_that_the_server_has_refused(
    ws: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """SD-1, H28: uvicorn answers it with a 500 when it stops; that our refusal comes too late is no defect of ours."""
    eio = AsyncServer()
    app = ASGIApp(eio)
    config = Config(app, ws=ws)
    config.load()
    protocol: Any = config.ws_protocol_class
    began, refuse = anyio.Event(), anyio.Event()
    shutdown = protocol.shutdown

    def shut_down(self: Any) -> None:
        refuse.set()  # we hear of it a turn later, and uvicorn of the end of the connection behind us
        shutdown(self)

    async def connect(sid: str, environ: dict[str, Any]) -> bool:
        began.set()
        await refuse.wait()
        return False

    monkeypatch.setattr(protocol, "shutdown", shut_down)
    eio.on("connect", connect)
    statuses = []

    async def ask(port: int) -> None:
        connection = Client(port).connect()
        await connection.send("GET", url("websocket"), UPGRADE)
        with suppress(DisconnectedError):
            statuses.append((await connection.receive()).status)
        connection.close()

    async with anyio.create_task_group() as tasks, uvicorn.run(app, ws=ws) as port:
        tasks.start_soon(ask, port)
        await began.wait()
    assert statuses == [500]
    assert len(eio.sockets) == 0
    assert "Traceback" not in caplog.text
