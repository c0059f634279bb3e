"""What an event did besides what it returned: it concerns another connection of the session, or the application.

Effects lie in :attr:`eio_core.engine.Engine.effects` in the order in which they happened. Plain slots dataclasses, not
frozen ones, which cost 2.7 times as much to make. What they promise together:

- the messages that an event returned come before a close that the same event caused;
- ``Closed`` comes exactly once for each accepted session, and nothing of that session comes after it but a
  ``Write`` or an ``Abort`` of its connections.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .session import Link, Poll, Post, Session

__all__ = ["Abort", "Closed", "Drained", "Effect", "Upgraded", "Write"]


@dataclass(slots=True)
class Write:
    """Write this connection now: a poll or a post has its response, a link has frames or its close frame."""

    connection: Poll | Post | Link


@dataclass(slots=True)
class Abort:
    """Drop this connection without ceremony: its peer did not finish in time (row CL-18).

    A WebSocket whose close handshake is not over, or a poll whose response is still being written.
    """

    connection: Poll | Link


@dataclass(slots=True)
class Closed:
    """The session is over."""

    session: Session
    reason: str
    """One of :class:`eio_core.states.Reason`."""


@dataclass(slots=True)
class Upgraded:
    """The WebSocket carries the session from now on."""

    session: Session


@dataclass(slots=True)
class Drained:
    """The outbox fell below low water: whoever waited to send may go on (row FD-8)."""

    session: Session


Effect = Write | Abort | Closed | Upgraded | Drained
