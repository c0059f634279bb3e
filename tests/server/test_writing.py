"""Writing a WebSocket: one writer, who never holds up a sender, and what becomes of a write that waits or fails."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest
from eio_core import Reason
from eio_server.integration import Disconnected

from .fakes import FakeWebSocket
from .logs import Logs
from .runtime import Cancelled, until
from .world import World

MakeWorld = Callable[..., World]


def slow(world: World) -> Any:
    """A client whose first frame after the open packet waits."""
    client = world.websocket()
    client.websocket.every_write = client.websocket.wait
    client.websocket.writing.close()
    return client


# ------------------------------------------------------------------------------------------------------------ at once


def test_a_frame_that_is_taken_costs_no_task(any_world: World) -> None:
    client = any_world.websocket()
    before = any_world.runtime.calls.copy()
    any_world.send(client.sid, "hello")
    any_world.eio.broadcast([client.sid], b"\x00\xff")
    assert client.frames == ["4hello", b"\x00\xff"]
    assert any_world.runtime.calls == before


def test_a_coroutine_that_does_not_wait_costs_no_task(world: World) -> None:
    """As aiohttp's nearly always: it is stepped once."""
    client = world.websocket()
    client.websocket.every_write = client.websocket.finish
    before = world.runtime.calls.copy()
    world.send(client.sid, "hello")
    assert client.frames == ["4hello"]
    assert world.runtime.calls - before == {"step": 1}


def test_a_coroutine_that_cannot_be_stepped_goes_to_a_task(make_world: MakeWorld) -> None:
    """On trio. The task takes on whatever comes until it is done."""
    world = make_world(stepping=False)
    client = world.websocket()
    client.websocket.every_write = client.websocket.finish
    before = world.runtime.calls["spawn"]
    task = world.runtime.task(world.eio.send(client.sid, "a"))
    task.step()
    assert task.done
    assert client.frames == []
    world.eio.broadcast([client.sid], "b")
    world.runtime.run()
    assert client.frames == ["4a", "4b"]
    assert world.runtime.calls["spawn"] == before + 1


def test_a_burst_is_written_in_batches(any_world: World) -> None:
    """FD-1: in order, whatever the size."""
    client = slow(any_world)
    sent = [str(number) * 1000 for number in range(300)]
    for text in sent:
        any_world.eio.broadcast([client.sid], text)
    client.websocket.writing.open()
    any_world.runtime.run()
    assert client.frames == ["4" + text for text in sent]
    assert any_world.eio.buffered(client.sid) == 0


# -------------------------------------------------------------------------------------------------- a write that waits


def test_a_slow_client_blocks_nobody(any_world: World) -> None:
    """WS-18, FD-4: neither who sends to it, nor who sends to others."""
    client, other = slow(any_world), any_world.websocket()
    any_world.send(client.sid, "a")
    any_world.send(client.sid, "b")
    any_world.eio.broadcast([client.sid, other.sid], "c")
    any_world.send(other.sid, "d")
    any_world.call(any_world.eio.send_packet(client.sid, any_packet("e")))
    assert client.frames == []
    assert other.frames == ["4c", "4d"]
    assert any_world.eio.buffered(client.sid) == 4 * 66
    client.websocket.writing.open()
    any_world.runtime.run()
    assert client.frames == ["4a", "4b", "4c", "4e"]
    assert any_world.eio.buffered(client.sid) == 0


def any_packet(data: Any) -> Any:
    """A packet of ours."""
    from eio_server import Packet, PacketType

    return Packet(PacketType.MESSAGE, data)


@pytest.mark.parametrize("pattern", ["take wait take", "finish wait finish", "wait take wait finish", "wait wait take"])
def test_the_order_holds_across_steps_and_tasks(any_world: World, pattern: str) -> None:
    """FD-5: whoever writes, and however the framework takes each frame."""
    client = any_world.websocket()
    websocket = client.websocket
    websocket.writing.close()
    websocket.next_writes.extend(getattr(websocket, name) for name in pattern.split())
    texts = [str(number) for number in range(8)]
    for text in texts[:5]:
        any_world.send(client.sid, text)
    websocket.writing.open()
    any_world.runtime.run()
    for text in texts[5:]:
        any_world.send(client.sid, text)
    assert client.frames == ["4" + text for text in texts]


