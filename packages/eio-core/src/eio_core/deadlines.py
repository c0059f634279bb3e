"""Absolute deadlines without timers: one ordered dict for each kind and delay.

With a constant delay, deadlines are set in the order in which they fall due, so an ordered dict stays sorted by itself:
setting, moving and deleting one costs O(1) whatever the number of sessions, and there is no heap, no timer handle and
no task. A delay that changes at run time simply gets a dict of its own.

An OrderedDict rather than a dict: taking the first key of a dict again and again walks over every key deleted before.

Must not know: what a deadline is for, and what time it is.
"""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum, auto
from typing import Generic, TypeVar

__all__ = ["Deadlines", "Due"]


class Due(Enum):
    """The kinds of deadline, and whose they are."""

    PING = auto()  #: a session
    PONG = auto()  #: a session
    UPGRADE = auto()  #: a link
    HOLD = auto()  #: a poll
    BODY = auto()  #: a post
    CLOSE = auto()  #: a session
    HANGUP = auto()  #: a link or a poll


Owner = TypeVar("Owner")


class Deadlines(Generic[Owner]):
    """All deadlines of an engine: at most one of each kind for each owner."""

    __slots__ = ("_queues",)

    def __init__(self) -> None:
        self._queues: dict[Due, dict[float, OrderedDict[Owner, float]]] = {kind: {} for kind in Due}

    def __len__(self) -> int:
        return sum(len(queue) for queues in self._queues.values() for queue in queues.values())

    def set(self, kind: Due, owner: Owner, when: float, delay: float) -> None:
        """Set or move a deadline.

        :param when: seconds on the clock of the caller.
        :param delay: what was added to reach ``when``: it picks the queue. A deadline never comes before one that was
            set earlier with the same delay.
        """
        self.discard(kind, owner)
        queue = self._queues[kind].get(delay)
        if queue is None:
            queue = self._queues[kind][delay] = OrderedDict()
        else:
            when = max(when, queue[next(reversed(queue))])
        queue[owner] = when

    def discard(self, kind: Due, owner: Owner) -> None:
        """Delete a deadline; nothing happens if there is none."""
        queues = self._queues[kind]
        for delay, queue in queues.items():
            if queue.pop(owner, None) is not None:
                if not queue:
                    del queues[delay]
                return

    def next(self) -> float | None:
        """The earliest deadline, or None."""
        first = self._first()
        return None if first is None else first[0]

    def pop(self, now: float) -> tuple[Due, Owner, float] | None:
        """Take the earliest deadline that is due, as (kind, owner, when), or None."""
        first = self._first()
        if first is None or first[0] > now:
            return None
        when, kind, delay = first
        queues = self._queues[kind]
        owner, _ = queues[delay].popitem(last=False)
        if not queues[delay]:
            del queues[delay]
        return kind, owner, when

    def _first(self) -> tuple[float, Due, float] | None:
        found: tuple[float, Due, float] | None = None
        for kind, queues in self._queues.items():
            for delay, queue in queues.items():
                when = queue[next(iter(queue))]
                if found is None or when < found[0]:
                    found = (when, kind, delay)
        return found
