"""What python-socketio relies on in its engine, and what applications do to it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import eio_socketio
import pytest

from tests.integrations.clients import Client as RawClient
from tests.integrations.harness import eventually

from .python_client import POLLING, WEBSOCKET, connected
from .sites import MODES, Site, serving

each_mode = pytest.mark.parametrize("mode", MODES)


async def test_concurrent_binary_events_keep_their_attachments(caplog: pytest.LogCaptureFixture) -> None:
    """AP-9: 50 tasks emit at once, and with a manager that is python-socketio's own, too."""
    import socketio  # type: ignore[import-untyped]

    for manager in (None, socketio.AsyncManager()):
        async with serving("aiohttp", client_manager=manager) as site, connected(site.url, WEBSOCKET) as client:
            await client.call("join", "room")
            emits = [site.sio.emit("told", (n, b"%d" % n, [b"%d" % n]), room="room") for n in range(50)]
            await asyncio.gather(*emits)
            assert sorted(await client.until("told", 50)) == [[n, b"%d" % n, [b"%d" % n]] for n in range(50)]


@each_mode
async def test_a_bad_packet_and_a_bad_handler_close_nothing(mode: str, caplog: pytest.LogCaptureFixture) -> None:
    """AP-4, AP-17: both are logged."""
    async with serving(mode) as site, connected(site.url, WEBSOCKET) as client:

        async def fail(sid: str) -> None:
            raise ZeroDivisionError

        site.sio.on("fail", fail)
        await client.emit("fail")
        await client.eio.send("9not a packet")
        assert await client.call("echo", "still here") == "still here"
        errors = [record.exc_info[0] for record in caplog.records if record.exc_info]
        assert ZeroDivisionError in errors
        assert any(issubclass(error, ValueError) for error in errors if error is not None)


@each_mode
async def test_in_the_disconnect_handler_all_is_still_there(mode: str) -> None:
    """HS-23, CL-8: session, transport and environ; what is sent is dropped."""
    async with serving(mode) as site:
        seen: list[Any] = []

        async def disconnect(sid: str, reason: str) -> None:
            await site.sio.emit("told", "too late", to=sid)
            seen.append((await site.sio.get_session(sid), site.sio.transport(sid), site.sio.get_environ(sid)))

        site.sio.on("disconnect", disconnect)
        async with connected(site.url, WEBSOCKET, auth="me"):
            (environ,) = site.application.environs.values()
        await eventually(lambda: seen)
        assert seen == [({"auth": "me"}, "websocket", environ)]
        await eventually(lambda: not site.sio.eio.sockets)
        assert not site.sio.environ
        assert not site.sio.manager.rooms


async def test_a_slow_client_holds_up_nobody() -> None:
    """FD-8: emit returns, and the others get it; who reads nothing is closed at the bound of its outbox."""
    async with (
        serving("aiohttp", path="engine.io", max_buffered_bytes=1_000_000) as site,
        connected(site.url, WEBSOCKET, socketio_path="engine.io") as client,
    ):
        slow = RawClient(site.port)
        session = await slow.handshake()
        assert (await session.post("40")).body == b"ok"
        await eventually(lambda: len(site.application.environs) == 2)
        for _ in range(30):
            await site.sio.emit("told", "x" * 100_000)
        assert len(await client.until("told", 30)) == 30
        await eventually(lambda: len(site.sio.eio.sockets) == 1)
        slow.close()


async def test_a_loop_that_only_emits_lets_others_have_their_turn() -> None:
    async with serving("aiohttp") as site, connected(site.url, POLLING) as client:
        stop = asyncio.Event()

        async def tick() -> None:
            while not stop.is_set():
                await site.sio.emit("told", "tick")

        ticking = asyncio.create_task(tick())
        await client.until("told", 3)
        stop.set()
        await ticking


@each_mode
async def test_who_waits_for_a_client_may_send_it_any_amount(mode: str) -> None:
    """FD-8: as docs/socketio.md says it, here four times the bound of the outbox."""
    async with serving(mode, max_buffered_bytes=2_000_000) as site, connected(site.url, WEBSOCKET) as client:
        sio = site.sio
        (sid,) = site.application.environs
        for number in range(40):
            await sio.emit("told", (number, b"x" * 200_000), to=sid)
            await sio.eio.drain(sio.manager.eio_sid_from_sid(sid, "/"))
        assert [number for number, _ in await client.until("told", 40)] == [*range(40)]


@each_mode
async def test_what_applications_do_to_the_engine(mode: str) -> None:
    """AP-11, HS-2: settings after construction, closing by hand, a view of every client."""
    async with serving(mode, path="engine.io") as site:
        eio = site.sio.eio
        eio.ping_interval, eio.ping_timeout, eio.max_http_buffer_size = 3.5, 4.5, 12_345
        eio.cors_allowed_origins, eio.start_service_task = "*", False
        client = RawClient(site.port)
        session = await client.handshake()
        assert [session.open[name] for name in ("pingInterval", "pingTimeout", "maxPayload")] == [3_500, 4_500, 12_345]
        socket = eio.sockets[session.sid]
        assert (socket.sid, socket.session, socket.connected, socket.closed, socket.upgraded) == (
            session.sid,
            {},
            True,
            False,
            False,
        )
        other = await client.websocket()
        assert eio.sockets[other.sid].upgraded
        await eio.disconnect(session.sid)
        for one in eio.sockets.values():
            await one.close()
        await other.closed()
        assert (await session.get()).status in {200, 400}
        await eventually(lambda: not eio.sockets)
        with pytest.raises(KeyError):
            eio.transport(None)
        client.close()


async def test_a_replaced_handle_request_is_called() -> None:
    async with serving("asgi") as site:
        paths: list[str] = []
        inner = site.sio.eio.handle_request

        async def handle_request(scope: Any, receive: Any, send: Any) -> None:
            paths.append(scope["path"])
            await inner(scope, receive, send)

        site.sio.eio.handle_request = handle_request
        async with connected(site.url, WEBSOCKET) as client:
            assert await client.call("echo", 1) == 1
        assert paths == ["/socket.io/"]


async def test_the_scope_is_the_very_object() -> None:
    """AP-19"""
    scopes: list[Any] = []

    def remember(site: Site) -> None:
        inner = site.sio.eio.handle_request

        async def handle_request(scope: Any, receive: Any, send: Any) -> None:
            scopes.append(scope)
            await inner(scope, receive, send)

        site.sio.eio.handle_request = handle_request

    async with serving("asgi") as site:
        remember(site)
        async with connected(site.url, WEBSOCKET):
            (environ,) = site.application.environs.values()
            assert environ["asgi.scope"] is scopes[0]
            assert type(environ) is dict


async def test_unknown_arguments_are_taken(caplog: pytest.LogCaptureFixture) -> None:
    """AP-1: those that python-engineio knows without a word."""
    with caplog.at_level(logging.WARNING):
        async with serving("aiohttp", max_decode_packets=50, engineio_logger=False, always_connect=True) as site:
            assert site.sio.eio.async_mode == site.sio.async_mode == "aiohttp"


async def test_a_background_task_may_be_made_by_anything_that_gives_an_awaitable(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """AP-13: not by coroutine functions alone, as with python-engineio."""
    sio = eio_socketio.AsyncServer(async_mode="aiohttp")
    task = sio.start_background_task(asyncio.gather, asyncio.sleep(0, 1), asyncio.sleep(0, 2))
    assert await task == [1, 2]

    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await sio.start_background_task(fail)
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError
