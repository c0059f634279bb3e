"""Handlers of every shape, and what becomes of their exceptions: AP-3 to AP-8, AP-24."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from .clients import Client, settle, url
from .harness import Logs, Serve, Site, eventually
from .servers import Server

pytestmark = [pytest.mark.anyio, pytest.mark.api("handlers of every shape")]


async def test_the_last_handler_wins(serve: Serve) -> None:
    """AP-3"""
    async with serve() as site:
        first: list[Any] = []
        site.eio.on("message", lambda sid, data: first.append(data))
        site.eio.on("message", site.seen.message)
        session = await site.handshake()
        await session.post("4x")
        await site.seen.until("message", session.sid, "x")
        assert not first


async def test_a_server_without_handlers_serves(server: Server) -> None:
    """AP-3: every event is optional."""
    eio = server.make()
    async with server.run(server.application(eio)) as port:
        client = Client(port)
        session = await client.handshake()
        assert (await session.post("4x")).body == b"ok"
        assert (await session.post("1")).body == b"ok"
        await eventually(lambda: not eio.sockets)
        client.close()


class Application:
    """Handlers of every shape, all recording at one place."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def connect(self, sid: str, environ: dict[str, Any]) -> None:
        self.site.seen.connect(sid, environ)

    async def connect_later(self, sid: str, environ: dict[str, Any]) -> None:
        await anyio.lowlevel.checkpoint()
        self.site.seen.connect(sid, environ)

    async def message(self, prefix: str, sid: str, data: Any) -> None:
        await anyio.lowlevel.checkpoint()
        self.site.seen.message(sid, prefix + data)

    def returns_awaitable(self, sid: str, data: Any) -> Awaitable[None]:
        return self.message("", sid, data)

    async def __call__(self, sid: str, data: Any) -> None:
        await self.message("called ", sid, data)


@pytest.mark.parametrize(
    ("pick", "expected"),
    [
        (lambda app: functools.partial(app.message, "partial "), "partial x"),
        (lambda app: app, "called x"),
        (lambda app: app.returns_awaitable, "x"),
        (lambda app: lambda sid, data: app.message("lambda ", sid, data), "lambda x"),
        (lambda app: app.site.seen.message, "x"),
    ],
    ids=["partial", "object", "plain function of an awaitable", "lambda", "bound method"],
)
@pytest.mark.parametrize("async_handlers", [False, True])
async def test_handlers_of_every_shape(
    serve: Serve, async_handlers: bool, pick: Callable[[Application], Callable[..., Any]], expected: str
) -> None:
    """AP-7: functions, methods, partials, objects; whatever awaitable they return is awaited."""
    async with serve(async_handlers=async_handlers) as site:
        app = Application(site)
        site.eio.on("connect", app.connect_later)
        site.eio.on("message", pick(app))
        session = await site.handshake()
        await session.post("4x")
        await site.seen.until("message", session.sid, expected)


async def test_connect_handlers_of_every_shape(serve: Serve) -> None:
    """AP-7: an object whose __call__ is async rejects as well as any."""

    class Gate:
        async def __call__(self, sid: str, environ: dict[str, Any]) -> bool:
            await anyio.lowlevel.checkpoint()
            return False

    async with serve() as site:
        for gate in (Gate(), functools.partial(Gate().__call__), functools.partial(Gate())):
            site.eio.on("connect", gate)
            assert (await site.request("GET", url())).status == 401


async def test_sync_handlers_run_on_the_loop(serve: Serve) -> None:
    """AP-8"""
    threads: set[int] = set()
    async with serve() as site:

        def message(sid: str, data: Any) -> None:
            threads.add(threading.get_ident())
            site.seen.message(sid, data)

        site.eio.on("message", message)
        session = await site.handshake()
        await session.post("4x")
        await site.seen.until("message", session.sid, "x")
        assert threads == {threading.get_ident()}


