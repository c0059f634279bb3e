"""python-engineio's clients, the one on asyncio and the one on threads."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import engineio  # type: ignore[import-untyped]
import pytest

from tests.integrations.harness import Serve, eventually

from .engineio_client import Client, connected
from .exchange import COUNT, MESSAGES, Numbers, echo, last_words
from .relay import relay

pytestmark = pytest.mark.anyio

POLLING, WEBSOCKET, UPGRADE = ["polling"], ["websocket"], ["polling", "websocket"]

TRANSPORTS = pytest.mark.parametrize("transports", [POLLING, WEBSOCKET, UPGRADE], ids="-".join)


@TRANSPORTS
async def test_messages_of_every_kind(serve: Serve, client_type: type[Client], transports: list[str]) -> None:
    """PL-3, PL-5, PL-6, PL-11, PP-17, UP-18, WS-2, CD-17: text, unicode, empty, binary, there and back, in order."""
    async with serve(async_handlers=False) as site, connected(client_type(), site.port, transports) as client:
        echo(site)
        for count, message in enumerate(MESSAGES, 1):
            await client.send(message)
            await client.receive(count)
        await client.send(*MESSAGES)
        await client.receive(2 * len(MESSAGES))
        assert client.received == site.seen.messages(client.sid) == MESSAGES * 2


@TRANSPORTS
@pytest.mark.api("JSON is decoded")
async def test_json(serve: Serve, client_type: type[Client], transports: list[str]) -> None:
    """PL-3, PL-17, AP-5, CD-17: dict and list are JSON on the wire, and dict and list again at the other end."""
    messages = [{"a": [1, None, "ü"]}, [], {}, [[{}]], "12", "{no JSON"]
    async with serve(async_handlers=False) as site, connected(client_type(), site.port, transports) as client:
        echo(site)
        await client.send(*messages)
        await client.receive(len(messages))
        assert client.received == site.seen.messages(client.sid) == messages


@TRANSPORTS
async def test_nothing_is_lost(serve: Serve, client_type: type[Client], transports: list[str]) -> None:
    """FD-5, FD-6, HS-20, PL-11, UP-4, UP-18, UP-19, CD-17: 1,000 numbers each way, from the handshake on.

    More than 16 packets wait for a poll all the time: the client would drop a connection that brought more at once.
    """
    async with serve(async_handlers=False) as site:
        numbers = Numbers(site)
        client = client_type()

        client.at_connect(*(f"client {number}" for number in range(COUNT // 4)))
        await client.connect(site.port, transports)
        for number in range(COUNT // 4, COUNT):
            await client.send(f"client {number}")
            await anyio.lowlevel.checkpoint()
        await client.receive(COUNT)
        await numbers.verify(client.sid, client.received)
        assert numbers.transports == {transports[-1]}
        await client.leave()


@TRANSPORTS
async def test_server_closes(serve: Serve, client_type: type[Client], transports: list[str]) -> None:
    """CL-2, CL-5, CL-6, CL-12, CL-15, PL-11, WS-8, CD-17: the last words arrive, then the close."""
    async with serve() as site, connected(client_type(), site.port, transports) as client:
        words = last_words(site)
        await client.send("go")
        reason = await client.ended()
        # The client takes the end of a WebSocket for an error, whoever ended it.
        assert reason == ("server disconnect" if transports == POLLING else "transport error")
        assert await client.receive(len(words)) == words  # it starts a task for each, and then closes
        assert await site.seen.closed(client.sid) == "server disconnect"


@TRANSPORTS
async def test_client_closes(serve: Serve, client_type: type[Client], transports: list[str]) -> None:
    """CL-9, CL-10, CL-14, PP-10, WS-6, CD-17: the client says `1`, and over WebSocket may close that first."""
    async with serve(async_handlers=False) as site, connected(client_type(), site.port, transports) as client:
        echo(site)
        await client.send("hello")
        await client.receive(1)
        await client.close()
        assert client.reasons == ["client disconnect"]
        reason = await site.seen.closed(client.sid)
        # Over WebSocket it closes at once, and what it said may be read before or not any more.
        assert reason == "client disconnect" or (reason == "transport close" and transports != POLLING)


@pytest.mark.parametrize("transports", [WEBSOCKET, UPGRADE], ids="-".join)
async def test_client_says_that_it_closes(serve: Serve, client_type: type[Client], transports: list[str]) -> None:
    """CL-9, WS-6: `1` on a WebSocket closes it, and nothing after it is delivered."""
    async with serve(async_handlers=False) as site, connected(client_type(), site.port, transports) as client:
        await client.send("last words")
        await client.say_close()
        await client.send("too late")
        assert await site.seen.closed(client.sid) == "client disconnect"
        assert site.seen.messages(client.sid) == ["last words"]
        assert await client.ended() == "transport error"


@TRANSPORTS
async def test_connection_drops(serve: Serve, client_type: type[Client], transports: list[str]) -> None:
    """PG-4, WS-7, CL-10, CL-11: the client's connections break, without a word."""
    async with (
        serve() as site,
        relay(site.port) as line,
        connected(client_type(), line.port, transports) as client,
    ):
        echo(site)
        await client.send("here")
        await client.receive(1)
        if transports == POLLING:
            await eventually(lambda: site.core(client.sid).poll is not None)
        line.drop()
        reason = await site.seen.closed(client.sid)
        assert reason == ("transport error" if transports == POLLING else "transport close")
        assert await client.ended() == "transport error"


