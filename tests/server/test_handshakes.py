"""A handshake: the connect handler, the session id, the origin, the cookie."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from eio_core import Reason, Request
from eio_server import Counters
from eio_server.integration import Disconnected

from .fakes import FakeExchange
from .logs import Logs
from .runtime import Gate
from .world import HANDSHAKE, World

MakeWorld = Callable[..., World]
POLLING = HANDSHAKE + "polling"
WEBSOCKET = HANDSHAKE + "websocket"


# ------------------------------------------------------------------------------------------------------ connect handler


@pytest.mark.parametrize("verdict", [None, True])
def test_a_connect_handler_accepts(world: World, verdict: object) -> None:
    """AP-4: with None or True."""
    world.eio.on("connect", lambda sid, environ: verdict)
    assert world.request("GET", POLLING).packets[0][:1] == "0"


@pytest.mark.parametrize(
    ("verdict", "body"),
    [
        (False, '"Unauthorized"'),
        (0, '"Unauthorized"'),
        ("", '"Unauthorized"'),
        ([], '"Unauthorized"'),
        ({}, '"Unauthorized"'),
        ("go away", '"go away"'),
        (1, "1"),
        ({"why": ["a", None]}, '{"why":["a",null]}'),
        ("ä", '"\\u00e4"'),
    ],
)
@pytest.mark.parametrize("query", [POLLING, WEBSOCKET])
def test_a_connect_handler_rejects(world: World, query: str, verdict: object, body: str) -> None:
    """ER-10, AP-4: 401 with JSON, before any 101; no session, no disconnect event (CL-7)."""

    async def connect(sid: str, environ: dict[str, Any]) -> object:
        return verdict

    world.eio.on("connect", connect)
    call = world.request("GET", query, websocket=query is WEBSOCKET)
    assert (call.status, call.body) == (401, body)
    assert ("Content-Type", "application/json") in call.response.headers
    world.assert_nothing_left()
    assert world.events == []


class Odd:
    """Its truth cannot be told, as that of an array."""

    def __bool__(self) -> bool:
        raise ValueError("ambiguous")


def nested() -> list[Any]:
    """Too deep for the recursion of a JSON encoder."""
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize("module", ["json", "orjson"])
@pytest.mark.parametrize(
    "verdict", [object(), {1, 2}, b"bytes", Odd(), nested()], ids=lambda value: type(value).__name__
)
def test_a_rejection_that_json_cannot_carry(make_world: MakeWorld, logs: Logs, verdict: object, module: str) -> None:
    """ER-10: logged, and "Unauthorized"."""
    world = make_world(json=pytest.importorskip(module))
    world.eio.on("connect", lambda sid, environ: verdict)
    call = world.request("GET", POLLING)
    assert (call.status, call.body) == (401, '"Unauthorized"')
    logs.take("a connect handler rejected with what JSON cannot carry")
    world.assert_nothing_left()


@pytest.mark.parametrize("later", [False, True])
def test_a_connect_handler_raises(world: World, logs: Logs, *, later: bool) -> None:
    """AP-4: logged with its traceback, and rejected."""

    def connect(sid: str, environ: dict[str, Any]) -> Any:
        async def fail() -> None:
            raise RuntimeError("no database")

        if later:
            return fail()
        raise RuntimeError("no database")

    world.eio.on("connect", connect)
    call = world.request("GET", POLLING)
    assert (call.status, call.body) == (401, '"Unauthorized"')
    assert logs.take("connect handler failed").exc_info is not None
    world.assert_nothing_left()


@pytest.mark.parametrize("query", [POLLING, WEBSOCKET])
def test_the_client_leaves_while_the_application_decides(world: World, query: str) -> None:
    """HS-26: it was accepted, and is closed at once."""
    gate = Gate.closed()

    @world.eio.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        world.events.append(("connect", sid))
        await gate.passed()

    call = world.request("GET", query, websocket=query is WEBSOCKET)
    call.exchange.hang_up()
    world.runtime.run()
    assert call.pending, "the application has the last word"
    gate.open()
    world.runtime.run()
    assert call.exchange.answers == []
    assert call.task.result is None
    (connected, gone) = world.events
    assert gone == ("disconnect", connected[1], Reason.TRANSPORT_ERROR)
    world.assert_nothing_left()


def test_nothing_but_a_handshake_is_shielded(world: World) -> None:
    """HS-26: where a framework cancels its handler, a connect handler finishes; who has a session needs no task."""
    shielded: list[str] = []

    def serve(method: str, query: str, body: bytes = b"") -> FakeExchange:
        async def shield(handshake: Coroutine[Any, Any, Any]) -> Any:
            shielded.append(query)
            return await handshake

        exchange = FakeExchange(Request(method, query), body)
        world.runtime.call(world.runner.serve(exchange, shield))
        return exchange

    opened = serve("GET", POLLING)
    assert shielded == [POLLING]
    query = f"{POLLING}&sid={world.events[0][1]}"
    assert opened.responses[0].status == 200
    assert serve("POST", query, b"4x").responses[0].body == b"ok"
    world.send(world.events[0][1], "y")
    assert serve("GET", query).responses[0].body == b"4y"
    assert serve("GET", "transport=polling").responses[0].status == 400
    assert shielded == [POLLING]


def test_a_client_that_left_is_rejected(world: World) -> None:
    """HS-26: then there is no disconnect event."""
    gate = Gate.closed()

    async def connect(sid: str, environ: dict[str, Any]) -> bool:
        await gate.passed()
        return False

    world.eio.on("connect", connect)
    call = world.request("GET", POLLING)
    call.exchange.responding.fail(Disconnected())
    call.exchange.hang_up()
    gate.open()
    world.runtime.run()
    assert call.task.result is None
    assert world.events == []
    world.assert_nothing_left()


def test_a_sync_connect_handler_needs_no_watch(world: World) -> None:
    """HS-26: only what suspends gives the client time to go."""
    exchange = FakeExchange(Request("GET", POLLING))
    exchange.entering.close()
    assert not world.begin(exchange).pending
    assert exchange.environs == 1


def test_no_environ_without_a_connect_handler(make_world: MakeWorld) -> None:
    world = make_world()
    world.runner.handlers.connect = None
    call = world.request("GET", POLLING)
    assert call.status == 200
    assert call.exchange.environs == 0


def test_sends_in_connect_ride_in_the_handshake(world: World) -> None:
    """HS-20: after the open packet, in the same body."""

    @world.eio.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        await world.eio.send(sid, "welcome")
        world.eio.broadcast([sid], b"\x01")
        assert world.eio.transport(sid) == "polling"
        assert not world.eio.sockets[sid].connected

    client = world.polling()
    assert client.handshake.packets[1:] == ["4welcome", "bAQ=="]
    assert world.eio.sockets[client.sid].connected


def test_sends_in_connect_follow_the_open_packet_on_websocket(any_world: World) -> None:
    """HS-20, WS-2."""

    @any_world.eio.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        await any_world.eio.send(sid, "welcome")
        assert any_world.eio.transport(sid) == "websocket"

    client = any_world.websocket()
    assert client.frames == ["4welcome"]


def test_disconnect_in_connect_on_polling(world: World) -> None:
    """CL-16: the handshake answers the open packet, what was sent, and ``1``; the disconnect event follows connect."""

    @world.eio.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        await world.eio.send(sid, "bye")
        await world.eio.disconnect(sid)
        await world.eio.send(sid, "too late")
        world.events.append(("connected", sid))

    client = world.polling()
    assert client.handshake.packets[1:] == ["4bye", "1"]
    assert world.events == [("connected", client.sid), ("disconnect", client.sid, Reason.SERVER_DISCONNECT)]
    world.assert_nothing_left()


def test_disconnect_in_connect_on_websocket(any_world: World) -> None:
    """CL-16: 101, the open frame, the packets, close 1000."""

    @any_world.eio.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        await any_world.eio.send(sid, "bye")
        await any_world.eio.disconnect(sid)

    client = any_world.websocket()
    assert client.frames == ["4bye"]
    assert client.websocket.codes == [1000]
    assert any_world.reasons(client.sid) == [Reason.SERVER_DISCONNECT]
    client.leave()
    any_world.assert_nothing_left()


def test_disconnect_in_connect_that_then_rejects(world: World) -> None:
    """ER-10: rejected is rejected."""

    @world.eio.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> str:
        await world.eio.disconnect(sid)
        return "no"

    call = world.request("GET", POLLING)
    assert (call.status, call.body) == (401, '"no"')
    assert world.events == []
    world.assert_nothing_left()


def test_an_outbox_that_overflows_in_connect(make_world: MakeWorld, logs: Logs) -> None:
    """FD-8: the application has accepted it, and learns of its end."""
    world = make_world(max_buffered_bytes=100)

    @world.eio.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        world.events.append(("connect", sid))
        for _ in range(5):
            await world.eio.send(sid, "x" * 100)

    exchange = FakeExchange(Request("GET", POLLING))
    exchange.responding.close()
    call = world.begin(exchange)
    assert [event[0] for event in world.events] == ["connect", "disconnect"]
    exchange.responding.open()
    world.runtime.run()
    assert call.code == 3
    logs.take("max_buffered_bytes")
    logs.take("CLOSED_WHILE_OPENING")
    world.assert_nothing_left()


def test_nobody_waits_for_ever_for_the_outbox_in_connect(world: World) -> None:
    """Nothing is written before the connect handler has returned: ``drain`` there has nothing to wait for."""

    @world.eio.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        await world.eio.send(sid, "x" * 1_000_000)
        await world.eio.drain(sid)

    assert len(world.polling().handshake.packets) == 2


# ------------------------------------------------------------------------------------------------------- session ids


@pytest.mark.parametrize("asynchronous", [False, True])
def test_generate_id_may_be_overridden(world: World, *, asynchronous: bool) -> None:
    """HS-4."""

    async def later() -> str:
        return "node1-abc"

    world.eio.generate_id = later if asynchronous else lambda: "node1-abc"  # type: ignore[method-assign]
    assert world.polling().sid == "node1-abc"


@pytest.mark.parametrize("query", [POLLING, WEBSOCKET])
def test_generate_id_fails(world: World, logs: Logs, query: str) -> None:
    """HS-5: 400 code 3, before any 101."""

    async def fail() -> str:
        raise OSError("no entropy")

    world.eio.generate_id = fail  # type: ignore[method-assign]
    call = world.request("GET", query, websocket=query is WEBSOCKET)
    assert (call.status, call.code) == (400, 3)
    logs.take("generate_id failed")
    logs.take("ID_GENERATION_ERROR")
    assert world.events == []
    world.assert_nothing_left()


@pytest.mark.parametrize("sid", ["", None, 7, b"bytes"])
def test_generate_id_makes_no_id(world: World, logs: Logs, sid: object) -> None:
    """HS-5: a sid is a str that is not empty; anything else leaves no ghost."""
    world.eio.generate_id = lambda: sid  # type: ignore[method-assign]
    assert world.request("GET", POLLING).code == 3
    if sid != "":
        assert repr(sid) in logs.take("a session id is a str").getMessage()
    assert world.events == []
    world.assert_nothing_left()


def test_an_id_is_made_that_exists(world: World) -> None:
    """HS-6: refused, and the first session does not notice."""
    client = world.polling()
    world.eio.generate_id = lambda: client.sid  # type: ignore[method-assign]
    assert world.request("GET", POLLING).code == 3
    world.send(client.sid, "still here")
    assert client.get().packets == ["4still here"]


def test_an_id_is_made_that_is_opening(world: World) -> None:
    """HS-6."""
    gate = Gate.closed()

    async def connect(sid: str, environ: dict[str, Any]) -> None:
        await gate.passed()

    world.eio.on("connect", connect)
    world.eio.generate_id = lambda: "same"  # type: ignore[method-assign]
    first = world.request("GET", POLLING)
    assert world.request("GET", POLLING).code == 3
    gate.open()
    world.runtime.run()
    assert first.status == 200


def test_an_id_is_made_whose_disconnect_handler_still_runs(world: World) -> None:
    """HS-6, HS-23: ``sockets`` has one entry for each session, until its disconnect handler has returned."""
    gate = Gate.closed()

    @world.eio.on("disconnect")
    async def disconnect(sid: str, reason: str) -> None:
        await gate.passed()
        assert await world.eio.get_session(sid) == {"mine": True}

    client = world.polling()
    world.call(world.eio.save_session(client.sid, {"mine": True}))
    client.post("1")
    assert client.sid in world.eio.sockets
    world.eio.generate_id = lambda: client.sid  # type: ignore[method-assign]
    assert world.request("GET", POLLING).code == 3
    gate.open()
    world.runtime.run()
    assert not world.eio.sockets
    assert world.polling().sid == client.sid


def test_the_server_shuts_down_while_an_id_is_made(world: World) -> None:
    """SD-2: nobody gets in any more."""
    gate = Gate.closed()

    async def generate_id() -> str:
        await gate.passed()
        return "late"

    world.eio.generate_id = generate_id  # type: ignore[method-assign]
    call = world.request("GET", POLLING)
    task = world.runtime.task(world.eio.shutdown())
    world.runtime.run()
    gate.open()
    world.runtime.run()
    assert task.done
    assert (call.status, call.code) == (503, 3)
    assert world.events == []
    world.assert_nothing_left()


# ----------------------------------------------------------------------------------------------------------- origins


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("with_environ", [False, True])
def test_a_callable_decides_about_origins(make_world: MakeWorld, *, asynchronous: bool, with_environ: bool) -> None:
    """HD-1: with the origin, or with the origin and the environ; sync or async."""
    asked: list[tuple[Any, ...]] = []

    def decide(*args: Any) -> Any:
        asked.append(args)
        verdict = bool(args[0] == "https://good.example")

        async def later() -> bool:
            return verdict

        return later() if asynchronous else verdict

    def one(origin: str) -> Any:
        return decide(origin)

    def two(origin: str, environ: dict[str, Any]) -> Any:
        return decide(origin, environ)

    world = make_world(cors_allowed_origins=two if with_environ else one)
    good = world.request("GET", POLLING, origin="https://good.example")
    assert ("Access-Control-Allow-Origin", "https://good.example") in good.response.headers
    bad = world.request("GET", POLLING, origin="https://bad.example")
    assert (bad.status, bad.code) == (400, 3)
    assert world.request("GET", POLLING).status == 200, "no page, no origin"
    assert len(asked) == 2
    if with_environ:
        assert asked[0][1]["HTTP_ORIGIN"] == "https://good.example"


def test_a_callable_for_origins_fails(make_world: MakeWorld, logs: Logs) -> None:
    """HD-1: then nobody is let in."""

    def decide(origin: str) -> bool:
        raise KeyError(origin)

    world = make_world(cors_allowed_origins=decide)
    assert world.request("GET", POLLING, origin="https://a\r\nb").code == 3
    assert "\n" not in logs.take("cors_allowed_origins failed").getMessage()


def test_a_preflight(make_world: MakeWorld) -> None:
    """HD-5: it is no error, and no request of a session."""
    world = make_world(cors_allowed_origins="https://a.example")
    call = world.request("OPTIONS", POLLING, origin="https://a.example")
    assert (call.status, call.body) == (204, "")


# ----------------------------------------------------------------------------------------------------------- cookies


@pytest.mark.parametrize("tls", [False, True])
def test_a_cookie_by_name(make_world: MakeWorld, *, tls: bool) -> None:
    """HD-8, HD-9: on the polling handshake only."""
    world = make_world(cookie="io")
    exchange = FakeExchange(Request("GET", POLLING, scheme="https" if tls else "http"))
    (cookie,) = [value for name, value in world.begin(exchange).response.headers if name == "Set-Cookie"]
    (sid,) = world.eio.sockets
    assert cookie == f"io={sid}; path=/; SameSite=Lax; HttpOnly" + ("; Secure" if tls else "")
    get = world.request("GET", f"{POLLING}&sid={sid}")
    world.send(sid, "hello")
    assert "Set-Cookie" not in dict(get.response.headers)
    offer = world.request("GET", WEBSOCKET, websocket=True).offer
    assert "Set-Cookie" not in dict(offer.headers)
    offer.failed()


def test_a_cookie_behind_a_proxy(make_world: MakeWorld) -> None:
    """HD-8, HD-1."""
    for trust, secure in ((True, True), (False, False)):
        world = make_world(cookie="io", trust_forwarded=trust)
        call = world.request("GET", POLLING, x_forwarded_proto="https, http")
        assert dict(call.response.headers)["Set-Cookie"].endswith("; Secure") is secure


def test_a_cookie_as_a_dict(make_world: MakeWorld) -> None:
    """HD-8: attributes as given, True is a bare flag, False leaves it out, callables are called each time."""
    ages = iter(["1", "2"])
    attributes = {"name": "n", "Path": "/x", "Secure": True, "HttpOnly": False, "Max-Age": lambda: next(ages)}
    world = make_world(cookie=attributes)
    cookies = [dict(world.polling().handshake.response.headers)["Set-Cookie"].partition("; ")[2] for _ in range(2)]
    assert cookies == ["Path=/x; Secure; Max-Age=1", "Path=/x; Secure; Max-Age=2"]


@pytest.mark.parametrize("value", ["a;b", "a\r\nX: y", 7, None])
def test_a_cookie_attribute_that_breaks_the_header(make_world: MakeWorld, logs: Logs, value: object) -> None:
    """HD-8, ER-9: the handshake is refused before the application hears of it."""
    world, counters = make_world(cookie={"name": "io", "Path": lambda: value}), Counters()
    world.eio.observe(counters)
    call = world.request("GET", POLLING)
    assert (call.status, call.code) == (400, 3)
    assert counters.refusals == {3: 1}
    assert world.events == []
    world.assert_nothing_left()
    logs.take("an attribute of the cookie could not be made")