def test_what_is_taken_together_is_written_in_order(any_world: World) -> None:
    """Several frames of one batch, of which one in the middle waits."""
    client = any_world.websocket()
    websocket = client.websocket
    websocket.writing.close()
    websocket.next_writes.extend([websocket.wait, websocket.take, websocket.finish, websocket.wait, websocket.take])
    for text in "abcdef":
        any_world.eio.broadcast([client.sid], text)
    websocket.writing.open()
    any_world.runtime.run()
    assert client.frames == ["4" + text for text in "abcdef"]


def test_cancelling_the_sender_does_not_tear_the_write(any_world: World) -> None:
    """AP-9: what was appended goes out."""
    client = slow(any_world)
    sender = any_world.runtime.task(any_world.eio.send(client.sid, "x" * 400_000))
    sender.step()
    assert not sender.done, "above low water it lets the event loop go round (row FD-8)"
    sender.cancel()
    any_world.runtime.run()
    assert sender.cancelled
    client.websocket.writing.open()
    any_world.runtime.run()
    assert client.websocket.torn == []
    assert client.frames == ["4" + "x" * 400_000]


def test_step_and_task_share_a_context(world: World) -> None:
    """A framework may set a variable in one half of its write, and reset it in the other."""
    variable: ContextVar[str] = ContextVar("variable")
    client = slow(world)
    websocket = client.websocket

    async def write(frame: str | bytes) -> None:
        token = variable.set("in a write")
        await websocket.writing.passed()
        variable.reset(token)
        websocket.frames.append(frame)

    websocket.every_write = write
    world.send(client.sid, "a")
    websocket.writing.open()
    world.runtime.run()
    world.send(client.sid, "b")
    assert client.frames == ["4a", "4b"]


def test_the_context_of_the_handshake_is_not_that_of_the_server(world: World) -> None:
    """Tasks of the server's own have nothing of a request in them."""
    variable: ContextVar[str] = ContextVar("variable", default="nothing")
    seen: list[tuple[str, str]] = []
    world.eio.on("disconnect", lambda sid, reason: seen.append((reason, variable.get())))
    variable.set("the request's")
    world.polling().post("1")
    assert seen == [(Reason.CLIENT_DISCONNECT, "nothing")]


def test_who_waits_for_the_outbox(any_world: World) -> None:
    """FD-8: ``drain`` returns below low water."""
    client = slow(any_world)
    any_world.send(client.sid, "x" * 400_000)
    waiting = [any_world.runtime.task(any_world.eio.drain(client.sid)) for _ in range(2)]
    any_world.runtime.run()
    assert not any(task.done for task in waiting)
    client.websocket.writing.open()
    any_world.runtime.run()
    assert all(task.done for task in waiting)
    any_world.call(any_world.eio.drain(client.sid))


def test_who_waits_for_the_outbox_need_not_wait_for_the_last_of_it(any_world: World) -> None:
    """FD-8: below low water is enough, while the rest is still being written."""
    client = any_world.websocket()
    websocket, taken = client.websocket, 0

    async def write(frame: str | bytes) -> None:
        await until(lambda: len(websocket.frames) < taken)
        websocket.frames.append(frame)

    websocket.every_write = write
    any_world.eio.broadcast([client.sid] * 20, "x" * 50_000)
    waiting = any_world.runtime.task(any_world.eio.drain(client.sid))
    for taken in range(1, 21):  # noqa: B007
        any_world.runtime.run()
        if waiting.done:
            break
    assert any_world.eio.buffered(client.sid) <= 256 * 1024
    assert len(websocket.frames) < 18