async def test_disconnect_handlers_with_and_without_a_reason(serve: Serve) -> None:
    """AP-6: told apart by their signature."""
    async with serve() as site:
        seen: list[Any] = []

        async def legacy(sid: str) -> None:
            await anyio.lowlevel.checkpoint()
            seen.append("legacy")

        class Object:
            def __call__(self, sid: str) -> None:
                seen.append("object")

        def optional(sid: str, reason: str = "none") -> None:
            seen.append(reason)

        def anything(*args: Any) -> None:
            seen.append(args[1])

        handlers: list[Callable[..., Any]] = [legacy, Object(), functools.partial(optional), anything]
        for handler in handlers:
            site.eio.on("disconnect", handler)
            session = await site.handshake()
            await session.post("1")
            await eventually(lambda: not site.eio.sockets)
            site.seen.disconnect(session.sid, "recorded by hand")
        assert seen == ["legacy", "object", "client disconnect", "client disconnect"]


async def test_a_type_error_in_a_disconnect_handler_is_just_an_error(serve: Serve, logs: Logs) -> None:
    """AP-6: the handler runs once."""
    async with serve() as site:

        def disconnect(sid: str, reason: str) -> None:
            site.seen.disconnect(sid, reason)
            raise TypeError("inside")

        site.eio.on("disconnect", disconnect)
        session = await site.handshake()
        await session.post("1")
        assert await site.seen.closed(session.sid) == "client disconnect"
        await settle()
        assert len(logs.tracebacks(TypeError)) == 1
        assert site.seen.of(session.sid) == [("disconnect", "client disconnect")]


@pytest.mark.parametrize("async_handlers", [False, True])
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_raising_message_handler_harms_nobody(
    serve: Serve, logs: Logs, asynchronous: bool, async_handlers: bool
) -> None:
    """AP-5, ER-9: logged with its traceback; the next message is delivered."""
    async with serve(async_handlers=async_handlers) as site:

        def message(sid: str, data: Any) -> None:
            if data == "bad":
                raise LookupError(data)
            site.seen.message(sid, data)

        async def later(sid: str, data: Any) -> None:
            await anyio.lowlevel.checkpoint()
            message(sid, data)

        site.eio.on("message", later if asynchronous else message)
        session = await site.handshake()
        websocket = await site.websocket()
        assert (await session.post("4bad\x1e4good")).body == b"ok"
        await websocket.send("4bad", "4good")
        for sid in (session.sid, websocket.sid):
            await site.seen.until("message", sid, "good")
            assert site.seen.of(sid) == [("message", "good")]
        assert len(logs.tracebacks(LookupError)) == 2


async def test_a_cancelled_handler_is_its_own_affair(serve: Serve, logs: Logs) -> None:
    """AP-24: a message handler that is cancelled from within ends like one that raises; the session goes on."""
    async with serve(async_handlers=False) as site:

        async def message(sid: str, data: Any) -> None:
            if data == "stop" and site.server.backend == "asyncio":
                logs.allow(asyncio.CancelledError)
                future = asyncio.get_running_loop().create_future()
                future.cancel()
                await future
            with anyio.CancelScope() as scope:
                scope.cancel()
                await anyio.sleep(1)
            site.seen.message(sid, data)

        site.eio.on("message", message)
        websocket = await site.websocket()
        session = await site.handshake()
        await websocket.send("4stop", "4go")
        await session.post("4stop\x1e4go")
        for sid in (websocket.sid, session.sid):
            await site.seen.until("message", sid, "go")


@pytest.mark.parametrize("async_handlers", [False, True], ids=["in turn", "in tasks"])
async def test_a_handler_may_give_up_waiting(serve: Serve, *, async_handlers: bool) -> None:
    """AP-24: it runs in one task from its beginning to its end, so that its timeouts work, and hit nobody else."""
    async with serve(async_handlers=async_handlers) as site:

        async def message(sid: str, data: Any) -> None:
            with anyio.move_on_after(0.05) as scope:
                if data == "wait":
                    await anyio.sleep(30)
            site.seen.message(sid, f"{data}, gave up: {scope.cancelled_caught}")

        site.eio.on("message", message)
        session = await site.handshake()
        websocket = await site.websocket()
        for sid, send in ((websocket.sid, websocket.send), (session.sid, session.post)):
            await send("4wait")
            await site.seen.until("message", sid, "wait, gave up: True")
            await send("4go")
            await site.seen.until("message", sid, "go, gave up: False")
