"""A framework cancels its handler of a request, at every await of it: nothing is left behind, and reasons are right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from eio_core import Reason, Request

from .fakes import FakeExchange
from .runtime import Cancelled, Gate
from .world import HANDSHAKE, Call, World

MakeWorld = Callable[..., World]
POLLING = HANDSHAKE + "polling"
WEBSOCKET = HANDSHAKE + "websocket"


def cancel(world: World, call: Call) -> None:
    """The framework cancels the handler."""
    assert call.pending, "it waits for nothing"
    call.task.cancel()
    world.runtime.run()
    assert call.task.cancelled
    assert isinstance(call.task.error, Cancelled), "cancellation passes"


# ---------------------------------------------------------------------------------------------------------- handshake


def test_while_the_application_decides_about_an_origin(make_world: MakeWorld) -> None:
    """HD-1: nothing was made by then."""
    gate = Gate.closed()

    async def allowed(_: str) -> bool:
        await gate.passed()
        return True

    world = make_world(cors_allowed_origins=allowed)
    call = world.request("GET", POLLING, origin="https://else.example")
    cancel(world, call)
    assert world.events == []
    world.assert_nothing_left()


def test_while_a_session_id_is_made(world: World) -> None:
    """HS-4: nothing was made by then."""
    gate = Gate.closed()

    async def generate_id() -> str:
        await gate.passed()
        return "an-id"

    world.eio.generate_id = generate_id  # type: ignore[method-assign] # as an application may
    call = world.request("GET", POLLING)
    cancel(world, call)
    assert world.events == []
    world.assert_nothing_left()


@pytest.mark.parametrize("query", [POLLING, WEBSOCKET])
def test_in_the_connect_handler(world: World, query: str) -> None:
    """AP-24, HS-20: the session never was; it is no disconnect for the application."""
    gate = Gate.closed()

    @world.eio.on("connect")
    async def connect(sid: str, _: dict[str, Any]) -> None:
        await world.eio.send(sid, "welcome")
        assert await world.eio.get_session(sid) == {}
        await gate.passed()

    call = world.request("GET", query, websocket=query is WEBSOCKET)
    (sid,) = world.eio.sockets
    assert world.request("GET", f"{POLLING}&sid={sid}").code == 1, "no request finds it"
    assert call.exchange.watched
    cancel(world, call)
    assert world.events == []
    assert gate.waiting == 0, "the handler heard of it"
    assert not call.exchange.watched
    world.assert_nothing_left()


def test_in_a_connect_handler_that_has_closed_its_session(world: World) -> None:
    """CL-16, HS-20."""
    gate = Gate.closed()

    @world.eio.on("connect")
    async def connect(sid: str, _: dict[str, Any]) -> None:
        await world.eio.disconnect(sid)
        await gate.passed()

    cancel(world, world.request("GET", POLLING))
    assert world.events == []
    world.assert_nothing_left()


def test_before_the_connect_handler_is_awaited(world: World) -> None:
    """The watch for the client has only begun."""

    class Verdict:
        def __await__(self) -> Any:
            raise AssertionError("nobody awaits it")

    world.eio.on("connect", lambda sid, environ: Verdict())
    exchange = FakeExchange(Request("GET", POLLING))
    exchange.entering.close()
    cancel(world, world.begin(exchange))
    world.assert_nothing_left()


def test_while_the_handshake_is_answered(world: World) -> None:
    """FD-12: it was accepted, so there is a disconnect."""
    exchange = FakeExchange(Request("GET", POLLING))
    exchange.responding.close()
    call = world.begin(exchange)
    (sid,) = world.eio.sockets
    cancel(world, call)
    assert world.events == [("connect", sid), ("disconnect", sid, Reason.TRANSPORT_ERROR)]
    world.assert_nothing_left()


@pytest.mark.parametrize("verdict", [False, "no"])
def test_while_a_rejection_is_answered(world: World, verdict: object) -> None:
    """ER-10: it was rejected before."""
    world.eio.on("connect", lambda sid, environ: verdict)
    exchange = FakeExchange(Request("GET", POLLING))
    exchange.responding.close()
    cancel(world, world.begin(exchange))
    assert world.events == []
    world.assert_nothing_left()


def test_while_a_refusal_is_answered(world: World) -> None:
    exchange = FakeExchange(Request("GET", POLLING + "&sid=nobody"))
    exchange.responding.close()
    cancel(world, world.begin(exchange))
    world.assert_nothing_left()


# ---------------------------------------------------------------------------------------------------------------- GET


def test_of_a_parked_get(world: World) -> None:
    """PG-4: some frameworks say so that the client is gone."""
    client = world.polling()
    call = client.get()
    assert call.exchange.watched
    cancel(world, call)
    assert world.of(client.sid) == [("disconnect", Reason.TRANSPORT_ERROR)]
    assert client.get().code == 1
    world.assert_nothing_left()


def test_of_a_get_that_was_just_woken(world: World) -> None:
    """Its payload was not taken yet; it is gone with the session, and not with another's."""
    client = world.polling()
    call = client.get()
    task = world.runtime.task(world.eio.send(client.sid, "hello"))
    task.step()  # now it may go on, but has not
    assert call.pending
    cancel(world, call)
    assert call.exchange.answers == []
    assert world.reasons(client.sid) == [Reason.TRANSPORT_ERROR]
    world.assert_nothing_left()


