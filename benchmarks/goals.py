"""What is to be reached, and whether it was: each goal is a ratio of figures of one run, or a figure by itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .measures import Row

__all__ = ["Result", "results"]

EAGER = sys.version_info >= (3, 12)

ELSEWHERE = {
    "aiohttp": 10.6,
    "aiohttp-uvloop": 10.6,
    "uvicorn-sansio": 6.6,
    "uvicorn-wsproto": 3.7,
    "tornado": 4.0,
    "sanic": 2.9,
    "granian": 4.0,
    "hypercorn": 2.7,
}
"""The raw framework's echo rate / python-engineio's, as it stood when the goals were set."""


@dataclass(frozen=True, slots=True)
class Result:
    """A goal on one stack."""

    goal: str
    stack: str
    text: str
    """What was compared."""
    figure: float
    bound: float
    most: bool
    """Whether the bound is the most that is allowed; else the least."""

    @property
    def reached(self) -> bool:
        """Whether it was."""
        return self.figure <= self.bound if self.most else self.figure >= self.bound


def results(rows: Iterable[Row]) -> list[Result]:
    """Every goal whose figures are there."""
    figures = {(row.measure, row.stack, row.kind): row.median for row in rows}
    stacks = list(dict.fromkeys(stack for _, stack, _ in figures))
    found: list[Result] = []

    def goal(
        name: str, stack: str, text: str, figure: Callable[[], float], bound: float, *, most: bool = False
    ) -> None:
        try:
            value = figure()
        except (KeyError, ZeroDivisionError):
            return
        found.append(Result(name, stack, text, value, bound, most))

    for stack in stacks:

        def of(measure: str, kind: str, stack: str = stack) -> float:
            return figures[measure, stack, kind]

        def ratio(measure: str, kind: str, other: str, of: Callable[[str, str], float] = of) -> Callable[[], float]:
            return lambda: of(measure, kind) / of(measure, other)

        least = 5.0 if stack in {"aiohttp", "uvicorn-sansio"} else 0.9 * ELSEWHERE.get(stack, 0.0)
        goal("P1", stack, "echo, async_handlers=False / raw", ratio("echo", "eio", "raw"), 0.90)
        goal("P2", stack, "echo, async_handlers=True / raw", ratio("echo", "eio-async", "raw"), 0.85 if EAGER else 0.60)
        if stack in ELSEWHERE:
            goal("P3", stack, "echo / python-engineio", ratio("echo", "eio", "engineio"), least)
        goal("P4", stack, "polling cycles / raw", ratio("polling", "eio", "raw"), 0.85)
        goal(
            "P5",
            stack,
            "bytes of an idle session above raw",
            lambda of=of: of("memory", "eio") - of("memory", "raw"),  # type: ignore[misc]
            3072,
            most=True,
        )
        goal("P6", stack, "CPU of a heartbeat / python-engineio", ratio("heartbeat", "eio", "engineio"), 0.2, most=True)
        goal("P7", stack, "whole broadcast / a raw loop", ratio("broadcast", "eio", "raw"), 0.9)
        goal("P8", stack, "lone echo, p50 / raw", ratio("p50", "eio", "raw"), 1.1, most=True)
        goal("P8", stack, "lone echo, p99 / raw", ratio("p99", "eio", "raw"), 1.1, most=True)
        goal(
            "P9",
            stack,
            "CPU of a message at 10,000 sessions / at 10",
            lambda of=of: of("message@10000", "eio") / of("message@10", "eio"),  # type: ignore[misc]
            1.1,
            most=True,
        )
        goal("P10", stack, "polling handshakes / python-engineio", ratio("open-polling", "eio", "engineio"), 1.5)
        goal("P10", stack, "WebSocket handshakes / python-engineio", ratio("open-websocket", "eio", "engineio"), 1.5)
        goal("P7", stack, "enqueue a recipient, µs", lambda of=of: of("enqueue", "eio"), 0.5, most=True)  # type: ignore[misc]
        goal("P11", stack, "calls for a message in", lambda of=of: of("calls-in", "eio"), 3, most=True)  # type: ignore[misc]
        goal("P11", stack, "calls for a message out", lambda of=of: of("calls-out", "eio"), 3, most=True)  # type: ignore[misc]
        goal("P11", stack, "decode 16 packets, µs", lambda of=of: of("decode-16", "eio"), 6, most=True)  # type: ignore[misc]
        goal(
            "S1",
            stack,
            "enqueue for a room / python-engineio",
            ratio("room-enqueue", "eio-socketio", "socketio"),
            0.1,
            most=True,
        )
        goal("S2", stack, "CPU of an event: python-engineio / eio", ratio("event-cpu", "socketio", "eio-socketio"), 2)
    return sorted(found, key=lambda result: (result.goal[0], int(result.goal[1:])))
