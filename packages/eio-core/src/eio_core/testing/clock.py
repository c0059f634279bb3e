"""Virtual time: a clock that stands still while anything happens, and jumps to the next deadline when nothing does.

So a test of a timeout of 45 seconds takes microseconds, and every run of it is the same: what falls due at the same
instant happens in the order in which it was arranged.

Must not know: what a deadline is for.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Clock", "Timer"]

_Entry = tuple[float, Callable[..., None], tuple[object, ...]]


class Clock:
    """Seconds since the test began, and what is to happen when.

    >>> clock = Clock()
    >>> clock.at(25.0, print, "ping")
    >>> clock.advance(60.0)
    ping
    >>> clock.now
    60.0
    """

    __slots__ = ("_arranged", "now", "turn")

    def __init__(self) -> None:
        self.now = 0.0
        """Pass it to whatever wants to know the time."""
        self.turn = 0
        """How many things have been done."""
        # Sorted so that the next one stands last, where it is popped cheaply: by minus its time.
        self._arranged: list[_Entry] = []

    def at(self, when: float, call: Callable[..., None], *args: object) -> None:
        """Have something called at a time, in seconds; one that is past means now, behind what is due already."""
        key = -max(when, self.now)
        arranged = self._arranged
        low, high = 0, len(arranged)
        while low < high:
            middle = (low + high) // 2
            if arranged[middle][0] < key:
                low = middle + 1
            else:
                high = middle
        arranged.insert(low, (key, call, args))

    def soon(self, call: Callable[..., None], *args: object) -> None:
        """Have something called in the next turn: at this instant, behind everything that is due already."""
        self.at(self.now, call, *args)

    def timer(self, call: Callable[[], None]) -> Timer:
        """A timer that can be set again and again; it is not running yet."""
        return Timer(self, call)

    def jump(self) -> bool:
        """Jump to the next thing that was arranged and do it; False if there is none."""
        if not self._arranged:
            return False
        key, call, args = self._arranged.pop()
        self.now = max(self.now, -key)
        self.turn += 1
        call(*args)
        return True

    def run(self, until: float) -> None:
        """Do, one after the other, everything that falls due up to a time, and stay there."""
        while self._arranged and -self._arranged[-1][0] <= until:
            self.jump()
        self.now = max(self.now, until)

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.run(self.now + seconds)

    def stall(self, until: float) -> None:
        """Let time pass in which nothing is done: a loop that hangs, a laptop that sleeps. What was due comes late."""
        self.now = max(self.now, until)


class Timer:
    """One deadline that moves: what an integrator needs for ``next_deadline()``, one for each engine."""

    __slots__ = ("_arranged", "_call", "_clock", "when")

    def __init__(self, clock: Clock, call: Callable[[], None]) -> None:
        self._clock = clock
        self._call = call
        self._arranged: float | None = None
        self.when: float | None = None
        """When it goes off; None while it is not running."""

    def set(self, when: float | None) -> None:
        """Set it anew; None stops it. Setting it later costs nothing, and neither does setting what is set already."""
        self.when = when
        if when is not None and (self._arranged is None or when < self._arranged):
            self._arranged = when
            self._clock.at(when, self._ring, when)

    def _ring(self, arranged: object) -> None:
        if arranged != self._arranged:  # an earlier one was arranged since, and took its place
            return
        self._arranged = None
        when = self.when
        if when is not None and when > self._clock.now:  # it was put off
            self.set(when)
        elif when is not None:
            self.when = None
            self._call()
