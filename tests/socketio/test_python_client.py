"""python-socketio's own client, on every framework."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import socketio  # type: ignore[import-untyped]

from tests.integrations.harness import eventually

from .python_client import POLLING, UPGRADE, WEBSOCKET, Client, connected
from .sites import MODES, serving

VALUES: Sequence[Any] = ["text", "Grüße 🌍", 1, [], {"a": [1, {"b": 2}]}, b"\x00\xff", {"c": b"1", "d": [b"2"]}, b""]

each_mode = pytest.mark.parametrize("mode", MODES)
each_transport = pytest.mark.parametrize("transports", [POLLING, WEBSOCKET, UPGRADE], ids="-".join)


@each_mode
@each_transport
async def test_a_conversation(mode: str, transports: list[str]) -> None:
    """AP-9, AP-15, AP-17: events and acknowledgements both ways, text and binary, in order; leaving is noticed."""
    async with serving(mode) as site:
        async with connected(site.url, transports, auth={"token": 1}) as client:
            who = await client.call("who")
            assert who["session"] == {"auth": {"token": 1}}
            assert who["transport"] == transports[-1]
            for value in VALUES:
                assert await client.call("echo", value) == value
                assert await client.call("ask", value) == {"answer": value}
                await client.emit("say", (value, "again"))
            assert await client.until("said", len(VALUES)) == [[value, "again"] for value in VALUES]
        await eventually(lambda: len(site.application.events) == 2)
        # Over WebSocket this client may close before it has said that it leaves.
        reasons = {"client disconnect"} if transports == POLLING else {"client disconnect", "transport close"}
        (connected_one, (left, sid)) = site.application.events
        assert (connected_one, sid) == (("connect", who["sid"]), who["sid"])
        assert left.removeprefix("disconnect: ") in reasons


@each_mode
async def test_a_room(mode: str) -> None:
    """AP-9: everybody in it but the sender, and nobody who has left; text and binary on both transports."""
    async with serving(mode) as site, connected(site.url, POLLING) as one, connected(site.url, WEBSOCKET) as two:
        for client in (one, two):
            await client.call("join", "room")
        await two.emit("tell", ("room", "text"))
        await two.emit("tell", ("room", b"binary", {"more": bytearray(b"binary")}))
        assert await one.until("told", 2) == ["text", [b"binary", {"more": b"binary"}]]
        await two.call("leave", "room")
        await one.emit("tell", (["room", "another"], "nobody"))
        await site.sio.emit("told", "all")
        assert await two.until("told", 1) == ["all"]
        assert (await one.until("told", 3))[2:] == ["all"]


@each_mode
async def test_who_is_refused_and_who_is_sent_away(mode: str) -> None:
    """AP-4: refused with a reason; sent away, which the handler hears of once."""
    async with serving(mode) as site:
        client = Client()
        with pytest.raises(socketio.exceptions.ConnectionError, match="One or more namespaces failed to connect"):
            await client.connect(site.url, auth={"refuse": "a test"}, transports=WEBSOCKET)
        await client.disconnect()
        async with connected(site.url, WEBSOCKET) as client:
            await client.emit("kick")
            await eventually(lambda: not client.connected)
        kinds = [kind for kind, _ in site.application.events]
        assert kinds == ["connect", "disconnect: server disconnect"]
