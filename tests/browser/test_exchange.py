"""The official client in a page of the server: every transport, every kind of message, there and back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integrations.harness import Serve
from tests.interop.exchange import COUNT, MESSAGES, Numbers, echo, last_words
from tests.interop.test_javascript_client import TRANSPORTS, as_json

from .chromium import Chromium

pytestmark = pytest.mark.anyio

# The client polls again and closes at once: on two connections, so that its close may overtake its last poll.
OVERTAKEN = r"status of 400 .*/engine.io/\?EIO=4&transport=polling&.*sid="


@TRANSPORTS
async def test_messages_of_every_kind(serve: Serve, chromium: Chromium, client: dict[str, Any], transport: str) -> None:
    """PL-3, PL-4, PL-5, PL-6, PG-7, UP-17, WS-2, CD-1, CD-2, CD-3, CD-6, CD-8: text, unicode, empty, binary."""
    async with serve(async_handlers=False, decode_json=False) as site, chromium.visit(site.url) as tab:
        echo(site)
        if transport == "polling":
            tab.allow(OVERTAKEN)
        result = await tab.scenario("echo", client=client, messages=[as_json(one) for one in MESSAGES])
        assert result["transport"] == transport
        assert site.seen.messages(result["sid"]) == MESSAGES * 2
        assert result["received"] == [as_json(one) for one in MESSAGES * 2]
        assert result["reason"] == "forced close"
        reason = await site.seen.closed(result["sid"])
        assert reason == {"polling": "client disconnect", "websocket": "transport close"}[transport]


async def test_nothing_is_lost_in_the_upgrade(serve: Serve, chromium: Chromium) -> None:
    """FD-5, FD-6, UP-2, UP-3, UP-4, UP-17, UP-19, PL-11, PP-13: 1,000 numbers each way while the upgrade runs."""
    async with serve(async_handlers=False) as site, chromium.visit(site.url) as tab:
        numbers = Numbers(site)
        result = await tab.scenario("upgrade", count=COUNT)
        await numbers.verify(result["sid"], result["received"])
        assert result["transport"] == "websocket"
        # It was the upgrade that was shown: messages before it, in its middle and after it, at both ends.
        assert set(result["sent"]) == numbers.transports == {"polling", "websocket"}
        assert result["inTheMiddle"] == COUNT / 4


@pytest.mark.parametrize(
    ("client", "transport"),
    [({"fetch": True, "upgrade": False}, "polling"), ({"forceBase64": True}, "websocket")],
    ids=["fetch", "base64"],
)
async def test_options_of_the_client(serve: Serve, chromium: Chromium, client: dict[str, Any], transport: str) -> None:
    """JP-4, CD-1, CD-3: polling by fetch() instead of XMLHttpRequest, and binary as base64 on both transports."""
    async with serve(async_handlers=False, decode_json=False) as site, chromium.visit(site.url) as tab:
        echo(site)
        if transport == "polling":
            tab.allow(OVERTAKEN)
        result = await tab.scenario("echo", client=client, messages=[as_json(one) for one in MESSAGES])
        assert result["transport"] == transport
        assert site.seen.messages(result["sid"]) == MESSAGES * 2
        assert result["received"] == [as_json(one) for one in MESSAGES * 2]


@TRANSPORTS
async def test_server_closes(serve: Serve, chromium: Chromium, client: dict[str, Any], transport: str) -> None:
    """CL-2, CL-5, CL-6, CL-12, CL-15, WS-8, WS-22, CD-11: the last words arrive, then the close."""
    async with serve() as site, chromium.visit(site.url) as tab:
        words = last_words(site)
        result = await tab.scenario("closed", client=client, say=["go"])
        assert result["transport"] == transport
        assert result["received"] == [{"text": word} for word in words]
        assert result["reason"] == "transport close"
        assert result["code"] == (1000 if transport == "websocket" else None)
        assert await site.seen.closed(result["sid"]) == "server disconnect"


@TRANSPORTS
async def test_heartbeat(serve: Serve, chromium: Chromium, client: dict[str, Any], transport: str) -> None:
    """HB-1, HB-12, UP-15, CD-12: a page that answers pings stays."""
    async with serve(ping_interval=0.1, ping_timeout=5) as site, chromium.visit(site.url) as tab:
        echo(site)
        if transport == "polling":
            tab.allow(OVERTAKEN)
        result = await tab.scenario("heartbeat", client=client, pings=5)
        assert result["transport"] == transport
        assert result["received"] == [{"text": "still here"}]
        assert result["reason"] == "forced close"
