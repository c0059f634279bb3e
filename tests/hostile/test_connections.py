"""Connections that stall, break, or do what no client does (H3, H4, H13 to H18, H24 to H26)."""

from __future__ import annotations

import os
import zlib
from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
import pytest

from tests.integrations.clients import (
    DEFLATE,
    UPGRADE,
    ClosedError,
    Session,
    WebSocket,
    assert_refused,
    frame,
    settle,
    url,
)
from tests.integrations.harness import Logs, Serve, Site, eventually
from tests.integrations.servers import Gap

from .conftest import MANY, Memory

pytestmark = pytest.mark.anyio

MB = 1_000_000


async def ends(websocket: WebSocket) -> int:
    """How the server ends a WebSocket: its close code, whatever came before."""
    try:
        while True:
            await websocket.receive()
    except ClosedError as closed:
        return closed.code


async def unlinked(site: Site, session: Session) -> None:
    """Wait until no WebSocket belongs to a session on polling."""
    await eventually(lambda: site.core(session.sid).link is None)


async def still_polls_and_upgrades(site: Site, session: Session) -> None:
    """A session lost nothing, still polls, and may try again to upgrade."""
    assert site.eio.transport(session.sid) == "polling"
    assert (await session.post("4by post")).body == b"ok"
    await site.eio.send(session.sid, "by get")
    packets: list[str] = []
    while "4by get" not in packets:  # a noop of the attempt may come first
        packets += (await session.get()).packets
    assert [packet for packet in packets if packet[0] == "4"] == ["4by get"]
    websocket = await session.upgrade()
    await websocket.send("4by websocket")
    await site.seen.until("message", session.sid, "by websocket")
    assert site.seen.messages(session.sid) == ["by post", "by websocket"]


# --------------------------------------------------------------------------------------------- WebSocket messages


async def test_a_message_over_the_limit_is_not_kept(serve: Serve, memory: Memory) -> None:
    """H3, PL-14: refused at its header, where the limit is ours to set; else it arrives, and is refused then."""
    async with serve(max_http_buffer_size=100_000) as site:
        websocket = await site.websocket()
        memory.begin()
        early = site.server.integration in {"aiohttp", "sanic", "tornado"}
        head = frame(b"", 2)[:1] + bytes([0x80 | 127]) + (8 * MB).to_bytes(8, "big") + bytes(4)
        sent = 0
        try:
            await websocket.stream.send(head)
            if not early:
                for sent in range(0, 8 * MB, 50_000):  # noqa: B007
                    await websocket.stream.send(bytes(50_000))
                    await anyio.lowlevel.checkpoint()
        except ConnectionError:  # a server with a limit of its own
            assert sent < 8 * MB
        code = await ends(websocket)
        assert code in ({1009} if early else {1009, 1006, 1005, site.code(1009)})
        assert memory.peak < (2 * MB if early else 40 * MB)
        assert await site.seen.closed(websocket.sid) in {"transport error", "transport close"}
        assert site.seen.messages(websocket.sid) == []


@pytest.mark.api("websocket_compression")
@pytest.mark.filterwarnings("ignore:websocket_compression")
async def test_a_compressed_message_that_grows_beyond_the_limit(serve: Serve, memory: Memory) -> None:
    """H3, PL-14, WS-15: 60 MB of zeros in 60 kB are inflated up to the limit, ours or the server's, and refused."""
    async with serve(max_http_buffer_size=100_000, websocket_compression=True) as site:
        websocket = await site.websocket(DEFLATE)
        if Gap.NEVER_COMPRESSES in site.server.gaps:
            assert websocket.response.get("sec-websocket-extensions") is None
            websocket.reset()
            return
        bomb = deflated(60 * MB)
        memory.begin()
        await websocket.send_raw(frame(bomb, 2, head=0xC0))
        websocket.polite = False  # hypercorn on trio waits for more of such a client
        assert await ends(websocket) == 1009
        websocket.reset()
        assert await site.seen.closed(websocket.sid) in {"transport error", "transport close"}
        assert site.seen.messages(websocket.sid) == []
        if Gap.INFLATES_WITHOUT_LIMIT in site.server.gaps:
            assert memory.peak > 60 * MB
        else:
            assert memory.peak < (40 * MB if Gap.COMPRESSION_IS_THE_SERVERS in site.server.gaps else 2 * MB)


