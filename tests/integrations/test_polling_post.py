"""The POST: the PP rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from .clients import Connection, Headers, assert_refused, settle
from .harness import Serve
from .servers import Gap

pytestmark = pytest.mark.anyio


async def test_a_post_is_answered_ok(serve: Serve) -> None:
    """PP-1"""
    async with serve() as site:
        session = await site.handshake()
        response = await session.post("4hello")
        assert (response.status, response.body) == (200, b"ok")
        assert response.get("content-type") == "text/html"
        assert response.get("content-length") == "2"
        assert response.get("cache-control") == "no-store"
        await site.seen.until("message", session.sid, "hello")


async def test_ok_does_not_wait_for_handlers(serve: Serve) -> None:
    """PP-2: the answer comes once the packets are enqueued, in order."""
    release = anyio.Event()
    async with serve(async_handlers=False) as site:

        async def message(sid: str, data: Any) -> None:
            await release.wait()
            site.seen.message(sid, data)

        site.eio.on("message", message)
        session = await site.handshake()
        assert (await session.post("4a\x1e4b")).body == b"ok"
        assert (await session.post("4c")).body == b"ok"
        assert site.seen.of(session.sid) == []
        release.set()
        await site.seen.until("message", session.sid, "c")
        assert site.seen.messages(session.sid) == ["a", "b", "c"]


@pytest.mark.api("messages that wait for handlers")
@pytest.mark.parametrize("async_handlers", [False, True])
async def test_ok_waits_while_too_much_is_pending(serve: Serve, async_handlers: bool) -> None:
    """PP-2: max_pending_messages undelivered messages or running handlers hold the answer back, and nothing else."""
    release = anyio.Event()
    async with serve(async_handlers=async_handlers, max_pending_messages=2) as site:

        async def message(sid: str, data: Any) -> None:
            await release.wait()
            site.seen.message(sid, data)

        site.eio.on("message", message)
        session = await site.handshake()
        connection = site.connect()
        await connection.send("POST", session.url, body=b"\x1e".join(b"4%d" % number for number in range(6)))
        await settle()
        assert connection.silent
        await site.eio.send(session.sid, "meanwhile")
        assert (await session.get()).body == b"4meanwhile"
        release.set()
        assert (await connection.receive()).body == b"ok"
        for number in "012345":
            await site.seen.until("message", session.sid, number)
        assert async_handlers or site.seen.messages(session.sid) == ["0", "1", "2", "3", "4", "5"]


async def test_a_second_post_ends_the_session(serve: Serve) -> None:
    """PP-3, ER-6: 400 code 3 to both, a pending GET gets the close."""
    async with serve() as site:
        session = await site.handshake()
        poll = await session.park()
        first = site.connect()
        await first.send("POST", session.url, [("Content-Length", "100")], b"4half", end=False)
        await settle()
        if Gap.WAITS_FOR_BODIES in site.server.gaps:  # it has not begun for us
            assert (await session.post("4second")).body == b"ok"
            await first.send_body(b"x" * 95, end=True)
            assert (await first.receive()).body == b"ok"
            assert site.seen.messages(session.sid) == ["second", "half" + "x" * 95]
            return
        assert_refused(await session.post("4second"), 3)
        assert_refused(await first.receive(), 3)
        assert (await poll.receive()).body == b"1"
        assert await site.seen.closed(session.sid) == "transport error"
        assert site.seen.of(session.sid) == [("disconnect", "transport error")]


@pytest.mark.parametrize("how", [Connection.reset, Connection.close])
async def test_an_aborted_post_ends_the_session(serve: Serve, how: Callable[[Connection], None]) -> None:
    """PP-4, IN-2, CL-11: at once, a pending GET gets the close."""
    async with serve() as site:
        session = await site.handshake()
        poll = await session.park()
        connection = site.connect()
        await connection.send("POST", session.url, [("Content-Length", "100")], b"4half", end=False)
        await settle()
        how(connection)
        if Gap.WAITS_FOR_BODIES in site.server.gaps:  # nobody knew of it
            await settle()
            assert poll.silent
            return
        assert await site.seen.closed(session.sid) == "transport error"
        assert (await poll.receive()).body == b"1"
        assert site.seen.of(session.sid) == [("disconnect", "transport error")]


CONTENT_TYPES: list[Headers] = [
    [],
    [("Content-Type", "text/plain;charset=UTF-8")],
    [("Content-Type", "text/plain")],
    [("Content-Type", "application/octet-stream")],
    [("Content-Type", "application/x-www-form-urlencoded")],
    [("Content-Type", "multipart/form-data; boundary=x")],
    [("Content-Type", "application/json; charset=latin-1")],
    [("Content-Type", "nonsense")],
]


async def test_any_content_type_or_none_will_do(serve: Serve) -> None:
    """PP-5, PP-17: the body is UTF-8 text whatever the header says."""
    async with serve() as site:
        for headers in CONTENT_TYPES:
            session = await site.handshake()
            response = await session.post("4h\u00e9\x1ebAQIDBA==", headers)
            if "multipart" in str(headers) and Gap.EATS_FORMS in site.server.gaps:
                assert response.status == 400
                continue
            assert response.body == b"ok"
            await site.seen.until("message", session.sid, b"\x01\x02\x03\x04")
            assert site.seen.messages(session.sid) == ["h\u00e9", b"\x01\x02\x03\x04"]


async def test_a_chunked_body_needs_no_length(serve: Serve) -> None:
    """PP-6: and a character may be split between two chunks."""
    async with serve() as site:
        session = await site.handshake()
        connection = site.connect()
        await connection.send("POST", session.url, [("Transfer-Encoding", "chunked")], b"4h\xc3", end=False)
        await settle()
        await connection.send_body(b"\xa9llo", end=True)
        assert (await connection.receive()).body == b"ok"
        await site.seen.until("message", session.sid, "h\u00e9llo")


async def test_a_body_in_many_segments_is_assembled(serve: Serve) -> None:
    """PP-7: up to the limit of 1 MB."""
    async with serve() as site:
        session = await site.handshake()
        connection = site.connect()
        text = "0123456789" * 99_999 + "012345678"
        body = b"4" + text.encode()
        assert len(body) == 1_000_000
        await connection.send("POST", session.url, [("Content-Length", str(len(body)))], end=False)
        for start in range(0, len(body), 100_000):
            await settle()
            await connection.send_body(body[start : start + 100_000], end=start == 900_000)
        assert (await connection.receive()).body == b"ok"
        await site.seen.until("message", session.sid, text)


async def test_an_undecodable_payload_ends_the_session(serve: Serve) -> None:
    """PP-8: 400 code 3, and a pending GET gets the close."""
    async with serve() as site:
        for body in (b"abc", b"7", b"", b"\x1e", b"4a\x1e", b"-1", b" 4a"):
            session = await site.handshake()
            poll = await session.park()
            assert_refused(await session.post(body), 3)
            assert (await poll.receive()).body == b"1"
            assert await site.seen.closed(session.sid) == "transport error"
            assert_refused(await session.get(), 1)


async def test_packets_before_a_bad_one_are_delivered(serve: Serve) -> None:
    """PP-9, PL-9: and none after it."""
    async with serve() as site:
        session = await site.handshake()
        assert_refused(await session.post("4a\x1e4b\x1e7\x1e4c"), 3)
        assert await site.seen.closed(session.sid) == "transport error"
        assert site.seen.of(session.sid) == [("message", "a"), ("message", "b"), ("disconnect", "transport error")]


async def test_a_close_packet_ends_the_session(serve: Serve) -> None:
    """PP-10, CL-9: 200 ok, the pending GET gets a noop, what follows in the payload is ignored."""
    async with serve() as site:
        session = await site.handshake()
        poll = await session.park()
        assert (await session.post("4last\x1e1\x1e4late\x1e7")).body == b"ok"
        assert (await poll.receive()).body == b"6"
        assert await site.seen.closed(session.sid) == "client disconnect"
        assert site.seen.of(session.sid) == [("message", "last"), ("disconnect", "client disconnect")]
        assert_refused(await session.get(), 1)


async def test_packets_that_mean_nothing_are_ignored(serve: Serve) -> None:
    """PP-11: 200 ok."""
    async with serve() as site:
        for packet in ("0", '0{"sid":"x"}', "3", "3probe", "5", "6"):
            session = await site.handshake()
            assert (await session.post(f"{packet}\x1e4kept")).body == b"ok"
            await site.seen.until("message", session.sid, "kept")
            assert site.seen.of(session.sid) == [("message", "kept")]


async def test_a_ping_from_the_client_ends_the_session(serve: Serve) -> None:
    """PP-12: pings are the server's."""
    async with serve() as site:
        for packet in ("2", "2probe"):
            session = await site.handshake()
            poll = await session.park()
            assert_refused(await session.post(packet), 3)
            assert (await poll.receive()).body == b"1"
            assert await site.seen.closed(session.sid) == "transport error"


