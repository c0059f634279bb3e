"""A pytest plugin for CI: counts the tests of every run in the file EIO_TALLY, and fails a run that skips any.

A test may be skipped where it runs in another session: its reason then begins with one of ``ALLOWED``.
"""

import os
from pathlib import Path

import pytest

ALLOWED = ("needs Python ",)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    stats = getattr(session.config.pluginmanager.get_plugin("terminalreporter"), "stats", {})
    count = {outcome: len(reports) for outcome, reports in stats.items()}
    reasons = map(why, stats.get("skipped", []))
    skipped = [reason for reason in reasons if not reason.startswith(ALLOWED)]
    if skipped:
        print(f"\nskipped in CI: {', '.join(skipped)}")
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
    passed = count.get("passed", 0) + count.get("xfailed", 0)
    failed = count.get("failed", 0) + count.get("error", 0) + len(skipped)
    with Path(os.environ["EIO_TALLY"]).open("a", encoding="utf-8") as tally:
        tally.write(f"{passed} {failed}\n")


def why(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The reason that was given for a skip."""
    return report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else str(report.longrepr)
