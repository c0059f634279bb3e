"""What an application sees of AsyncServer: the AP rows."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import json
import logging
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from .clients import UPGRADE, Client, Headers, assert_refused, settle, url
from .harness import Logs, Serve, Site, eventually
from .servers import Server

pytestmark = pytest.mark.anyio

DEFAULTS = {
    "ping_interval": 25,
    "ping_timeout": 20,
    "max_http_buffer_size": 1000000,
    "allow_upgrades": True,
    "http_compression": True,
    "compression_threshold": 1024,
    "cookie": None,
    "cors_allowed_origins": None,
    "cors_credentials": True,
    "logger": False,
    "json": None,
    "async_handlers": True,
    "monitor_clients": None,
    "transports": None,
}
ADDED = {
    "upgrade_timeout": 10,
    "close_timeout": 30,
    "max_buffered_bytes": 16 * 1024 * 1024,
    "max_pending_messages": 128,
    "max_packets_per_payload": None,
    "max_packets_per_poll": 16,
    "trust_forwarded": True,
    "decode_json": True,
    "websocket_compression": False,
}


def test_the_arguments_are_the_references_and_ours() -> None:
    """AP-1: names, order and defaults."""
    import eio_server

    parameters = inspect.signature(eio_server.AsyncServer).parameters
    assert parameters["async_mode"].default is None
    for name, default in (DEFAULTS | ADDED).items():
        assert parameters[name].default == default or (name == "monitor_clients" and parameters[name].default is True)
    assert [name for name in parameters if name in DEFAULTS] == list(DEFAULTS)
    assert parameters["kwargs"].kind is inspect.Parameter.VAR_KEYWORD


def test_async_mode_names_the_integration(server: Server) -> None:
    """AP-1, AP-15: each wheel fixes its own; eio_server takes any that is installed, and no other."""
    import eio_server

    assert server.make().async_mode == server.integration
    assert eio_server.AsyncServer(async_mode=server.integration).async_mode == server.integration
    with pytest.raises(ValueError, match="Invalid async_mode specified") as error:
        eio_server.AsyncServer(async_mode="nope")
    assert server.integration in str(error.value)
    assert "pip install" in str(error.value)


def test_unknown_arguments_warn(server: Server) -> None:
    """AP-1: with the nearest known name; those of python-engineio and python-socketio pass."""
    with pytest.warns(UserWarning, match="ping_intervall.*ping_interval") as warned:
        server.make(ping_intervall=3, client_manager=None, always_connect=True)
    assert len(warned) == 1
    assert "client_manager" not in str(warned[0].message)


@pytest.mark.parametrize(
    ("transports", "known"),
    [
        ("polling", {"polling"}),
        (["websocket"], {"websocket"}),
        (["websocket", "webtransport", "polling"], {"polling", "websocket"}),
        (None, {"polling", "websocket"}),
    ],
)
async def test_transports_are_filtered(serve: Serve, transports: Any, known: set[str]) -> None:
    """AP-2: a string or a list; unknown ones are left out."""
    async with serve(check=False, transports=transports) as site:
        for transport, headers, good in (("polling", (), 200), ("websocket", UPGRADE, 101)):
            response = await site.request("GET", url(transport), headers)
            if transport in known:
                assert response.status == good
            else:
                assert_refused(response, 0)


@pytest.mark.parametrize("transports", ["carrier pigeon", [], ["webtransport"]])
def test_no_transport_is_left(server: Server, transports: Any) -> None:
    """AP-2"""
    with pytest.raises(ValueError, match="No valid transports provided"):
        server.make(transports=transports)


def test_on_registers_one_handler_per_event(server: Server) -> None:
    """AP-3: as a method or as a decorator, which gives the function back; other events are a ValueError."""
    eio = server.make()

    def message(sid: str, data: Any) -> None: ...

    assert eio.on("message")(message) is message
    eio.on("connect", lambda sid, environ: None)
    for event in ("msg", "", "ping"):
        with pytest.raises(ValueError, match="Invalid event"):
            eio.on(event)
        with pytest.raises(ValueError, match="Invalid event"):
            eio.on(event, message)


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


async def test_session_data(serve: Serve) -> None:
    """AP-10: the live dict; saved as a whole; changed in a context, sync or async, even if it raises."""
    async with serve() as site:
        eio = site.eio
        session = await site.handshake()
        sid = session.sid
        assert await eio.get_session(sid) == {}
        (await eio.get_session(sid))["a"] = 1
        assert await eio.get_session(sid) == {"a": 1}
        await eio.save_session(sid, {"b": 2})
        assert await eio.get_session(sid) == {"b": 2}
        async with eio.session(sid) as data:
            data["c"] = 3
        with eio.session(sid) as data:
            data["d"] = 4
        with suppress(LookupError):
            async with eio.session(sid) as data:
                data["e"] = 5
                raise LookupError
        assert await eio.get_session(sid) == {"b": 2, "c": 3, "d": 4, "e": 5}


async def test_session_data_of_nobody(serve: Serve) -> None:
    """AP-10, AP-12: KeyError, except where the client leaves while its data is being changed."""
    async with serve() as site:
        eio = site.eio
        session = await site.handshake()
        with pytest.raises(KeyError):
            await eio.get_session("nobody")
        with pytest.raises(KeyError):
            await eio.save_session("nobody", {})
        with pytest.raises(KeyError):
            async with eio.session("nobody"):
                pass
        with pytest.raises(KeyError), eio.session("nobody"):
            pass
        with pytest.raises(KeyError, match="Session not found"):
            eio.transport("nobody")
        async with eio.session(session.sid) as data:
            data["user"] = "me"
            await session.post("1")
            await site.seen.until("disconnect", session.sid, "client disconnect")
            await eventually(lambda: not eio.sockets)
        with pytest.raises(KeyError):
            await eio.get_session(session.sid)


async def test_disconnect_of_nobody_is_nothing(serve: Serve) -> None:
    """AP-11"""
    async with serve() as site:
        await site.eio.disconnect("nobody")


async def test_transport(serve: Serve) -> None:
    """AP-12: polling until the upgrade is complete."""
    async with serve() as site:
        session = await site.handshake()
        assert site.eio.transport(session.sid) == "polling"
        websocket = await session.probe()
        assert site.eio.transport(session.sid) == "polling"
        await websocket.send("5")
        await settle()
        assert site.eio.transport(session.sid) == "websocket"


async def test_background_tasks(serve: Serve, logs: Logs) -> None:
    """AP-13: arguments are passed on, references held, exceptions logged; plain functions will do."""
    async with serve() as site:
        eio = site.eio
        done: list[Any] = []

        async def work(*args: Any, **kwargs: Any) -> str:
            await eio.sleep(0.01)
            done.append((args, kwargs))
            return "result"

        def plain(value: str) -> None:
            done.append(value)

        async def fail() -> None:
            raise LookupError("in the background")

        task: Any = eio.start_background_task(work, 1, two=2)
        assert not task.done()
        assert await task == "result"
        assert task.done()
        eio.start_background_task(work, "unreferenced")
        gc.collect()
        eio.start_background_task(plain, "plain")
        eio.start_background_task(functools.partial(work, "partial"))
        eio.start_background_task(fail)
        await eventually(lambda: len(done) == 4)
        assert {"plain", ((1,), (("two", 2),))} <= {
            one if isinstance(one, str) else (one[0], tuple(one[1].items())) for one in done
        }
        await eventually(lambda: logs.tracebacks(LookupError))
        endless: Any = eio.start_background_task(eio.sleep, 60)
        await settle()
        endless.cancel()
        await eventually(endless.done)
        if site.server.backend == "asyncio":
            assert isinstance(task, asyncio.Task)


async def test_queues_and_events(serve: Serve) -> None:
    """AP-13: with asyncio's names, whatever the loop."""
    async with serve() as site:
        eio = site.eio
        queue = eio.create_queue()
        with pytest.raises(eio.get_queue_empty_exception()):
            queue.get_nowait()
        got: list[Any] = []

        async def take() -> None:
            got.append(await queue.get())
            queue.task_done()

        async with anyio.create_task_group() as group:
            group.start_soon(take)
            await settle()
            assert not got
            await queue.put("x")
            await queue.join()
        queue.put_nowait("y")
        assert (got, queue.get_nowait(), queue.empty()) == (["x"], "y", True)
        event = eio.create_event()
        assert not event.is_set()
        event.set()
        with anyio.fail_after(1):
            await event.wait()
        event.clear()
        assert not event.is_set()
        if site.server.backend == "asyncio":
            assert isinstance(queue, asyncio.Queue)
            assert isinstance(event, asyncio.Event)
        await eio.sleep()
        await eio.sleep(0.001)


