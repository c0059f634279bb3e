"""Simulates as many worlds as are asked for, on all cores: ``python3 noxfile.py -s simulate -- --seeds 100000``.

A seed that fails is lived through once more for its record, in the language of transcripts, and ends the run;
``--seed N`` alone repeats it.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections.abc import Iterator
from multiprocessing import get_context

from .simulation import CLIENTS, live

CHUNK = 50


def main(arguments: list[str] | None = None) -> int:
    """Simulate, and tell how it went; 0 if every invariant held."""
    parser = argparse.ArgumentParser(prog="simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, help=f"how many worlds of {CLIENTS} sessions (default: 2000)")
    parser.add_argument("--seed", type=int, help="the first one (default: 0); without --seeds the only one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one for each core)")
    options = parser.parse_args(arguments)
    first = options.seed or 0
    seeds = range(first, first + (options.seeds or (2000 if options.seed is None else 1)))
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    began, virtual, done = time.perf_counter(), 0.0, 0
    for chunk, (hours, failed) in zip(chunks, results(chunks, options.jobs), strict=False):
        if failed is not None:
            print(repeated(failed))
            return 1
        virtual += hours
        done += len(chunk)
        if done % (CHUNK * 200) == 0:
            print(f"{done * CLIENTS:,} lifetimes, {time.perf_counter() - began:,.0f} s", flush=True)
    took = time.perf_counter() - began
    print(
        f"{done * CLIENTS:,} lifetimes in {done:,} worlds, {virtual:,.0f} virtual hours, no violation; {took:,.0f} s, "
        f"{done * CLIENTS / took:,.0f} lifetimes a second"
    )
    return 0


def results(chunks: list[range], jobs: int) -> Iterator[tuple[float, int | None]]:
    """Simulate the chunks, and give for each its virtual hours and the seed that failed, in order."""
    if jobs == 1 or len(chunks) == 1:
        yield from map(simulate, chunks)
        return
    with get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(simulate, chunks)


def simulate(seeds: range) -> tuple[float, int | None]:
    """Simulate some worlds, up to the first one that fails."""
    virtual = 0.0
    for seed in seeds:
        try:
            virtual += live(seed).clock.now
        except Exception:
            return virtual / 3600, seed
    return virtual / 3600, None


def repeated(seed: int) -> str:
    """What comes of a seed, with its record."""
    try:
        live(seed, record=True)
    except Exception as error:
        return "".join(traceback.format_exception(error))
    raise AssertionError(f"seed {seed} failed, and does not when it is repeated: something is not drawn from the seed")


if __name__ == "__main__":
    sys.exit(main())
