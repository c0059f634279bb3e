"""How sessions end, and the reasons: the CL rows."""

from __future__ import annotations

import logging
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from .clients import UPGRADE, Connection, WebSocket, assert_refused, settle, url
from .harness import Logs, Serve, eventually
from .servers import Gap

pytestmark = pytest.mark.anyio


async def test_reasons_are_the_five_of_the_api(serve: Serve) -> None:
    """CL-1, CL-9, CL-10, CL-11, CL-12, CL-13, AP-18"""
    async with serve(check=False) as site:
        reason = type(site.eio).reason
        client, server, error = [await site.handshake() for _ in range(3)]
        websocket = await site.websocket()
        await client.post("1")
        await site.eio.disconnect(server.sid)
        assert (await server.get()).body == b"1"
        await error.post("7")
        await websocket.leave()
        site.eio.ping_interval = site.eio.ping_timeout = 0.2
        silent = await site.handshake()
        assert await site.seen.closed(client.sid) == reason.CLIENT_DISCONNECT == "client disconnect"
        assert await site.seen.closed(server.sid) == reason.SERVER_DISCONNECT == "server disconnect"
        assert await site.seen.closed(error.sid) == reason.TRANSPORT_ERROR == "transport error"
        assert await site.seen.closed(websocket.sid) == reason.TRANSPORT_CLOSE == "transport close"
        assert await site.seen.closed(silent.sid) == reason.PING_TIMEOUT == "ping timeout"


async def test_sends_to_a_closing_session_are_dropped(serve: Serve, logs: Logs, logger: logging.Logger) -> None:
    """CL-2, FD-4: silently."""
    async with serve(logger=logger) as site:
        session = await site.handshake()
        await site.eio.disconnect(session.sid)
        await site.eio.send(session.sid, "late")
        assert logs.lines(logging.WARNING) == []
        assert (await session.get()).body == b"1"


async def test_disconnect_answers_a_pending_get(serve: Serve) -> None:
    """CL-3, CL-12: at once."""
    async with serve() as site:
        session = await site.handshake()
        poll = await session.park()
        await site.eio.disconnect(session.sid)
        assert (await poll.receive()).body == b"1"
        assert await site.seen.closed(session.sid) == "server disconnect"
        assert_refused(await session.get(), 1)


async def test_a_closing_session_waits_for_its_client(serve: Serve) -> None:
    """CL-4, CL-5, CL-15: the next GET brings what was buffered and the close; meanwhile POSTs are dropped."""
    async with serve() as site:
        session = await site.handshake()
        await site.eio.send(session.sid, "a")
        await site.eio.send(session.sid, b"\x01\x02\x03\x04")
        await site.eio.disconnect(session.sid)
        await site.eio.disconnect(session.sid)
        assert (await session.post("4dropped")).body == b"ok"
        assert (await session.get()).body == b"4a\x1ebAQIDBA==\x1e1"
        assert await site.seen.closed(session.sid) == "server disconnect"
        assert site.seen.of(session.sid) == [("disconnect", "server disconnect")]
        assert_refused(await session.get(), 1)
        assert_refused(await session.post("4x"), 1)


async def test_a_closing_session_does_not_wait_for_ever(serve: Serve) -> None:
    """CL-4: close_timeout at most."""
    async with serve(close_timeout=0.2) as site:
        session = await site.handshake()
        await site.eio.send(session.sid, "never fetched")
        await site.eio.disconnect(session.sid)
        assert await site.seen.closed(session.sid) == "server disconnect"
        assert_refused(await session.get(), 1)


async def test_disconnect_does_not_wait(serve: Serve) -> None:
    """CL-4, AP-11: neither for the client nor for the disconnect handler."""
    release = anyio.Event()
    async with serve() as site:

        async def disconnect(sid: str, reason: str) -> None:
            await release.wait()
            site.seen.disconnect(sid, reason)

        site.eio.on("disconnect", disconnect)
        polling = await site.handshake()
        parked = await site.handshake()
        poll = await parked.park()
        websocket = await site.websocket()
        with anyio.fail_after(5):
            for sid in (polling.sid, parked.sid, websocket.sid):
                await site.eio.disconnect(sid)
        assert (await poll.receive()).body == b"1"
        assert await websocket.closed() == 1000
        assert (await polling.get()).body == b"1"
        release.set()
        for sid in (polling.sid, parked.sid, websocket.sid):
            assert await site.seen.closed(sid) == "server disconnect"


async def test_nothing_is_delivered_after_the_close(serve: Serve) -> None:
    """CL-14: what came with the message whose handler disconnected is dropped."""
    async with serve(async_handlers=False) as site:

        async def message(sid: str, data: Any) -> None:
            site.seen.message(sid, data)
            await site.eio.disconnect(sid)
            await anyio.lowlevel.checkpoint()

        site.eio.on("message", message)
        websocket = await site.websocket()
        await websocket.send("4a", "4b", "4c")
        assert await websocket.closed() == 1000
        assert await site.seen.closed(websocket.sid) == "server disconnect"
        session = await site.handshake()
        await session.post("4a\x1e4b\x1e4c")
        assert (await session.get()).body == b"1"
        assert await site.seen.closed(session.sid) == "server disconnect"
        for sid in (websocket.sid, session.sid):
            assert site.seen.of(sid) == [("message", "a"), ("disconnect", "server disconnect")]


@pytest.mark.api("messages that wait for handlers")
@pytest.mark.parametrize("ours", [False, True])
async def test_messages_that_wait_when_the_session_closes(serve: Serve, ours: bool) -> None:
    """CL-14: those of a client that left are delivered, after our own disconnect() they are dropped; then the event."""
    release = anyio.Event()
    async with serve(async_handlers=False) as site:

        async def message(sid: str, data: Any) -> None:
            await release.wait()
            site.seen.message(sid, data)

        site.eio.on("message", message)
        session = await site.handshake()
        assert (await session.post("4a\x1e4b\x1e4c")).body == b"ok"
        poll = await session.park()
        if ours:
            await site.eio.disconnect(session.sid)
            assert (await poll.receive()).body == b"1"
        else:
            poll.reset()
            await settle()
        assert_refused(await session.get(), 1)
        release.set()
        assert await site.seen.closed(session.sid) == ("server disconnect" if ours else "transport error")
        assert site.seen.messages(session.sid) == (["a"] if ours else ["a", "b", "c"])


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_disconnect_in_the_connect_handler(serve: Serve, transport: str) -> None:
    """CL-16: the open packet, what was sent, the close; then the disconnect event."""
    async with serve() as site:

        async def connect(sid: str, environ: dict[str, Any]) -> None:
            site.seen.connect(sid, environ)
            await site.eio.send(sid, "bye")
            await site.eio.disconnect(sid)
            await site.eio.send(sid, "late")

        site.eio.on("connect", connect)
        if transport == "polling":
            session = await site.handshake()
            sid = session.sid
            assert session.first == ["4bye", "1"]
            assert_refused(await session.get(), 1)
        else:
            websocket = await site.websocket()
            sid = websocket.sid
            assert await websocket.receive() == "4bye"
            assert await websocket.closed() == 1000
        assert await site.seen.closed(sid) == "server disconnect"
        assert site.seen.of(sid) == [("disconnect", "server disconnect")]


async def test_disconnect_in_the_message_handler(serve: Serve) -> None:
    """CL-16: with and without a parked GET, nothing hangs; what was sent before arrives."""
    async with serve() as site:

        async def message(sid: str, data: Any) -> None:
            site.seen.message(sid, data)
            await site.eio.send(sid, "bye")
            await site.eio.disconnect(sid)

        site.eio.on("message", message)
        session = await site.handshake()
        assert (await session.post("4quit")).body == b"ok"
        assert (await session.get()).body == b"4bye\x1e1"
        parked = await site.handshake()
        poll = await parked.park()
        assert (await parked.post("4quit")).body == b"ok"
        assert (await poll.receive()).body == b"4bye\x1e1"
        websocket = await site.websocket()
        await websocket.send("4quit")
        assert await websocket.receive() == "4bye"
        assert await websocket.closed() == 1000
        for sid in (session.sid, parked.sid, websocket.sid):
            assert await site.seen.closed(sid) == "server disconnect"


async def test_disconnect_and_send_in_the_disconnect_handler(serve: Serve) -> None:
    """CL-7, CL-16, FD-4: both do nothing, and the event stays one."""
    async with serve() as site:

        async def disconnect(sid: str, reason: str) -> None:
            await site.eio.send(sid, "late")
            await site.eio.disconnect(sid)
            site.seen.disconnect(sid, reason)

        site.eio.on("disconnect", disconnect)
        session = await site.handshake()
        websocket = await site.websocket()
        await session.post("1")
        await websocket.send("1")
        assert await websocket.closed() == 1000
        for sid in (session.sid, websocket.sid):
            assert await site.seen.closed(sid) == "client disconnect"
        await settle()
        assert len(site.seen.events) == 4


