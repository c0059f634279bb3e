"""Refuse, tell, drain, cut; and begin again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from eio_core import Reason, Request

from .fakes import FakeExchange
from .runtime import Gate, Task
from .world import HANDSHAKE, World

MakeWorld = Callable[..., World]
POLLING = HANDSHAKE + "polling"


def shutdown(world: World, timeout: float = 5.0) -> Task:
    """The framework stops the server; it goes as far as it can."""
    task = world.runtime.task(world.eio.shutdown(timeout))
    world.runtime.run()
    return task


def test_everybody_is_told(any_world: World) -> None:
    """SD-1: a parked GET gets ``1``, a WebSocket 1001; who has nothing unsent is closed at once."""
    world = any_world
    parked, absent, websocket = world.polling(), world.polling(), world.websocket()
    get = parked.get()
    assert shutdown(world).done
    assert get.packets == ["1"]
    assert websocket.websocket.codes == [1001]
    for client in (parked, absent, websocket):
        assert world.reasons(client.sid) == [Reason.SERVER_DISCONNECT]
    websocket.leave(1001)
    world.runtime.advance(5.1)  # nobody else is waited for
    assert world.runtime.timer is None
    world.assert_nothing_left()


def test_nobody_comes_in(world: World) -> None:
    """SD-2: new handshakes 503 with JSON code 3; sids that were known 400 code 1."""
    client = world.polling()
    shutdown(world)
    call = world.request("GET", POLLING)
    assert (call.status, call.body) == (503, '{"code":3,"message":"Server is shutting down"}')
    assert world.request("GET", HANDSHAKE + "websocket", websocket=True).status == 503
    assert client.get().code == 1


def test_who_has_nothing_unsent_does_not_wait_for_the_others(world: World) -> None:
    """SD-1: told and closed at once."""
    slow, parked, websocket = world.polling(), world.polling(), world.websocket()
    get = parked.get()
    world.send(slow.sid, "last")
    assert not shutdown(world).done
    assert get.packets == ["1"]
    assert websocket.websocket.codes == [1001]
    assert world.reasons(parked.sid) == world.reasons(websocket.sid) == [Reason.SERVER_DISCONNECT]
    slow.get()


def test_the_rest_is_delivered(world: World) -> None:
    """SD-1, FD-7: within the time."""
    client, websocket = world.polling(), world.websocket()
    world.send(client.sid, "last")
    websocket.websocket.every_write = websocket.websocket.wait
    websocket.websocket.writing.close()
    world.send(websocket.sid, "words")
    task = shutdown(world)
    assert not task.done
    assert client.get().packets == ["4last", "1"]
    assert not task.done
    websocket.websocket.writing.open()
    world.runtime.run()
    assert task.done
    assert websocket.frames == ["4words"]
    assert websocket.websocket.codes == [1001]


@pytest.mark.parametrize("timeout", [0, 0.5, 5])
def test_what_is_not_fetched_is_cut(world: World, timeout: float) -> None:
    """SD-1: the time is over."""
    client = world.polling()
    world.send(client.sid, "last")
    task = shutdown(world, timeout)
    if timeout:
        world.runtime.advance(timeout * 0.9)
        assert not task.done
    world.runtime.advance(timeout * 0.2)
    assert task.done
    assert world.reasons(client.sid) == [Reason.SERVER_DISCONNECT]
    assert client.get().code == 1
    world.assert_nothing_left()


@pytest.mark.parametrize("timeout", [0, 1, 5])
def test_a_client_that_does_not_take_its_last_response(world: World, timeout: float) -> None:
    """CL-18: it has its five seconds from the end of its session, whether the server goes on or not."""
    client = world.polling()
    world.send(client.sid, "last")
    exchange = FakeExchange(Request("GET", client.query))
    exchange.responding.close()
    call = world.begin(exchange)
    task = shutdown(world, timeout)
    world.runtime.advance(timeout)
    assert task.done
    assert world.reasons(client.sid) == [Reason.SERVER_DISCONNECT]
    assert call.pending
    world.runtime.advance(5.1)
    assert not call.pending, "who waits for its end waits for ever"
    world.assert_nothing_left()


def test_a_server_without_clients(world: World) -> None:
    """SD-3."""
    assert shutdown(world).done
    world.assert_nothing_left()


def test_twice_one_after_the_other(world: World) -> None:
    """SD-1: idempotent."""
    client = world.polling()
    assert shutdown(world).done
    assert shutdown(world).done
    assert world.reasons(client.sid) == [Reason.SERVER_DISCONNECT]


@pytest.mark.parametrize("fetched", [True, False])
def test_twice_at_the_same_time(world: World, *, fetched: bool) -> None:
    """SD-1: a signal and the framework's own hook; neither waits for ever."""
    client = world.polling()
    world.send(client.sid, "last")
    tasks = [shutdown(world), shutdown(world, 3.0)]
    assert not any(task.done for task in tasks)
    if fetched:
        client.get()
    else:
        world.runtime.advance(3.1)
    assert all(task.done for task in tasks)
    assert [task.error for task in tasks] == [None, None]
    assert world.reasons(client.sid) == [Reason.SERVER_DISCONNECT]
    world.assert_nothing_left()