@pytest.mark.parametrize("how", ["lost", "overflow", "cut"])
def test_who_waits_for_the_outbox_of_a_client_that_goes(make_world: MakeWorld, logs: Logs, how: str) -> None:
    """FD-8: or when the session is closed."""
    world = make_world(max_buffered_bytes=500_000)
    client = slow(world)
    world.send(client.sid, "x" * 600_000)
    waiting = world.runtime.task(world.eio.drain(client.sid))
    world.runtime.run()
    if how == "lost":
        client.leave()
    elif how == "overflow":
        world.send(client.sid, "too much")
        logs.take("max_buffered_bytes")
    else:
        stop = world.runtime.task(world.eio.shutdown(1))
        world.runtime.run()
        world.runtime.advance(2)
        assert stop.done
    assert waiting.done
    assert waiting.error is None


# ---------------------------------------------------------------------------------------------------- closing meanwhile


def test_closing_behind_a_write_that_waits(any_world: World) -> None:
    """CL-6, WS-8: what is buffered goes out, then the close frame."""
    client = slow(any_world)
    any_world.send(client.sid, "a")
    any_world.send(client.sid, "b")
    any_world.call(any_world.eio.disconnect(client.sid))
    any_world.send(client.sid, "too late")
    assert client.websocket.codes == []
    assert any_world.reasons(client.sid) == []
    client.websocket.writing.open()
    any_world.runtime.run()
    assert client.frames == ["4a", "4b"]
    assert client.websocket.codes == [1000]
    assert any_world.reasons(client.sid) == [Reason.SERVER_DISCONNECT]
    client.leave(1000)
    any_world.assert_nothing_left()


def test_a_close_that_need_not_wait_for_the_write(any_world: World) -> None:
    """The session is over; its connection has its close frame when the frame before it is out."""
    client = slow(any_world)
    any_world.send(client.sid, "a")
    any_world.send(client.sid, "b")
    client.feed("1")
    assert any_world.reasons(client.sid) == [Reason.CLIENT_DISCONNECT]
    client.websocket.writing.open()
    any_world.runtime.run()
    assert client.frames[0] == "4a"
    assert client.websocket.codes == [1000]
    client.leave(1000)
    any_world.assert_nothing_left()


def test_a_close_behind_a_write_that_never_ends(any_world: World) -> None:
    """CL-18: five seconds after the close was to be sent the connection is aborted."""
    client = slow(any_world)
    any_world.send(client.sid, "a")
    client.feed("2")
    assert any_world.reasons(client.sid) == [Reason.TRANSPORT_ERROR]
    any_world.runtime.advance(4.9)
    assert client.websocket.aborts == 0
    any_world.runtime.advance(0.2)
    assert client.websocket.aborts == 1
    assert client.websocket.torn == ["4a"]
    assert client.websocket.codes == []
    client.leave(None, error=True)
    assert any_world.reasons(client.sid) == [Reason.TRANSPORT_ERROR]
    any_world.assert_nothing_left()


def test_a_close_handshake_that_never_ends(any_world: World) -> None:
    """CL-18: the closing is cancelled, the connection aborted, once."""
    client = any_world.websocket()
    client.websocket.closing.close()
    any_world.call(any_world.eio.disconnect(client.sid))
    assert any_world.reasons(client.sid) == [Reason.SERVER_DISCONNECT], "before the handshake is over"
    any_world.runtime.advance(5.1)
    assert client.websocket.aborts == 1
    assert client.websocket.closing.waiting == 0
    client.leave(None)
    any_world.assert_nothing_left()


def test_a_session_that_is_closing_and_never_drains(make_world: MakeWorld) -> None:
    """CL-4, CL-18: close_timeout, then five seconds."""
    world = make_world(close_timeout=10, ping_interval=100)
    client = slow(world)
    world.send(client.sid, "a")
    world.call(world.eio.disconnect(client.sid))
    world.runtime.advance(10.1)
    assert world.reasons(client.sid) == [Reason.SERVER_DISCONNECT]
    world.runtime.advance(5.1)
    assert client.websocket.aborts == 1
    client.leave(None)
    world.assert_nothing_left()


def test_the_client_goes_while_a_write_waits(any_world: World) -> None:
    """WS-7: the write is let go of, the session closed once."""
    client = slow(any_world)
    any_world.send(client.sid, "a")
    client.leave(1006)
    client.leave(1006)
    assert any_world.reasons(client.sid) == [Reason.TRANSPORT_CLOSE]
    assert client.websocket.torn == ["4a"]
    assert client.websocket.aborts == 0
    any_world.send(client.sid, "b")
    any_world.assert_nothing_left()


