"""The runner on real event loops: what only a real one can show, and little else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from typing import Any

import pytest
from eio_core import Reason, Request, Response
from eio_server import AsyncServer
from eio_server.asyncio_runtime import AsyncioRuntime
from eio_server.integration import Connection, Disconnected, register

from .logs import Logs
from .loops import Run
from .world import HANDSHAKE

Main = Callable[[AsyncServer], Coroutine[Any, Any, Any]]


class Exchange:
    """A request whose body comes, and whose response goes, when the test says so."""

    def __init__(self, method: str, query: str, body: bytes = b"", *, websocket: bool = False) -> None:
        self.request = Request(method, HANDSHAKE + query, websocket=websocket)
        self.body = body
        self.arrived = asyncio.Event()
        self.arrived.set()
        self.taken = asyncio.Event()
        self.taken.set()
        self.response: Response | None = None

    def environ(self) -> dict[str, Any]:
        return {}

    def watch(self, lost: Callable[[], None]) -> Any:
        return nullcontext()

    async def read(self, limit: int) -> bytes:
        await self.arrived.wait()
        return self.body

    async def respond(self, response: Response) -> None:
        await self.taken.wait()
        self.response = response


class WebSocket:
    """As a framework has it that waits for its buffer to drain."""

    def __init__(self) -> None:
        self.frames: list[str | bytes] = []
        self.drained = asyncio.Event()
        self.drained.set()
        self.gone = False
        self.closed: list[int] = []
        self.aborted = False

    async def write(self, frame: str | bytes) -> None:
        await self.drained.wait()
        if self.gone:
            raise Disconnected
        self.frames.append(frame)

    async def close(self, code: int) -> None:
        self.closed.append(code)
        await asyncio.sleep(0)

    def abort(self) -> None:
        self.aborted = True


class Integration:
    """On the event loop that runs."""

    name, distribution = "loop", "eio-loop"

    def make_runtime(self) -> AsyncioRuntime:
        return AsyncioRuntime()

    def attach(self, server: AsyncServer, app: Any, path: str) -> None: ...

    async def handle_request(self, server: AsyncServer, *args: Any) -> Any: ...


class Application:
    """A server, and what its handlers saw."""

    def __init__(self, **options: Any) -> None:
        register(Integration())
        self.eio = AsyncServer("loop", **options)
        self.events: list[tuple[Any, ...]] = []
        self.eio.on("message", lambda sid, data: self.events.append(("message", data)))
        self.eio.on("disconnect", lambda sid, reason: self.events.append(("disconnect", reason)))

    async def polling(self) -> str:
        """A client on polling."""
        await self.eio.runner.serve(Exchange("GET", "polling"))
        return list(self.eio.sockets)[-1]

    async def websocket(self) -> tuple[str, Connection, WebSocket]:
        """A client on WebSocket."""
        offer = await self.eio.runner.serve(Exchange("GET", "websocket", websocket=True))
        assert offer is not None
        websocket = WebSocket()
        connection = offer.opened(websocket)
        assert len(websocket.frames) == 1
        websocket.frames.clear()
        return list(self.eio.sockets)[-1], connection, websocket


async def turns(count: int = 10) -> None:
    """Let the event loop go round some times."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("async_handlers", [True, False])
def test_an_echo(run: Run, *, async_handlers: bool) -> None:
    """FD-6."""

    async def main(runtime: AsyncioRuntime) -> None:
        app = Application(async_handlers=async_handlers)

        @app.eio.on("message")
        async def message(sid: str, data: str) -> None:
            await app.eio.send(sid, data)

        _, connection, websocket = await app.websocket()
        for number in range(20):
            waiting = connection.feed(f"4{number}")
            if waiting is not None:
                await waiting
        await turns()
        assert websocket.frames == [f"4{number}" for number in range(20)]
        connection.lost(1000)
        await app.eio.shutdown()
        assert app.events == [("disconnect", Reason.TRANSPORT_CLOSE)]

    run(main)


