"""From the wire to the application: the order of events, and backpressure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from eio_core import Reason

from .runtime import Event, Gate
from .world import World

MakeWorld = Callable[..., World]


class Recorder:
    """A message handler that waits at a gate, and notes when it begins and when it ends."""

    def __init__(self, world: World) -> None:
        self.gate = Gate.closed()
        self.begun: list[Any] = []
        self.ended: list[Any] = []
        world.eio.on("message", self)

    async def __call__(self, sid: str, data: Any) -> None:
        self.begun.append(data)
        await self.gate.passed()
        self.ended.append(data)


def let_one_end(world: World, recorder: Recorder) -> None:
    """Open the gate for whoever waits there now, and close it behind them."""
    gate = recorder.gate
    recorder.gate = Gate.closed()
    gate.open()
    world.runtime.run()


# -------------------------------------------------------------------------------------------------------------- order


@pytest.fixture
def fifo(make_world: MakeWorld) -> World:
    """One message of a session after the other."""
    return make_world(async_handlers=False)


def test_one_after_the_other_across_an_upgrade(fifo: World) -> None:
    """FD-6, PP-13, UP-19, AP-17: from POSTs and from the WebSocket."""
    recorder = Recorder(fifo)
    client = fifo.polling()
    assert client.post("4a", "4b").body == "ok"
    assert client.post("4c").body == "ok", "it does not wait for handlers (row PP-2)"
    websocket = client.upgrade()
    for text in ("4d", "4e"):
        assert websocket.feed(text) is None, "whoever delivers already takes it on"
    for count in range(5):
        assert recorder.begun == list("abcde")[: count + 1]
        assert recorder.ended == list("abcde")[:count]
        let_one_end(fifo, recorder)
    assert recorder.ended == list("abcde")
    assert websocket.feed("4f") is not None, "nobody delivers now, so the reader does"
    assert recorder.begun[-1] == "f"


def test_one_after_the_other_per_session(fifo: World) -> None:
    """FD-6: sessions do not wait for one another."""
    recorder = Recorder(fifo)
    first, second = fifo.polling(), fifo.websocket()
    first.post("4a", "4b")
    second.feed("4c")
    assert recorder.begun == ["a", "c"]


@pytest.mark.parametrize("eager", [True, False])
def test_handlers_are_started_in_order(make_world: MakeWorld, *, eager: bool) -> None:
    """FD-6: each as its own task; at once where the loop can (3.12+), else in the order of the calls."""
    world = make_world(eager=eager)
    recorder = Recorder(world)
    client = world.polling()
    client.post("4a", "4b", "4c")
    websocket = client.upgrade()
    websocket.feed("4d")
    websocket.feed("4e")
    assert recorder.begun == list("abcde")
    assert recorder.ended == []


def test_eager_handlers_begin_before_the_next_frame_is_read(make_world: MakeWorld) -> None:
    world = make_world(eager=True)
    recorder = Recorder(world)
    client = world.websocket()
    assert client.connection.feed("4a") is None
    assert recorder.begun == ["a"]


@pytest.mark.parametrize("eager", [True, False])
def test_the_disconnect_comes_last(make_world: MakeWorld, *, eager: bool) -> None:
    """CL-7, CL-14: what the client sent before it closed is handled before, also where tasks begin later."""
    world = make_world(eager=eager)

    @world.eio.on("message")
    async def message(sid: str, data: str) -> None:
        world.events.append(("message", sid, data))

    client = world.websocket()
    client.connection.feed("4a")
    client.connection.feed("4b")
    client.connection.feed("1")
    client.connection.lost(1000)
    world.runtime.run()
    assert world.of(client.sid) == [("message", "a"), ("message", "b"), ("disconnect", Reason.CLIENT_DISCONNECT)]


@pytest.mark.parametrize("async_handlers", [True, False])
def test_messages_before_a_close_in_one_payload(make_world: MakeWorld, *, async_handlers: bool) -> None:
    """PP-10, CL-9: nothing behind the ``1``; once; last."""
    world = make_world(async_handlers=async_handlers)

    @world.eio.on("message")
    async def message(sid: str, data: str) -> None:
        world.events.append(("message", sid, data))
        await world.runtime.turn()

    client = world.polling()
    get = client.get()
    assert client.post("4a", "4b", "1", "4c").body == "ok"
    assert get.packets == ["6"]
    assert world.of(client.sid) == [("message", "a"), ("message", "b"), ("disconnect", Reason.CLIENT_DISCONNECT)]
    world.assert_nothing_left()


def test_a_disconnect_waits_for_the_messages_before_it(fifo: World) -> None:
    """Delivery: the FIFO's last entry. The session can be looked at until then (row HS-23)."""
    recorder = Recorder(fifo)
    client = fifo.websocket()
    client.feed("4a")
    client.leave()
    assert fifo.reasons(client.sid) == []
    assert client.sid in fifo.eio.sockets
    let_one_end(fifo, recorder)
    assert fifo.reasons(client.sid) == [Reason.TRANSPORT_CLOSE]
    fifo.assert_nothing_left()


