"""The proxy's clock, and clients that leave while it waits for us."""

from __future__ import annotations

import pytest

from tests.integrations.clients import Connection, Session, assert_refused
from tests.integrations.harness import Serve, Site, eventually
from tests.interop.exchange import echo
from tests.interop.node import scenario

from .nginx import READ_TIMEOUT, nginx

pytestmark = pytest.mark.anyio


async def parked(site: Site, session: Session) -> Connection:
    """A poll that has reached the server."""
    poll = await session.park()
    await eventually(lambda: site.core(session.sid).poll is not None)
    return poll


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_the_heartbeat_is_faster_than_the_timeout(serve: Serve, transport: str) -> None:
    """PG-2, HB-1: nothing but pings, for longer than nginx waits for an answer: 25 s of 60 s, scaled down."""
    change = {READ_TIMEOUT: "proxy_read_timeout 2s;"}
    async with serve(ping_interval=0.5) as site, nginx(site.port, change=change) as proxy:
        echo(site)
        result = await scenario("heartbeat", proxy.port, client={"transports": [transport]}, pings=6)
        assert result["received"] == [{"text": "still here"}]
        assert result["transport"] == transport
        assert result["reason"] == "forced close"


async def test_a_poll_that_outlasts_the_timeout(serve: Serve) -> None:
    """PG-4, CL-11: 504 for the client, a dropped poll for us: the session is over at once."""
    async with serve() as site, nginx(site.port, change={READ_TIMEOUT: "proxy_read_timeout 500ms;"}) as proxy:
        session = await proxy.handshake()
        poll = await session.park()
        assert (await poll.receive()).status == 504
        assert await site.seen.closed(session.sid) == "transport error"
        assert_refused(await session.get(), 1)


async def test_a_websocket_that_outlasts_the_timeout(serve: Serve) -> None:
    """WS-7, CL-10: nginx drops both of its connections without a close frame."""
    async with serve() as site, nginx(site.port, change={READ_TIMEOUT: "proxy_read_timeout 500ms;"}) as proxy:
        websocket = await proxy.websocket()
        assert await websocket.closed() == 1006
        assert await site.seen.closed(websocket.sid) == "transport close"


@pytest.mark.parametrize("leave", [Connection.reset, Connection.close])
async def test_a_client_that_aborts_its_poll(serve: Serve, leave: object) -> None:
    """PG-4, IN-1, IN-7: nginx passes the news on, and the session ends at once."""
    assert callable(leave)
    async with serve() as site, nginx(site.port) as proxy:
        session = await proxy.handshake()
        leave(await parked(site, session))
        assert await site.seen.closed(session.sid) == "transport error"
        assert_refused(await session.get(), 1)


async def test_a_proxy_that_keeps_the_news_to_itself(serve: Serve) -> None:
    """PG-4, HB-2, CL-13: with proxy_ignore_client_abort a message is lost, and only the heartbeat ends the session."""
    change = {READ_TIMEOUT: "proxy_ignore_client_abort on;"}
    async with serve(ping_interval=0.5, ping_timeout=0.5) as site, nginx(site.port, change=change) as proxy:
        session = await proxy.handshake()
        (await parked(site, session)).reset()
        await site.eio.send(session.sid, "lost")
        await eventually(lambda: site.eio.buffered(session.sid) == 0)
        assert site.seen.of(session.sid) == []
        assert await site.seen.closed(session.sid) == "ping timeout"


async def test_a_client_that_drops_its_websocket(serve: Serve) -> None:
    """WS-7, CL-10"""
    async with serve() as site, nginx(site.port) as proxy:
        websocket = await proxy.websocket()
        websocket.reset()
        assert await site.seen.closed(websocket.sid) == "transport close"


async def test_the_server_closes(serve: Serve) -> None:
    """CL-3, CL-6, CL-12, WS-8, WS-22: `1` for the poll, the last message and 1000 for the WebSocket."""
    async with serve() as site, nginx(site.port) as proxy:
        session, websocket = await proxy.handshake(), await proxy.websocket()
        poll = await parked(site, session)
        await site.eio.disconnect(session.sid)
        assert (await poll.receive()).body == b"1"
        await site.eio.send(websocket.sid, "last")
        await site.eio.disconnect(websocket.sid)
        assert await websocket.receive() == "4last"
        assert await websocket.closed() == 1000
        for sid in (session.sid, websocket.sid):
            assert await site.seen.closed(sid) == "server disconnect"
