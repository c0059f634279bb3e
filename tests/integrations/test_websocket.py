"""The WebSocket transport: the WS rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from h11 import LocalProtocolError

from .clients import DEFLATE, TIMEOUT, UPGRADE, Headers, WebSocket, assert_refused, frame, settle, url
from .harness import Logs, Serve
from .servers import Gap, Server

pytestmark = pytest.mark.anyio


async def test_the_first_frame_is_the_open_packet(serve: Serve) -> None:
    """WS-1, HS-2, HS-21"""
    async with serve() as site:
        websocket = await site.upgrade(url("websocket"))
        assert websocket.response.get("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        packet = await websocket.receive()
        (sid,) = site.seen.live
        assert packet == (
            f'0{{"sid":"{sid}","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}}'
        )
        assert site.eio.transport(sid) == "websocket"


async def test_the_connect_handler_runs_before_the_accept(serve: Serve) -> None:
    """WS-1: no 101 until it returned."""
    release = anyio.Event()
    async with serve() as site:

        async def connect(sid: str, environ: dict[str, Any]) -> None:
            await release.wait()
            site.seen.connect(sid, environ)

        site.eio.on("connect", connect)
        connection = site.connect()
        await connection.send("GET", url("websocket"), UPGRADE)
        await settle()
        assert connection.silent
        release.set()
        websocket = connection.websocket(await connection.receive())
        assert str(await websocket.receive()).startswith("0{")


async def test_one_packet_per_frame(serve: Serve) -> None:
    """WS-2, FD-1: in order, text as text and binary as binary, both ways."""
    async with serve(async_handlers=False) as site:
        websocket = await site.websocket()
        for data in ("a", b"b", "c"):
            await site.eio.send(websocket.sid, data)
        assert await websocket.receive_many(3) == ["4a", b"b", "4c"]
        await websocket.send("4a", b"b", "4c")
        await site.seen.until("message", websocket.sid, "c")
        assert site.seen.messages(websocket.sid) == ["a", b"b", "c"]


async def test_undecodable_text_closes(serve: Serve) -> None:
    """WS-3, WS-22: 1002, transport error; nothing after it is delivered."""
    async with serve() as site:
        for text in ("abc", "", "7", "ok"):
            websocket = await site.websocket()
            await websocket.send("4before", text, "4after")
            assert await websocket.closed() == site.code(1002)
            assert await site.seen.closed(websocket.sid) == "transport error"
            assert site.seen.of(websocket.sid) == [("message", "before"), ("disconnect", "transport error")]


async def test_a_ping_from_the_client_closes(serve: Serve) -> None:
    """WS-4, WS-22: an illegal packet, 1002."""
    async with serve() as site:
        for packet in ("2", "2probe"):
            websocket = await site.websocket()
            await websocket.send(packet)
            assert await websocket.closed() == site.code(1002)
            assert await site.seen.closed(websocket.sid) == "transport error"


async def test_packets_that_mean_nothing_are_ignored(serve: Serve) -> None:
    """WS-5"""
    async with serve() as site:
        for packet in ("0", "5", "6", "3", "3probe"):
            websocket = await site.websocket()
            await websocket.send(packet, "4kept")
            await site.seen.until("message", websocket.sid, "kept")
            assert site.seen.of(websocket.sid) == [("message", "kept")]


async def test_a_close_packet_closes_at_once(serve: Serve) -> None:
    """WS-6, CL-14: session and socket, 1000; nothing is delivered afterwards."""
    async with serve() as site:
        websocket = await site.websocket()
        await websocket.send("4before", "1", "4after")
        assert await websocket.closed() == 1000
        assert await site.seen.closed(websocket.sid) == "client disconnect"
        assert site.seen.of(websocket.sid) == [("message", "before"), ("disconnect", "client disconnect")]


async def test_a_close_frame_is_a_transport_close(serve: Serve) -> None:
    """WS-7, CL-10: it is answered, and what came before it is delivered."""
    async with serve() as site:
        for code in (1000, 1001, 3000, 4999):
            websocket = await site.websocket()
            await websocket.send("4before")
            await websocket.close(code)
            assert await websocket.closed() in {code, 1000}
            assert await site.seen.closed(websocket.sid) == "transport close"
            assert site.seen.of(websocket.sid) == [("message", "before"), ("disconnect", "transport close")]


@pytest.mark.parametrize("how", ["reset", "close"])
async def test_a_dropped_connection_is_a_transport_close(serve: Serve, how: str) -> None:
    """WS-7, CL-10: by a reset as by a clean end of the TCP connection."""
    async with serve() as site:
        websocket = await site.websocket()
        await websocket.send("4before")
        await site.seen.until("message", websocket.sid, "before")
        getattr(websocket.stream, how)()
        assert await site.seen.closed(websocket.sid) == "transport close"
        assert_refused(await site.request("GET", url(sid=websocket.sid)), 1)


async def test_disconnect_flushes_and_closes(serve: Serve) -> None:
    """WS-8, WS-22, CL-6, CL-12: what was sent, then a close frame 1000; no close packet."""
    async with serve() as site:
        websocket = await site.websocket()
        await site.eio.send(websocket.sid, "a")
        await site.eio.send(websocket.sid, b"b")
        await site.eio.disconnect(websocket.sid)
        await site.eio.send(websocket.sid, "late")
        assert await websocket.receive_many(2) == ["4a", b"b"]
        assert await websocket.closed() == 1000
        assert await site.seen.closed(websocket.sid) == "server disconnect"


async def test_a_write_into_a_lost_connection_ends_the_session(serve: Serve) -> None:
    """WS-9, CL-11: once, as an error or as the drop that the framework tells of."""
    async with serve() as site:
        websocket = await site.websocket()
        websocket.reset()
        for _ in range(3):
            await site.eio.send(websocket.sid, "x" * 100_000)
        assert await site.seen.closed(websocket.sid) in {"transport error", "transport close"}


GARBAGE = (b"\xff" * 64, frame(b"\xff\xfe"), frame(b"x", 0xF), b"GET / HTTP/1.1\r\n\r\n")


@pytest.mark.without(Gap.DIES_OF_EARLY_FRAMES)
async def test_garbage_behind_the_handshake_does_no_harm(serve: Serve, logs: Logs) -> None:
    """WS-10: in one segment with the request, before any 101; the session ends, at its ping timeout at the latest."""
    async with serve(ping_interval=0.2, ping_timeout=0.2) as site:
        lost = Gap.LOSES_EARLY_FRAMES in site.server.gaps
        if lost:
            logs.allow(LocalProtocolError, asyncio.CancelledError)  # hypercorn breaks, and leaves the connection open
        for garbage in GARBAGE:
            connection = site.connect()
            lines = [f"GET {url('websocket')} HTTP/1.1", f"Host: {site.host}", *(f"{k}: {v}" for k, v in UPGRADE)]
            await connection.stream.send("\r\n".join([*lines, "", ""]).encode() + garbage)
            await settle()
            if lost:
                connection.reset()
            else:
                await connection.ended()
        for sid in {sid for _, sid, _ in site.seen.events}:
            reason = await site.seen.closed(sid)
            assert reason in {"transport error", "transport close", "ping timeout" if lost else ""}


@pytest.mark.parametrize(
    "headers",
    [
        [("Sec-WebSocket-Version", "12"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")],
        [("Sec-WebSocket-Version", "13")],
    ],
)
async def test_a_bad_websocket_handshake_is_the_frameworks_to_refuse(serve: Serve, headers: Headers) -> None:
    """WS-11: with a status of 4xx, and the connect handler never runs."""
    async with serve() as site:
        headers = [("Upgrade", "websocket"), ("Connection", "Upgrade"), *headers]
        response = await site.request("GET", url("websocket"), headers)
        assert response.status in {400, 426}
        assert site.seen.events == []


async def test_an_upgrade_with_polling_is_refused(serve: Serve) -> None:
    """WS-13: 400 before the 101, code 3, or 1 for a sid that is unknown anyway."""
    async with serve() as site:
        for sid in (None, "", "unknown"):
            assert_refused(await site.request("GET", url(sid=sid), UPGRADE), 1 if sid else 3)


async def test_an_upgrade_without_a_query_is_refused(serve: Serve) -> None:
    """WS-14: 400 code 0."""
    async with serve() as site:
        assert_refused(await site.request("GET", "/engine.io/", UPGRADE), 0)


async def test_compression_is_off_where_it_is_ours(serve: Serve) -> None:
    """WS-15: off by default; some servers negotiate it whatever we say."""
    async with serve() as site:
        websocket = await site.upgrade(url("websocket"), DEFLATE)
        if Gap.COMPRESSION_IS_THE_SERVERS not in site.server.gaps:
            assert websocket.response.get("sec-websocket-extensions") is None


@pytest.mark.api("websocket_compression")
@pytest.mark.filterwarnings("default")
async def test_compression_can_be_asked_for(serve: Serve, recwarn: pytest.WarningsRecorder) -> None:
    """WS-15: where it is the server's own setting, asking for it warns once."""
    async with serve(websocket_compression=True) as site:
        websocket = await site.upgrade(url("websocket"), DEFLATE)
        negotiated = "permessage-deflate" in (websocket.response.get("sec-websocket-extensions") or "")
        assert negotiated == (Gap.NEVER_COMPRESSES not in site.server.gaps)
    warned = [str(one.message) for one in recwarn if "websocket_compression" in str(one.message)]
    assert len(warned) == bool({Gap.COMPRESSION_IS_THE_SERVERS, Gap.NEVER_COMPRESSES} & site.server.gaps)


