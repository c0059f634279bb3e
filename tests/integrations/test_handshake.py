"""Handshake and request verification: the HS rows."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable
from itertools import pairwise, product
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from .clients import UPGRADE, Connection, assert_refused, settle, url
from .harness import Logs, Serve
from .servers import Gap

pytestmark = pytest.mark.anyio

OPEN = re.compile(
    r'0\{"sid":"[A-Za-z0-9_-]{20}","upgrades":\["websocket"\],'
    r'"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000\}'
)


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


CHECKS = [
    ("GET", "transport=nope&EIO=3&sid=a&sid=b", "http://evil.example", 3),
    ("GET", "transport=nope&j=1", None, 3),
    ("GET", "transport=nope&EIO=3", "http://evil.example", 3),
    ("GET", "transport=nope&EIO=3&sid=unknown", None, 0),
    ("PUT", "transport=polling&EIO=3&sid=unknown", None, 1),
    ("GET", "transport=websocket&EIO=3&sid=unknown", None, 1),
    ("POST", "transport=websocket&EIO=3", None, 2),
    ("GET", "transport=websocket&EIO=3", None, 3),
    ("GET", "transport=polling&EIO=3", None, 5),
]


async def test_the_first_failing_check_decides(serve: Serve) -> None:
    """HS-7: parsing, origin, transport, sid, method, missing Upgrade, revision, in this order."""
    async with serve() as site:
        for method, query, origin, code in CHECKS:
            headers = [("Origin", origin)] if origin else []
            assert_refused(await site.request(method, f"/engine.io/?{query}", headers), code)


async def test_a_preflight_is_answered_before_everything_but_parsing(serve: Serve) -> None:
    """HS-7: a preflight passes where the request itself would not; conflicting duplicates are refused before it."""
    async with serve(cors_allowed_origins="*") as site:
        headers = [("Origin", "http://a.example"), ("Access-Control-Request-Method", "POST")]
        assert (await site.request("OPTIONS", "/engine.io/?transport=nope&sid=unknown", headers)).status == 204
        assert_refused(await site.request("OPTIONS", "/engine.io/?sid=a&sid=b", headers), 3)


async def test_an_unknown_transport_is_refused(serve: Serve) -> None:
    """HS-8"""
    async with serve() as site:
        for transport in (None, "", "nope", "constructor", "__proto__", "webtransport", "Polling"):
            assert_refused(await site.request("GET", url(transport)), 0)


async def test_a_disabled_transport_is_unknown(serve: Serve) -> None:
    """HS-8: also one that this server does not offer."""
    async with serve(transports=["polling"]) as site:
        assert_refused(await site.request("GET", url("websocket"), UPGRADE), 0)
    async with serve(transports=["websocket"]) as site:
        assert_refused(await site.request("GET", url()), 0)


async def test_another_revision_is_refused(serve: Serve) -> None:
    """HS-9, JP-3, ER-5: code 5 for anything but ``EIO=4``, over WebSocket before the 101."""
    async with serve() as site:
        for revision in (None, "", "3", "5", "abc", "04", "4.0"):
            assert_refused(await site.request("GET", url(eio=revision)), 5)
            assert_refused(await site.request("GET", url("websocket", eio=revision), UPGRADE), 5)


async def test_another_revision_later_leaves_the_session_open(serve: Serve) -> None:
    """HS-10: 400 code 3 for GET, POST and upgrade of a session; it still polls and upgrades."""
    async with serve() as site:
        for revision in (None, "3"):
            session = await site.handshake()
            assert_refused(await site.request("GET", url(sid=session.sid, eio=revision)), 3)
            assert_refused(await site.request("POST", url(sid=session.sid, eio=revision), body=b"4lost"), 3)
            assert_refused(await site.request("GET", url("websocket", session.sid, eio=revision), UPGRADE), 3)
            assert (await session.post("4kept")).body == b"ok"
            await session.upgrade()
            await site.seen.until("message", session.sid, "kept")
            assert site.seen.of(session.sid) == [("message", "kept")]


async def test_a_handshake_is_a_get(serve: Serve) -> None:
    """HS-11, IN-8: any other method without a sid is code 2, and reaches us past the router."""
    async with serve(cors_allowed_origins=[]) as site:
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            assert_refused(await site.request(method, url()), 2)


async def test_a_handshake_is_no_head(serve: Serve) -> None:
    """HS-11: HEAD as well; its response has no body."""
    async with serve() as site:
        response = await site.request("HEAD", url())
        assert (response.status, response.body) == (400, b"")
        assert response.get("content-type") == "application/json"
        assert not site.seen.events


async def test_an_unknown_sid_is_refused(serve: Serve) -> None:
    """HS-12, HS-14: these exact bytes, for every method."""
    async with serve() as site:
        for method, sid in product(("GET", "POST", "PUT", "DELETE"), ("unknown", "__proto__", "constructor", "a" * 20)):
            response = await site.request(method, url(sid=sid), body=b"4x" if method == "POST" else b"")
            assert response.body == b'{"code":1,"message":"Session ID unknown"}'
            assert_refused(response, 1)


async def test_an_unknown_sid_is_refused_before_the_101(serve: Serve) -> None:
    """HS-13, ER-4: with the JSON body, and the connection ends."""
    async with serve() as site:
        connection = site.connect()
        response = await connection.request("GET", url("websocket", "unknown"), UPGRADE)
        assert_refused(response, 1)
        assert response.get("connection") == "close"
        await connection.ended()


async def test_an_empty_sid_is_none(serve: Serve) -> None:
    """HS-14"""
    async with serve() as site:
        response = await site.request("GET", url(sid=""))
        assert OPEN.fullmatch(response.body.decode())


async def test_websocket_without_an_upgrade_is_refused(serve: Serve) -> None:
    """HS-15"""
    async with serve() as site:
        assert_refused(await site.request("GET", url("websocket")), 3)


async def test_another_transport_than_the_sessions_is_refused(serve: Serve) -> None:
    """HS-16, UP-16: 400 code 3 for GET and POST, before and after the upgrade; the session is untouched."""
    async with serve() as site:
        session = await site.handshake()
        assert_refused(await site.request("GET", url("websocket", session.sid)), 3)
        assert_refused(await site.request("POST", url("websocket", session.sid), body=b"4lost"), 3)
        assert (await session.post("4one")).body == b"ok"
        websocket = await session.upgrade()
        assert_refused(await session.get(), 3)
        assert_refused(await session.post("4lost"), 3)
        await websocket.send("4two")
        await site.seen.until("message", session.sid, "two")
        assert site.seen.of(session.sid) == [("message", "one"), ("message", "two")]


async def test_control_characters_in_an_origin_are_refused(serve: Serve, logs: Logs) -> None:
    """HS-17: 400 code 3, or the framework's own 400 before us."""
    async with serve(cors_allowed_origins="*") as site:
        connection = site.connect()
        head = f"GET {url()} HTTP/1.1\r\nHost: {site.host}\r\nOrigin: http://a\x01b.example\r\n\r\n"
        await connection.send_raw(head.encode())
        response = await connection.receive()
        if Gap.REFUSES_BAD_HEADERS in site.server.gaps:
            assert response.status == 400
            logs.allow(Exception)  # which the framework logs with a traceback
        else:
            assert_refused(response, 3)
        assert not site.seen.events