def test_of_a_get_before_it_is_watched(world: World) -> None:
    client = world.polling()
    exchange = FakeExchange(Request("GET", client.query))
    exchange.entering.close()
    cancel(world, world.begin(exchange))
    assert world.reasons(client.sid) == [Reason.TRANSPORT_ERROR]
    world.assert_nothing_left()


def test_of_a_get_whose_session_has_closed_meanwhile(world: World) -> None:
    """The reason stays the first one."""
    client = world.polling()
    call = client.get()
    task = world.runtime.task(world.eio.disconnect(client.sid))
    task.step()
    cancel(world, call)
    assert world.reasons(client.sid) == [Reason.SERVER_DISCONNECT]
    world.assert_nothing_left()


def test_of_a_get_while_it_is_answered(world: World) -> None:
    """FD-12: what it took is lost, so the session is over."""
    client = world.polling()
    world.send(client.sid, "hello")
    exchange = FakeExchange(Request("GET", client.query))
    exchange.responding.close()
    call = world.begin(exchange)
    assert [response.body for response in exchange.answers] == [b"4hello"]
    cancel(world, call)
    assert world.reasons(client.sid) == [Reason.TRANSPORT_ERROR]
    world.assert_nothing_left()


def test_a_client_that_does_not_read_its_response_is_given_up(world: World) -> None:
    """CL-18, FD-12: five seconds after its session has closed, whatever the reason."""
    client = world.polling()
    world.send(client.sid, "hello")
    exchange = FakeExchange(Request("GET", client.query))
    exchange.responding.close()
    call = world.begin(exchange)
    world.runtime.advance(25.0)
    world.runtime.advance(20.0)
    assert world.reasons(client.sid) == [Reason.PING_TIMEOUT]
    world.runtime.advance(4.9)
    assert call.pending
    world.runtime.advance(0.2)
    assert not call.pending
    assert exchange.responses == []
    world.assert_nothing_left()


def test_a_client_that_does_not_read_the_last_response_is_given_up(world: World) -> None:
    """CL-18: the one that says that the session is over."""
    client = world.polling()
    parked = FakeExchange(Request("GET", client.query))
    call = world.begin(parked)
    parked.responding.close()
    world.call(world.eio.disconnect(client.sid))
    assert [response.body for response in parked.answers] == [b"1"]
    world.runtime.advance(5.1)
    assert not call.pending
    world.assert_nothing_left()


def test_a_client_that_does_not_read_any_of_its_responses_is_given_up(world: World) -> None:
    """CL-18: a GET is free for the next one as soon as its response was composed, so there may be several."""
    client = world.polling()
    calls = []
    for text in ("one", "two"):
        world.send(client.sid, text)
        exchange = FakeExchange(Request("GET", client.query))
        exchange.responding.close()
        calls.append(world.begin(exchange))
    world.runtime.advance(45.0)
    assert world.reasons(client.sid) == [Reason.PING_TIMEOUT]
    world.runtime.advance(5.1)
    assert [call.pending for call in calls] == [False, False]
    world.assert_nothing_left()