def test_a_write_that_waits(run: Run) -> None:
    """WS-18: the step's rest goes on in a task; the order holds; cancelling the sender tears nothing."""

    async def main(runtime: AsyncioRuntime) -> None:
        app = Application()
        sid, connection, websocket = await app.websocket()
        websocket.drained.clear()
        sender = asyncio.ensure_future(app.eio.send(sid, "a" + "x" * 400_000))
        await asyncio.sleep(0)
        sender.cancel()
        for text in "bcd":
            await app.eio.send(sid, text)
        app.eio.broadcast([sid], "e")
        await turns()
        assert websocket.frames == []
        websocket.drained.set()
        await app.eio.drain(sid)
        await turns()
        assert [str(frame)[1] for frame in websocket.frames] == list("abcde")
        websocket.drained.clear()
        await app.eio.send(sid, "f")
        await app.eio.disconnect(sid)
        assert websocket.closed == []
        websocket.drained.set()
        await turns()
        assert websocket.frames[-1] == "4f"
        assert websocket.closed == [1000]
        connection.lost(1000)
        await app.eio.shutdown()
        assert app.events == [("disconnect", Reason.SERVER_DISCONNECT)]

    run(main)


@pytest.mark.parametrize("how", ["lost", "fails", "shutdown"])
def test_a_write_that_waits_in_vain(run: Run, how: str) -> None:
    """WS-9, SD-1: once, and nothing is left."""

    async def main(runtime: AsyncioRuntime) -> None:
        app = Application()
        sid, connection, websocket = await app.websocket()
        websocket.drained.clear()
        await app.eio.send(sid, "a")
        await turns()
        if how == "lost":
            connection.lost(1006)
        elif how == "fails":
            websocket.gone = True
            websocket.drained.set()
        else:
            await app.eio.shutdown(0)
            assert websocket.aborted
        await turns()
        connection.lost(1006)
        await app.eio.shutdown()
        reasons = {
            "lost": Reason.TRANSPORT_CLOSE,
            "fails": Reason.TRANSPORT_ERROR,
            "shutdown": Reason.SERVER_DISCONNECT,
        }
        assert app.events == [("disconnect", reasons[how])]
        assert not app.eio.sockets

    run(main)


def test_a_request_that_is_cancelled(run: Run) -> None:
    """PG-4, PP-4."""

    async def main(runtime: AsyncioRuntime) -> None:
        for method in ("GET", "POST"):
            app = Application()
            sid = await app.polling()
            exchange = Exchange(method, f"polling&sid={sid}", b"4x")
            exchange.arrived.clear()
            task = asyncio.ensure_future(app.eio.runner.serve(exchange))
            await turns()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await app.eio.shutdown()
            assert app.events == [("disconnect", Reason.TRANSPORT_ERROR)]
            assert exchange.response is None

    run(main)


def test_a_reading_that_is_interrupted(run: Run) -> None:
    """PP-3: the task itself has not been cancelled, and can write its response."""

    async def main(runtime: AsyncioRuntime) -> None:
        app = Application()
        sid = await app.polling()
        exchanges = [Exchange("POST", f"polling&sid={sid}", b"4x") for _ in range(2)]
        exchanges[0].arrived.clear()
        exchanges[0].taken.clear()
        task = asyncio.ensure_future(app.eio.runner.serve(exchanges[0]))
        await turns()
        await app.eio.runner.serve(exchanges[1])
        await turns()
        assert task.cancelling() == 0
        exchanges[0].taken.set()
        await task
        assert [exchange.response.status for exchange in exchanges if exchange.response] == [400, 400]
        await app.eio.shutdown()

    run(main)


def test_one_after_the_other(run: Run) -> None:
    """AP-17, FD-6: across a POST and the WebSocket that follows it."""

    async def main(runtime: AsyncioRuntime) -> None:
        app = Application(async_handlers=False)
        release = asyncio.Event()

        @app.eio.on("message")
        async def message(sid: str, data: str) -> None:
            await release.wait()
            await asyncio.sleep(0)
            app.events.append(("message", data))

        sid = await app.polling()
        post = Exchange("POST", f"polling&sid={sid}", b"4a\x1e4b")
        await app.eio.runner.serve(post)
        assert post.response is not None
        assert post.response.body == b"ok"
        offer = await app.eio.runner.serve(Exchange("GET", f"websocket&sid={sid}", websocket=True))
        assert offer is not None
        connection = offer.opened(WebSocket())
        for frame in ("2probe", "5", "4c", "4d"):
            assert connection.feed(frame) is None
        connection.lost(1001)
        release.set()
        await app.eio.shutdown()
        assert app.events == [*(("message", data) for data in "abcd"), ("disconnect", Reason.TRANSPORT_CLOSE)]

    run(main)


