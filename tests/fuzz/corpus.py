"""The inputs that are kept: one text file for each target, and in it a line for each input, as Python writes bytes."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

__all__ = ["load", "save"]

MOST = 150
"""Inputs that are kept for a target: a fuzzer finds the others again."""
HERE = Path(__file__).parent / "corpus"


def load(target: str) -> list[bytes]:
    """The inputs that are kept for a target."""
    lines = (HERE / f"{target}.txt").read_text("ascii").splitlines()
    return [bytes(ast.literal_eval(line)) for line in lines]


def save(target: str, inputs: Iterable[bytes]) -> None:
    """Keep the shortest of these, and no others."""
    lines = [f"{data!r}\n" for data in sorted(set(inputs), key=lambda data: (len(data), data))[:MOST]]
    (HERE / f"{target}.txt").write_text("".join(lines), "ascii")
