"""send() and send_packet(), and their order: AP-9."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from .harness import Logs, Serve

pytestmark = [pytest.mark.anyio, pytest.mark.api("send() and send_packet()")]


def packet(packet_type: Any, data: Any) -> Any:
    """A packet of somebody else's, whose own encode() must not be asked."""

    def encode(b64: bool = False) -> None:
        raise AssertionError("encode() was called")

    return SimpleNamespace(packet_type=packet_type, data=data, encode=encode, binary=isinstance(data, bytes))


async def test_send_packet_takes_any_packet(serve: Serve) -> None:
    """AP-9, PL-18: by its packet_type and data; one object for many recipients."""
    packets = [packet(4, "text"), packet(4, b"\x01\x02\x03\x04"), packet(4, {"a": [1]}), packet(4, bytearray(b"b"))]
    async with serve() as site:
        session, websocket = await site.handshake(), await site.websocket()
        for one in packets:
            for sid in (session.sid, websocket.sid):
                await site.eio.send_packet(sid, one)
        assert (await session.get()).packets == ["4text", "bAQIDBA==", '4{"a":[1]}', "bYg=="]
        assert await websocket.receive_many(4) == ["4text", b"\x01\x02\x03\x04", '4{"a":[1]}', b"b"]


async def test_send_packet_takes_our_own_packet(serve: Serve) -> None:
    """AP-9"""
    from eio_core import Packet, PacketType

    async with serve() as site:
        session = await site.handshake()
        await site.eio.send_packet(session.sid, Packet(PacketType.MESSAGE, "ours"))
        assert (await session.get()).body == b"4ours"


async def test_send_packet_sends_messages_only(serve: Serve) -> None:
    """AP-9: another type is a ValueError."""
    async with serve() as site:
        for kind in (0, 1, 2, 3, 5, 6, 7):
            session = await site.handshake()
            with pytest.raises(ValueError, match=r"(?i)message"):
                await site.eio.send_packet(session.sid, packet(kind, "x"))
            await site.eio.send(session.sid, "next")
            assert (await session.get()).body == b"4next"


@pytest.mark.parametrize("data", [object(), "a\ud800", "a\x1eb"], ids=["type", "surrogate", "separator"])
async def test_send_packet_logs_where_send_raises(serve: Serve, logs: Logs, logger: logging.Logger, data: Any) -> None:
    """AP-9, PL-8, PL-17, PL-20: nobody would see the exception of its task; the packet is dropped."""
    logs.allow(TypeError, ValueError)
    async with serve(logger=logger) as site:
        session = await site.handshake()
        await site.eio.send_packet(session.sid, packet(4, data))
        assert len(logs.lines(logging.WARNING)) == 1
        await site.eio.send_packet(session.sid, packet(4, "next"))
        assert (await session.get()).body == b"4next"


async def test_sends_append_before_they_suspend(serve: Serve) -> None:
    """AP-9: the first step of the coroutine has done it."""
    async with serve() as site:
        session = await site.handshake()
        sends: list[Any] = [
            site.eio.send(session.sid, "a"),
            site.eio.send_packet(session.sid, packet(4, "b")),
            site.eio.send(session.sid, "x" * 300_000),
        ]
        for number, send in enumerate(sends, 1):
            with suppress(StopIteration):
                send.send(None)
            send.close()
            assert site.eio.buffered(session.sid) >= 64 * number
        assert (await session.get()).body == b"4a\x1e4b\x1e4" + b"x" * 300_000


@pytest.mark.only(backend="asyncio")
@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_concurrent_sends_keep_the_order_of_their_calls(serve: Serve, transport: str) -> None:
    """AP-9: a task for each, as python-socketio makes them."""
    async with serve(max_packets_per_poll=None) as site:
        session = await site.handshake()
        websocket = await session.upgrade() if transport == "websocket" else None
        sends = [
            asyncio.ensure_future(site.eio.send_packet(session.sid, packet(4, f"{number}" if number % 3 else b"b")))
            for number in range(150)
        ]
        await asyncio.gather(*sends)
        expected: list[Any] = [f"4{number}" if number % 3 else b"b" for number in range(150)]
        if websocket is None:
            assert (await session.get()).packets == ["bYg==" if one == b"b" else one for one in expected]
        else:
            assert await websocket.receive_many(150) == expected


async def test_cancelling_a_send_loses_nothing_of_others(serve: Serve) -> None:
    """AP-9, AP-24: cancellation of the application never reaches the middle of a write."""
    async with serve() as site:
        websocket = await site.websocket()
        text = "x" * 1_000_000  # daphne sends no message over 1 MiB
        for number in range(10):
            with anyio.move_on_after(0.001):
                await site.eio.send(websocket.sid, f"{number}{text}")
                await site.eio.drain(websocket.sid)
        for number in range(10):
            assert await websocket.receive() == f"4{number}{text}"