def test_pings_and_their_absence(run: Run) -> None:
    """HB-1, HB-4: on the clock of the loop."""

    async def main(runtime: AsyncioRuntime) -> None:
        app = Application(ping_interval=0.02, ping_timeout=0.03)
        gone = asyncio.Event()

        @app.eio.on("disconnect")
        def disconnect(sid: str, reason: str) -> None:
            app.events.append(("disconnect", reason))
            gone.set()

        _, connection, websocket = await app.websocket()
        await gone.wait()
        assert websocket.frames[0] == "2"
        assert app.events == [("disconnect", Reason.PING_TIMEOUT)]
        connection.lost(None)
        await app.eio.shutdown()

    run(main)


def test_a_shutdown_waits_for_disconnect_handlers(run: Run) -> None:
    """SD-1: also for those that come after a message handler that takes its time."""

    async def main(runtime: AsyncioRuntime) -> None:
        app = Application(async_handlers=False)

        @app.eio.on("message")
        async def message(sid: str, data: str) -> None:
            await turns()
            app.events.append(("message", data))

        @app.eio.on("disconnect")
        async def disconnect(sid: str, reason: str) -> None:
            await turns()
            app.events.append(("disconnect", reason))

        sid = await app.polling()
        await app.eio.runner.serve(Exchange("POST", f"polling&sid={sid}", b"4a"))
        await asyncio.sleep(0)
        await app.eio.shutdown()
        assert app.events == [("message", "a"), ("disconnect", Reason.SERVER_DISCONNECT)]
        assert not app.eio.sockets

    run(main)


def test_two_shutdowns_at_once(run: Run) -> None:
    """SD-1: a signal and the framework's own hook."""

    async def main(runtime: AsyncioRuntime) -> None:
        app = Application()
        sid = await app.polling()
        await app.eio.send(sid, "unfetched")
        await asyncio.gather(app.eio.shutdown(0.02), app.eio.shutdown(0.02))
        assert app.events == [("disconnect", Reason.SERVER_DISCONNECT)]

    run(main)


@pytest.mark.parametrize("stopped", [True, False])
def test_another_loop_is_another_start(run: Run, *, stopped: bool) -> None:
    """SD-4: also where no framework tells of it, as with Tornado; timer and tasks are the new loop's."""
    app = Application(ping_interval=0.01, ping_timeout=0.01)

    async def main(runtime: AsyncioRuntime) -> None:
        assert await app.eio.start_background_task(lambda: "done") == "done"
        assert app.eio.create_event() is not None
        gone = asyncio.Event()
        app.eio.on("disconnect", lambda sid, reason: gone.set())
        _, connection, websocket = await app.websocket()
        if stopped:
            await app.eio.shutdown()
            assert websocket.closed == [1001]
        await gone.wait()  # stopped, or without a pong to its ping
        assert stopped or websocket.frames == ["2"]
        connection.lost(1000)
        await turns()
        assert not app.eio.sockets

    run(main)
    run(main)


def test_a_handler_that_awaits_what_was_cancelled(run: Run, logs: Logs) -> None:
    """AP-24: that is a failure of its own, and ends nothing else; neither a session nor the task of a reader."""

    async def main(runtime: AsyncioRuntime) -> None:
        app = Application()

        @app.eio.on("message")
        async def message(sid: str, data: str) -> None:
            app.events.append(("message", data))
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            future.cancel()
            await future

        _, connection, _ = await app.websocket()
        for async_handlers in (True, False):
            app.eio.async_handlers = async_handlers
            waiting = connection.feed("4a")
            if waiting is not None:
                await waiting
            await turns()
        connection.feed("1")
        connection.lost(1000)
        await app.eio.shutdown()
        assert [event[1] for event in app.events] == ["a", "a", Reason.CLIENT_DISCONNECT]

    run(main)
    for _ in range(2):
        logs.records.remove(next(record for record in logs.records if "message handler failed" in record.getMessage()))


