"""Engine.IO over HTTP/2, where a server speaks it: WS-21, and what HTTP/1.1 has in another form."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from .clients import OPEN, Response, WebSocket, assert_refused, settle, url
from .harness import Serve, Site
from .http2 import Http2

pytestmark = [pytest.mark.anyio, pytest.mark.only(http2=True)]


@asynccontextmanager
async def connected(site: Site) -> AsyncIterator[Http2]:
    client = Http2(site.port)
    try:
        yield client
    finally:
        client.close()


async def handshake(client: Http2) -> str:
    """A session on polling; its sid."""
    response = await client.request("GET", url())
    assert response.status == 200
    assert OPEN.fullmatch(response.body.decode())
    return str(json.loads(response.body[1:])["sid"])


async def opened(websocket: WebSocket) -> str:
    """Read the open packet of a session that starts on WebSocket; its sid."""
    packet = await websocket.receive()
    assert isinstance(packet, str)
    assert packet.startswith("0")
    return str(json.loads(packet[1:])["sid"])


async def test_polling_in_streams_of_one_connection(serve: Serve) -> None:
    """HS-1, PG-1, PP-1: a parked GET does not hold up a POST."""
    async with serve() as site, connected(site) as client:
        sid = await handshake(client)
        assert site.seen.environ["SERVER_PROTOCOL"] == "HTTP/2"
        assert site.seen.environ["HTTP_HOST"] == site.host
        poll = await client.send("GET", url(sid=sid))
        posted = await client.request("POST", url(sid=sid), body="4h\u00e9".encode())
        assert (posted.status, posted.body) == (200, b"ok")
        await site.seen.until("message", sid, "h\u00e9")
        await site.eio.send(sid, "back")
        assert (await poll.receive()).body == b"4back"
        assert (await client.request("POST", url(sid=sid), body=b"1")).body == b"ok"
        assert await site.seen.closed(sid) == "client disconnect"


async def test_an_abandoned_poll_is_a_transport_error(serve: Serve) -> None:
    """PG-4, CL-11: a stream is reset, its connection lives on."""
    async with serve() as site, connected(site) as client:
        sid = await handshake(client)
        poll = await client.send("GET", url(sid=sid))
        await settle()
        await poll.reset()
        assert await site.seen.closed(sid) == "transport error"
        assert_refused(await client.request("GET", url(sid=sid)), 1)


async def test_a_refusal_leaves_the_connection_alone(serve: Serve) -> None:
    """ER-1, ER-4: the same body as on HTTP/1.1, for polling and for WebSocket, without headers of a connection."""
    async with serve() as site, connected(site) as client:
        for eio, code in (("3", 5), ("4", 1)):
            sid = "unknown" if eio == "4" else None
            polling = await client.request("GET", url(sid=sid, eio=eio))
            request, head = await client.connect(url("websocket", sid, eio=eio))
            websocket = Response(head.status, head.headers, await request.body())
            for response in (polling, websocket):
                assert_refused(response, code)
                assert response.get("connection") is None
        assert site.seen.events == []


async def test_a_websocket_in_a_stream(serve: Serve) -> None:
    """WS-21, WS-1, WS-2, WS-7: RFC 8441, with no Upgrade header; text and binary, both ways; the client closes."""
    async with serve() as site, connected(site) as client:
        websocket = await client.websocket(url("websocket"))
        sid = await opened(websocket)
        assert site.eio.transport(sid) == "websocket"
        await websocket.send("4h\u00e9", b"\x00\x01")
        await site.seen.until("message", sid, "h\u00e9")
        await site.seen.until("message", sid, b"\x00\x01")
        await site.eio.send(sid, "back")
        await site.eio.send(sid, b"\x02")
        assert await websocket.receive_many(2) == ["4back", b"\x02"]
        assert await handshake(client) != sid  # beside it, on the same connection
        await websocket.close()
        assert await site.seen.closed(sid) == "transport close"


async def test_a_websocket_in_a_stream_is_closed_by_us(serve: Serve) -> None:
    """WS-21, WS-8, WS-22: what was sent, then 1000."""
    async with serve() as site, connected(site) as client:
        websocket = await client.websocket(url("websocket"))
        sid = await opened(websocket)
        await site.eio.send(sid, "last")
        await site.eio.disconnect(sid)
        assert await websocket.receive() == "4last"
        assert await websocket.closed() == 1000
        assert await site.seen.closed(sid) == "server disconnect"


@pytest.mark.parametrize("how", ["stream", "connection"])
async def test_a_dropped_websocket_in_a_stream(serve: Serve, how: str) -> None:
    """WS-21, WS-7, CL-10: whether its stream is reset or the connection ends."""
    async with serve() as site, connected(site) as client:
        websocket = await client.websocket(url("websocket"))
        sid = await opened(websocket)
        if how == "stream":
            await websocket.stream.request.reset()
        else:
            client.close()
        assert await site.seen.closed(sid) == "transport close"


async def test_an_upgrade_within_one_connection(serve: Serve) -> None:
    """WS-21, UP-1, UP-4: from polling to WebSocket, without a second connection."""
    async with serve() as site, connected(site) as client:
        sid = await handshake(client)
        poll = await client.send("GET", url(sid=sid))
        websocket = await client.websocket(url("websocket", sid))
        await websocket.send("2probe")
        assert await websocket.receive() == "3probe"
        assert (await poll.receive()).body == b"6"
        await websocket.send("5", "4hello")
        await site.seen.until("message", sid, "hello")
        assert site.eio.transport(sid) == "websocket"