async def test_a_post_during_an_upgrade_is_processed_in_order(serve: Serve) -> None:
    """PP-13"""
    async with serve(async_handlers=False) as site:
        session = await site.handshake()
        websocket = await session.probe()
        assert (await session.post("4a\x1e4b")).body == b"ok"
        await websocket.send("5", "4c")
        await site.seen.until("message", session.sid, "c")
        assert site.seen.of(session.sid) == [("message", "a"), ("message", "b"), ("message", "c")]


async def test_a_post_to_a_closing_session_is_dropped(serve: Serve) -> None:
    """PP-14, CL-2, CL-14, HB-8: 200 ok, whatever is in it, and nothing is delivered."""
    async with serve() as site:
        session = await site.handshake()
        await site.eio.disconnect(session.sid)
        assert (await session.post("4late")).body == b"ok"
        assert (await session.post("3")).body == b"ok"
        assert (await session.get()).body == b"1"
        assert await site.seen.closed(session.sid) == "server disconnect"
        assert site.seen.of(session.sid) == [("disconnect", "server disconnect")]


async def test_the_limit_counts_bytes(serve: Serve) -> None:
    """PP-15, PL-15: UTF-8 bytes of the body as it arrives, without a Content-Length too."""
    async with serve(max_http_buffer_size=101) as site:
        session = await site.handshake()
        chunked = [("Transfer-Encoding", "chunked")]
        assert (await session.post("4" + "\u00e9" * 50, chunked)).body == b"ok"
        await site.seen.until("message", session.sid, "\u00e9" * 50)
        response = await session.post("4" + "\u00e9" * 51, chunked)
        assert (response.status, response.body) == (413, b"")
        assert await site.seen.closed(session.sid) == "transport error"


async def test_invalid_utf_8_ends_the_session(serve: Serve) -> None:
    """PP-16"""
    async with serve() as site:
        for body in (b"4\xff", b"4\xc3", b"4\xed\xa0\x80", b"\xfe\xff4a"):
            session = await site.handshake()
            assert_refused(await session.post(body), 3)
            assert await site.seen.closed(session.sid) == "transport error"
            assert site.seen.messages(session.sid) == []


async def test_a_body_that_never_ends_is_given_up(serve: Serve) -> None:
    """CL-17: 400 code 3 when its deadline of ping interval and timeout has passed."""
    async with serve(ping_interval=0.2, ping_timeout=0.2) as site:
        session = await site.handshake()
        connection = site.connect()
        await connection.send("POST", session.url, [("Content-Length", "100")], b"4half", end=False)
        if Gap.WAITS_FOR_BODIES in site.server.gaps:  # its session is
            assert await site.seen.closed(session.sid) == "ping timeout"
            assert connection.silent
            return
        assert_refused(await connection.receive(), 3)
        assert await site.seen.closed(session.sid) == "transport error"
