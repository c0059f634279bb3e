"""WebSockets across the proxy, and what is left where it does not let them pass."""

from __future__ import annotations

import pytest

from tests.integrations import clients
from tests.integrations.clients import ClosedError, assert_refused, url
from tests.integrations.harness import Serve
from tests.interop.engineio_client import ThreadedClient, connected
from tests.interop.exchange import COUNT, MESSAGES, Numbers, echo
from tests.interop.node import scenario

from .nginx import CONNECTION, UPGRADE, VERSION, nginx

pytestmark = pytest.mark.anyio

NO_FORWARDING = {VERSION: "", UPGRADE: "", CONNECTION: ""}
"""What nginx does unless it is told otherwise: HTTP/1.0, and neither of the two headers."""


async def test_nothing_is_lost_in_the_upgrade(serve: Serve) -> None:
    """FD-5, FD-6, UP-3, UP-4, UP-17, UP-19, PP-13: 1,000 numbers each way while the upgrade runs."""
    async with serve(async_handlers=False) as site, nginx(site.port) as proxy:
        numbers = Numbers(site)
        result = await scenario("upgrade", proxy.port, count=COUNT)
        await numbers.verify(result["sid"], result["received"])
        assert result["transport"] == "websocket"
        assert set(result["sent"]) == numbers.transports == {"polling", "websocket"}


@pytest.mark.parametrize("transports", [["polling"], ["websocket"], ["polling", "websocket"]], ids="-".join)
async def test_messages_of_every_kind(serve: Serve, transports: list[str]) -> None:
    """PL-3, PL-5, PL-6, PP-17, WS-1, WS-2: text, unicode, empty, binary, there and back; a WebSocket alone too."""
    async with serve(async_handlers=False, decode_json=False) as site, nginx(site.port) as proxy:
        echo(site)
        messages = [{"text": one} if isinstance(one, str) else {"hex": one.hex()} for one in MESSAGES]
        result = await scenario("echo", proxy.port, client={"transports": transports}, messages=messages)
        assert result["transport"] == transports[-1]
        assert site.seen.messages(result["sid"]) == MESSAGES * 2
        assert result["received"] == messages * 2
        assert await site.seen.closed(result["sid"]) in {"client disconnect", "transport close"}


@pytest.mark.api("environ")
async def test_what_the_application_sees(serve: Serve) -> None:
    """HS-24, AP-19: the Host is what the client asked for, the peer is the proxy, X-Forwarded-For the client."""
    async with serve() as site, nginx(site.port) as proxy:
        await proxy.handshake([("X-Forwarded-For", "192.0.2.1")])
        environ = site.seen.environ
        assert environ["HTTP_HOST"] == proxy.host
        assert environ["HTTP_X_FORWARDED_PROTO"] == "http"
        assert environ["HTTP_X_FORWARDED_FOR"] == "192.0.2.1, 127.0.0.1"
        assert environ["REMOTE_ADDR"] == "127.0.0.1"


@pytest.mark.parametrize("change", [{UPGRADE: ""}, {CONNECTION: ""}, NO_FORWARDING], ids=["upgrade", "other", "all"])
async def test_without_forwarding_the_session_stays_on_polling(serve: Serve, change: dict[str, str]) -> None:
    """UP-8, UP-11, HS-16, FD-5, CD-6: the client's upgrade fails, and of 1,000 numbers each way none is lost."""
    async with serve(async_handlers=False) as site, nginx(site.port, change=change) as proxy:
        numbers = Numbers(site)
        words = [f"client {number}" for number in range(COUNT)]
        result = await scenario("upgrade_fails", proxy.port, words=words)
        await numbers.verify(result["sid"], [one["text"] for one in result["received"]])
        assert result["transport"] == "polling"
        assert numbers.transports == {"polling"}


