"""What is measured, one function for each; each gives rows for the report.

Servers of all kinds run at once, and are measured in turn: whatever else slows the machine down for a while meets all
of them.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from . import clients
from .clients import Cycle, Echo, Idle, Window, connected
from .processes import Server, running
from .stacks import Stack

__all__ = ["Plan", "Row", "broadcast", "echo", "growth", "handshakes", "heartbeat", "latency", "memory", "polling"]

WARM = 0.3

KINDS = ("raw", "eio", "eio-async", "engineio", "eio-socketio", "socketio")
"""The programs that are compared."""

Figures = dict[str, tuple[float, str, float]]
"""By the name of the measure: the figure, its unit, and how busy the load was."""


@dataclass(slots=True)
class Row:
    """One figure: the median of its rounds."""

    measure: str
    stack: str
    kind: str
    rounds: list[float]
    unit: str
    busy: float = 0.0
    """How busy the load was at the most."""

    @property
    def median(self) -> float:
        """The figure."""
        return statistics.median(self.rounds)

    @property
    def spread(self) -> float:
        """Half of what lies between the smallest and the largest round, as a share of the median."""
        return (max(self.rounds) - min(self.rounds)) / 2 / self.median if self.median else 0.0


@dataclass(slots=True)
class Plan:
    """How much is measured."""

    rounds: int = 5
    seconds: float = 2.0
    connections: int = 50
    in_flight: int = 20
    idle: int = 5_000
    """Sessions that do nothing."""
    recipients: int = 1_000
    kinds: frozenset[str] = field(default_factory=lambda: frozenset(KINDS))

    def of(self, stack: Stack, *kinds: str) -> list[str]:
        """Those of the kinds that the stack has and the plan wants."""
        return [kind for kind in kinds or stack.kinds if kind in stack.kinds and kind in self.kinds]


class Rounds:
    """Measures servers in turn, and collects the figures."""

    def __init__(self, stack: Stack, plan: Plan) -> None:
        self._stack = stack
        self._plan = plan
        self._rows: dict[tuple[str, str], Row] = {}

    def run(self, servers: list[Server], measure: Callable[[Server], Awaitable[Figures]]) -> Rounds:
        """Measure each server once a round."""
        for _ in range(self._plan.rounds):
            for server in servers:
                for name, (figure, unit, busy) in asyncio.run(_awaited(measure(server))).items():
                    row = self._rows.setdefault((name, server.kind), Row(name, self._stack.name, server.kind, [], unit))
                    row.rounds.append(figure)
                    row.busy = max(row.busy, busy)
        return self

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())


async def _awaited(measured: Awaitable[Figures]) -> Figures:
    return await measured


def echo(stack: Stack, plan: Plan) -> Rounds:
    """Echoes a second over WebSocket, and the server's processor time for each (P1, P2, P3)."""

    async def measure(server: Server) -> Figures:
        async with connected(server, lambda: Echo(opens=server.opens), plan.connections) as echoes:
            return await echoing("echo", server, echoes, plan)

    with running(stack, *plan.of(stack, "raw", "eio", "eio-async", "engineio")) as servers:
        return Rounds(stack, plan).run(servers, measure)


async def echoing(name: str, server: Server, clients: Sequence[Echo], plan: Plan) -> Figures:
    """Have clients keep their messages in flight, and count the echoes."""
    for client in clients:
        client.start(plan.in_flight)
    await asyncio.sleep(WARM)
    before, window = sum(client.echoes for client in clients), Window(server)
    await window.measure(plan.seconds)
    count = sum(client.echoes for client in clients) - before
    return {
        name: (count / window.seconds, "1/s", window.busy),
        f"{name}-cpu": (window.cpu / count * 1e6, "µs", window.busy),
    }


