"""Dialogues with an engine, as text: each scene in transcripts/ replays as it is written.

``pytest --rewrite-transcripts`` writes them anew. Read the difference: a transcript says what the engine does, and it is
the reader who knows what it should do.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from eio_core.testing import replay, scenes

HERE = Path(__file__).parent / "transcripts"
FILES = {path.stem: path for path in sorted(HERE.glob("*.txt"))}


def titled(text: str) -> dict[str, int]:
    """The titles of a file's scenes, and which scene it is."""
    return {
        scene.partition("\n")[0].removeprefix("=== "): number
        for number, scene in enumerate(scenes(text))
        if scene.startswith("===")
    }


SCENES = [
    pytest.param(name, number, id=f"{name}: {title}")
    for name, path in FILES.items()
    for title, number in titled(path.read_text("utf-8")).items()
]


@pytest.mark.parametrize(("name", "number"), SCENES)
def test_replays_as_written(name: str, number: int, rewrite_transcripts: bool) -> None:
    written = scenes(FILES[name].read_text("utf-8"))
    came = replay(written[number])
    if rewrite_transcripts:
        written[number] = came
        FILES[name].write_text("".join(written), "utf-8")
    else:
        assert came.splitlines() == written[number].splitlines()


@pytest.mark.parametrize("name", FILES)
def test_each_scene_has_a_title_of_its_own_that_names_its_rows(name: str) -> None:
    text = FILES[name].read_text("utf-8")
    titles = titled(text)
    assert len(titles) == text.count("\n===")
    assert [title for title in titles if not re.match(r"[A-Z]{1,2}-?\d", title)] == []
