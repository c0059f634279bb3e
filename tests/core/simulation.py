"""One simulated world: some clients, one engine, an application, and everything that goes wrong between them.

What a client meets is its *fate*, drawn from the seed. Whatever it is, the invariants of behaviour.md hold: what
arrives is what was sent, in order and once; every request is answered once; every session closes once, with a legal
reason, and leaves nothing behind. And clients that nothing happened to get what is promised: every message arrives.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from enum import Enum, auto

from eio_core import Life, Reason, Session, SessionClosed, Settings
from eio_core.testing import Application, Client, ClientState, Dial, Fetch, Network, Peer, SocketWire, Wire

from .audit import Auditor, Violation, check, inspect

CLIENTS = 16
"""How many clients a world has; each of them has one session."""
SHUTDOWN = 5.0
"""Seconds that a shutdown gives the sessions that are left."""
REASONS = {value for name, value in vars(Reason).items() if name.isupper()}


class Fate(Enum):
    """What happens to a client."""

    CALM = auto()  #: nothing
    SLOW = auto()  #: everything is late, by up to a second
    CUT = auto()  #: a connection is cut, at any step
    VANISH = auto()  #: its tab is closed
    SILENT = auto()  #: its network is gone, and nobody is told
    DEAF = auto()  #: it stops reading, for a while or for ever
    TWIN = auto()  #: some of its requests are repeated, or it tries another upgrade
    MUTE = auto()  #: it never answers a ping
    RUDE = auto()  #: it sends what it should not
    LATE = auto()  #: its upgrade takes longer than it may
    PROBE = auto()  #: WebSockets are opened for its session that never become its transport


FATES = [*Fate, *[Fate.CALM, Fate.SLOW, Fate.CUT, Fate.PROBE] * 3]
KEPT = (Fate.CALM, Fate.SLOW, Fate.PROBE)
"""Those to whom the protocol promises that every message arrives."""
WHO = {
    Reason.PING_TIMEOUT: {Fate.CUT, Fate.VANISH, Fate.SILENT, Fate.DEAF, Fate.TWIN, Fate.MUTE, Fate.RUDE, Fate.LATE},
    Reason.TRANSPORT_ERROR: {Fate.CUT, Fate.VANISH, Fate.SILENT, Fate.DEAF, Fate.TWIN, Fate.RUDE, Fate.LATE},
    Reason.TRANSPORT_CLOSE: {Fate.CUT, Fate.VANISH, Fate.DEAF, Fate.TWIN, Fate.RUDE, Fate.LATE},
    Reason.CLIENT_DISCONNECT: {Fate.CUT, Fate.DEAF, Fate.RUDE},
    Reason.SERVER_DISCONNECT: set[Fate](),
}
"""Whose session may end so although neither side closed it, where nothing takes too long."""
PROBES: list[list[str | bytes]] = [
    ["5"], ["2"], ["4x"], ["2probe"], ["2probe", "1"], ["2probe", b"x"], ["2probe", "3"], []
]  # fmt: skip
"""What is sent on a WebSocket that is never to be upgraded to."""
BODIES = [b"", b"7", b"4ok\x1eabc", b"\xff", b"2probe", b"3\x1e6\x1e5\x1e0", None, b"4" * 2_000_000]
"""What no client sends in a POST; None never comes."""
FRAMES: list[str | bytes] = ["2probe", "2probe", "5", "4x", "abc", "", "1", b"x", "3", "2", "6"]
"""What is sent on a WebSocket at the wrong time."""
QUERIES = ["", "EIO=3&transport=polling", "EIO=4&transport=websocket", "EIO=4&transport=polling&j=1"]


def message(number: int) -> str | bytes:
    """The messages of a session, in each direction: no two are alike, and they are of every kind."""
    if number % 11 == 10:
        return f"{number}" + "é" * 700
    return f"{number}".encode() if number % 3 == 2 else f"{number}"


class Canary:
    """Lives in the handle of a session and dies with it: a session itself cannot be watched, it has slots."""


class Story:
    """What the simulation knows of one client and its session."""

    def __init__(self, peer: Peer, fate: Fate) -> None:
        self.peer = peer
        self.fate = fate
        self.session: Session | None = None
        """Its session, from the connect event to the disconnect event."""
        self.sent_up = 0
        self.sent_down = 0
        self.delivered = 0
        self.closed_by: set[str] = set()
        """``client``, ``server``, ``shutdown`` or, by a client that did not know of its session, ``nobody``."""
        self.closed_at = 0.0
        """When the server closed it."""
        self.rejected = False
        self.reasons: list[str] = []


class World(Application):
    """All of it, from a seed.

    :param record: whether to write down what happens, as a transcript.
    """

    def __init__(self, seed: int, *, record: bool = False) -> None:
        network = self.network = Network(_settings(seed), self, seed=seed)
        self.random = network.random
        self.server = network.server
        self.clock = network.clock
        self.auditor = network.server.observer = Auditor(network, record=record)
        self.gentle = seed % 2 == 0
        """Whether nothing takes longer than the timeouts allow: then promises are kept."""
        self.stories: dict[str, Story] = {}
        self.canaries: list[weakref.ref[Canary]] = []
        network.hazard = self.hazard
        for index in range(CLIENTS):
            self.begin(chr(ord("a") + index))

    def run(self) -> None:
        """Live through it, and look at what is left.

        :raises Violation: an invariant does not hold.
        """
        random, clock, server = self.random, self.clock, self.server
        for _ in range(random.randrange(3)):
            clock.at(random.uniform(0, 60), self.network.stall, random.uniform(0, 2 if self.gentle else 70))
        self.pass_time(80.0)
        self.pass_time(server.stalled_until)
        for story in self.stories.values():
            if not story.peer.reading:  # a response that is never read is the business of the server below
                story.peer.resume_reading() if random.random() < 0.5 else story.peer.vanish()
        if random.random() < 0.3:
            for story in self.stories.values():
                if story.session is not None:
                    story.closed_by.add("shutdown")
                    story.closed_at = clock.now
            server.shutdown(SHUTDOWN)
        else:
            for story in self.stories.values():
                self.client_closes(story)
        self.pass_time(clock.now + 300.0)
        self.verify()

    def pass_time(self, until: float) -> None:
        """Do what falls due, and look at the engine again and again."""
        clock, server, engine = self.clock, self.server, self.server.engine
        clock.at(until, lambda: None)
        while clock.now < until and clock.jump():
            for wire in self.auditor.bereft:
                sid = wire.request.query.partition("&sid=")[2]
                check(sid not in engine.sessions, f"{sid}: a request of it was lost, and it lives")
            self.auditor.bereft.clear()
            if clock.turn % 8 == 0 and clock.now >= server.stalled_until:
                deadline = engine.next_deadline()
                check(deadline is None or deadline >= clock.now, f"a deadline in the past: {deadline} at {clock.now}")
            if clock.turn % 64 == 0:
                inspect(server)
                self.inspect_deadlines()

    def inspect_deadlines(self) -> None:
        """Nothing is there any more that should have ended by now; while the loop stalls nothing can."""
        now, settings = self.clock.now, self.server.engine.settings
        stalled = self.server.stalled_until
        if now >= stalled:
            self.auditor.inspect_deadlines(stalled)
            for name, session in self.server.engine.sessions.items():
                if session.life is Life.CLOSING and name in self.stories:
                    took = now - max(self.stories[name].closed_at, stalled)
                    most = SHUTDOWN if self.server.engine.shutting_down else settings.close_timeout
                    check(took <= most, f"{name}: closing for {took} s (CL-4, SD-1)")

    # ------------------------------------------------------------------------------------------------------- clients

    def begin(self, name: str) -> None:
        """Make a client, and arrange its life."""
        random, at = self.random, self.clock.at
        fate = random.choice(FATES)
        transports = random.choice([("polling", "websocket"), ("polling", "websocket"), ("polling",), ("websocket",)])
        client = Client(transports=transports, base64=random.random() < 0.1, pongs=fate is not Fate.MUTE)
        story = self.stories[name] = Story(self.network.client(name, client), fate)
        start = random.uniform(0, 10)
        end = start + random.choice([random.uniform(0, 1), random.uniform(0, 10), random.uniform(0, 70)])
        at(start, story.peer.connect)
        for _ in range(random.randrange(6)):
            at(random.uniform(start, end), self.client_sends, story, random.choice([1, 2, 5, 20]))
            at(random.uniform(start, end), self.server.run, self.server_sends, story, random.choice([1, 2, 5, 20]))
        for _ in range(3):
            at(random.uniform(start, end), self.strike, story)
        if fate is not Fate.SILENT:
            at(end, *random.choice(self.endings(story)))

    def endings(self, story: Story) -> list[tuple[Callable[..., None], object]]:
        """How a session may end: by its client, by the server, or not before all do."""
        return [
            (self.client_closes, story),
            (self.client_closes, story),
            (lambda story: self.server.run(self.server_closes, story), story),
            (lambda story: None, story),
        ]

    def client_sends(self, story: Story, count: int) -> None:
        """A burst of messages."""
        for _ in range(count):
            if not story.peer.gone and story.peer.client.state in (ClientState.OPENING, ClientState.OPEN):
                number, story.sent_up = story.sent_up, story.sent_up + 1
                story.peer.send(message(number))

    def client_closes(self, story: Story) -> None:
        """A client says goodbye; one that does before its handshake is complete may leave a session behind."""
        if not story.peer.gone and story.peer.reason is None:
            story.closed_by.add("client" if story.peer.open else "nobody")
            story.peer.close()

    # ------------------------------------------------------------------------------------------------ what goes wrong

    def hazard(self, wire: Wire) -> float | None:
        """What happens to a delivery."""
        story, random = self.stories[wire.peer.name], self.random
        fate = story.fate
        if fate is Fate.SLOW:
            return random.random()
        if fate is Fate.CUT and random.random() < 0.04:
            return None
        if fate is Fate.LATE and wire.request.asks_websocket() and random.random() < 0.3:
            return random.uniform(0, 2) * self.server.engine.settings.upgrade_timeout
        return 0.0

    def strike(self, story: Story) -> None:
        """Something happens to a client, three times in its life."""
        random, peer, fate = self.random, story.peer, story.fate
        if peer.gone:
            return
        if fate is Fate.VANISH:
            peer.vanish()
        elif fate is Fate.SILENT:
            peer.reachable = False
        elif fate is Fate.DEAF:
            peer.resume_reading() if not peer.reading and random.random() < 0.5 else peer.stop_reading()
        elif fate is Fate.TWIN:
            self.repeat(peer)
        elif fate is Fate.RUDE:
            self.offend(peer)
        elif fate is Fate.PROBE and peer.client.sid is not None:
            self.probe(peer)

    def repeat(self, peer: Peer) -> None:
        """A request is repeated, by a proxy or by an impatient page; or another upgrade is tried."""
        requests = [wire.request for wire in peer.wires if not wire.request.asks_websocket()]
        if requests and self.random.random() < 0.7:
            request = self.random.choice(requests)
            body = b"4again" if request.method == "POST" else None
            peer.fetch(Fetch(request.method, request.query, body))
        elif peer.client.sid is not None:
            peer.dial(Dial(f"EIO=4&transport=websocket&sid={peer.client.sid}"))

    def probe(self, peer: Peer) -> None:
        """A WebSocket that is to fail: it says nothing, or nothing right, or it goes (rows UP-6 to UP-12)."""
        random = self.random
        wire = peer.dial(Dial(f"EIO=4&transport=websocket&sid={peer.client.sid}"))
        for frame in random.choice(PROBES):
            wire.transmit(frame)
        if random.random() < 0.5:
            self.clock.at(self.clock.now + random.uniform(0, 2), wire.cut)

    def offend(self, peer: Peer) -> None:
        """A client does what a client does not do."""
        random, sid = self.random, f"&sid={peer.client.sid}"
        kind = random.randrange(4)
        if kind == 0:
            peer.fetch(Fetch("POST", f"EIO=4&transport=polling{sid}", random.choice(BODIES)))
        elif kind == 1:
            wire = peer.dial(Dial(f"EIO=4&transport=websocket{sid}"))
            for frame in random.choices(FRAMES, k=4):
                wire.transmit(frame)
        elif kind == 2:
            peer.fetch(Fetch(random.choice(["GET", "PUT", "OPTIONS"]), random.choice(QUERIES) + sid))
        else:
            for open_wire in [*peer.wires]:
                if isinstance(open_wire, SocketWire):
                    open_wire.transmit(random.choice(FRAMES))

    # ------------------------------------------------------------------------------------------------ the application

    def connect(self, session: Session) -> bool | None:
        canary = session.handle = Canary()
        self.canaries.append(weakref.ref(canary))
        story = self.stories.get(session.sid)
        if story is None:  # a second session, of a handshake that was repeated
            return True
        check(story.session is None and not story.reasons, f"{session.sid}: connected twice")
        story.session = session
        self.server_sends(story, self.random.choice([0, 0, 0, 1, 3, 20]))
        chance = self.random.random()
        if chance < 0.03:
            self.server_closes(story)
        elif chance < 0.08:
            return self.decide(session, accept=False)
        elif chance < 0.2:
            later = self.clock.now + self.random.uniform(0, 3)
            self.clock.at(later, self.server.run, self.decide_later, session, self.random.random() < 0.9)
            return None
        return True

    def decide(self, session: Session, *, accept: bool) -> bool:
        """Accept a handshake, or reject it."""
        story = self.stories[session.sid]
        if not accept:
            story.rejected = True
            story.session = None
        return accept

    def decide_later(self, session: Session, accept: bool) -> None:
        self.stories[session.sid].closed_at = self.clock.now  # if it is closed, that begins now (row CL-16)
        if self.decide(session, accept=accept):
            self.server.accept(session)
        else:
            self.server.reject(session)

    def message(self, session: Session, data: str | bytes) -> None:
        story = self.stories.get(session.sid)
        if story is None:
            return
        check(story.session is session, f"{session.sid}: a message after the disconnect event")
        if story.fate not in (Fate.TWIN, Fate.RUDE):
            check(
                data == message(story.delivered),
                f"{session.sid}: delivered {data!r} instead of message {story.delivered}",
            )
        story.delivered += 1
        if self.random.random() < 0.1:
            self.server_sends(story, 1)
        elif self.random.random() < 0.005:
            self.server_closes(story)

    def disconnect(self, session: Session, reason: str) -> None:
        check(reason in REASONS, f"{session.sid}: {reason} is no reason")
        check(session.life is Life.CLOSED, f"{session.sid}: closed, and it lives")
        story = self.stories.get(session.sid)
        if story is not None:
            check(not story.rejected, f"{session.sid}: a disconnect event of a handshake that was rejected")
            check(not story.reasons, f"{session.sid}: disconnected twice")
            story.reasons.append(reason)
            story.session = None
            asks = "nobody" not in story.closed_by  # a client that gave up does not fetch what is left
            if self.gentle and story.fate is Fate.CALM and "server" in story.closed_by and asks:
                check(self.clock.now - story.closed_at < 25, f"{session.sid}: its close took its time")

    def server_sends(self, story: Story, count: int) -> None:
        """A burst of messages."""
        for _ in range(count):
            session = story.session
            if session is None:
                return
            try:
                self.server.send(session, message(story.sent_down))
            except SessionClosed:
                return
            if session.life is not Life.CLOSED:  # else it found the outbox full
                story.sent_down += 1

    def server_closes(self, story: Story) -> None:
        """The application closes a session."""
        if story.session is not None:
            if story.session.life is Life.OPEN or story.session.life is Life.OPENING:
                story.closed_by.add("server")
                story.closed_at = self.clock.now
            self.server.close(story.session)

    # ------------------------------------------------------------------------------------------------------ afterwards

    def verify(self) -> None:
        """Nothing is left, and everybody got what was promised."""
        server, engine = self.server, self.server.engine
        check(not engine.sessions and not engine.opening, f"sessions are left: {[*engine.sessions, *engine.opening]}")
        check(len(engine.deadlines) == 0 and not engine.effects, "deadlines or effects are left")
        check(server.connections == 0, f"connections are left: {server.connections}")
        check(not self.auditor.unanswered, f"never answered: {[wire.client for wire in self.auditor.unanswered]}")
        alive = sum(canary() is not None for canary in self.canaries)
        check(alive == 0, f"{alive} sessions are not freed")
        for story in self.stories.values():
            self.verify_story(story)

    def verify_story(self, story: Story) -> None:
        """What one client got, and its session."""
        peer, name = story.peer, story.peer.name
        for reason in story.reasons:
            self.verify_reason(story, reason)
        if story.fate in (Fate.TWIN, Fate.RUDE):  # what it asked for, or upgraded, beside itself took some of them
            return
        for number, data in enumerate(peer.received):
            if data != message(number):
                raise Violation(f"{name}: received {data!r} instead of message {number}")
        check(len(peer.received) <= story.sent_down, f"{name}: received what was never sent")
        check(story.session is None, f"{name}: no disconnect event")
        if not self.gentle or story.fate not in KEPT or story.rejected:
            return
        check(len(story.reasons) == 1, f"{name}: {story.reasons}")
        reason = story.reasons[0]
        check(len(story.closed_by) > 0, f"{name}: nobody closed it, and the reason is {reason}")
        if story.closed_by == {"client"}:
            wanted = (Reason.CLIENT_DISCONNECT,) if peer.transport == "polling" else (Reason.TRANSPORT_CLOSE,)
            check(reason in wanted, f"{name}: closed by its client, and the reason is {reason}")
            check(story.delivered == story.sent_up, f"{name}: {story.delivered} of {story.sent_up} messages arrived")
        elif story.closed_by <= {"server", "shutdown"}:
            check(reason == Reason.SERVER_DISCONNECT, f"{name}: closed by the server, and the reason is {reason}")
            if story.closed_by == {"server"} and peer.reason == "transport close":
                count = len(peer.received)
                check(count == story.sent_down, f"{name}: {count} of {story.sent_down} messages arrived")

    def verify_reason(self, story: Story, reason: str) -> None:
        """Why its session ended: because of what was done to it, and of nothing else (rows CL-9 to CL-13)."""
        what = f"{story.peer.name}, {story.fate.name}, closed by {sorted(story.closed_by)}: the reason is {reason}"
        if "server" in story.closed_by:  # it was open then, and whatever comes later does not change that
            check(reason == Reason.SERVER_DISCONNECT, what)
        elif reason == Reason.SERVER_DISCONNECT:
            check("shutdown" in story.closed_by, what)
        elif self.gentle and not story.closed_by & {"client", "nobody"}:
            check(story.fate in WHO[reason], what)


def live(seed: int, *, record: bool = False) -> World:
    """Make a world and live through it; what it leaves must be freed by reference counting alone.

    :raises Violation: an invariant does not hold; a note has the record, if one was wanted.
    """
    gc.collect(1)  # the world before
    gc.disable()
    world = World(seed, record=record)
    try:
        world.run()
    except Exception as error:
        error.add_note(f"seed {seed}: python3 noxfile.py -s simulate -- --seed {seed}")
        if record:
            error.add_note(str(world.auditor))
        raise
    finally:
        gc.enable()
    return world


def _settings(seed: int) -> Settings:
    """Those of a world: the defaults in a gentle one, tight ones in the others."""
    settings = Settings(max_packets_per_poll=(16, 1, 3, None)[seed // 2 % 4])
    if seed % 2:
        settings.ping_interval = (5.0, 25.0, 1.0)[seed // 2 % 3]
        settings.ping_timeout = (4.0, 20.0, 30.0)[seed // 4 % 3]
        settings.upgrade_timeout = (0.5, 10.0)[seed // 6 % 2]
        settings.close_timeout = (1.0, 30.0)[seed // 8 % 2]
        settings.max_buffered_bytes = (3000, 100_000)[seed // 3 % 2]
        settings.max_http_buffer_size = (1000, 1_000_000)[seed // 5 % 2]
    return settings
