"""What a message costs: counted, not timed, so that it can be held to."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any

import pytest
from eio_core import Request
from eio_server import AsyncServer
from eio_server.asyncio_runtime import AsyncioRuntime
from eio_server.integration import register

from .fakes import FakeExchange, FakeIntegration, FakeWebSocket
from .world import HANDSHAKE, World

MakeWorld = Callable[..., World]
MANY = 100
EAGER = sys.version_info >= (3, 12)


class Calls:
    """Counts the Python-level calls, and resumptions, of our packages while it is entered."""

    def __init__(self) -> None:
        self.names: Counter[str] = Counter()

    def __enter__(self) -> Counter[str]:
        sys.setprofile(self._profile)
        return self.names

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _profile(self, frame: FrameType, event: str, _: object) -> None:
        path = frame.f_code.co_filename
        if event == "call" and ("/eio_core/" in path or "/eio_server/" in path):
            self.names[f"{path.rpartition('/')[2]}:{frame.f_code.co_name}"] += 1


class Integration(FakeIntegration):
    """On the event loop that runs."""

    def make_runtime(self) -> Any:
        return AsyncioRuntime()


async def carried(eio: AsyncServer) -> tuple[Any, FakeWebSocket]:
    """A client on WebSocket, on a real event loop."""
    exchange = FakeExchange(Request("GET", HANDSHAKE + "websocket", websocket=True))
    offer = await eio.runner.serve(exchange)
    assert offer is not None
    websocket = FakeWebSocket()
    websocket.every_write = websocket.finish  # a coroutine that does not wait, as aiohttp's mostly is
    return offer.opened(websocket), websocket


def echo(kind: str, eio: AsyncServer) -> Callable[[str, Any], Any]:
    """An echo, sync or async."""

    async def asynchronous(sid: str, data: Any) -> None:
        await eio.send(sid, data)

    return asynchronous if kind == "async" else lambda sid, data: eio.broadcast([sid], data)


BUDGETS = {("async", False): 14, ("async", True): 16 if EAGER else 18, ("sync", False): 16, ("sync", True): 16}
"""For each echo: feed, handler, send, write. What it is now; less is better, more wants a reason."""


@pytest.mark.parametrize(("kind", "async_handlers"), BUDGETS)
def test_calls_of_an_echo(kind: str, *, async_handlers: bool) -> None:
    """Python-level calls of eio_core and eio_server for each message."""
    register(Integration(None, "real"))  # type: ignore[arg-type] # it makes its own
    calls = Calls()

    async def main() -> list[str | bytes]:
        eio = AsyncServer("real", async_handlers=async_handlers)
        eio.on("message", echo(kind, eio))
        connection, websocket = await carried(eio)
        websocket.frames.clear()
        with calls:
            for number in range(MANY):
                waiting = connection.feed(f"4{number}")
                if waiting is not None:
                    await waiting
                if async_handlers and not EAGER and kind == "async":
                    await asyncio.sleep(0)
        connection.lost(1001)
        await eio.shutdown()
        return websocket.frames

    assert asyncio.run(main()) == [f"4{number}" for number in range(MANY)]
    each = {name: count / MANY for name, count in calls.names.items()}
    total = sum(each.values())
    print(f"\n{kind} echo, async_handlers={async_handlers}: {total} calls", *each.items(), sep="\n  ")
    assert total <= BUDGETS[kind, async_handlers]


CYCLE = 66
"""For a POST with one message and the GET of its echo; what it is now."""


def test_calls_of_a_polling_cycle() -> None:
    """P4: Python-level calls of eio_core and eio_server; a task delivers the message."""
    register(Integration(None, "real"))  # type: ignore[arg-type] # it makes its own
    calls = Calls()

    async def main() -> list[bytes]:
        eio = AsyncServer("real", async_handlers=False)
        eio.on("message", echo("async", eio))
        await eio.runner.serve(FakeExchange(Request("GET", HANDSHAKE + "polling")))
        query = f"{HANDSHAKE}polling&sid={next(iter(eio.sockets))}"
        posts = [FakeExchange(Request("POST", query), f"4{number}".encode()) for number in range(MANY)]
        gets = [FakeExchange(Request("GET", query)) for _ in range(MANY)]
        with calls:
            for post, get in zip(posts, gets, strict=True):
                await eio.runner.serve(post)
                await asyncio.sleep(0)
                await eio.runner.serve(get)
        await eio.shutdown(timeout=0)
        return [get.responses[0].body for get in gets]

    assert asyncio.run(main()) == [f"4{number}".encode() for number in range(MANY)]
    each = {name: count / MANY for name, count in calls.names.items()}
    total = sum(each.values())
    print(f"\na polling cycle: {total} calls", *each.items(), sep="\n  ")
    assert total <= CYCLE


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_no_task_queue_timer_or_clock_for_a_message(make_world: MakeWorld, kind: str) -> None:
    """design.md: per message the runner asks the runtime for one step of a write, and for nothing else."""
    world = make_world(async_handlers=False)
    world.eio.on("message", echo(kind, world.eio))
    client = world.websocket()
    client.websocket.every_write = client.websocket.finish
    before = world.runtime.calls.copy()
    for number in range(MANY):
        waiting = client.connection.feed(f"4{number}")
        if waiting is not None:
            with pytest.raises(StopIteration):
                waiting.send(None)
    assert world.runtime.calls - before == {"step": MANY}
    assert client.frames == [f"4{number}" for number in range(MANY)]


def test_only_the_task_that_was_asked_for(make_world: MakeWorld) -> None:
    """``async_handlers=True``: one for each async handler; sync ones are called."""
    world = make_world()
    client = world.websocket()
    before = world.runtime.calls.copy()
    for _ in range(MANY):
        client.connection.feed("4x")
    assert world.runtime.calls == before
    world.eio.on("message", echo("async", world.eio))
    for _ in range(MANY):
        client.connection.feed("4x")
    assert world.runtime.calls - before == {"start": MANY}


def test_a_post_costs_one_task_and_two_looks_at_the_clock(world: World) -> None:
    """However many messages it brings; and one step of its reading, which a body that is there already takes."""
    client = world.polling()
    before = world.runtime.calls.copy()
    client.post(*["4x"] * 50)
    assert world.runtime.calls - before == {"now": 2, "start": 1, "step": 1}


def test_a_get_that_is_parked_costs_an_event(world: World) -> None:
    """And one step of the writing of its response."""
    client = world.polling()
    before = world.runtime.calls.copy()
    get = client.get()
    world.send(client.sid, "x")
    assert get.packets == ["4x"]
    assert world.runtime.calls - before == {"now": 1, "event": 1, "step": 1}


def test_a_broadcast_costs_its_writes(world: World) -> None:
    clients = [world.websocket() for _ in range(10)]
    for client in clients:
        client.websocket.every_write = client.websocket.finish
    before = world.runtime.calls.copy()
    world.eio.broadcast([client.sid for client in clients], "x")
    assert world.runtime.calls - before == {"step": 10}


def test_what_a_session_leaves_behind(world: World) -> None:
    """Nothing: sessions come and go."""
    world.polling().post("1")
    world.websocket().leave()
    engine, runner = world.engine, world.runner
    for _ in range(20):
        client = world.polling()
        world.send(client.sid, "x")
        client.get()
        client.post("4x")
        websocket = client.upgrade()
        websocket.feed("4x")
        world.send(client.sid, "x")
        websocket.leave()
    assert not runner.sockets
    assert not engine.sessions
    assert not engine.opening
    assert len(engine.deadlines) == 0
    assert not world.runtime.running


def test_a_session_is_freed_with_its_last_reference(world: World) -> None:
    """By reference counting alone, on either transport: no cycle holds it."""
    import gc
    import weakref

    class Marker(dict[str, Any]):
        pass

    def one(transport: str) -> weakref.ref[Marker]:
        client: Any = world.polling() if transport == "polling" else world.websocket()
        marker = Marker()
        world.call(world.eio.save_session(client.sid, marker))
        if transport == "polling":
            client.post("4x", "1")
        else:
            client.feed("4x")
            client.leave()
        world.runtime.others.clear()
        world.runtime.tasks.clear()
        return weakref.ref(marker)

    one("polling")
    gc.collect()
    gc.disable()
    try:
        for transport in ("polling", "websocket"):
            assert one(transport)() is None, transport
    finally:
        gc.enable()


def _typed(eio: AsyncServer) -> Coroutine[Any, Any, None]:
    """A caller's view, for the type checker."""
    return eio.send("sid", {"a": 1})
