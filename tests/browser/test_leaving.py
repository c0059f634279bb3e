"""A tab is reloaded or closed: the server notices at once, not by its pings, which come every 25 s."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.integrations.harness import Serve, eventually
from tests.interop.test_javascript_client import POLLING, UPGRADE

from .chromium import Chromium, Tab

pytestmark = pytest.mark.anyio

each_way = pytest.mark.parametrize("depart", [Tab.reload, Tab.close], ids=["reload", "close"])
Depart = Callable[[Tab], Awaitable[None]]
each_state = pytest.mark.parametrize(
    ("client", "transport"), [(POLLING, "polling"), (UPGRADE, "websocket")], ids=["polling", "websocket"]
)

# Begins an upgrade in which the client's probe, or the 5 that ends the upgrade, never leaves the page.
HOLD = """async ([url, packet]) => {
    const held = withhold((data) => data === packet);
    const socket = client.connect(url);
    await Promise.all([client.event(socket, "open"), held]);
    return socket.id;
}"""


@each_way
@each_state
async def test_page_goes_away(
    serve: Serve, chromium: Chromium, depart: Depart, client: dict[str, Any], transport: str
) -> None:
    """PG-4, CL-10, CL-11, CD-9, CD-10: its parked poll is dropped, or its WebSocket closed: the session ends."""
    async with serve() as site, chromium.visit(site.url) as tab:
        result = await tab.scenario("vanish", client=client)
        assert result["transport"] == transport
        await depart(tab)
        reason = await site.seen.closed(result["sid"])
        assert reason == {"polling": "transport error", "websocket": "transport close"}[transport]


@each_way
async def test_page_goes_away_before_the_probe(serve: Serve, chromium: Chromium, depart: Depart) -> None:
    """PG-4, UP-11, UP-13, CD-10: the WebSocket is open and has not been probed: the parked poll tells."""
    async with serve() as site, chromium.visit(site.url) as tab:
        sid = await tab.evaluate(HOLD, [site.url, "2probe"])
        await depart(tab)
        assert await site.seen.closed(sid) == "transport error"


@each_way
async def test_page_goes_away_at_the_end_of_the_upgrade(serve: Serve, chromium: Chromium, depart: Depart) -> None:
    """UP-11, CL-13, CD-10: the client has paused its polling and not sent its 5: only the heartbeat can tell.

    A lost probe leaves the session on polling, and no poll is parked; the page is in this state for a millisecond.
    """
    async with serve(ping_interval=0.5, ping_timeout=0.5) as site, chromium.visit(site.url) as tab:
        sid = await tab.evaluate(HOLD, [site.url, "5"])
        assert site.eio.transport(sid) == "polling"
        await depart(tab)
        assert await site.seen.closed(sid) == "ping timeout"


@each_state
async def test_page_says_goodbye(serve: Serve, chromium: Chromium, client: dict[str, Any], transport: str) -> None:
    """CL-9, CL-10, CD-9: with closeOnBeforeunload the client closes its transport before the page is gone."""
    async with serve() as site, chromium.visit(site.url) as tab:
        result = await tab.scenario("vanish", client={**client, "closeOnBeforeunload": True})
        assert result["transport"] == transport
        await tab.reload()
        reason = await site.seen.closed(result["sid"])
        assert reason == {"polling": "client disconnect", "websocket": "transport close"}[transport]


async def test_many_reloads(serve: Serve, chromium: Chromium) -> None:
    """PG-4, CL-10, CD-10, HS-23: reloading at any moment leaves no session behind.

    The pings are for a reload at the end of an upgrade (see above).
    """
    async with serve(ping_interval=1, ping_timeout=3) as site, chromium.visit(site.url) as tab:
        for moment in ("open", "upgrading", "upgrade") * 3:
            connect = "async ([url, moment]) => void await client.event(client.connect(url), moment)"
            await tab.evaluate(connect, [site.url, moment])
            await tab.reload()
        await eventually(lambda: not site.seen.live)
        result = await tab.scenario("vanish", client=POLLING)
        assert set(site.eio.sockets) == {result["sid"]}
