"""The official JavaScript client, engine.io-client from npm, in Node.js."""

from __future__ import annotations

import base64
from typing import Any

import anyio
import pytest

from tests.integrations.harness import Serve, Site

from .exchange import COUNT, MESSAGES, Numbers, echo, last_words
from .node import scenario
from .relay import relay

pytestmark = pytest.mark.anyio

POLLING = {"transports": ["polling"]}
WEBSOCKET = {"transports": ["websocket"]}
UPGRADE = {"transports": ["polling", "websocket"]}

TRANSPORTS = pytest.mark.parametrize(
    ("client", "transport"),
    [(POLLING, "polling"), (WEBSOCKET, "websocket"), (UPGRADE, "websocket")],
    ids=["polling", "websocket", "upgrade"],
)


def as_json(data: str | bytes) -> dict[str, str]:
    return {"text": data} if isinstance(data, str) else {"hex": data.hex()}


async def exchanged(site: Site, client: dict[str, Any], transport: str, messages: list[str | bytes]) -> None:
    """Every message arrives as it was sent, alone and in a crowd, there and back, over the expected transport."""
    echo(site)
    result = await scenario("echo", site.port, client=client, messages=[as_json(one) for one in messages])
    assert result["transport"] == transport
    assert site.seen.messages(result["sid"]) == messages * 2
    assert result["received"] == [as_json(one) for one in messages * 2]
    assert result["reason"] == "forced close"


@TRANSPORTS
async def test_messages_of_every_kind(serve: Serve, client: dict[str, Any], transport: str) -> None:
    """PL-3, PL-4, PL-5, PL-6, PG-7, PP-17, UP-17, WS-2, CD-1, CD-2, CD-3, CD-6: text, unicode, empty, binary."""
    async with serve(async_handlers=False, decode_json=False) as site:
        await exchanged(site, client, transport, MESSAGES)


@pytest.mark.parametrize(
    ("client", "transport"),
    [
        ({}, "websocket"),
        ({"forceBase64": True, **POLLING}, "polling"),
        ({"forceBase64": True, **WEBSOCKET}, "websocket"),
        ({"forceBase64": True}, "websocket"),
        ({"fetch": True}, "websocket"),
        ({"fetch": True, "upgrade": False}, "polling"),
        ({"timestampRequests": True, "perMessageDeflate": {"threshold": 0}}, "websocket"),
    ],
    ids=[
        "every-transport",
        "base64-polling",
        "base64-websocket",
        "base64-upgrade",
        "fetch-upgrade",
        "fetch-polling",
        "deflate-offered",
    ],
)
async def test_options_of_the_client(serve: Serve, client: dict[str, Any], transport: str) -> None:
    """JP-4, PL-7, CD-1, CD-3, CD-7, CD-13: what applications may ask of the client works as well."""
    async with serve(async_handlers=False, decode_json=False) as site:
        await exchanged(site, client, transport, MESSAGES)


@pytest.mark.only(integration="aiohttp")
async def test_compressed_websocket(serve: Serve) -> None:
    """WS-15, CD-13: permessage-deflate, where the server is asked for it."""
    async with serve(async_handlers=False, decode_json=False, websocket_compression=True) as site:
        await exchanged(site, WEBSOCKET, "websocket", MESSAGES)


async def test_next_transport_after_a_refusal(serve: Serve) -> None:
    """CD-14, HS-8: a client that tries all transports goes on to WebSocket where polling is refused."""
    async with serve(async_handlers=False, decode_json=False, transports=["websocket"]) as site:
        await exchanged(site, {"tryAllTransports": True}, "websocket", ["hello"])


async def test_no_upgrade_offered(serve: Serve) -> None:
    """HS-21: a server without upgrades keeps the client on polling."""
    async with serve(async_handlers=False, decode_json=False, allow_upgrades=False) as site:
        await exchanged(site, UPGRADE, "polling", ["hello", b"bytes"])


async def test_upgrade_fails(serve: Serve) -> None:
    """UP-8, UP-11, WS-16, CD-16: `ws` misses the sub-protocol it asked for, and gives up; polling goes on."""
    async with serve() as site:
        echo(site)
        result = await scenario("upgrade_fails", site.port, client={"protocols": ["chat"]})
        assert (result["transport"], result["received"]) == ("polling", [{"text": "still here"}])
        assert await site.seen.closed(result["sid"]) == "client disconnect"


@pytest.mark.api("it makes the cookie")
async def test_cookie_comes_back(serve: Serve) -> None:
    """HD-8, CD-15: with credentials, the cookie of the handshake is in every later request, the upgrade's included."""
    async with serve(cookie="io") as site, relay(site.port) as line:
        result = await scenario("close", line.port, client={"withCredentials": True}, words=["hello"])
        assert result["transport"] == "websocket"
        requests = [request.lower() for request in bytes(line.heard).split(b" HTTP/1.1\r\n")[1:]]
        cookie = f"cookie: io={result['sid']}\r\n".encode().lower()
        assert [cookie in request for request in requests] == [False] + [True] * (len(requests) - 1)
        assert len([request for request in requests if b"upgrade: websocket" in request]) == 1