def test_a_shutdown_that_is_cancelled(world: World) -> None:
    """The next one does what is left."""
    client = world.polling()
    world.send(client.sid, "last")
    first = shutdown(world)
    first.cancel()
    world.runtime.run()
    assert first.cancelled
    second = shutdown(world, 1.0)
    world.runtime.advance(1.1)
    assert second.done
    assert world.reasons(client.sid) == [Reason.SERVER_DISCONNECT]
    world.assert_nothing_left()


def test_a_shutdown_that_is_cancelled_while_it_waits_for_handlers(world: World) -> None:
    """SD-4: the timer goes on. The framework starts again, and pings come as ever."""
    hang = Gate.closed()

    async def disconnect(*_: object) -> None:
        await hang.passed()

    world.eio.on("disconnect", disconnect)
    world.polling()
    world.websocket()
    task = shutdown(world)
    assert not task.done
    task.cancel()
    world.runtime.run()
    assert task.cancelled
    hang.open()
    world.runner.startup()
    world.runtime.advance(1)
    client = world.websocket()
    world.runtime.advance(25)
    assert client.frames == ["2"]


def test_disconnect_handlers_have_their_time(world: World) -> None:
    """SD-1: every task is awaited; cancelled when the time is over."""
    gate, ended = Gate.closed(), []

    @world.eio.on("disconnect")
    async def disconnect(sid: str, reason: str) -> None:
        await gate.passed()
        ended.append(sid)

    client = world.polling()
    task = shutdown(world)
    assert not task.done
    gate.open()
    world.runtime.run()
    assert task.done
    assert ended == [client.sid]
    world.assert_nothing_left()


def test_a_disconnect_handler_that_hangs(world: World) -> None:
    """SD-1: it is cancelled, and its session forgotten."""
    gate = Gate.closed()

    async def disconnect(sid: str, reason: str) -> None:
        await gate.passed()

    world.eio.on("disconnect", disconnect)
    world.polling()
    task = shutdown(world, 2)
    world.runtime.advance(2.1)
    assert task.done
    assert gate.waiting == 0
    world.assert_nothing_left()


@pytest.mark.parametrize("async_handlers", [True, False])
def test_a_message_handler_that_hangs(make_world: MakeWorld, *, async_handlers: bool) -> None:
    """SD-1: it is cancelled; the disconnect comes after it, once, all the same."""
    world = make_world(async_handlers=async_handlers)
    gate = Gate.closed()

    async def message(sid: str, data: str) -> None:
        await gate.passed()

    world.eio.on("message", message)
    client = world.polling()
    client.post("4a", "4b")
    task = shutdown(world, 2)
    world.runtime.advance(2.1)
    assert task.done
    assert gate.waiting == 0
    assert world.of(client.sid) == [("disconnect", Reason.SERVER_DISCONNECT)]
    world.assert_nothing_left()