def test_a_disconnect_does_not_wait_for_running_handlers(world: World) -> None:
    """They are tasks of their own, and may even wait for it."""
    gone = Event()
    ended: list[str] = []

    @world.eio.on("message")
    async def message(sid: str, data: str) -> None:
        await gone.wait()
        ended.append(data)

    world.eio.on("disconnect", lambda sid, reason: gone.set())
    client = world.websocket()
    client.feed("4a")
    client.feed("4b")
    client.leave()
    assert ended == ["a", "b"]
    world.assert_nothing_left()


@pytest.mark.parametrize("async_handlers", [True, False])
def test_what_was_not_started_is_dropped(make_world: MakeWorld, *, async_handlers: bool) -> None:
    """CL-14: after ``disconnect(sid)``."""
    world = make_world(async_handlers=async_handlers, max_pending_messages=3)

    @world.eio.on("message")
    async def message(sid: str, data: str) -> None:
        world.events.append(("message", sid, data))
        if data == "b":
            await world.eio.disconnect(sid)

    client = world.polling()
    client.get()
    assert client.post("4a", "4b", "4c", "4d").body == "ok"
    assert world.of(client.sid) == [("message", "a"), ("message", "b"), ("disconnect", Reason.SERVER_DISCONNECT)]
    world.assert_nothing_left()


def test_what_waits_is_dropped_with_a_disconnect_from_elsewhere(fifo: World) -> None:
    """CL-14: the handler that runs may end."""
    recorder = Recorder(fifo)
    client = fifo.polling()
    get = client.get()
    client.post("4a", "4b")
    fifo.call(fifo.eio.disconnect(client.sid))
    assert get.packets == ["1"]
    assert fifo.reasons(client.sid) == []
    let_one_end(fifo, recorder)
    assert recorder.begun == recorder.ended == ["a"]
    assert fifo.reasons(client.sid) == [Reason.SERVER_DISCONNECT]
    fifo.assert_nothing_left()


def test_nothing_is_dropped_if_the_client_closed_first(fifo: World) -> None:
    recorder = Recorder(fifo)
    client = fifo.polling()
    client.post("4a", "4b", "1")
    fifo.call(fifo.eio.disconnect(client.sid))
    let_one_end(fifo, recorder)
    let_one_end(fifo, recorder)
    assert recorder.ended == ["a", "b"]
    assert fifo.reasons(client.sid) == [Reason.CLIENT_DISCONNECT]


def test_a_post_is_delivered_by_one_task(world: World) -> None:
    """One for each POST, not for each message; and it is not the request's."""
    client = world.polling()
    before = world.runtime.calls["start"]
    tasks = len(world.runtime.tasks)
    client.post(*["4x"] * 30)
    assert world.messages(client.sid) == ["x"] * 30
    assert world.runtime.calls["start"] == before + 1
    assert len(world.runtime.tasks) == tasks + 1


