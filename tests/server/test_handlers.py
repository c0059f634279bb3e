"""Handlers of every kind, and handlers that fail."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import pytest
from eio_core import Reason

from .logs import Logs
from .runtime import Gate
from .world import World

MakeWorld = Callable[..., World]


# -------------------------------------------------------------------------------------------------------------- kinds


class Handlers:
    """Handlers of every kind."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def method(self, sid: str, data: Any) -> None:
        self.seen.append(data)

    async def coroutine(self, sid: str, data: Any) -> None:
        self.seen.append(data)

    def returns_awaitable(self, sid: str, data: Any) -> Any:
        return self.coroutine(sid, data)

    def three(self, extra: str, sid: str, data: Any) -> Any:
        return self.coroutine(sid, data)

    def __call__(self, sid: str, data: Any) -> Any:
        return self.coroutine(sid, data)


class Awaitable:
    """Neither a coroutine nor a future."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call

    def __await__(self) -> Any:
        self._call()
        return
        yield


@pytest.mark.parametrize("async_handlers", [True, False])
@pytest.mark.parametrize("kind", ["method", "coroutine", "returns_awaitable", "partial", "callable", "lambda", "other"])
def test_kinds_of_handlers(make_world: MakeWorld, kind: str, *, async_handlers: bool) -> None:
    """AP-7: functions, methods, partials, callable objects; whatever they return that can be awaited is."""
    world = make_world(async_handlers=async_handlers)
    handlers = Handlers()
    handler: Any
    match kind:
        case "partial":
            handler = functools.partial(handlers.three, "extra")
        case "callable":
            handler = handlers
        case "lambda":
            handler = lambda sid, data: handlers.seen.append(data)  # noqa: E731
        case "other":
            handler = lambda sid, data: Awaitable(lambda: handlers.seen.append(data))  # noqa: E731
        case _:
            handler = getattr(handlers, kind)
    assert world.eio.on("message", handler) is handler
    client = world.polling()
    client.post("4a", "bAQ==")
    client.upgrade().feed("4b")
    assert handlers.seen == ["a", b"\x01", "b"]


def test_sync_handlers_are_called_where_they_are(world: World) -> None:
    """AP-8: on the thread of the event loop, in no task, before the next frame is read."""
    client = world.websocket()
    before = world.runtime.calls.copy()
    assert client.connection.feed("4a") is None
    assert world.messages(client.sid) == ["a"]
    assert world.runtime.calls == before


@pytest.mark.parametrize("async_handlers", [True, False])
@pytest.mark.parametrize("harm", ["raises", "hangs", "is cancelled", "fills its outbox", "disconnects"])
def test_only_its_own_client_feels_a_handler(
    make_world: MakeWorld, logs: Logs, harm: str, *, async_handlers: bool
) -> None:
    """H23."""
    world = make_world(async_handlers=async_handlers, max_pending_messages=1, max_buffered_bytes=1000)

    @world.eio.on("message")
    async def message(sid: str, data: str) -> None:
        if data == "harm":
            match harm:
                case "raises":
                    raise RuntimeError("mine")
                case "hangs" | "is cancelled":
                    await Gate.closed().passed()
                case "disconnects":
                    await world.eio.disconnect(sid)
            for _ in range(20):
                await world.eio.send(sid, "x" * 1000)
        await world.eio.send(sid, data)

    harmed, other = world.websocket(), world.websocket()
    harmed.websocket.every_write = harmed.websocket.wait
    harmed.websocket.writing.close()
    reader = harmed.feed("4harm")
    if harm == "is cancelled" and reader is not None:
        reader.cancel()
        world.runtime.run()
    if harm == "raises":
        logs.take("message handler failed")
    for number in range(3):
        waited = other.feed(f"4{number}")
        assert waited is None or waited.done
    assert other.frames == ["40", "41", "42"]
    assert world.eio.sockets[other.sid].connected


def test_a_server_without_handlers(make_world: MakeWorld) -> None:
    world = make_world()
    for event in ("connect", "message", "disconnect"):
        setattr(world.runner.handlers, event, None)
    client = world.polling()
    assert client.post("4hello", "1").body == "ok"
    world.assert_nothing_left()


def test_the_last_handler_wins(world: World) -> None:
    """AP-3: one for each event; also for messages that wait already."""
    seen: list[str] = []
    client = world.websocket()
    world.eio.on("message", lambda sid, data: seen.append("second"))
    client.feed("4x")
    assert seen == ["second"]
    assert world.messages(client.sid) == []


def one(sid: str) -> None: ...
def two(sid: str, reason: str) -> None: ...
def optional(sid: str, reason: str | None = None) -> None: ...
def many(*args: str) -> None: ...


class OneArgument:
    """A callable that wants the sid alone."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, ...]] = []

    def __call__(self, sid: str) -> None:
        self.seen.append((sid,))


@pytest.mark.parametrize(("legacy", "count"), [(one, 1), (two, 2), (optional, 2), (many, 2)])
def test_disconnect_handlers_with_and_without_a_reason(world: World, legacy: Callable[..., None], count: int) -> None:
    """AP-6: told by the signature."""
    seen: list[tuple[str, ...]] = []

    @functools.wraps(legacy)
    def handler(*args: str) -> None:
        seen.append(args)

    world.eio.on("disconnect")(handler)
    client = world.polling()
    client.post("1")
    assert seen == [(client.sid, Reason.CLIENT_DISCONNECT)[:count]]


