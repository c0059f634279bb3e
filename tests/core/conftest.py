"""Flags of the tests of the core."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-transcripts", action="store_true", help="write tests/core/transcripts/*.txt anew")
    parser.addoption("--sim-seed", type=int, help="the first seed to simulate; by itself the only one, with its record")
    parser.addoption("--sim-seeds", type=int, help="how many worlds to simulate")


@pytest.fixture
def rewrite_transcripts(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--rewrite-transcripts", default=False))