def deflated(size: int) -> bytes:
    """Zeros, as the payload of a compressed frame has them (RFC 7692, section 7.2.1)."""
    squeeze = zlib.compressobj(wbits=-15)
    parts = [squeeze.compress(bytes(MB)) for _ in range(size // MB)]
    return b"".join([*parts, squeeze.flush(zlib.Z_SYNC_FLUSH)]).removesuffix(b"\0\0\xff\xff")


@pytest.mark.timeout(150)
async def test_a_message_of_one_byte_per_fragment(serve: Serve, memory: Memory) -> None:
    """H4, WS-2: 100,000 of them are one message, or the server's own refusal; fewer on further servers."""
    async with serve() as site:
        count = 100_000 if site.server.name in MANY else 10_000
        websocket = await site.websocket()
        piece = frame(b"x", 0, head=0)
        memory.begin()
        try:
            await websocket.stream.send(frame(b"4", head=0))
            for _ in range(count // 1000):
                await websocket.stream.send(piece * 1000)
                await anyio.lowlevel.checkpoint()
            await websocket.stream.send(frame(b"", 0))
        except ConnectionError:
            assert site.server.integration == "asgi"
        else:
            await eventually(lambda: site.seen.of(websocket.sid), 60)
            refused = [("disconnect", "transport close")] if site.server.integration == "asgi" else None
            assert site.seen.of(websocket.sid) in ([("message", "x" * count)], refused)
        assert memory.peak < 40 * MB


# ------------------------------------------------------------------------------------------------ slow and lost bodies


async def test_a_body_that_trickles_bothers_nobody(serve: Serve) -> None:
    """H13, CL-17: it is given up after interval and timeout; other clients are served meanwhile."""
    async with serve(ping_interval=0.5, ping_timeout=0.5) as site:
        slow, other = await site.handshake(), await site.websocket()
        connection = site.connect()
        await connection.send("POST", slow.url, [("Content-Length", "1000")], b"4", end=False)
        trickling = anyio.Event()

        async def trickle() -> None:
            while not trickling.is_set():
                await connection.send_body(b"x")
                await anyio.sleep(0.05)

        async with anyio.create_task_group() as group:
            group.start_soon(trickle)
            for number in range(10):
                await other.send(f"4{number}")
                await site.seen.until("message", other.sid, str(number))
            reason = await site.seen.closed(slow.sid)
            trickling.set()
        if Gap.WAITS_FOR_BODIES in site.server.gaps:
            assert reason == "ping timeout"
        else:
            assert reason == "transport error"
            assert_refused(await connection.receive(), 3)
        other.reset()


async def test_a_get_that_is_reset_ends_its_session(serve: Serve) -> None:
    """H14, PG-4, IN-1, IN-7: at once, and nothing was sent into it."""
    async with serve() as site:
        session = await site.handshake()
        poll = await session.park()
        poll.reset()
        assert await site.seen.closed(session.sid) == "transport error"
        await site.eio.send(session.sid, "nobody gets this")
        assert_refused(await session.get(), 1)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_two_requests_at_once(serve: Serve, method: str) -> None:
    """H15, PG-3, PP-3: sent in the same moment; the session is over, and both are answered."""
    async with serve() as site:
        session = await site.handshake()
        connections = [site.connect() for _ in range(2)]
        for connection in connections:
            if method == "GET":
                await connection.send("GET", session.url)
            else:
                await connection.send("POST", session.url, [("Content-Length", "10")], b"4", end=False)
        if method == "POST" and Gap.WAITS_FOR_BODIES in site.server.gaps:
            for connection in connections:  # each is whole when we see it: two after the other
                await connection.send_body(b"x" * 9, end=True)
                assert (await connection.receive()).body == b"ok"
            return
        answers = [await connection.receive() for connection in connections]
        if method == "GET":
            assert sorted((one.status, one.body[:1]) for one in answers) == [(200, b"1"), (400, b"{")]
        else:
            for one in answers:
                assert_refused(one, 3)
        assert await site.seen.closed(session.sid) == "transport error"
        assert site.seen.messages(session.sid) == []


# ---------------------------------------------------------------------------------------------------------- upgrades


OVERSIZE = frame(b"", 2)[:1] + bytes([0x80 | 127]) + (2**40).to_bytes(8, "big") + bytes(4)
DISTURBANCES: dict[str, Callable[[WebSocket], Awaitable[None]]] = {
    "garbage": lambda websocket: websocket.send("garbage"),
    "a message": lambda websocket: websocket.send("4too early"),
    "binary": lambda websocket: websocket.send(b"\x00\\x01"),
    "a close packet": lambda websocket: websocket.send("1"),
    "a close frame": lambda websocket: websocket.close(),
    "an oversize frame": lambda websocket: websocket.send_raw(OVERSIZE),
    "noise": lambda websocket: websocket.send_raw(bytes(range(256))),
}


@pytest.mark.parametrize("probed", [False, True])
async def test_an_upgrade_that_fails_is_no_loss(serve: Serve, logs: Logs, probed: bool) -> None:
    """H16, UP-8, UP-11: whatever comes instead; that WebSocket is gone, the session polls on and may try again."""
    logs.allow(Exception)  # what some frameworks log of a broken frame
    async with serve() as site:
        for what, disturb in DISTURBANCES.items():
            session = await site.handshake()
            websocket = await (session.probe() if probed else session.websocket())
            await disturb(websocket)
            if what == "an oversize frame" and site.server.integration in {"asgi", "custom"}:
                websocket.reset()  # some wait for all of it
            else:
                await ends(websocket)
            await unlinked(site, session)
            await still_polls_and_upgrades(site, session)


@pytest.mark.parametrize("probed", [False, True])
async def test_an_upgrade_that_never_ends_is_given_up(serve: Serve, probed: bool) -> None:
    """H16, UP-12: within upgrade_timeout."""
    async with serve(upgrade_timeout=0.2) as site:
        session = await site.handshake()
        websocket = await (session.probe() if probed else session.websocket())
        assert await ends(websocket) in {1000, 1006}
        assert site.seen.of(session.sid) == []
        assert (await session.post("4still here")).body == b"ok"


async def test_two_upgrades_at_once(serve: Serve) -> None:
    """H17, UP-9, UP-10: one wins, and nothing is split between them."""
    async with serve(async_handlers=False) as site:
        session = await site.handshake()
        first, second = await session.websocket(), await session.websocket()
        for websocket in (first, second):
            await websocket.send_raw(websocket.encode("2probe") + websocket.encode("5") + websocket.encode("4won"))
        assert await ends(second) in {1000, 1006}
        await site.seen.until("message", session.sid, "won")
        third = await session.websocket()
        await third.send("2probe", "5", "4late")
        assert await ends(third) in {1000, 1006}
        for number in range(20):
            await site.eio.send(session.sid, str(number))
        assert [await first.receive() for _ in range(21)] == ["3probe", *(f"4{number}" for number in range(20))]
        assert site.seen.messages(session.sid) == ["won"]


# ------------------------------------------------------------------------------------------------------ broken frames


BROKEN: dict[str, bytes] = {
    "reserved bits": frame(b"4x", head=0xF0),
    "an opcode that is none": frame(b"4x", 7),
    "a control opcode that is none": frame(b"", 15),
    "no mask": frame(b"4x", mask=False),
    "a fragmented ping": frame(b"x", 9, head=0),
    "a long ping": frame(b"x" * 200, 9),
    "a continuation of nothing": frame(b"x", 0),
    "a message within a message": frame(b"4a", head=0) + frame(b"4b"),
    "no UTF-8": frame(b"4\xff\xfe"),
    "half a character": frame(b"4\xc3"),
    "a close of one byte": frame(b"\x03", 8),
    "a close code that is none": frame((999).to_bytes(2, "big"), 8),
    "random bytes": bytes(os.urandom(64)),
}


async def test_broken_frames_end_their_session_alone(serve: Serve, logs: Logs) -> None:
    """H18, WS-20: as the framework has it; nothing broken is ever delivered."""
    logs.allow(Exception)  # some log them with a traceback
    async with serve() as site:
        witness = await site.websocket()
        for what, data in BROKEN.items():
            websocket = await site.websocket()
            await websocket.send_raw(data)
            await settle()
            with_mercy = site.seen.messages(websocket.sid) or not site.seen.of(websocket.sid)
            if with_mercy:  # a framework that reads on; what it made of it is a message, or nothing
                assert site.seen.messages(websocket.sid) in ([], ["x"]), what
                websocket.reset()
            reason = await site.seen.closed(websocket.sid)
            assert reason in {"transport error", "transport close"}, what
        await witness.send("4still here")
        await site.seen.until("message", witness.sid, "still here")
        witness.reset()


async def test_half_a_frame_and_then_a_reset(serve: Serve) -> None:
    """H18, WS-7: on a session's WebSocket, on a probe's, and in the middle of a handshake."""
    async with serve() as site:
        whole = frame(b"4" + b"x" * 300)
        websocket = await site.websocket()
        await websocket.send_raw(whole[:100])
        await settle()
        websocket.reset()
        assert await site.seen.closed(websocket.sid) in {"transport error", "transport close"}
        session = await site.handshake()
        websocket = await session.probe()
        await websocket.send_raw(whole[:100])
        await settle()
        websocket.reset()
        await unlinked(site, session)
        await still_polls_and_upgrades(site, session)
        for size in (10, 60, -4):
            connection = site.connect()
            head = f"GET {url('websocket')} HTTP/1.1\r\nHost: x\r\n".encode()
            head += b"".join(f"{name}: {value}\r\n".encode() for name, value in UPGRADE) + b"\r\n"
            await connection.stream.send(head[:size])
            await settle()
            connection.reset()


@pytest.mark.parametrize("target", ["polling", "websocket"])
async def test_a_handshake_whose_client_is_gone(serve: Serve, target: str) -> None:
    """H18, H21, HS-26: sent whole, and the connection reset behind it; no ghost session remains."""
    async with serve(ping_interval=0.3, ping_timeout=0.3) as site:
        for _ in range(5):
            connection = site.connect()
            await connection.send("GET", url(target), UPGRADE if target == "websocket" else ())
            connection.reset()
        await settle()
        await eventually(lambda: len(site.eio.sockets) == 0)


# --------------------------------------------------------------------------------------------------------- refusals


EVIL = [("Origin", "http://evil.example")]


async def test_a_foreign_origin_is_refused_at_every_step(serve: Serve) -> None:
    """H24, HD-3: on both transports, before the 101; the session does not notice."""
    async with serve() as site:
        assert_refused(await site.request("GET", url(), EVIL), 3)
        assert_refused(await site.request("GET", url("websocket"), [*UPGRADE, *EVIL]), 3)
        session = await site.handshake()
        assert_refused(await site.request("GET", session.url, EVIL), 3)
        assert_refused(await site.request("POST", session.url, EVIL, b"4evil"), 3)
        assert_refused(await site.request("GET", url("websocket", session.sid), [*UPGRADE, *EVIL]), 3)
        preflight = [*EVIL, ("Access-Control-Request-Method", "POST")]
        assert_refused(await site.request("OPTIONS", session.url, preflight), 3)
        await still_polls_and_upgrades(site, session)


REJECTED = [
    (url("websocket", "nobody"), ()),
    (url("websocket", eio="3"), ()),
    (url("nope"), ()),
    (url("websocket"), EVIL),
]


async def test_a_refused_websocket_leaves_no_connection(serve: Serve) -> None:
    """H26, ER-4: we close it; the client need not."""
    async with serve() as site:
        for target, headers in REJECTED:
            connection = site.connect()
            response = await connection.request("GET", target, [*UPGRADE, *headers])
            assert response.status in {400, 403}
            assert response.without_reason or "close" in (response.get("connection") or "").split(", ")
            await connection.ended()


async def test_a_websocket_rejected_by_the_application_leaves_no_connection(serve: Serve) -> None:
    """H26, ER-10"""
    async with serve() as site:
        site.eio.on("connect", lambda sid, environ: False)
        connection = site.connect()
        response = await connection.request("GET", url("websocket"), UPGRADE)
        assert response.status in {401, 403}
        await connection.ended()
        assert len(site.eio.sockets) == 0


# ---------------------------------------------------------------------------------------------------------- silence


async def test_a_network_that_drops_silently(serve: Serve) -> None:
    """H25, HB-2: nothing arrives any more, on any transport; each is over after interval and timeout, not before."""
    async with serve(ping_interval=0.4, ping_timeout=0.4) as site:
        began = anyio.current_time()
        sids = [(await site.handshake()).sid for _ in range(5)]
        parked = [await site.handshake() for _ in range(5)]
        for session in parked:
            await session.park()
        sids += [session.sid for session in parked]
        sids += [(await site.websocket()).sid for _ in range(5)]
        for sid in sids:
            assert await site.seen.closed(sid) == "ping timeout"
        assert anyio.current_time() - began >= 0.79


async def test_a_close_handshake_that_never_ends(serve: Serve) -> None:
    """H26, CL-18: the client keeps the connection open after our close; five seconds later it has none."""
    async with serve() as site:
        websocket = await site.websocket()
        websocket.polite = False
        await site.eio.disconnect(websocket.sid)
        assert await site.seen.closed(websocket.sid) == "server disconnect"
        with pytest.raises(ClosedError):
            await websocket.receive()
        if Gap.CANNOT_ABORT in site.server.gaps:
            return
        with anyio.fail_after(15):
            while await websocket.stream.receive():
                pass
