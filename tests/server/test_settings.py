"""The arguments of AsyncServer: what they refuse, and that they are read when they are used."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from eio_server import AsyncServer

from .runtime import Gate
from .world import HANDSHAKE, World

MakeWorld = Callable[..., World]
POLLING = HANDSHAKE + "polling"


def opened(world: World) -> dict[str, Any]:
    """The data of the open packet of a new client."""
    data: dict[str, Any] = json.loads(world.polling().handshake.packets[0][1:])
    return data


# -------------------------------------------------------------------------------------------------------- what is told


def test_the_defaults_on_the_wire(world: World) -> None:
    """HS-1, HS-2, PL-16."""
    data = opened(world)
    del data["sid"]
    assert data == {"upgrades": ["websocket"], "pingInterval": 25000, "pingTimeout": 20000, "maxPayload": 1000000}


@pytest.mark.parametrize(
    ("interval", "told", "reads"),
    [(25, 25000, 25), ((25, 5), 30000, 25), (0.0001, 1, 0.0001), ((0.1, 0.2), 300, 0.1), ((7, 0), 7000, 7)],
)
def test_ping_interval(make_world: MakeWorld, interval: Any, told: int, reads: float) -> None:
    """HB-13, HS-2: a number or a tuple; it reads back as the number."""
    world = make_world(ping_interval=interval)
    assert world.eio.ping_interval == reads
    assert opened(world)["pingInterval"] == told


def test_times_at_run_time(world: World) -> None:
    """HB-14: new handshakes and the next cycles have them."""
    client = world.websocket()
    world.eio.ping_interval = 3
    world.eio.ping_timeout = 2
    assert (opened(world)["pingInterval"], opened(world)["pingTimeout"]) == (3000, 2000)
    world.runtime.advance(25)
    assert client.frames == ["2"]
    client.feed("3")
    world.runtime.advance(3)
    assert client.frames == ["2", "2"]
    world.runtime.advance(2)
    assert len(world.reasons(client.sid)) == 1
    world.eio.ping_interval = (4, 1)
    assert (world.eio.ping_interval, opened(world)["pingInterval"]) == (4, 5000)
    world.eio.ping_interval = 6  # the grace stays
    assert opened(world)["pingInterval"] == 7000


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, True, False, "20", None, [25, 5], (25,), (25, 5, 1)])
@pytest.mark.parametrize("name", ["ping_interval", "ping_timeout"])
def test_times_that_are_none(world: World, make_world: MakeWorld, name: str, value: float) -> None:
    """HB-14: positive numbers of seconds, then and later; else no handshake could be answered."""
    with pytest.raises(ValueError, match=f"^{name} is a positive number of seconds, not {re.escape(repr(value))}$"):
        make_world(**{name: value})
    before = getattr(world.eio, name)
    with pytest.raises(ValueError, match=f"^{name} is a positive number"):
        setattr(world.eio, name, value)
    assert getattr(world.eio, name) == before
    assert opened(world)["pingInterval"] == 25000


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, True, "10", None])
@pytest.mark.parametrize("name", ["upgrade_timeout", "close_timeout"])
def test_timeouts_that_are_none(make_world: MakeWorld, name: str, value: Any) -> None:
    """UP-12, CL-2: found when the server is made, not when the first client upgrades or is closed."""
    with pytest.raises(ValueError, match=f"^{name} is a positive number of seconds, not {value!r}$"):
        make_world(**{name: value})


@pytest.mark.parametrize("grace", [-1, math.nan, math.inf, "5", None])
def test_a_grace_that_is_none(world: World, grace: float) -> None:
    """HB-12, HB-13: less than nothing would have clients give up before their ping comes."""
    with pytest.raises(ValueError, match="grace period"):
        world.eio.ping_interval = (25, grace)
    assert opened(world)["pingInterval"] == 25000


def test_max_http_buffer_size_at_run_time(world: World) -> None:
    """PL-12, PL-16."""
    client = world.polling()
    world.eio.max_http_buffer_size = 10
    assert world.eio.max_http_buffer_size == 10
    assert opened(world)["maxPayload"] == 10
    offer = world.request("GET", HANDSHAKE + "websocket", websocket=True).offer
    assert offer.max_size == 10
    offer.failed()
    assert client.post("4" + "x" * 10).status == 413


def test_async_handlers_at_run_time(world: World) -> None:
    gate, seen = Gate.closed(), []

    @world.eio.on("message")
    async def message(sid: str, data: str) -> None:
        seen.append(data)
        await gate.passed()

    client = world.websocket()
    client.feed("4a")
    world.eio.async_handlers = False
    assert world.eio.async_handlers is False
    reader = client.feed("4b")
    assert reader is not None, "handled in the reader"
    assert seen == ["a", "b"]
    gate.open()


def test_monitor_clients(make_world: MakeWorld) -> None:
    """A missing pong closes nobody; other deadlines hold."""
    for value, closed in ((False, False), (None, True), (True, True)):
        world = make_world(monitor_clients=value)
        client = world.websocket()
        world.runtime.advance(100)
        assert (client.sid not in world.engine.sessions) is closed
        if not closed:
            assert client.frames == ["2"] * 4
            polling = world.polling()
            probe = polling.probe()
            world.runtime.advance(11)
            assert probe.websocket.codes == [1000]


def test_upgrades_can_be_forbidden(make_world: MakeWorld) -> None:
    """HS-21, HS-22."""
    world = make_world(allow_upgrades=False)
    assert opened(world)["upgrades"] == []
    client = world.polling()
    assert world.request("GET", f"{HANDSHAKE}websocket&sid={client.sid}", websocket=True).code == 3
    world.websocket()


def test_upgrade_timeout(make_world: MakeWorld) -> None:
    """UP-12."""
    world = make_world(upgrade_timeout=2)
    probe = world.polling().probe()
    world.runtime.advance(2)
    assert probe.websocket.codes == [1000]


def test_compression(make_world: MakeWorld) -> None:
    """HD-11: from the threshold on, or not at all."""
    for options, sizes in (
        ({}, {1022: False, 1023: True}),
        ({"compression_threshold": 10}, {8: False, 9: True}),
        ({"http_compression": False}, {5000: False}),
    ):
        world = make_world(**options)
        client = world.polling()
        for size, compressed in sizes.items():
            world.send(client.sid, "x" * size)
            headers = dict(world.request("GET", client.query, accept_encoding="gzip").response.headers)
            assert ("Content-Encoding" in headers) is compressed


def test_packets_per_request(make_world: MakeWorld) -> None:
    """PL-10, PL-11."""
    world = make_world(max_packets_per_poll=2, max_packets_per_payload=3)
    client = world.polling()
    world.eio.broadcast([client.sid] * 3, "x")
    assert client.get().packets == ["4x", "4x"]
    assert client.get().packets == ["4x"]
    assert client.post("4a", "4b", "4c").body == "ok"
    assert client.post("4a", "4b", "4c", "4d").code == 3


# ----------------------------------------------------------------------------------------------------------- transports


@pytest.mark.parametrize(
    ("wish", "allowed"),
    [
        (None, "polling websocket"),
        ("polling", "polling"),
        ("websocket", "websocket"),
        (["websocket"], "websocket"),
        (("websocket", "polling", "webtransport"), "polling websocket"),
        (iter(["polling"]), "polling"),
    ],
)
def test_transports(make_world: MakeWorld, wish: Any, allowed: str) -> None:
    """AP-2, HS-8: a string or a list; what is unknown is left out."""
    world = make_world(transports=wish)
    for transport in ("polling", "websocket"):
        call = world.request("GET", HANDSHAKE + transport, websocket=transport == "websocket")
        if transport not in allowed:
            assert call.code == 0
        elif transport == "websocket":
            call.offer.failed()
        else:
            upgrades = json.loads(call.packets[0][1:])["upgrades"]
            assert upgrades == (["websocket"] if "websocket" in allowed else [])


@pytest.mark.parametrize("wish", ["", [], "webtransport", ["POLLING"]])
def test_no_transport(make_world: MakeWorld, wish: Any) -> None:
    """AP-2."""
    with pytest.raises(ValueError, match=r"^No valid transports provided"):
        make_world(transports=wish)


# -------------------------------------------------------------------------------------------------------------- origins


@pytest.mark.parametrize(
    ("wish", "reads", "origin", "status", "allowed"),
    [
        (None, None, "http://here.example", 200, True),
        (None, None, "http://else.example", 400, False),
        ("*", "*", "http://else.example", 200, True),
        (["*"], ["*"], "http://else.example", 200, True),
        ("http://else.example", "http://else.example", "http://else.example", 200, True),
        ("http://else.example", "http://else.example", "http://here.example", 400, False),
        (
            ("http://a.example", "http://b.example"),
            ["http://a.example", "http://b.example"],
            "http://b.example",
            200,
            True,
        ),
        ([], [], "http://else.example", 200, False),
    ],
)
@pytest.mark.parametrize("later", [False, True])
def test_origins(
    make_world: MakeWorld,
    wish: Any,
    reads: Any,
    origin: str,
    status: int,
    allowed: bool,
    *,
    later: bool,
) -> None:
    """HD-1: given to the constructor, or assigned at run time."""
    world = make_world() if later else make_world(cors_allowed_origins=wish)
    if later:
        world.eio.cors_allowed_origins = lambda _: False
        world.eio.cors_allowed_origins = wish
    assert world.eio.cors_allowed_origins == reads
    response = world.request("GET", POLLING, origin=origin, host="here.example").response
    assert response.status == status
    assert ("Access-Control-Allow-Origin" in dict(response.headers)) is allowed


@pytest.mark.parametrize("wish", [5, True, ["http://a.example", 3], [None]])
def test_origins_that_are_none(world: World, make_world: MakeWorld, wish: Any) -> None:
    """HD-1: found when they are given, not when the first one is refused."""
    with pytest.raises(TypeError, match=r"^cors_allowed_origins is .* not "):
        make_world(cors_allowed_origins=wish)
    with pytest.raises(TypeError, match=r"^cors_allowed_origins is .* not "):
        world.eio.cors_allowed_origins = wish
    assert world.eio.cors_allowed_origins is None


def test_a_callable_at_run_time(world: World) -> None:
    """HD-1."""
    world.eio.cors_allowed_origins = lambda origin: origin == "http://a.example"
    assert world.request("GET", POLLING, origin="http://a.example").status == 200
    assert world.request("GET", POLLING, origin="http://b.example").status == 400


def test_credentials(make_world: MakeWorld) -> None:
    """HD-4: at run time too."""
    world = make_world(cors_allowed_origins="http://a.example", cors_credentials=False)
    for credentials in (False, True):
        world.eio.cors_credentials = credentials
        assert world.eio.cors_credentials is credentials
        headers = dict(world.request("GET", POLLING, origin="http://a.example").response.headers)
        assert ("Access-Control-Allow-Credentials" in headers) is credentials


def test_forwarded_headers(make_world: MakeWorld) -> None:
    """HD-1: trust_forwarded."""
    for trust, status in ((True, 200), (False, 400)):
        world = make_world(trust_forwarded=trust)
        forwarded: Any = {"x_forwarded_proto": "https", "x_forwarded_host": "site.example"}
        call = world.request("GET", POLLING, origin="https://site.example", host="inside:8000", **forwarded)
        assert call.status == status


# -------------------------------------------------------------------------------------------------------------- cookies


@pytest.mark.parametrize(
    "cookie",
    [
        "a b",
        "a=b",
        "a;b",
        "a\r\nX: y",
        "",
        {},
        {"path": "/"},
        {"name": None},
        {"name": "io", "Path": "/;x"},
        {"name": "io", "Path": "/\r\nX: y"},
        {"name": "io", "Pa th": "/"},
        {"name": "io", "Path\r\nX": "/"},
        {"name": "io", "": "/"},
    ],
)
def test_a_cookie_that_breaks_the_header(make_world: MakeWorld, cookie: Any) -> None:
    """HD-8: found when the server is made."""
    with pytest.raises(ValueError, match="cookie"):
        make_world(cookie=cookie)


@pytest.mark.parametrize("cookie", [5, True, ["io"]])
def test_a_cookie_that_is_none(make_world: MakeWorld, cookie: Any) -> None:
    with pytest.raises(TypeError, match=r"^cookie is a name, a dict with a 'name', or None, not "):
        make_world(cookie=cookie)


# -------------------------------------------------------------------------------------------------------------- limits

LIMITS = {
    "max_http_buffer_size": "",
    "max_pending_messages": "",
    "max_buffered_bytes": ", or None for no bound",
    "max_packets_per_payload": ", or None for no bound",
    "max_packets_per_poll": ", or None for no bound",
}


@pytest.mark.parametrize("value", [0, -1, 1.5, math.nan, math.inf, True, "1MB"])
@pytest.mark.parametrize("name", LIMITS)
def test_limits_that_are_none(make_world: MakeWorld, name: str, value: Any) -> None:
    """PL-10 to PL-16, FD-8, H20: found when the server is made; with no pending message every reader would wait."""
    with pytest.raises(ValueError, match=f"^{name} is a whole number from 1{LIMITS[name]}, not {value!r}$"):
        make_world(**{name: value})


@pytest.mark.parametrize("name", LIMITS)
def test_limits_of_one_and_of_none(make_world: MakeWorld, name: str) -> None:
    make_world(**{name: 1})
    if LIMITS[name]:
        make_world(**{name: None})
        return
    with pytest.raises(ValueError, match=f"^{name} is a whole number from 1, not None$"):
        make_world(**{name: None})


def test_one_pending_message(make_world: MakeWorld) -> None:
    """H20."""
    assert make_world(max_pending_messages=1).polling().post("4a", "4b").body == "ok"


def test_a_limit_as_a_float(make_world: MakeWorld) -> None:
    """PL-16: ``1e8`` is a whole number; clients are told one, and frameworks want one."""
    world = make_world(max_http_buffer_size=1e8)
    assert '"maxPayload":100000000}' in world.polling().handshake.packets[0]
    world.eio.max_http_buffer_size = 1e6  # type: ignore[assignment]
    assert type(world.eio.max_http_buffer_size) is int
    with pytest.raises(ValueError, match=r"^max_http_buffer_size is a whole number"):
        world.eio.max_http_buffer_size = 0
    assert world.eio.max_http_buffer_size == 1_000_000


def test_a_threshold_that_is_none(make_world: MakeWorld) -> None:
    """HD-11: zero compresses all."""
    make_world(compression_threshold=0)
    with pytest.raises(ValueError, match=r"^compression_threshold is a whole number from 0, not '1k'$"):
        make_world(compression_threshold="1k")


# ------------------------------------------------------------------------------------------------------------ unknown


def test_unknown_arguments_warn_once(make_world: MakeWorld) -> None:
    """AP-1: all of them in one warning, with the nearest name that there is, at the caller's line."""
    make_world()
    with pytest.warns(UserWarning, match="ignores unknown arguments") as caught:
        AsyncServer("fake", ping_intervall=3, zzz=1, max_pending_message=7, start_service_task=True)
    (warning,) = caught
    assert str(warning.message) == (
        "AsyncServer ignores unknown arguments: 'max_pending_message' (did you mean 'max_pending_messages'?), "
        "'ping_intervall' (did you mean 'ping_interval'?), 'zzz'"
    )
    assert warning.filename == __file__


