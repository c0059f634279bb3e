"""A request from its arrival to its response: what the runner makes of it, beyond what the core decides."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from eio_core import Reason, Request, Response
from eio_server import Counters, Observer
from eio_server.integration import Disconnected

from .fakes import FakeExchange, FakeWebSocket
from .logs import Logs
from .runtime import ManualRuntime
from .world import HANDSHAKE, World

MakeWorld = Callable[..., World]
POLLING = HANDSHAKE + "polling"
WEBSOCKET = HANDSHAKE + "websocket"


# --------------------------------------------------------------------------------------------------------- GET, POST


def test_a_parked_get_takes_its_payload_at_the_last_moment(world: World) -> None:
    """PG-9: what is sent until the next loop turn rides along."""
    client = world.polling()
    call = client.get()
    tasks = [world.runtime.task(world.eio.send(client.sid, text)) for text in ("a", "b", "c")]
    for task in tasks:
        task.step()
    world.runtime.run()
    assert call.packets == ["4a", "4b", "4c"]


def test_the_client_of_a_parked_get_leaves(world: World) -> None:
    """PG-4: the session is over at once, and nothing is written."""
    client = world.polling()
    call = client.get()
    call.exchange.hang_up()
    assert world.runner.engine.sessions == {}
    world.runtime.run()
    assert call.task.result is None
    assert call.exchange.answers == []
    assert world.reasons(client.sid) == [Reason.TRANSPORT_ERROR]
    world.assert_nothing_left()


def test_the_client_of_a_get_leaves_just_when_it_was_woken(world: World) -> None:
    client = world.polling()
    call = client.get()
    world.runtime.task(world.eio.send(client.sid, "hello")).step()
    call.exchange.hang_up()
    world.runtime.run()
    assert call.exchange.answers == []
    assert world.reasons(client.sid) == [Reason.TRANSPORT_ERROR]


def test_a_get_that_cannot_be_written(world: World) -> None:
    """FD-12, IN-17: its packets are lost, so the session is over."""
    client = world.polling()
    call = client.get()
    call.exchange.responding.fail(Disconnected())
    world.send(client.sid, "hello")
    assert call.task.result is None
    assert world.reasons(client.sid) == [Reason.TRANSPORT_ERROR]
    world.assert_nothing_left()


def test_two_gets(world: World) -> None:
    """PG-3."""
    client = world.polling()
    first = client.get()
    assert client.get().code == 3
    assert first.packets == ["1"]
    assert world.reasons(client.sid) == [Reason.TRANSPORT_ERROR]


def test_two_posts(world: World) -> None:
    """PP-3: 400 to both; the reading of the first stops."""
    client = world.polling()
    get = client.get()
    first = client.post_slowly("4never")
    assert client.post("4second").code == 3
    assert first.code == 3
    assert first.exchange.reading.waiting == 0
    assert get.packets == ["1"]
    assert world.of(client.sid) == [("disconnect", Reason.TRANSPORT_ERROR)]


def test_the_application_closes_while_a_post_is_read(world: World) -> None:
    """CL-17, CL-4."""
    client = world.polling()
    get = client.get()
    post = client.post_slowly("4never")
    world.call(world.eio.disconnect(client.sid))
    assert get.packets == ["1"]
    assert post.code == 3
    assert world.of(client.sid) == [("disconnect", Reason.SERVER_DISCONNECT)]
    world.assert_nothing_left()


def test_a_body_that_comes_while_its_session_is_closing(world: World) -> None:
    """PP-14: ``ok``, and dropped."""
    client = world.polling()
    post = client.post_slowly("4late")
    world.call(world.eio.disconnect(client.sid))
    post.exchange.reading.open()
    world.runtime.run()
    assert post.body == "ok"
    assert world.messages(client.sid) == []


def test_a_body_that_does_not_come(world: World) -> None:
    """H2: its deadline is the core's, the reading ends, the request is answered."""
    client = world.polling()
    post = client.post_slowly("4never")
    world.runtime.advance(46)
    assert post.code == 3
    assert world.reasons(client.sid) == [Reason.TRANSPORT_ERROR]
    world.assert_nothing_left()


def test_a_body_that_breaks_off(world: World) -> None:
    """PP-4."""
    client = world.polling()
    call = world.request("POST", client.query, Disconnected())
    assert call.task.result is None
    assert call.exchange.answers == []
    assert world.reasons(client.sid) == [Reason.TRANSPORT_ERROR]


def test_a_body_that_is_too_large(make_world: MakeWorld, logs: Logs) -> None:
    """PL-13, ER-7: 413, empty; the session is over."""
    world = make_world(max_http_buffer_size=100)
    client = world.polling()
    get = client.get()
    call = client.post("4" + "x" * 100)
    assert (call.status, call.body) == (413, "")
    assert get.packets == ["1"]
    assert world.reasons(client.sid) == [Reason.TRANSPORT_ERROR]
    logs.take("Payload too large")


