"""The outbox, its bound, and the order of things: the FD rows."""

from __future__ import annotations

import logging
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from .clients import settle, url
from .harness import Logs, Serve
from .servers import Gap

pytestmark = pytest.mark.anyio

KIB = 1024


async def test_send_returns_when_the_packet_is_accepted(serve: Serve) -> None:
    """FD-3, FD-4: with no GET in sight; it returns None."""
    async with serve() as site:
        session = await site.handshake()
        with anyio.fail_after(5):
            for _ in range(3):
                assert await site.eio.send(session.sid, "x") is None  # type: ignore[func-returns-value]
        assert (await session.get()).body == b"4x\x1e4x\x1e4x"


@pytest.mark.api("logs")
async def test_a_send_to_nobody_is_one_line(serve: Serve, logs: Logs, logger: logging.Logger) -> None:
    """FD-4: an unknown sid is a warning, and dropped."""
    async with serve(logger=logger) as site:
        lines = len(logs.records)
        await site.eio.send("nobody", "x")
        (record,) = logs.records[lines:]
        assert record.levelno == logging.WARNING
        assert "nobody" in record.getMessage()


@pytest.mark.api("async_handlers")
@pytest.mark.parametrize("async_handlers", [False, True])
async def test_handlers_start_in_the_order_of_arrival(serve: Serve, async_handlers: bool) -> None:
    """FD-6, AP-17: each as its own task, or strictly one after the other, across POST and WebSocket."""
    started: list[Any] = []
    ended: list[Any] = []
    async with serve(async_handlers=async_handlers) as site:

        async def message(sid: str, data: Any) -> None:
            started.append(data)
            await anyio.sleep(0.1 if data == "slow" else 0)
            ended.append(data)
            site.seen.message(sid, data)

        site.eio.on("message", message)
        session = await site.handshake()
        websocket = await session.probe()
        expected: list[Any] = ["slow", "a", b"b", "c", "d", b"e"]
        assert (await session.post("4slow\x1e4a\x1ebYg==")).body == b"ok"
        await websocket.send("5", "4c", "4d", b"e")
        for data in expected:
            await site.seen.until("message", session.sid, data)
        assert started == expected
        if async_handlers:
            assert ended[-1] == "slow"
        else:
            assert ended == expected


@pytest.mark.api("async_handlers")
async def test_a_slow_handler_is_its_own_clients_affair(serve: Serve) -> None:
    """FD-6: other sessions are served meanwhile, with async_handlers off as well."""
    release = anyio.Event()
    async with serve(async_handlers=False) as site:

        async def message(sid: str, data: Any) -> None:
            if data == "slow":
                await release.wait()
            site.seen.message(sid, data)

        site.eio.on("message", message)
        slow, fast = await site.websocket(), await site.handshake()
        await slow.send("4slow", "4after")
        await settle()
        assert (await fast.post("4fast")).body == b"ok"
        await site.seen.until("message", fast.sid, "fast")
        assert site.seen.of(slow.sid) == []
        release.set()
        await site.seen.until("message", slow.sid, "after")
        assert site.seen.messages(slow.sid) == ["slow", "after"]


async def test_shutdown_sends_what_it_can(serve: Serve) -> None:
    """FD-7: what is buffered goes out within its time; what is not fetched is dropped."""
    async with serve(check=False) as site:
        websocket = await site.websocket()
        session = await site.handshake()
        for data in ("a", b"b"):
            await site.eio.send(websocket.sid, data)
        await site.eio.send(session.sid, "never fetched")
        await site.eio.shutdown(timeout=0.2)
        assert await websocket.receive_many(2) == ["4a", b"b"]
        assert await websocket.closed() == site.code(1001)
        for sid in (websocket.sid, session.sid):
            assert await site.seen.closed(sid) == "server disconnect"


@pytest.mark.api("the embedding program decides by itself how long it waits for its handlers")
async def test_a_stop_does_not_wait_for_ever_for_a_connect_handler(serve: Serve) -> None:
    """SD-1, SD-2, H28: it is cancelled when the time is over, its client refused, and nobody hears of a session."""
    began, ended = anyio.Event(), anyio.Event()

    async def connect(sid: str, environ: dict[str, Any]) -> None:
        began.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    async with serve(check=False) as site:
        site.eio.on("connect", connect)
        statuses = []

        async def open_() -> None:
            statuses.append((await site.request("GET", url())).status)

        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(open_)
                await began.wait()
                await site.eio.shutdown(timeout=0.2)
                await ended.wait()
        assert statuses == [503]
        assert len(site.eio.sockets) == 0


