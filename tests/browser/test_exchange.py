"""The official client in a page of the server: every transport, every kind of message, there and back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integrations.harness import Serve
from tests.interop.exchange import COUNT, MESSAGES, Numbers, echo, last_words
from tests.interop.test_javascript_client import POLLING, TRANSPORTS, UPGRADE, as_json

from .chromium import Chromium

pytestmark = pytest.mark.anyio


@TRANSPORTS
async def test_messages_of_every_kind(
    serve: Serve, chromium: Chromium, client: dict[str, Any], transport: str
) -> None:
    """PL-3, PL-4, PL-5, PL-6, PG-7, UP-17, WS-2, CD-1, CD-2, CD-3, CD-6, CD-8: text, unicode, empty, binary."""
    async with serve(async_handlers=False, decode_json=False) as site, chromium.visit(site.url) as tab:
        echo(site)
        result = await tab.scenario("echo", client=client, messages=[as_json(one) for one in MESSAGES])
        assert result["transport"] == transport
        assert site.seen.messages(result["sid"]) == MESSAGES * 2
        assert result["received"] == [as_json(one) for one in MESSAGES * 2]
        assert result["reason"] == "forced close"
        reason = await site.seen.closed(result["sid"])
        assert reason == {"polling": "client disconnect", "websocket": "transport close"}[transport]