async def test_a_body_that_is_being_read_is_refused_when_the_session_closes(serve: Serve) -> None:
    """CL-17: 400 code 3 without waiting for its end."""
    async with serve() as site:
        session = await site.handshake()
        poll = await session.park()
        connection = site.connect()
        await connection.send("POST", session.url, [("Content-Length", "100")], b"4half", end=False)
        await settle()
        await site.eio.disconnect(session.sid)
        assert (await poll.receive()).body == b"1"
        if Gap.WAITS_FOR_BODIES in site.server.gaps:
            await connection.send_body(b"x" * 95, end=True)
        assert_refused(await connection.receive(), 1 if Gap.WAITS_FOR_BODIES in site.server.gaps else 3)
        assert await site.seen.closed(session.sid) == "server disconnect"
        assert site.seen.messages(session.sid) == []


async def test_the_close_is_reported_before_the_close_handshake(serve: Serve) -> None:
    """CL-18, WS-8: by a client that never answers the close frame; where it can be, its connection is aborted."""
    async with serve() as site:
        websocket = await site.websocket()
        websocket.polite = False
        await site.eio.disconnect(websocket.sid)
        with anyio.fail_after(2):
            assert await site.seen.closed(websocket.sid) == "server disconnect"
        assert await websocket.closed() == 1000
        assert len(site.eio.sockets) == 0
        if Gap.CANNOT_ABORT not in site.server.gaps:
            start = anyio.current_time()
            with anyio.fail_after(10):
                while await websocket.stream.receive():
                    pass
            assert anyio.current_time() - start >= 4


async def test_a_vanished_client_is_timed_out_on_websocket(serve: Serve) -> None:
    """CL-18, HB-2: nothing arrives any more; the session ends, with 1000 into the void."""
    async with serve(ping_interval=0.2, ping_timeout=0.2) as site:
        websocket = await site.websocket()
        websocket.polite = False
        assert await site.seen.closed(websocket.sid) == "ping timeout"
        assert len(site.eio.sockets) == 0


@pytest.mark.api("exceptions of handlers")
@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_a_raising_disconnect_handler_harms_nobody(serve: Serve, logs: Logs, transport: str) -> None:
    """CL-7: it runs once, is logged, and the session is gone."""
    async with serve() as site:

        def disconnect(sid: str, reason: str) -> None:
            site.seen.disconnect(sid, reason)
            raise RuntimeError(reason)

        site.eio.on("disconnect", disconnect)
        other = await site.handshake()
        if transport == "polling":
            session = await site.handshake()
            sid = session.sid
            await session.post("1")
        else:
            websocket = await site.websocket()
            sid = websocket.sid
            await websocket.leave()
        assert await site.seen.closed(sid) in {"client disconnect", "transport close"}
        await eventually(lambda: set(site.eio.sockets) == {other.sid})
        assert len(logs.tracebacks(RuntimeError)) == 1
        assert (await other.post("4still here")).body == b"ok"
        await site.seen.until("message", other.sid, "still here")


async def test_many_ways_to_end_at_once_are_one_end(serve: Serve) -> None:
    """CL-7: whatever the client and the server do at the same moment, there is one disconnect event."""
    async with serve() as site:
        session = await site.handshake()
        websocket = await session.probe()
        poll, post = site.connect(), site.connect()
        await poll.send("GET", session.url)
        await post.send("POST", session.url, body=b"4x\x1e1")
        await websocket.send("5", "1")
        await site.eio.disconnect(session.sid)
        poll.reset()
        websocket.reset()
        assert await site.seen.closed(session.sid) in {
            "client disconnect",
            "server disconnect",
            "transport close",
            "transport error",
        }
        await settle()
        assert [kind for kind, _ in site.seen.of(session.sid)].count("disconnect") == 1


async def test_a_rejected_client_has_no_events(serve: Serve) -> None:
    """CL-7"""
    async with serve() as site:
        site.eio.on("connect", lambda sid, environ: False)
        connection: Connection | WebSocket
        for target, headers in ((url(), ()), (url("websocket"), UPGRADE)):
            connection = site.connect()
            response = await connection.request("GET", target, headers)
            assert response.status == (403 if response.without_reason else 401)
            connection.reset()
        await settle()
        assert site.seen.events == []
        assert len(site.eio.sockets) == 0