async def test_without_forwarding_a_websocket_is_refused(serve: Serve) -> None:
    """HS-15, HS-16: what asked for one arrives as a plain GET: 400 code 3, and the session does not mind."""
    async with serve() as site, nginx(site.port, change=NO_FORWARDING) as proxy:
        assert_refused(await proxy.request("GET", url("websocket"), clients.UPGRADE), 3)
        session = await proxy.handshake()
        assert_refused(await proxy.request("GET", url("websocket", session.sid), clients.UPGRADE), 3)
        await site.eio.send(session.sid, "x")
        assert (await session.get()).body == b"4x"
        assert site.eio.transport(session.sid) == "polling"


@pytest.mark.parametrize("forwarding", [True, False])
async def test_python_engineio(serve: Serve, forwarding: bool) -> None:
    """UP-11, UP-18, FD-5, CD-17: its client upgrades if it can, and stays on polling if not; nothing is lost."""
    change = {} if forwarding else NO_FORWARDING
    async with serve(async_handlers=False) as site, nginx(site.port, change=change) as proxy:
        numbers = Numbers(site)
        client = ThreadedClient()
        client.at_connect(*(f"client {number}" for number in range(COUNT // 4)))
        async with connected(client, proxy.port, ["polling", "websocket"], "websocket" if forwarding else "polling"):
            await client.send(*(f"client {number}" for number in range(COUNT // 4, COUNT)))
            await client.receive(COUNT)
            await numbers.verify(client.sid, client.received)


async def test_without_its_version_line_it_depends_on_the_server(serve: Serve) -> None:
    """HS-16, UP-4, UP-11: over HTTP/1.0 some take a WebSocket, some refuse it, some cut it; nothing is lost by it."""
    async with serve() as site, nginx(site.port, change={VERSION: ""}) as proxy:
        session = await proxy.handshake()
        await site.eio.send(session.sid, "x")
        connection = proxy.connect()
        response = await connection.request("GET", url("websocket", session.sid), clients.UPGRADE)
        assert response.status in {101, 400}
        upgraded = response.status == 101
        if upgraded:
            websocket = connection.websocket(response)
            try:
                await websocket.send("2probe")
                assert await websocket.receive() == "3probe"
                await websocket.send("5")
                assert await websocket.receive() == "4x"
            except (ClosedError, ConnectionError):
                upgraded = False
        if not upgraded:
            assert (await session.get()).body == b"4x"
        assert site.eio.transport(session.sid) == ("websocket" if upgraded else "polling")


async def test_connection_upgrade_on_every_request_does_no_harm(serve: Serve) -> None:
    """PG-12: it is the Upgrade header that counts; many configurations have no map."""
    change = {CONNECTION: 'proxy_set_header Connection "upgrade";'}
    async with serve(async_handlers=False) as site, nginx(site.port, change=change) as proxy:
        numbers = Numbers(site)
        result = await scenario("upgrade", proxy.port, count=COUNT)
        await numbers.verify(result["sid"], result["received"])
        assert result["transport"] == "websocket"


async def test_connections_to_the_server_are_kept(serve: Serve) -> None:
    """PG-8, PP-1, UP-4: many requests on one connection, where nginx is told so, the upgrade's included."""
    change = {'""      close;': '""      "";', "upstream eio {": "upstream eio { keepalive 32; keepalive_timeout 4s;"}
    async with serve(async_handlers=False) as site, nginx(site.port, change=change) as proxy:
        numbers = Numbers(site)
        result = await scenario("upgrade", proxy.port, count=COUNT)
        await numbers.verify(result["sid"], result["received"])
        assert result["transport"] == "websocket"


async def test_an_upgrade_header_on_every_request_is_refused(serve: Serve) -> None:
    """PG-12, WS-13: a proxy that makes every request ask for a WebSocket lets nobody poll."""
    change = {UPGRADE: "proxy_set_header Upgrade websocket;", CONNECTION: 'proxy_set_header Connection "upgrade";'}
    async with serve() as site, nginx(site.port, change=change) as proxy:
        assert (await proxy.request("GET", url())).status == 400  # by us, or by a server that expects a WebSocket now
        websocket = await proxy.websocket()
        await websocket.send("4hello")
        await site.seen.until("message", websocket.sid, "hello")
