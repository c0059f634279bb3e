"""Faults of the machine, the network and the loop (H27, H29, H31, H32)."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import anyio
import pytest

from tests.integrations.clients import UPGRADE, frame, settle, url
from tests.integrations.harness import Serve, Site, eventually

from .conftest import MANY, Memory

pytestmark = pytest.mark.anyio

GONE = {"transport error", "transport close", "ping timeout"}


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_a_pong_that_waits_while_the_loop_stalls(serve: Serve, transport: str) -> None:
    """H27: it lies in the kernel's buffer when its deadline passes; the session lives. One without a pong does not."""
    async with serve(ping_interval=0.4, ping_timeout=0.5) as site:
        websocket, witness = await site.websocket(), await site.websocket()
        session = await site.handshake()
        posting = session.client.connect()

        def message(sid: str, data: Any) -> None:
            if data == "stall":
                if transport == "websocket":
                    websocket.stream.sock.send(websocket.encode("3"))
                else:
                    head = f"POST {session.url} HTTP/1.1\r\nHost: {site.host}\r\nContent-Length: 1\r\n\r\n3"
                    posting.stream.sock.send(head.encode())
                time.sleep(1.0)
            site.seen.message(sid, data)

        site.eio.on("message", message)
        sid = websocket.sid if transport == "websocket" else session.sid

        async def ping_and(answer: str) -> None:
            """Wait for the next ping, and answer it."""
            if transport == "websocket":
                assert await websocket.receive() == "2"
                await websocket.send(answer)
            else:
                assert (await session.get()).body == b"2"
                assert (await session.post(answer)).body == b"ok"

        await ping_and("4stall")
        await site.seen.until("message", sid, "stall")
        await ping_and("3")
        assert await site.seen.closed(witness.sid) == "ping timeout"
        assert [kind for kind, _ in site.seen.of(sid)] == ["message"]
        assert await site.seen.closed(sid) == "ping timeout"


# ------------------------------------------------------------------------------------------------------- abandoned


async def half_a_request(site: Site) -> None:
    connection = site.connect()
    await connection.stream.send(b"GET /engine.io/?EIO=4&tr")
    connection.reset()


async def nothing(site: Site) -> None:
    site.connect().reset()


async def a_handshake(site: Site) -> None:
    await site.handshake()


async def a_parked_get(site: Site) -> None:
    connection = site.connect()
    await connection.send("GET", (await site.handshake()).url)
    connection.reset()


async def half_a_post(site: Site) -> None:
    connection = site.connect()
    await connection.send("POST", (await site.handshake()).url, [("Content-Length", "100")], b"4half", end=False)
    connection.reset()


async def a_websocket_without_its_answer(site: Site) -> None:
    connection = site.connect()
    await connection.send("GET", url("websocket"), UPGRADE)
    connection.reset()


async def a_websocket(site: Site) -> None:
    (await site.websocket()).reset()


async def half_a_frame(site: Site) -> None:
    websocket = await site.websocket()
    await websocket.send_raw(frame(b"4" + b"x" * 200)[:50])
    websocket.reset()


async def a_probe(site: Site) -> None:
    session = await site.handshake()
    (await session.probe()).reset()


async def an_upgrade(site: Site) -> None:
    session = await site.handshake()
    websocket = await session.probe()
    await websocket.send("5", "4last")
    websocket.reset()


STEPS: list[Callable[[Site], Awaitable[None]]] = [
    nothing,
    half_a_request,
    a_handshake,
    a_parked_get,
    half_a_post,
    a_websocket_without_its_answer,
    a_websocket,
    half_a_frame,
    a_probe,
    an_upgrade,
]


@pytest.mark.timeout(150)
async def test_clients_that_leave_at_every_step_leave_nothing(serve: Serve, memory: Memory) -> None:
    """H29: after a thousand of them there is not one object more of ours, and no memory more; fewer elsewhere."""
    async with serve(ping_interval=0.3, ping_timeout=0.3) as site:
        rounds = 100 if site.server.name in MANY else 10

        async def play(times: int) -> None:
            for _ in range(times):
                for step in STEPS:
                    await step(site)
                site.close()
                site.connections.clear()
            await settle()
            await eventually(lambda: len(site.eio.sockets) == 0)
            site.seen.events.clear()
            site.seen.environs.clear()
            gc.collect()

        await play(3)
        objects, held = ours(), memory.ours()
        await play(rounds)
        await eventually(lambda: ours() <= objects)
        assert memory.ours() < held + 200 * 10 * rounds  # Sanic keeps a WebSocket that is gone for some seconds


def ours() -> Counter[str]:
    """How many objects there are of each of our types."""
    gc.collect()
    names = (f"{type(thing).__module__}.{type(thing).__qualname__}" for thing in gc.get_objects())
    return Counter(name for name in names if name.startswith("eio_"))


# ---------------------------------------------------------------------------------------------------- unwritable


async def test_a_response_that_cannot_be_written(serve: Serve) -> None:
    """H31, FD-12, IN-17: the client reads none of it and goes; the session is over, nothing is delivered twice."""
    async with serve(ping_interval=0.5, ping_timeout=0.5, http_compression=False) as site:
        session = await site.handshake()
        for number in range(10):
            await site.eio.send(session.sid, f"{number}" + "x" * 1_000_000)
        connection = site.connect()
        await connection.send("GET", session.url)
        await settle()
        connection.reset()
        assert await site.seen.closed(session.sid) in GONE
        assert (await session.get()).status == 400


async def test_a_websocket_message_that_cannot_be_written(serve: Serve) -> None:
    """H31, WS-9: the same on a WebSocket; what was not written is dropped with its session."""
    async with serve(ping_interval=0.5, ping_timeout=0.5) as site:
        websocket = await site.websocket()
        for _ in range(10):
            await site.eio.send(websocket.sid, "x" * 1_000_000)
        websocket.reset()
        await site.eio.send(websocket.sid, "after")
        assert await site.seen.closed(websocket.sid) in GONE
        assert [kind for kind, _ in site.seen.of(websocket.sid)] == ["disconnect"]


async def test_a_compressed_response_that_nobody_awaits(serve: Serve) -> None:
    """H32, HD-13, HD-15: left while it is compressed, and while it is written; the next client is served."""
    random = Random(1)
    text = "".join(map(str, random.choices(range(10**6), k=100_000)))
    gzip = [("Accept-Encoding", "gzip")]
    async with serve(ping_interval=0.5, ping_timeout=0.5) as site:
        for wait in (0, 0, 0.01, 0.05, 0.1):
            session = await site.handshake()
            await site.eio.send(session.sid, text)
            connection = site.connect()
            await connection.send("GET", session.url, gzip)
            await anyio.sleep(wait)
            connection.reset()
            other = await site.handshake()
            await site.eio.send(other.sid, text)
            response = await other.get(gzip)
            assert response.get("content-encoding") == "gzip"
            assert (await other.post("1")).body == b"ok"
            assert await site.seen.closed(session.sid) in GONE
        assert len(site.eio.sockets) == 0
