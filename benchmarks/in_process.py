"""What can be measured without a socket: the core alone, and what a recipient of a broadcast costs to enqueue."""

from __future__ import annotations

import asyncio
import sys
import timeit
from contextlib import AbstractAsyncContextManager, nullcontext
from types import FrameType
from typing import Any

from .measures import Row

__all__ = ["opened", "rows"]


def rows() -> list[Row]:
    """P11, and the first half of P7."""
    inbound, outbound = _calls()
    return [
        Row("calls-in", "core", "eio", [inbound], "calls"),
        Row("calls-out", "core", "eio", [outbound], "calls"),
        Row("decode-16", "core", "eio", _decode(), "µs"),
        Row("enqueue", "core", "eio", asyncio.run(_enqueue()), "µs"),
    ]


def _link() -> tuple[Any, Any, Any]:
    from eio_core import Engine, Request  # noqa: PLC0415

    engine = Engine()
    handshake = engine.receive_request(Request("GET", "EIO=4&transport=websocket", websocket=True), now=0.0)
    session = engine.open(handshake, sid="x")  # type: ignore[arg-type]
    link = engine.accept(session, now=0.0)  # type: ignore[arg-type]
    engine.take_frames(link)  # type: ignore[arg-type]
    engine.effects.clear()
    return engine, session, link


def _calls() -> tuple[float, float]:
    """Python-level calls in the core for a message in, and for one out."""
    engine, session, link = _link()
    count = 0

    def profile(frame: FrameType, event: str, _: object) -> None:
        nonlocal count
        count += event == "call" and "eio_core" in frame.f_code.co_filename

    def counted(function: Any, times: int = 100) -> float:
        nonlocal count
        count = 0
        sys.setprofile(profile)
        for _ in range(times):
            function()
        sys.setprofile(None)
        return count / times

    def out() -> None:
        engine.send(session, "x")
        while engine.take_frames(link):
            pass

    return counted(lambda: engine.receive_frame(link, "4x")), counted(out)


def _decode() -> list[float]:
    """Microseconds for the body of a POST with 16 packets."""
    from eio_core import Engine, Request  # noqa: PLC0415

    engine, query = Engine(), "EIO=4&transport=polling"
    session = engine.open(engine.receive_request(Request("GET", query), now=0.0), sid="x")  # type: ignore[arg-type]
    engine.take_response(engine.accept(session, now=0.0))  # type: ignore[arg-type]
    payload = "\x1e".join(["4" + "x" * 31] * 16).encode()
    spent = []
    for _ in range(5):
        posts = []
        for _ in range(2_000):
            posts.append(engine.receive_request(Request("POST", query + "&sid=x"), now=0.0))
            session.post = None  # type: ignore[union-attr] # the next one shall be no overlap
        spent.append(timeit.timeit(lambda posts=posts: engine.receive_body(posts.pop(), payload, 0.0), number=2_000))  # type: ignore[misc]
    return [seconds / 2_000 * 1e6 for seconds in spent]


class _Busy:
    """A WebSocket whose first write goes on and on: what is sent meanwhile is enqueued and no more."""

    async def write(self, frame: str | bytes) -> None:
        await asyncio.get_running_loop().create_future()

    async def close(self, code: int) -> None:
        """Nobody reads it."""

    def abort(self) -> None:
        """Nobody reads it."""


class _Exchange:
    """A handshake over WebSocket, of which nobody asks more."""

    def __init__(self) -> None:
        from eio_core import Request  # noqa: PLC0415

        self.request = Request("GET", "EIO=4&transport=websocket", websocket=True)

    def environ(self) -> dict[str, Any]:
        """For a connect handler."""
        return {}

    def watch(self, _: Any) -> AbstractAsyncContextManager[None]:
        """It does not leave."""
        return nullcontext()


async def opened(server: Any, count: int) -> list[str]:
    """The ids of so many sessions, whose WebSockets are writing."""
    for _ in range(count):
        offer = await server.runner.serve(_Exchange())
        assert offer is not None
        offer.opened(_Busy())
    await asyncio.sleep(0.05)
    return list(server.sockets)


async def _enqueue(recipients: int = 1_000) -> list[float]:
    """Microseconds for each recipient of a broadcast."""
    from eio_server import AsyncServer  # noqa: PLC0415

    server = AsyncServer(max_buffered_bytes=None)
    sids = await opened(server, recipients)
    times = timeit.repeat(lambda: server.broadcast(sids, "x" * 32), number=20, repeat=7)
    await server.shutdown(timeout=0)
    return [seconds / 20 / recipients * 1e6 for seconds in times]