@pytest.mark.parametrize("name", ["origin", "origins", "ping_graces", "ping_grace", "kwarg", "retur"])
def test_only_arguments_are_suggested(make_world: MakeWorld, name: str) -> None:
    """AP-1: not the names of what is inside."""
    make_world()
    options: Any = {name: 1}
    with pytest.warns(UserWarning, match="ignores unknown arguments") as caught:
        AsyncServer("fake", **options)
    for inside in ("'origins'?", "'ping_grace'?", "'kwargs'?", "'return'?"):
        assert inside not in str(caught[0].message)


@pytest.mark.parametrize("name", ["allow_request", "on_connection_error", "on_headers", "select_subprotocol"])
def test_hooks_that_are_not_there_yet_say_so(make_world: MakeWorld, name: str) -> None:
    """MH-4, MH-5, MH-7, ER-8, WS-16: nobody waits in vain for being called."""
    make_world()
    options: Any = {name: lambda *_: None}
    with pytest.warns(UserWarning, match=f"ignores unknown arguments: {name!r}"):
        AsyncServer("fake", **options)


@pytest.mark.parametrize(
    "name", ["start_service_task", "always_connect", "client_manager", "namespaces", "serializer", "engineio_logger"]
)
def test_names_of_others_pass_silently(make_world: MakeWorld, name: str) -> None:
    """AP-1: those that python-engineio or python-socketio know."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_world(**{name: object()})