async def test_no_subprotocol_is_chosen(serve: Serve) -> None:
    """WS-16"""
    async with serve() as site:
        websocket = await site.websocket([("Sec-WebSocket-Protocol", "a, b")])
        assert websocket.response.get("sec-websocket-protocol") is None


async def test_a_slow_reader_gets_everything(serve: Serve) -> None:
    """WS-18, FD-8: what it has not taken is counted, and arrives in order."""
    async with serve() as site:
        websocket = await site.websocket()
        chunk = "x" * 100_000
        for number in range(120):
            await site.eio.send(websocket.sid, f"{number} {chunk}")
        await settle()
        assert (site.eio.buffered(websocket.sid) > 1_000_000) is not (Gap.TAKES_WHAT_IT_GETS in site.server.gaps)
        for number in range(120):
            assert await websocket.receive() == f"4{number} {chunk}"
        await settle()
        assert site.eio.buffered(websocket.sid) == 0


async def test_protocol_pings_are_answered_and_are_no_sign_of_life(serve: Serve) -> None:
    """WS-19: the framework's pong; without an Engine.IO pong the session ends all the same."""
    async with serve(ping_interval=0.2, ping_timeout=0.3) as site:
        websocket = await site.websocket()
        await websocket.send_raw(frame(b"hello", 0x9))
        with anyio.fail_after(5):
            assert b"\x8a\x05hello" in await websocket.stream.receive()
        while "disconnect" not in {kind for kind, _, _ in site.seen.events}:
            await websocket.send_raw(frame(b"", 0x9) + frame(b"", 0xA))
            await anyio.sleep(0.05)
        assert await site.seen.closed(websocket.sid) == "ping timeout"