def test_what_is_due_when_a_client_does_not_read_its_last_response(world: World) -> None:
    """The clock is read there, and shows that something else is due before the timer has fired."""
    other = world.websocket()
    client = world.polling()
    parked = FakeExchange(Request("GET", client.query))
    world.begin(parked)
    parked.responding.close()
    world.runner.close(world.eio.sockets[client.sid].core)
    world.runtime.time += 25.0
    world.runtime.run()
    assert other.frames == ["2"]
    world.runtime.advance(5.1)


def test_of_a_get_while_it_is_compressed_in_a_thread(world: World) -> None:
    """HD-13, HD-15."""
    client = world.polling()
    world.send(client.sid, "x" * 100_000)
    world.runtime.thread.close()
    call = world.request("GET", client.query, accept_encoding="gzip")
    assert world.runtime.thread.waiting == 1
    cancel(world, call)
    assert call.exchange.answers == []
    assert world.reasons(client.sid) == [Reason.TRANSPORT_ERROR]
    world.assert_nothing_left()


def test_of_the_get_that_brings_the_close(world: World) -> None:
    """CL-4: the session was over when the response was composed; the application learns of it once."""
    client = world.polling()
    world.call(world.eio.disconnect(client.sid))
    exchange = FakeExchange(Request("GET", client.query))
    exchange.responding.close()
    call = world.begin(exchange)
    assert world.reasons(client.sid) == [Reason.SERVER_DISCONNECT], "before the response is out"
    cancel(world, call)
    assert world.reasons(client.sid) == [Reason.SERVER_DISCONNECT]
    world.assert_nothing_left()


# --------------------------------------------------------------------------------------------------------------- POST


def test_of_a_post_while_its_body_is_read(world: World) -> None:
    """PP-4; a parked GET gets its ``1``."""
    client = world.polling()
    get = client.get()
    call = client.post_slowly("4never")
    cancel(world, call)
    assert get.packets == ["1"]
    assert world.of(client.sid) == [("disconnect", Reason.TRANSPORT_ERROR)]
    world.assert_nothing_left()


def test_of_a_post_that_is_interrupted_at_the_same_time(world: World) -> None:
    """The framework's cancellation counts above our own; the session closes once."""
    client = world.polling()
    call = client.post_slowly("4never")
    overlapping = FakeExchange(Request("POST", client.query), b"4second")
    other = world.runtime.task(world.runner.serve(overlapping))
    other.step()  # closes the session (row PP-3) and cancels the reading
    cancel(world, call)
    assert call.exchange.answers == [], "there is nobody to answer"
    assert overlapping.responses[0].status == 400
    assert world.reasons(client.sid) == [Reason.TRANSPORT_ERROR]
    world.assert_nothing_left()


def test_of_a_post_that_waits_for_room(make_world: MakeWorld) -> None:
    """PP-2, CL-11: its messages were accepted and are delivered; its slot is free, and its session over.

    While the slot is taken no missing pong is noticed (row HB-2): it would be there for ever.
    """
    world = make_world(async_handlers=False, max_pending_messages=2)
    gate = Gate.closed()

    @world.eio.on("message")
    async def message(sid: str, data: str) -> None:
        await gate.passed()
        world.events.append(("message", sid, data))

    client = world.polling()
    call = client.post("4a", "4b", "4c")
    assert call.pending
    cancel(world, call)
    assert client.sid not in world.engine.sessions
    gate.open()
    world.runtime.run()
    assert world.of(client.sid) == [
        ("message", "a"),
        ("message", "b"),
        ("message", "c"),
        ("disconnect", Reason.TRANSPORT_ERROR),
    ]
    world.assert_nothing_left()


def test_of_a_post_that_waits_for_room_in_a_session_that_is_over(make_world: MakeWorld) -> None:
    world = make_world(async_handlers=False, max_pending_messages=1)
    gate = Gate.closed()

    async def message(sid: str, data: str) -> None:
        await gate.passed()

    world.eio.on("message", message)
    client = world.polling()
    call = client.post("4a", "4b")
    assert call.pending
    world.runtime.task(world.eio.disconnect(client.sid)).step()
    cancel(world, call)
    gate.open()
    client.get()
    assert world.reasons(client.sid) == [Reason.SERVER_DISCONNECT]
    world.assert_nothing_left()


