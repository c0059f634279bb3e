"""The one way out of a session: its bound, its low water, and what is in flight."""

from __future__ import annotations

from typing import Any

import pytest
from eio_core import Closed, Drained, Encoded, Life, Link, Poll, Reason, Settings, Upgraded, Write

from .helpers import Driver, expect

KIB = 1024


@pytest.mark.parametrize(
    ("data", "size"),
    [("", 65), ("abc", 68), ("éé", 67), (b"", 64), (b"abc", 67), (Encoded("abc"), 68), (Encoded(b"abc"), 67)],
)
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_what_a_packet_counts(data: Any, size: int, transport: str) -> None:
    """FD-8: its length and 64: bytes, or characters of text; a shared one in full for each session."""
    driver = Driver()
    for sid in ("a", "b"):
        session = driver.polling(sid) if transport == "polling" else driver.websocket(sid)[0]
        driver.engine.send(session, data)
        assert session.buffered == size


@pytest.mark.parametrize(
    ("bound", "low"),
    [(None, 256 * KIB), (16 * KIB * KIB, 256 * KIB), (1024 * KIB, 256 * KIB), (1000, 250), (7, 1), (0, 0)],
)
def test_low_water(bound: int | None, low: int) -> None:
    """FD-8: 256 KiB, or a quarter of the bound if that is less."""
    assert Settings(max_buffered_bytes=bound).low_water == low


def test_the_bound() -> None:
    """FD-8: a send that finds the outbox at or over it closes; below it a message of any size passes."""
    driver = Driver(max_buffered_bytes=200)
    session, _ = driver.websocket()
    driver.engine.send(session, "x" * 135)
    assert session.buffered == 200
    driver.engine.send(session, "y")
    assert driver.effects()[-1] == Closed(session, Reason.TRANSPORT_ERROR)

    session, _ = driver.websocket("t")
    driver.engine.send(session, "x" * 134)
    assert session.buffered == 199
    driver.engine.send(session, "x" * 100_000)
    assert driver.effects() == []
    driver.engine.send(session, "y")
    assert driver.effects()[-1] == Closed(session, Reason.TRANSPORT_ERROR)


def test_the_default_bound() -> None:
    """FD-8, H19: 16 MiB; none at all if it is switched off."""
    driver = Driver()
    session, _ = driver.websocket()
    megabyte = "x" * (KIB * KIB - 65)
    for _ in range(16):
        assert driver.engine.send(session, megabyte) is not None
    assert session.buffered == 16 * KIB * KIB
    assert driver.engine.send(session, "") is None
    assert session.life is Life.CLOSED

    driver.engine.settings.max_buffered_bytes = None
    session, _ = driver.websocket("t")
    for _ in range(40):
        assert driver.engine.send(session, megabyte) is not None


def test_what_is_in_flight_counts() -> None:
    """FD-8: taken is not written: a client that does not read cannot hide behind a batch that is being written."""
    driver = Driver(max_buffered_bytes=200)
    session, link = driver.websocket()
    driver.engine.send(session, "x" * 200)
    assert driver.engine.take_frames(link) == ["4" + "x" * 200]
    assert session.buffered == 265
    driver.engine.send(session, "y")
    assert driver.effects()[-1] == Closed(session, Reason.TRANSPORT_ERROR)

    session = driver.polling("t")
    poll = driver.get("t")
    driver.engine.send(session, "x" * 200)
    driver.engine.take_response(poll)
    assert session.buffered == 265
    driver.engine.send(session, "y")
    assert driver.effects() == [Closed(session, Reason.TRANSPORT_ERROR)]


def test_asking_again_says_that_it_was_written() -> None:
    """FD-8: the writer of a WebSocket has no other report to make."""
    driver = Driver()
    session, link = driver.websocket()
    driver.engine.send(session, "a")
    driver.engine.take_frames(link)
    driver.engine.send(session, "bc")
    assert session.buffered == 66 + 67
    assert driver.engine.take_frames(link) == ["4bc"]
    assert session.buffered == 67
    assert driver.engine.take_frames(link) == []
    assert session.buffered == 0


def test_drained_on_a_websocket() -> None:
    """FD-8: once, when the outbox has fallen to low water; not while it was never above."""
    driver = Driver(max_buffered_bytes=1000)
    session, link = driver.websocket()
    driver.engine.send(session, "x" * 185)
    assert session.buffered == 250
    assert driver.frames(link)
    assert driver.effects() == []

    driver.engine.send(session, "x" * 186)
    assert driver.engine.take_frames(link)
    assert driver.effects() == []
    assert driver.engine.take_frames(link) == []
    assert driver.effects() == [Drained(session)]
    driver.engine.send(session, "x")
    assert driver.frames(link) == ["4x"]
    assert driver.effects() == []


def test_drained_on_polling() -> None:
    """FD-8: when the response was written, not when it was taken; down to low water is low enough."""
    driver = Driver(max_buffered_bytes=1000, max_packets_per_poll=1)
    session = driver.polling()
    for size in (185, 185, 186):
        driver.engine.send(session, "x" * size)
    for drained in (False, True, False):  # 751 bytes buffered, then 501, then 251
        poll = driver.get()
        driver.engine.take_response(poll)
        assert driver.effects() == []
        if session.queued == 0:
            driver.engine.send(session, "")
        driver.engine.written(poll)
        assert driver.effects() == ([Drained(session)] if session.buffered <= 250 and not drained else []), drained