def test_what_python_socketio_uses_is_there(server: Server) -> None:
    """AP-15, AP-18: it subclasses and patches, so instances take attributes; reason is of the class."""
    eio = server.make()
    for name in (
        *(
            "on",
            "attach",
            "handle_request",
            "send",
            "send_packet",
            "generate_id",
            "transport",
            "get_session",
            "disconnect",
        ),
        *(
            "start_background_task",
            "sleep",
            "create_event",
            "shutdown",
            "async_mode",
            "cors_allowed_origins",
            "sockets",
        ),
    ):
        assert hasattr(eio, name)
    assert type(eio).reason.SERVER_DISCONNECT == "server disconnect"
    assert type(eio).reason.CLIENT_DISCONNECT == "client disconnect"
    assert type(eio).reason.PING_TIMEOUT == "ping timeout"
    assert type(eio).reason.TRANSPORT_CLOSE == "transport close"
    assert type(eio).reason.TRANSPORT_ERROR == "transport error"
    setattr(eio, "anything", 1)  # noqa: B010
    assert issubclass(type("Sub", (type(eio),), {}), type(eio))
    with pytest.raises(KeyError):
        eio.transport(None)  # type: ignore[arg-type]


async def test_sockets_show_the_sessions(serve: Serve) -> None:
    """AP-16: a live mapping to look at, with what monitoring reads of it."""
    async with serve() as site:
        session, websocket = await site.handshake(), await site.websocket()
        sockets = site.eio.sockets
        assert len(sockets) == 2
        assert session.sid in sockets
        assert "nobody" not in sockets
        assert set(sockets.keys()) == {session.sid, websocket.sid}
        assert [view.sid for view in sockets.values()] == list(sockets)
        view: Any = sockets[session.sid]
        assert (view.sid, view.upgraded, view.connected, view.closed) == (session.sid, False, True, False)
        view.session["seen"] = True
        assert await site.eio.get_session(session.sid) == {"seen": True}
        await session.upgrade()
        other: Any = sockets[websocket.sid]
        assert view.upgraded
        assert other.upgraded
        with pytest.raises(KeyError):
            sockets["nobody"]