@pytest.mark.api("logs")
async def test_a_slow_consumer_is_closed(serve: Serve, logs: Logs, logger: logging.Logger) -> None:
    """FD-8: by the send that finds the outbox at its bound; one line says so, and send() does not raise."""
    async with serve(max_buffered_bytes=10_000, logger=logger) as site:
        session = await site.handshake()
        sent = 0
        while site.eio.buffered(session.sid) < 10_000:
            await site.eio.send(session.sid, "x" * 1000)
            sent += 1
        assert sent == 10
        assert site.seen.of(session.sid) == []
        await site.eio.send(session.sid, "one too many")
        assert len(logs.lines(logging.WARNING)) == 1
        assert await site.seen.closed(session.sid) == "transport error"
        assert (await session.get()).status == 400


async def test_a_large_message_passes_into_an_outbox_below_its_bound(serve: Serve) -> None:
    """FD-8: what counts is what was there before."""
    async with serve(max_buffered_bytes=10_000) as site:
        session = await site.handshake()
        await site.eio.send(session.sid, "first")
        await site.eio.send(session.sid, "x" * 1_000_000)
        assert (await session.get()).body == b"4first\x1e4" + b"x" * 1_000_000
        await settle()
        assert site.eio.buffered(session.sid) == 0


async def test_the_bound_can_be_turned_off(serve: Serve) -> None:
    """FD-8: None."""
    async with serve(max_buffered_bytes=None) as site:
        session = await site.handshake()
        for _ in range(40):
            await site.eio.send(session.sid, b"x" * 1_000_000)
        assert site.eio.buffered(session.sid) >= 40_000_000
        await site.eio.disconnect(session.sid)
        await session.post("1")


@pytest.mark.parametrize("data", ["x" * 1000, "\u00e9" * 1000, b"x" * 1000], ids=["ascii", "text", "bytes"])
async def test_buffered_counts_length_and_a_little(serve: Serve, data: Any) -> None:
    """FD-8: bytes, or characters of text, and 64 for each packet; the type may count."""
    async with serve() as site:
        session = await site.handshake()
        await settle()
        assert site.eio.buffered(session.sid) == 0
        await site.eio.send(session.sid, data)
        assert 1064 <= site.eio.buffered(session.sid) <= 1065
        await site.eio.send(session.sid, data)
        assert 2128 <= site.eio.buffered(session.sid) <= 2130
        await session.get()
        await settle()
        assert site.eio.buffered(session.sid) == 0


