"""Shutdown, stop and start again: the SD rows."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from .clients import (
    UPGRADE,
    Client,
    ClosedError,
    Connection,
    DisconnectedError,
    Response,
    WebSocket,
    assert_refused,
    settle,
    url,
)
from .harness import Logs, Seen, Serve, eventually
from .servers import Gap, Server

pytestmark = pytest.mark.anyio

DOWN = "Server is shutting down"


async def test_shutdown_tells_every_client(serve: Serve) -> None:
    """SD-1, WS-22, HB-3: a parked GET gets the close, a WebSocket 1001, probing or upgraded."""
    async with serve(check=False) as site:
        parked, idle, probing, upgraded = [await site.handshake() for _ in range(4)]
        poll = await parked.park()
        probe = await probing.probe()
        websockets = [await upgraded.upgrade(), await site.websocket()]
        with anyio.fail_after(4):
            await site.eio.shutdown()
        assert (await poll.receive()).body == b"1"
        for websocket in websockets:
            assert await websocket.closed() == site.code(1001)
        assert await probe.closed() in {1000, 1001}
        for sid in (parked.sid, idle.sid, probing.sid, upgraded.sid, websockets[1].sid):
            assert await site.seen.closed(sid) == "server disconnect"
        assert len(site.eio.sockets) == 0


async def test_shutdown_refuses_new_clients(serve: Serve) -> None:
    """SD-1, SD-2: handshakes get 503, known sids 400 code 1."""
    async with serve(check=False) as site:
        session = await site.handshake()
        await site.eio.shutdown()
        assert_refused(await site.request("GET", url()), 3, status=503, message=DOWN)
        assert_refused(await site.request("GET", url("websocket"), UPGRADE), 3, status=503, message=DOWN)
        assert_refused(await session.get(), 1)
        assert_refused(await session.post("4x"), 1)
        assert_refused(await site.request("GET", url("websocket", session.sid), UPGRADE), 1)


async def test_shutdown_refuses_new_clients_while_it_drains(serve: Serve) -> None:
    """SD-1, FD-7: unsent data may be fetched within the timeout; shutdown ends when it was."""
    async with serve(check=False) as site:
        session = await site.handshake()
        await site.eio.send(session.sid, "last words")
        ended: list[bool] = []

        async def shutdown() -> None:
            await site.eio.shutdown(timeout=60)
            ended.append(True)

        async with anyio.create_task_group() as group:
            group.start_soon(shutdown)
            await settle()
            assert not ended
            assert_refused(await site.request("GET", url()), 3, status=503, message=DOWN)
            assert (await session.get()).body == b"4last words\x1e1"
            await eventually(lambda: ended)
        assert await site.seen.closed(session.sid) == "server disconnect"


async def test_shutdown_does_not_wait_longer_than_its_timeout(serve: Serve) -> None:
    """SD-1: for data that nobody fetches, a WebSocket that nobody reads, a body that never ends."""
    async with serve(check=False) as site:
        session, posting = await site.handshake(), await site.handshake()
        await site.eio.send(session.sid, "never fetched")
        websocket = await site.websocket()
        for _ in range(100):
            await site.eio.send(websocket.sid, "x" * 100_000)
        connection = site.connect()
        await connection.send("POST", posting.url, [("Content-Length", "100")], b"4half", end=False)
        await settle()
        with anyio.fail_after(4):
            await site.eio.shutdown(timeout=0.2)
        for sid in (session.sid, posting.sid, websocket.sid):
            assert await site.seen.closed(sid) == "server disconnect"
        assert len(site.eio.sockets) == 0


async def test_shutdown_ends_when_everything_is_sent(serve: Serve) -> None:
    """SD-1, FD-7: at once, also for a response that is on its way at that moment."""
    async with serve(check=False) as site:
        answered, idle = await site.handshake(), await site.handshake()
        poll = await answered.park()
        await site.handshake()
        await site.eio.send(answered.sid, "x")
        with anyio.fail_after(4):
            await site.eio.shutdown(timeout=60)
        assert (await poll.receive()).packets in (["4x", "1"], ["4x"])  # the latter if it had been taken before
        for session in (answered, idle):
            assert await site.seen.closed(session.sid) == "server disconnect"


async def test_shutdown_is_idempotent(serve: Serve) -> None:
    """SD-1: also at the same time, and on a server that never saw a client."""
    async with serve(check=False) as site:
        await site.eio.shutdown()
    async with serve(check=False) as site:
        websocket = await site.websocket()
        async with anyio.create_task_group() as group:
            group.start_soon(site.eio.shutdown)
            group.start_soon(site.eio.shutdown)
        await site.eio.shutdown()
        assert await websocket.closed() == site.code(1001)
        assert site.seen.of(websocket.sid) == [("disconnect", "server disconnect")]


async def test_shutdown_ends_a_pending_handshake(serve: Serve) -> None:
    """SD-1: a connect handler that is still deciding."""
    release = anyio.Event()
    async with serve(check=False) as site:

        async def connect(sid: str, environ: dict[str, Any]) -> None:
            await release.wait()
            site.seen.connect(sid, environ)

        site.eio.on("connect", connect)
        connection = site.connect()
        await connection.send("GET", url())
        await settle()
        with anyio.fail_after(4):
            await site.eio.shutdown(timeout=0.1)
        release.set()
        await connection.receive()
        await settle()
        assert len(site.eio.sockets) == 0


async def test_disconnect_of_all_clients(serve: Serve) -> None:
    """SD-3, AP-11: bounded, and safe where nobody is."""
    async with serve() as site:
        await site.eio.disconnect()
        parked, idle = await site.handshake(), await site.handshake()
        poll = await parked.park()
        websocket = await site.websocket()
        with anyio.fail_after(4):
            await site.eio.disconnect()
        assert (await poll.receive()).body == b"1"
        assert (await idle.get()).body == b"1"
        assert await websocket.closed() == 1000
        for sid in (parked.sid, idle.sid, websocket.sid):
            assert await site.seen.closed(sid) == "server disconnect"


async def test_a_server_can_be_started_again(server: Server) -> None:
    """SD-1, SD-4: by the framework's next startup."""
    eio = server.make()
    for _ in range(2):
        seen = Seen()
        seen.register(eio)
        async with server.run(server.application(eio)) as port:
            client = Client(port)
            session = await client.handshake()
            assert (await session.post("4hello")).body == b"ok"
            websocket = await client.websocket()
            await websocket.send("4hello")
            for sid in (session.sid, websocket.sid):
                await seen.until("message", sid, "hello")
            client.close()
        if Gap.NO_LIFESPAN in server.gaps:
            await eio.shutdown()
            eio.runner.startup()
        assert len(eio.sockets) == 0
        seen.verify()


