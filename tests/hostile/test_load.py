"""Clients that read nothing, and clients that flood, with a hundred well-behaved ones beside them (H19, H20, FD-8)."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from tests.integrations.clients import TIMEOUT, Session, WebSocket, frame, settle
from tests.integrations.harness import Serve, Site, eventually
from tests.integrations.servers import Gap

from .conftest import Memory

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

MB = 1_000_000
CLIENTS = 100
FEW_TASKS = 5
"""Those of a further connection, in servers that have several for each."""
PONGS = 24 * MB
"""More than the kernel's buffers hold of both directions of a connection."""
ROUNDS = 3
"""How often each of the well-behaved clients sends a message and waits for its echo."""


class Crowd:
    """A hundred well-behaved clients, half of them on polling and half on WebSocket, and how long their echoes took."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.sids: set[str] = set()
        self.took: list[float] = []
        self._sessions: list[Session] = []
        self._websockets: list[WebSocket] = []

    async def gather(self) -> None:
        self._sessions = [await self.site.handshake() for _ in range(CLIENTS // 2)]
        self._websockets = [await self.site.websocket() for _ in range(CLIENTS // 2)]
        self.sids = {one.sid for one in self._sessions} | {one.sid for one in self._websockets}

    async def talk(self) -> None:
        """All of them at once; an echo that is lost, doubled or out of order fails."""
        async with anyio.create_task_group() as group:
            for session in self._sessions:
                group.start_soon(self._poll, session)
            for websocket in self._websockets:
                group.start_soon(self._chat, websocket)

    async def alone(self) -> str:
        """How long it takes with nobody else there."""
        await self.talk()
        report, self.took = self.report("alone"), []
        return report

    def report(self, name: str) -> str:
        milliseconds = [1000 * seconds for seconds in self.took]
        worst, late = max(milliseconds), quantiles(milliseconds, n=100)[98]
        middle = median(milliseconds)
        return f"{name}: {len(milliseconds)} echoes, median {middle:.1f} ms, 99 % {late:.1f} ms, worst {worst:.1f} ms"

    async def _poll(self, session: Session) -> None:
        for number in range(ROUNDS):
            began = anyio.current_time()
            assert (await session.post(f"4{number}")).body == b"ok"
            assert (await session.get()).body == f"4{number}".encode()
            self.took.append(anyio.current_time() - began)
            await anyio.sleep(0.01)

    async def _chat(self, websocket: WebSocket) -> None:
        for number in range(ROUNDS):
            began = anyio.current_time()
            await websocket.send(f"4{number}")
            assert await websocket.receive() == f"4{number}"
            self.took.append(anyio.current_time() - began)
            await anyio.sleep(0.01)


def echo(site: Site, crowd: Crowd) -> Callable[[str, Any], Any]:
    """A message handler that answers the crowd."""

    async def message(sid: str, data: Any) -> None:
        if sid in crowd.sids:
            await site.eio.send(sid, data)

    return message


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_a_client_that_reads_nothing(
    serve: Serve, memory: Memory, transport: str, record_property: Callable[[str, object], None]
) -> None:
    """H19, FD-8: its outbox stops at the bound, it is closed, and its memory returns; the crowd is served meanwhile."""
    takes_all = Gap.TAKES_WHAT_IT_GETS in serve.args[0].gaps and transport == "websocket"  # type: ignore[attr-defined]
    async with serve(max_buffered_bytes=2 * MB, ping_interval=300) as site:
        crowd = Crowd(site)
        await crowd.gather()
        site.eio.on("message", echo(site, crowd))
        alone = await crowd.alone()
        deaf = await (site.websocket() if transport == "websocket" else site.handshake())
        memory.begin()
        async with anyio.create_task_group() as group:
            group.start_soon(crowd.talk)
            sent = 0
            while deaf.sid in site.seen.live and sent < (20 if takes_all else 400):
                await site.eio.send(deaf.sid, bytes([sent % 256]) * 100_000)
                sent += 1
                if deaf.sid in site.eio.sockets:
                    assert site.eio.buffered(deaf.sid) <= 2 * MB + 200_000
                await anyio.lowlevel.checkpoint()
        if takes_all:  # the server has it; we shall not know before its ping timeout
            assert site.eio.buffered(deaf.sid) == 0
        else:
            assert await site.seen.closed(deaf.sid) == "transport error"
            assert sent < 400
            assert memory.peak < 10 * MB  # the outbox, what the framework buffers, and the crowd
            await eventually(lambda: deaf.sid not in site.eio.sockets)
        report = crowd.report(f"{site.server}, beside a client that reads nothing") + f"; {alone}"
        record_property("latency", report)
        print(report)
        if isinstance(deaf, WebSocket):
            deaf.reset()


@pytest.mark.api("messages that wait for handlers")
@pytest.mark.parametrize(("transport", "async_handlers"), [("polling", True), ("websocket", False)])
async def test_a_client_that_reads_nothing_while_its_handlers_wait_for_it(
    serve: Serve, transport: str, async_handlers: bool
) -> None:
    """H19, HB-2: they keep us from reading its pong, but it is closed all the same, and they go on."""
    running = 0
    async with serve(
        ping_interval=0.4, ping_timeout=0.3, async_handlers=async_handlers, max_pending_messages=4
    ) as site:

        async def message(sid: str, data: Any) -> None:
            nonlocal running
            running += 1
            for _ in range(10):
                await site.eio.send(sid, bytes(300_000))
            await site.eio.drain(sid)
            running -= 1

        site.eio.on("message", message)
        deaf = await (site.websocket() if transport == "websocket" else site.handshake())
        if isinstance(deaf, WebSocket):
            await deaf.send(*["4x"] * 4)
        else:
            await site.connect().send("POST", deaf.url, body=b"\x1e".join([b"4x"] * 4))
        assert await site.seen.closed(deaf.sid) == "ping timeout"
        await eventually(lambda: not running)


@pytest.mark.api("messages that wait for handlers")
@pytest.mark.parametrize("async_handlers", [False, True])
async def test_a_client_that_floods(
    serve: Serve, memory: Memory, async_handlers: bool, record_property: Callable[[str, object], None]
) -> None:
    """H20, PP-2, WS-18: what waits for its handlers is bounded, and so is what is read; the crowd is served."""
    release = anyio.Event()
    async with serve(async_handlers=async_handlers, max_pending_messages=8, ping_interval=300) as site:
        crowd = Crowd(site)
        await crowd.gather()
        answer = echo(site, crowd)
        waiting = 0

        async def message(sid: str, data: Any) -> None:
            nonlocal waiting
            if sid in crowd.sids:
                await answer(sid, data)
            else:
                waiting += 1
                await release.wait()

        site.eio.on("message", message)
        alone = await crowd.alone()
        flooding, posting = await site.websocket(), await site.handshake()
        flood = frame(bytes(100_000), 2)
        memory.begin()

        async def send() -> None:
            with anyio.move_on_after(1.5), suppress(ConnectionError):
                for _ in range(400):
                    await flooding.stream.send(flood)

        post = site.connect()
        await post.send("POST", posting.url, body=b"\x1e".join([b"4" + b"x" * 1000] * 500))
        async with anyio.create_task_group() as group:
            group.start_soon(send)
            group.start_soon(crowd.talk)
        assert post.silent
        assert waiting <= (16 if async_handlers else 2)
        if Gap.READS_AHEAD not in site.server.gaps:
            assert memory.peak < 10 * MB
        report = crowd.report(f"{site.server}, beside a client that floods") + f"; {alone}"
        record_property("latency", report)
        print(report)
        flooding.reset()
        release.set()
        assert await site.seen.closed(flooding.sid) in {"transport error", "transport close"}
        assert (await post.receive()).body == b"ok"


async def test_ten_thousand_pongs(serve: Serve) -> None:
    """H20, HB-7: no task and no timer for any of them; the session goes on."""
    async with serve() as site:
        websocket, session = await site.websocket(), await site.handshake()
        await settle()
        tasks = len(anyio.get_running_tasks())
        pongs = websocket.encode("3") * 10_000
        for start in range(0, len(pongs), 10_000):
            await websocket.send_raw(pongs[start : start + 10_000])
            assert len(anyio.get_running_tasks()) <= tasks + FEW_TASKS
        assert (await session.post("\x1e".join(["3"] * 10_000))).body == b"ok"
        await websocket.send("4next")
        await site.seen.until("message", websocket.sid, "next")
        await settle()
        assert len(anyio.get_running_tasks()) <= tasks + FEW_TASKS
        assert site.seen.of(session.sid) == []
        websocket.reset()


async def test_pings_whose_pongs_nobody_reads(serve: Serve) -> None:
    """H19, WS-19: whoever does not read the pongs of its WebSocket's pings is read no further, or gets fewer pongs."""
    async with serve(ping_interval=300) as site:
        deaf = await site.websocket()
        pings = frame(bytes(125), 9) * 500
        sent, taken, before = 0, True, resident()
        keeps = Gap.ANSWERS_EVERY_PING in site.server.gaps
        while taken and sent < PONGS:
            taken = False
            with anyio.move_on_after(TIMEOUT if keeps else 1.5):
                await deaf.stream.send(pings)
                taken = True
            sent += len(pings)
            await anyio.lowlevel.checkpoint()
        if keeps:  # in which memory depends on what is free already
            assert taken
        else:
            assert not taken or resident() <= before + 5 * MB
        deaf.reset()


def resident() -> int:
    """Bytes of memory that the process has, of whatever language; 0 where the system does not tell."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0
