"""What is refused before anything else happens, and in which order: HS-7 to HS-25."""

from __future__ import annotations

from itertools import product

import pytest

from .clients import OPEN, UPGRADE, assert_refused, url
from .harness import Logs, Serve
from .servers import Gap

pytestmark = pytest.mark.anyio


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
        assert response.without_reason or "close" in (response.get("connection") or "").split(", ")
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


async def test_upgrades_that_are_not_allowed_are_refused(serve: Serve) -> None:
    """HS-22: before the 101; the session stays on polling, and a WebSocket handshake is no upgrade."""
    async with serve(allow_upgrades=False) as site:
        session = await site.handshake()
        assert_refused(await site.request("GET", url("websocket", session.sid), UPGRADE), 3)
        assert (await session.post("4still here")).body == b"ok"
        await site.seen.until("message", session.sid, "still here")
        await site.websocket()


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


async def test_queries_of_any_bytes_on_the_wire(serve: Serve) -> None:
    """IN-5: whatever else stands in the query."""
    async with serve() as site:
        for more in ("x=%ff%fe", "x=%", "x=%zz", "%00=%00", "x=" + "y" * 4000):
            assert (await site.request("GET", f"/engine.io/?EIO=4&transport=polling&{more}")).status == 200
