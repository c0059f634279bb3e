"""The handshake, session ids, the connect handler: the HS rows; refusals are in test_verification.py."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from .clients import OPEN, UPGRADE, Connection, assert_refused, settle, url
from .harness import Logs, Serve
from .servers import Gap

pytestmark = pytest.mark.anyio


async def test_handshake_answers_the_open_packet(serve: Serve) -> None:
    """HS-1, HS-2: the open packet alone, its keys in the reference's order, its numbers integers."""
    async with serve() as site:
        response = await site.request("GET", url())
        assert response.status == 200
        assert OPEN.fullmatch(response.body.decode())
        assert response.get("content-type") == "text/plain; charset=UTF-8"
        assert response.get("content-length") == str(len(response.body))
        assert response.get("cache-control") == "no-store"


@pytest.mark.parametrize(
    ("interval", "timeout", "told"),
    [
        (0.3, 20, (300, 20000)),
        (25, 1.0001, (25000, 1001)),
        (16.1, 8.2, (16100, 8200)),
        ((1, 0.5), 1, (1500, 1000)),
        ((1.0001, 0), 1, (1001, 1000)),
    ],
)
async def test_times_are_told_in_milliseconds_rounded_up(
    serve: Serve, interval: Any, timeout: float, told: tuple[int, int]
) -> None:
    """HS-2, HB-12: the advertised interval, grace included, is never below the real one."""
    async with serve(ping_interval=interval, ping_timeout=timeout) as site:
        session = await site.handshake()
        assert (session.open["pingInterval"], session.open["pingTimeout"]) == told
        assert f'"pingInterval":{told[0]},"pingTimeout":{told[1]},'.encode() in session.response.body


@pytest.mark.api("generate_id()")
async def test_session_ids_are_random_bytes_and_a_counter(serve: Serve) -> None:
    """HS-3: 15 bytes in url-safe base64, the last three a counter."""
    async with serve() as site:
        sids = [(await site.handshake()).sid for _ in range(3)]
        sids += [site.eio.generate_id() for _ in range(20)]
        assert all(re.fullmatch("[A-Za-z0-9_-]{20}", sid) for sid in sids)
        raw = [base64.urlsafe_b64decode(sid) for sid in sids]
        assert len({one[:12] for one in raw}) == len(raw)
        counts = [int.from_bytes(one[12:], "big") for one in raw]
        assert all((after - before) % 2**24 == 1 for before, after in pairwise(counts))


@pytest.mark.api("generate_id()")
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_generate_id_can_be_replaced(serve: Serve, monkeypatch: pytest.MonkeyPatch, asynchronous: bool) -> None:
    """HS-4: sync or async; its value is the sid in the open packet and in the registry."""
    async with serve() as site:
        names = iter(["one", "two"])

        async def later() -> str:
            await anyio.lowlevel.checkpoint()
            return next(names)

        with monkeypatch.context() as patch:
            patch.setattr(site.eio, "generate_id", later if asynchronous else lambda: next(names))
            session = await site.handshake()
            websocket = await site.websocket()
        assert (session.sid, websocket.sid) == ("one", "two")
        assert {"one", "two"} <= set(site.eio.sockets)
        assert (await session.post("4hello")).body == b"ok"
        await site.seen.until("message", "one", "hello")


@pytest.mark.api("generate_id()")
async def test_a_failing_generate_id_refuses_the_handshake(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, logs: Logs
) -> None:
    """HS-5: 400 code 3, over WebSocket before any 101."""
    logs.allow(RuntimeError)

    def fail() -> str:
        raise RuntimeError

    async with serve() as site:
        with monkeypatch.context() as patch:
            patch.setattr(site.eio, "generate_id", fail)
            assert_refused(await site.request("GET", url()), 3)
            assert_refused(await site.request("GET", url("websocket"), UPGRADE), 3)
        assert site.seen.events == []


