"""From polling to WebSocket: the UP rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from .clients import WebSocket, assert_refused, frame, settle, url
from .harness import Serve, eventually

pytestmark = pytest.mark.anyio


async def test_a_websocket_for_a_session_is_accepted_at_once(serve: Serve) -> None:
    """UP-1, AP-12: the connect handler does not run again, and the transport is polling until the upgrade."""
    async with serve() as site:
        session = await site.handshake()
        await session.websocket()
        assert site.eio.transport(session.sid) == "polling"
        assert [kind for kind, _, _ in site.seen.events] == ["connect"]
        assert (await session.post("4polling")).body == b"ok"
        await site.seen.until("message", session.sid, "polling")


async def test_before_the_probe_gets_park_as_ever(serve: Serve) -> None:
    """UP-2"""
    async with serve() as site:
        session = await site.handshake()
        await session.websocket()
        poll = await session.park()
        await anyio.sleep(0.2)
        assert poll.silent
        await site.eio.send(session.sid, "x")
        assert (await poll.receive()).body == b"4x"


async def test_the_probe_answers_a_parked_get(serve: Serve) -> None:
    """UP-2, UP-17: with a noop, at once."""
    async with serve() as site:
        session = await site.handshake()
        poll = await session.park()
        websocket = await session.websocket()
        await settle()
        assert poll.silent
        await websocket.send("2probe")
        await settle()
        assert not poll.silent
        assert (await poll.receive()).body == b"6"
        assert await websocket.receive() == "3probe"


async def test_after_the_probe_gets_are_held_for_a_moment(serve: Serve) -> None:
    """UP-2: 20 ms for the first, 100 ms for later ones, then a noop: never a hot loop."""
    async with serve() as site:
        session = await site.handshake()
        await session.probe()
        for hold in (0.02, 0.1, 0.1):
            start = anyio.current_time()
            assert (await session.get()).body == b"6"
            assert hold - 0.005 <= anyio.current_time() - start < 2


@pytest.mark.parametrize("later", [False, True])
async def test_a_get_that_meets_the_upgrade_is_refused(serve: Serve, later: bool) -> None:
    """UP-2, UP-5, UP-16: whether it was held or comes a moment later; the session goes on."""
    async with serve() as site:
        session = await site.handshake()
        websocket = await session.probe()
        if later:
            assert (await session.get()).body == b"6"
        connection = site.connect()
        await connection.send("GET", session.url)
        await websocket.send("5")
        assert_refused(await connection.receive(), 3)
        await site.eio.send(session.sid, "x")
        assert await websocket.receive() == "4x"


async def test_a_held_get_counts_as_pending(serve: Serve) -> None:
    """UP-2, PG-3: a second GET beside it ends the session, and the probing WebSocket with it."""
    async with serve() as site:
        session = await site.handshake()
        websocket = await session.probe()
        assert (await session.get()).body == b"6"
        first, second = site.connect(), site.connect()
        await first.send("GET", session.url)
        await second.send("GET", session.url)
        responses = [await first.receive(), await second.receive()]
        responses.sort(key=lambda response: response.status)
        assert (responses[0].status, responses[0].body) == (200, b"1")
        assert_refused(responses[1], 3)
        assert await site.seen.closed(session.sid) == "transport error"
        assert await websocket.closed() == 1000


async def test_a_held_get_that_drops_ends_the_session(serve: Serve) -> None:
    """UP-2, UP-13, PG-4"""
    async with serve() as site:
        session = await site.handshake()
        websocket = await session.probe()
        assert (await session.get()).body == b"6"
        connection = site.connect()
        await connection.send("GET", session.url)
        await settle()
        connection.reset()
        assert await site.seen.closed(session.sid) == "transport error"
        assert await websocket.closed() == 1000


async def test_a_get_during_the_probe_takes_what_is_queued(serve: Serve) -> None:
    """UP-2, UP-3: in front of its noop, and at its end rather than at once."""
    async with serve() as site:
        session = await site.handshake()
        await session.probe()
        await site.eio.send(session.sid, "queued")
        assert (await session.get()).body == b"4queued\x1e6"
        connection = site.connect()
        await connection.send("GET", session.url)
        await site.eio.send(session.sid, "held")
        assert (await connection.receive()).body == b"4held\x1e6"


async def test_messages_wait_for_the_new_transport(serve: Serve) -> None:
    """UP-3, UP-4, UP-20: they arrive on the WebSocket, in order, once, without a stray noop."""
    async with serve() as site:
        session = await site.handshake()
        await site.eio.send(session.sid, "before")
        websocket = await session.probe()
        for data in ("a", b"b", "c"):
            await site.eio.send(session.sid, data)
        await settle()
        assert websocket.stream.silent
        await websocket.send("5")
        assert await websocket.receive_many(4) == ["4before", "4a", b"b", "4c"]
        assert site.eio.transport(session.sid) == "websocket"
        await settle()
        assert websocket.stream.silent


ILLEGAL: list[str | bytes] = ["5", "2other", "4hello", "2", "1", "6", "3", "abc", "", b"binary"]


async def test_before_the_probe_anything_else_closes_that_websocket(serve: Serve) -> None:
    """UP-6, UP-8, WS-22: 1002, or 1000 for a close; the session stays on polling, loses nothing, and may try again."""
    async with serve() as site:
        for packet in ILLEGAL:
            session = await site.handshake()
            websocket = await session.websocket()
            await websocket.send(packet)
            assert await websocket.closed() == (1000 if packet == "1" else site.code(1002))
            await site.eio.send(session.sid, "x")
            assert (await session.get()).body == b"4x"
            await session.upgrade()
            assert site.eio.transport(session.sid) == "websocket"
            assert site.seen.of(session.sid) == []


async def test_after_the_probe_anything_else_closes_that_websocket(serve: Serve) -> None:
    """UP-8, UP-11, WS-22: the same."""
    async with serve() as site:
        for packet in ILLEGAL[2:]:
            session = await site.handshake()
            websocket = await session.probe()
            await site.eio.send(session.sid, "x")
            await websocket.send(packet)
            assert await websocket.closed() == (1000 if packet == "1" else site.code(1002))
            assert (await session.get()).body == b"4x"
            poll = await session.park()
            websocket = await session.upgrade()
            assert (await poll.receive()).body == b"6"
            await site.eio.send(session.sid, "y")
            assert await websocket.receive() == "4y"
            assert site.seen.of(session.sid) == []


async def test_a_repeated_probe_is_answered_but_gains_no_time(serve: Serve) -> None:
    """UP-7, UP-12: 3probe each time, until the upgrade's time is over."""
    async with serve(upgrade_timeout=0.6) as site:
        session = await site.handshake()
        websocket = await session.probe()
        start = anyio.current_time()
        for _ in range(3):
            await websocket.send("2probe")
            assert await websocket.receive() == "3probe"
        await anyio.sleep(0.3)
        await websocket.send("2probe")
        assert await websocket.receive() == "3probe"
        assert await websocket.closed() == 1000
        assert anyio.current_time() - start < 3
        await site.eio.send(session.sid, "x")
        assert (await session.get()).body == b"4x"


@pytest.mark.parametrize("upgraded", [False, True])
async def test_a_second_websocket_is_closed_at_once(serve: Serve, upgraded: bool) -> None:
    """UP-9, UP-10, WS-17, WS-22: 101, then 1000; the first one is not disturbed."""
    async with serve() as site:
        session = await site.handshake()
        websocket = await session.probe()
        if upgraded:
            await websocket.send("5")
            await settle()
        second = await session.websocket()
        assert await second.closed() == 1000
        if not upgraded:
            assert site.eio.transport(session.sid) == "polling"
            await websocket.send("5")
        await websocket.send("4hello")
        await site.seen.until("message", session.sid, "hello")
        await site.eio.send(session.sid, "x")
        assert await websocket.receive() == "4x"
        assert site.seen.of(session.sid) == [("message", "hello")]


def leave(websocket: WebSocket) -> None:
    websocket.stream.close()


@pytest.mark.parametrize("how", [WebSocket.reset, leave])
@pytest.mark.parametrize("probed", [False, True])
async def test_a_websocket_that_drops_is_no_loss(serve: Serve, probed: bool, how: Callable[[WebSocket], None]) -> None:
    """UP-11: the session stays on polling, pings and messages flow again, and it may try again."""
    async with serve(ping_interval=0.3) as site:
        session = await site.handshake()
        site.eio.ping_interval = 60  # behind the first ping
        websocket = await (session.probe() if probed else session.websocket())
        how(websocket)
        await settle()
        assert (await session.get()).body == b"2"
        await session.post("3")
        await site.eio.send(session.sid, "x")
        assert (await session.get()).body == b"4x"
        await session.upgrade()
        assert site.eio.transport(session.sid) == "websocket"


