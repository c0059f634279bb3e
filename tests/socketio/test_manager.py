"""The emit that appends, and when it is not the one."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import eio_socketio
import pytest
import socketio  # type: ignore[import-untyped]
from eio_core import Request
from socketio import packet
from socketio.async_pubsub_manager import AsyncPubSubManager  # type: ignore[import-untyped]

from tests.integrations.harness import eventually
from tests.server.fakes import FakeExchange, FakeWebSocket

RECIPIENTS = 50


class Crowd:
    """A server with clients in a room, whose WebSockets take what they are given."""

    def __init__(self, sio: Any) -> None:
        self.sio = sio
        self.websockets = [FakeWebSocket() for _ in range(RECIPIENTS)]

    async def gather(self) -> Crowd:
        for websocket in self.websockets:
            request = Request("GET", "EIO=4&transport=websocket", websocket=True)
            offer = await self.sio.eio.runner.serve(FakeExchange(request))
            offer.opened(websocket)
        for eio_sid in [*self.sio.eio.sockets]:
            sid = await self.sio.manager.connect(eio_sid, "/")
            await self.sio.enter_room(sid, "room")
        return self

    @property
    def received(self) -> list[list[Any]]:
        """What each of the clients got after the open packet."""
        return [websocket.frames[1:] for websocket in self.websockets]


@pytest.fixture
async def crowd() -> Any:
    crowd = await Crowd(eio_socketio.AsyncServer(async_mode="aiohttp")).gather()
    yield crowd
    await crowd.sio.eio.shutdown(timeout=0)


async def test_a_room_costs_no_task(crowd: Crowd) -> None:
    """AP-9, PL-18: all is appended before the first suspension, the very same object to all."""
    tasks: list[Any] = []

    def factory(loop: Any, coroutine: Any, **options: Any) -> Any:
        tasks.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **options)

    loop = asyncio.get_running_loop()
    emit = crowd.sio.emit("told", {"some": b"bytes", "more": [b"bytes"]}, room="room")
    loop.set_task_factory(factory)
    try:
        with suppress(StopIteration):
            emit.send(None)  # to its first suspension
    finally:
        loop.set_task_factory(None)
        emit.close()
    assert tasks == []
    boxes = crowd.received
    assert boxes == [boxes[0]] * RECIPIENTS
    assert len(boxes[0]) == 3
    assert len({id(box[0]) for box in boxes}) == 1


@pytest.mark.parametrize(("size", "turns"), [(1, 0), (300_000, 1)])
async def test_many_bytes_give_the_event_loop_its_turn(crowd: Crowd, size: int, turns: int) -> None:
    """FD-8: else nobody could write them before the next."""
    sid, _ = next(iter(crowd.sio.manager.get_participants("/", "room")))
    emit = crowd.sio.emit("told", "x" * size, to=sid)
    for _ in range(turns):
        assert emit.send(None) is None
    with pytest.raises(StopIteration):
        emit.send(None)


async def test_an_acknowledgement_has_an_id_of_its_own(crowd: Crowd) -> None:
    """It is python-socketio's own emit."""
    await crowd.sio.emit("asked", "what", room="room", callback=lambda *_: None)
    assert all(len(box) == 1 and box[0].startswith("42") and "asked" in box[0] for box in crowd.received)


async def test_nothing_comes_between_an_acknowledgement_and_its_attachments(crowd: Crowd) -> None:
    """AP-9: python-socketio sends its packets one by one, here to a client whose outbox is above low water."""
    websocket = crowd.websockets[0]
    may_go_on = asyncio.Event()

    async def wait(frame: str | bytes) -> None:
        await may_go_on.wait()
        websocket.take(frame)

    websocket.every_write = wait
    sid, eio_sid = next(iter(crowd.sio.manager.get_participants("/", "room")))
    await crowd.sio.emit("much", "x" * 300_000, to=sid)
    acknowledgement = packet.Packet(packet.ACK, data=[b"one", b"two"], id=1)
    await asyncio.gather(crowd.sio._send_packet(eio_sid, acknowledgement), crowd.sio.emit("told", to=sid))
    may_go_on.set()
    await eventually(lambda: len(crowd.received[0]) == 5)
    assert crowd.received[0][2:] == [b"one", b"two", '42["told"]']


async def test_who_is_skipped_gets_nothing(crowd: Crowd) -> None:
    members = [sid for sid, _ in crowd.sio.manager.get_participants("/", "room")]
    await crowd.sio.emit("told", room="room", skip_sid=members[:3])
    await crowd.sio.emit("told", room="room", skip_sid=members[0])
    assert [len(box) for box in crowd.received] == [0, 1, 1, *[2] * (RECIPIENTS - 3)]


async def test_nobody_is_there(crowd: Crowd) -> None:
    await crowd.sio.emit("told", 1, room="empty")
    await crowd.sio.emit("told", 1, namespace="/unknown")
    assert crowd.received == [[]] * RECIPIENTS


async def test_a_serializer_may_make_anything_of_a_packet() -> None:
    """PL-8: U+001E cannot go to a client on polling; each recipient is asked for by itself then."""

    class Bare(packet.Packet):  # type: ignore[misc]
        def encode(self) -> str:
            return f"{self.packet_type}\x1e{self.data}"

    crowd = await Crowd(eio_socketio.AsyncServer(async_mode="aiohttp", serializer=Bare)).gather()
    await crowd.sio.emit("told", room="room")
    assert crowd.received == [["42\x1e['told']"]] * RECIPIENTS
    await crowd.sio.eio.shutdown(timeout=0)


async def test_without_a_server_it_only_publishes() -> None:
    """A manager that only writes to a queue knows no engine."""

    class Queue(AsyncPubSubManager, eio_socketio.AsyncManager):  # type: ignore[misc]
        published: list[Any] = []  # noqa: RUF012 - there is one

        async def _publish(self, data: Any) -> None:
            self.published.append(data["event"])

    await Queue(write_only=True).emit("told", 1, room="room")
    assert Queue.published == ["told"]


async def test_our_manager_on_python_engineio() -> None:
    """Then it is python-socketio's."""
    sio = socketio.AsyncServer(async_mode="aiohttp", client_manager=eio_socketio.AsyncManager())
    await sio.manager.connect("eio", "/")
    await sio.emit("told", 1)
