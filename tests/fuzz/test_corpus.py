"""What a fuzzer found worth keeping, once more: without the fuzzer, and on every Python."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .corpus import load
from .targets import TARGETS


@pytest.mark.timeout(300)
@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_has_documented_outcomes(target: str) -> None:
    """H33, H6, H7, H10, H11, H18."""
    inputs = load(target)
    assert len(inputs) >= 5
    for data in inputs:
        TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=200, derandomize=True, database=None, deadline=None)
@given(data=st.data())
def test_what_is_made_of_it_has_them_too(target: str, data: st.DataObject) -> None:
    """H33: two inputs of the corpus, cut and joined, with a few bytes of anything between them."""
    inputs = st.sampled_from(load(target))
    one, other = data.draw(inputs), data.draw(inputs)
    cut, resume = data.draw(st.integers(0, len(one))), data.draw(st.integers(0, len(other)))
    TARGETS[target](one[:cut] + data.draw(st.binary(max_size=8)) + other[resume:])