@pytest.mark.parametrize("probed", [False, True])
async def test_a_close_frame_before_the_upgrade_is_no_loss(serve: Serve, probed: bool) -> None:
    """UP-11: and GETs are held no longer."""
    async with serve() as site:
        session = await site.handshake()
        websocket = await (session.probe() if probed else session.websocket())
        await websocket.close(1001)
        assert await websocket.closed() in {1000, 1001}
        poll = await session.park()
        await anyio.sleep(0.15)
        assert poll.silent
        await site.eio.send(session.sid, "x")
        assert (await poll.receive()).body == b"4x"


async def test_a_protocol_error_before_the_upgrade_is_no_loss(serve: Serve) -> None:
    """UP-11: nor is a message over the limit."""
    async with serve(max_http_buffer_size=100) as site:
        session = await site.handshake()
        for data in (frame(b"2probe", head=0xF0), frame(b"2" * 200)):
            websocket = await session.websocket()
            await websocket.send_raw(data)
            await websocket.closed()
        await session.upgrade()
        assert site.seen.of(session.sid) == []


@pytest.mark.parametrize("probed", [False, True])
async def test_an_upgrade_that_takes_too_long_is_dropped(serve: Serve, probed: bool) -> None:
    """UP-12, WS-22: 1000, the session stays on polling and may try again."""
    async with serve(upgrade_timeout=0.2) as site:
        session = await site.handshake()
        websocket = await (session.probe() if probed else session.websocket())
        assert await websocket.closed() == 1000
        poll = await session.park()
        await site.eio.send(session.sid, "x")
        assert (await poll.receive()).body == b"4x"
        await session.upgrade()
        assert site.eio.transport(session.sid) == "websocket"


async def test_a_session_that_closes_takes_its_probe_along(serve: Serve) -> None:
    """UP-13, WS-22"""
    async with serve() as site:
        for probed in (False, True):
            session = await site.handshake()
            websocket = await (session.probe() if probed else session.websocket())
            assert (await session.post("1")).body == b"ok"
            assert await websocket.closed() == 1000
            assert await site.seen.closed(session.sid) == "client disconnect"


async def test_a_closing_session_finishes_its_upgrade(serve: Serve) -> None:
    """UP-14: what is buffered arrives on the WebSocket, then the close."""
    async with serve() as site:
        session = await site.handshake()
        websocket = await session.probe()
        await site.eio.send(session.sid, "a")
        await site.eio.send(session.sid, "b")
        await site.eio.disconnect(session.sid)
        await site.eio.send(session.sid, "late")
        await settle()
        assert websocket.stream.silent
        await websocket.send("5")
        assert await websocket.receive_many(2) == ["4a", "4b"]
        assert await websocket.closed() == 1000
        assert await site.seen.closed(session.sid) == "server disconnect"


async def test_an_upgrade_cancels_no_deadline(serve: Serve) -> None:
    """UP-15: a ping that went out by polling is missed on the WebSocket."""
    async with serve(ping_interval=0.2, ping_timeout=0.5) as site:
        session = await site.handshake()
        assert (await session.get()).body == b"2"
        websocket = await session.upgrade()
        assert await websocket.closed() == 1000
        assert await site.seen.closed(session.sid) == "ping timeout"


async def test_a_pong_may_come_by_the_new_transport(serve: Serve) -> None:
    """UP-15: and the pings go on there."""
    async with serve(ping_interval=0.2, ping_timeout=2) as site:
        session = await site.handshake()
        assert (await session.get()).body == b"2"
        websocket = await session.upgrade()
        for _ in range(2):
            await websocket.send("3")
            assert await websocket.receive() == "2"


