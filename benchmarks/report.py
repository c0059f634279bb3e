"""The run as tables, as JSON and as charts."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .goals import results
from .measures import KINDS, Row

__all__ = ["charts", "save", "show"]

PACKAGES = (
    "aiohttp", "granian", "hypercorn", "python-engineio", "python-socketio", "sanic", "tornado", "uvicorn", "uvloop",
    "websockets", "wsproto",
)  # fmt: skip


def show(rows: Iterable[Row]) -> bool:
    """Print the figures side by side, then the goals; whether all were reached."""
    rows = list(rows)
    table: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        table.setdefault((row.measure, row.stack), {})[row.kind] = row
    print(f"\n{'measure':16} {'stack':16} {'unit':6}" + "".join(f"{kind:>18}" for kind in KINDS))
    for (measure, stack), kinds in table.items():
        unit = next(iter(kinds.values())).unit
        cells = "".join(f"{_cell(kinds.get(kind)):>18}" for kind in KINDS)
        busy = max(row.busy for row in kinds.values())
        print(f"{measure:16} {stack:16} {unit:6}{cells}" + ("  the load was the limit" if busy > 0.9 else ""))
    goals = results(rows)
    print(f"\n{'goal':5} {'stack':16} {'what':44} {'figure':>8} {'bound':>8}")
    for goal in goals:
        mark = "reached" if goal.reached else "MISSED"
        sign = "≤" if goal.most else "≥"
        print(f"{goal.goal:5} {goal.stack:16} {goal.text:44} {goal.figure:8.2f} {sign}{goal.bound:7.2f}  {mark}")
    print(f"\n{sum(goal.reached for goal in goals)} of {len(goals)} reached")
    return all(goal.reached for goal in goals)


def _cell(row: Row | None) -> str:
    if row is None:
        return "-"
    figure = f"{row.median:,.0f}" if row.median >= 100 else f"{row.median:.2f}"
    return f"{figure} ±{row.spread:3.0%}" if len(row.rounds) > 1 else figure


def machine() -> dict[str, Any]:
    """What it was measured on."""
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "packages": packages,
    }


def save(rows: Iterable[Row], path: Path) -> None:
    """Write everything as JSON."""
    rows = list(rows)
    document = {
        "machine": machine(),
        "goals": [
            {"goal": goal.goal, "stack": goal.stack, "what": goal.text, "figure": round(goal.figure, 3)}
            | {"bound": round(goal.bound, 3), "reached": goal.reached}
            for goal in results(rows)
        ],
        "rows": [
            {"measure": row.measure, "stack": row.stack, "kind": row.kind, "unit": row.unit}
            | {"rounds": [round(figure, 3) for figure in row.rounds], "busy": round(row.busy, 2)}
            for row in rows
        ],
    }
    path.write_text(json.dumps(document, indent=1) + "\n", "utf-8")


def charts(document: dict[str, Any], folder: Path) -> None:
    """Draw the echo rates relative to raw, and the growth, as PNG and SVG, of what :func:`save` wrote."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "eio"  # the same figures, the same file
    import matplotlib.pyplot as plt  # noqa: PLC0415

    medians = {
        (row["measure"], row["stack"], row["kind"]): sorted(row["rounds"])[len(row["rounds"]) // 2]
        for row in document["rows"]
    }
    stacks = [stack for measure, stack, kind in medians if measure == "echo" and kind == "raw"]
    figure, axes = plt.subplots(figsize=(9, 0.6 * len(stacks) + 1.6), layout="constrained")
    for offset, (kind, label, colour) in enumerate(
        (
            ("engineio", "python-engineio (on node: engine.io)", "#b9bec7"),
            ("eio-async", "eio, async_handlers=True", "#7fb2f0"),
            ("eio", "eio, async_handlers=False", "#1f6feb"),
        )
    ):
        places, shares = [], []
        for index, stack in enumerate(reversed(stacks)):
            if ("echo", stack, kind) in medians:
                places.append(index + (offset - 1) * 0.26)
                shares.append(medians["echo", stack, kind] / medians["echo", stack, "raw"])
        bars = axes.barh(places, shares, 0.24, label=label, color=colour)
        axes.bar_label(bars, [f"{share:.2f}" for share in shares], padding=3, fontsize=8)
    axes.axvline(1, color="#444", linewidth=1)
    axes.set_yticks(range(len(stacks)), list(reversed(stacks)))
    axes.margins(x=0.08)
    axes.set_xlabel("WebSocket echoes a second, as a share of the bare framework's")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False, fontsize=8)
    _write(figure, folder / "echo")

    grown = sorted({measure.partition("@")[0] for measure, _, _ in medians if "@" in measure})
    if grown:
        figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
        for name in grown:
            points = sorted(
                (int(measure.partition("@")[2]), value)
                for (measure, _, kind), value in medians.items()
                if measure.startswith(name + "@") and kind == "eio"
            )
            axes.plot(*zip(*points, strict=True), marker="o", label=name)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("sessions")
        axes.set_ylabel("µs of the server for each")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        _write(figure, folder / "growth")


def _write(figure: Any, path: Path) -> None:
    figure.savefig(path.with_suffix(".png"), dpi=130)
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
