"""Pings, pongs and their deadlines: the HB rows. Lower bounds are exact, upper ones generous."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel
import pytest

from .clients import assert_refused, settle, url
from .harness import Serve
from .servers import Gap

pytestmark = pytest.mark.anyio


async def test_pings_come_at_a_fixed_rate(serve: Serve) -> None:
    """HB-1, HB-15: counted from the previous ping, however late its pong is."""
    async with serve(ping_interval=2, ping_timeout=5) as site:
        start = anyio.current_time()
        websocket = await site.websocket()
        assert await websocket.receive() == "2"
        assert anyio.current_time() - start >= 2
        await anyio.sleep(1)
        pong = anyio.current_time()
        await websocket.send("3")
        assert await websocket.receive() == "2"
        assert anyio.current_time() - start >= 4
        assert anyio.current_time() - pong < 1.9


async def test_a_round_is_skipped_while_a_pong_is_outstanding(serve: Serve) -> None:
    """HB-1: no second ping before the pong; after it the next round's."""
    async with serve(ping_interval=0.2, ping_timeout=3) as site:
        websocket = await site.websocket()
        assert await websocket.receive() == "2"
        await anyio.sleep(0.5)
        assert websocket.stream.silent
        await websocket.send("3")
        assert await websocket.receive() == "2"


async def test_a_client_that_never_polls_times_out(serve: Serve) -> None:
    """HB-2, HB-4, CL-13: interval and timeout after the handshake, fetched or not."""
    async with serve(ping_interval=0.2, ping_timeout=0.2) as site:
        start = anyio.current_time()
        session = await site.handshake()
        assert await site.seen.closed(session.sid) == "ping timeout"
        assert 0.4 <= anyio.current_time() - start < 3


async def test_a_ping_timeout_tells_the_client(serve: Serve) -> None:
    """HB-3, HB-4, WS-22: a pending GET gets the close, a WebSocket a close frame 1000."""
    async with serve(ping_interval=0.2, ping_timeout=0.2) as site:
        session = await site.handshake()
        websocket = await site.websocket()
        assert (await session.get()).body == b"2"
        assert (await session.get()).body == b"1"
        assert await websocket.receive() == "2"
        assert await websocket.closed() == 1000
        for sid in (session.sid, websocket.sid):
            assert await site.seen.closed(sid) == "ping timeout"


@pytest.mark.api("messages that wait for handlers")
async def test_a_pong_unread_behind_a_slow_handler_is_not_missing(serve: Serve) -> None:
    """HB-2: while the reader waits for handlers, the deadline moves on."""
    release = anyio.Event()
    async with serve(ping_interval=0.2, ping_timeout=0.3, async_handlers=False, max_pending_messages=1) as site:

        async def message(sid: str, data: Any) -> None:
            await release.wait()
            site.seen.message(sid, data)

        site.eio.on("message", message)
        websocket = await site.websocket()
        assert await websocket.receive() == "2"
        await websocket.send("4a", "4b", "4c", "3")
        await anyio.sleep(0.8)
        assert site.seen.of(websocket.sid) == []
        release.set()
        await site.seen.until("message", websocket.sid, "c")
        assert await websocket.receive() == "2"
        assert site.seen.messages(websocket.sid) == ["a", "b", "c"]


async def test_a_pong_in_a_body_still_arriving_is_not_missing(serve: Serve) -> None:
    """HB-2: the deadline moves on while a POST is being received."""
    async with serve(ping_interval=2, ping_timeout=0.5) as site:  # a body has the sum of both
        session = await site.handshake()
        assert (await session.get()).body == b"2"
        connection = site.connect()
        await connection.send("POST", session.url, [("Content-Length", "7")], b"4a\x1e", end=False)
        await anyio.sleep(1)
        await connection.send_body(b"3\x1e4b", end=True)
        if Gap.WAITS_FOR_BODIES in site.server.gaps:  # and nobody knew of it
            assert_refused(await connection.receive(), 1)
            assert await site.seen.closed(session.sid) == "ping timeout"
            return
        assert (await connection.receive()).body == b"ok"
        await site.seen.until("message", session.sid, "b")
        assert (await session.get()).body == b"2"


async def test_another_packet_gives_a_late_pong_one_more_timeout(serve: Serve) -> None:
    """HB-5: once, however much the client talks."""
    async with serve(ping_interval=0.2, ping_timeout=0.4) as site:
        websocket = await site.websocket()
        assert await websocket.receive() == "2"
        start = anyio.current_time()
        while websocket.stream.silent:
            await websocket.send("4still here")
            await anyio.sleep(0.02)
        assert await websocket.closed() == 1000
        assert 0.7 <= anyio.current_time() - start < 3
        assert await site.seen.closed(websocket.sid) == "ping timeout"


async def test_a_late_pong_in_its_second_timeout_counts(serve: Serve) -> None:
    """HB-5"""
    async with serve(ping_interval=0.2, ping_timeout=0.5) as site:
        websocket = await site.websocket()
        assert await websocket.receive() == "2"
        await websocket.send("4busy")
        await anyio.sleep(0.7)
        await websocket.send("3")
        assert await websocket.receive() == "2"


