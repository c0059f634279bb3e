"""A network in memory between many clients and one engine: latency, losses, stalls, and not one socket.

::

    network = Network(seed=7)
    alice = network.client("alice")
    alice.connect()
    network.run(1.0)
    network.server.send("alice", "hello")
    network.run(1.0)
    assert alice.received == ["hello"]

What is carried on one connection arrives in order; what is carried on two may overtake one another, because each
delivery draws its latency anew. All chance comes from the seed, so that a run repeats exactly.

Things that go wrong: a connection is *cut* (:meth:`Wire.cut`), a client *vanishes*, is *unreachable* or *stops
reading* (:class:`Peer`), the server *stalls* (:meth:`Network.stall`); or chance decides, for each delivery anew
(:attr:`Network.hazard`).

Must not know: the protocol. It carries; client and engine speak.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from eio_core import Engine, Settings

from .client import Client, ClientState, Dial, Ended, Fetch, HangUp, Received, Transmit
from .clock import Clock
from .recorder import Observer, Recorder
from .server import Application, Server
from .wires import HttpWire, SocketWire, Wire

__all__ = ["Network", "Peer"]


class Network:
    """Clients, a server, and what lies between.

    :param settings: those of the engine.
    :param application: what stands on top of the server.
    :param seed: of all chance.
    :param latency: the shortest and the longest time, in seconds, that a delivery takes.
    :param record: whether to keep a record, in :attr:`recorder`; it takes time.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        application: Application | None = None,
        *,
        seed: int = 0,
        latency: tuple[float, float] = (0.005, 0.05),
        record: bool = False,
    ) -> None:
        self.clock = Clock()
        self.random = Random(seed)
        self.latency = latency
        self.engine = Engine(settings)
        self.recorder: Recorder | None = None
        if record:
            self.recorder = Recorder(self.clock, decisions=True)
            self.recorder.settings(self.engine.settings)
        self.server = _Server(self.engine, self.clock, application, self.recorder)
        self.peers: list[Peer] = []
        self.hazard: Callable[[Wire], float | None] | None = None
        """Asked for each delivery: how many seconds it is late, or None: the connection is cut instead."""

    def client(self, name: str, client: Client | None = None, headers: dict[str, str] | None = None) -> Peer:
        """A client on this network, not connected yet.

        :param name: what records call it, and the id of its session.
        :param client: the core, if it is not to be the usual one.
        :param headers: the headers of its requests, names in lower case.
        """
        peer = Peer(self, name, Client() if client is None else client, headers or {})
        self.peers.append(peer)
        return peer

    def run(self, seconds: float) -> None:
        """Let time pass, and do all that falls due."""
        self.clock.advance(seconds)

    def run_until(self, condition: Callable[[], bool], limit: float = 60.0) -> bool:
        """Let time pass until a condition holds; whether it came to hold within so many seconds."""
        end = self.clock.now + limit
        while not condition():
            if self.clock.now >= end or not self.clock.jump():
                return False
        return True

    def stall(self, seconds: float) -> None:
        """Let the server's loop hang for so long: what arrives, and what falls due, waits."""
        server = self.server
        server.stalled_until = self.clock.now + seconds
        self.clock.at(server.stalled_until, server.wake, self.random.random() < 0.5)

    def draw(self) -> float:
        """Draw the latency of a delivery, in whole 1/1024 seconds: sums of those are exact, and short to write."""
        low, high = self.latency
        return round((low + (high - low) * self.random.random()) * 1024) / 1024

    def delay(self, wire: Wire) -> float | None:
        """How long a delivery takes; None if it never arrives."""
        if not wire.alive:
            return None
        if self.hazard is None:
            return self.draw()
        more = self.hazard(wire)
        if more is None:
            wire.cut()
            return None
        return self.draw() + more


