"""What only Tornado has: a handler that is called when the body of its request has arrived. The IN rows."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from eio_tornado.websocket import Waiter
from tornado.web import Application

from .clients import UPGRADE, assert_refused, frame, settle, url
from .harness import Serve, eventually

pytestmark = [pytest.mark.anyio, pytest.mark.only(integration="tornado")]


async def test_a_get_whose_body_does_not_come_is_not_awaited_for_ever(serve: Serve) -> None:
    """H13: no body belongs there, and Tornado answers behind it; one that has come harms nobody."""
    async with serve() as site:
        session = await site.handshake()
        await site.eio.send(session.sid, "x")
        response = await site.request("GET", session.url, [("Content-Length", "5")], b"whole")
        assert response.body == b"4x"
        waiting = [site.connect(), site.connect()]
        await waiting[0].send("GET", session.url, [("Content-Length", "5")], b"ha", end=False)
        await waiting[1].send("GET", url(), [("Transfer-Encoding", "chunked")], b"ha", end=False)
        await settle()
        assert all(connection.silent for connection in waiting)
        for connection in waiting:
            await connection.ended()
        await site.eio.disconnect(session.sid)
        assert (await session.get()).body == b"1"


async def test_a_websocket_is_refused_before_the_101(serve: Serve) -> None:
    """IN-10, IN-11: origin, session, application; Tornado's own check of origins, which knows less, is not asked."""
    async with serve(cors_allowed_origins=["https://page.example"]) as site:
        site.eio.on(
            "connect",
            lambda sid, environ: {"why": "closed"} if "HTTP_X_NO" in environ else site.seen.connect(sid, environ),
        )
        evil, good = ("Origin", "https://evil.example"), ("Origin", "https://page.example")
        assert_refused(await site.request("GET", url("websocket"), [*UPGRADE, evil]), 3)
        assert_refused(await site.request("GET", url("websocket", "nobody"), [*UPGRADE, good]), 1)
        response = await site.request("GET", url("websocket"), [*UPGRADE, good, ("X-No", "1")])
        assert (response.status, response.body) == (401, b'{"why":"closed"}')
        assert (await site.request("GET", url("websocket"), [*UPGRADE, good])).status == 101


async def test_responses_are_ours_alone(serve: Serve) -> None:
    """IN-12: no Etag, so never a 304; no compression of Tornado's; cookies of others stay."""

    def application(eio: Any) -> Application:
        app = Application(compress_response=True, log_function=lambda _: None, eio=eio)
        eio.attach(app)
        return app

    async with serve(app=application, cookie="io", http_compression=False) as site:
        session = await site.handshake([("Accept-Encoding", "gzip"), ("If-None-Match", "*")])
        assert session.response.get("etag") is None
        assert session.response.get("content-encoding") is None
        await site.eio.send(session.sid, "x" * 10_000)
        response = await session.get([("Accept-Encoding", "gzip"), ("If-None-Match", "*")])
        assert (response.status, response.get("content-encoding")) == (200, None)
        assert response.body == b"4" + b"x" * 10_000


async def test_reading_waits_for_handlers(serve: Serve) -> None:
    """IN-13: with ``async_handlers=False`` no message is taken from the socket while one is being handled."""
    started, release = 0, anyio.Event()

    async def message(sid: str, data: Any) -> None:
        nonlocal started
        started += 1
        await release.wait()

    async with serve(async_handlers=False, max_pending_messages=1) as site:
        site.eio.on("message", message)
        websocket = await site.websocket()
        with anyio.move_on_after(0.5) as scope:
            for _ in range(400):
                await websocket.stream.send(frame(b"x" * 100_000, 2))
        assert scope.cancelled_caught
        assert started == 1
        websocket.reset()
        release.set()
        await site.seen.closed(websocket.sid)