def test_a_disconnect_handler_in_a_decorator_of_two_arguments(world: World) -> None:
    """AP-6: what is called is the decorator's function, whatever that one calls."""
    seen: list[tuple[str, str]] = []

    def handler(sid: str) -> None: ...

    @world.eio.on("disconnect")
    @functools.wraps(handler)
    def decorated(sid: str, reason: str) -> None:
        seen.append((sid, reason))
        handler(sid)

    client = world.polling()
    client.post("1")
    assert seen == [(client.sid, Reason.CLIENT_DISCONNECT)]


def test_a_callable_object_for_disconnects(world: World) -> None:
    """AP-6."""
    handler = OneArgument()
    world.eio.on("disconnect", handler)
    client = world.polling()
    client.post("1")
    assert handler.seen == [(client.sid,)]


def test_a_builtin_without_a_signature_for_disconnects(world: World) -> None:
    """AP-6: then it gets both."""
    world.eio.on("disconnect", max)  # of the two
    world.polling().post("1")
    world.assert_nothing_left()


def test_a_type_error_inside_a_disconnect_handler(world: World, logs: Logs) -> None:
    """AP-6: it does not run a second time."""
    calls: list[str] = []

    @world.eio.on("disconnect")
    def disconnect(sid: str, reason: str) -> None:
        calls.append(reason)
        raise TypeError("mine")

    world.polling().post("1")
    assert len(calls) == 1
    logs.take("disconnect handler failed")
    world.assert_nothing_left()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_exception_in_a_message_handler(world: World, logs: Logs, *, asynchronous: bool) -> None:
    """It is logged with its traceback, without the payload (row AP-20), and ends nothing."""

    def message(sid: str, data: str) -> Any:
        async def fail() -> None:
            raise RuntimeError("mine")

        if data == "bad":
            if asynchronous:
                return fail()
            raise RuntimeError("mine")
        world.events.append(("message", sid, data))
        return None

    world.eio.on("message", message)
    client = world.polling()
    client.post("4a", "4bad", "4b")
    websocket = client.upgrade()
    websocket.feed("4c")
    assert world.messages(client.sid) == ["a", "b", "c"]
    record = logs.take("message handler failed")
    assert record.exc_info is not None
    assert "bad" not in record.getMessage()


class Stop(BaseException):
    """As a cancellation, no Exception."""


@pytest.mark.parametrize("stop", [Stop, asyncio.CancelledError])
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("async_handlers", [True, False])
def test_a_handler_that_raises_no_exception(
    make_world: MakeWorld, stop: type[BaseException], *, asynchronous: bool, async_handlers: bool
) -> None:
    """AP-24: it passes; the messages behind it and the disconnect still come. No asyncio here, as with trio."""
    world = make_world(async_handlers=async_handlers)

    def message(sid: str, data: str) -> Any:
        async def fail() -> None:
            raise stop

        if data == "bad":
            if asynchronous:
                return fail()
            raise stop
        world.events.append(("message", sid, data))
        return None

    world.eio.on("message", message)
    client = world.polling()
    client.post("4a", "4bad", "4b")
    client.post("4c", "1")
    assert world.of(client.sid) == [
        ("message", "a"),
        ("message", "b"),
        ("message", "c"),
        ("disconnect", Reason.CLIENT_DISCONNECT),
    ]
    (stopped,) = [task for task in world.runtime.tasks if task.error is not None]
    assert isinstance(stopped.error, stop), "and the runtime has it"
    stopped.error = None
    world.assert_nothing_left()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_connect_handler_that_raises_no_exception(world: World, *, asynchronous: bool) -> None:
    """AP-24: no session, whatever it was."""

    def connect(sid: str, environ: dict[str, Any]) -> Any:
        async def fail() -> None:
            raise Stop

        if asynchronous:
            return fail()
        raise Stop

    world.eio.on("connect", connect)
    call = world.request("GET", "EIO=4&transport=polling")
    assert isinstance(call.task.error, Stop)
    world.assert_nothing_left()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_disconnect_handler_that_raises_no_exception(world: World, *, asynchronous: bool) -> None:
    """HS-23: the session is forgotten."""

    def disconnect(sid: str, reason: str) -> Any:
        async def fail() -> None:
            raise Stop

        if asynchronous:
            return fail()
        raise Stop

    world.eio.on("disconnect", disconnect)
    world.polling().post("1")
    assert not world.eio.sockets
    for task in world.runtime.tasks:
        if isinstance(task.error, Stop):
            task.error = None
    world.assert_nothing_left()


def test_a_session_can_be_seen_until_its_disconnect_handler_has_returned(world: World) -> None:
    """HS-23, CL-8, AP-10: sockets, get_session, save_session, session, transport, buffered, drain; not a request."""
    gate = Gate.closed()

    @world.eio.on("disconnect")
    async def disconnect(sid: str, reason: str) -> None:
        await gate.passed()
        assert await world.eio.get_session(sid) == {"name": "x"}
        await world.eio.save_session(sid, {"name": "y"})
        async with world.eio.session(sid) as session:
            assert session == {"name": "y"}
        assert world.eio.transport(sid) == "polling"
        assert world.eio.buffered(sid) == 0
        await world.eio.drain(sid)
        await world.eio.send(sid, "nobody gets it")
        await world.eio.disconnect(sid)
        assert world.eio.sockets[sid].closed
        world.events.append(("disconnect", sid, reason))

    client = world.polling()
    world.call(world.eio.save_session(client.sid, {"name": "x"}))
    client.post("1")
    assert list(world.eio.sockets) == [client.sid]
    assert client.get().code == 1
    gate.open()
    world.runtime.run()
    assert world.reasons(client.sid) == [Reason.CLIENT_DISCONNECT]
    assert len(world.eio.sockets) == 0
    for look in (world.eio.get_session, world.eio.drain):
        with pytest.raises(KeyError):
            world.call(look(client.sid))
