"""Several processes behind one proxy: every request of a session must reach the one that knows it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.integrations import clients
from tests.integrations.clients import url
from tests.integrations.harness import Serve, Site
from tests.integrations.servers import Server
from tests.interop.exchange import COUNT, Numbers
from tests.interop.node import scenario

from .nginx import READ_TIMEOUT, Proxy, nginx

pytestmark = pytest.mark.anyio

HASH = "hash $eio_node consistent;"


@asynccontextmanager
async def two_behind_nginx(
    serve: Serve, server: Server, change: dict[str, str] | None = None
) -> AsyncIterator[tuple[Proxy, Site, Site]]:
    """Two servers that know nothing of each other; what the second leaves over is found with what the first does."""
    async with serve(async_handlers=False) as one:
        eio = server.make(async_handlers=False)
        async with server.run(server.application(eio)) as port:
            other = Site(server, eio, port, polling=True, tls=False)
            async with nginx(one.port, port, sticky=True, change=change) as proxy:
                yield proxy, one, other
            await other.check()
            other.close()
        await eio.shutdown(timeout=0)
        other.seen.verify()


async def test_a_cookie_of_the_proxy(serve: Serve, server: Server) -> None:
    """HS-12, UP-4: the first answer sets it, and whoever brings it back polls, posts and upgrades at one server."""
    async with two_behind_nginx(serve, server) as (proxy, one, other):
        for _ in range(40):  # all at one server: by chance, once in 10 to the 12
            session = await proxy.handshake()
            cookie = [("Cookie", (session.response.get("set-cookie") or "").partition(";")[0])]
            (site,) = (site for site in (one, other) if session.sid in site.eio.sockets)
            assert (await session.post("4hello", cookie)).body == b"ok"
            await site.eio.send(session.sid, "x")
            assert (await session.get(cookie)).body == b"4x"
            connection = proxy.connect()
            target = url("websocket", session.sid)
            response = await connection.request("GET", target, [*clients.UPGRADE, *cookie])
            websocket = connection.websocket(response)
            await websocket.send("2probe")
            assert await websocket.receive() == "3probe"
            await websocket.send("5", "4upgraded")
            await site.seen.until("message", session.sid, "upgraded")
        assert one.seen.live
        assert other.seen.live


async def test_the_official_client_with_credentials(serve: Serve, server: Server) -> None:
    """CD-15, FD-5, UP-4: it brings the cookie back if told so."""
    async with two_behind_nginx(serve, server) as (proxy, one, other):
        both = {site: Numbers(site) for site in (one, other)}
        result = await scenario("upgrade", proxy.port, client={"withCredentials": True}, count=COUNT)
        (site,) = (site for site in both if site.seen.events)
        await both[site].verify(result["sid"], result["received"])
        assert result["transport"] == "websocket"


async def test_the_address_of_the_client(serve: Serve, server: Server) -> None:
    """HS-12, UP-4: ip_hash needs no cookie, and puts everybody behind one address at one server."""
    async with two_behind_nginx(serve, server, {HASH: "ip_hash;"}) as (proxy, one, other):
        both = {site: Numbers(site) for site in (one, other)}
        result = await scenario("upgrade", proxy.port, count=COUNT)
        (site,) = (site for site in both if site.seen.events)
        await both[site].verify(result["sid"], result["received"])
        assert result["transport"] == "websocket"


async def test_one_late_answer_changes_nothing_for_others(serve: Serve, server: Server) -> None:
    """PG-4: a poll that outlasts the proxy's timeout is answered 504, and its server stays the one of its clients."""
    async with two_behind_nginx(serve, server, {READ_TIMEOUT: "proxy_read_timeout 500ms;"}) as (proxy, one, other):
        for number in range(4):
            cookie = [("Cookie", f"eio_node={number}")]
            late, session = await proxy.handshake(cookie), await proxy.handshake(cookie)
            (site,) = (site for site in (one, other) if late.sid in site.eio.sockets)
            assert (await late.get(cookie)).status == 504
            assert await site.seen.closed(late.sid) == "transport error"
            assert (await session.post("4hello", cookie)).body == b"ok"
            await site.seen.until("message", session.sid, "hello")


async def test_without_either_sessions_are_unknown(serve: Serve, server: Server) -> None:
    """HS-12: the server that is asked next does not know the session: 400 code 1. A WebSocket alone does well."""
    async with two_behind_nginx(serve, server, {HASH: ""}) as (proxy, one, other):
        session = await proxy.handshake()
        assert (await session.get()).json() == {"code": 1, "message": "Session ID unknown"}
        websocket = await proxy.websocket()
        (site,) = (site for site in (one, other) if websocket.sid in site.eio.sockets)
        await websocket.send("4hello")
        await site.seen.until("message", websocket.sid, "hello")
