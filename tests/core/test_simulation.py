"""Many clients and one engine, with everything that goes wrong between them: a slice, in every run of the tests.

``python3 noxfile.py -s simulate -- --seeds 100000`` simulates that many worlds; ``simulate.py`` has the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from eio_core import Session
from eio_core.packets import Outgoing

from .simulate import main
from .simulation import Fate, World, live

SLICE = 250
"""How many worlds are simulated here."""


@pytest.mark.timeout(0)
def test_invariants_hold_whatever_happens() -> None:
    """H34, H29, PG-2, UP-12, HB-2, CL-4, CL-9 to CL-13, CL-18: see simulation.py."""
    for seed in range(SLICE):
        live(seed)


def test_a_seed_repeats_exactly() -> None:
    assert str(live(3, record=True).auditor) == str(live(3, record=True).auditor)


def test_the_default_slice_meets_every_fate_in_both_kinds_of_world() -> None:
    worlds = [World(seed) for seed in range(SLICE)]
    met = {(world.gentle, story.fate) for world in worlds for story in world.stories.values()}
    assert met == {(gentle, fate) for gentle in (True, False) for fate in Fate}


def nothing(*args: object) -> None:
    """A deadline that does nothing."""


def reversed_take(session: Session, most: int) -> list[Outgoing]:
    return take(session, most)[::-1]


take = Session.take


@pytest.mark.parametrize(
    ("broken", "by", "found"),
    [
        ("eio_core.heartbeat.pong_due", nothing, "(HB-2)"),
        ("eio_core.upgrade.upgrade_due", nothing, "(UP-12)"),
        ("eio_core.session.Session.take", reversed_take, "instead of message"),
    ],
)
def test_a_defect_is_found_and_shown(
    broken: str,
    by: Callable[..., object],
    found: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With its record, and how to repeat it."""
    monkeypatch.setattr(broken, by)
    assert main(["--seeds", "30", "--jobs", "1"]) == 1
    shown = capsys.readouterr().out
    assert found in shown
    assert "-s simulate -- --seed " in shown
    assert re.search(r"\n@ .*\n> [a-p] GET\n", shown)