def test_sync_handlers_of_a_burst_starve_nobody(world: World) -> None:
    """A POST may bring a million of them: the event loop goes round after every 64."""
    client = world.polling()
    client.post(*["4x"] * 200)
    assert len(world.messages(client.sid)) == 200
    assert world.runtime.calls["turn"] == 3


# -------------------------------------------------------------------------------------------------------- backpressure


def test_a_reader_waits_for_an_async_handler(fifo: World) -> None:
    """Borrowed: the reader itself runs the handler, with no task."""
    recorder = Recorder(fifo)
    client = fifo.websocket()
    tasks = len(fifo.runtime.tasks)
    reader = client.feed("4a")
    assert reader is not None
    assert not reader.done
    assert len(fifo.runtime.tasks) == tasks
    let_one_end(fifo, recorder)
    assert reader.done


def test_a_reader_waits_while_too_many_handlers_run(make_world: MakeWorld) -> None:
    """H20: max_pending_messages."""
    world = make_world(max_pending_messages=3)
    recorder = Recorder(world)
    client = world.websocket()
    assert client.feed("4a") is None
    assert client.feed("4b") is None
    reader = client.feed("4c")
    assert reader is not None
    assert not reader.done
    assert recorder.begun == ["a", "b", "c"]
    let_one_end(world, recorder)
    assert reader.done
    assert client.feed("4d") is None


def test_a_reader_waits_while_too_many_messages_wait(make_world: MakeWorld) -> None:
    """H20: behind what a POST had brought."""
    world = make_world(async_handlers=False, max_pending_messages=3)
    recorder = Recorder(world)
    client = world.polling()
    client.post("4a", "4b")
    websocket = client.upgrade()
    assert websocket.feed("4c") is None
    reader = websocket.feed("4d")
    assert reader is not None
    let_one_end(world, recorder)
    assert reader.done
    assert recorder.begun == ["a", "b"]


@pytest.mark.parametrize("async_handlers", [True, False])
def test_the_ok_of_a_post_waits(make_world: MakeWorld, *, async_handlers: bool) -> None:
    """PP-2, H20: while max_pending_messages are undelivered or being handled."""
    world = make_world(async_handlers=async_handlers, max_pending_messages=3)
    recorder = Recorder(world)
    client = world.polling()
    assert client.post("4a", "4b").body == "ok"
    post = client.post("4c", "4d", "4e")
    assert post.pending
    assert recorder.begun == (["a", "b", "c"] if async_handlers else ["a"])
    while post.pending:
        let_one_end(world, recorder)
    assert post.body == "ok"
    while len(recorder.ended) < 5:
        let_one_end(world, recorder)
    assert recorder.ended == list("abcde")


def test_no_more_handlers_than_allowed_run(make_world: MakeWorld) -> None:
    """H20: however many messages one POST brings."""
    world = make_world(max_pending_messages=2)
    recorder = Recorder(world)
    client = world.polling()
    post = client.post(*(f"4{number}" for number in range(7)))
    most = 0
    while len(recorder.ended) < 7:
        most = max(most, recorder.gate.waiting)
        let_one_end(world, recorder)
    assert most == 2
    assert post.body == "ok"
    assert recorder.ended == [str(number) for number in range(7)]


@pytest.mark.parametrize("end", ["overlap", "lost", "disconnect", "shutdown"])
def test_a_post_does_not_wait_for_room_in_a_session_that_is_over(make_world: MakeWorld, end: str) -> None:
    """Every request is answered, also where a handler hangs."""
    world = make_world(async_handlers=False, max_pending_messages=2)
    recorder = Recorder(world)
    client = world.polling()
    get = client.get()
    post = client.post("4a", "4b", "4c")
    assert post.pending
    if end == "overlap":
        assert client.post("4d").code == 3
        assert get.packets == ["1"]
    elif end == "lost":
        get.exchange.hang_up()
    elif end == "disconnect":
        world.call(world.eio.disconnect(client.sid))
    else:
        world.runtime.task(world.eio.shutdown(0))
    world.runtime.run()
    assert post.body == "ok", "its messages had been accepted"
    while world.runtime.running:
        let_one_end(world, recorder)
    assert len(world.reasons(client.sid)) == 1
    world.assert_nothing_left()