async def test_the_data_of_a_pong_is_ignored(serve: Serve) -> None:
    """HB-6: on both transports."""
    async with serve(ping_interval=0.2, ping_timeout=1) as site:
        websocket = await site.websocket()
        session = await site.handshake()
        for _ in range(2):
            assert await websocket.receive() == "2"
            await websocket.send("3whatever")
            assert (await session.get()).body == b"2"
            assert (await session.post("3whatever")).body == b"ok"
        assert site.seen.of(session.sid) == []


async def test_unsolicited_pongs_have_no_effect(serve: Serve) -> None:
    """HB-7: they neither delay the ping nor count for it in advance."""
    async with serve(ping_interval=0.6, ping_timeout=0.3) as site:
        websocket = await site.websocket()
        await websocket.send(*["3"] * 20)
        assert await websocket.receive() == "2"
        assert await websocket.closed() == 1000
        assert await site.seen.closed(websocket.sid) == "ping timeout"


async def test_a_ping_behind_a_flood_is_in_time_while_the_client_reads(serve: Serve) -> None:
    """HB-9: it is an ordinary packet of the buffer."""
    async with serve(ping_interval=0.1, ping_timeout=2) as site:
        websocket = await site.websocket()
        for _ in range(100):
            await site.eio.send(websocket.sid, "x" * 64_000)
        await anyio.sleep(0.15)
        left = 100
        pings = 0
        while left or not pings:
            if await websocket.receive() == "2":
                pings += 1
                await websocket.send("3")
            else:
                left -= 1
        assert await websocket.receive() == "2"
        assert site.seen.of(websocket.sid) == []


async def test_a_closing_session_without_a_client_ends_at_its_ping_timeout(serve: Serve) -> None:
    """HB-10: long before the close timeout; the reason stays the server's."""
    async with serve(ping_interval=0.2, ping_timeout=0.2, close_timeout=60) as site:
        session = await site.handshake()
        await site.eio.disconnect(session.sid)
        assert await site.seen.closed(session.sid) == "server disconnect"


async def test_the_grace_period_is_told_but_not_waited(serve: Serve) -> None:
    """HB-13, HB-12: the client is told 10.2 s, the ping comes after 0.2."""
    async with serve(ping_interval=(0.2, 10), ping_timeout=1) as site:
        session = await site.handshake()
        assert session.open["pingInterval"] == 10200
        assert site.eio.ping_interval == 0.2
        assert (await session.get()).body == b"2"


@pytest.mark.api("settings as attributes")
async def test_times_can_be_changed_at_run_time(serve: Serve) -> None:
    """HB-14: they count for new handshakes and for the next round of old sessions, and read back as numbers."""
    async with serve(ping_interval=0.2, ping_timeout=5) as site:
        start = anyio.current_time()
        old = await site.websocket()
        site.eio.ping_interval = 0.4
        site.eio.ping_timeout = 6
        new = await site.handshake()
        assert (new.open["pingInterval"], new.open["pingTimeout"]) == (400, 6000)
        assert await old.receive() == "2"
        await old.send("3")
        assert await old.receive() == "2"
        assert anyio.current_time() - start >= 0.6  # the first after 0.2, the second 0.4 later
        site.eio.ping_interval = (0.5, 1)
        assert site.eio.ping_interval == 0.5
        assert (await site.handshake()).open["pingInterval"] == 1500
        for wrong in (0, -1, (0, 5)):
            with pytest.raises(ValueError, match="ping_interval"):
                site.eio.ping_interval = wrong


async def test_unmonitored_clients_are_pinged_but_not_closed(serve: Serve) -> None:
    """AP-1, HB-1, HB-2: with monitor_clients=False nobody misses a pong; other deadlines hold."""
    async with serve(ping_interval=0.1, ping_timeout=0.1, monitor_clients=False, upgrade_timeout=0.2) as site:
        websocket = await site.websocket()
        for _ in range(5):
            assert await websocket.receive() == "2"
        session = await site.handshake()
        assert await (await session.websocket()).closed() == 1000
        assert site.seen.of(websocket.sid) == []


async def test_every_ping_is_sent_in_its_round_under_load(serve: Serve) -> None:
    """HB-15: a talking client gets its pings too."""
    async with serve(ping_interval=0.2, ping_timeout=2) as site:
        websocket = await site.websocket()
        pings = 0
        with anyio.fail_after(5):
            while pings < 3:
                await websocket.send("4busy")
                await site.eio.send(websocket.sid, "busy")
                await anyio.lowlevel.checkpoint()
                packet = await websocket.receive()
                if packet == "2":
                    pings += 1
                    await websocket.send("3")


async def test_a_rejected_handshake_starts_no_heartbeat(serve: Serve) -> None:
    """HB-1, HS-20: nothing of it is ever timed out."""
    async with serve(ping_interval=0.1, ping_timeout=0.1) as site:
        site.eio.on("connect", lambda sid, environ: False)
        assert (await site.request("GET", url())).status == 401
        await anyio.sleep(0.3)
        await settle()
        assert site.seen.events == []
