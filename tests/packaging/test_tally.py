"""What CI counts, and what it does not let pass: a test that did not run has shown nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .projects import ROOT

PASSES = "def test_passes(): pass\n"
CASES = {
    "passes": (PASSES, (0, "2 0 0")),
    "fails": ("def test(): assert False", (1, "1 1 0")),
    "breaks": ("import pytest\n@pytest.fixture\ndef broken(): 1 / 0\ndef test(broken): pass", (1, "1 1 0")),
    "skips": ("import pytest\ndef test(): pytest.skip('not today')", (1, "1 0 1")),
    "misses": ("import pytest\npytest.importorskip('no_such_module')", (1, "1 0 1")),
    "fails as expected": ("import pytest\n@pytest.mark.xfail\ndef test(): assert False", (1, "1 0 1")),
    "passes unexpectedly": ("import pytest\n@pytest.mark.xfail\ndef test(): pass", (1, "1 0 1")),
    "runs elsewhere": ("import pytest\ndef test(): pytest.skip('needs Python 3.99')", (0, "1 0 0")),
}


def run(folder: Path, code: str, *options: str) -> tuple[int, str]:
    """The exit status of a run of pytest, and the line that it is summed up in."""
    (folder / "test_other.py").write_text(PASSES, "utf-8")
    (folder / "test_case.py").write_text(code, "utf-8")
    tally = folder / "tally"
    environ = os.environ | {"EIO_TALLY": str(tally), "PYTHONPATH": str(ROOT / ".ci"), "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-m", "pytest", "-p", "tally", *options, str(folder)]
    environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    ended = subprocess.run(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, check=False)
    return ended.returncode, tally.read_text("utf-8").strip()


@pytest.mark.parametrize("case", CASES)
def test_what_is_counted(case: str, tmp_path: Path) -> None:
    """Passed, failed and skipped; and whether the run succeeds."""
    code, expected = CASES[case]
    assert run(tmp_path, code) == expected


def test_each_test_is_counted_once(tmp_path: Path) -> None:
    """With pytest-xdist too, whose workers are runs of pytest as well."""
    assert run(tmp_path, CASES["skips"][0], "-p", "xdist", "-n1") == (1, "1 0 1")