def test_the_client_goes_while_its_close_waits(any_world: World) -> None:
    client = any_world.websocket()
    client.websocket.closing.close()
    any_world.call(any_world.eio.disconnect(client.sid))
    client.leave(1000)
    client.websocket.closing.fail(Disconnected())
    any_world.runtime.run()
    assert any_world.reasons(client.sid) == [Reason.SERVER_DISCONNECT]
    any_world.runtime.advance(10)
    assert client.websocket.aborts == 0
    any_world.assert_nothing_left()


@pytest.mark.parametrize(
    ("code", "error", "reason"),
    [
        (1000, False, Reason.TRANSPORT_CLOSE),
        (1001, False, Reason.TRANSPORT_CLOSE),
        (1005, False, Reason.TRANSPORT_CLOSE),
        (1006, False, Reason.TRANSPORT_CLOSE),
        (None, False, Reason.TRANSPORT_CLOSE),
        (4321, False, Reason.TRANSPORT_CLOSE),
        (None, True, Reason.TRANSPORT_ERROR),
        (1000, True, Reason.TRANSPORT_ERROR),
        *[(code, False, Reason.TRANSPORT_ERROR) for code in (1002, 1003, 1007, 1009, 1010, 1011)],
    ],
)
def test_what_the_framework_reports(world: World, code: int | None, error: bool, reason: str) -> None:
    """CL-10, CL-11, WS-20."""
    client = world.websocket()
    client.leave(code, error=error)
    assert world.reasons(client.sid) == [reason]
    world.assert_nothing_left()


# -------------------------------------------------------------------------------------------------- a write that fails


class FrameworkError(Exception):
    """Not a word of the client having gone."""


@pytest.mark.parametrize("how", ["refuse", "lose", "wait"])
@pytest.mark.parametrize("who", ["send", "broadcast", "handler", "ping"])
def test_a_write_that_fails(any_world: World, how: str, who: str) -> None:
    """WS-9: the session is closed TRANSPORT_ERROR, once; who sent notices nothing. At once, or after a wait."""
    world = any_world
    client, other = world.websocket(), world.websocket()
    websocket = client.websocket
    websocket.every_write = getattr(websocket, how)
    websocket.writing.close()

    @world.eio.on("message")
    async def message(sid: str, data: str) -> None:
        await world.eio.send(sid, data)
        await world.eio.send(sid, data)

    if who == "send":
        world.send(client.sid, "a")
        world.send(client.sid, "b")
    elif who == "broadcast":
        world.eio.broadcast([client.sid, other.sid], "c")
        assert other.frames == ["4c"], "the others get theirs"
    elif who == "handler":
        client.feed("4hello")
    else:
        world.runtime.advance(25)
    world.runtime.run()
    websocket.writing.fail(Disconnected())
    world.runtime.run()
    assert world.reasons(client.sid) == [Reason.TRANSPORT_ERROR]
    assert websocket.aborts == 0, "it is gone"
    assert websocket.frames == []
    client.leave(1006)
    assert world.reasons(client.sid) == [Reason.TRANSPORT_ERROR]
    world.send(client.sid, "late")
    assert list(world.eio.sockets) == [other.sid]


@pytest.mark.parametrize("first", [True, False])
def test_a_framework_that_fails(any_world: World, logs: Logs, *, first: bool) -> None:
    """WS-9: its client may still be there: logged, and the connection aborted, so that somebody owns it to the end."""
    world = any_world
    client = world.websocket()
    websocket = client.websocket
    websocket.every_write = websocket.wait
    if not first:
        websocket.writing.close()
        world.send(client.sid, "a")
    websocket.writing.fail(FrameworkError())
    world.send(client.sid, "b")
    assert world.reasons(client.sid) == [Reason.TRANSPORT_ERROR]
    assert websocket.aborts == 1
    assert logs.take("a WebSocket could not be written").exc_info is not None
    client.leave(None)
    world.assert_nothing_left()


