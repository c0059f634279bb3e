"""WebSockets of aiohttp at their ends."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from eio_aiohttp import websocket as module

from tests.integrations.clients import UPGRADE, frame, url
from tests.integrations.harness import Logs, Serve, eventually

pytestmark = pytest.mark.anyio

CLOSE = frame((1000).to_bytes(2, "big"), 8)


async def test_answers_come_before_the_close_that_was_sent_with_the_questions(serve: Serve) -> None:
    """All in one segment: the answers are held together, and the close of the connection comes behind them."""
    async with serve(async_handlers=False) as site:
        websocket = await site.websocket()

        @site.eio.on("message")
        async def echo(sid: str, data: Any) -> None:
            site.seen.message(sid, data)
            await site.eio.send(sid, data)

        await websocket.send_raw(frame(b"4a") + frame(b"4b") + frame(b"ping", 9) + frame(b"4c") + CLOSE)
        assert await websocket.receive_many(3) == ["4a", "4b", "4c"]
        assert await websocket.closed() == 1000
        assert await site.seen.closed(websocket.sid) == "transport close"


async def test_what_a_client_sends_while_it_is_closed_does_not_cost_it_the_last_message(serve: Serve) -> None:
    """CL-6: the connection stays until the client has answered, so that no reset overtakes what it has not read."""
    async with serve() as site:
        websocket = await site.websocket()
        websocket.polite = False
        await site.eio.send(websocket.sid, "last")
        await site.eio.disconnect(websocket.sid)
        for _ in range(5):
            await websocket.send("4more")
            await anyio.sleep(0.01)
        assert await websocket.receive() == "4last"
        assert await websocket.closed() == 1000
        await websocket.send_raw(CLOSE)
        assert await websocket.stream.receive() == b""
        assert await site.seen.closed(websocket.sid) == "server disconnect"
        assert site.seen.messages(websocket.sid) == []


async def test_a_client_that_closes_and_reads_nothing_is_let_go(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """CL-18: aiohttp would keep its connection until it reads."""
    monkeypatch.setattr(module, "FLUSH", 0.1)
    async with serve() as site:
        websocket = await site.websocket()
        for _ in range(12):
            await site.eio.send(websocket.sid, "x" * 1_000_000)
        await websocket.send_raw(CLOSE)
        assert await site.seen.closed(websocket.sid) == "transport close"
        read = 0
        with anyio.fail_after(5):
            await anyio.sleep(0.3)
            while data := await websocket.stream.receive():
                read += len(data)
        assert read < 12_000_000


async def test_a_101_that_cannot_be_sent_is_a_disconnect(serve: Serve, logs: Logs) -> None:
    """WS-11: the application agreed, and then something of its own failed."""

    def application(eio: Any) -> Any:
        from aiohttp import web

        async def refuse(request: web.Request, response: web.StreamResponse) -> None:
            if response.status == 101:
                raise ZeroDivisionError

        app = web.Application()
        app.on_response_prepare.append(refuse)
        eio.attach(app)
        return app

    async with serve(app=application) as site:
        assert (await site.request("GET", url("websocket"), UPGRADE)).status == 500
        (sid,) = {sid for _, sid, _ in site.seen.events}
        assert await site.seen.closed(sid) == "transport error"
        logs.tracebacks(ZeroDivisionError)
        session = await site.handshake()
        assert (await site.request("GET", url("websocket", session.sid), UPGRADE)).status == 500
        assert site.seen.of(session.sid) == []


async def test_a_client_that_leaves_while_the_connect_handler_decides_is_no_ghost(serve: Serve) -> None:
    """HS-26"""
    async with serve() as site:
        started = anyio.Event()

        async def connect(sid: str, environ: dict[str, Any]) -> None:
            site.seen.connect(sid, environ)
            started.set()
            try:
                await anyio.sleep(0.2)
            except BaseException:  # handler cancellation: nobody ever hears of this session
                site.seen.events.clear()
                site.seen.live.clear()
                raise

        site.eio.on("connect", connect)
        connection = site.connect()
        await connection.send("GET", url("websocket"), UPGRADE)
        await started.wait()
        connection.reset()
        await eventually(lambda: not site.eio.sockets)
        assert [value for kind, _, value in site.seen.events if kind == "disconnect"] in ([], ["transport error"])
