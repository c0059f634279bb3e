"""https and wss with a certificate that nobody signed, and the default settings of AsyncServer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.integrations.harness import Serve
from tests.interop.exchange import COUNT, Numbers
from tests.interop.test_javascript_client import POLLING, TRANSPORTS

from .chromium import Chromium
from .test_exchange import OVERTAKEN

pytestmark = pytest.mark.anyio

TRUSTING: dict[str, Any] = {"ignore_https_errors": True}


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate and its key in one file."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(path))
    return path


@TRANSPORTS
async def test_same_origin(serve: Serve, chromium: Chromium, pem: Path, client: dict[str, Any], transport: str) -> None:
    """HD-1, HD-2, AP-19: the page's own origin is https, and so is the server's as it sees itself."""
    async with serve(pem=pem, async_handlers=False) as site, chromium.visit(site.url, **TRUSTING) as tab:
        if transport == "polling":
            tab.allow(OVERTAKEN)
        words = ["I", "am", "here"]
        result = await tab.scenario("close", client=client, words=words)
        assert (result["transport"], result["reason"]) == (transport, "forced close")
        await site.seen.closed(result["sid"])
        assert site.seen.messages(result["sid"]) == words
        assert site.seen.environ["wsgi.url_scheme"] == "https"


async def test_nothing_is_lost_in_the_upgrade(serve: Serve, chromium: Chromium, pem: Path) -> None:
    """FD-5, FD-6, HD-2, UP-4, UP-17: 1,000 numbers each way, from https to wss."""
    async with serve(pem=pem, async_handlers=False) as site, chromium.visit(site.url, **TRUSTING) as tab:
        numbers = Numbers(site)
        result = await tab.scenario("upgrade", count=COUNT)
        await numbers.verify(result["sid"], result["received"])
        assert result["transport"] == "websocket"


async def test_cookie_is_secure(serve: Serve, chromium: Chromium, pem: Path) -> None:
    """HD-2, HD-8, CD-15: over TLS the cookie is one that the browser sends over TLS alone, and hides from the page."""
    async with serve(pem=pem, cookie="io") as site, chromium.visit(site.url, **TRUSTING) as tab:
        sid = (await tab.scenario("vanish", client=POLLING))["sid"]
        (cookie,) = await tab.cookies()
        assert (cookie["name"], cookie["value"], cookie["path"]) == ("io", sid, "/")
        assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Lax")
        assert await tab.evaluate("() => document.cookie") == ""
