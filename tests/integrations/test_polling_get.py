"""The poll: the PG rows."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest

from .clients import UPGRADE, Connection, assert_refused, settle, url
from .harness import Serve

pytestmark = pytest.mark.anyio


async def test_a_get_takes_everything_that_is_buffered(serve: Serve) -> None:
    """PG-1, FD-1, WS-2: at once, in order, in one payload."""
    async with serve() as site:
        session = await site.handshake()
        for text in ("a", "b", "c"):
            await site.eio.send(session.sid, text)
        response = await session.get()
        assert response.body == b"4a\x1e4b\x1e4c"
        assert response.get("content-type") == "text/plain; charset=UTF-8"
        assert response.get("content-length") == "8"
        assert response.get("cache-control") == "no-store"


async def test_a_get_waits_for_the_first_packet(serve: Serve) -> None:
    """PG-2: a message, a ping, or the close."""
    async with serve(ping_interval=0.3) as site:
        session = await site.handshake()
        site.eio.ping_interval = 60  # behind the first ping
        poll = await session.park()
        assert poll.silent
        await site.eio.send(session.sid, "x")
        assert (await poll.receive()).body == b"4x"
        assert (await session.get()).body == b"2"
        await session.post("3")
        poll = await session.park()
        await site.eio.disconnect(session.sid)
        assert (await poll.receive()).body == b"1"
        assert await site.seen.closed(session.sid) == "server disconnect"


async def test_a_second_get_ends_the_session(serve: Serve) -> None:
    """PG-3, ER-6: the pending one gets the close, the new one 400 code 3, the third finds nothing."""
    async with serve() as site:
        session = await site.handshake()
        poll = await session.park()
        assert_refused(await session.get(), 3)
        response = await poll.receive()
        assert (response.status, response.body) == (200, b"1")
        assert await site.seen.closed(session.sid) == "transport error"
        assert_refused(await session.get(), 1)
        assert site.seen.of(session.sid) == [("disconnect", "transport error")]


@pytest.mark.parametrize("how", [Connection.reset, Connection.close])
async def test_an_aborted_get_ends_the_session(serve: Serve, how: Callable[[Connection], None]) -> None:
    """PG-4, IN-1, IN-7, CL-11: at once, by a reset as by a clean close."""
    async with serve() as site:
        session = await site.handshake()
        poll = await session.park()
        how(poll)
        assert await site.seen.closed(session.sid) == "transport error"
        assert_refused(await session.get(), 1)


async def test_between_polls_packets_wait(serve: Serve) -> None:
    """PG-5: after a response nothing is written until the next GET."""
    async with serve() as site:
        session = await site.handshake()
        poll = await session.park()
        await site.eio.send(session.sid, "a")
        assert (await poll.receive()).body == b"4a"
        await site.eio.send(session.sid, "b")
        await settle()
        assert poll.silent
        assert (await session.get()).body == b"4b"


async def test_binary_travels_as_text(serve: Serve) -> None:
    """PG-6, PL-6: base64 in the payload, the same Content-Type."""
    async with serve() as site:
        session = await site.handshake()
        await site.eio.send(session.sid, b"\x01\x02\x03\x04")
        response = await session.get()
        assert response.body == b"bAQIDBA=="
        assert response.get("content-type") == "text/plain; charset=UTF-8"


async def test_no_response_to_a_get_is_empty(serve: Serve) -> None:
    """PG-7, PL-17: an empty message is a packet too."""
    async with serve() as site:
        session = await site.handshake()
        for empty, body in (("", b"4"), (b"", b"b")):
            await site.eio.send(session.sid, empty)
            assert (await session.get()).body == body


async def test_connection_close_works_on_every_request(serve: Serve) -> None:
    """PG-8"""
    async with serve() as site:
        headers = [("Connection", "close")]

        async def request(method: str, target: str, body: bytes = b"") -> bytes:
            connection = site.connect()
            response = await connection.request(method, target, headers, body)
            await connection.ended()
            return response.body

        await request("GET", url())
        sid = next(iter(site.seen.live))
        assert await request("POST", url(sid=sid), b"4hello") == b"ok"
        await site.eio.send(sid, "a")
        assert await request("GET", url(sid=sid)) == b"4a"
        assert await request("POST", url(sid=sid), b"4bye") == b"ok"
        await site.seen.until("message", sid, "bye")
        assert site.seen.of(sid) == [("message", "hello"), ("message", "bye")]


async def test_what_is_sent_in_one_turn_goes_out_together(serve: Serve) -> None:
    """PG-9: the parked GET is answered in the next turn, with all of it."""
    async with serve() as site:
        session = await site.handshake()
        poll = await session.park()
        for text in ("a", "b", "c"):
            await site.eio.send(session.sid, text)
        assert (await poll.receive()).body == b"4a\x1e4b\x1e4c"


async def test_a_closing_session_answers_the_close_alone(serve: Serve) -> None:
    """PG-11, CL-4: no noop before it; then the session is gone."""
    async with serve() as site:
        session = await site.handshake()
        await site.eio.disconnect(session.sid)
        assert (await session.get()).body == b"1"
        assert await site.seen.closed(session.sid) == "server disconnect"
        assert_refused(await session.get(), 1)


async def test_an_upgrade_header_makes_no_poll(serve: Serve) -> None:
    """PG-12, WS-13: 400 code 3 before the 101, and the session goes on."""
    async with serve() as site:
        session = await site.handshake()
        assert_refused(await site.request("GET", session.url, UPGRADE), 3)
        await site.eio.send(session.sid, "x")
        assert (await session.get()).body == b"4x"


async def test_one_connection_serves_many_polls_and_may_drop_in_any(serve: Serve) -> None:
    """IN-7, PG-4: a parked poll changes nothing for the requests before and after it on its connection."""
    async with serve() as site:
        session = await site.handshake()
        connection = site.connect()
        for number in range(20):
            await connection.send("GET", session.url)
            await settle()
            assert connection.silent
            await site.eio.send(session.sid, str(number))
            assert (await connection.receive()).body == f"4{number}".encode()
            assert (await connection.request("POST", session.url, body=b"4echo")).body == b"ok"
        await connection.send("GET", session.url)
        await settle()
        connection.reset()
        assert await site.seen.closed(session.sid) == "transport error"
        assert len(site.seen.messages(session.sid)) == 20


async def test_a_send_wakes_a_parked_get_from_any_task(serve: Serve) -> None:
    """PG-2: many sessions, each parked, each answered with its own."""
    async with serve() as site:
        sessions = [await site.handshake() for _ in range(10)]
        polls = [await session.park() for session in sessions]
        async with anyio.create_task_group() as group:
            for session in sessions:
                group.start_soon(site.eio.send, session.sid, session.sid)
        for session, poll in zip(sessions, polls, strict=True):
            assert (await poll.receive()).body == f"4{session.sid}".encode()
