"""Refusals, their codes and bodies, and what is logged about them: the ER rows."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from itertools import product
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from .clients import UPGRADE, assert_refused, settle, url
from .harness import Logs, Serve, eventually
from .servers import Gap

pytestmark = pytest.mark.anyio


async def test_the_codes_are_those_of_the_protocol(serve: Serve) -> None:
    """ER-1, ER-2: each code that this server gives, with its text."""
    async with serve() as site:
        assert_refused(await site.request("GET", url("nope")), 0)
        assert_refused(await site.request("GET", url(sid="nope")), 1)
        assert_refused(await site.request("POST", url()), 2)
        assert_refused(await site.request("GET", url("websocket")), 3)
        assert_refused(await site.request("GET", url(eio="3")), 5)


@pytest.mark.api("cookie")
async def test_a_refusal_has_cors_headers_and_no_cookie(serve: Serve) -> None:
    """ER-2, HD-7: no cookie even where the server sets one; the browser may read the error."""
    async with serve(cookie="io", cors_allowed_origins="*") as site:
        response = await site.request("GET", url("nope"), [("Origin", "http://a.example")])
        assert_refused(response, 0)
        assert response.get("access-control-allow-origin") == "http://a.example"


async def test_a_websocket_is_refused_before_the_101(serve: Serve) -> None:
    """ER-4, ER-5, WS-13, WS-14: the real status with the JSON body, ``Connection: close``, and then the end."""
    async with serve() as site:
        for target, code in (
            (url("nope"), 0),
            (url("websocket", "nope"), 1),
            (url("websocket", eio="3"), 5),
            (url(), 3),
            ("/engine.io/", 0),
        ):
            connection = site.connect()
            response = await connection.request("GET", target, UPGRADE)
            assert_refused(response, code)
            assert response.without_reason or "close" in (response.get("connection") or "").split(", ")
            await connection.ended()
            assert not site.seen.events


@pytest.mark.api("the value that connect() returns")
async def test_a_rejected_websocket_gets_the_real_status(serve: Serve) -> None:
    """ER-4, ER-10: 401 for a rejection by the connect handler, and no connection remains."""
    async with serve() as site:
        site.eio.on("connect", lambda sid, environ: {"reason": "later"})
        connection = site.connect()
        response = await connection.request("GET", url("websocket"), UPGRADE)
        if response.without_reason:
            assert (response.status, response.body) == (403, b"")
        else:
            assert (response.status, response.json()) == (401, {"reason": "later"})
            assert response.get("content-type") == "application/json"
            assert "close" in (response.get("connection") or "").split(", ")
        await connection.ended()


async def test_an_unsupported_method_leaves_the_session_alone(serve: Serve) -> None:
    """ER-6, IN-8: 400 code 3 with a known sid, never a 405 or a 500; a parked GET stays parked."""
    async with serve(cors_allowed_origins=[]) as site:
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
            session = await site.handshake()
            poll = await session.park()
            assert_refused(await site.request(method, session.url), 3)
            assert poll.silent
            await site.eio.send(session.sid, "still here")
            assert (await poll.receive()).body == b"4still here"


async def test_head_leaves_the_session_alone(serve: Serve) -> None:
    """ER-6, PG-10: 400, without a body as ever."""
    async with serve() as site:
        session = await site.handshake()
        response = await site.request("HEAD", session.url)
        assert (response.status, response.body) == (400, b"")
        assert response.get("content-type") == "application/json"
        await session.post("4still here")
        await site.seen.until("message", session.sid, "still here")


async def test_a_body_that_is_too_large_gets_an_empty_413(serve: Serve) -> None:
    """ER-7, IN-2, PL-13: before its end, and the session is closed."""
    async with serve(max_http_buffer_size=1000) as site:
        session = await site.handshake()
        connection = site.connect()
        await connection.send("POST", session.url, [("Transfer-Encoding", "chunked")], b"4" + b"x" * 1500, end=False)
        if Gap.WAITS_FOR_BODIES in site.server.gaps:
            await settle()
            assert connection.silent
            await connection.send_body(b"", end=True)
        response = await connection.receive()
        assert (response.status, response.body) == (413, b"")
        assert response.get("content-length") == "0"
        assert response.get("cache-control") == "no-store"
        assert await site.seen.closed(session.sid) == "transport error"


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
async def test_a_refusal_reaches_a_client_that_sends_on(serve: Serve, known: bool) -> None:
    """ER-7, H1, H2: such as a proxy, which gives up where sending fails: where a connection is closed meanwhile."""
    async with serve(max_http_buffer_size=1000) as site:
        session = await site.handshake()
        target = session.url if known else url(sid="unknown")
        connection = site.connect()
        await connection.send("POST", target, [("Content-Length", "160000")], b"4" * 20_000, end=False)
        if Gap.WAITS_FOR_BODIES not in site.server.gaps:
            await eventually(lambda: not connection.silent)
        with pytest.raises(ConnectionError) if Gap.LEAVES_SENDERS in site.server.gaps else nullcontext():
            for _ in range(7):
                await settle()
                await connection.stream.send(b"x" * 20_000)
        assert (await connection.receive()).status == (413 if known else 400)


@pytest.mark.api("a function as policy")
async def test_a_failing_origin_policy_is_no_500(serve: Serve, logs: Logs) -> None:
    """ER-9: an unexpected exception is logged and answered 400 code 3."""

    def policy(origin: str) -> bool:
        raise RuntimeError(origin)

    async with serve(cors_allowed_origins=policy) as site:
        for transport, headers in (("polling", ()), ("websocket", UPGRADE)):
            assert_refused(await site.request("GET", url(transport), [("Origin", "http://a.example"), *headers]), 3)
        assert logs.tracebacks(RuntimeError)
        assert not site.seen.events


VERDICTS: list[tuple[Any, Any]] = [
    (False, "Unauthorized"),
    (0, "Unauthorized"),
    ("", "Unauthorized"),
    ([], "Unauthorized"),
    ({}, "Unauthorized"),
    ("no way", "no way"),
    ({"code": 7, "why": ["a", None]}, {"code": 7, "why": ["a", None]}),
    (42, 42),
]


@pytest.mark.api("the value that connect() returns")
async def test_the_connect_handler_rejects_with_what_it_returns(serve: Serve) -> None:
    """ER-10, AP-4: 401 with that value as JSON; over WebSocket before the 101."""
    async with serve() as site:
        for transport, (verdict, body) in product(("polling", "websocket"), VERDICTS):
            site.eio.on("connect", lambda sid, environ, verdict=verdict: verdict)
            response = await site.request("GET", url(transport), UPGRADE if transport == "websocket" else ())
            if response.without_reason:
                assert (response.status, response.body) == (403, b"")
            else:
                assert (response.status, response.json()) == (401, body)
                assert response.get("content-type") == "application/json"
                assert response.get("cache-control") == "no-store"
                if isinstance(body, str):
                    assert response.body == f'"{body}"'.encode()
            assert len(site.eio.sockets) == 0
            assert site.seen.events == []


@pytest.mark.parametrize("verdict", [None, True])
async def test_none_and_true_accept(serve: Serve, verdict: Any) -> None:
    """ER-10, AP-4"""
    async with serve() as site:

        async def connect(sid: str, environ: dict[str, Any]) -> Any:
            site.seen.connect(sid, environ)
            await anyio.lowlevel.checkpoint()
            return verdict

        site.eio.on("connect", connect)
        await site.handshake()
        await site.websocket()
        assert len(site.seen.live) == 2


@pytest.mark.api("exceptions of handlers")
async def test_a_raising_connect_handler_rejects(serve: Serve, logs: Logs) -> None:
    """ER-10, AP-4: logged with its traceback."""

    def connect(sid: str, environ: dict[str, Any]) -> None:
        raise LookupError("nobody")

    async with serve() as site:
        site.eio.on("connect", connect)
        response = await site.request("GET", url())
        assert (response.status, response.body) == (401, b'"Unauthorized"')
        assert len(logs.tracebacks(LookupError)) == 1


@pytest.mark.api("the value that connect() returns")
async def test_a_verdict_that_json_cannot_carry(serve: Serve, logs: Logs, logger: logging.Logger) -> None:
    """ER-10: logged, and a plain rejection."""
    logs.allow(TypeError)
    async with serve(logger=logger) as site:
        site.eio.on("connect", lambda sid, environ: object())
        response = await site.request("GET", url())
        assert (response.status, response.body) == (401, b'"Unauthorized"')
        assert logs.lines(logging.WARNING)


@pytest.mark.api("logs")
async def test_each_kind_of_client_error_is_loud_once(serve: Serve, logs: Logs, logger: logging.Logger) -> None:
    """ER-11: the first at ERROR, further ones at INFO, one line each."""
    async with serve(logger=logger) as site:
        for target in (url(sid="a"), url(sid="b"), url(sid="c"), url("nope"), url("other")):
            before = len(logs.records)
            await site.request("GET", target)
            assert len([r for r in logs.records[before:] if r.name == logger.name]) == 1
        levels = [record.levelno for record in logs.records if record.name == logger.name]
        assert levels == [logging.ERROR, logging.INFO, logging.INFO, logging.ERROR, logging.INFO]


@pytest.mark.api("logs")
async def test_logs_hold_no_payload_and_no_line_of_the_clients(
    serve: Serve, logs: Logs, logger: logging.Logger
) -> None:
    """ER-11, AP-20: not what was sent, and nothing that could look like a line of its own."""
    async with serve(logger=logger) as site:
        session = await site.handshake()
        await session.post("4secret")
        await site.eio.send(session.sid, "secret")
        assert (await session.get()).body == b"4secret"
        await session.post("7secret")
        websocket = await site.websocket()
        await websocket.send("xsecret")
        await websocket.closed()
        await site.request("GET", "/engine.io/?EIO=4&transport=a%0d%0asecond%20line&sid=b%0a%0dthird")
        await site.request("GET", "/engine.io/?EIO=4&transport=polling&sid=b%0a%0dthird")
        lines = [record.getMessage() for record in logs.records if record.name == logger.name]
        assert lines
        assert not [line for line in lines if "secret" in line or "\n" in line or "\r" in line]