def test_a_declared_length_that_is_too_large(world: World) -> None:
    """PL-13: not even read."""
    client = world.polling()
    exchange = FakeExchange(Request("POST", client.query, {"content-length": "9999999"}), b"4hello")
    exchange.reading.close()
    assert world.begin(exchange).status == 413


def test_an_undecodable_body(world: World) -> None:
    """PP-8, PP-9: what stood before it is delivered, and before the disconnect."""
    client = world.polling()
    assert client.post("4a", "4b", "x").code == 3
    assert world.of(client.sid) == [("message", "a"), ("message", "b"), ("disconnect", Reason.TRANSPORT_ERROR)]


def test_large_bodies_are_compressed_in_a_thread(world: World) -> None:
    """HD-13: small ones in place."""
    client = world.polling()
    for size, threads in ((2000, 0), (100_000, 1)):
        world.send(client.sid, "x" * size)
        call = world.request("GET", client.query, accept_encoding="gzip")
        assert ("Content-Encoding", "gzip") in call.response.headers
        assert world.runtime.calls["run_in_thread"] == threads


# ------------------------------------------------------------------------------------- what should not have happened


class FrameworkError(Exception):
    """Not what an integration should let through."""


def test_reading_a_body_fails_unexpectedly(world: World, logs: Logs) -> None:
    """ER-9: logged, the session is closed, 400 code 3 and never 200."""
    client = world.polling()
    call = world.request("POST", client.query, FrameworkError("chunked?"))
    assert (call.status, call.code) == (400, 3)
    assert world.reasons(client.sid) == [Reason.TRANSPORT_ERROR]
    assert logs.take("a request failed").exc_info is not None
    world.assert_nothing_left()


def test_watching_a_client_fails_unexpectedly(world: World, logs: Logs) -> None:
    """ER-9."""
    client = world.polling()
    exchange = FakeExchange(Request("GET", client.query))
    exchange.entering.fail(FrameworkError())
    call = world.begin(exchange)
    assert (call.status, call.code) == (400, 3)
    assert world.reasons(client.sid) == [Reason.TRANSPORT_ERROR]
    logs.take("a request failed")


def test_compressing_fails_unexpectedly(world: World, logs: Logs) -> None:
    """ER-9: an executor that has been shut down, for instance."""
    client = world.polling()
    world.runtime.thread.fail(RuntimeError("cannot schedule new futures after shutdown"))
    world.send(client.sid, "x" * 100_000)
    call = world.request("GET", client.query, accept_encoding="gzip")
    assert (call.status, call.code) == (400, 3)
    assert world.reasons(client.sid) == [Reason.TRANSPORT_ERROR]
    logs.take("a request failed")


