"""Watches over a simulated world: whatever happens in it, these things hold.

Every request is answered once, and no response is empty; the books of each outbox agree; there is no deadline for what
is over.
"""

from __future__ import annotations

from eio_core import Link, Response, Session
from eio_core.deadlines import Due
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
        self.unanswered: set[Exchange] = set()
        self.bereft: list[Exchange] = []
        """Requests that were lost before they were answered: their sessions are over (rows PG-4, PP-4)."""
        self.settings(network.engine.settings)

    def write(self, line: str) -> None:
        if self.record:
            super().write(line)

    def request(self, exchange: Exchange, sid: str | None) -> None:
        self.unanswered.add(exchange)
        if self.record:
            super().request(exchange, sid)

    def response(self, exchange: Exchange, response: Response) -> None:
        check(exchange in self.unanswered, f"{exchange.client}: a request is answered twice")
        self.unanswered.remove(exchange)
        check(response.status != 200 or response.body != b"", f"{exchange.client}: an empty response (row PG-7)")
        if self.record:
            super().response(exchange, response)

    def accepted(self, exchange: Exchange) -> None:
        check(exchange in self.unanswered, f"{exchange.client}: a request is answered twice")
        self.unanswered.remove(exchange)
        super().accepted(exchange)

    def lost(self, exchange: Exchange, *, error: bool) -> None:
        if exchange in self.unanswered:
            self.unanswered.remove(exchange)
            self.bereft.append(exchange)
        super().lost(exchange, error=error)

    def body(self, exchange: Exchange, body: bytes) -> None:
        if self.record:
            super().body(exchange, body)

    def frame(self, exchange: Exchange, frame: str | bytes) -> None:
        if self.record:
            super().frame(exchange, frame)

    def frames(self, exchange: Exchange, frames: list[str | bytes]) -> None:
        if self.record:
            super().frames(exchange, frames)

    def event(self, event: str, session: Session, data: str | bytes | None = None) -> None:
        if self.record:
            super().event(event, session, data)

    def action(self, action: str, session: Session | None = None, data: object = None) -> None:
        if self.record:
            super().action(action, session, data)


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
                check(isinstance(owner, Link) and owner.closing is not None, "a link is gone, and is to be aborted")
            else:
                check(owner.session is not None, f"a connection is done with, and a deadline {kind} is left")
