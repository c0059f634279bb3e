"""Watches over a simulated world: whatever happens in it, these things hold.

Every request is answered once, and no response is empty; the books of each outbox agree; there is no deadline for what
is over, and nothing outlives its deadline.
"""

from __future__ import annotations

from eio_core import Channel, Link, Poll, Response, Session
from eio_core.deadlines import Due
from eio_core.engine import HANGUP
from eio_core.heartbeat import STALL_GRACE
from eio_core.session import size_of
from eio_core.testing import Exchange, Network, Recorder, Server


class Violation(AssertionError):  # noqa: N818 - what it is
    """An invariant does not hold."""


def check(holds: bool, what: str) -> None:
    """Raise unless an invariant holds."""
    if not holds:
        raise Violation(what)


class Auditor(Recorder):
    """Sees to it that every request is answered once; writes a record only on demand, for that takes time."""

    def __init__(self, network: Network, *, record: bool) -> None:
        self.record = record
        super().__init__(network.clock, decisions=True)
        self.unanswered: dict[Exchange, float] = {}
        """Requests without an answer, and when they came."""
        self.opened: dict[Exchange, float] = {}
        """WebSockets, and when they were accepted."""
        self.ending: dict[Exchange, float] = {}
        """Those of them that were sent a close frame, and when."""
        self.heard: dict[str, float] = {}
        """Sessions, and when something came from their clients."""
        self.bereft: list[Exchange] = []
        """Requests that were lost before they were answered: their sessions are over (rows PG-4, PP-4)."""
        self.server = network.server
        self.settings(network.engine.settings)

    def write(self, line: str) -> None:
        if self.record:
            super().write(line)

    def request(self, exchange: Exchange, sid: str | None) -> None:
        self.unanswered[exchange] = self.clock.now
        self._hear(exchange.request.query.partition("&sid=")[2])
        if self.record:
            super().request(exchange, sid)

    def response(self, exchange: Exchange, response: Response) -> None:
        check(exchange in self.unanswered, f"{exchange.client}: a request is answered twice")
        del self.unanswered[exchange]
        check(response.status != 200 or response.body != b"", f"{exchange.client}: an empty response (row PG-7)")
        if self.record:
            super().response(exchange, response)

    def accepted(self, exchange: Exchange) -> None:
        check(exchange in self.unanswered, f"{exchange.client}: a request is answered twice")
        del self.unanswered[exchange]
        self.opened[exchange] = self.clock.now
        super().accepted(exchange)

    def lost(self, exchange: Exchange, *, error: bool) -> None:
        if self.unanswered.pop(exchange, None) is not None:
            self.bereft.append(exchange)
        self._ended(exchange)
        super().lost(exchange, error=error)

    def closed(self, exchange: Exchange, code: int) -> None:
        self._ended(exchange)
        super().closed(exchange, code)

    def closing(self, exchange: Exchange, code: int) -> None:
        self.ending[exchange] = self.clock.now
        super().closing(exchange, code)

    def decision(self, decision: str, session: Session, body: bytes | None = None) -> None:
        if decision == "accept":
            self.heard[session.sid] = self.clock.now
        super().decision(decision, session, body)

    def body(self, exchange: Exchange, body: bytes) -> None:
        self._hear_on(exchange)
        if self.record:
            super().body(exchange, body)

    def frame(self, exchange: Exchange, frame: str | bytes) -> None:
        self._hear_on(exchange)
        if self.record:
            super().frame(exchange, frame)

    def frames(self, exchange: Exchange, frames: list[str | bytes]) -> None:
        if self.record:
            super().frames(exchange, frames)

    def event(self, event: str, session: Session, data: str | bytes | None = None) -> None:
        if event == "disconnect":
            self.heard.pop(session.sid, None)
        if self.record:
            super().event(event, session, data)

    def action(self, action: str, session: Session | None = None, data: object = None) -> None:
        if self.record:
            super().action(action, session, data)

    def inspect_deadlines(self, since: float) -> None:
        """Nothing is there any more that should have ended by now.

        :param since: when the loop woke up last: what it could not do before it does now.
        """
        now, settings, engine = self.clock.now, self.server.engine.settings, self.server.engine
        # A ping comes within the interval, its pong's deadline moves once because of other packets (row HB-5), and
        # once because of us (row H27).
        silence = settings.ping_interval + 2 * settings.ping_timeout + min(settings.ping_timeout, STALL_GRACE)
        for sid in engine.sessions:
            check(now - max(self.heard[sid], since) <= silence, f"{sid}: not heard of since {self.heard[sid]} (HB-2)")
        for exchange, when in self.unanswered.items():
            check(now - max(when, since) <= silence, f"{exchange.client}: its request of {when} waits still (PG-2)")
        for exchange, when in self.opened.items():
            link = self.server._served.get(exchange)
            if isinstance(link, Link) and link.channel in {Channel.UNPROBED, Channel.PROBED}:
                late = now - max(when, since) - settings.upgrade_timeout
                check(late <= 0, f"{exchange.client}: its upgrade of {when} goes on (UP-12)")
        for exchange, when in self.ending.items():
            # Once it is aborted both sides find out within the latency of the network.
            check(now - max(when, since) <= HANGUP + 1, f"{exchange.client}: its WebSocket is still there (CL-18)")

    def _hear(self, sid: str) -> None:
        if sid in self.heard:
            self.heard[sid] = self.clock.now

    def _hear_on(self, exchange: Exchange) -> None:
        session = getattr(self.server._served.get(exchange), "session", None)
        if session is not None:
            self._hear(session.sid)

    def _ended(self, exchange: Exchange) -> None:
        self.opened.pop(exchange, None)
        self.ending.pop(exchange, None)


def inspect(server: Server) -> None:
    """The books agree: what each outbox holds, and which deadlines there are."""
    engine = server.engine
    writing = {exchange.client for exchange in server._writing}
    for sid, session in engine.sessions.items():
        check(session.queued == sum(map(size_of, session.outbox or ())), f"{sid}: queued is {session.queued}")
        check(session.in_flight >= 0, f"{sid}: in flight is {session.in_flight}")
        if sid.rstrip("0123456789") not in writing:
            check(session.in_flight == 0, f"{sid}: {session.in_flight} is in flight, and nothing is being written")
    for kind, queues in zip(Due, engine.deadlines._queues, strict=True):
        for owner in [owner for queue in queues.values() for owner in queue]:
            if isinstance(owner, Session):
                check(owner.sid in engine.sessions, f"{owner.sid}: closed, and a deadline {kind} is left")
            elif kind is Due.HANGUP:
                ending = owner.closing is not None if isinstance(owner, Link) else isinstance(owner, Poll)
                check(ending, "a link is gone, and is to be aborted")
            else:
                check(owner.session is not None, f"a connection is done with, and a deadline {kind} is left")