@pytest.mark.parametrize("bound", [None, 16 * KIB * KIB])
def test_drained_at_the_default(bound: int | None) -> None:
    """FD-8: 256 KiB."""
    driver = Driver(max_buffered_bytes=bound)
    session, link = driver.websocket()
    for _ in range(4):
        driver.engine.send(session, "x" * (64 * KIB - 65))
    assert session.buffered == 256 * KIB
    driver.frames(link)
    assert driver.effects() == []
    for _ in range(5):
        driver.engine.send(session, "x" * (64 * KIB - 65))
    driver.engine.take_frames(link)
    assert driver.effects() == []
    driver.engine.take_frames(link)
    assert session.buffered == 256 * KIB
    assert driver.effects() == [Drained(session)]


def test_no_drained_after_the_close() -> None:
    """FD-8: the close ends the waiting."""
    driver = Driver(max_buffered_bytes=100)
    session, link = driver.websocket()
    driver.engine.send(session, "x" * 200)
    driver.engine.take_frames(link)
    driver.engine.connection_lost(link)
    assert driver.effects() == [Closed(session, Reason.TRANSPORT_CLOSE)]

    session = driver.polling("t")
    driver.engine.send(session, "x" * 200)
    poll = driver.get("t")
    driver.engine.take_response(poll)
    driver.engine.cut()
    driver.engine.written(poll)
    assert driver.effects() == [Closed(session, Reason.SERVER_DISCONNECT)]


def test_drained_while_closing() -> None:
    """FD-8, CL-6: a waiting sender learns of it while the rest goes out."""
    driver = Driver(max_buffered_bytes=100)
    session, link = driver.websocket()
    driver.engine.send(session, "x" * 200)
    driver.engine.close(session, 0.0)
    assert driver.frames(link)
    assert driver.effects() == [
        Write(link),
        Drained(session),
        Write(link),
        Closed(session, Reason.SERVER_DISCONNECT),
    ]


def test_drained_across_an_upgrade() -> None:
    """FD-8, UP-4: what a poll still writes counts beside what the WebSocket does."""
    driver = Driver(max_buffered_bytes=1000)
    session = driver.polling()
    driver.engine.send(session, "x" * 400)
    poll = driver.get()
    driver.engine.take_response(poll)
    link = driver.probed()
    driver.engine.receive_frame(link, "5")
    assert driver.effects() == [Upgraded(session)]
    driver.engine.send(session, "y")
    assert driver.frames(link) == ["4y"]
    assert session.buffered == 465
    driver.engine.written(poll)
    assert session.buffered == 0
    assert driver.effects() == [Drained(session)]


def test_batches() -> None:
    """FD-8: about 64 KiB at a time, one packet at least, in order; so that buffered falls while it is written."""
    driver = Driver()
    session, link = driver.websocket()
    sizes = [10, 20, 64 * KIB, 5, 5, 200 * KIB, 1, 64 * KIB - 130, 1, 1]
    for size in sizes:
        driver.engine.send(session, "x" * size)
    batches = []
    while batch := driver.engine.take_frames(link):
        batches.append([len(frame) - 1 for frame in batch])
        assert session.buffered == session.queued + link.in_flight
        assert link.in_flight == sum(size + 65 for size in batches[-1])
    assert batches == [[10, 20, 64 * KIB], [5, 5, 200 * KIB], [1, 64 * KIB - 130], [1, 1]]


def test_a_batch_of_many_small_packets() -> None:
    """FD-8: the overhead counts, so that a batch is bounded in packets, too."""
    driver = Driver()
    session, link = driver.websocket()
    for _ in range(5000):
        driver.engine.send(session, b"")
    sizes = []
    while batch := driver.engine.take_frames(link):
        sizes.append(len(batch))
    assert sizes == [1024, 1024, 1024, 1024, 904]


def test_batches_in_base64() -> None:
    """JP-4, FD-8: in every size of batch."""
    driver = Driver()
    session, link = driver.websocket(extra="&b64=1")
    for _ in range(3):
        driver.engine.send(session, b"\0" * 48 * KIB)
    frames = driver.frames(link)
    assert frames == ["b" + "A" * 64 * KIB] * 3


def test_send_says_who_wants_writing() -> None:
    """FD-1, FD-4: the link, the parked poll, or nobody."""
    driver = Driver()
    opening = driver.opening()
    assert driver.engine.send(opening, "x") is None
    poll = expect(Poll, driver.engine.accept(opening, 0.0))
    assert driver.engine.send(opening, "y") is poll
    driver.body(poll)
    assert driver.engine.send(opening, "z") is None
    session, link = driver.websocket("w")
    assert isinstance(driver.engine.send(session, "x"), Link)
    assert driver.engine.send(session, "y") is link
    assert driver.effects() == []


def test_a_failed_send_leaves_nothing() -> None:
    """PL-8, PL-17, PL-20: the outbox is as it was, even at its bound."""
    driver = Driver(max_buffered_bytes=100)
    session = driver.polling()
    driver.engine.send(session, "x" * 200)
    for data in ("\x1e", "\ud800", None):
        with pytest.raises((ValueError, TypeError)):
            driver.engine.send(session, data)
    assert session.life is Life.OPEN
    assert driver.body(driver.get()) == "4" + "x" * 200
