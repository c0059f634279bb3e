"""The surface of AsyncServer: what api-reference.txt says, letter by letter, and what is added to it."""

from __future__ import annotations

import base64
import inspect
import itertools
from typing import Any

import eio_server
import pytest
from eio_server import AsyncServer
from eio_server.delivery import Socket

from .runtime import Event
from .world import World

PARAMETERS: dict[str, Any] = {
    "async_mode": None,
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
ADDED_PARAMETERS: dict[str, Any] = {
    "upgrade_timeout": 10,
    "close_timeout": 30,
    "max_buffered_bytes": 16 * 2**20,
    "max_pending_messages": 128,
    "max_packets_per_payload": None,
    "max_packets_per_poll": 16,
    "trust_forwarded": True,
    "decode_json": True,
    "websocket_compression": False,
}
METHODS = {
    "attach": "(app, engineio_path='engine.io')",
    "send": "async (sid, data)",
    "send_packet": "async (sid, pkt)",
    "get_session": "async (sid)",
    "save_session": "async (sid, session)",
    "session": "(sid)",
    "disconnect": "async (sid=None)",
    "handle_request": "async (*args, **kwargs)",
    "shutdown": "async (timeout=5.0)",  # the reference has no timeout: it is one of ours
    "start_background_task": "(target, *args, **kwargs)",
    "sleep": "async (seconds=0)",
    "create_queue": "(*args, **kwargs)",
    "get_queue_empty_exception": "()",
    "create_event": "(*args, **kwargs)",
    "generate_id": "()",
    "on": "(event, handler=None)",
    "transport": "(sid)",
}
ADDED_METHODS = {
    "broadcast": "(sids, data)",
    "buffered": "(sid)",
    "drain": "async (sid)",
    "observe": "(observer)",
    "unobserve": "(observer)",
}
ATTRIBUTES = {
    "async_mode",
    "ping_interval",
    "ping_timeout",
    "max_http_buffer_size",
    "async_handlers",
    "cors_credentials",
    "cors_allowed_origins",
    "sockets",
    "reason",
}
INSIDE = {"default_async_mode", "make_cookie", "rejection"}
"""For integrations and the runner."""
REASONS = {
    "CLIENT_DISCONNECT": "client disconnect",
    "PING_TIMEOUT": "ping timeout",
    "SERVER_DISCONNECT": "server disconnect",
    "TRANSPORT_CLOSE": "transport close",
    "TRANSPORT_ERROR": "transport error",
}


def signature(method: Any) -> str:
    """As the reference writes it: without self and without types."""
    given = inspect.signature(method)
    parameters = [p.replace(annotation=p.empty) for p in given.parameters.values() if p.name != "self"]
    text = str(given.replace(parameters=parameters, return_annotation=given.empty))
    return ("async " if inspect.iscoroutinefunction(method) else "") + text


def test_the_parameters() -> None:
    """AP-1: names, order and defaults; ours behind them, by name only."""
    parameters = dict(inspect.signature(AsyncServer).parameters)
    assert parameters.pop("kwargs").kind is inspect.Parameter.VAR_KEYWORD
    positional = {n: p.default for n, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD}
    assert list(positional.items()) == list(PARAMETERS.items())
    by_name = {n: p.default for n, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
    assert by_name == ADDED_PARAMETERS
    assert len(parameters) == len(PARAMETERS) + len(ADDED_PARAMETERS)


@pytest.mark.parametrize("name", [*METHODS, *ADDED_METHODS])
def test_a_method(name: str) -> None:
    """AP-9 to AP-15."""
    assert signature(getattr(AsyncServer, name)) == {**METHODS, **ADDED_METHODS}[name]


def test_nothing_else_is_public() -> None:
    public = {name for name in vars(AsyncServer) if not name.startswith("_")}
    assert public == {*METHODS, *ADDED_METHODS, *ATTRIBUTES, *INSIDE}


def test_the_reasons() -> None:
    """AP-18: of the class and of the instance."""
    assert {name: value for name, value in vars(AsyncServer.reason).items() if name.isupper()} == REASONS


def test_what_the_package_exports() -> None:
    assert set(eio_server.__all__) == {
        "AsyncServer",
        "Counters",
        "Observer",
        "Packet",
        "PacketType",
        "Socket",
        "register",
    }


@pytest.mark.parametrize("name", sorted({*METHODS, *ADDED_METHODS, *ATTRIBUTES} - {"reason"}))
def test_everything_public_is_documented(name: str) -> None:
    assert inspect.getdoc(getattr(AsyncServer, name)), name


@pytest.mark.parametrize("name", [*PARAMETERS, *ADDED_PARAMETERS, "kwargs"])
def test_every_parameter_is_documented(name: str) -> None:
    assert f":param {name}:" in str(AsyncServer.__doc__)


def test_a_socket_for_looking(world: World) -> None:
    """AP-16: what applications look at in ``sockets``; a live mapping that nobody can write to."""
    sockets = world.eio.sockets
    assert len(sockets) == 0
    client = world.polling()
    assert list(sockets) == [client.sid]
    assert client.sid in sockets
    (socket,) = sockets.values()
    assert isinstance(socket, Socket)
    assert (socket.sid, socket.connected, socket.closed, socket.upgraded) == (client.sid, True, False, False)
    assert (socket.transport, socket.buffered, socket.session) == ("polling", 0, {})
    client.upgrade()
    assert (socket.upgraded, socket.transport) == (True, "websocket")
    world.call(socket.close())
    assert (socket.connected, socket.closed) == (False, True)
    with pytest.raises(TypeError):
        sockets["x"] = socket  # type: ignore[index]


def test_applications_add_attributes_of_their_own(world: World) -> None:
    """python-socketio's users assign what we do not know, and replace methods."""
    world.eio.start_service_task = False  # type: ignore[attr-defined]
    world.eio.handle_request = lambda *args: args  # type: ignore[method-assign, assignment]


# ----------------------------------------------------------------------------------------------------------- handlers


@pytest.mark.parametrize("event", ["Connect", "error", "", "messages"])
def test_on_knows_three_events(world: World, event: str) -> None:
    """AP-3: as a decorator it says so before the function is made."""
    with pytest.raises(ValueError, match=r"^Invalid event") as caught:
        world.eio.on(event)
    assert "connect, message, disconnect" in str(caught.value)
    with pytest.raises(ValueError, match=r"^Invalid event"):
        world.eio.on(event, print)


@pytest.mark.parametrize("event", ["connect", "message", "disconnect"])
def test_on_wants_a_function(world: World, event: str) -> None:
    """AP-3: found when it is registered, not when the first client comes."""
    handler: Any = "on_" + event
    with pytest.raises(TypeError, match=f"^a handler of {event!r} is a function or another callable, not 'on_{event}'"):
        world.eio.on(event, handler)


def test_on_returns_the_handler(world: World) -> None:
    """AP-3."""

    @world.eio.on("message")
    def first(sid: str, data: str) -> None: ...

    def second(sid: str, data: str) -> None: ...

    assert callable(first)
    assert world.runner.handlers.message is first
    assert world.eio.on("message", second) is second
    assert world.runner.handlers.message is second


# ------------------------------------------------------------------------------------------------------------- session


def test_the_session_of_a_client(world: World) -> None:
    """AP-10: the live dict."""
    client = world.polling()
    session = world.call(world.eio.get_session(client.sid))
    session["a"] = 1
    assert world.call(world.eio.get_session(client.sid)) is session
    world.call(world.eio.save_session(client.sid, {"b": 2}))
    assert world.call(world.eio.get_session(client.sid)) == {"b": 2}
    assert world.eio.sockets[client.sid].session == {"b": 2}


def test_a_session_with_with(world: World) -> None:
    """AP-10: in sync handlers."""
    client = world.polling()
    with world.eio.session(client.sid) as session:
        session["name"] = "x"
    with world.eio.session(client.sid) as session:
        assert session == {"name": "x"}


def test_a_session_with_async_with(world: World) -> None:
    """AP-10: it saves, also when an exception leaves it."""
    client = world.polling()

    async def use() -> None:
        async with world.eio.session(client.sid) as session:
            session["name"] = "x"
            await world.eio.save_session(client.sid, {"other": True})
            raise OSError

    with pytest.raises(OSError):  # noqa: PT011 - which one is plain
        world.call(use())
    assert world.call(world.eio.get_session(client.sid)) == {"name": "x"}


def test_a_session_that_vanishes_meanwhile(world: World) -> None:
    """AP-10: is ignored."""
    client = world.polling()
    gone = Event()

    async def use() -> None:
        async with world.eio.session(client.sid) as session:
            await gone.wait()
            session["name"] = "x"

    task = world.runtime.task(use())
    task.step()
    client.post("1")
    assert client.sid not in world.eio.sockets
    gone.set()
    world.runtime.run()
    assert task.result is None


def test_the_session_in_connect(world: World) -> None:
    """AP-10: the example of the reference."""

    @world.eio.on("connect")
    def connect(sid: str, environ: dict[str, Any]) -> None:
        with world.eio.session(sid) as session:
            session["ip"] = environ["REMOTE_ADDR"]

    client = world.polling()
    assert world.call(world.eio.get_session(client.sid)) == {"ip": "192.0.2.1"}


@pytest.mark.parametrize("sid", ["nobody", "", None])
def test_unknown_sids_are_key_errors(world: World, sid: Any) -> None:
    """AP-10, AP-12."""
    eio = world.eio
    with pytest.raises(KeyError, match="Session not found"):
        eio.transport(sid)
    with pytest.raises(KeyError):
        eio.buffered(sid)
    for coroutine in (eio.get_session(sid), eio.save_session(sid, {}), eio.drain(sid)):
        with pytest.raises(KeyError):
            world.call(coroutine)
    with pytest.raises(KeyError), eio.session(sid):
        pass


# ------------------------------------------------------------------------------------------------ disconnect, transport


def test_disconnecting_nobody(world: World) -> None:
    """AP-11, SD-3: an unknown sid, and an empty server."""
    world.call(world.eio.disconnect("nobody"))
    world.call(world.eio.disconnect())


def test_disconnecting_one(world: World) -> None:
    """AP-11, CL-12; returns at once, whatever the disconnect handler does."""
    never = world.runtime.event()

    @world.eio.on("disconnect")
    async def disconnect(sid: str, reason: str) -> None:
        world.events.append(("disconnect", sid, reason))
        await never.wait()

    first, second = world.polling(), world.polling()
    get = first.get()
    world.call(world.eio.disconnect(first.sid))
    assert get.packets == ["1"]
    assert world.reasons(first.sid) == [AsyncServer.reason.SERVER_DISCONNECT]
    assert world.eio.sockets[second.sid].connected


def test_disconnecting_all(world: World) -> None:
    """AP-11, SD-3: without waiting for a GET of who has none parked (row CL-4)."""
    parked, absent, websocket = world.polling(), world.polling(), world.websocket()
    get = parked.get()
    world.call(world.eio.disconnect())
    assert get.packets == ["1"]
    assert websocket.websocket.codes == [1000]
    assert world.reasons(absent.sid) == []
    assert absent.get().packets == ["1"]
    assert world.reasons(absent.sid) == [AsyncServer.reason.SERVER_DISCONNECT]


def test_a_client_that_never_fetches_its_close(make_world: Any) -> None:
    """CL-4: after close_timeout it is gone."""
    world: World = make_world(close_timeout=7)
    client = world.polling()
    world.call(world.eio.disconnect(client.sid))
    world.runtime.advance(6.9)
    assert world.reasons(client.sid) == []
    world.runtime.advance(0.2)
    assert world.reasons(client.sid) == [AsyncServer.reason.SERVER_DISCONNECT]
    world.assert_nothing_left()


def test_the_transport_of_a_client(world: World) -> None:
    """AP-12: polling, until an upgrade is complete."""
    client = world.polling()
    assert world.eio.transport(client.sid) == "polling"
    probe = client.probe()
    probe.feed("2probe")
    assert world.eio.transport(client.sid) == "polling"
    probe.feed("5")
    assert world.eio.transport(client.sid) == "websocket"


# --------------------------------------------------------------------------------------------------------- generate_id


def test_session_ids(world: World) -> None:
    """HS-3: 20 characters of url-safe base64, twelve random bytes and a counter."""
    ids = [world.eio.generate_id() for _ in range(300)]
    assert len(set(ids)) == 300
    raw = []
    for sid in ids:
        assert isinstance(sid, str)
        assert len(sid) == 20
        assert not set("+/=") & set(sid)
        raw.append(base64.urlsafe_b64decode(sid))
    counters = [int.from_bytes(one[12:], "big") for one in raw]
    assert all((b - a) % 2**24 == 1 for a, b in itertools.pairwise(counters))
    assert len({one[:12] for one in raw}) == 300


def test_the_counter_of_session_ids_wraps(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """HS-3: after 2**24."""
    monkeypatch.setattr(AsyncServer, "_counter", itertools.count(2**24 - 1))
    assert [world.eio.generate_id()[16:] for _ in range(2)] == ["____", "AAAA"]


# --------------------------------------------------------------------------------------------------- the framework


def test_attach_strips_slashes(world: World) -> None:
    """AP-14."""
    app = object()
    for path in ("engine.io", "/engine.io/", "//a/b//", "/"):
        world.eio.attach(app, path)
    world.eio.attach(app)
    assert world.integration.attached == [(app, p) for p in ("engine.io", "engine.io", "a/b", "", "engine.io")]


def test_one_place_is_one_servers(world: World, make_world: Any) -> None:
    """AP-14: most frameworks would serve the first one, and say nothing of the second."""

    class App: ...

    app, other = App(), make_world().eio
    world.eio.attach(app)
    for eio in (world.eio, other):
        with pytest.raises(ValueError, match=r"has an Engine\.IO server at /engine\.io already.* engineio_path"):
            eio.attach(app, "/engine.io/")
    world.eio.attach(app, "chat")
    other.attach(app, "other")
    other.attach(App())


def test_handle_request_passes_on(world: World) -> None:
    """AP-15."""
    from eio_core import Request

    from .fakes import FakeExchange

    exchange = FakeExchange(Request("GET", "transport=none"))
    responses, options = world.call(world.eio.handle_request(exchange, extra=1))
    assert responses[0].status == 400
    assert options == {"extra": 1}


def test_conveniences(world: World) -> None:
    """AP-13: of the runtime."""
    eio = world.eio
    queue = eio.create_queue(maxsize=3)
    queue.put_nowait(1)
    assert queue.get_nowait() == 1
    with pytest.raises(eio.get_queue_empty_exception()):
        queue.get_nowait()
    event = eio.create_event()
    event.set()
    assert event.is_set()

    async def add(a: int, b: int) -> int:
        await eio.sleep(2)
        return a + b

    async def start() -> Any:
        return await eio.start_background_task(add, 1, b=2)

    task = world.runtime.task(start())
    world.runtime.run()
    assert not task.done
    world.runtime.advance(2)
    assert task.result == 3


def test_a_background_task_that_is_no_function(world: World) -> None:
    """AP-13: a coroutine in place of its function is the usual mistake."""

    async def work() -> None: ...

    coroutine: Any = work()
    with pytest.raises(TypeError, match=r"^start_background_task\(\) wants a function .* not <coroutine"):
        world.eio.start_background_task(coroutine)
    coroutine.close()