KEYS = (
    *("wsgi.input", "wsgi.errors", "wsgi.version", "wsgi.async", "wsgi.multithread", "wsgi.multiprocess"),
    *("wsgi.run_once", "SERVER_SOFTWARE", "RAW_URI", "CONTENT_LENGTH"),
)


async def test_environ(serve: Serve) -> None:
    """AP-19, HS-19, HS-24: as WSGI has it, from the real request."""
    async with serve() as site:
        headers: Headers = [
            ("X-Custom", "one"),
            ("X-Custom", "two"),
            ("Cookie", "a=1"),
            ("Cookie", "b=2"),
            ("X_Custom", "shadow"),
            ("Content-Type", "text/x-test"),
            ("X-Forwarded-For", "1.2.3.4"),
            ("X-Forwarded-Proto", "https"),
            ("Authorization", "Bearer x"),
        ]
        for transport, more in (("polling", ()), ("websocket", UPGRADE)):
            connection = site.connect()
            await connection.request("GET", url(transport, x="1"), [*headers, *more])
            sid = next(iter(reversed(site.seen.environ)))
            environ = site.seen.environ[sid]
            expected = {
                "REQUEST_METHOD": "GET",
                "SCRIPT_NAME": "",
                "PATH_INFO": "/engine.io/",
                "QUERY_STRING": f"EIO=4&transport={transport}&x=1",
                "CONTENT_TYPE": "text/x-test",
                "SERVER_NAME": "127.0.0.1",
                "SERVER_PORT": str(site.port),
                "SERVER_PROTOCOL": "HTTP/1.1",
                "REMOTE_ADDR": "127.0.0.1",
                "REMOTE_PORT": str(connection.stream.port),
                "HTTP_HOST": site.host,
                "HTTP_X_CUSTOM": "one,two",
                "HTTP_COOKIE": "a=1; b=2",
                "HTTP_AUTHORIZATION": "Bearer x",
                "HTTP_X_FORWARDED_FOR": "1.2.3.4",
                "wsgi.url_scheme": "http",
            }
            assert type(environ) is dict
            assert set(KEYS) <= set(environ)
            assert {key: environ.get(key) for key in expected} == expected
            assert "HTTP_CONTENT_TYPE" not in environ


async def test_environ_has_the_native_objects(serve: Serve) -> None:
    """AP-19"""
    async with serve() as site:
        for target, headers in ((url(), ()), (url("websocket"), UPGRADE)):
            await site.request("GET", target, headers)
            environ = site.seen.environ[next(iter(reversed(site.seen.environ)))]
            if site.server.integration == "aiohttp":
                assert type(environ["aiohttp.request"]).__name__ == "Request"
            else:
                assert environ["asgi.scope"]["type"] == ("websocket" if headers else "http")
                assert callable(environ["asgi.receive"])
                assert callable(environ["asgi.send"])