def test_a_framework_that_is_cancelled_in_a_write(any_world: World) -> None:
    """Sanic and others raise a cancellation of their own where a connection is lost: the sender is not meant."""
    world = any_world
    client, other = world.websocket(), world.websocket()

    async def write(_: str | bytes) -> None:
        raise Cancelled

    client.websocket.every_write = write
    world.eio.broadcast([client.sid, other.sid], "a")
    world.send(client.sid, "b")
    assert other.frames == ["4a"]
    assert world.reasons(client.sid) == [Reason.TRANSPORT_ERROR]
    client.leave(None)
    assert list(world.eio.sockets) == [other.sid]


def test_a_framework_that_is_cancelled_in_a_write_that_waited(any_world: World) -> None:
    """Else the connection would never be written again."""
    client = slow(any_world)
    any_world.send(client.sid, "a")
    client.websocket.writing.fail(Cancelled())
    any_world.runtime.run()
    assert any_world.reasons(client.sid) == [Reason.TRANSPORT_ERROR]
    assert client.websocket.aborts == 1
    client.leave(None)
    any_world.assert_nothing_left()


def test_a_write_that_fails_while_closing(any_world: World) -> None:
    """The reason stays that of the close; the event comes once."""
    client = slow(any_world)
    any_world.send(client.sid, "a")
    any_world.call(any_world.eio.disconnect(client.sid))
    client.websocket.writing.fail(Disconnected())
    any_world.runtime.run()
    assert any_world.reasons(client.sid) == [Reason.SERVER_DISCONNECT]
    assert client.websocket.codes == []
    client.leave(1006)
    any_world.assert_nothing_left()


@pytest.mark.parametrize("error", [Disconnected(), FrameworkError()])
def test_a_close_that_fails(any_world: World, logs: Logs, error: Exception) -> None:
    """The session was reported before."""
    client = any_world.websocket()
    client.websocket.closing.fail(error)
    any_world.call(any_world.eio.disconnect(client.sid))
    assert any_world.reasons(client.sid) == [Reason.SERVER_DISCONNECT]
    if isinstance(error, FrameworkError):
        logs.take("a WebSocket could not be written")
        assert client.websocket.aborts == 1
    client.leave(1006)
    any_world.assert_nothing_left()


def test_a_write_that_fails_in_the_open_packet(any_world: World) -> None:
    """The client left just after its handshake."""
    websocket = FakeWebSocket()
    websocket.every_write = websocket.refuse
    call = any_world.request("GET", "EIO=4&transport=websocket", websocket=True)
    (sid,) = any_world.eio.sockets
    connection = call.offer.opened(websocket)
    any_world.runtime.run()
    assert any_world.reasons(sid) == [Reason.TRANSPORT_ERROR]
    assert connection.feed("4hello") is None
    connection.lost(1006)
    assert any_world.messages(sid) == []
    any_world.assert_nothing_left()


def test_shutting_down_over_a_write_that_waits(any_world: World) -> None:
    """SD-1: within its time the client may take the rest; then it is cut, and the connection with it."""
    client = slow(any_world)
    any_world.send(client.sid, "a")
    stop = any_world.runtime.task(any_world.eio.shutdown(3))
    any_world.runtime.run()
    any_world.runtime.advance(2.9)
    assert not stop.done
    any_world.runtime.advance(0.2)
    assert stop.done
    assert client.websocket.aborts == 1
    assert any_world.reasons(client.sid) == [Reason.SERVER_DISCONNECT]
    client.leave(None)
    any_world.assert_nothing_left()


def test_shutting_down_over_a_close_that_waits(any_world: World) -> None:
    """SD-1: who does not answer the close frame is cut, too."""
    client = any_world.websocket()
    client.websocket.closing.close()
    stop = any_world.runtime.task(any_world.eio.shutdown(3))
    any_world.runtime.run()
    assert client.websocket.codes == [1001]
    any_world.runtime.advance(3.1)
    assert stop.done
    assert client.websocket.aborts == 1
    client.leave(None)
    any_world.assert_nothing_left()