@pytest.mark.parametrize("verdict", [None, False])
@pytest.mark.parametrize("query", [POLLING, HANDSHAKE + "websocket"])
def test_a_connect_handler_still_runs(world: World, query: str, verdict: object) -> None:
    """SD-1: whom it accepts is refused, and is gone; whom it rejects never was."""
    gate = Gate.closed()

    @world.eio.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> object:
        world.events.append(("connect", sid))
        await gate.passed()
        return verdict

    call = world.request("GET", query, websocket="websocket" in query)
    task = shutdown(world)
    assert not task.done
    gate.open()
    world.runtime.run()
    assert task.done
    (_, sid), *rest = world.events
    if verdict is None:
        assert call.status >= 400
        assert rest == [("disconnect", sid, Reason.SERVER_DISCONNECT)]
    else:
        assert call.status == 401
        assert rest == []
    world.assert_nothing_left()


@pytest.mark.parametrize("query", [POLLING, HANDSHAKE + "websocket"])
@pytest.mark.parametrize("hangs", ["connect", "generate_id"])
def test_what_decides_about_a_handshake_hangs(world: World, query: str, hangs: str) -> None:
    """SD-1, SD-2, H28: it is cancelled when the time is over, and its client refused; nobody hears of a session."""
    gate = Gate.closed()

    async def hang(*_: object) -> str:
        await gate.passed()
        return "never"

    if hangs == "connect":
        world.eio.on("connect", hang)
    else:
        world.eio.generate_id = hang  # type: ignore[method-assign]
    calls = [world.request("GET", query, websocket="websocket" in query) for _ in range(2)]
    task = shutdown(world, 2)
    world.runtime.advance(1.9)
    assert not task.done
    world.runtime.advance(0.2)
    assert task.done
    assert [(call.status, call.code) for call in calls] == [(503, 3)] * 2
    assert gate.waiting == 0
    assert world.events == []
    world.assert_nothing_left()


@pytest.mark.parametrize("query", [POLLING, HANDSHAKE + "websocket"])
def test_what_decides_about_an_origin_hangs(make_world: MakeWorld, query: str) -> None:
    """SD-1, SD-2, HD-1, H28: it is cancelled when the time is over, and no page is let in for that."""
    gate = Gate.closed()

    async def hang(origin: str) -> bool:
        await gate.passed()
        return True

    world = make_world(cors_allowed_origins=hang)
    call = world.request("GET", query, websocket="websocket" in query, origin="http://example.com")
    task = shutdown(world, 2)
    world.runtime.advance(1.9)
    assert not task.done
    world.runtime.advance(0.2)
    assert task.done
    assert (call.status, call.code) == (400, 3)
    assert gate.waiting == 0
    world.assert_nothing_left()


def test_a_connect_handler_ends_while_others_are_drained(make_world: MakeWorld) -> None:
    """SD-1: its client is told too, and the shutdown keeps its time, whatever it has sent."""
    world = make_world(max_packets_per_poll=1, close_timeout=1000)
    gate = Gate.closed()

    @world.eio.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        world.events.append(("connect", sid))
        if len(world.events) > 1:
            await world.eio.send(sid, "more than one response can bring")
            await gate.passed()

    slow = world.polling()
    world.send(slow.sid, "x")
    call = world.request("GET", POLLING)
    task = shutdown(world, 5)
    gate.open()
    world.runtime.run()
    assert call.packets[0][:1] == "0"
    world.runtime.advance(5.1)
    assert task.done
    assert [event[0] for event in world.events] == ["connect", "connect", "disconnect", "disconnect"]
    world.assert_nothing_left()


def test_a_post_that_is_read(world: World) -> None:
    """CL-17, SD-1: answered."""
    client = world.polling()
    post = client.post_slowly("4never")
    assert shutdown(world).done
    assert post.code == 3


def test_an_upgrade_that_is_under_way(world: World) -> None:
    """UP-13."""
    client = world.polling()
    probe = client.probe()
    probe.feed("2probe")
    shutdown(world)
    assert probe.websocket.codes == [1001]
    assert world.reasons(client.sid) == [Reason.SERVER_DISCONNECT]


def test_the_framework_starts_again(world: World) -> None:
    """SD-4: handshakes, pings and shutdown work as before."""
    world.polling()
    shutdown(world)
    world.runner.startup()
    client = world.websocket()
    world.runtime.advance(25)
    assert client.frames == ["2"]
    assert shutdown(world).done
    assert client.websocket.codes == [1001]
