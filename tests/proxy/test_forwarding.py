"""WebSockets across the proxy, and what happens where the proxy does not let them pass."""

from __future__ import annotations

import pytest

from tests.integrations.clients import UPGRADE, assert_refused, url
from tests.integrations.harness import Serve
from tests.interop.exchange import COUNT, Numbers
from tests.interop.node import scenario

from .nginx import FORWARDING, nginx

pytestmark = pytest.mark.anyio


async def test_nothing_is_lost_in_the_upgrade(serve: Serve) -> None:
    """FD-5, FD-6, UP-3, UP-4, UP-17, UP-19, PP-13: 1,000 numbers each way while the upgrade runs, through nginx."""
    async with serve(async_handlers=False) as site, nginx(site.port) as proxy:
        numbers = Numbers(site)
        result = await scenario("upgrade", proxy.port, count=COUNT)
        await numbers.verify(result["sid"], result["received"])
        assert result["transport"] == "websocket"
        assert set(result["sent"]) == numbers.transports == {"polling", "websocket"}


async def test_what_the_application_sees(serve: Serve) -> None:
    """HS-1, AP-19, HS-24: Host and scheme are the client's, the peer is the proxy, X-Forwarded-For the client."""
    async with serve() as site, nginx(site.port) as proxy:
        session = await proxy.handshake()
        environ = site.seen.environ
        assert environ["HTTP_HOST"] == proxy.host
        assert (environ["HTTP_X_FORWARDED_PROTO"], environ["HTTP_X_FORWARDED_FOR"]) == ("http", "127.0.0.1")
        assert environ["REMOTE_ADDR"] == "127.0.0.1"
        assert (await session.post("4hello")).body == b"ok"
        await site.seen.until("message", session.sid, "hello")


@pytest.mark.parametrize("line", FORWARDING)
async def test_a_line_is_missing(serve: Serve, line: str) -> None:
    async with serve(async_handlers=False) as site, nginx(site.port, change={line: ""}) as proxy:
        session = await proxy.handshake()
        print(await proxy.request("GET", url("websocket", session.sid), UPGRADE))
        print(await proxy.request("GET", url("websocket"), UPGRADE))