@pytest.mark.parametrize("async_handlers", [True, False])
def test_a_sync_handler_that_asks_what_was_cancelled(run: Run, logs: Logs, *, async_handlers: bool) -> None:
    """AP-24: the same; the messages behind it come, and no reader is ended."""

    async def main(runtime: AsyncioRuntime) -> None:
        app = Application(async_handlers=async_handlers)

        @app.eio.on("message")
        def message(sid: str, data: str) -> None:
            app.events.append(("message", data))
            if data == "bad":
                future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                future.cancel()
                future.result()

        _, connection, _ = await app.websocket()
        assert connection.feed("4bad") is None
        assert connection.feed("4b") is None
        connection.feed("1")
        connection.lost(1000)
        query = f"polling&sid={await app.polling()}"
        await app.eio.runner.serve(Exchange("POST", query, b"4bad\x1e4d\x1e1"))
        await app.eio.shutdown()
        assert [event[1] for event in app.events] == [
            "bad",
            "b",
            Reason.CLIENT_DISCONNECT,
            "bad",
            "d",
            Reason.CLIENT_DISCONNECT,
        ]

    run(main)
    for _ in range(2):
        logs.records.remove(next(record for record in logs.records if "message handler failed" in record.getMessage()))


def test_a_connect_handler_that_awaits_what_was_cancelled(run: Run, logs: Logs) -> None:
    """AP-24, ER-10: rejected."""

    async def main(runtime: AsyncioRuntime) -> None:
        app = Application()

        @app.eio.on("connect")
        async def connect(sid: str, environ: dict[str, Any]) -> None:
            raise asyncio.CancelledError

        exchange = Exchange("GET", "polling")
        await app.eio.runner.serve(exchange)
        assert exchange.response is not None
        assert exchange.response.status == 401
        assert not app.eio.sockets

    run(main)
    logs.take("connect handler failed")


@pytest.mark.parametrize("asynchronous", [True, False])
def test_a_hook_that_awaits_what_was_cancelled(
    run: Run, logs: Logs, monkeypatch: pytest.MonkeyPatch, *, asynchronous: bool
) -> None:
    """AP-24, HS-5, HD-1: generate_id and cors_allowed_origins refuse by it; the request is answered."""

    def fail(*_: object) -> Any:
        async def fail_later() -> None:
            raise asyncio.CancelledError

        if asynchronous:
            return fail_later()
        raise asyncio.CancelledError

    async def main(runtime: AsyncioRuntime) -> None:
        app = Application()
        monkeypatch.setattr(app.eio, "generate_id", fail)
        exchange = Exchange("GET", "polling")
        await app.eio.runner.serve(exchange)
        assert exchange.response is not None
        assert exchange.response.status == 400

        app = Application(cors_allowed_origins=lambda origin: fail())
        exchange = Exchange("GET", "polling")
        exchange.request.headers = {"origin": "https://site.example"}
        await app.eio.runner.serve(exchange)
        assert exchange.response is not None
        assert exchange.response.status == 400

    run(main)
    logs.take("generate_id failed")
    logs.take("cors_allowed_origins failed")


def test_a_handler_whose_reader_is_cancelled(run: Run) -> None:
    """AP-24: that passes, and is logged by nobody."""

    async def main(runtime: AsyncioRuntime) -> None:
        app = Application(async_handlers=False)

        @app.eio.on("message")
        async def message(sid: str, data: str) -> None:
            await asyncio.Event().wait()

        _, connection, _ = await app.websocket()
        waiting = connection.feed("4a")
        assert waiting is not None
        reader = asyncio.ensure_future(waiting)
        await turns()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        connection.lost(None)
        await app.eio.shutdown()
        assert app.events == [("disconnect", Reason.TRANSPORT_CLOSE)]

    run(main)


def test_the_disconnect_handler_begins_after_the_message_handler_has_returned(run: Run) -> None:
    """Delivery: also on a loop with eager tasks, where the session closes inside of a sync handler (row FD-8)."""

    async def main(runtime: AsyncioRuntime) -> None:
        app = Application(max_buffered_bytes=100, async_handlers=False)

        @app.eio.on("message")
        def message(sid: str, data: str) -> None:
            for _ in range(3):
                app.eio.broadcast([sid], "x" * 200)
            app.events.append(("message", data))

        _, connection, websocket = await app.websocket()
        websocket.drained.clear()
        connection.feed("4a")
        await turns()
        connection.lost(1001)
        await app.eio.shutdown()
        assert app.events == [("message", "a"), ("disconnect", Reason.TRANSPORT_ERROR)]

    run(main)
