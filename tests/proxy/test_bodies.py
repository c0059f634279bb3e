"""Bodies that the proxy buffers, limits and compresses."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from tests.integrations.harness import Serve, eventually
from tests.integrations.servers import Gap
from tests.interop.exchange import MESSAGES, echo
from tests.interop.node import scenario

from .nginx import READ_TIMEOUT, nginx

pytestmark = pytest.mark.anyio

GZIP_ON = ["gzip on;", "gzip_types text/plain application/json;"]


def with_line(line: str) -> dict[str, str]:
    return {READ_TIMEOUT: f"{READ_TIMEOUT} {line}"}


async def test_half_a_request_does_not_reach_us(serve: Serve) -> None:
    """PP-3, PP-4, PP-7: only a complete body is passed on: a slow POST overlaps with none, a broken one is none."""
    async with serve() as site, nginx(site.port) as proxy:
        session = await proxy.handshake()
        length = [("Content-Length", "5")]
        slow, broken = proxy.connect(), proxy.connect()
        for connection in (slow, broken):
            await connection.send("POST", session.url, length, b"4sl", end=False)
        assert (await session.post("4fast")).body == b"ok"
        broken.reset()
        await slow.send_body(b"ow", end=True)
        assert (await slow.receive()).body == b"ok"
        await site.seen.until("message", session.sid, "slow")
        assert site.seen.messages(session.sid) == ["fast", "slow"]


async def test_without_request_buffering_a_broken_post_ends_the_session(serve: Serve) -> None:
    """PP-4, CL-11"""
    change = with_line("proxy_request_buffering off;")
    async with serve() as site, nginx(site.port, change=change) as proxy:
        session = await proxy.handshake()
        post = proxy.connect()
        await post.send("POST", session.url, [("Content-Length", "5")], b"4sl", end=False)
        await eventually(lambda: site.core(session.sid).post is not None)
        post.reset()
        assert await site.seen.closed(session.sid) == "transport error"


async def test_the_default_limits_agree(serve: Serve) -> None:
    """PL-12, ER-7, PL-13: nginx passes on what we accept, and a little more, which is refused by us.

    A server may close a connection on which a refused body still arrives, and nginx makes a 502 of it if it was sending
    at that moment. To the client both are the end.
    """
    async with serve() as site, nginx(site.port) as proxy:
        session = await proxy.handshake()
        largest = "x" * 999_999
        assert (await session.post("4" + largest)).body == b"ok"
        await site.seen.until("message", session.sid, largest)
        await site.eio.send(session.sid, largest)
        assert (await session.get()).body == b"4" + largest.encode()
        response = await session.post("4" + "x" * 1_005_000)
        assert response.status in ({413, 502} if Gap.LEAVES_SENDERS in site.server.gaps else {413})
        assert await site.seen.closed(session.sid) == "transport error"


async def test_a_larger_limit_is_set_at_both(serve: Serve) -> None:
    """PL-12: else nginx refuses, in words of its own, what the application allows; no session ends of it."""
    message = "x" * 1_999_999
    async with serve(max_http_buffer_size=2_000_000) as site:
        async with nginx(site.port) as proxy:
            session = await proxy.handshake()
            response = await session.post("4" + message)
            assert response.status == 413
            assert b"nginx" in response.body
            assert (await session.post("4still here")).body == b"ok"
        async with nginx(site.port, change=with_line("client_max_body_size 3m;")) as proxy:
            session = await proxy.handshake()
            assert (await session.post("4" + message)).body == b"ok"
            await site.seen.until("message", session.sid, message)


@pytest.mark.parametrize("ours", [True, False])
async def test_compressed_once(serve: Serve, ours: bool) -> None:
    """HD-11, HD-12: by us, and then not by nginx; or by nginx, which leaves the body what it was."""
    async with serve(http_compression=ours) as site, nginx(site.port, http=GZIP_ON) as proxy:
        session = await proxy.handshake()
        text = "x" * 5_000
        await site.eio.send(session.sid, text)
        response = await session.get([("Accept-Encoding", "gzip")])
        assert response.get("content-encoding") == "gzip"
        assert response.get("content-type") == "text/plain; charset=UTF-8"
        assert (response.get("content-length") is not None) is ours  # nginx compresses as it goes
        assert gzip.decompress(response.body) == b"4" + text.encode()
        await site.eio.send(session.sid, text)
        response = await session.get()
        assert response.get("content-encoding") is None
        assert response.body == b"4" + text.encode()


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("client", [{"fetch": True, "upgrade": False}, {}], ids=["polling", "upgrade"])
async def test_messages_of_every_kind_under_compression(serve: Serve, client: dict[str, Any], ours: bool) -> None:
    """HD-11, PL-3, PL-5, PL-6: fetch() asks for gzip; a WebSocket is not touched."""
    async with (
        serve(async_handlers=False, decode_json=False, http_compression=ours, compression_threshold=10) as site,
        nginx(site.port, http=GZIP_ON) as proxy,
    ):
        echo(site)
        messages = [{"text": one} if isinstance(one, str) else {"hex": one.hex()} for one in MESSAGES]
        result = await scenario("echo", proxy.port, client=client, messages=messages)
        assert site.seen.messages(result["sid"]) == MESSAGES * 2
        assert result["received"] == messages * 2
