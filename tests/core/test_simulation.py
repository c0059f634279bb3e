"""Many clients and one engine, with everything that goes wrong between them: virtual hours in seconds.

``pytest tests/core/test_simulation.py --sim-seeds 100000`` simulates that many worlds; a seed that fails is printed,
and ``--sim-seed N`` lives through it again and shows its record, in the language of transcripts.
"""

from __future__ import annotations

import time

import pytest

from .simulation import CLIENTS, Fate, World, live

SLICE = 250
"""How many worlds are simulated by default."""


@pytest.mark.timeout(0)
def test_invariants_hold_whatever_happens(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> None:
    first = request.config.getoption("--sim-seed", default=None)
    count = request.config.getoption("--sim-seeds", default=None)
    alone = first is not None and count is None
    seeds = range(first or 0, (first or 0) + (1 if alone else count or SLICE))
    began, virtual = time.perf_counter(), 0.0
    for seed in seeds:
        virtual += live(seed, record=alone).clock.now
    took = time.perf_counter() - began
    report = f"{CLIENTS * len(seeds) / took:,.0f} lifetimes and {virtual / 3600 / took:,.1f} virtual hours a second"
    if count is None:
        print(report)
    else:
        with capsys.disabled():
            print(f"\n{report}")


def test_a_seed_repeats_exactly() -> None:
    assert str(live(3, record=True).auditor) == str(live(3, record=True).auditor)


def test_the_default_slice_meets_every_fate_in_both_kinds_of_world() -> None:
    worlds = [World(seed) for seed in range(SLICE)]
    met = {(world.gentle, story.fate) for world in worlds for story in world.stories.values()}
    assert met == {(gentle, fate) for gentle in (True, False) for fate in Fate}
