"""Dialogues with an engine, as text: each scene in transcripts/ replays as it is written.

``pytest tests/core --rewrite-transcripts`` writes them anew. Read the difference: a transcript says what the engine
does, and it is the reader who knows what it should do.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from eio_core.testing import TranscriptError, replay, scenes
from eio_core.testing.notation import read, show
from hypothesis import given
from hypothesis import strategies as st

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


# The language.


@given(st.text(st.characters(codec="utf-8")) | st.text("(x*12)␞ \x1e\n[]?\"'", max_size=20) | st.binary())
def test_notation_reads_what_it_shows(data: str | bytes) -> None:
    shown = show(data)
    assert "\n" not in shown
    assert shown == shown.strip()
    assert read(shown) == data


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        ("4hello", "4hello"),
        ("4a\x1e4b", "4a␞4b"),
        ("4a b", "4a b"),
        ("", '""'),
        ("4 ", '"4 "'),
        ("4␞", '"4\\u241e"'),
        ("4" + "x" * 70, "4(x*70)"),
        ("(x*70)", '"(x*70)"'),
        (b"\x01\xff", "[01 ff]"),
        (b"\x00" * 70 + b"\x01", "[00*70 01]"),
        (b"", "[]"),
    ],
)
def test_notation(data: str | bytes, shown: str) -> None:
    assert show(data) == shown
    assert read(shown) == data


@pytest.mark.parametrize("shown", ["[01", "[xy]", '{"a":1}"', '"a" 1', '"a'])
def test_notation_refuses_what_it_does_not_show(shown: str) -> None:
    if shown[0] == "{":
        assert read(shown) == shown
    else:
        with pytest.raises(ValueError, match=r"."):
            read(shown)


class TestTranscript:
    def test_fills_in_what_came_and_keeps_the_rest(self) -> None:
        settings = "# HS-1\n\n% ping_interval 1\n% allow_upgrades false\n"
        text = settings + "> a GET\n! send a hello\n\n# PG-1\n> a GET\n< a GET 200 something else\n@ 3\n"
        assert replay(text).splitlines() == [
            "# HS-1",
            "",
            "% ping_interval 1",
            "% allow_upgrades false",
            "> a GET",
            "* connect a",
            '< a GET 200 0{"sid":"a","upgrades":[],"pingInterval":1000,"pingTimeout":20000,"maxPayload":1000000}',
            "! send a hello",
            "",
            "# PG-1",
            "> a GET",
            "< a GET 200 4hello",
            "@ 3.0",
        ]

    def test_is_stable(self) -> None:
        text = "> a WS\n! send a 1\n&! send a 2\n&> a 4three\n@ 30.0\n> a lost\n"
        assert replay(replay(text)) == replay(text)

    def test_scenes_are_the_whole_file(self) -> None:
        text = "# a file\n\n=== one\n> a GET\n=== two\n> a WS\n"
        assert [scene.splitlines()[0] for scene in scenes(text)] == ["# a file", "=== one", "=== two"]
        assert "".join(scenes(text)) == text

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a GET\n", "line 1"),
            ("# x\n&! send a hello\n", "line 2"),
            ("> a 4hello\n", "a 4hello"),
            ("> a BODY 4hello\n", "BODY"),
            ("! send a hello\n", "send a hello"),
            ("! dance a\n", "dance"),
            ("! dance\n", "dance"),
            ("% no_such_setting 1\n", "no_such_setting"),
            ("% ping_interval soon\n", "ping_interval"),
            ("@ 2\n@ 1\n", "past"),
            ("@ noon\n", "noon"),
        ],
    )
    def test_says_what_is_wrong(self, text: str, message: str) -> None:
        with pytest.raises(TranscriptError, match=message):
            replay(text)
