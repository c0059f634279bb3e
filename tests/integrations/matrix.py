"""The table at the end of a run: each server that is tested, what it is made of, and how its cases ended."""

from __future__ import annotations

import platform
from collections import Counter
from importlib.metadata import PackageNotFoundError, requires, version

import pytest

from .servers import SERVERS, Server

__all__ = ["mark", "pytest_terminal_summary"]

KEY = "server"
OUTCOMES = ("passed", "failed", "skipped")


def mark(items: list[pytest.Item]) -> None:
    """Have the reports of tests say which server they ran on."""
    for item in items:
        if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
            server = item.callspec.params.get(KEY)
            if isinstance(server, Server):
                item.user_properties.append((KEY, server.name))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts: Counter[tuple[object, str]] = Counter()
    for category, outcome in {"error": "failed", "xfailed": "skipped", "xpassed": "failed"}.items() | zip(OUTCOMES, OUTCOMES):
        for report in terminalreporter.getreports(category):
            counts.update((value, outcome) for key, value in getattr(report, "user_properties", ()) if key == KEY)
    if not counts:
        return
    rows = [(server.name, loop(server), ", ".join(made_of(server))) for server in SERVERS]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    terminalreporter.section(f"servers on {platform.python_implementation()} {platform.python_version()}")
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        ends = [f"{counts[row[0], outcome]:4} {outcome}" for outcome in OUTCOMES]
        terminalreporter.line("  ".join([*cells, *ends]))


def loop(server: Server) -> str:
    """The event loop."""
    return "uvloop" if server.uvloop else server.backend


def made_of(server: Server) -> list[str]:
    """The framework of its integration, and every distribution that its name has, each with its version."""
    needs = [name for name in requires(f"eio-{server.integration}") or () if not name.startswith("eio-")]
    ...
