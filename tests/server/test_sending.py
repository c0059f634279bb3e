"""What the application sends: send, send_packet, broadcast, buffered and drain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from eio_core import Reason
from eio_server import Packet, PacketType

from .logs import Logs
from .world import World

MakeWorld = Callable[..., World]

DATA = [
    ("text", "4text", "4text"),
    ("", "4", "4"),
    ("ä☃", "4ä☃", "4ä☃"),
    (b"\x01\x02", b"\x01\x02", "bAQI="),
    (b"", b"", "b"),
    (bytearray(b"\x01"), b"\x01", "bAQ=="),
    (memoryview(b"\x01"), b"\x01", "bAQ=="),
    ({"a": [1, None, "x"]}, '4{"a":[1,null,"x"]}', '4{"a":[1,null,"x"]}'),
    ([], "4[]", "4[]"),
]


@pytest.mark.parametrize(("data", "frame", "packet"), DATA)
@pytest.mark.parametrize("how", ["send", "send_packet", "broadcast"])
def test_what_can_be_sent(world: World, how: str, data: Any, frame: str | bytes, packet: str) -> None:
    """PL-17, PL-4 to PL-6: str, bytes-like, dict and list."""
    websocket, polling = world.websocket(), world.polling()
    for client in (websocket, polling):
        if how == "send":
            world.send(client.sid, data)
        elif how == "broadcast":
            world.eio.broadcast([client.sid], data)
        else:
            world.call(world.eio.send_packet(client.sid, Foreign(PacketType.MESSAGE, data)))
    assert websocket.frames == [frame]
    assert type(websocket.frames[0]) is type(frame)
    assert polling.get().packets == [packet]


def test_bytes_are_copied(world: World) -> None:
    """PL-17: what the application does with its buffer afterwards is its own business."""
    client = world.polling()
    data = bytearray(b"\x01")
    world.send(client.sid, data)
    world.send(client.sid, memoryview(data))
    data[0] = 2
    assert client.get().packets == ["bAQ==", "bAQ=="]


class Foreign:
    """A packet as python-engineio has it; its own encoding is never asked for."""

    def __init__(self, packet_type: int, data: Any) -> None:
        self.packet_type = packet_type
        self.data = data
        self.binary = isinstance(data, bytes)

    def encode(self) -> str:
        raise AssertionError("its cache confuses raw and base64 (row AP-9)")


@pytest.mark.parametrize("data", [None, 7, 1.5, True, (1, 2), {1}, object()])
def test_what_cannot_be_sent(world: World, logs: Logs, data: Any) -> None:
    """PL-17: TypeError; ``send_packet`` logs and drops (row AP-9)."""
    client = world.websocket()
    with pytest.raises(TypeError, match="a message is str, bytes"):
        world.send(client.sid, data)
    with pytest.raises(TypeError, match="a message is str, bytes"):
        world.eio.broadcast([client.sid], data)
    world.call(world.eio.send_packet(client.sid, Foreign(4, data)))
    assert logs.take("dropped").levelname == "ERROR"
    assert client.frames == []
    world.send(client.sid, "next")
    assert client.frames == ["4next"]


@pytest.mark.parametrize("data", [{"a": object()}, [{1}]])
def test_what_json_cannot_carry(world: World, logs: Logs, data: Any) -> None:
    """PL-17."""
    client = world.websocket()
    with pytest.raises(TypeError):
        world.send(client.sid, data)
    world.call(world.eio.send_packet(client.sid, Foreign(4, data)))
    logs.take("dropped")


def test_lone_surrogates(world: World, logs: Logs) -> None:
    """PL-20: never later."""
    client = world.polling()
    with pytest.raises(ValueError, match="lone surrogate"):
        world.send(client.sid, "a\ud800")
    with pytest.raises(ValueError, match="lone surrogate"):
        world.eio.broadcast([client.sid], "a\ud800")
    world.call(world.eio.send_packet(client.sid, Foreign(4, "a\ud800")))
    logs.take("lone surrogate")
    assert client.get().pending


def test_the_record_separator(world: World, logs: Logs) -> None:
    """PL-8: ValueError with the way out on polling, also when it is sent in connect; on WebSocket it passes."""
    client = world.polling()
    with pytest.raises(ValueError, match="send it as bytes"):
        world.send(client.sid, "a\x1eb")
    with pytest.raises(ValueError, match="U\\+001E"):
        world.eio.broadcast([client.sid], "a\x1eb")
    world.call(world.eio.send_packet(client.sid, Foreign(4, "a\x1eb")))
    logs.take("U+001E")
    websocket = client.upgrade()
    world.send(client.sid, "a\x1eb")
    assert websocket.frames == ["4a\x1eb"]


def test_a_broadcast_that_one_cannot_get(world: World) -> None:
    """PL-8: those before the client on polling get it, and are written."""
    first, polling, last = world.websocket(), world.polling(), world.websocket()
    with pytest.raises(ValueError, match="U\\+001E"):
        world.eio.broadcast([first.sid, polling.sid, last.sid], "a\x1eb")
    assert (first.frames, last.frames) == (["4a\x1eb"], [])


# --------------------------------------------------------------------------------------------------------- send_packet


def test_our_own_packet(world: World) -> None:
    """AP-9."""
    client = world.websocket()
    world.call(world.eio.send_packet(client.sid, Packet(PacketType.MESSAGE, "a")))
    world.call(world.eio.send_packet(client.sid, Packet(PacketType.MESSAGE, b"\x00")))
    assert client.frames == ["4a", b"\x00"]


def test_a_packet_of_python_engineio(world: World) -> None:
    """AP-9: one object for text and binary, polling and WebSocket, as python-socketio hands it out."""
    packet = pytest.importorskip("engineio.packet")
    websocket, polling = world.websocket(), world.polling()
    for data in ("text", b"\x01"):
        pkt = packet.Packet(packet.MESSAGE, data)
        for client in (websocket, polling, websocket):
            world.call(world.eio.send_packet(client.sid, pkt))
    assert websocket.frames == ["4text", "4text", b"\x01", b"\x01"]
    assert polling.get().packets == ["4text", "bAQ=="]


@pytest.mark.parametrize("packet_type", [0, 1, 2, 3, 5, 6, 7])
def test_a_packet_of_another_type(world: World, packet_type: int) -> None:
    """AP-9."""
    client = world.websocket()
    with pytest.raises(ValueError, match="MESSAGE"):
        world.call(world.eio.send_packet(client.sid, Foreign(packet_type, "x")))
    assert client.frames == []


# --------------------------------------------------------------------------------------------------- when it is sent


@pytest.mark.parametrize("how", ["send", "send_packet"])
def test_the_append_comes_before_the_first_suspension(world: World, how: str) -> None:
    """AP-9: sends that are begun in an order arrive in it, whoever goes on first."""
    client = world.polling()
    tasks = []
    for number in range(5):
        data = str(number) + "x" * 100_000  # above low water they suspend, then
        pkt = Foreign(4, data)
        coroutine = world.eio.send(client.sid, data) if how == "send" else world.eio.send_packet(client.sid, pkt)
        task = world.runtime.task(coroutine)
        task.step()
        tasks.append(task)
    assert [task.done for task in tasks] == [True, True, False, False, False]
    for task in reversed(tasks):
        if not task.done:
            task.step()
    assert [packet[1] for packet in client.get().packets] == list("01234")


def test_a_send_returns_when_it_is_in_the_outbox(world: World) -> None:
    """FD-3, FD-4: it returns nothing, at once, whatever the client does."""
    client = world.polling()
    coroutine = world.eio.send(client.sid, "x")
    with pytest.raises(StopIteration) as stop:
        coroutine.send(None)
    assert stop.value.value is None
    assert world.eio.buffered(client.sid) == 66


def test_a_send_above_low_water_yields_one_turn(world: World) -> None:
    """FD-8: and never waits for the client."""
    client = world.polling()
    world.send(client.sid, "x" * 200_000)
    assert world.runtime.calls["turn"] == 0
    world.send(client.sid, "x" * 200_000)
    assert world.runtime.calls["turn"] == 1
    client.get()
    world.send(client.sid, "x")
    assert world.runtime.calls["turn"] == 1


def test_to_nobody(world: World, logs: Logs) -> None:
    """FD-4: one warning line, nothing raised; ``broadcast`` skips."""
    world.eio.logger.setLevel("INFO")
    world.send("no\r\nbody", "x")
    line = logs.take("no such session")
    assert line.levelname == "WARNING"
    assert "\n" not in line.getMessage()
    world.call(world.eio.send_packet("nobody", Foreign(4, "x")))
    logs.take("no such session")
    world.eio.broadcast(["nobody"], "x")
    assert logs.records == []


def test_to_a_session_that_is_closing(world: World, logs: Logs) -> None:
    """FD-4, CL-2: nothing, and no word of it."""
    world.eio.logger.setLevel("INFO")
    client = world.polling()
    world.call(world.eio.disconnect(client.sid))
    world.send(client.sid, "x")
    world.call(world.eio.send_packet(client.sid, Foreign(4, "x")))
    world.eio.broadcast([client.sid], "x")
    assert client.get().packets == ["1"]
    assert logs.records == []


# ----------------------------------------------------------------------------------------------------------- broadcast


def test_a_broadcast(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """PL-18, FD-10: encoded once, for polling and WebSocket; unknown and closing sids are skipped; no task."""
    websockets = [world.websocket() for _ in range(3)]
    polling = [world.polling() for _ in range(3)]
    gets = [client.get() for client in polling[:2]]
    closing = world.polling()
    world.call(world.eio.disconnect(closing.sid))
    sids = [*(client.sid for client in websockets), *(client.sid for client in polling), closing.sid]
    before = world.runtime.calls.copy()
    encoded: list[Any] = []

    class Json:
        def outgoing(self, value: Any) -> str:
            encoded.append(value)
            return '{"a":1}'

    monkeypatch.setattr(world.eio, "_json", Json())
    data = {"a": 1}
    world.eio.broadcast(iter(["nobody", *sids]), data)
    assert encoded == [data]
    assert [client.frames for client in websockets] == [['4{"a":1}']] * 3
    assert world.runtime.calls == before
    world.runtime.run()
    assert [get.packets for get in gets] == [['4{"a":1}']] * 2
    assert polling[2].get().packets == ['4{"a":1}']
    assert closing.get().packets == ["1"]


def test_one_frame_for_all(world: World) -> None:
    """FD-10."""
    websockets = [world.websocket() for _ in range(3)]
    world.eio.broadcast([client.sid for client in websockets], "hello")
    first, *others = [client.frames[0] for client in websockets]
    assert all(frame is first for frame in others)


def test_a_broadcast_to_one_sid(world: World) -> None:
    """A string is iterable, too, and no letter of it is a client."""
    client = world.websocket()
    with pytest.raises(TypeError, match=r"^broadcast\(\) wants several session ids, not one: "):
        world.eio.broadcast(client.sid, "x")
    world.eio.broadcast([client.sid], "y")
    assert client.frames == ["4y"]


def test_a_broadcast_to_one_twice(world: World) -> None:
    client = world.polling()
    get = client.get()
    world.eio.broadcast([client.sid, client.sid], "x")
    world.runtime.run()
    assert get.packets == ["4x", "4x"]


def test_a_broadcast_reaches_those_behind_a_client_that_is_lost(world: World) -> None:
    """WS-9: named twice, it is lost at the first write; the others are written all the same."""
    lost, other = world.websocket(), world.websocket()
    lost.websocket.every_write = lost.websocket.refuse
    world.eio.broadcast([lost.sid, lost.sid, other.sid], "x")
    world.runtime.run()
    assert other.frames == ["4x"]
    assert world.reasons(lost.sid) == [Reason.TRANSPORT_ERROR]


# ---------------------------------------------------------------------------------------------------------- the bound


def test_buffered(world: World) -> None:
    """FD-8: length + 64 for each packet, until it was written."""
    client = world.polling()
    assert world.eio.buffered(client.sid) == 0
    world.send(client.sid, "abc")
    world.send(client.sid, b"abc")
    assert world.eio.buffered(client.sid) == (4 + 64) + (3 + 64)
    client.get()
    assert world.eio.buffered(client.sid) == 0


@pytest.mark.parametrize("how", ["send", "broadcast"])
def test_a_slow_consumer(make_world: MakeWorld, logs: Logs, how: str) -> None:
    """FD-8: a send that finds the bound reached closes the session, and one line says so."""
    world = make_world(max_buffered_bytes=1000)

    def send(sid: str, text: str) -> None:
        if how == "send":
            world.send(sid, text)
        else:
            world.eio.broadcast([sid], text)
            world.runtime.run()

    clients = [world.polling(), world.polling()]
    for client in clients:
        send(client.sid, "x" * 5000)
        assert world.reasons(client.sid) == [], "one message larger than the bound passes"
        send(client.sid, "one more")
        assert world.reasons(client.sid) == [world.eio.reason.TRANSPORT_ERROR]
        send(client.sid, "late")
    line = logs.take("max_buffered_bytes")
    assert line.levelname == "ERROR"
    assert repr(clients[0].sid) in line.getMessage()
    assert "xxx" not in line.getMessage()


def test_a_slow_consumer_in_a_broadcast_harms_no_other(make_world: MakeWorld, logs: Logs) -> None:
    world = make_world(max_buffered_bytes=1000)
    slow, other = world.polling(), world.websocket()
    world.send(slow.sid, "x" * 5000)
    world.eio.broadcast([slow.sid, other.sid], "hello")
    assert other.frames == ["4hello"]
    logs.take("max_buffered_bytes")


def test_no_bound(make_world: MakeWorld) -> None:
    """FD-8: None."""
    world = make_world(max_buffered_bytes=None)
    client = world.polling()
    for _ in range(40):
        world.send(client.sid, "x" * 1_000_000)
    assert world.reasons(client.sid) == []


def test_a_client_that_fails_a_write_is_no_slow_consumer(world: World, logs: Logs) -> None:
    """FD-8: the line is about the bound."""
    client = world.websocket()
    client.websocket.every_write = client.websocket.refuse
    world.send(client.sid, "x")
    world.send(client.sid, "x")
    assert logs.lines == []


def test_drain_on_polling(make_world: MakeWorld) -> None:
    """FD-8: until below low water; a quarter of the bound here."""
    world = make_world(max_buffered_bytes=4000, max_packets_per_poll=1)
    client = world.polling()
    for _ in range(3):
        world.send(client.sid, "x" * 800)
    task = world.runtime.task(world.eio.drain(client.sid))
    world.runtime.run()
    client.get()
    assert not task.done
    client.get()
    assert task.done
    world.call(world.eio.drain(client.sid))
