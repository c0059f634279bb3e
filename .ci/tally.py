"""A pytest plugin for CI: counts the tests of every run in the file EIO_TALLY, and fails a run that skips any.

A test that is expected to fail counts as skipped, whatever came of it. A test may be skipped where it runs in another
session: its reason then begins with one of ``ALLOWED``.
"""

import os
from pathlib import Path

import pytest

ALLOWED = ("needs Python ",)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(session.config, "workerinput"):
        return  # a worker of pytest-xdist: its controller counts
    count = {outcome: len(reports) for outcome, reports in reporter.stats.items()}
    expected = [f"xfail {report.nodeid}" for end in ("xfailed", "xpassed") for report in reporter.getreports(end)]
    reasons = [*map(why, reporter.getreports("skipped")), *expected]
    skipped = [reason for reason in reasons if not reason.startswith(ALLOWED)]
    if skipped:
        print(f"\nskipped in CI: {', '.join(skipped)}")
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
    failed = count.get("failed", 0) + count.get("error", 0)
    with Path(os.environ["EIO_TALLY"]).open("a", encoding="utf-8") as tally:
        tally.write(f"{count.get('passed', 0)} {failed} {len(skipped)}\n")


def why(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The reason that was given for a skip."""
    return report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else str(report.longrepr)