def latency(stack: Stack, plan: Plan) -> Rounds:
    """The time of a lone echo (P8)."""

    async def measure(server: Server) -> Figures:
        before = server.cpu()
        times = await asyncio.to_thread(clients.lone, server, plan.seconds)
        cpu = (server.cpu() - before) / len(times)
        percentiles = statistics.quantiles(times, n=100)
        return {
            "p50": (percentiles[49] * 1e6, "µs", 0.0),
            "p99": (percentiles[98] * 1e6, "µs", 0.0),
            "lone-cpu": (cpu * 1e6, "µs", 0.0),
        }

    with running(stack, *plan.of(stack, "raw", "eio", "engineio")) as servers:
        return Rounds(stack, plan).run(servers, measure)


def polling(stack: Stack, plan: Plan) -> Rounds:
    """Cycles of a POST and the GET of its echo (P4)."""

    async def measure(server: Server) -> Figures:
        loop = asyncio.get_running_loop()
        cycles: list[Cycle] = []
        for number in range(plan.connections):
            sid = f"raw{number}"
            if server.opens:
                sid, (_, writer) = await clients.polling_session(server)
                writer.close()
            _, client = await loop.create_connection(
                lambda sid=sid: Cycle(server.polling_path, sid),  # type: ignore[misc]
                "127.0.0.1",
                server.port,
            )
            cycles.append(client)
            client.start()
        await asyncio.sleep(WARM)
        before, window = sum(client.cycles for client in cycles), Window(server)
        await window.measure(plan.seconds)
        count = sum(client.cycles for client in cycles) - before
        for client in cycles:
            client.transport.abort()
        return {
            "polling": (count / window.seconds, "1/s", window.busy),
            "polling-cpu": (window.cpu / count * 1e6, "µs", window.busy),
        }

    with running(stack, *plan.of(stack, "raw", "eio", "engineio")) as servers:
        return Rounds(stack, plan).run(servers, measure)


def handshakes(stack: Stack, plan: Plan) -> Rounds:
    """Sessions opened a second, on polling and on WebSocket (P10)."""

    async def measure(server: Server) -> Figures:
        figures: Figures = {}
        for transport in ("polling", "websocket"):
            rate, window = await clients.opening(server, transport, plan.seconds)
            figures["open-" + transport] = rate, "1/s", window.busy
        return figures

    with running(stack, *plan.of(stack, "raw", "eio", "engineio")) as servers:
        return Rounds(stack, plan).run(servers, measure)


def broadcast(stack: Stack, plan: Plan) -> Rounds:
    """Broadcasts a second of one text to many clients, each sent when the last recipient has the one before (P7)."""

    async def measure(server: Server) -> Figures:
        async with connected(server, lambda: Idle(opens=server.opens), plan.recipients) as idle:
            window, count = await broadcasting(server, idle, plan.seconds)
        return {"broadcast": (count / window.seconds, "1/s", window.busy)}

    with running(stack, *plan.of(stack, "raw", "eio", "engineio"), app="broadcast") as servers:
        return Rounds(stack, plan).run(servers, measure)


async def broadcasting(server: Server, idle: list[Idle], seconds: float) -> tuple[Window, int]:
    """Have one client's messages sent to all, one after another; how many there were."""
    window, count = Window(server), 0
    measuring = asyncio.create_task(window.measure(seconds))
    while not measuring.done():
        count += 1
        idle[0].transport.write(clients.frame(clients.MESSAGE))
        while any(client.received < count * clients.ECHOED for client in idle):
            assert not idle[0].transport.is_closing(), "the server has dropped who sends"
            await asyncio.sleep(0)
    return window, count


