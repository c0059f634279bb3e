"""Keeps a server at full load for minutes, and draws what it holds.

``python3 noxfile.py -s soak -- aiohttp --minutes 30``. Every message is counted end to end (see traffic.py). Memory,
tasks and open files of the server's process are sampled twice a second; the chart is .nox/soak/<name>.png.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl
import psutil
from matplotlib import pyplot as plt

from benchmarks.processes import Server, running
from benchmarks.stacks import STACKS

from .traffic import Control, Traffic

mpl.use("Agg")

HOME = Path(__file__).resolve().parents[2] / ".nox" / "soak"
DEFAULT = ("aiohttp", "uvicorn-sansio", "tornado", "sanic")
WARM = 0.25
"""The part of the time after which memory should not grow any more."""


@dataclass
class Samples:
    """What was seen, one entry for each time."""

    seconds: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    """Megabytes."""
    files: list[int] = field(default_factory=list)
    tasks: list[int] = field(default_factory=list)
    sessions: list[int] = field(default_factory=list)
    load: list[float] = field(default_factory=list)
    """Per cent of one core."""

    def take(self, began: float, process: psutil.Process, answer: dict[str, int]) -> None:
        """Add one."""
        self.seconds.append(time.monotonic() - began)
        self.memory.append(process.memory_info().rss / 1e6)
        self.files.append(process.num_fds())
        self.tasks.append(answer["tasks"])
        self.sessions.append(answer["sessions"])
        self.load.append(process.cpu_percent())


def main() -> int:
    """Soak one server after the other; 0 if each gave back what it had taken."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: {', '.join(DEFAULT)}")
    parser.add_argument("--minutes", type=float, default=2.0, help="for each (default: 2)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if unknown := set(options.names) - set(STACKS):
        parser.error(f"there is no server {unknown.pop()!r}, but: {', '.join(STACKS)}")
    failed = 0
    for name in options.names or DEFAULT:
        with running(STACKS[name], "eio", app="hostile", ping=5, timeout=5) as (server,):
            failed += asyncio.run(soak(name, server, 60 * options.minutes, options.seed))
    return int(failed > 0)


async def soak(name: str, server: Server, seconds: float, seed: int) -> int:
    """Soak one; 1 if it did not give back what it had taken."""
    process = psutil.Process(server.pid)
    control, traffic, samples = Control(server.port), Traffic(server.port, seed), Samples()
    await control.connect()
    async with traffic.flowing(clients=5):  # so that all code is loaded
        await asyncio.sleep(2)
    await settled(control, lambda answer: None)
    began = time.monotonic()
    samples.take(began, process, await control.ask())
    async with traffic.flowing():
        while time.monotonic() - began < seconds:
            await asyncio.sleep(0.5)
            samples.take(began, process, await control.ask())
    flowed = len(samples.seconds)
    calm = await settled(control, lambda answer: samples.take(began, process, answer))
    control.close()
    draw(name, samples)
    warm = samples.memory[max(1, int(WARM * flowed))]
    rate, busy = traffic.count["messages"] / seconds, sum(samples.load[1:flowed]) / (flowed - 1)
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(traffic.count.items()) if kind != "messages")
    print(
        f"{name}: {seconds / 60:g} min, {traffic.count['messages']:,} messages came back, each once and in order "
        f"({rate:,.0f} a second, at {busy:.0f} % of a core)\n"
        f"  {kinds}\n"
        f"  memory {samples.memory[0]:.1f} MB before, {warm:.1f} after a quarter, "
        f"{samples.memory[flowed - 1]:.1f} at the end, {samples.memory[-1]:.1f} when all have left\n"
        f"  open files {samples.files[0]} and {samples.files[-1]}, tasks {samples.tasks[0]} and {samples.tasks[-1]}, "
        f"sessions left {samples.sessions[-1] - 1}",
        flush=True,
    )
    kept = samples.files[-1] > samples.files[0] + 2 or samples.tasks[-1] > samples.tasks[0] + 2
    return int(kept or not calm)


async def settled(control: Control, look: Callable[[dict[str, int]], None]) -> bool:
    """Wait until the sessions of all others are over, and a little longer; whether they are."""
    calm = 0
    for _ in range(60):
        answer = await control.ask()
        look(answer)
        calm = calm + 1 if answer["sessions"] == 1 else 0
        if calm == 3:
            return True
        await asyncio.sleep(1)
    return False


def draw(name: str, samples: Samples) -> None:
    """The chart."""
    HOME.mkdir(parents=True, exist_ok=True)
    figure, axes = plt.subplots(4, sharex=True, figsize=(9, 9), layout="constrained")
    labels = ("memory (MB)", "open files", "tasks", "sessions")
    rows: list[list[float]] = [samples.memory, [*samples.files], [*samples.tasks], [*samples.sessions]]
    for axis, label, values in zip(axes, labels, rows, strict=True):
        axis.plot(samples.seconds, values, linewidth=1)
        axis.set_ylabel(label)
        axis.set_ylim(0, 1.1 * max(values))
        axis.grid(alpha=0.3)
    axes[0].set_title(f"{name}: mixed traffic with faults, at full load")
    axes[-1].set_xlabel("seconds")
    figure.savefig(HOME / f"{name}.png", dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
