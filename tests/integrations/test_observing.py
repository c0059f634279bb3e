"""The hooks for whoever counts."""

from __future__ import annotations

import pytest
from eio_core import Engine
from eio_server import Counters, Observer

from .clients import UPGRADE, settle, url
from .harness import Logs, Serve, eventually

pytestmark = [pytest.mark.anyio, pytest.mark.api("all of it")]


async def test_counters(serve: Serve) -> None:
    """ER-8: sessions, packets, bytes and refusals, on both transports."""
    counters = Counters()
    async with serve(check=False, ping_interval=0.2) as site:
        site.eio.observe(counters)
        site.eio.observe(counters)
        session = await site.handshake()
        assert (await session.post("4one\x1e4two")).body == b"ok"
        assert (counters.packets_received, counters.bytes_received) == (2, 9)
        sent = counters.packets_sent
        await site.eio.send(session.sid, "ü")
        assert (await session.get()).packets == ["4ü"]
        assert counters.packets_sent == sent + 1
        assert (await session.get()).packets == ["2"]
        assert counters.pings == 1
        assert (await session.post("3")).body == b"ok"
        websocket = await session.upgrade()
        assert counters.sessions_upgraded == 1
        before, size = counters.packets_sent, counters.bytes_sent
        await site.eio.send(session.sid, "ü")
        while await websocket.receive() != "4ü":
            pass
        assert counters.packets_sent > before
        assert counters.bytes_sent >= size + 3
        await eventually(lambda: counters.pings > 1)
        await websocket.leave()
        await site.seen.closed(session.sid)
        await site.request("GET", url(sid="nobody"))
        await site.request("GET", url("websocket", "nobody"), UPGRADE)
        site.eio.on("connect", lambda sid, environ: False)
        await site.request("GET", url())
        assert counters.refusals == {1: 2, 4: 1}
        assert (counters.sessions_opened, counters.sessions_closed) == (1, {"transport close": 1})
        site.eio.unobserve(counters)
        await site.request("GET", url(sid="nobody"))
        assert counters.refusals == {1: 2, 4: 1}


async def test_an_observer_that_fails_harms_nobody(serve: Serve, logs: Logs) -> None:
    class Failing(Observer):
        def received(self, packets: int, size: int) -> None:
            raise ZeroDivisionError

    async with serve() as site:
        observer = Failing()
        site.eio.observe(observer)
        session = await site.handshake()
        assert (await session.post("4one")).body == b"ok"
        await settle()
        assert site.seen.messages(session.sid) == ["one"]
        assert logs.tracebacks(ZeroDivisionError)
        site.eio.unobserve(observer)
        assert (await session.post("1")).body == b"ok"


async def test_it_costs_nothing_while_nobody_looks(serve: Serve) -> None:
    """The methods that every message takes are the core's own, to the very object."""
    async with serve() as site:
        engine, observer = site.eio.runner.engine, Counters()
        hot = ("receive_frame", "receive_body", "take_frames", "take_response", "send")

        def bare() -> bool:
            return all(getattr(type(engine), name) is getattr(Engine, name) for name in hot)

        assert bare()
        site.eio.observe(observer)
        assert not bare()
        site.eio.unobserve(observer)
        assert bare()
