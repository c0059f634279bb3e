"""The browser goes offline: the client ends its session, and opens another one when the network is back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integrations.harness import Serve
from tests.interop.exchange import echo
from tests.interop.test_javascript_client import POLLING, UPGRADE, WEBSOCKET

from .chromium import Chromium

pytestmark = pytest.mark.anyio

CONNECT = """async ([url, options]) => {
    window.socket = await client.connected(url, options);
    socket.send("hello");
    await client.received(socket, 1);
    return socket.sid;
}"""

TRY = "([url, options]) => client.connect(url, options).ended"


@pytest.mark.parametrize(
    ("client", "reason"), [(POLLING, "ping timeout"), (UPGRADE, "transport close")], ids=["polling", "websocket"]
)
async def test_offline_and_back(serve: Serve, chromium: Chromium, client: dict[str, Any], reason: str) -> None:
    """CD-9, CL-10, CL-13, HB-3: "transport close" to the page at once.

    The server hears of a WebSocket at once, for the client closes it and Chromium lets that through. A poll stays
    parked, and the client's close packet is lost: the next ping is not answered.
    """
    async with serve(ping_interval=0.5, ping_timeout=2) as site, chromium.visit(site.url) as tab:
        echo(site)
        tab.allow("net::ERR_INTERNET_DISCONNECTED")
        sid = await tab.evaluate(CONNECT, [site.url, client])
        await tab.offline(True)
        assert (await tab.evaluate("() => socket.ended"))["reason"] == "transport close"
        assert await site.seen.closed(sid) == reason
        for transports in (POLLING, WEBSOCKET):
            assert (await tab.evaluate(TRY, [site.url, transports]))["reason"] == "transport error"
        await tab.offline(False)
        another = await tab.evaluate(CONNECT, [site.url, client])
        assert set(site.eio.sockets) == {another}