def memory(stack: Stack, plan: Plan) -> Rounds:
    """Bytes of an idle WebSocket session, and what is left of them when all have gone (P5).

    Each round has servers of its own: memory that was used once is there for the next.
    """
    rounds = Rounds(stack, plan)

    async def measure(server: Server) -> Figures:
        async with connected(server, lambda: Idle(opens=server.opens), 100):
            await asyncio.sleep(WARM)  # whatever is made once
        await asyncio.sleep(1.0)
        before = server.memory()
        async with connected(server, lambda: Idle(opens=server.opens), plan.idle):
            await asyncio.sleep(1.0)
            idle = server.memory() - before
        await asyncio.sleep(2.0)
        left = server.memory() - before
        return {
            "memory": (idle / plan.idle, "bytes", 0.0),
            "memory-left": (left / plan.idle, "bytes", 0.0),
        }

    for _ in range(min(plan.rounds, 3)):
        with running(stack, *plan.of(stack, "raw", "eio", "engineio")) as servers:
            one = Rounds(stack, Plan(rounds=1)).run(servers, measure)
        for row in one:
            kept = rounds._rows.setdefault((row.measure, row.kind), row)  # noqa: SLF001
            if kept is not row:
                kept.rounds += row.rounds
    return rounds


def heartbeat(stack: Stack, plan: Plan) -> Rounds:
    """Processor time for each heartbeat, with many idle sessions (P6)."""
    interval = 2.5

    async def measure(server: Server) -> Figures:
        async with connected(server, lambda: Idle(opens=True), plan.idle) as idle:
            await asyncio.sleep(interval)
            before, window = sum(client.pings for client in idle), Window(server)
            await window.measure(2 * interval)
            pings = sum(client.pings for client in idle) - before
        return {"heartbeat": (window.cpu / pings * 1e6, "µs", window.busy)}

    with running(stack, *plan.of(stack, "eio", "engineio"), ping=interval) as servers:
        return Rounds(stack, Plan(rounds=min(plan.rounds, 3), idle=plan.idle)).run(servers, measure)


def growth(stack: Stack, plan: Plan, sessions: tuple[int, ...] = (10, 100, 1_000, 10_000)) -> list[Row]:
    """The server's processor time for each message, handshake, heartbeat and recipient beside so many sessions (P9)."""
    rows: dict[tuple[str, str], Row] = {}

    async def messages(server: Server, count: int) -> float:
        active = min(count, plan.connections)
        async with (
            connected(server, lambda: Idle(opens=server.opens), count - active),
            connected(server, lambda: Echo(opens=server.opens), active) as echoes,
        ):
            for client in echoes:
                client.start(plan.in_flight)
            await asyncio.sleep(WARM)
            before, window = sum(client.echoes for client in echoes), Window(server)
            await window.measure(plan.seconds)
            return window.cpu / (sum(client.echoes for client in echoes) - before) * 1e6

    async def opened(server: Server, count: int) -> float:
        async with connected(server, lambda: Idle(opens=True), count):
            before, made = server.cpu(), 0
            for _ in range(5):
                async with connected(server, lambda: Idle(opens=True), 100):
                    made += 100
            return (server.cpu() - before) / made * 1e6

    async def recipients(server: Server, count: int) -> float:
        async with connected(server, lambda: Idle(opens=True), count) as idle:
            window, done = await broadcasting(server, idle, plan.seconds)
            return window.cpu / (done * count) * 1e6

    async def heartbeats(server: Server, count: int) -> float:
        async with connected(server, lambda: Idle(opens=True), count) as idle:
            await asyncio.sleep(1.0)
            before, window = sum(client.pings for client in idle), Window(server)
            await window.measure(max(2.0, plan.seconds) * (5 if count < 1_000 else 1))
            return window.cpu / max(1, sum(client.pings for client in idle) - before) * 1e6

    for name, measure, app, ping, kinds in (
        ("message", messages, "echo", 300.0, ("raw", "eio")),
        ("handshake", opened, "echo", 300.0, ("eio",)),
        ("recipient", recipients, "broadcast", 300.0, ("eio",)),
        ("heartbeat", heartbeats, "echo", 1.0, ("eio",)),
    ):
        with running(stack, *kinds, app=app, ping=ping) as servers:
            for _ in range(min(plan.rounds, 3)):
                for count in sessions:
                    for server in servers:
                        figure = asyncio.run(measure(server, count))
                        key = (f"{name}@{count}", server.kind)
                        rows.setdefault(key, Row(key[0], stack.name, server.kind, [], "µs")).rounds.append(figure)
    return list(rows.values())
