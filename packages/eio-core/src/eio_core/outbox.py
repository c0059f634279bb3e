"""The one way out of a session: who is woken when packets wait, and what it means that they were written.

Packets are *pulled*. Whoever puts one into the outbox learns which connection wants writing; the one writer of that
connection takes what is there. Two writers with a batch of their own each would overtake one another at the first wait
in the server below; one that pulls cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .effects import Drained, Write
from .states import Route

if TYPE_CHECKING:
    from .engine import Engine
    from .session import Link, Poll, Session

WEBSOCKET = Route.WEBSOCKET  # bound once, as in engine.py


def outlet(session: Session) -> Poll | Link | None:
    """The connection that should be written now that something waits in the outbox, if there is one."""
    if session.route is WEBSOCKET:
        return session.link
    poll = session.poll
    if poll is None or poll.held:
        return None
    poll.ready = True
    return poll


def wake(engine: Engine, session: Session) -> None:
    """Have the outbox written by an effect."""
    connection = outlet(session)
    if connection is not None:
        engine.effects.append(Write(connection))


def written(engine: Engine, session: Session, size: int) -> None:
    """So many bytes that were in flight have been written."""
    session.in_flight -= size
    session.stuck = False
    if session.above_low_water and session.buffered <= engine.settings.low_water:
        session.above_low_water = False
        engine.effects.append(Drained(session))