def broken(server: Server, code: int) -> tuple[int, str]:
    """What the client and what the application see of a frame that deserves this close code."""
    if Gap.CUTS_ON_WEBSOCKET_ERROR in server.gaps:
        code = 1006
    elif Gap.CLOSES_WITHOUT_CODE in server.gaps:
        code = 1005
    return code, "transport close" if Gap.HIDES_WEBSOCKET_ERRORS in server.gaps else "transport error"


async def test_invalid_utf_8_is_the_frameworks_business(serve: Serve, logs: Logs) -> None:
    """WS-20: 1007 and a transport error where the framework tells, else a cut connection."""
    logs.allow(UnicodeDecodeError)  # which some frameworks log
    async with serve() as site:
        websocket = await site.websocket()
        await websocket.send_raw(frame(b"4\xff\xfe"))
        code, reason = broken(site.server, 1007)
        assert await websocket.closed() == code
        assert await site.seen.closed(websocket.sid) == reason


BROKEN = {
    "reserved bit": frame(b"4x", head=0xC0),
    "opcode": frame(b"4x", 0x3),
    "unmasked": frame(b"4x", mask=False),
    "long ping": frame(b"x" * 126, 0x9),
    "continuation of nothing": frame(b"x", 0x0),
}


async def test_a_protocol_error_ends_the_session(serve: Serve) -> None:
    """CL-11, WS-20: 1002 and a transport error where the framework tells, else a cut connection."""
    async with serve() as site:
        code, reason = broken(site.server, 1002)
        for name, data in BROKEN.items():
            websocket = await site.websocket()
            await websocket.send_raw(data)
            if name == "unmasked" and Gap.ACCEPTS_UNMASKED_FRAMES in site.server.gaps:
                await site.seen.until("message", websocket.sid, "x")
            else:
                assert await websocket.closed() == code
                assert await site.seen.closed(websocket.sid) == reason
                assert site.seen.messages(websocket.sid) == []