@pytest.mark.api("drain()")
@pytest.mark.parametrize(("bound", "low"), [(16 * KIB * KIB, 256 * KIB), (40_000, 10_000)])
async def test_drain_waits_for_low_water(serve: Serve, bound: int, low: int) -> None:
    """FD-8: 256 KiB, or a quarter of the bound."""
    async with serve(max_buffered_bytes=bound, max_packets_per_poll=1) as site:
        session = await site.handshake()
        done: list[str] = []

        async def wait() -> None:
            await site.eio.drain(session.sid)
            done.append("drained")

        with anyio.fail_after(5):
            await site.eio.drain(session.sid)
            await site.eio.send(session.sid, "x" * (low // 2))
            await site.eio.drain(session.sid)
        await site.eio.send(session.sid, "y" * low)
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await settle()
            assert not done
            assert (await session.get()).body == b"4" + b"x" * (low // 2)
            await settle()
            assert not done
            assert (await session.get()).body == b"4" + b"y" * low
        assert done


@pytest.mark.api("drain()")
async def test_drain_ends_with_the_session(serve: Serve) -> None:
    """FD-8: and knows no other sid."""
    async with serve() as site:
        session = await site.handshake()
        await site.eio.send(session.sid, "x" * 1_000_000)
        async with anyio.create_task_group() as group:
            group.start_soon(site.eio.drain, session.sid)
            await settle()
            await session.post("1")
        assert await site.seen.closed(session.sid) == "client disconnect"
        with pytest.raises(KeyError):
            await site.eio.drain("nobody")
        with pytest.raises(KeyError):
            site.eio.buffered("nobody")


@pytest.mark.api("send() that suspends")
@pytest.mark.only(backend="asyncio")
async def test_a_send_above_low_water_yields_one_turn(serve: Serve) -> None:
    """FD-8: others run; below low water nothing suspends."""
    async with serve() as site:
        session = await site.handshake()
        turns: list[int] = []

        async def count() -> None:
            while not stop:
                turns.append(1)
                await anyio.lowlevel.checkpoint()

        stop: list[bool] = []
        async with anyio.create_task_group() as group:
            group.start_soon(count)
            await settle()
            before = len(turns)
            await site.eio.send(session.sid, "small")
            assert len(turns) == before
            await site.eio.send(session.sid, "x" * 300_000)
            assert before < len(turns) <= before + 2
            stop.append(True)
        await session.get()


@pytest.mark.api("drain()")
async def test_a_loop_of_sends_lets_the_socket_drain(serve: Serve) -> None:
    """FD-8: drain() keeps a sender below the bound, however much it sends."""
    async with serve(max_buffered_bytes=4_000_000) as site:
        websocket = await site.websocket()
        received: list[str] = []

        async def read() -> None:
            while len(received) < 600:
                received.append(str(await websocket.receive())[:6])

        async with anyio.create_task_group() as group:
            group.start_soon(read)
            for number in range(600):
                await site.eio.send(websocket.sid, f"{number:05}" + "x" * 20_000)
                if number % 100 == 99:
                    await site.eio.drain(websocket.sid)
        assert received == [f"4{number:05}" for number in range(600)]
        assert site.seen.of(websocket.sid) == []


@pytest.mark.api("JSON")
async def test_a_broadcast_reaches_everyone(serve: Serve) -> None:
    """FD-10, PL-18: the same for polling, WebSocket, and base64 clients; unknown ones are skipped."""
    async with serve() as site:
        session, parked = await site.handshake(), await site.handshake()
        websocket, text_only = await site.websocket(), await site.websocket(b64="1")
        poll = await parked.park()
        sids = [session.sid, "nobody", parked.sid, websocket.sid, text_only.sid]
        assert site.eio.broadcast(sids, "text") is None  # type: ignore[func-returns-value]
        site.eio.broadcast(sids, b"\x01\x02\x03\x04")
        site.eio.broadcast(iter(sids), {"a": [1]})
        assert (await session.get()).body == b'4text\x1ebAQIDBA==\x1e4{"a":[1]}'
        assert (await poll.receive()).body == b'4text\x1ebAQIDBA==\x1e4{"a":[1]}'
        assert await websocket.receive_many(3) == ["4text", b"\x01\x02\x03\x04", '4{"a":[1]}']
        assert await text_only.receive_many(3) == ["4text", "bAQIDBA==", '4{"a":[1]}']


async def test_a_slow_client_holds_up_nobody(serve: Serve) -> None:
    """FD-8, WS-18: neither a send to itself nor a broadcast."""
    async with serve() as site:
        slow, fast = await site.websocket(), await site.websocket()
        with anyio.fail_after(5):
            for _ in range(100):
                await site.eio.send(slow.sid, "x" * 100_000)
        await settle()
        site.eio.broadcast([slow.sid, fast.sid], "hello")
        assert await fast.receive() == "4hello"
        assert (site.eio.buffered(slow.sid) > 0) is not (Gap.TAKES_WHAT_IT_GETS in site.server.gaps)


async def test_a_poll_that_cannot_be_answered_ends_the_session(serve: Serve) -> None:
    """FD-12, IN-17: at once where the framework tells of a failed write, else at the ping timeout at the latest."""
    async with serve(ping_interval=0.3, ping_timeout=0.3) as site:
        session = await site.handshake()
        poll = await session.park()
        poll.reset()
        await site.eio.send(session.sid, "lost")
        reason = await site.seen.closed(session.sid)
        assert reason in {"transport error", "ping timeout" if Gap.HIDES_FAILED_WRITES in site.server.gaps else ""}
