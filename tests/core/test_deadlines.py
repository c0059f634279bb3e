"""Absolute deadlines: one ordered dict for each kind and delay."""

from __future__ import annotations

import random

import pytest
from eio_core.deadlines import Deadlines, Due


def drain(deadlines: Deadlines[str], now: float) -> list[tuple[Due, str, float]]:
    """All that is due."""
    found = []
    while (due := deadlines.pop(now)) is not None:
        found.append(due)
    return found


def test_empty() -> None:
    deadlines: Deadlines[str] = Deadlines()
    assert deadlines.next() is None
    assert deadlines.pop(1e9) is None
    deadlines.discard(Due.PING, "a")
    assert len(deadlines) == 0


def test_to_the_tick() -> None:
    """HB-2: due at its time, not a tick before."""
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set(Due.PING, "a", 25.0, 25.0)
    assert deadlines.next() == 25.0
    assert deadlines.pop(24.999999) is None
    assert deadlines.pop(25.0) == (Due.PING, "a", 25.0)
    assert deadlines.next() is None


def test_the_earliest_of_all_kinds_and_delays() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set(Due.CLOSE, "a", 30.0, 30.0)
    deadlines.set(Due.PING, "a", 25.0, 25.0)
    deadlines.set(Due.PING, "b", 5.0, 5.0)
    deadlines.set(Due.HOLD, "c", 0.1, 0.1)
    deadlines.set(Due.PING, "c", 25.0, 25.0)
    assert len(deadlines) == 5
    assert drain(deadlines, 25.0) == [
        (Due.HOLD, "c", 0.1),
        (Due.PING, "b", 5.0),
        (Due.PING, "a", 25.0),
        (Due.PING, "c", 25.0),
    ]
    assert deadlines.next() == 30.0


def test_one_of_each_kind_for_each_owner() -> None:
    """Setting again moves it, from one delay to another too; another kind is another deadline."""
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set(Due.PING, "a", 25.0, 25.0)
    deadlines.set(Due.PONG, "a", 45.0, 20.0)
    deadlines.set(Due.PING, "a", 26.0, 25.0)
    deadlines.set(Due.PING, "a", 5.0, 5.0)
    assert len(deadlines) == 2
    deadlines.discard(Due.PING, "a")
    assert drain(deadlines, 1e9) == [(Due.PONG, "a", 45.0)]


def test_a_queue_stays_sorted() -> None:
    """One that would come before its predecessor comes with it."""
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set(Due.PONG, "a", 20.0, 5.0)
    deadlines.set(Due.PONG, "b", 19.5, 5.0)
    assert drain(deadlines, 19.9) == []
    assert drain(deadlines, 20.0) == [(Due.PONG, "a", 20.0), (Due.PONG, "b", 20.0)]


def test_an_empty_queue_is_gone() -> None:
    """HB-14: delays that come and go leave nothing behind."""
    deadlines: Deadlines[str] = Deadlines()
    for number in range(100):
        deadlines.set(Due.PING, "a", number + 1.0, number / 10)
        deadlines.set(Due.HOLD, "b", 200.0 + number, number / 10)
    deadlines.discard(Due.HOLD, "b")
    deadlines.pop(1e9)
    assert not any(deadlines._queues)


@pytest.mark.parametrize("seed", range(20))
def test_against_a_plain_list(seed: int) -> None:
    """Any sequence of settings and discards, with a clock that goes on: as a sorted list would have it."""
    chance = random.Random(seed)
    deadlines: Deadlines[str] = Deadlines()
    plain: dict[tuple[Due, str], float] = {}
    now = 0.0
    for _ in range(500):
        kind, owner, delay = chance.choice([*Due]), chance.choice("abcdef"), chance.choice([0.02, 0.1, 5.0, 25.0])
        match chance.randrange(4):
            case 0 | 1:
                deadlines.set(kind, owner, now + delay, delay)
                plain[kind, owner] = now + delay
            case 2:
                deadlines.discard(kind, owner)
                plain.pop((kind, owner), None)
            case 3:
                now += chance.random() * 3
                due = drain(deadlines, now)
                assert [when for _, _, when in due] == sorted(when for _, _, when in due)
                expected = {key: when for key, when in plain.items() if when <= now}
                assert {(kind, owner): when for kind, owner, when in due} == expected
                plain = {key: when for key, when in plain.items() if when > now}
        assert len(deadlines) == len(plain)
        assert deadlines.next() == min(plain.values(), default=None)
