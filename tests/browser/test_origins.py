"""A page of another origin, as the browser judges it: what the server refuses, allows, and allows with credentials.

``localhost`` is another host than ``127.0.0.1``, on the same server: another site, to which no cookies go. Another port
of the same host is another origin of the same site: cookies go there if the server allows credentials.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integrations.harness import Serve, Site
from tests.interop.exchange import echo
from tests.interop.test_javascript_client import POLLING, UPGRADE, WEBSOCKET, as_json

from .chromium import Chromium, Tab
from .pages import serve_elsewhere

pytestmark = pytest.mark.anyio

EITHER = pytest.mark.parametrize("client", [POLLING, WEBSOCKET], ids=["polling", "websocket"])

# What Chromium prints. A refused request has no CORS headers, so the page may not see the answer either.
REFUSED = (
    r"blocked by CORS policy: No 'Access-Control-Allow-Origin' header is present",
    r"Failed to load resource: net::ERR_FAILED",
    r"WebSocket connection to .* failed: Error during WebSocket handshake: Unexpected response code: 400",
)


def elsewhere(site: Site) -> str:
    """The origin of the same page under another name."""
    return f"http://localhost:{site.port}"


async def works(tab: Tab, site: Site, client: dict[str, Any], transport: str) -> str:
    """A session of the page with the server: something there and back; its sid."""
    tab.allow(r"status of 400 .*/engine.io/\?EIO=4&transport=polling&.*sid=")  # see test_exchange.OVERTAKEN
    messages: list[str | bytes] = ["hello", b"\0\xff"]
    result = await tab.scenario("echo", site.url, client=client, messages=[as_json(one) for one in messages])
    assert (result["transport"], result["reason"]) == (transport, "forced close")
    assert site.seen.messages(result["sid"]) == messages * 2
    sid: str = result["sid"]
    return sid


async def refused(tab: Tab, site: Site, client: dict[str, Any]) -> None:
    """The page gets no session, and the console of the browser says why."""
    tab.allow(*REFUSED)
    assert (await tab.scenario("refused", site.url, client=client))["reason"] == "transport error"
    assert tab.errors
    assert site.seen.events == []


@EITHER
async def test_other_origins_are_refused(serve: Serve, chromium: Chromium, client: dict[str, Any]) -> None:
    """HD-1, HD-3: by default, on either transport."""
    async with serve() as site, chromium.visit(elsewhere(site)) as tab:
        await refused(tab, site, client)


@EITHER
async def test_origins_that_are_not_named_are_refused(serve: Serve, chromium: Chromium, client: dict[str, Any]) -> None:
    """HD-1, HD-3: a list of others does not help."""
    async with (
        serve(cors_allowed_origins=["https://example.com", "http://localhost"]) as site,
        chromium.visit(elsewhere(site)) as tab,
    ):
        await refused(tab, site, client)


@pytest.mark.parametrize(
    ("policy", "client", "transport"),
    [
        (lambda origin: [origin], UPGRADE, "websocket"),
        (lambda _: "*", POLLING, "polling"),
        (lambda allowed: lambda origin: origin == allowed, WEBSOCKET, "websocket"),
    ],
    ids=["name-upgrade", "everybody-polling", "function-websocket"],
)
async def test_other_origins_are_allowed(
    serve: Serve, chromium: Chromium, policy: Callable[[str], Any], client: dict[str, Any], transport: str
) -> None:
    """HD-1, HD-4: the one that is named, any, or one that a function says yes to."""
    async with serve(async_handlers=False) as site, chromium.visit(elsewhere(site)) as tab:
        site.eio.cors_allowed_origins = policy(elsewhere(site))
        echo(site)
        await works(tab, site, client, transport)
        assert site.seen.environ["HTTP_ORIGIN"] == elsewhere(site)


@pytest.fixture
def home() -> Iterator[str]:
    """The origin of the page on another port."""
    with serve_elsewhere() as url:
        yield url


@pytest.mark.parametrize("credentials", [True, False], ids=["credentials", "no-credentials"])
async def test_cookie_between_ports(serve: Serve, chromium: Chromium, home: str, *, credentials: bool) -> None:
    """HD-4, HD-8, CD-15: the cookie of a handshake is in the next one, if the client asks for that."""
    async with serve(cors_allowed_origins=home, cookie="io", async_handlers=False) as site, chromium.visit(home) as tab:
        echo(site)
        client = {**UPGRADE, "withCredentials": credentials}
        sid = await works(tab, site, client, "websocket")
        assert "HTTP_COOKIE" not in site.seen.environ
        await works(tab, site, client, "websocket")
        assert site.seen.environ.get("HTTP_COOKIE") == (f"io={sid}" if credentials else None)


async def test_credentials_are_not_allowed(serve: Serve, chromium: Chromium, home: str) -> None:
    """HD-4, CL-13: without ``cors_credentials`` the browser keeps the answer from a page that sends credentials.

    The server has opened a session by then, which nobody polls.
    """
    options: dict[str, Any] = {
        "cors_allowed_origins": home,
        "cors_credentials": False,
        "ping_interval": 0.2,
        "ping_timeout": 0.2,
    }
    async with serve(**options) as site, chromium.visit(home) as tab:
        tab.allow(r"'Access-Control-Allow-Credentials' header .* must be 'true'", r"net::ERR_FAILED")
        result = await tab.scenario("refused", site.url, client={**POLLING, "withCredentials": True})
        assert result["reason"] == "transport error"
        assert any("Access-Control-Allow-Credentials" in error for error in tab.errors)
        ((_, sid, _), *_) = site.seen.events
        assert await site.seen.closed(sid) == "ping timeout"


async def test_credentials_are_not_asked_for(serve: Serve, chromium: Chromium) -> None:
    """HD-4: without ``cors_credentials`` a page that sends none works."""
    async with serve(cors_credentials=False, async_handlers=False) as site, chromium.visit(elsewhere(site)) as tab:
        site.eio.cors_allowed_origins = elsewhere(site)
        echo(site)
        await works(tab, site, UPGRADE, "websocket")


async def test_preflight(serve: Serve, chromium: Chromium) -> None:
    """HD-5: a header of the page's own makes the browser ask before each kind of request."""
    async with serve(async_handlers=False) as site, chromium.visit(elsewhere(site)) as tab:
        site.eio.cors_allowed_origins = elsewhere(site)
        echo(site)
        await works(tab, site, {**POLLING, "extraHeaders": {"X-Flavour": "plain"}}, "polling")
        assert site.seen.environ["HTTP_X_FLAVOUR"] == "plain"