async def test_fragments_are_one_message(serve: Serve) -> None:
    """WS-2: however a client cuts it."""
    async with serve() as site:
        websocket = await site.websocket()
        await websocket.send_raw(frame(b"4h\xc3", head=0) + frame(b"", 0, head=0) + frame(b"\xa9", 0))
        await site.seen.until("message", websocket.sid, "h\u00e9")


async def test_messages_before_a_drop_are_delivered(serve: Serve) -> None:
    """WS-7, CL-14: what arrived before the close frame comes before the disconnect event, in order."""
    async with serve(async_handlers=False) as site:
        websocket = await site.websocket()
        await websocket.send(*(f"4{number}" for number in range(50)))
        await websocket.leave()
        assert await site.seen.closed(websocket.sid) == "transport close"
        assert site.seen.messages(websocket.sid) == [str(number) for number in range(50)]


@pytest.mark.api("messages that wait for handlers")
@pytest.mark.parametrize("async_handlers", [False, True])
async def test_reading_stops_while_handlers_are_behind(serve: Serve, async_handlers: bool) -> None:
    """WS-18, H20: with max_pending_messages messages waiting, or handlers running, the client has to wait too."""
    release = anyio.Event()
    async with serve(async_handlers=async_handlers, max_pending_messages=4) as site:
        started: list[int] = []

        async def message(sid: str, data: bytes) -> None:
            started.append(len(data))
            await release.wait()

        site.eio.on("message", message)
        websocket = await site.websocket()
        reads_ahead = Gap.READS_AHEAD in site.server.gaps
        with anyio.move_on_after(TIMEOUT if reads_ahead else 0.5) as scope:
            for _ in range(400):
                await websocket.stream.send(frame(b"x" * 100_000, 2))
        assert scope.cancelled_caught is not reads_ahead
        assert len(started) <= (4 if async_handlers else 1)
        websocket.reset()
        release.set()
        assert await site.seen.closed(websocket.sid) in {"transport error", "transport close"}


async def test_a_closed_session_takes_no_upgrade(serve: Serve) -> None:
    """HS-13, WS-17: its sid is unknown at once."""
    async with serve() as site:
        websocket = await site.websocket()
        await websocket.send("1")
        assert await websocket.closed() == 1000
        assert_refused(await site.request("GET", url("websocket", websocket.sid), UPGRADE), 1)


@pytest.mark.parametrize("leave", [WebSocket.reset, lambda websocket: websocket.stream.close()])
async def test_a_client_that_reads_nothing_can_leave(serve: Serve, leave: Callable[[WebSocket], None]) -> None:
    """WS-9, WS-18, CL-10: the writer that waits for it ends, and the session with it."""
    async with serve() as site:
        websocket = await site.websocket()
        for _ in range(100):
            await site.eio.send(websocket.sid, "x" * 100_000)
        await settle()
        assert (site.eio.buffered(websocket.sid) > 0) is not (Gap.TAKES_WHAT_IT_GETS in site.server.gaps)
        leave(websocket)
        assert await site.seen.closed(websocket.sid) in {"transport error", "transport close"}