DUPLICATES = [
    ("EIO=4&EIO=4&transport=polling&transport=polling", None),
    ("EIO=4&transport=polling&x=1&x=2", None),
    ("EIO=4&EIO=3&transport=polling", 3),
    ("EIO=3&EIO=4&transport=polling", 3),
    ("EIO=4&transport=polling&transport=websocket", 3),
    ("EIO=4&transport=polling&sid=a&sid=b", 3),
]


async def test_conflicting_duplicates_are_refused(serve: Serve) -> None:
    """HS-18: two different values of sid, EIO or transport; equal ones, and other keys, do no harm."""
    async with serve() as site:
        for query, code in DUPLICATES:
            response = await site.request("GET", f"/engine.io/?{query}")
            if code is None:
                assert OPEN.fullmatch(response.body.decode())
            else:
                assert_refused(response, code)


async def test_the_application_sees_the_whole_query(serve: Serve) -> None:
    """HS-19: as it was sent."""
    async with serve() as site:
        for transport, headers in (("polling", ()), ("websocket", UPGRADE)):
            query = f"EIO=4&transport={transport}&user=a%20b%2B&x=1&x=2&t=%C3%A9"
            await site.request("GET", f"/engine.io/?{query}", headers)
            sid = next(iter(reversed(site.seen.environ)))
            assert site.seen.environ[sid]["QUERY_STRING"] == query


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
@pytest.mark.parametrize("how", ["rejected", "raised"])
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
        assert (response.status, response.body) == (401, b'"Unauthorized"')
        assert len(site.eio.sockets) == 0
        assert_refused(await site.request("GET", url(sid=known[0])), 1)
        assert site.seen.events == []


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
        assert response.status == 401
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


async def test_upgrades_that_are_not_allowed_are_refused(serve: Serve) -> None:
    """HS-22: before the 101; the session stays on polling, and a WebSocket handshake is no upgrade."""
    async with serve(allow_upgrades=False) as site:
        session = await site.handshake()
        assert_refused(await site.request("GET", url("websocket", session.sid), UPGRADE), 3)
        assert (await session.post("4still here")).body == b"ok"
        await site.seen.until("message", session.sid, "still here")
        await site.websocket()


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


async def test_environ_names_the_peer(serve: Serve) -> None:
    """HS-24, AP-19: its real address and port."""
    async with serve() as site:
        for target, headers in ((url(), ()), (url("websocket"), UPGRADE)):
            connection = site.connect()
            await connection.request("GET", target, headers)
            environ = site.seen.environ[next(iter(reversed(site.seen.environ)))]
            assert environ["REMOTE_ADDR"] == "127.0.0.1"
            assert environ["REMOTE_PORT"] == str(connection.stream.port)


async def test_the_path_matches_with_and_without_its_slash(serve: Serve) -> None:
    """HS-25: for polling and for WebSocket."""
    async with serve() as site:
        for path in ("/engine.io/", "/engine.io"):
            response = await site.request("GET", path + "?EIO=4&transport=polling")
            assert OPEN.fullmatch(response.body.decode())
            response = await site.request("GET", path + "?EIO=4&transport=websocket", UPGRADE)
            assert response.status == 101


async def test_other_paths_are_not_found(serve: Serve) -> None:
    """HS-25: the framework's 404, or ASGIApp's."""
    async with serve() as site:
        for path in ("/engine.iofoo", "/engine.iofoo/", "/engine", "/"):
            assert (await site.request("GET", path + "?EIO=4&transport=polling")).status == 404


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
        assert await site.seen.closed(sid) == "transport error"
        assert site.seen.of(sid) == [("disconnect", "transport error")]


async def test_queries_of_any_bytes_on_the_wire(serve: Serve) -> None:
    """IN-5: whatever else stands in the query."""
    async with serve() as site:
        for more in ("x=%ff%fe", "x=%", "x=%zz", "%00=%00", "x=" + "y" * 4000):
            assert (await site.request("GET", f"/engine.io/?EIO=4&transport=polling&{more}")).status == 200