@pytest.mark.api("JSON is decoded")
async def test_json_arrives_decoded(serve: Serve) -> None:
    """PL-3, PL-17, AP-5: JSON text reaches the handler as dict or list, and goes back as compact JSON."""
    async with serve(async_handlers=False) as site:
        echo(site)
        sent = [{"text": '{"a": [1, null]}'}, {"text": "[true]"}, {"text": "[no json"}, {"text": "12"}]
        result = await scenario("echo", site.port, client=UPGRADE, messages=sent)
        assert site.seen.messages(result["sid"]) == [{"a": [1, None]}, [True], "[no json", "12"] * 2
        texts = [one["text"] for one in result["received"]]
        assert texts == ['{"a":[1,null]}', "[true]", "[no json", "12"] * 2


async def test_nothing_is_lost_in_the_upgrade(serve: Serve) -> None:
    """FD-5, FD-6, UP-2, UP-3, UP-4, UP-17, UP-19, PL-11, PP-13: 1,000 numbers each way while the upgrade runs."""
    async with serve(async_handlers=False) as site:
        numbers = Numbers(site)
        result = await scenario("upgrade", site.port, count=COUNT)
        await numbers.verify(result["sid"], result["received"])
        assert result["transport"] == "websocket"
        # It was the upgrade that was shown: messages before it, in its middle and after it, at both ends.
        assert set(result["sent"]) == numbers.transports == {"polling", "websocket"}
        assert result["inTheMiddle"] == COUNT / 4


@TRANSPORTS
async def test_server_closes(serve: Serve, client: dict[str, Any], transport: str) -> None:
    """CL-2, CL-5, CL-6, CL-12, CL-15, WS-8, WS-22, CD-11: the last words arrive, then the close."""
    async with serve() as site:
        words = last_words(site)
        result = await scenario("closed", site.port, client=client, say=["go"])
        assert result["transport"] == transport
        assert result["received"] == [{"text": word} for word in words]
        assert result["reason"] == "transport close"
        assert result["code"] == (1000 if transport == "websocket" else None)
        assert await site.seen.closed(result["sid"]) == "server disconnect"


@TRANSPORTS
async def test_server_shuts_down(serve: Serve, client: dict[str, Any], transport: str) -> None:
    """SD-1, WS-22: shutdown tells every client, with 1001 on a WebSocket."""
    async with serve(check=False) as site, anyio.create_task_group() as group:

        async def message(sid: str, data: Any) -> None:
            site.seen.message(sid, data)
            group.start_soon(site.eio.shutdown)

        site.eio.on("message", message)
        result = await scenario("closed", site.port, client=client, say=["go"])
        assert (result["transport"], result["reason"]) == (transport, "transport close")
        assert result["code"] == (1001 if transport == "websocket" else None)
        assert await site.seen.closed(result["sid"]) == "server disconnect"


@TRANSPORTS
async def test_client_closes(serve: Serve, client: dict[str, Any], transport: str) -> None:
    """CL-9, CL-10, CL-14, PP-10, WS-7, CD-8: the client's last words are heard, and the reason is its transport's."""
    words = [f"last words {number}" for number in range(40)]
    async with serve(async_handlers=False) as site:
        result = await scenario("close", site.port, client=client, words=words)
        assert (result["transport"], result["reason"]) == (transport, "forced close")
        reason = await site.seen.closed(result["sid"])
        assert reason == {"polling": "client disconnect", "websocket": "transport close"}[transport]
        assert site.seen.messages(result["sid"]) == words


@TRANSPORTS
async def test_client_vanishes(serve: Serve, client: dict[str, Any], transport: str) -> None:
    """PG-4, CL-10, CL-11, CD-9, CD-10: a client's process ends; its dropped poll, or WebSocket, ends the session."""
    async with serve() as site:
        result = await scenario("vanish", site.port, client=client)
        assert result["transport"] == transport
        reason = await site.seen.closed(result["sid"])
        assert reason == {"polling": "transport error", "websocket": "transport close"}[transport]


@TRANSPORTS
async def test_heartbeat(serve: Serve, client: dict[str, Any], transport: str) -> None:
    """HB-1, HB-12, UP-15, CD-12: a client that answers pings stays."""
    async with serve(ping_interval=0.1, ping_timeout=5) as site:
        echo(site)
        result = await scenario("heartbeat", site.port, client=client, pings=5)
        assert result["transport"] == transport
        assert result["received"] == [{"text": "still here"}]
        assert result["reason"] == "forced close"


@TRANSPORTS
async def test_client_does_not_answer_pings(serve: Serve, client: dict[str, Any], transport: str) -> None:
    """HB-2, HB-3, HB-4, HB-13, CL-13: no pong, and the server closes: "ping timeout", on both transports.

    The grace of 10 s keeps the client's own clock out of it.
    """
    async with serve(ping_interval=(0.3, 10), ping_timeout=0.5) as site:
        result = await scenario("mute", site.port, client=client)
        assert (result["transport"], result["reason"], result["pings"]) == (transport, "transport close", 1)
        assert await site.seen.closed(result["sid"]) == "ping timeout"