async def answer(poll: Connection, answers: list[Response | None]) -> None:
    try:
        answers.append(await poll.receive())
    except DisconnectedError:
        answers.append(None)


async def code(websocket: WebSocket, codes: list[int]) -> None:
    """Wait for its end; a ping may come first."""
    try:
        while True:
            await websocket.receive()
    except ClosedError as closed:
        codes.append(closed.code)


async def test_the_stop_of_the_server_ends_all_sessions(server: Server, logs: Logs) -> None:
    """SD-1, SD-4, SD-5: told properly where the framework asks us first; else what it does by itself."""
    eio = server.make(ping_interval=25 if Gap.CANCELS_REQUESTS_ON_STOP in server.gaps else 0.4, ping_timeout=0.4)
    seen = Seen()
    seen.register(eio)
    answers: list[Response | None] = []
    codes: list[int] = []
    async with anyio.create_task_group() as group:
        async with server.run(server.application(eio)) as port:
            client = Client(port)
            session = await client.handshake()
            poll = await session.park()
            websocket = await client.websocket()
            group.start_soon(answer, poll, answers)
            group.start_soon(code, websocket, codes)
            await settle()
        await eventually(lambda: answers and codes)
    client.close()
    for sid in (session.sid, websocket.sid):
        assert len(seen.of(sid)) == 1
    assert len(eio.sockets) == 0
    if Gap.CANCELS_REQUESTS_ON_STOP in server.gaps:
        logs.allow(asyncio.CancelledError)  # asyncio.streams of Python 3.11 logs it for a cancelled connection
        assert answers[0] is None or answers[0].status == 500
    elif Gap.STOPS_AFTER_REQUESTS in server.gaps:
        assert answers[0] is not None
        assert answers[0].body == b"2"
    else:
        assert answers[0] is not None
        assert answers[0].body == b"1"
        assert codes == [1001]


@pytest.fixture
def signals() -> Iterator[list[int]]:
    """The SIGTERMs that reached the handler which was there before; pytest survives them."""
    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    yield seen
    signal.signal(signal.SIGTERM, before)


@pytest.mark.only(integration="asgi")
async def test_the_first_signal_tells_every_client(serve: Serve, signals: list[int], logs: Logs) -> None:
    """SD-1: the lifespan would come too late, after the ping interval; the handler that was there is called, too."""
    async with serve(check=False) as site:
        session = await site.handshake()
        poll = await session.park()
        websocket = await site.websocket()
        os.kill(os.getpid(), signal.SIGTERM)
        assert (await poll.receive()).body == b"1"
        assert await websocket.closed() in {site.code(1001), 1012}
        for sid in (session.sid, websocket.sid):
            assert await site.seen.closed(sid) in {"server disconnect", "transport close"}
    assert signal.SIGTERM in signals
    assert not logs.lines(40)
