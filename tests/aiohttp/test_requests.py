"""Requests as aiohttp brings them: bodies that it decodes, or cannot, and clients that leave."""

from __future__ import annotations

import gzip
import ssl

import anyio
import h11
import pytest
import trustme

from tests.integrations.clients import UPGRADE, Headers, settle, url
from tests.integrations.harness import Serve, eventually

pytestmark = pytest.mark.anyio

GZIP: Headers = [("Content-Encoding", "gzip")]


async def test_a_compressed_body_counts_as_what_it_is_decompressed(serve: Serve) -> None:
    """H2: a small body may hold a large one."""
    async with serve(max_http_buffer_size=10_000) as site:
        session = await site.handshake()
        assert (await session.post(gzip.compress(b"4" + b"x" * 9_999), GZIP)).status == 200
        assert (await session.post(gzip.compress(b"4" + b"x" * 50_000_000), GZIP)).status == 413
        assert await site.seen.closed(session.sid) == "transport error"


async def test_a_body_that_cannot_be_decompressed_is_answered(serve: Serve) -> None:
    """PP-4, H5: by a 400, without a traceback; the connection is over."""
    async with serve() as site:
        session = await site.handshake()
        connection = site.connect()
        response = await connection.request("POST", session.url, GZIP, b"not compressed at all")
        assert (response.status, response.get("connection")) == (400, "close")
        await connection.ended()
        assert await site.seen.closed(session.sid) == "transport error"


async def test_a_body_that_nobody_wanted_leaves_the_connection_in_order(serve: Serve) -> None:
    """ER-7, PG-8: the next request on it is served, once the rest of the body has come."""
    async with serve() as site:
        session = await site.handshake()
        connection = site.connect()
        await connection.send("POST", session.url, [("Content-Length", "2000000")], b"x" * 1000, end=False)
        assert (await connection.receive()).status == 413
        await connection.send_body(b"x" * 1_999_000, end=True)
        connection.http.start_next_cycle()
        assert (await connection.request("GET", url())).status == 200


async def test_a_body_that_nobody_wanted_is_not_awaited_after_its_client(serve: Serve) -> None:
    """No task of aiohttp's stays behind, which the end of serve() shows."""
    async with serve() as site:
        session = await site.handshake()
        connection = site.connect()
        await connection.send("POST", session.url, [("Content-Length", "2000000")], b"x" * 1000, end=False)
        assert (await connection.receive()).status == 413
        connection.reset()


async def test_a_key_that_is_not_ascii_is_a_bad_request(serve: Serve) -> None:
    """WS-11: where aiohttp's own check raises; nobody hears of the client."""
    async with serve() as site:
        connection = site.connect()
        headers = "".join(f"{name}: {value}\r\n" for name, value in [("Host", site.host), *UPGRADE])
        request = f"GET {url('websocket')} HTTP/1.1\r\n{headers}\r\n".replace("dGhl", "\xe9\xe9\xe9\xe9")
        await connection.send_raw(request.encode("latin-1"))
        response = await connection.receive()
        assert (response.status, response.get("connection")) == (400, "close")
        assert site.seen.events == []


async def test_a_response_that_its_client_does_not_take_ends_with_the_client(serve: Serve) -> None:
    """FD-12, IN-17, H31: the session is closed when the connection breaks while a slow client is waited for."""
    async with serve(http_compression=False) as site:
        session = await site.handshake()
        for _ in range(12):
            await site.eio.send(session.sid, "x" * 1_000_000)
        connection = site.connect()
        await connection.send("GET", session.url)
        await anyio.sleep(0.2)
        assert site.seen.of(session.sid) == []
        connection.reset()
        assert await site.seen.closed(session.sid) == "transport error"


async def test_a_response_that_its_client_never_takes_is_given_up(serve: Serve) -> None:
    """FD-12, CL-18, H31: five seconds after its session has timed out, its connection is cut."""
    async with serve(http_compression=False, ping_interval=1, ping_timeout=1) as site:
        session = await site.handshake()
        for _ in range(12):
            await site.eio.send(session.sid, "x" * 1_000_000)
        connection = site.connect()
        await connection.send("GET", session.url)
        assert await site.seen.closed(session.sid) == "ping timeout"
        await anyio.sleep(5.5)
        with pytest.raises(h11.RemoteProtocolError, match="without sending complete message body"):
            await connection.receive()


async def test_over_tls_a_client_that_leaves_is_seen_too(serve: Serve) -> None:
    """IN-7, HD-2: the protocol is exchanged on the transport of TLS; its scheme is https."""
    from aiohttp import ClientSession, web

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    async with serve() as site:
        app = web.Application()
        app.router.add_route("*", "/engine.io/", site.eio.handle_request)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        base = f"https://127.0.0.1:{runner.addresses[0][1]}"

        async with ClientSession() as client:
            async with client.get(base + url(), ssl=False) as response:
                assert response.status == 200
            (sid,) = site.seen.live
            assert site.seen.environ["wsgi.url_scheme"] == "https"
            async with anyio.create_task_group() as group:

                async def poll() -> None:
                    await client.get(base + url(sid=sid), ssl=False)

                group.start_soon(poll)
                await eventually(lambda: site.eio.runner.engine.sessions[sid].poll is not None)
                await settle()
                group.cancel_scope.cancel()
            assert await site.seen.closed(sid) == "transport error"
            async with client.ws_connect(base + url("websocket"), ssl=False) as websocket:
                await websocket.receive_str()
                (sid,) = site.seen.live
                await websocket.send_str("4hello")
                await site.seen.until("message", sid, "hello")
            assert await site.seen.closed(sid) == "transport close"
        await runner.cleanup()
