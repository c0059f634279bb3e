"""TLS ends at the proxy: who may connect from a browser then, with the default policy."""

from __future__ import annotations

import http.client
import json
import ssl
from functools import partial

import anyio.to_thread
import pytest

from tests.integrations import clients
from tests.integrations.clients import TIMEOUT, Response, assert_refused, url
from tests.integrations.harness import Serve
from tests.integrations.servers import Gap
from tests.interop.exchange import COUNT, Numbers
from tests.interop.node import scenario

from .nginx import HOST, PROTO, Proxy, nginx, trusted

pytestmark = pytest.mark.anyio

FORWARDED_HOST = HOST.replace("Host", "X-Forwarded-Host")


async def over_tls(proxy: Proxy, transport: str, origin: str) -> Response:
    """The answer to a handshake by a page of this origin."""
    return await anyio.to_thread.run_sync(partial(_over_tls, proxy.tls_port, transport, origin))


def _over_tls(port: int, transport: str, origin: str) -> Response:
    context = ssl.create_default_context(cadata=trusted())
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT, context=context)
    try:
        headers = dict(clients.UPGRADE) if transport == "websocket" else {}
        connection.request("GET", url(transport), headers={**headers, "Origin": origin})
        response = connection.getresponse()
        names = [(name.lower(), value) for name, value in response.getheaders()]
        return Response(response.status, names, response.read())
    finally:
        connection.close()


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_only_pages_of_the_same_origin(serve: Serve, transport: str) -> None:
    """HD-1, HD-2, HD-3, HD-7: with Host and X-Forwarded-Proto the default policy knows what the browser sees."""
    async with serve() as site, nginx(site.port) as proxy:
        own = f"https://127.0.0.1:{proxy.tls_port}"
        response = await over_tls(proxy, transport, own)
        assert response.status == (101 if transport == "websocket" else 200)
        bare = transport == "websocket" and Gap.BARE_HANDSHAKE in site.server.gaps
        assert response.get("access-control-allow-origin") == (None if bare else own)
        # Not the scheme that reaches us, although the Host is right; that is for pages that came without TLS.
        for origin in ("https://elsewhere.example", "https://127.0.0.1", "https://eio"):
            assert_refused(await over_tls(proxy, transport, origin), 3)


@pytest.mark.api("cookie")
async def test_plain_http_and_tls_are_told_apart(serve: Serve) -> None:
    """HD-1, HD-2, HD-8: without TLS the scheme is http, and the cookie is not Secure."""
    async with serve(cookie="io") as site, nginx(site.port) as proxy:
        plain = await proxy.request("GET", url(), [("Origin", f"http://{proxy.host}")])
        assert plain.status == 200
        assert "Secure" not in (plain.get("set-cookie") or "")
        assert_refused(await proxy.request("GET", url(), [("Origin", f"https://{proxy.host}")]), 3)
        encrypted = await over_tls(proxy, "polling", f"https://127.0.0.1:{proxy.tls_port}")
        assert (encrypted.get("set-cookie") or "").endswith("; Secure")


@pytest.mark.parametrize(
    "change",
    [{PROTO: ""}, {HOST: ""}, {HOST: HOST.replace("$http_host", "$host")}],
    ids=["no-proto", "no-host", "host-without-port"],
)
async def test_a_line_is_missing(serve: Serve, change: dict[str, str]) -> None:
    """HD-1, HD-3: then the page of this very site is refused."""
    async with serve() as site, nginx(site.port, change=change) as proxy:
        for transport in ("polling", "websocket"):
            assert_refused(await over_tls(proxy, transport, f"https://127.0.0.1:{proxy.tls_port}"), 3)


@pytest.mark.api("environ")
async def test_forwarded_host_does_as_well(serve: Serve) -> None:
    """HD-1: where the Host must be another one, X-Forwarded-Host tells the client's."""
    async with serve() as site, nginx(site.port, change={HOST: FORWARDED_HOST}) as proxy:
        own = f"https://127.0.0.1:{proxy.tls_port}"
        assert (await over_tls(proxy, "polling", own)).status == 200
        assert (await over_tls(proxy, "websocket", own)).status == 101
        assert_refused(await over_tls(proxy, "polling", "https://elsewhere.example"), 3)
        assert site.seen.environ["HTTP_HOST"] == "eio"


@pytest.mark.api("settings")
async def test_forwarded_headers_are_not_trusted(serve: Serve) -> None:
    """HD-1: then the scheme that reached us counts; a list of origins does it without any header."""
    async with serve(trust_forwarded=False) as site, nginx(site.port) as proxy:
        own = f"https://127.0.0.1:{proxy.tls_port}"
        assert_refused(await over_tls(proxy, "polling", own), 3)
        assert (await proxy.request("GET", url(), [("Origin", f"http://{proxy.host}")])).status == 200
        site.eio.cors_allowed_origins = [own]
        assert (await over_tls(proxy, "polling", own)).status == 200
        assert (await over_tls(proxy, "websocket", own)).status == 101


async def test_a_session_over_tls(serve: Serve) -> None:
    """FD-5, UP-4, UP-17, HD-1: the official client, with a browser's Origin, 1,000 numbers each way."""
    async with serve(async_handlers=False) as site, nginx(site.port) as proxy:
        numbers = Numbers(site)
        headers = {"Origin": f"https://127.0.0.1:{proxy.tls_port}"}
        client = {"ca": trusted(), "extraHeaders": headers}
        result = await scenario("upgrade", proxy.tls_port, scheme="https", client=client, count=COUNT)
        await numbers.verify(result["sid"], result["received"])
        assert result["transport"] == "websocket"
        client["extraHeaders"] = {"Origin": "https://elsewhere.example"}
        result = await scenario("refused", proxy.tls_port, scheme="https", client=client)
        assert (result["reason"], result["status"]) == ("transport error", 400)
        assert json.loads(result["body"])["code"] == 3