async def test_the_sequence_of_the_javascript_client(serve: Serve) -> None:
    """UP-17: open, probe, stop polling when GET and POST have ended, upgrade, then what was buffered."""
    async with serve(async_handlers=False) as site:
        session = await site.handshake()
        poll = await session.park()
        websocket = await session.websocket()
        post = site.connect()
        await post.send("POST", session.url, body=b"4posted")
        await websocket.send("2probe")
        assert await websocket.receive() == "3probe"
        assert (await post.receive()).body == b"ok"
        assert (await poll.receive()).body == b"6"
        await websocket.send("5", "4buffered", b"binary")
        await site.seen.until("message", session.sid, b"binary")
        assert site.seen.messages(session.sid) == ["posted", "buffered", b"binary"]


async def test_the_sequence_of_the_python_client(serve: Serve) -> None:
    """UP-18: probe and upgrade before any GET; what the connect handler sent arrives."""
    async with serve() as site:

        async def connect(sid: str, environ: dict[str, Any]) -> None:
            site.seen.connect(sid, environ)
            for number in range(20):
                await site.eio.send(sid, str(number))

        site.eio.on("connect", connect)
        session = await site.handshake()
        websocket = await session.upgrade()
        rest = await websocket.receive_many(20 - len(session.first))
        assert [*session.first, *rest] == [f"4{number}" for number in range(20)]


async def test_messages_behind_the_upgrade_packet_are_delivered(serve: Serve) -> None:
    """UP-19: in the same segment, in order; and the probe before it, too."""
    async with serve(async_handlers=False) as site:
        session = await site.handshake()
        websocket = await session.websocket()
        await websocket.send("2probe", "5", "4a", b"b", "4c")
        await site.seen.until("message", session.sid, "c")
        assert site.seen.messages(session.sid) == ["a", b"b", "c"]
        assert await websocket.receive() == "3probe"


@pytest.mark.parametrize("async_handlers", [False, True])
async def test_order_holds_across_the_upgrade(serve: Serve, async_handlers: bool) -> None:
    """FD-5, FD-6, UP-4, UP-20: messages both ways while the transport changes, none lost, doubled or reordered."""
    count = 150
    received: list[str] = []
    async with serve(async_handlers=async_handlers) as site:
        session = await site.handshake()

        async def send() -> None:
            for number in range(count):
                await site.eio.send(session.sid, str(number))
                await anyio.sleep(0.001)

        async with anyio.create_task_group() as group:
            group.start_soon(send)
            posted = 0
            while len(received) < count // 2:
                assert (await session.post(f"4{posted}")).body == b"ok"
                received += (await session.get()).packets
                posted += 1
            websocket = await session.probe()
            for number in range(posted, posted + 5):
                assert (await session.post(f"4{number}")).body == b"ok"
                received += (await session.get()).packets
            await websocket.send("5", *(f"4{number}" for number in range(posted + 5, count)))
            while len([one for one in received if one != "6"]) < count:
                received.append(str(await websocket.receive()))
        assert [one for one in received if one != "6"] == [f"4{number}" for number in range(count)]
        await site.seen.until("message", session.sid, str(count - 1))
        assert site.seen.messages(session.sid) == [str(number) for number in range(count)]


@pytest.mark.api("session data")
async def test_an_upgrade_changes_nothing_for_the_application(serve: Serve) -> None:
    """UP-1, UP-4: the sid stays, so do its data and its entry in the registry."""
    async with serve() as site:
        session = await site.handshake()
        await site.eio.save_session(session.sid, {"user": "me"})
        websocket = await session.upgrade()
        assert await site.eio.get_session(session.sid) == {"user": "me"}
        assert set(site.eio.sockets) == {session.sid}
        await websocket.send('4{"a":1}')
        await site.seen.until("message", session.sid, {"a": 1})
        await websocket.leave()
        assert await site.seen.closed(session.sid) == "transport close"
        await eventually(lambda: not site.eio.sockets)
        assert_refused(await site.request("GET", url(sid=session.sid)), 1)
