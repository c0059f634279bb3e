"""What an application sees of AsyncServer: the AP rows."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from .clients import UPGRADE, Client, assert_refused, settle, url
from .harness import Logs, Serve, eventually
from .servers import Server

pytestmark = [pytest.mark.anyio, pytest.mark.api("all of it")]

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
