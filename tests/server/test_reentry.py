"""Everything happens inside of something else: handlers and writes that call the API, in the middle of an effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from eio_core import Reason

from .runtime import Task
from .world import World

MakeWorld = Callable[..., World]


@pytest.fixture(params=["eager", "later", "trio"])
def world(request: pytest.FixtureRequest, make_world: MakeWorld) -> World:
    """Tasks that begin at once, and tasks that do not; writes that are stepped, and some that are not."""
    return make_world(eager=request.param == "eager", stepping=request.param != "trio")


def run_now(world: World, coroutine: Any) -> None:
    """Run a coroutine of the API here and now, as an eager task does; it may go on later."""
    task: Task = world.runtime.task(coroutine)
    task.step()


# ------------------------------------------------------------------------------------------------------ from a handler


@pytest.mark.parametrize("async_handlers", [True, False])
def test_a_handler_echoes(make_world: MakeWorld, *, async_handlers: bool) -> None:
    world = make_world(async_handlers=async_handlers)

    @world.eio.on("message")
    async def message(sid: str, data: str) -> None:
        await world.eio.send(sid, data + "1")
        await world.eio.send(sid, data + "2")

    client = world.websocket()
    client.feed("4a")
    client.feed("4b")
    assert client.frames == ["4a1", "4a2", "4b1", "4b2"]
    polling = world.polling()
    get = polling.get()
    polling.post("4a", "4b")
    assert get.packets == ["4a1", "4a2", "4b1", "4b2"]


def test_a_sync_handler_broadcasts(world: World) -> None:
    """It needs no task: ``broadcast`` never suspends."""
    sids: list[str] = []
    world.eio.on("message", lambda sid, data: world.eio.broadcast(sids, data))
    clients = [world.websocket() for _ in range(3)]
    sids += [client.sid for client in clients]
    clients[0].feed("4hello")
    assert [client.frames for client in clients] == [["4hello"]] * 3


@pytest.mark.parametrize("async_handlers", [True, False])
def test_a_handler_disconnects_its_client(make_world: MakeWorld, *, async_handlers: bool) -> None:
    """CL-16: what it sent before goes out; nothing after; the disconnect follows."""
    world = make_world(async_handlers=async_handlers)

    @world.eio.on("message")
    async def message(sid: str, data: str) -> None:
        await world.eio.send(sid, "bye")
        await world.eio.disconnect(sid)
        await world.eio.send(sid, "too late")
        world.events.append(("message", sid, data))

    client = world.websocket()
    client.feed("4a")
    client.feed("4b")
    assert client.frames == ["4bye"]
    assert client.websocket.codes == [1000]
    assert world.of(client.sid) == [("message", "a"), ("disconnect", Reason.SERVER_DISCONNECT)]
    polling = world.polling()
    get = polling.get()
    assert polling.post("4a", "4b").body == "ok"
    assert get.packets == ["4bye", "1"]
    assert world.of(polling.sid) == [("message", "a"), ("disconnect", Reason.SERVER_DISCONNECT)]


def test_a_handler_disconnects_everybody(world: World) -> None:
    """SD-3."""
    clients = [world.websocket(), world.websocket()]
    polling = world.polling()
    get = polling.get()

    @world.eio.on("message")
    async def message(sid: str, data: str) -> None:
        await world.eio.disconnect()

    clients[0].feed("4now")
    for sid in (*(client.sid for client in clients), polling.sid):
        assert world.reasons(sid) == [Reason.SERVER_DISCONNECT]
    assert get.packets == ["1"]
    assert [client.websocket.codes for client in clients] == [[1000]] * 2


@pytest.mark.parametrize("async_handlers", [True, False])
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_handler_shuts_the_server_down(make_world: MakeWorld, transport: str, *, async_handlers: bool) -> None:
    """SD-1: its own task is not waited for, and its session ends like all others."""
    world = make_world(async_handlers=async_handlers)
    done: list[str] = []

    @world.eio.on("message")
    async def message(sid: str, data: str) -> None:
        await world.eio.shutdown()
        done.append(sid)

    other = world.websocket()
    client = world.websocket() if transport == "websocket" else world.polling()
    if transport == "websocket":
        client.feed("4now")  # type: ignore[union-attr] # so the other
    else:
        client.post("4now")  # type: ignore[union-attr] # so the other
    assert done == [client.sid]
    assert world.reasons(client.sid) == [Reason.SERVER_DISCONNECT]
    assert world.reasons(other.sid) == [Reason.SERVER_DISCONNECT]
    assert other.websocket.codes == [1001]
    assert not world.eio.sockets


def test_a_disconnect_handler_goes_on(world: World) -> None:
    """It sends to others, disconnects others, and looks at everything."""
    first, second, third = world.websocket(), world.websocket(), world.polling()
    get = third.get()

    @world.eio.on("disconnect")
    async def disconnect(sid: str, reason: str) -> None:
        world.events.append(("disconnect", sid, reason))
        world.eio.broadcast(list(world.eio.sockets), f"{sid} left")
        await world.eio.disconnect(second.sid)
        await world.eio.disconnect(sid)

    first.leave()
    assert world.reasons(first.sid) == [Reason.TRANSPORT_CLOSE]
    assert world.reasons(second.sid) == [Reason.SERVER_DISCONNECT]
    assert second.frames == [f"4{first.sid} left"]
    assert get.packets[0] == f"4{first.sid} left"
    assert list(world.eio.sockets) == [third.sid]


def test_a_connect_handler_disconnects_others(world: World) -> None:
    """As where a user may have one connection only."""
    first = world.websocket()

    @world.eio.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        for other in list(world.eio.sockets):
            if other != sid:
                await world.eio.disconnect(other)

    second = world.websocket()
    assert world.reasons(first.sid) == [Reason.SERVER_DISCONNECT]
    assert world.eio.sockets[second.sid].connected


def test_the_application_closes_by_the_socket(world: World) -> None:
    """``sockets[sid].close()``, as python-engineio has it."""
    client = world.websocket()
    world.call(world.eio.sockets[client.sid].close())
    assert world.reasons(client.sid) == [Reason.SERVER_DISCONNECT]


# ------------------------------------------------------------------------------------------------------ from a write


def test_a_write_that_sends(world: World) -> None:
    """It only appends; the writer that is at it takes it on."""
    client = world.websocket()
    websocket = client.websocket

    def write(frame: str | bytes) -> None:
        websocket.frames.append(frame)
        if frame == "4a":
            world.eio.broadcast([client.sid], "b")
            run_now(world, world.eio.send(client.sid, "c"))

    websocket.every_write = write
    world.send(client.sid, "a")
    assert client.frames == ["4a", "4b", "4c"]


def test_writes_that_send_to_one_another(world: World) -> None:
    clients = [world.websocket(), world.websocket()]
    sids = [client.sid for client in clients]

    def writer(index: int) -> Callable[[str | bytes], None]:
        def write(frame: str | bytes) -> None:
            clients[index].websocket.frames.append(frame)
            if len(frame) < 6:
                world.eio.broadcast([sids[1 - index]], str(frame)[1:] + "x")

        return write

    for index, client in enumerate(clients):
        client.websocket.every_write = writer(index)
    world.send(sids[0], "a")
    assert clients[0].frames == ["4a", "4axx", "4axxxx"]
    assert clients[1].frames == ["4ax", "4axxx"]


@pytest.mark.parametrize("whom", ["itself", "other", "all"])
def test_a_write_that_disconnects(world: World, whom: str) -> None:
    client, other = world.websocket(), world.websocket()
    websocket = client.websocket

    def write(frame: str | bytes) -> None:
        websocket.frames.append(frame)
        if frame == "4a":
            sid = {"itself": client.sid, "other": other.sid, "all": None}[whom]
            run_now(world, world.eio.disconnect(sid))

    websocket.every_write = write
    world.eio.broadcast([client.sid], "a")
    world.eio.broadcast([client.sid], "b")
    world.runtime.run()
    gone = {"itself": [client], "other": [other], "all": [client, other]}[whom]
    for one in (client, other):
        assert world.reasons(one.sid) == ([Reason.SERVER_DISCONNECT] if one in gone else [])
        assert one.websocket.codes == ([1000] if one in gone else [])
    assert client.frames == (["4a"] if client in gone else ["4a", "4b"])


@pytest.mark.parametrize("how", ["take", "refuse", "lose", "wait"])
def test_a_write_that_finds_its_connection_lost(world: World, how: str) -> None:
    """The framework reports the loss from inside of the write, and may fail it besides."""
    client = world.websocket()
    websocket = client.websocket
    rest = getattr(websocket, how)

    def write(frame: str | bytes) -> Any:
        client.connection.lost(1006)
        return rest(frame)

    websocket.every_write = write
    world.eio.broadcast([client.sid], "a")
    world.eio.broadcast([client.sid], "b")
    world.runtime.run()
    assert world.reasons(client.sid) == [Reason.TRANSPORT_CLOSE]
    world.assert_nothing_left()


def test_a_write_that_fails_in_the_middle_of_an_effect(world: World) -> None:
    """Both are carried out: what the loss of the first brings about, and what had been begun."""
    first, second = world.websocket(), world.websocket()
    first.websocket.every_write = first.websocket.refuse
    world.runtime.advance(25)  # pings both
    assert world.reasons(first.sid) == [Reason.TRANSPORT_ERROR]
    assert second.frames == ["2"]
    first.leave(1006)
    assert list(world.eio.sockets) == [second.sid]


def test_a_close_that_reports_the_loss_at_once(world: World) -> None:
    client = world.websocket()

    async def close(code: int) -> None:
        client.websocket.codes.append(code)
        client.connection.lost(code)

    client.websocket.close = close  # type: ignore[method-assign]
    world.call(world.eio.disconnect(client.sid))
    assert world.reasons(client.sid) == [Reason.SERVER_DISCONNECT]
    world.assert_nothing_left()


# ----------------------------------------------------------------------------------------------- an outbox that is full


@pytest.mark.parametrize("by", ["send", "broadcast"])
@pytest.mark.parametrize("async_handlers", [True, False])
def test_a_handler_fills_its_own_outbox(make_world: MakeWorld, by: str, *, async_handlers: bool) -> None:
    """FD-8: the session closes inside of its handler; the disconnect comes after it has returned, if it is awaited."""
    world = make_world(max_buffered_bytes=100, async_handlers=async_handlers)

    def message(sid: str, data: str) -> Any:
        async def send() -> None:
            for _ in range(4):
                await world.eio.send(sid, "x" * 100)
            world.events.append(("message", sid, data))

        if by == "send":
            return send()
        for _ in range(4):
            world.eio.broadcast([sid], "x" * 100)
        world.events.append(("message", sid, data))
        return None

    world.eio.on("message", message)
    client = world.polling()
    assert client.post("4a").body == "ok"
    assert world.of(client.sid) == [("message", "a"), ("disconnect", Reason.TRANSPORT_ERROR)]
    world.assert_nothing_left()
