"""Requests that no client sends: too much, too little, too slowly, or nonsense (H1 to H12)."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress
from itertools import product
from typing import Any
from urllib.parse import quote

import anyio
import anyio.lowlevel
import h11
import pytest

from tests.integrations.clients import (
    UPGRADE,
    Connection,
    DisconnectedError,
    Response,
    assert_refused,
    settle,
    url,
)
from tests.integrations.harness import Logs, Serve, Site
from tests.integrations.servers import Gap

from .conftest import MANY, Memory

pytestmark = pytest.mark.anyio

MB = 1_000_000
PIECE = 50_000


async def pour(connection: Connection, size: int, piece: bytes = b"x" * PIECE) -> None:
    """Send so much of a body, as long as the server takes it."""
    with anyio.move_on_after(1):
        for _ in range(0, size, len(piece)):
            await connection.send_body(piece)
            await anyio.lowlevel.checkpoint()


async def answer(connection: Connection) -> Response | None:
    """The response, or None where the server just went."""
    try:
        return await connection.receive()
    except DisconnectedError:
        return None


async def test_the_body_of_a_request_for_nobody_is_not_kept(serve: Serve, memory: Memory, logs: Logs) -> None:
    """H1, HS-12: refused before a body that may be as long as it likes."""
    async with serve() as site:
        connection = site.connect()
        memory.begin()
        await connection.send("POST", url(sid="nobody"), [("Transfer-Encoding", "chunked")], b"4x", end=False)
        await pour(connection, 30 * MB)
        assert memory.peak < 2 * MB
        if Gap.WAITS_FOR_BODIES in site.server.gaps:
            return
        response = await answer(connection)
        assert response is None or (response.status, response.json()["code"]) == (400, 1)
        if Gap.KEEPS_UNREAD_BODIES in site.server.gaps:
            site.kept = 1
            logs.allow(asyncio.CancelledError)  # logged by asyncio.streams of Python 3.11 when the server stops


@pytest.mark.parametrize("headers", [[("Transfer-Encoding", "chunked")], [("Content-Length", "1000000000")]])
async def test_a_body_over_the_limit_is_not_kept(serve: Serve, memory: Memory, headers: Any) -> None:
    """H2, PL-12, PL-13: refused when it is known to be too large; no more than the limit was ever held."""
    async with serve(max_http_buffer_size=MB) as site:
        session = await site.handshake()
        connection = site.connect()
        memory.begin()
        await connection.send("POST", session.url, headers, b"4x", end=False)
        await pour(connection, 30 * MB)
        assert memory.peak < 3 * MB  # the body, and what the framework reads ahead of us
        if Gap.WAITS_FOR_BODIES in site.server.gaps:
            return
        response = await answer(connection)
        assert response is None or (response.status, response.body) == (413, b"")
        assert await site.seen.closed(session.sid) == "transport error"
        assert site.seen.messages(session.sid) == []


async def test_a_body_over_the_limit_in_tiny_pieces(serve: Serve) -> None:
    """H2: one byte after the other, the last of them one too many."""
    async with serve(max_http_buffer_size=200) as site:
        session = await site.handshake()
        connection = site.connect()
        await connection.send("POST", session.url, [("Transfer-Encoding", "chunked")], b"4", end=False)
        for _ in range(200):
            await connection.send_body(b"x")
        await settle()
        if Gap.WAITS_FOR_BODIES in site.server.gaps:
            await connection.send_body(b"x", end=True)
        else:
            assert connection.silent
            await connection.send_body(b"x")
        response = await connection.receive()
        assert (response.status, response.body) == (413, b"")
        assert await site.seen.closed(session.sid) == "transport error"


async def test_a_body_of_another_length_than_it_says(serve: Serve, logs: Logs) -> None:
    """H2: what comes behind it is another request, and none; what does not come ends the session."""
    logs.allow(Exception)  # some frameworks log the broken request with a traceback
    async with serve() as site:
        session, other = await site.handshake(), await site.handshake()
        connection = site.connect()
        head = f"POST {session.url} HTTP/1.1\r\nHost: {site.host}\r\nContent-Length: 2\r\n\r\n"
        await connection.stream.send(head.encode() + b"4xyz\r\n\r\n")
        while await connection.stream.receive():
            pass
        assert site.seen.messages(session.sid) in (["x"], [])  # some refuse the one because of the other
        connection = site.connect()
        await connection.send("POST", other.url, [("Content-Length", "10")], b"4x", end=False)
        await settle()
        connection.close()
        if Gap.WAITS_FOR_BODIES not in site.server.gaps:
            assert await site.seen.closed(other.sid) == "transport error"
            assert site.seen.messages(other.sid) == []


@pytest.mark.timeout(150)
async def test_a_body_of_one_byte_per_chunk(serve: Serve, memory: Memory) -> None:
    """H4: 100,000 of them take their time, and no more memory than what is read ahead; fewer on further servers."""
    async with serve(ping_interval=300) as site:  # some servers hand on each chunk from thread to thread
        count = 100_000 if site.server.name in MANY else 10_000
        session = await site.handshake()
        connection = site.connect()
        await connection.send("POST", session.url, [("Transfer-Encoding", "chunked")], b"4", end=False)
        chunks = b"1\r\nx\r\n" * 1000
        memory.begin()
        for _ in range(count // 1000):
            await connection.stream.send(chunks)
            await anyio.lowlevel.checkpoint()
        await connection.send_body(b"", end=True)
        await anyio.wait_readable(connection.stream.sock)  # however long it takes
        assert (await connection.receive()).body == b"ok"
        assert memory.peak < 15 * MB
        await site.seen.until("message", session.sid, "x" * count)


INVALID: list[tuple[str, bytes]] = [
    ("no packet", b""),
    ("no type", b"abc"),
    ("unknown type", b"7x"),
    ("another digit", "\uff14x".encode()),
    ("a ping", b"2"),
    ("a probe", b"2probe"),
    ("an empty packet", b"4a\x1e\x1e4b"),
    ("a bad packet behind a good one", b"4a\x1eq"),
    ("base64 of no length", b"bA"),
    ("base64 with a space", b"bAQID BA=="),
    ("no UTF-8", b"4\xff\xfe"),
    ("half a character", b"4\xc3"),
    ("too many packets", b"\x1e".join([b"4"] * 11)),
    ("too large", b"4" + b"x" * 2000),
]


@pytest.mark.parametrize("parked", [False, True])
async def test_no_invalid_post_is_taken(serve: Serve, parked: bool) -> None:
    """H5, PP-8, PP-12, PP-16, PL-10, PL-13: each is refused at once, no timer answers it; so is a GET beside it."""
    async with serve(max_packets_per_payload=10, max_http_buffer_size=1000) as site:
        for what, body in INVALID:
            session = await site.handshake()
            poll = await session.park() if parked else None
            response = await session.post(body)
            assert response.status == (413 if what == "too large" else 400), what
            assert await site.seen.closed(session.sid) == "transport error"
            taken = ["a"] if body.startswith(b"4a\x1e") else []
            assert site.seen.messages(session.sid) == taken, what
            if poll is not None:
                assert (await poll.receive()).body == b"1"


QUERIES = [
    b"",
    b"?",
    b"&&&===&",
    b"EIO=4",
    b"EIO=4&transport=__proto__",
    b"EIO=4&transport=polling&transport=websocket",
    b"EIO=4&EIO=4&transport=polling&transport=polling",
    b"EIO=4&EIO=3&transport=polling",
    b"EIO=4&transport=polling&sid",
    b"EIO=4&transport=polling&sid=%00",
    b"EIO=4&transport=polling&x=%",
    b"EIO=4&transport=polling&x=%zz&%ff=%fe",
    b"EIO=4&transport=%70olling&=&=",
    b"EIO=4&transport=polling&x=" + b"y" * 8000,
    b"EIO=4&transport=polling&x=" + b"y" * 100_000,
    b"EIO=4&transport=polling" + b"&a=b" * 2000,
    b"EIO=4&transport=polling&x=\xff\xfe",
    b"EIO=4&transport=polling&x=\x00",
    b"EIO=4&transport=polling;sid=x",
    b"EIO=4&transport=polling#sid=x",
    b"EIO=4\t&transport=polling",
]


async def raw(site: Site, data: bytes) -> Response | None:
    """What comes of these bytes, on a connection of their own."""
    connection = site.connect()
    await connection.send_raw(data)
    with suppress(OSError):  # a server may wait for more of it, or be gone by now
        connection.stream.sock.shutdown(socket.SHUT_WR)
    try:
        return await connection.receive()
    except (DisconnectedError, h11.RemoteProtocolError):
        return None


async def test_queries_of_all_kinds(serve: Serve, logs: Logs) -> None:
    """H6, IN-5: an answer of ours, or the framework's own refusal; never a 500."""
    logs.allow(Exception)  # what a framework says of bytes that HTTP does not allow
    async with serve() as site:
        for query in QUERIES:
            response = await raw(site, b"GET /engine.io/?" + query + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            assert response is None or response.status in {200, 400, 404, 413, 414, 431}, query[:80]
            if response is not None and response.status == 200:
                assert response.body.startswith(b"0{")


SIDS = ["x", "0" * 20, "constructor", "__proto__", "../../passwd", "%00", "%0d%0aX: y", "%ff%fe", "é", "\U0001f600"]


async def test_sids_of_all_kinds(serve: Serve) -> None:
    """H7, HS-12, HS-14: nobody's, on every kind of request."""
    async with serve() as site:
        await site.handshake()
        for sid in [*SIDS, "y" * 5000]:
            quoted = quote(sid, safe="%")
            for method in ("GET", "POST"):
                target = f"/engine.io/?EIO=4&transport=polling&sid={quoted}"
                assert_refused(await site.request(method, target, body=b"4x" if method == "POST" else b""), 1)
            target = f"/engine.io/?EIO=4&transport=websocket&sid={quoted}"
            assert_refused(await site.request("GET", target, UPGRADE), 1)


@pytest.mark.parametrize("revision", ["3", "5", "", None])
async def test_an_upgrade_of_another_revision(serve: Serve, revision: str | None) -> None:
    """H8, HS-10: refused before the 101; the session polls on, and then upgrades."""
    async with serve() as site:
        session = await site.handshake()
        poll = await session.park()
        assert_refused(await site.request("GET", url("websocket", session.sid, eio=revision), UPGRADE), 3)
        assert poll.silent
        await site.eio.send(session.sid, "still here")
        assert (await poll.receive()).body == b"4still here"
        websocket = await session.upgrade()
        await websocket.send("4upgraded")
        await site.seen.until("message", session.sid, "upgraded")
        assert site.eio.transport(session.sid) == "websocket"


@pytest.mark.parametrize("kind", ["many", "long", "name"])
async def test_headers_beyond_measure(serve: Serve, logs: Logs, kind: str) -> None:
    """H9: served, or refused by the framework in its own way."""
    logs.allow(Exception)
    headers = {
        "many": b"".join(b"X-%d: y\r\n" % number for number in range(2000)),
        "long": b"X: " + b"y" * 65_536 + b"\r\n",
        "name": b"x" * 65_536 + b": y\r\n",
    }
    async with serve() as site:
        for target in (url(), url("websocket"), url(sid="nobody")):
            head = f"GET {target} HTTP/1.1\r\nHost: x\r\n".encode()
            if "websocket" in target:
                head += b"".join(f"{name}: {value}\r\n".encode() for name, value in UPGRADE)
            response = await raw(site, head + headers[kind] + b"\r\n")
            assert response is None or response.status in {101, 200, 400, 403, 413, 414, 431}


STRANGE = ["a\rSet-Cookie: evil=1", "a\x00b", 'a"b<c>', "h\u00e9\xff", "a\tb", "x" * 5000, "null", "http://[::1", "//"]


@pytest.mark.parametrize("name", ["Origin", "Access-Control-Request-Headers", "Cookie", "X-Forwarded-Host", "Host"])
async def test_headers_that_would_split_a_response(serve: Serve, logs: Logs, logger: logging.Logger, name: str) -> None:
    """H10, HS-17, HD-5, ER-11: nothing of it becomes a header of ours, nor a line of our log."""
    logs.allow(Exception)
    async with serve(cors_allowed_origins="*", logger=logger) as site:
        for value, method in product(STRANGE, ("GET", "OPTIONS")):
            host = "" if name == "Host" else f"Host: {site.host}\r\n"
            head = f"{method} {url()} HTTP/1.1\r\n{host}{name}: {value}\r\n\r\n"
            response = await raw(site, head.encode("latin-1"))
            assert response is None or response.status in {200, 204, 400, 404}, value[:40]
            if response is not None:
                assert response.get("set-cookie") is None
                assert not [text for _, text in response.headers if set(text) & {"\r", "\n", "\x00"}]
        lines = [record.getMessage() for record in logs.records if record.name == logger.name]
        assert not [line for line in lines if set(line) & {"\r", "\n", "\x00"}]


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "get", "Get", "GET" * 3000, "G=T", "PROPFIND", "\xe9"])
async def test_methods_of_all_kinds(serve: Serve, logs: Logs, method: str) -> None:
    """H11, HS-11, ER-6: answered by us or by the framework; the session does not notice."""
    logs.allow(Exception)
    async with serve() as site:
        session = await site.handshake()
        for target in (url(), session.url) if method.upper() != "GET" else (url(),):
            head = f"{method} {target} HTTP/1.1\r\nHost: {site.host}\r\n\r\n"
            response = await raw(site, head.encode("latin-1"))
            assert response is None or response.status in {200, 400, 404, 405, 413, 414, 431, 500, 501}
            # 200: hypercorn takes it for a GET; 500: Sanic's own, before us, of a method that is not even ASCII
            assert response is None or response.status != 500 or not method.isascii()
        assert (await session.post("4still here")).body == b"ok"
        await site.seen.until("message", session.sid, "still here")
