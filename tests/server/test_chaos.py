"""Clients, frameworks and handlers that do whatever they like, in any order: what must be true stays true.

Each run is a seed; a failing one prints what was done.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from eio_core import Request

from .fakes import FakeExchange, FakeWebSocket
from .runtime import Gate
from .world import HANDSHAKE, Call, Carried, Polling, World

STEPS = 150


class Chaos:
    """One run."""

    def __init__(self, seed: int, make_world: Callable[..., World]) -> None:
        self.random = random.Random(seed)
        self.async_handlers = self.random.random() < 0.5
        self.world = make_world(
            stepping=self.random.random() < 0.7,
            eager=self.random.random() < 0.5,
            async_handlers=self.async_handlers,
            max_pending_messages=self.random.choice([1, 3, 128]),
            max_buffered_bytes=self.random.choice([500, 5000, None]),
            max_packets_per_poll=self.random.choice([1, 3, None]),
            close_timeout=self.random.choice([1, 30]),
        )
        self.done: list[str] = []
        """What was done, for whoever has to find out."""
        self.gates: list[Gate] = []
        """Where handlers wait."""
        self.calls: list[Call] = []
        self.polling: dict[str, Polling] = {}
        self.carried: list[Carried] = []
        self.events: dict[str, list[tuple[str, Any]]] = {}
        self.accepted: set[str] = set()
        self.sent = 0
        self.over = False
        eio = self.world.eio
        eio.on("connect", self.connect)
        eio.on("message", self.message)
        eio.on("disconnect", self.disconnect)

    # ------------------------------------------------------------------------------------------------- the application

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    async def act(self, sid: str) -> None:
        """What a handler may do."""
        eio = self.world.eio
        if self.chance(0.3):
            await eio.send(sid, self.number())
        if self.chance(0.2):
            eio.broadcast(list(eio.sockets), self.number())
        if self.chance(0.05):
            await eio.disconnect(self.random.choice([sid, *eio.sockets]))
        if self.chance(0.3) and not self.over:
            gate = Gate.closed()
            self.gates.append(gate)
            await gate.passed()
        if self.chance(0.1):
            await eio.send(sid, self.number())

    def number(self) -> str:
        """Every message that is sent has another one, in order."""
        self.sent += 1
        return f"{self.sent:06}" + "x" * self.random.choice([0, 0, 100])

    def connect(self, sid: str, _: dict[str, Any]) -> Any:
        verdict = None if self.chance(0.8) else False
        self.events[sid] = []

        async def later() -> object:
            await self.act(sid)
            return verdict

        return later() if self.chance(0.5) else verdict

    def message(self, sid: str, data: str) -> Any:
        self.events[sid].append(("message", data))
        return self.act(sid) if self.chance(0.6) else None

    def disconnect(self, sid: str, reason: str) -> Any:
        self.events[sid].append(("disconnect", reason))
        return self.act(sid) if self.chance(0.5) else None

    # ----------------------------------------------------------------------------------------------------- the clients

    def begin(self, method: str, query: str, body: bytes = b"", *, websocket: bool = False) -> Call:
        exchange = FakeExchange(Request(method, query, websocket=websocket), body)
        for gate in (exchange.reading, exchange.responding):
            if self.chance(0.2):
                gate.close()
        self.calls.append(self.world.begin(exchange))
        return self.calls[-1]

    def handshake(self) -> None:
        websocket = self.chance(0.5)
        self.begin("GET", HANDSHAKE + ("websocket" if websocket else "polling"), websocket=websocket)

    def query(self, transport: str) -> str | None:
        sids = list(self.world.engine.sessions)
        return f"{HANDSHAKE}{transport}&sid={self.random.choice(sids)}" if sids else None

    def get(self) -> None:
        if query := self.query("polling"):
            self.begin("GET", query)

    def post(self) -> None:
        if query := self.query("polling"):
            packets = [self.packet("p") for _ in range(self.random.randint(1, 6))]
            self.begin("POST", query, "\x1e".join(packets).encode())

    def packet(self, channel: str) -> str:
        return self.random.choices([f"4{channel}{self.number()}", "3", "1", "2", "x"], [90, 5, 2, 1, 1])[0]

    def upgrade(self) -> None:
        if query := self.query("websocket"):
            self.begin("GET", query, websocket=True)

    def accept(self) -> None:
        """A framework has sent the 101, or could not."""
        for call in self.calls:
            if call.task.done and not call.task.cancelled and call.task.result is not None:
                self.calls.remove(call)
                if self.chance(0.1):
                    call.offer.failed()
                    self.world.runtime.run()
                else:
                    websocket = FakeWebSocket()
                    self.writing(websocket)
                    self.carried.append(Carried(self.world, "", call.offer, websocket))
                return

    def writing(self, websocket: FakeWebSocket) -> None:
        """From now on it writes in another way."""
        ways = [websocket.take, websocket.finish, websocket.wait, websocket.refuse, websocket.lose]
        websocket.every_write = self.random.choices(ways, [4, 4, 2, 0.3, 0.3])[0]
        for gate in (websocket.writing, websocket.closing):
            (gate.open if self.chance(0.6) else gate.close)()

    def change(self) -> None:
        if self.carried:
            self.writing(self.random.choice(self.carried).websocket)
            self.world.runtime.run()

    def feed(self) -> None:
        if not self.carried:
            return
        client = self.random.choice(self.carried)
        if client.reader is not None and not client.reader.done:
            return  # it reads nothing meanwhile
        for frame in [["2probe", "5"], [self.packet("w")], [self.packet("w"), self.packet("w")]][
            self.random.randrange(3)
        ]:
            client.reader = client.feed(frame)
            if client.reader is not None and not client.reader.done:
                return

    def leave(self) -> None:
        """A WebSocket ends; some frameworks cancel the reader, others let it finish."""
        if not self.carried:
            return
        client = self.carried.pop(self.random.randrange(len(self.carried)))
        if client.reader is not None and self.chance(0.5):
            client.reader.cancel()
        client.leave(self.random.choice([1000, 1006, 1002, None]))

    def cancel(self) -> None:
        """A framework cancels the handler of a request."""
        waiting = [call for call in self.calls if call.pending]
        if waiting:
            self.random.choice(waiting).task.cancel()
            self.world.runtime.run()

    def hang_up(self) -> None:
        watched = [call for call in self.calls if call.exchange.watched]
        if watched:
            self.random.choice(watched).exchange.hang_up()
            self.world.runtime.run()

    def open_gate(self) -> None:
        closed = [gate for gate in self.gates if not gate.is_open]
        for call in self.calls:
            closed += [gate for gate in (call.exchange.reading, call.exchange.responding) if not gate.is_open]
        if closed:
            self.random.choice(closed).open()
            self.world.runtime.run()

    def send(self) -> None:
        if self.world.eio.sockets:
            self.world.call(self.world.eio.send(self.random.choice(list(self.world.eio.sockets)), self.number()))

    def close(self) -> None:
        if self.world.eio.sockets:
            self.world.call(self.world.eio.disconnect(self.random.choice(list(self.world.eio.sockets))))

    def wait(self) -> None:
        self.world.runtime.advance(self.random.choice([0.05, 1, 6, 20, 50]))

    # --------------------------------------------------------------------------------------------------------- the run

    def run(self) -> None:
        """Do this and that; then stop, and see what is left."""
        ways = {
            self.handshake: 8,
            self.get: 12,
            self.post: 15,
            self.upgrade: 6,
            self.accept: 15,
            self.change: 5,
            self.feed: 25,
            self.leave: 2,
            self.cancel: 2,
            self.hang_up: 1,
            self.open_gate: 15,
            self.send: 10,
            self.close: 1,
            self.wait: 3,
        }
        for way in self.random.choices(list(ways), list(ways.values()), k=STEPS):
            self.done.append(way.__name__)
            way()
            self.verify()
        self.stop()

    def verify(self) -> None:
        """What is true at every moment."""
        self.world.verify()
        for call in self.calls:
            assert len(call.exchange.answers) <= 1, "answered twice"
            if call.task.done and not call.task.cancelled:
                assert call.task.error is None, repr(call.task.error)
        for events in self.events.values():
            kinds = [kind for kind, _ in events]
            assert "disconnect" not in kinds[:-1], "something came after the disconnect"
            for channel in "pw":  # a body may be read so slowly that it comes after what the WebSocket brought
                data = [value for kind, value in events if kind == "message" and value[0] == channel]
                assert data == sorted(set(data)), "messages were reordered or doubled"
        for client in self.carried:
            received = [frame for frame in client.frames if str(frame)[:1] == "4"]
            assert received == sorted(set(received)), "what was sent was reordered or doubled"

    def stop(self) -> None:
        """The framework stops; everybody goes in the end."""
        task = self.world.runtime.task(self.world.eio.shutdown(5))
        self.world.runtime.run()
        self.world.runtime.advance(6)
        assert task.done, "the shutdown does not end"
        for call in self.calls:
            call.exchange.reading.open()
            call.exchange.responding.open()
        self.over = True
        for gate in self.gates:
            gate.open()
        self.world.runtime.run()
        for call in self.calls:
            if call.task.done and not call.task.cancelled and call.task.result is not None:
                call.offer.failed()
        for client in self.carried:
            client.leave()
        self.world.runtime.run()
        self.verify()
        assert not [call for call in self.calls if call.pending], "a request hangs"
        self.world.assert_nothing_left()
        for call in self.calls:
            excused = call.task.cancelled or call.task.result is not None or call.exchange.left
            assert excused or call.exchange.answers, "not answered"


@pytest.mark.parametrize("seed", range(150))
def test_chaos(make_world: Callable[..., World], seed: int) -> None:
    """Every request is answered once, nothing is reordered, the disconnect is last and comes once, nothing is left."""
    chaos = Chaos(seed, make_world)
    try:
        chaos.run()
    except BaseException:
        print(*chaos.done)
        raise