def test_a_post_does_not_wait_for_what_is_dropped(make_world: MakeWorld) -> None:
    """CL-14, PP-14: the session is closing, though nobody has fetched its ``1`` yet."""
    world = make_world(async_handlers=False, max_pending_messages=2)
    recorder = Recorder(world)
    client = world.polling()
    post = client.post("4a", "4b", "4c", "4d")
    world.call(world.eio.disconnect(client.sid))
    assert post.pending
    let_one_end(world, recorder)
    assert post.body == "ok"
    assert recorder.begun == ["a"]
    assert world.reasons(client.sid) == []
    assert client.get().packets == ["1"]
    assert world.reasons(client.sid) == [Reason.SERVER_DISCONNECT]


def test_a_reader_does_not_wait_for_room_in_a_session_that_is_over(make_world: MakeWorld) -> None:
    """It is to read the peer's close frame."""
    world = make_world(max_pending_messages=1)
    Recorder(world)
    client = world.websocket()
    reader = client.feed("4a")
    assert reader is not None
    world.call(world.eio.disconnect(client.sid))
    assert reader.done
    assert world.reasons(client.sid) == [Reason.SERVER_DISCONNECT]


def test_handlers_that_wait_for_the_disconnect(make_world: MakeWorld) -> None:
    """As many as may run wait for it, and more messages are there: the disconnect comes all the same (CL-14)."""
    world = make_world(max_pending_messages=2)
    gone = Event()

    @world.eio.on("message")
    async def message(sid: str, data: str) -> None:
        world.events.append(("message", sid, data))
        await gone.wait()

    @world.eio.on("disconnect")
    def disconnect(sid: str, reason: str) -> None:
        world.events.append(("disconnect", sid, reason))
        gone.set()

    client = world.polling()
    client.get()
    client.post("4a", "4b", "4c")
    world.call(world.eio.disconnect(client.sid))
    assert world.of(client.sid) == [("message", "a"), ("message", "b"), ("disconnect", Reason.SERVER_DISCONNECT)]
    world.assert_nothing_left()


@pytest.mark.parametrize("async_handlers", [True, False])
def test_no_pong_is_missed_while_nobody_reads(make_world: MakeWorld, *, async_handlers: bool) -> None:
    """HB-2, H20: our reader waits for our handlers, so the pong may be there, unread."""
    world = make_world(async_handlers=async_handlers, max_pending_messages=1)
    recorder = Recorder(world)
    client = world.websocket()
    reader = client.feed("4a")
    assert reader is not None
    world.runtime.advance(200)
    assert world.reasons(client.sid) == []
    let_one_end(world, recorder)
    assert reader.done
    world.runtime.advance(20)
    assert world.reasons(client.sid) == [Reason.PING_TIMEOUT], "now it could have been read"
    world.runtime.advance(6)
    client.leave()
    world.assert_nothing_left()


def test_no_pong_is_missed_while_a_post_waits_for_room(make_world: MakeWorld) -> None:
    """HB-2: the client cannot send another."""
    world = make_world(async_handlers=False, max_pending_messages=1)
    recorder = Recorder(world)
    client = world.polling()
    get = client.get()
    post = client.post("4a", "4b", "4c")
    world.runtime.advance(25)
    assert get.packets == ["2"]
    world.runtime.advance(100)
    assert world.reasons(client.sid) == []
    while post.pending:
        let_one_end(world, recorder)
    client.get()
    world.runtime.advance(40)
    assert client.sid not in world.engine.sessions


def test_a_handler_that_takes_its_time_pauses_nothing(world: World) -> None:
    """HB-2 is for a reader that waits, not for every handler."""
    Recorder(world)
    client = world.websocket()
    assert client.feed("4a") is None
    world.runtime.advance(46)
    assert client.sid not in world.engine.sessions