async def test_preflight_is_refused(serve: Serve, chromium: Chromium) -> None:
    """HD-5, HD-6: asked from a page of another origin; the request itself is not made."""
    async with serve() as site, chromium.visit(elsewhere(site)) as tab:
        tab.allow(r"blocked by CORS policy: Response to preflight request doesn't pass", r"net::ERR_FAILED")
        client = {**POLLING, "extraHeaders": {"X-Flavour": "plain"}}
        await refused(tab, site, client)


async def test_page_may_read_a_refusal(serve: Serve, chromium: Chromium) -> None:
    """HD-7, HS-12: an allowed page sees why it was refused."""
    async with serve() as site, chromium.visit(elsewhere(site)) as tab:
        site.eio.cors_allowed_origins = elsewhere(site)
        tab.allow(r"status of 400 .*sid=nobody")
        result = await tab.scenario("refused", site.url, client={**POLLING, "query": {"sid": "nobody"}})
        assert (result["status"], result["body"]) == (400, '{"code":1,"message":"Session ID unknown"}')


async def test_no_policy_at_all(serve: Serve, chromium: Chromium) -> None:
    """HD-1: with ``[]`` the server says nothing: the browser stops polling, and nobody stops a WebSocket."""
    async with (
        serve(cors_allowed_origins=[], ping_interval=0.2, ping_timeout=1, async_handlers=False) as site,
        chromium.visit(elsewhere(site)) as tab,
    ):
        tab.allow(*REFUSED)
        assert (await tab.scenario("refused", site.url, client=POLLING))["reason"] == "transport error"
        ((_, sid, _), *_) = site.seen.events
        assert await site.seen.closed(sid) == "ping timeout"
        echo(site)
        await works(tab, site, WEBSOCKET, "websocket")