@TRANSPORTS
async def test_network_falls_silent(serve: Serve, client: dict[str, Any], transport: str) -> None:
    """HB-12, CL-13, CL-18: the line is cut without a word; each end finds out by itself: "ping timeout"."""
    async with serve(ping_interval=0.5, ping_timeout=0.7) as site, relay(site.port) as line:

        def message(sid: str, data: Any) -> None:
            site.seen.message(sid, data)
            line.cut()

        site.eio.on("message", message)
        result = await scenario("cut", line.port, client=client, say=["cut"])
        assert (result["transport"], result["reason"]) == (transport, "ping timeout")
        assert await site.seen.closed(result["sid"]) == "ping timeout"


def batches() -> list[Any]:
    text: list[str | bytes] = [f"{number:03} " + "x" * 86 for number in range(200)]
    wide: list[str | bytes] = ["ü" * 60 + "🌍" * 10 for _ in range(100)]
    # The client estimates 299 bytes as 398 of base64, which are 400: 25 of them are 9,999 to it, and 10,049 in truth.
    binary: list[str | bytes] = [bytes([number]) * 299 for number in range(100)]
    return [
        pytest.param(text, 1_000, 1_000, id="text"),
        pytest.param(wide, 1_000, 1_000, id="unicode"),
        pytest.param(binary, 10_000, 10_049, id="binary"),
    ]


@pytest.mark.parametrize(("messages", "limit", "largest"), batches())
async def test_queued_messages_are_split(serve: Serve, messages: list[str | bytes], limit: int, largest: int) -> None:
    """CD-4, CD-5, PL-12, PL-16, FD-6: the client packs up to maxPayload into a POST, by its estimate; all arrive."""
    async with serve(async_handlers=False, max_http_buffer_size=limit) as site:

        async def message(sid: str, data: Any) -> None:
            site.seen.message(sid, data)
            if len(site.seen.messages(sid)) == len(messages):
                await site.eio.send(sid, "all")

        site.eio.on("message", message)
        result = await scenario("batches", site.port, messages=[as_json(one) for one in messages])
        assert result["maxPayload"] == limit
        assert site.seen.messages(result["sid"]) == messages
        assert limit * 0.8 < max(result["payloads"]) <= largest
        assert len(result["payloads"]) < len(messages) / 2
        if isinstance(messages[0], bytes):
            assert max(result["payloads"]) == largest == 25 * len("b" + base64.b64encode(bytes(299)).decode()) + 24


@TRANSPORTS
async def test_message_is_too_large(serve: Serve, client: dict[str, Any], transport: str) -> None:
    """ER-7, PL-12, PL-13, PL-14, CL-11: 413 over polling, 1009 over WebSocket, and the session is closed."""
    async with serve(max_http_buffer_size=1_000) as site:
        result = await scenario("too_large", site.port, client=client, say="x" * 2_000)
        assert result["transport"] == transport
        if transport == "polling":
            assert result["status"] == 413
            assert result["reason"] in {"transport error", "transport close"}  # by the 413, or by the poll before it
        else:
            assert (result["reason"], result["code"]) == ("transport close", 1009)
        assert await site.seen.closed(result["sid"]) == "transport error"
        assert site.seen.messages(result["sid"]) == []


@pytest.mark.parametrize("client", [POLLING, WEBSOCKET], ids=["polling", "websocket"])
async def test_unknown_session(serve: Serve, client: dict[str, Any]) -> None:
    """HS-12, HS-13, ER-1, ER-4, CD-1: the client dies of a transport error; the body is this, byte for byte."""
    async with serve() as site:
        result = await scenario("refused", site.port, client={**client, "query": {"sid": "nobody"}})
        assert (result["reason"], result["status"]) == ("transport error", 400)
        if client is POLLING:
            assert result["body"] == '{"code":1,"message":"Session ID unknown"}'
        assert site.seen.events == []


@pytest.mark.parametrize("client", [POLLING, WEBSOCKET], ids=["polling", "websocket"])
@pytest.mark.parametrize(
    ("answer", "body"),
    [
        pytest.param(False, '"Unauthorized"', id="false"),
        pytest.param({"why": "closed"}, '{"why":"closed"}', id="value", marks=pytest.mark.api("the value is the body")),
    ],
)
async def test_application_refuses(serve: Serve, client: dict[str, Any], answer: object, body: str) -> None:
    """ER-4, ER-10, AP-4, CD-1: the connect handler says no: 401 with its answer, and no session."""
    async with serve() as site:
        site.eio.on("connect", lambda sid, environ: answer)
        result = await scenario("refused", site.port, client=client)
        assert (result["reason"], result["status"]) == ("transport error", 401)
        if client is POLLING:
            assert result["body"] == body
        assert len(site.eio.sockets) == 0
        assert site.seen.events == []
