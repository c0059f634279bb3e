"""Runs atheris on one target after the other: ``python3 noxfile.py -s fuzz -- decoders --minutes 30``.

A finding stops it, and is left in .nox/fuzz/<target>/. With ``--keep``, what covers more than the corpus so far is
written into it.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from .corpus import load, save

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ("decoders", "admission", "events", "wire")
LONGEST = 600
"""Bytes of an input."""


def main() -> int:
    """Fuzz, in a process for each target; 0 if nothing was found."""
    if sys.argv[1:2] == ["--run"]:
        run(sys.argv[2], sys.argv[3:])
        return 0
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"some of {', '.join(TARGETS)} (default: all)")
    parser.add_argument("--minutes", type=float, default=1.0, help="for each target (default: 1)")
    parser.add_argument("--keep", action="store_true", help="add what covers more to the corpus")
    options = parser.parse_args()
    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"there is no target {unknown.pop()!r}, but: {', '.join(TARGETS)}")
    return max(fuzz(target, options.minutes, keep=options.keep) for target in options.targets or TARGETS)


def fuzz(target: str, minutes: float, *, keep: bool) -> int:
    """Fuzz one target, beginning with what is kept for it."""
    home = ROOT / ".nox" / "fuzz" / target
    kept, found = home / "corpus", home / "found"
    for folder in (kept, found):
        folder.mkdir(parents=True, exist_ok=True)
    for data in load(target):
        (kept / hashlib.sha256(data).hexdigest()).write_bytes(data)
    limits = [f"-max_len={LONGEST}", "-len_control=0", f"-max_total_time={60 * minutes:.0f}", "-timeout=20"]
    where = [f"-artifact_prefix={home}/finding-", "-print_final_stats=1", str(found), str(kept)]
    done = libfuzzer(target, home / "log", *limits, *where)
    log = (home / "log").read_text("utf-8", "replace")
    (executed,) = re.findall(r"number_of_executed_units: (\d+)", log) or ["0"]
    print(f"{target}: {int(executed):,} executions, {'no finding' if done == 0 else f'a finding: {home}'}", flush=True)
    if done:
        print(log[log.find(" === Uncaught") :][:5000])
    elif keep:
        smallest = home / "smallest"
        shutil.rmtree(smallest, ignore_errors=True)
        smallest.mkdir()
        done = libfuzzer(target, home / "merge", "-merge=1", str(smallest), str(kept), str(found))
        save(target, [path.read_bytes() for path in smallest.iterdir()])
    return done


def libfuzzer(target: str, log: Path, *options: str) -> int:
    """Run the fuzzer, its chatter in a file."""
    with log.open("wb") as out:
        command = [sys.executable, "-m", "tests.fuzz", "--run", target, *options]
        return subprocess.run(command, stdout=out, stderr=out, check=False, cwd=ROOT).returncode


def run(target: str, options: list[str]) -> None:
    """Be the fuzzer."""
    atheris: Any = import_module("atheris")
    with atheris.instrument_imports(include=["eio_core"]):
        targets = import_module("tests.fuzz.targets").TARGETS
    # Merging, it starts itself again by this name.
    atheris.Setup([f"{sys.executable} -m tests.fuzz --run {target}", *options], targets[target])
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
