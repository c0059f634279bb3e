"""Absolute deadlines without timers: one ordered dict for each kind and delay.

With a constant delay, deadlines are set in the order in which they fall due, so an ordered dict stays sorted by itself:
setting, moving and deleting one costs O(1) whatever the number of sessions, and there is no heap, no timer handle and
no task. A delay that changes at run time simply gets a dict of its own.

An OrderedDict rather than a dict: taking the first key of a dict again and again walks over every key deleted before.

Must not know: what a deadline is for, and what time it is.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from enum import IntEnum
from typing import Generic, TypeVar

__all__ = ["Deadlines", "Due"]


class Due(IntEnum):
    """The kinds of deadline, and whose they are. Numbers, because they are looked up with every request."""

    PING = 0  #: a session
    PONG = 1  #: a session
    UPGRADE = 2  #: a link
    HOLD = 3  #: a poll
    BODY = 4  #: a post
    CLOSE = 5  #: a session
    HANGUP = 6  #: a link or a poll


Owner = TypeVar("Owner")


class Deadlines(Generic[Owner]):
    """All deadlines of an engine: at most one of each kind for each owner."""

    __slots__ = ("_queues", "first")

    def __init__(self) -> None:
        self._queues: list[dict[float, OrderedDict[Owner, float]]] = [{} for _ in Due]
        self.first: float | None = math.inf
        """The earliest deadline, ``inf`` if there is none; None when it is to be looked for again."""

    def __len__(self) -> int:
        return sum(len(queue) for queues in self._queues for queue in queues.values())

    def set(self, kind: Due, owner: Owner, when: float, delay: float) -> None:
        """Set or move a deadline.

        :param when: seconds on the clock of the caller.
        :param delay: what was added to reach ``when``: it picks the queue. A deadline never comes before one that was
            set earlier with the same delay.
        """
        queues = self._queues[kind]
        queue = queues.get(delay)
        if queue is None or owner in queue or len(queues) > 1:  # else there is none to be moved
            self.discard(kind, owner)
            queue = queues.setdefault(delay, OrderedDict())
        if queue and (last := queue[next(reversed(queue))]) > when:
            when = last
        queue[owner] = when
        if self.first is not None and when < self.first:
            self.first = when

    def set_once(self, kind: Due, owner: Owner, when: float, delay: float) -> None:
        """Set a deadline, unless there is one with this delay."""
        if owner not in self._queues[kind].get(delay, ()):
            self.set(kind, owner, when, delay)

    def discard(self, kind: Due, owner: Owner) -> None:
        """Delete a deadline; nothing happens if there is none."""
        queues = self._queues[kind]
        if not queues:
            return
        for delay, queue in queues.items():
            when = queue.pop(owner, None)
            if when is not None:
                if not queue:
                    del queues[delay]
                if when == self.first:
                    self.first = None
                return

    def next(self) -> float | None:
        """The earliest deadline, or None."""
        first = self._earliest() if self.first is None else self.first
        return None if first == math.inf else first

    def pop(self, now: float) -> tuple[Due, Owner, float] | None:
        """Take the earliest deadline that is due, as (kind, owner, when), or None."""
        first = self.first
        if (self._earliest() if first is None else first) > now:
            return None
        when, kind, delay = min(self._fronts())
        queues = self._queues[kind]
        owner, _ = queues[delay].popitem(last=False)
        if not queues[delay]:
            del queues[delay]
        self.first = None
        return kind, owner, when

    def _earliest(self) -> float:
        """Look for the earliest deadline, and remember it."""
        self.first = min((when for when, _, _ in self._fronts()), default=math.inf)
        return self.first

    def _fronts(self) -> list[tuple[float, Due, float]]:
        """The first of each queue, as (when, kind, delay)."""
        return [(queue[next(iter(queue))], kind, delay) for kind in Due for delay, queue in self._queues[kind].items()]
