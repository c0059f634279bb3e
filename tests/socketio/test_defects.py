"""What goes wrong with python-socketio on python-engineio, and must not on eio: see the script for the others."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from tests.integrations.clients import Client, settle, url
from tests.integrations.harness import eventually

from .python_client import POLLING, WEBSOCKET, connected
from .sites import MODES, Site, serving

each_mode = pytest.mark.parametrize("mode", MODES)


def raw(site: Site) -> Client:
    return Client(site.port)


@each_mode
async def test_binary_to_a_room_with_members_on_both_transports(mode: str) -> None:
    """AP-9: the one packet that they share is encoded for each as it wants it."""
    async with serving(mode) as site, connected(site.url, POLLING) as one, connected(site.url, WEBSOCKET) as two:
        for client in (one, two):
            await client.call("join", "room")
        await two.emit("count", ("room", 5))
        wanted = [[number, b"%d" % number, {"again": b"%d" % number}] for number in range(5)]
        assert await one.until("number", 5) == wanted
        assert await two.until("number", 5) == wanted


@each_mode
async def test_a_bytearray_is_sent(mode: str) -> None:
    """PL-18: also over a WebSocket of ASGI."""
    async with serving(mode) as site, connected(site.url, WEBSOCKET) as client:
        await site.sio.emit("told", bytearray(b"bytes"))
        assert await client.until("told", 1) == [b"bytes"]


@each_mode
async def test_a_client_that_closes_while_its_connect_handler_runs_leaves_no_ghost(mode: str) -> None:
    """HS-26, CL-8, AP-17: the disconnect comes after the connect has finished, and nobody stays in a room."""
    async with serving(mode, path="engine.io") as site:
        entered, go_on = asyncio.Event(), asyncio.Event()

        async def connect(sid: str, environ: dict[str, Any], auth: Any) -> None:
            await site.sio.enter_room(sid, "room")
            entered.set()
            await go_on.wait()

        site.sio.on("connect", connect)
        client = raw(site)
        session = await client.handshake()
        assert (await session.post("40")).body == b"ok"
        await entered.wait()
        assert (await session.post("1")).body == b"ok"
        go_on.set()
        await eventually(lambda: site.application.events)
        assert [kind for kind, _ in site.application.events] == ["disconnect: client disconnect"]
        await eventually(lambda: not site.sio.manager.rooms)
        assert not site.sio.environ
        assert not site.sio.eio.sockets
        client.close()


@each_mode
async def test_a_page_of_the_same_origin_is_let_in_over_tls(mode: str, tmp_path: Path) -> None:
    """HD-1: the scheme of the connection is the origin's, with the default settings."""
    pem = tmp_path / "server.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(pem))
    if mode == "tornado":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        run: dict[str, Any] = {"ssl_options": context}
    else:
        run = {"pem": pem}
    async with serving(mode, path="engine.io", run=run) as site, aiohttp.ClientSession() as client:
        for scheme, status in (("https", 200), ("http", 400)):
            headers = {"Origin": f"{scheme}://127.0.0.1:{site.port}"}
            async with client.get(f"https://127.0.0.1:{site.port}{url()}", headers=headers, ssl=False) as response:
                assert response.status == status, await response.text()


@each_mode
async def test_a_close_over_polling_answers_the_poll(mode: str) -> None:
    """PP-10"""
    async with serving(mode, path="engine.io") as site:
        client = raw(site)
        session = await client.handshake()
        poll = await session.park()
        assert (await session.post("1")).body == b"ok"
        assert (await poll.receive()).packets == ["6"]
        client.close()


@each_mode
async def test_a_second_websocket_during_an_upgrade_is_closed(mode: str) -> None:
    """UP-9: and the first one goes on."""
    async with serving(mode, path="engine.io") as site:
        client = raw(site)
        session = await client.handshake()
        first = await session.probe()
        second = await session.websocket()
        await second.closed()
        await first.send("5")
        await settle()
        await eventually(lambda: site.sio.eio.transport(session.sid) == "websocket")
        client.close()


@each_mode
async def test_the_intervals_are_told_in_milliseconds(mode: str) -> None:
    """HS-2: not truncated to whole seconds."""
    async with serving(mode, path="engine.io", ping_interval=2.5, ping_timeout=0.7) as site:
        client = raw(site)
        session = await client.handshake()
        assert (session.open["pingInterval"], session.open["pingTimeout"]) == (2_500, 700)
        client.close()


@each_mode
async def test_the_environ_tells_the_truth(mode: str) -> None:
    """AP-19: the peer, the server, the protocol; cookies that came apart are joined as cookies are."""
    async with serving(mode, path="engine.io") as site:
        client = raw(site)
        session = await client.handshake([("Cookie", "a=1"), ("Cookie", "b=2"), ("X-More", "1"), ("X-More", "2")])
        assert (await session.post("40")).body == b"ok"
        await eventually(lambda: site.application.environs)
        (environ,) = site.application.environs.values()
        assert environ["REMOTE_ADDR"] == "127.0.0.1"
        assert int(environ["REMOTE_PORT"]) > 0
        assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("127.0.0.1", str(site.port))
        assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"
        assert environ["wsgi.url_scheme"] == "http"
        assert environ["HTTP_COOKIE"] == "a=1; b=2"
        assert environ["HTTP_X_MORE"] == "1,2"
        client.close()


@each_mode
async def test_any_number_of_packets_may_come_at_once(mode: str) -> None:
    """PL-10"""
    async with serving(mode, path="engine.io") as site:
        client = raw(site)
        session = await client.handshake()
        assert (await session.post("\x1e".join(["40", *['42["say",1]'] * 100]))).body == b"ok"
        received: list[str] = []
        while len(received) < 101:
            received += (await session.get()).packets
        assert received[1:] == ['42["said",1]'] * 100
        client.close()