@pytest.mark.api("generate_id()")
async def test_an_id_that_exists_refuses_the_handshake(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """HS-6: the session that has it goes on."""
    async with serve() as site:
        with monkeypatch.context() as patch:
            patch.setattr(site.eio, "generate_id", lambda: "same")
            session = await site.handshake()
            assert_refused(await site.request("GET", url()), 3)
            assert_refused(await site.request("GET", url("websocket"), UPGRADE), 3)
        assert (await session.post("4mine")).body == b"ok"
        await site.seen.until("message", "same", "mine")
        assert site.seen.of("same") == [("message", "mine")]


async def test_the_connect_handler_runs_before_the_response(serve: Serve) -> None:
    """HS-20, MH-6: what it sends rides in the handshake body, or in the frames after the open packet."""
    async with serve() as site:

        async def connect(sid: str, environ: dict[str, Any]) -> None:
            site.seen.connect(sid, environ)
            await site.eio.send(sid, "hello")
            await site.eio.send(sid, b"\x01\x02\x03\x04")

        site.eio.on("connect", connect)
        response = await site.request("GET", url())
        packet, *rest = response.packets
        assert OPEN.fullmatch(packet)
        assert rest == ["4hello", "bAQIDBA=="]
        websocket = await site.websocket()
        assert await websocket.receive_many(2) == ["4hello", b"\x01\x02\x03\x04"]


@pytest.mark.api("session data")
async def test_an_opening_session_is_hidden_and_has_no_deadlines(serve: Serve) -> None:
    """HS-20, HS-23: no request finds it, no ping runs, sends queue behind the open packet; handlers see it."""
    release = anyio.Event()
    opening: list[str] = []
    async with serve(ping_interval=0.1, ping_timeout=0.2) as site:

        async def connect(sid: str, environ: dict[str, Any]) -> None:
            assert len(site.eio.sockets) == 1
            assert await site.eio.get_session(sid) == {}
            assert site.eio.transport(sid) == "polling"
            opening.append(sid)
            await release.wait()
            site.seen.connect(sid, environ)

        site.eio.on("connect", connect)
        connection = site.connect()
        await connection.send("GET", url())
        await settle()
        (sid,) = opening
        await site.eio.send(sid, "early")
        await anyio.sleep(0.4)
        assert connection.silent
        assert_refused(await site.request("GET", url(sid=sid)), 1)
        assert_refused(await site.request("POST", url(sid=sid), body=b"4x"), 1)
        release.set()
        packet, *rest = (await connection.receive()).packets
        assert sid in packet
        assert rest == ["4early"]
        assert (await connection.request("GET", url(sid=sid))).body == b"2"


@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize("how", ["rejected", pytest.param("raised", marks=pytest.mark.api("exceptions of handlers"))])
async def test_a_rejected_session_leaves_nothing(serve: Serve, logs: Logs, transport: str, how: str) -> None:
    """HS-20, CL-7, ER-10: no disconnect event, no session, whatever it was sent meanwhile."""
    logs.allow(RuntimeError)
    async with serve() as site:
        known: list[str] = []

        async def connect(sid: str, environ: dict[str, Any]) -> bool:
            known.append(sid)
            await site.eio.send(sid, "never")
            if how == "raised":
                raise RuntimeError("rejected")
            return False

        site.eio.on("connect", connect)
        response = await site.request("GET", url(transport), UPGRADE if transport == "websocket" else ())
        told = (403, b"") if response.without_reason else (401, b'"Unauthorized"')
        assert (response.status, response.body) == told
        assert len(site.eio.sockets) == 0
        assert_refused(await site.request("GET", url(sid=known[0])), 1)
        assert site.seen.events == []


@pytest.mark.api("exceptions of handlers")
@pytest.mark.only(backend="asyncio")
@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_a_cancelled_connect_handler_rejects(serve: Serve, logs: Logs, transport: str) -> None:
    """HS-20, AP-24: what a cancelled future does inside the handler counts as a rejection."""
    logs.allow(asyncio.CancelledError)
    async with serve() as site:

        async def connect(sid: str, environ: dict[str, Any]) -> None:
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            await future

        site.eio.on("connect", connect)
        response = await site.request("GET", url(transport), UPGRADE if transport == "websocket" else ())
        assert response.status == (403 if response.without_reason else 401)
        assert len(site.eio.sockets) == 0
        assert site.seen.events == []


@pytest.mark.parametrize(
    ("options", "upgrades"),
    [({}, ["websocket"]), ({"transports": ["polling"]}, []), ({"allow_upgrades": False}, [])],
)
async def test_upgrades_lists_what_is_possible(serve: Serve, options: dict[str, Any], upgrades: list[str]) -> None:
    """HS-21"""
    async with serve(**options) as site:
        assert (await site.handshake()).open["upgrades"] == upgrades


async def test_a_websocket_handshake_offers_no_upgrade(serve: Serve) -> None:
    """HS-21"""
    async with serve() as site:
        assert (await site.websocket()).open["upgrades"] == []


@pytest.mark.api("session data")
async def test_a_session_is_known_until_its_disconnect_handler_returned(serve: Serve) -> None:
    """HS-23, CL-8: requests are refused from the close on, the application still sees it."""
    release = anyio.Event()
    found: list[Any] = []
    async with serve() as site:
        eio = site.eio

        async def disconnect(sid: str, reason: str) -> None:
            found.extend([await eio.get_session(sid), eio.transport(sid), len(eio.sockets)])
            await eio.save_session(sid, {"changed": True})
            await release.wait()
            found.append(await eio.get_session(sid))
            site.seen.disconnect(sid, reason)

        eio.on("disconnect", disconnect)
        assert len(eio.sockets) == 0
        session = await site.handshake()
        other = await site.handshake()
        assert set(eio.sockets) == {session.sid, other.sid}
        async with eio.session(session.sid) as data:
            data["user"] = "me"
        await session.post("1")
        await settle()
        assert found == [{"user": "me"}, "polling", 2]
        assert_refused(await session.get(), 1)
        assert_refused(await session.post("4late"), 1)
        assert len(eio.sockets) == 2
        release.set()
        await site.seen.until("disconnect", session.sid, "client disconnect")
        assert found[-1] == {"changed": True}
        await settle()
        assert set(eio.sockets) == {other.sid}
        with pytest.raises(KeyError):
            await eio.get_session(session.sid)


@pytest.mark.parametrize("how", [Connection.reset, Connection.close])
async def test_a_client_that_left_during_the_handshake_is_disconnected(
    serve: Serve, how: Callable[[Connection], None]
) -> None:
    """HS-26: the accepted session is closed at once, with its disconnect event."""
    release = anyio.Event()
    async with serve() as site:
        opening: list[str] = []

        async def connect(sid: str, environ: dict[str, Any]) -> None:
            opening.append(sid)
            await release.wait()
            site.seen.connect(sid, environ)

        site.eio.on("connect", connect)
        connection = site.connect()
        await connection.send("GET", url())
        await settle()
        (sid,) = opening
        how(connection)
        await settle()
        release.set()
        assert await site.seen.closed(sid) == "transport error"
        assert site.seen.of(sid) == [("disconnect", "transport error")]
        assert_refused(await site.request("GET", url(sid=sid)), 1)


async def test_a_client_that_left_during_a_websocket_handshake_is_disconnected(serve: Serve) -> None:
    """HS-26, WS-11: an accept that fails after connect is a disconnect."""
    release = anyio.Event()
    async with serve() as site:
        opening: list[str] = []

        async def connect(sid: str, environ: dict[str, Any]) -> None:
            opening.append(sid)
            await release.wait()
            site.seen.connect(sid, environ)

        site.eio.on("connect", connect)
        connection = site.connect()
        await connection.send("GET", url("websocket"), UPGRADE)
        await settle()
        (sid,) = opening
        assert connection.silent
        connection.reset()
        await settle()
        release.set()
        reason = "transport close" if Gap.ACCEPTS_FOR_NOBODY in site.server.gaps else "transport error"
        assert await site.seen.closed(sid) == reason
        assert site.seen.of(sid) == [("disconnect", reason)]