async def test_limits_are_those_of_the_server(serve: Serve) -> None:
    """IN-14, PL-12, PL-14: and not Tornado's 10 MiB for a message and 100 MB for a body."""
    size = 11 * 1024 * 1024
    async with serve(max_http_buffer_size=size, max_buffered_bytes=None) as site:
        site.eio.on("message", lambda sid, data: site.seen.message(sid, len(data)))
        websocket = await site.websocket()
        await websocket.send(bytes(size))
        await site.seen.until("message", websocket.sid, size)
        await websocket.stream.send(frame(bytes(size + 1), 2)[:14])  # its header is enough
        assert await websocket.closed() == 1009
        assert await site.seen.closed(websocket.sid) == "transport error"
        session = await site.handshake()
        assert (await session.post("4" + "x" * (size - 1))).body == b"ok"
        await site.seen.until("message", session.sid, size - 1)


async def test_messages_are_awaited_without_a_task_for_each(serve: Serve) -> None:
    """IN-13, FD-6: Tornado makes one for every coroutine that it is given; and it reads no further meanwhile."""
    release = anyio.Event()
    begun: list[str] = []
    async with serve(async_handlers=False) as site:

        async def message(sid: str, data: str) -> None:
            begun.append(data)
            await (release.wait() if data == "0" else anyio.lowlevel.checkpoint())
            await site.eio.send(sid, data)

        site.eio.on("message", message)
        websocket = await site.websocket()
        made: list[Any] = []

        def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
            if "eio_server" in coroutine.cr_code.co_filename:  # Tornado makes some of its own
                made.append(coroutine)
            return asyncio.Task(coroutine, loop=loop, **options)

        await websocket.send(*(f"4{number}" for number in range(50)))
        await settle()
        assert begun == ["0"]
        asyncio.get_running_loop().set_task_factory(factory)
        release.set()
        assert [await websocket.receive() for _ in range(50)] == [f"4{number}" for number in range(50)]
        assert made == []
        asyncio.get_running_loop().set_task_factory(None)


async def test_a_handler_outlives_its_websocket(serve: Serve) -> None:
    """FD-6, CL-7: what the application awaits goes on when the client has gone, and nothing waits for ever."""
    release, ended = anyio.Event(), anyio.Event()

    async def message(sid: str, data: str) -> None:
        if data == "wait":
            await release.wait()
            ended.set()
        await anyio.lowlevel.checkpoint()

    async with serve(async_handlers=False) as site:
        site.eio.on("message", message)
        for data in ("pass", "wait"):
            websocket = await site.websocket()
            await websocket.send("4" + data)
            await settle()
            websocket.reset()
            await settle()
        assert not ended.is_set()
        release.set()
        await ended.wait()
        await eventually(lambda: not site.eio.sockets)


async def test_tornado_reads_on_while_a_handler_is_awaited(serve: Serve) -> None:
    """IN-13, CL-14: what comes meanwhile waits for its turn, and so does the end of the session."""
    release = anyio.Event()
    handled: list[str] = []

    async def message(sid: str, data: str) -> None:
        await release.wait()
        handled.append(data)

    async with serve(async_handlers=False) as site:
        site.eio.on("message", message)
        websocket = await site.websocket()
        await websocket.send("4a", "4b", "4c", "1")
        await eventually(lambda: site.eio.sockets[websocket.sid].closed)
        assert handled == []
        assert site.seen.of(websocket.sid) == []
        release.set()
        assert await site.seen.closed(websocket.sid) == "client disconnect"
        assert handled == ["a", "b", "c"]


async def test_a_waiter_that_was_cancelled_can_end() -> None:
    """IN-13: ``asyncio.run`` cancels all tasks at its end, and connections may close behind that."""

    async def message() -> None:
        pass

    waiter = Waiter()
    before = asyncio.all_tasks()
    waiter.begin(message())
    (task,) = asyncio.all_tasks() - before
    await settle()
    task.cancel()
    await settle()
    assert task.cancelled()
    waiter.end()


async def test_a_write_that_fails_at_once(serve: Serve) -> None:
    """WS-9, H31: Tornado closes its stream then, and waits for nothing; what it raises is not left to the log."""
    async with serve() as site:
        session = await site.handshake()
        for _ in range(3):
            websocket = await session.probe()
            await websocket.send("2probe")  # to be answered
            websocket.reset()
            await settle()
            gc.collect()  # which is when asyncio complains of an exception that nobody retrieved
        assert site.seen.of(session.sid) == []