def test_the_core_fails(world: World, logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    """ER-9: a defect of ours, which nobody would see otherwise."""

    def fail(*_: object) -> Response:
        raise AssertionError("unreachable")

    client = world.polling()
    call = client.get()
    with monkeypatch.context() as patch:
        patch.setattr("eio_core.engine.polling.take_get_response", fail)
        world.send(client.sid, "hello")
    assert (call.status, call.code) == (400, 3)
    assert world.reasons(client.sid) == [Reason.TRANSPORT_ERROR]
    logs.take("a request failed")
    world.assert_nothing_left()


def test_writing_a_response_fails_unexpectedly(world: World, logs: Logs) -> None:
    """IN-17, FD-12: nobody can be told; the session is closed, and the request is not answered a second time."""
    client = world.polling()
    call = client.get()
    call.exchange.responding.fail(FrameworkError())
    world.send(client.sid, "hello")
    assert len(call.exchange.answers) == 1
    assert world.reasons(client.sid) == [Reason.TRANSPORT_ERROR]
    logs.take("a response could not be written")


# --------------------------------------------------------------------------------------------------------- WebSocket


def test_a_handshake_that_is_none_is_refused(world: World) -> None:
    """WS-11: before the connect handler is asked."""
    seen: list[str] = []
    world.eio.on("connect", lambda sid, environ: seen.append(sid))
    call = world.begin(FakeExchange(Request("GET", WEBSOCKET, {"upgrade": "websocket"})))
    assert call.status == 400
    assert seen == []


def test_an_offer_says_how_to_accept(make_world: MakeWorld) -> None:
    """PL-14, WS-15, HD-7."""
    world = make_world(max_http_buffer_size=1234, websocket_compression=True, cors_allowed_origins="https://a.example")
    offer = world.request("GET", WEBSOCKET, websocket=True, origin="https://a.example").offer
    assert (offer.max_size, offer.compress) == (1234, True)
    assert ("Access-Control-Allow-Origin", "https://a.example") in offer.headers
    offer.failed()


def test_an_upgrade_has_its_time(world: World) -> None:
    """UP-12: the timer is set for it when the WebSocket is there, even if nothing else happens any more."""
    client = world.polling()
    probe = client.probe()
    world.runtime.advance(9.9)
    assert probe.websocket.codes == []
    world.runtime.advance(0.2)
    assert probe.websocket.codes == [1000]
    world.send(client.sid, "still here")
    assert client.get().packets == ["4still here"]


def test_an_upgrade_of_a_session_that_has_gone(world: World) -> None:
    """UP-10, UP-13: it closed between the check and the 101."""
    client = world.polling()
    call = world.request("GET", f"{WEBSOCKET}&sid={client.sid}", websocket=True)
    client.post("1")
    websocket = FakeWebSocket()
    connection = call.offer.opened(websocket)
    world.runtime.run()
    assert websocket.codes == [1000]
    assert connection.feed("2probe") is None
    connection.lost(1000)
    world.assert_nothing_left()


def test_a_session_that_closes_before_its_101(any_world: World) -> None:
    """SD-1: the close frame waits for the WebSocket; the five seconds of the peer begin anew then."""
    world = any_world
    call = world.request("GET", WEBSOCKET, websocket=True)
    task = world.runtime.task(world.eio.shutdown(1.0))
    world.runtime.run()
    websocket = FakeWebSocket()
    world.runtime.advance(2)
    assert task.done
    connection = call.offer.opened(websocket)
    world.runtime.run()
    assert websocket.codes == [1001]
    world.runtime.advance(4.9)
    assert websocket.aborts == 0
    world.runtime.advance(0.2)
    assert websocket.aborts == 1
    connection.lost(None)


def test_a_session_that_the_application_closes_before_its_101(any_world: World) -> None:
    """CL-6: who accepts slowly gets everything, and then the close frame."""
    world = any_world
    call = world.request("GET", WEBSOCKET, websocket=True)
    (sid,) = world.eio.sockets
    world.send(sid, "bye")
    world.call(world.eio.disconnect(sid))
    world.runtime.advance(10)
    websocket = FakeWebSocket()
    connection = call.offer.opened(websocket)
    world.runtime.run()
    assert websocket.frames[1:] == ["4bye"]
    assert websocket.codes == [1000]
    connection.lost(1000)
    assert world.reasons(sid) == [Reason.SERVER_DISCONNECT]
    world.assert_nothing_left()


def test_a_session_that_breaks_before_its_101(any_world: World, logs: Logs) -> None:
    """CL-18: five seconds pass before there is anything to abort; five more when there is."""
    world = any_world
    world.eio._settings.max_buffered_bytes = 10
    call = world.request("GET", WEBSOCKET, websocket=True)
    (sid,) = world.eio.sockets
    world.send(sid, "too much")
    assert world.reasons(sid) == [Reason.TRANSPORT_ERROR]
    logs.take("max_buffered_bytes")
    world.runtime.advance(6)
    websocket = FakeWebSocket()
    connection = call.offer.opened(websocket)
    world.runtime.run()
    assert websocket.frames == []
    assert websocket.codes == [1000]
    world.runtime.advance(5.1)
    assert websocket.aborts == 1
    connection.lost(None)
    world.assert_nothing_left()


# ------------------------------------------------------------------------------------------------------------- time


def test_heartbeats_are_seen_to_in_batches(world: World) -> None:
    """P6: the timer fires a hundred times a second at most, however many sessions have deadlines of their own."""
    clients = []
    for _ in range(100):
        clients.append(world.websocket())
        world.runtime.advance(0.001)
    fired = world.runtime.calls["set_timer"]
    world.runtime.advance(25.02)  # the last one is due 0.1 s after the first
    assert [client.frames for client in clients] == [["2"]] * 100
    assert world.runtime.calls["set_timer"] - fired <= 15


def test_the_timer_is_armed_for_the_first_deadline(world: World) -> None:
    """One timer for all, set again only for an earlier one."""
    client = world.websocket()
    assert world.runtime.timer is not None
    assert world.runtime.timer[0] == world.runtime.time + 25
    armed = world.runtime.calls["set_timer"]
    for _ in range(10):
        world.websocket()
    assert world.runtime.calls["set_timer"] == armed
    world.runtime.advance(25)
    assert client.frames == ["2"]
    assert world.runtime.timer[0] == world.runtime.time + 20


def test_a_missing_pong(any_world: World) -> None:
    """HB-3, HB-4, CL-18: the close frame is sent, and five seconds later the connection is aborted."""
    client = any_world.websocket()
    any_world.runtime.advance(25)
    any_world.runtime.advance(20)
    assert any_world.reasons(client.sid) == [Reason.PING_TIMEOUT]
    assert client.websocket.codes == [1000]
    any_world.runtime.advance(4.9)
    assert client.websocket.aborts == 0
    any_world.runtime.advance(0.2)
    assert client.websocket.aborts == 1
    client.leave(None)
    any_world.assert_nothing_left()


def test_a_get_that_is_held(world: World) -> None:
    """UP-2: the timer is set for it: 20 ms for the first after the probe, 100 for the next."""
    client = world.polling()
    client.probe().feed("2probe")
    for hold in (0.02, 0.1):
        get = client.get()
        world.runtime.advance(hold * 0.9)
        assert get.pending
        world.runtime.advance(hold * 0.2)
        assert get.packets == ["6"]


def test_an_observer_of_a_get_that_is_refused(world: World) -> None:
    """UP-5: what answers a GET that is held at the upgrade is no packet, but a refusal."""
    client, counters = world.polling(), Counters()
    link = client.probe()
    link.feed("2probe")
    get = client.get()
    world.eio.observe(counters)
    link.feed("5")
    assert (get.status, get.code) == (400, 3)
    assert counters.refusals == {3: 1}
    assert counters.packets_sent == 0


def test_observers_that_are_equal(world: World) -> None:
    """They are two all the same, such as dataclasses that have counted nothing yet."""

    @dataclass
    class Sessions(Observer):
        opened_on: list[str] = field(default_factory=list)

        def opened(self, sid: str, transport: str) -> None:
            self.opened_on.append(transport)

    observers = [Sessions(), Sessions()]
    for observer in [*observers, *observers]:
        world.eio.observe(observer)
    world.polling()
    world.eio.unobserve(observers[1])
    world.websocket()
    assert [observer.opened_on for observer in observers] == [["polling", "websocket"], ["polling"]]


def test_an_offer_that_nobody_takes_up(world: World) -> None:
    """HB-2: also of a WebSocket that never came the pong is missed."""
    call = world.request("GET", WEBSOCKET, websocket=True)
    (sid,) = world.eio.sockets
    world.runtime.advance(45)
    assert world.reasons(sid) == [Reason.PING_TIMEOUT]
    world.runtime.advance(5)
    call.offer.failed()
    world.assert_nothing_left()


def test_pings_go_on(world: World) -> None:
    """HB-1: a fixed rate, on either transport."""
    polling, websocket = world.polling(), world.websocket()
    for _ in range(4):
        get = polling.get()
        world.runtime.advance(25)
        assert get.packets == ["2"]
        assert websocket.frames == ["2"]
        websocket.frames.clear()
        assert polling.post("3").body == "ok"
        websocket.feed("3")
    assert len(world.engine.sessions) == 2


def test_a_runtime_is_made_when_it_is_first_needed() -> None:
    """A server is made without an event loop."""
    from eio_server import AsyncServer
    from eio_server.integration import register

    made: list[ManualRuntime] = []

    class Integration:
        name, distribution = "late", "eio-late"

        def make_runtime(self) -> ManualRuntime:
            made.append(ManualRuntime())
            return made[-1]

        def attach(self, server: AsyncServer, app: Any, path: str) -> None: ...

        async def handle_request(self, server: AsyncServer, *args: Any) -> Any: ...

    register(Integration())
    eio = AsyncServer("late")
    assert made == []
    runtime = eio.runner.runtime_here
    assert made == [runtime]
    eio.runner.startup()  # of the framework, after the first clients
    assert made == [runtime]
    made[0].here = False
    eio.runner.startup()  # in another event loop
    assert len(made) == 2
    assert eio.runner.runtime is made[1]


def test_an_observer_is_told_of_every_refusal(world: World, logs: Logs) -> None:
    """ER-8, ER-9, WS-11: once for each, also of a bad handshake and of a request that failed by a defect."""
    counters = Counters()
    world.eio.observe(counters)
    world.begin(FakeExchange(Request("GET", HANDSHAKE + "websocket", {"upgrade": "websocket"})))
    assert counters.refusals == {3: 1}
    logs.take("BAD_WEBSOCKET_HANDSHAKE")
    client = world.polling()
    world.request("POST", client.query, ZeroDivisionError())
    assert counters.refusals == {3: 2}
    logs.take("a request failed")
    overlapping = world.polling()
    assert [call.status for call in (overlapping.get(), overlapping.get())] == [200, 400]
    assert counters.refusals == {3: 3}
    logs.take("OVERLAP")


def test_bodies_of_refusals_are_json(world: World) -> None:
    """ER-1: the runner sends what the core says."""
    call = world.request("GET", POLLING + "&sid=nobody")
    assert json.loads(call.body) == {"code": 1, "message": "Session ID unknown"}