class Peer:
    """A client on the network, and what its application sees."""

    def __init__(self, network: Network, name: str, client: Client, headers: dict[str, str]) -> None:
        self.network = network
        self.name = name
        self.client = client
        self.headers = headers
        self.received: list[str | bytes] = []
        """The messages that it got."""
        self.reason: str | None = None
        """Why it is over, in the client's words, or ``vanished``; None while it is not."""
        self.wires: dict[Wire, None] = {}
        """Its connections that are open, the oldest first."""
        self.reachable = True
        """Set it to False, and whatever is sent to it or by it is lost, and nobody is told."""
        self.gone = False
        """Whether it vanished."""
        self.reading = True
        """Whether it takes what the server writes."""
        self.unread: list[Callable[[], None]] = []
        self._sockets: dict[Dial, SocketWire] = {}
        self._marks: set[str] = set()
        self._timer = network.clock.timer(self._expire)

    @property
    def transport(self) -> str:
        """What carries its session, ``polling`` or ``websocket``, as the client sees it."""
        return self.client.transport

    @property
    def open(self) -> bool:
        """Whether its handshake is complete and it has not been closed."""
        return self.client.state is ClientState.OPEN

    def connect(self) -> None:
        """Open the session."""
        self.client.connect()
        self.settle()

    def send(self, data: str | bytes) -> None:
        """Send a message."""
        self.client.send(data)
        self.settle()

    def close(self) -> None:
        """Close the session, as a page does that calls ``close()``."""
        self.client.close()
        self.settle()

    def vanish(self) -> None:
        """Go away as a page does whose tab is closed: its connections are cut, and there is no client any more."""
        self.gone = True
        self.reason = self.reason or "vanished"
        self._timer.set(None)
        for wire in [*self.wires]:
            wire.cut()

    def stop_reading(self) -> None:
        """Leave unread what the server writes from now on."""
        self.reading = False

    def resume_reading(self) -> None:
        """Read what was left unread, and go on."""
        self.reading = True
        unread, self.unread = self.unread, []
        for read in unread:
            read()

    def fetch(self, fetch: Fetch) -> HttpWire:
        """Send a request: one of its client, or one beside it, whose response nobody reads."""
        wire = HttpWire(self.network, self, fetch)
        wire.send()
        return wire

    def dial(self, dial: Dial) -> SocketWire:
        """Ask for a WebSocket: one of its client, or one beside it."""
        wire = self._sockets[dial] = SocketWire(self.network, self, dial)
        wire.carry_up(self.network.server.receive_request, wire)
        return wire

    # What follows is for the network.

    def settle(self) -> None:
        """Carry out what the client wants done."""
        if self.gone:
            return
        effects, self.client.effects = self.client.effects, []
        for effect in effects:
            if isinstance(effect, Received):
                self.received.append(effect.data)
            elif isinstance(effect, Fetch):
                self.fetch(effect)
            elif isinstance(effect, Transmit):
                self._sockets[effect.dial].transmit(effect.frame)
            elif isinstance(effect, Dial):
                self.dial(effect)
            elif isinstance(effect, HangUp):
                self._sockets[effect.dial].hang_up(effect.code)
            elif isinstance(effect, Ended):
                self.reason = self.reason or effect.reason
        self._timer.set(self.client.next_deadline())

    def mark(self, kind: str) -> str:
        """What tells a new connection from those of its kind that are open: nothing, ``#2``, ``#3`` ..."""
        number = 1
        while f"{kind}{number}" in self._marks:
            number += 1
        self._marks.add(f"{kind}{number}")
        return "" if number == 1 else f"#{number}"

    def forget(self, wire: Wire) -> None:
        """A connection of this client is done with."""
        del self.wires[wire]
        self._marks.discard(f"{wire.kind}{wire.mark.removeprefix('#') or 1}")

    def _expire(self) -> None:
        self.client.expire(self.network.clock.now)
        self.settle()


class _Server(Server):
    """A server whose event loop can stall."""

    def __init__(
        self, engine: Engine, clock: Clock, application: Application | None, observer: Observer | None
    ) -> None:
        super().__init__(engine, clock, application, observer)
        self.stalled_until = 0.0
        self._waiting: list[tuple[Callable[..., None], tuple[object, ...]]] = []

    def run(self, call: Callable[..., None], *args: object) -> None:
        """Call something on the server's loop: now, or when it stalls no longer."""
        if self.clock.now < self.stalled_until:
            self._waiting.append((call, args))
        else:
            call(*args)

    def wake(self, timers_first: bool) -> None:
        """The stall is over: do what has waited, the timers before or after what has arrived."""
        if self.clock.now < self.stalled_until:  # it stalled once more
            return
        waiting, self._waiting = self._waiting, []
        if timers_first:
            super().expire()
        for call, args in waiting:
            call(*args)

    def expire(self) -> None:
        self.run(super().expire)
