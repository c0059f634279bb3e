"""``python -m benchmarks``: measure, show, save."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from . import in_process, measures, report, socketio
from .measures import KINDS, Plan, Row
from .processes import pin
from .stacks import STACKS

MEASURES = ("echo", "latency", "polling", "handshakes", "broadcast", "heartbeat", "memory", "growth")
SOCKETIO = ("event", "room", "event_open", "event_memory")
"""Measures of python-socketio on either engine, where its users are."""
SOCKETIO_ON = ("aiohttp", "uvicorn-sansio")
QUICK = ("echo", "latency", "polling", "handshakes", "broadcast")
GROWTH = "aiohttp"
"""Growth is a matter of the core and the runner: one framework shows it."""


def main() -> None:
    """Parse, measure, report."""
    parser = argparse.ArgumentParser(prog="benchmarks", description="What eio costs over the bare framework.")
    parser.add_argument("stacks", nargs="*", help=f"of {', '.join(STACKS)}; all that are installed")
    parser.add_argument("--quick", action="store_true", help="one stack, little of everything, in under a minute")
    parser.add_argument("--only", nargs="+", choices=(*MEASURES, *SOCKETIO, "core"), help="these measures alone")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, help="these programs alone")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of each measurement")
    parser.add_argument("--json", type=Path, help="where to write every figure")
    parser.add_argument("--charts", type=Path, help="the folder to draw the charts in; of --json's file if that exists")
    options = parser.parse_args()
    unknown = set(options.stacks) - set(STACKS)
    if unknown:
        parser.error(f"there is no stack {', '.join(sorted(unknown))}, but: {', '.join(STACKS)}")

    plan = Plan(rounds=3, seconds=0.7) if options.quick else Plan()
    plan.rounds = options.rounds or plan.rounds
    plan.seconds = options.seconds or plan.seconds
    plan.kinds = frozenset(options.kinds or plan.kinds)
    names = options.stacks or (["aiohttp"] if options.quick else list(STACKS))
    wanted = options.only or ((*QUICK, "core") if options.quick else (*MEASURES, *SOCKETIO, "core"))

    pin(-1)
    rows: list[Row] = []

    def add(more: Iterable[Row]) -> None:
        rows.extend(more)
        if options.json:  # at once: a run takes long enough to be cut off
            report.save(rows, options.json)

    for name in names:
        stack = STACKS[name]
        if missing := stack.missing():
            print(f"{name}: left out, for this machine lacks {', '.join(missing)}", file=sys.stderr)
            continue
        for measure in MEASURES:
            elsewhere = {"growth": GROWTH}.get(measure, name) != name
            if measure not in wanted or elsewhere or (name == "node" and measure != "echo"):
                continue
            print(f"{name}: {measure} ...", file=sys.stderr, flush=True)
            add(getattr(measures, measure)(stack, plan))
        for measure in SOCKETIO:
            if measure in wanted and name in SOCKETIO_ON:
                print(f"{name}: {measure} ...", file=sys.stderr, flush=True)
                add(getattr(socketio, measure)(stack, plan))
    if "core" in wanted:
        add([*in_process.rows(), *socketio.rows()])
    report.show(rows)
    if options.json and options.charts:
        report.charts(json.loads(options.json.read_text("utf-8")), options.charts)


if __name__ == "__main__":
    main()
