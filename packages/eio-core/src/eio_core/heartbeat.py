"""The heartbeat: the server pings, the client answers (rows HB-1 to HB-15).

One ping is due ``ping_interval`` after the session opened, then after each *previous ping*: a fixed rate, so that the
arrival of a pong needs no clock. A pong only clears a flag, any other packet only sets one; the deadline, when it
comes, looks at both. So the heartbeat costs a message one store, and an idle session two entries in a queue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import closing, outbox, packets
from .deadlines import Due
from .states import Life, Reason

if TYPE_CHECKING:
    from .engine import Engine
    from .session import Session

STALL = 1.0
"""A deadline that we see later than this is our fault, or a laptop's that slept."""
STALL_GRACE = 5.0


def start(engine: Engine, session: Session, now: float) -> None:
    """Begin with the first interval."""
    interval = engine.settings.ping_interval
    engine.deadlines.set(Due.PING, session, now + interval, interval)


def receive_pong(session: Session) -> None:
    """The client is alive. A pong that nobody asked for changes nothing (row HB-7)."""
    session.awaiting_pong = False


def ping_due(engine: Engine, session: Session, when: float, now: float) -> None:
    """Queue a ping, unless the last one is still unanswered (row HB-1)."""
    settings = engine.settings
    interval = settings.ping_interval
    if session.life is Life.OPEN:
        following = when + interval
        engine.deadlines.set(Due.PING, session, following if following > now else now + interval, interval)
    if session.awaiting_pong:
        return
    session.awaiting_pong = settings.monitor_clients
    session.heard = session.extended = session.graced = False
    if settings.monitor_clients:
        engine.deadlines.set(Due.PONG, session, now + settings.ping_timeout, settings.ping_timeout)
    if session.life is not Life.OPEN:  # closing: nothing is sent any more, but the time runs (row HB-10)
        return
    if not packets.has_ping((session.outbox or ())[:2]):  # else the last one was not even fetched: one is enough
        # First: a client that fetches a long queue under our own limits must not time out behind it (row HB-9).
        session.put_first(packets.PING)
        outbox.wake(engine, session)


def pong_due(engine: Engine, session: Session, when: float, now: float) -> None:
    """Close the session, unless there is a reason to think that its pong is on the way."""
    settings = engine.settings
    if not settings.monitor_clients:
        session.awaiting_pong = False
    if not session.awaiting_pong:
        return
    timeout = settings.ping_timeout
    if _held_up(session):
        engine.deadlines.set(Due.PONG, session, now + timeout, timeout)
        return
    if session.heard and not session.extended:
        session.extended = True
        if when + timeout > now:  # else the loop stalled all the while
            engine.deadlines.set(Due.PONG, session, when + timeout, timeout)
            return
    if now - when > min(STALL, timeout / 2) and not session.graced:
        # The loop stalled or the machine slept: the pong may wait unread in the kernel's buffer (row H27).
        session.graced = True
        grace = min(timeout, STALL_GRACE)
        engine.deadlines.set(Due.PONG, session, now + grace, grace)
    else:
        closing.finish(engine, session, Reason.PING_TIMEOUT)


def _held_up(session: Session) -> bool:
    """Whether it is we who do not read (row HB-2).

    A body that arrives has a deadline of its own. But handlers that keep us from reading may wait for the client in
    their turn, for its outbox to drain: of that much, it has to take something from one deadline to the next.
    """
    post = session.post
    if post is not None and post.response is None:
        return True
    if not session.paused and post is None:
        return False
    stuck, session.stuck = session.stuck, session.above_low_water
    return not (stuck and session.stuck)
