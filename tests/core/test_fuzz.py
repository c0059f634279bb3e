"""Anything at all to every decoder and every entry: only the outcomes of outcomes.py (H33, H6, H7, H18)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from eio_core import ANY_ORIGIN, NO_CORS, REQUEST_HEADERS, SAME_ORIGIN
from hypothesis import example, given, settings
from hypothesis import strategies as st

from . import outcomes

pytestmark = pytest.mark.timeout(300)

anything = settings(max_examples=200, derandomize=True, database=None, deadline=None)

TEXT = st.text(st.characters(), max_size=60)  # lone surrogates too
SOME_BASE64 = st.text("AZaz09+/-_=", max_size=12)
DIGITS = st.sampled_from([*"01234567b", "\x1e", "4", "b", "2probe", "5", "é", "\ud800", ""])
PACKETS = st.builds("".join, st.lists(DIGITS | SOME_BASE64 | TEXT, max_size=4))
BODIES = st.binary(max_size=60) | st.lists(PACKETS).map(lambda ps: "\x1e".join(ps).encode(errors="surrogatepass"))
FRAMES = PACKETS | st.binary(max_size=60)


# ------------------------------------------------------------------------------------------------------------ decoders


@anything
@given(PACKETS)
def test_a_packet(text: str) -> None:
    """H33, PL-2, PL-3"""
    outcomes.packet(text)


@anything
@given(SOME_BASE64 | TEXT)
@example("AAAA====")
def test_base64(text: str) -> None:
    """H33, PL-7"""
    outcomes.base64_text(text)


@anything
@given(BODIES, st.none() | st.integers(1, 5))
def test_a_payload(body: bytes, most: int | None) -> None:
    """H33, PL-9, PL-10, PP-16"""
    outcomes.payload(body, most)


@anything
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x1e")) | st.binary(max_size=50), min_size=1))
def test_there_and_back(messages: list[str | bytes]) -> None:
    """PL-3, PL-6, PL-8"""
    outcomes.there_and_back(messages)


@anything
@given(TEXT | st.text("&=%;+EIOsidj4", max_size=40))
def test_a_query(query: str) -> None:
    """H6"""
    outcomes.query(query)


@anything
@given(st.none() | TEXT | st.text("gzip, deflate;q=0.1*", max_size=60))
def test_accept_encoding(value: str | None) -> None:
    """H33, HD-11"""
    outcomes.accept_encoding(value)


@anything
@given(TEXT, TEXT, TEXT)
def test_cookies(name: str, attribute: str, value: str) -> None:
    """HD-8, H10"""
    outcomes.cookie(name, attribute, value)


# ------------------------------------------------------------------------------------------------------------- entries


NAMES = ["EIO", "sid", "transport", "j", "b64", "t", "%73id", "x"]
VALUES = ["4", "3", "polling", "websocket", "p", "w", "", "__proto__", "%00", "%ff", "\ud800", "é"]
QUERIES = TEXT | st.lists(st.builds("{}={}".format, st.sampled_from(NAMES), st.sampled_from(VALUES)), max_size=6).map(
    "&".join
)
SOUND = st.sampled_from([f"EIO=4&transport={t}{s}" for t in ("polling", "websocket") for s in ("", "&sid=p", "&sid=w")])
METHODS = st.sampled_from(["GET", "GET", "GET", "POST", "POST", "OPTIONS", "HEAD", "PUT", ""]) | TEXT
HEADERS = st.dictionaries(
    st.sampled_from(sorted(REQUEST_HEADERS)),
    TEXT | st.sampled_from(["http://own", "own", "websocket", "gzip", "x-a, x-b", "12", "9" * 30, "a\r\nb: c"]),
)
POLICIES = st.sampled_from([SAME_ORIGIN, ANY_ORIGIN, NO_CORS, frozenset({"http://own"})])


@anything
@given(METHODS, QUERIES | SOUND, HEADERS, st.sampled_from([None, None, True, False]), POLICIES)
def test_a_request(method: str, query: str, headers: Mapping[str, str], websocket: bool | None, policy: Any) -> None:
    """H6, H7, H10, H11"""
    outcomes.request(method, query, headers, websocket, policy)


@anything
@given(st.lists(FRAMES, max_size=8), st.sampled_from(["unprobed", "probed", "carrying", "draining"]))
def test_frames(frames: list[str | bytes], state: str) -> None:
    """H18, H33, HS-23"""
    outcomes.frames(frames, state)


@anything
@given(st.lists(BODIES, max_size=4), st.booleans(), st.booleans())
def test_bodies(bodies: list[bytes], parked: bool, closing: bool) -> None:
    """H5, H33"""
    outcomes.bodies(bodies, parked, closing)


@anything
@given(st.lists(st.text() | st.binary() | st.integers() | st.none() | TEXT, max_size=10), st.sampled_from("pw"))
def test_what_the_application_sends(things: list[Any], where: str) -> None:
    """PL-8, PL-17, PL-20"""
    outcomes.sending(things, where)


# ---------------------------------------------------------------------------------------------------------- operations


OPERATIONS = st.tuples(
    st.integers(0, outcomes.OPERATIONS - 1),
    st.integers(0, 7),
    st.sampled_from(["4x", "3", "1", "2probe", "5", "", "bAQ==", "6", "2"]),
)


@settings(anything, max_examples=300)
@given(st.lists(OPERATIONS, min_size=20, max_size=150))
def test_operations(operations: list[tuple[int, int, str]]) -> None:
    """H33, CL-7"""
    outcomes.operations(operations)