async def test_environ_belongs_to_the_application(serve: Serve) -> None:
    """AP-19: after the connect handler the server keeps no reference to it."""

    class Marker:
        pass

    markers: list[weakref.ref[Marker]] = []
    async with serve() as site:

        def connect(sid: str, environ: dict[str, Any]) -> None:
            site.seen.live.add(sid)
            site.seen.connect(sid, {})
            marker = environ["marker"] = Marker()
            markers.append(weakref.ref(marker))

        site.eio.on("connect", connect)
        await site.handshake()
        await site.websocket()
        await settle()
        gc.collect()
        assert [marker() for marker in markers] == [None, None]


@pytest.fixture
def bare_logger() -> Iterator[logging.Logger]:
    """The package's logger without handlers and level, and again as it was."""
    logger = logging.getLogger("eio_server")
    before = logger.level, logger.handlers[:], logger.propagate
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)
    yield logger
    logger.setLevel(before[0])
    logger.handlers[:] = before[1]
    logger.propagate = before[2]


async def test_logger_true_installs_a_handler_once(serve: Serve, bare_logger: logging.Logger) -> None:
    """AP-20"""
    bare_logger.propagate = False  # pytest's handlers are at the root
    for _ in range(2):
        async with serve(logger=True):
            assert bare_logger.level == logging.INFO
            (handler,) = bare_logger.handlers
            assert isinstance(handler, logging.StreamHandler)


async def test_logger_false_emits_errors_only(serve: Serve, logs: Logs, bare_logger: logging.Logger) -> None:
    """AP-20, ER-11: and installs nothing."""
    async with serve(logger=False) as site:
        for _ in range(2):
            assert_refused(await site.request("GET", url(sid="unknown")), 1)
        assert bare_logger.handlers == []
        levels = [record.levelno for record in logs.records if record.name.startswith("eio_server")]
        assert levels == [logging.ERROR]


async def test_a_logger_is_used_as_it_is(serve: Serve, logs: Logs, bare_logger: logging.Logger) -> None:
    """AP-20"""
    logger = logging.getLogger("eio_server.tests.own")
    logger.setLevel(logging.CRITICAL)
    async with serve(logger=logger) as site:
        await site.request("GET", url(sid="unknown"))
        assert (logger.level, logger.handlers, bare_logger.handlers) == (logging.CRITICAL, [], [])
        assert [record for record in logs.records if record.name.startswith("eio_server")] == []


async def test_json_is_per_server(serve: Serve) -> None:
    """AP-21, PL-3, PL-17: any object with dumps and loads, which may give bytes and know no separators."""

    def dumps(data: Any) -> bytes:
        return b'["mine",' + json.dumps(data).encode() + b"]"

    def loads(text: str) -> Any:
        if "bad" in text:
            raise ValueError(text)
        return ["loaded", json.loads(text)]

    async with serve(json=SimpleNamespace(dumps=dumps, loads=loads)) as site:
        session = await site.handshake()
        await site.eio.send(session.sid, {"a": 1})
        assert (await session.get()).body == b'4["mine",{"a": 1}]'
        await session.post('4{"a":1}\x1e4{bad')
        await site.seen.until("message", session.sid, "{bad")
        assert site.seen.messages(session.sid) == [["loaded", {"a": 1}], "{bad"]
        plain = site.server.make()
        async with site.server.run(site.server.application(plain)) as port:
            other = await Client(port).handshake()
            await plain.send(other.sid, {"a": 1})
            assert (await other.get()).body == b'4{"a":1}'
            await plain.disconnect(other.sid)
            assert (await other.get()).body == b"1"
            other.client.close()


async def test_settings_are_read_when_they_are_used(serve: Serve) -> None:
    """AP-1: max_http_buffer_size may be assigned after construction."""
    async with serve() as site:
        site.eio.max_http_buffer_size = 100
        session = await site.handshake()
        assert session.open["maxPayload"] == 100
        assert (await session.post("4" + "x" * 200)).status == 413


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


async def test_cancelling_a_send_loses_nothing_of_others(serve: Serve) -> None:
    """AP-9, AP-24: cancellation of the application never reaches the middle of a write."""
    async with serve() as site:
        websocket = await site.websocket()
        text = "x" * 2_000_000
        for number in range(5):
            with anyio.move_on_after(0.001):
                await site.eio.send(websocket.sid, f"{number}{text}")
                await site.eio.drain(websocket.sid)
        for number in range(5):
            assert await websocket.receive() == f"4{number}{text}"
