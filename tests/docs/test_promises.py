"""The page of promises names tests that there are, and every row of it that it names is shown by a test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
PAGE = (TESTS.parent / "docs" / "promises.md").read_text("utf-8")
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[name for _, name in NAMED])
def test_a_test_that_is_named_exists(path: str, name: str) -> None:
    text = (TESTS / path).read_text("utf-8")
    assert re.search(rf"^(async )?def {name}\(", text, re.MULTILINE)


def test_each_promise_names_its_tests() -> None:
    promises = re.findall(r"(?ms)^- \*\*.*?(?=^- |^$)", PAGE)
    assert len(promises) > 10
    assert [promise for promise in promises if "conformance" not in promise and ".py::" not in promise] == []


def test_rows_that_are_named_are_shown() -> None:
    rows = set(re.findall(r"`([A-Z]{1,2}-?\d+)`", PAGE))
    tests = "".join(path.read_text("utf-8") for path in TESTS.rglob("test_*.py"))
    assert rows == {row for row in rows if re.search(rf"\b{row}\b", tests)}
