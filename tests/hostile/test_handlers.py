"""Handlers of the application that are slow, fail, or close sessions, while clients come and go (H21 to H23)."""

from __future__ import annotations

import time
from itertools import product
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from tests.integrations.clients import UPGRADE, assert_refused, settle, url
from tests.integrations.harness import Logs, Serve, eventually

pytestmark = [pytest.mark.anyio, pytest.mark.api("handlers that wait and fail")]

LEFT = {"transport error", "transport close"}


class OopsError(Exception):
    """What a handler raises."""


@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize("then", ["accept", "reject", "raise", "disconnect", "send"])
async def test_a_client_that_leaves_while_its_connect_handler_waits(
    serve: Serve, logs: Logs, transport: str, then: str
) -> None:
    """H21, HS-26, CL-16: whatever the handler does then: no ghost session, and the events that belong, once."""
    logs.allow(OopsError)
    async with serve() as site:
        release, done = anyio.Event(), anyio.Event()

        async def connect(sid: str, environ: dict[str, Any]) -> bool | None:
            await release.wait()
            done.set()
            if then == "reject":
                return False
            if then == "raise":
                raise OopsError
            site.seen.connect(sid, environ)
            if then == "disconnect":
                await site.eio.disconnect(sid)
            if then == "send":
                await site.eio.send(sid, "nobody gets this")
            return None

        site.eio.on("connect", connect)
        connection = site.connect()
        await connection.send("GET", url(transport), UPGRADE if transport == "websocket" else ())
        await settle()
        connection.reset()
        await settle()
        release.set()
        await done.wait()
        await eventually(lambda: len(site.eio.sockets) == 0)
        kinds = [kind for kind, _, _ in site.seen.events]
        if then in {"reject", "raise"}:
            assert kinds == []
        else:
            assert kinds == ["connect", "disconnect"]
            reason = site.seen.events[-1][2]
            assert reason in (LEFT | {"server disconnect"} if then == "disconnect" else LEFT)


@pytest.mark.parametrize("where", ["connect", "message", "disconnect"])
@pytest.mark.parametrize("client", ["idle", "parked", "websocket"])
async def test_disconnect_returns_at_once(serve: Serve, where: str, client: str) -> None:
    """H22, AP-11: in each handler, with and without a parked GET; the disconnect handler is not waited for."""
    took: list[float] = []
    async with serve() as site:

        async def leave(sid: str) -> None:
            began = time.perf_counter()
            await site.eio.disconnect(sid)
            took.append(time.perf_counter() - began)

        async def connect(sid: str, environ: dict[str, Any]) -> None:
            site.seen.connect(sid, environ)
            if where == "connect":
                await leave(sid)

        async def message(sid: str, data: Any) -> None:
            site.seen.message(sid, data)
            await leave(sid)

        async def disconnect(sid: str, reason: str) -> None:
            await leave(sid)
            await anyio.sleep(0.5)
            await leave(sid)
            site.seen.disconnect(sid, reason)

        site.eio.on("connect", connect)
        site.eio.on("message", message)
        site.eio.on("disconnect", disconnect)
        if client == "websocket":
            websocket = await site.websocket()
            sid = websocket.sid
            if where != "connect":
                await websocket.send("4bye" if where == "message" else "1")
            assert await websocket.closed() == 1000
        else:
            session = await site.handshake()
            sid = session.sid
            if where != "connect":
                poll = await session.park() if client == "parked" else None
                await session.post("4bye" if where == "message" else "1")
                if poll is not None:
                    assert (await poll.receive()).body in {b"1", b"6"}
                elif where == "message":
                    assert (await session.get()).body == b"1"
        assert await site.seen.closed(sid) == ("client disconnect" if where == "disconnect" else "server disconnect")
        assert max(took) < 0.4  # the disconnect handler takes longer


@pytest.mark.parametrize("how", ["raises", "leaks a task", "never returns", "blocks"])
async def test_a_bad_message_handler_is_its_own_clients_affair(serve: Serve, logs: Logs, how: str) -> None:
    """H23: others are served; one that blocks the loop holds up everybody, and nobody is lost by it."""
    logs.allow(OopsError)
    release = anyio.Event()
    async with serve(ping_interval=0.5, ping_timeout=0.3) as site:

        async def message(sid: str, data: Any) -> None:
            if data == "bad":
                if how == "raises":
                    raise OopsError
                if how == "leaks a task":
                    site.eio.start_background_task(release.wait)
                if how == "never returns":
                    await release.wait()
                if how == "blocks":
                    time.sleep(1)  # noqa: ASYNC251
            site.seen.message(sid, data)

        site.eio.on("message", message)
        bad, good, polling = await site.websocket(), await site.websocket(), await site.handshake()
        await bad.send("4bad")
        await good.send("4good")
        assert (await polling.post("4good")).body == b"ok"
        for sid in (good.sid, polling.sid):
            await site.seen.until("message", sid, "good")
        await bad.send("4next")
        await site.seen.until("message", bad.sid, "next")
        assert {kind for kind, _, _ in site.seen.events} == {"connect", "message"}
        release.set()
        for websocket in (bad, good):
            websocket.reset()
            await site.seen.closed(websocket.sid)


async def test_a_rejected_handshake_and_its_sid(serve: Serve) -> None:
    """H21, HS-20: an opening session is found by no request, and a rejected one by none either."""
    async with serve() as site:
        sids: list[str] = []
        release = anyio.Event()

        async def connect(sid: str, environ: dict[str, Any]) -> bool:
            sids.append(sid)
            await release.wait()
            return False

        site.eio.on("connect", connect)
        connection = site.connect()
        await connection.send("GET", url())
        await eventually(lambda: sids)
        for _ in range(2):
            for method, transport in product(("GET", "POST"), ("polling",)):
                assert_refused(await site.request(method, url(transport, sids[0])), 1)
            release.set()
            await settle()
        assert (await connection.receive()).status == 401
        assert site.seen.events == []
