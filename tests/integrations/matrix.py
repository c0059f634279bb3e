"""The table at the end of a run: each server that was tested, what it is made of, and how its cases ended."""

from __future__ import annotations

import platform
import re
from collections import Counter
from importlib.metadata import PackageNotFoundError, requires, version

import pytest

from .servers import SERVERS, Server

__all__ = ["note_servers", "pytest_terminal_summary"]

KEY = "server"
ENDS = {
    "passed": ("passed",),
    "failed": ("failed", "error", "xpassed"),
    "skipped": ("skipped", "xfailed"),
}
"""The columns, and pytest's categories in each."""


def note_servers(items: list[pytest.Item]) -> None:
    """Have the report of each test tell which server it ran on, also where another process makes it."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec is not None and isinstance(server := callspec.params.get(KEY), Server):
            noted = (KEY, server.name)
            if noted not in item.user_properties:  # by another folder's conftest: each sees the items of all
                item.user_properties.append(noted)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write the table, if any test ran on a server."""
    counts = Counter(
        (value, end)
        for end, categories in ENDS.items()
        for category in categories
        for report in terminalreporter.getreports(category)
        for key, value in getattr(report, "user_properties", ())
        if key == KEY
    )
    if not counts:
        return
    rows = [(server.name, loop_of(server), ", ".join(made_of(server))) for server in SERVERS]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    terminalreporter.section(f"servers, on {platform.python_implementation()} {platform.python_version()}")
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        cells += [f"{counts[row[0], end]:4} {end}" for end in ENDS]
        terminalreporter.line("  ".join(cells))


def loop_of(server: Server) -> str:
    """The name of its event loop."""
    return "uvloop" if server.uvloop else server.backend


def made_of(server: Server) -> list[str]:
    """What its integration asks for, and whatever else its name and its loop name, with the versions installed here."""
    try:
        needs = requires(f"eio-{server.integration}") or []
    except PackageNotFoundError:  # it is none of our packages, or not tested in this environment
        needs = []
    frameworks = [re.split(r"[^\w-]", need)[0] for need in needs if not need.startswith("eio-")]
    found = []
    for name in dict.fromkeys([*frameworks, *server.name.split("-"), loop_of(server)]):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:  # asyncio, or the name of an interface
            continue
    return found