@TRANSPORTS
async def test_heartbeat(serve: Serve, client_type: type[Client], transports: list[str]) -> None:
    """HB-1, HB-15, UP-15: a client that answers pings stays."""
    async with (
        serve(ping_interval=0.1, ping_timeout=5) as site,
        connected(client_type(), site.port, transports) as client,
    ):
        echo(site)
        await eventually(lambda: client.pongs >= 5)
        await client.send("still here")
        assert await client.receive(1) == ["still here"]


@TRANSPORTS
async def test_client_does_not_answer_pings(serve: Serve, client_type: type[Client], transports: list[str]) -> None:
    """HB-2, HB-3, HB-4, HB-13, CL-13: no pong, and the server closes: "ping timeout", on both transports."""
    async with serve(ping_interval=(0.3, 10), ping_timeout=0.5) as site:
        client = client_type()
        client.mute = True
        await client.connect(site.port, transports)
        assert await site.seen.closed(client.sid) == "ping timeout"
        reason = await client.ended()
        assert reason == ("server disconnect" if transports == POLLING else "transport error")
        await client.leave()


async def test_network_falls_silent(serve: Serve, client_type: type[Client]) -> None:
    """HB-12, CL-13, CL-18: the line is cut without a word; each end finds out by itself."""
    async with (
        serve(ping_interval=0.5, ping_timeout=0.7) as site,
        relay(site.port) as line,
        connected(client_type(), line.port, UPGRADE) as client,
    ):
        line.cut()
        assert await client.ended() == "transport error"
        assert await site.seen.closed(client.sid) == "ping timeout"


@TRANSPORTS
async def test_message_is_too_large(serve: Serve, client_type: type[Client], transports: list[str]) -> None:
    """ER-7, PL-13, PL-14, CL-11: the session ends, and the message is not delivered."""
    async with serve(max_http_buffer_size=1_000) as site, connected(client_type(), site.port, transports) as client:
        await client.send("x" * 2_000)
        assert await site.seen.closed(client.sid) == "transport error"
        await client.ended()
        assert site.seen.messages(client.sid) == []


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        pytest.param(False, "Unauthorized", id="false"),
        pytest.param({"why": "closed"}, {"why": "closed"}, id="value", marks=pytest.mark.api("the value is the body")),
    ],
)
async def test_application_refuses(serve: Serve, client_type: type[Client], answer: object, body: object) -> None:
    """ER-10, AP-4, CD-18: the connect handler says no: 401, and its answer reaches the client's application."""
    async with serve() as site:
        site.eio.on("connect", lambda sid, environ: answer)
        client = client_type()
        with pytest.raises(engineio.exceptions.ConnectionError) as caught:
            await client.connect(site.port, POLLING)
        assert caught.value.args == ("Unexpected status code 401 in server response", body)
        with pytest.raises(engineio.exceptions.ConnectionError, match="Connection error"):
            await client.connect(site.port, WEBSOCKET)
        await client.leave()
        assert site.seen.events == []


async def test_unknown_session(serve: Serve, client_type: type[Client]) -> None:
    """HS-12, HS-13, CD-18: an unknown sid is refused on both transports; the client shows the JSON body."""
    async with serve() as site:
        client = client_type()
        with pytest.raises(engineio.exceptions.ConnectionError) as caught:
            await client.connect(site.port, POLLING, "?sid=nobody")
        assert caught.value.args[1] == {"code": 1, "message": "Session ID unknown"}
        with pytest.raises(engineio.exceptions.ConnectionError, match="Connection error"):
            await client.connect(site.port, WEBSOCKET, "?sid=nobody")
        await client.leave()
        assert site.seen.events == []