def test_of_a_post_while_it_is_answered(world: World) -> None:
    """Its slot was free before, so that the next one does not overlap."""
    client = world.polling()
    exchange = FakeExchange(Request("POST", client.query), b"4hello")
    exchange.responding.close()
    call = world.begin(exchange)
    assert world.messages(client.sid) == ["hello"], "who delivers is not the request"
    cancel(world, call)
    assert client.post("4again").body == "ok"
    assert world.messages(client.sid) == ["hello", "again"]


# ---------------------------------------------------------------------------------------------------------- WebSocket


def test_of_a_reader_in_a_message_handler(make_world: MakeWorld) -> None:
    """Sanic and anyio cancel the handler of a WebSocket: the session's next message is still handled."""
    world = make_world(async_handlers=False)
    gate = Gate.closed()

    @world.eio.on("message")
    async def message(sid: str, data: str) -> None:
        world.events.append(("message", sid, data))
        if data == "slow":
            await gate.passed()

    client = world.websocket()
    reader = client.feed("4slow")
    assert reader is not None
    assert not reader.done
    reader.cancel()
    world.runtime.run()
    assert reader.cancelled
    assert world.reasons(client.sid) == [], "that its reader was cancelled does not end a session"
    assert not world.engine.sessions[client.sid].paused
    client.feed("4next")
    client.leave()
    assert world.of(client.sid) == [
        ("message", "slow"),
        ("message", "next"),
        ("disconnect", Reason.TRANSPORT_CLOSE),
    ]
    world.assert_nothing_left()


def test_of_a_reader_whose_session_ended_meanwhile(make_world: MakeWorld) -> None:
    """The disconnect handler waits for the message handler, also for its cancellation; it runs in no request."""
    world = make_world(async_handlers=False)
    gate = Gate.closed()

    async def message(sid: str, data: str) -> None:
        await gate.passed()

    world.eio.on("message", message)
    client = world.websocket()
    reader = client.feed("4slow")
    assert reader is not None
    client.leave()
    assert world.reasons(client.sid) == []
    reader.cancel()
    world.runtime.run()
    assert world.reasons(client.sid) == [Reason.TRANSPORT_CLOSE]
    world.assert_nothing_left()


def test_of_a_reader_that_waits_for_room(make_world: MakeWorld) -> None:
    """HB-2: it does not leave the session paused."""
    world = make_world(max_pending_messages=1)
    gate = Gate.closed()

    async def message(sid: str, data: str) -> None:
        await gate.passed()

    world.eio.on("message", message)
    client = world.websocket()
    reader = client.feed("4a")
    assert reader is not None
    assert world.engine.sessions[client.sid].paused
    reader.cancel()
    world.runtime.run()
    assert not world.engine.sessions[client.sid].paused
    client.leave()
    gate.open()
    world.runtime.run()
    world.assert_nothing_left()


@pytest.mark.parametrize("cancelled", [False, True])
def test_before_the_websocket_is_accepted(world: World, *, cancelled: bool) -> None:
    """WS-11: the integration says that it failed, or is cancelled then; the application had accepted it."""
    call = world.request("GET", WEBSOCKET, websocket=True)
    if cancelled:
        with pytest.raises(Cancelled), call.offer:
            raise Cancelled
    else:
        call.offer.failed()
    world.runtime.run()
    (event,) = world.events[1:]
    assert event[::2] == ("disconnect", Reason.TRANSPORT_ERROR)
    world.assert_nothing_left()


def test_before_the_websocket_of_an_upgrade_is_accepted(world: World) -> None:
    """UP-11: nothing has changed for the session."""
    client = world.polling()
    call = world.request("GET", f"{WEBSOCKET}&sid={client.sid}", websocket=True)
    call.offer.failed()
    world.send(client.sid, "hello")
    assert client.get().packets == ["4hello"]
    assert client.upgrade().frames == []
