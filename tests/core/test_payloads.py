"""A polling body: packets and separators."""

from __future__ import annotations

import sys
import time
from types import FrameType

import pytest
from eio_core import Encoded, Packet, PacketType, decode_payload, encode_payload

from .helpers import Driver, refused

M = PacketType.MESSAGE


@pytest.mark.parametrize(
    ("packets", "body"),
    [
        (["4a"], b"4a"),
        (["4a", "2", "4b"], b"4a\x1e2\x1e4b"),
        (["4", "4"], b"4\x1e4"),
        ([b"\1\2\3\4", "4x", Encoded(b"\1"), Encoded("y")], b"bAQIDBA==\x1e4x\x1ebAQ==\x1e4y"),
        (["4\xe9\U0001f600"], "4\xe9\U0001f600".encode()),
    ],
)
def test_encode(packets: list[str | bytes | Encoded], body: bytes) -> None:
    """PL-6, PL-8: packets joined by U+001E, in UTF-8."""
    assert encode_payload(packets) == body


@pytest.mark.parametrize(
    ("body", "packets"),
    [
        (b"4a", [Packet(M, "a")]),
        (b"4", [Packet(M)]),
        (b"4a\x1e4b", [Packet(M, "a"), Packet(M, "b")]),
        (b"3\x1ebAQI=\x1e6", [Packet(PacketType.PONG), Packet(M, b"\1\2"), Packet(PacketType.NOOP)]),
        ("4\xe9".encode(), [Packet(M, "\xe9")]),
        # the first bad packet ends it
        (b"", [None]),
        (b"\x1e", [None]),
        (b"4a\x1e", [Packet(M, "a"), None]),
        (b"4a\x1e\x1e4b", [Packet(M, "a"), None]),
        (b"4a\x1e7\x1e4b", [Packet(M, "a"), None]),
        (b"4a\x1ebA\x1e4b", [Packet(M, "a"), None]),
        (b"abc", [None]),
        # nothing of a body that is not UTF-8
        (b"4a\x1e4\xff", [None]),
        (b"4a\x1e4\xc3", [None]),
        (b"4\xed\xa0\x80", [None]),
        (b"4\xc0\x80", [None]),
        ("4a".encode("utf-16"), [None]),
        (b"\xef\xbb\xbf4a", [None]),
    ],
)
def test_decode(body: bytes, packets: list[Packet | None]) -> None:
    """PL-9, PP-16: the packets before the first bad one, then None; nothing of a body that is not UTF-8."""
    assert [*decode_payload(body)] == packets


@pytest.mark.parametrize(
    ("packets", "most", "decoded"),
    [(1, 1, 1), (2, 1, 0), (2, 2, 2), (3, 2, 0), (16, 16, 16), (17, 16, 0), (5000, None, 5000)],
)
def test_the_number_of_packets(packets: int, most: int | None, decoded: int) -> None:
    """PL-10: no limit by default; one that is set is checked before anything is split, and nothing is decoded."""
    found = [*decode_payload(b"\x1e".join([b"4"] * packets), max_packets=most)]
    assert found == ([Packet(M)] * decoded if decoded else [None])


def test_too_many_packets_close() -> None:
    """PL-10: 400, and the session is closed; none of the packets is delivered."""
    driver = Driver(max_packets_per_payload=2)
    driver.polling()
    assert driver.posted(b"4a\x1e4b")[0] == ["a", "b"]
    messages, response = driver.posted(b"4a\x1e4b\x1e4c")
    assert messages == []
    assert refused(response) == (400, 3, "PARSE_ERROR")
    assert driver.engine.sessions == {}


def calls(body: bytes) -> int:
    """How many Python functions decoding a body calls."""
    count = 0

    def profile(frame: FrameType, event: str, arg: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(profile)
    try:
        for _ in decode_payload(body):
            pass
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    "unit", [b"\x1e", b"4\x1e", b"bAAAA\x1e", b"bA\x1e", b"4\xc3\xa9\x1e", b"=", b"b=", b"-", b"\xff", b"4[[[["]
)
def test_linear_time(unit: bytes) -> None:
    """H33: a megabyte of anything is soon done, and twice as much is twice the work."""
    began = time.perf_counter()
    for _ in decode_payload(unit * (1_000_000 // len(unit))):
        pass
    assert time.perf_counter() - began < 10.0
    assert calls(unit * 4000) <= 2 * calls(unit * 2000) + 10


@pytest.mark.parametrize("character", ["=", "A", "-", "+", "\xe9", "\n"])
def test_linear_time_of_base64(character: str) -> None:
    """H33: base64 of a megabyte."""
    began = time.perf_counter()
    for tail in ("", "A", "=", "=="):
        [*decode_payload(("b" + character * 1_000_000 + tail).encode())]
    assert time.perf_counter() - began < 10.0
