"""Long-polling: GETs that wait for packets, POSTs that bring them."""

from __future__ import annotations

import pytest
from eio_core import (
    ANY_ORIGIN,
    Closed,
    Encoded,
    LocalProtocolError,
    Poll,
    Reason,
    Refusal,
    Response,
    Session,
    SessionClosed,
    Write,
)

from .helpers import POLLING, Driver, expect, refused

PLAIN = [("Content-Type", "text/plain; charset=UTF-8"), ("Cache-Control", "no-store")]


def is_gone(driver: Driver, sid: str = "s") -> bool:
    """Whether requests for this session are told so."""
    return refused(driver.request(f"{POLLING}&sid={sid}"))[:2] == (400, 1)


# ----------------------------------------------------------------------------------------------------------------- GET


def test_what_is_buffered_is_answered_at_once() -> None:
    """PG-1, PG-6, PL-6: all of it in one payload, text and binary, and the headers of one."""
    driver = Driver()
    session = driver.polling()
    for data in ("a", b"\1\2\3\4", Encoded("c"), ""):
        assert driver.engine.send(session, data) is None
    poll = driver.get()
    assert poll.ready
    assert driver.engine.take_response(poll) == Response(200, PLAIN, b"4a\x1ebAQIDBA==\x1e4c\x1e4")


def test_a_get_is_held_until_there_is_a_packet() -> None:
    """PG-2, PG-9: it has no timeout of its own; what is sent until it is written rides along."""
    driver = Driver()
    session = driver.polling()
    poll = driver.get()
    assert not poll.ready
    assert driver.engine.next_deadline() == 25.0
    assert driver.engine.send(session, "a") is poll
    assert poll.ready
    assert driver.engine.send(session, "b") is poll
    assert driver.effects() == []  # it was returned
    assert driver.body(poll) == "4a\x1e4b"


def test_not_writable_until_the_next_get() -> None:
    """PG-5, FD-1: between two GETs packets wait."""
    driver = Driver()
    session = driver.polling()
    poll = driver.get()
    driver.engine.send(session, "a")
    assert driver.body(poll) == "4a"
    assert driver.engine.send(session, "b") is None
    assert session.buffered > 0
    assert driver.body(driver.get()) == "4b"
    assert session.buffered == 0


@pytest.mark.parametrize(("most", "sizes"), [(16, [16, 16, 8]), (1, [1] * 40), (40, [40]), (41, [40]), (None, [40])])
def test_packets_per_response(most: int | None, sizes: list[int]) -> None:
    """PL-11: python-engineio's client drops more than 16; the rest waits for the next GET, in order."""
    driver = Driver(max_packets_per_poll=most)
    session = driver.polling()
    for number in range(40):
        driver.engine.send(session, str(number))
    bodies = [driver.body(driver.get()).split("\x1e") for _ in sizes]
    assert [len(body) for body in bodies] == sizes
    assert [packet for body in bodies for packet in body] == [f"4{number}" for number in range(40)]
    assert not driver.get().ready


def test_the_slot_is_free_when_the_payload_is_taken() -> None:
    """PG-5, PG-8: a keep-alive client's next GET is no overlap, even before the response is reported as written."""
    driver = Driver()
    session = driver.polling()
    poll = driver.get()
    driver.engine.send(session, "a")
    driver.engine.take_response(poll)
    following = driver.get()
    driver.engine.written(poll)
    assert driver.engine.send(session, "b") is following
    assert driver.effects() == []


def test_two_gets_at_once() -> None:
    """PG-3, H15: the parked one gets ``1``, the new one 400, the session is over; a third is unknown."""
    driver = Driver(origins=ANY_ORIGIN)
    session = driver.polling()
    poll = driver.get()
    refusal = expect(Refusal, driver.request(f"{POLLING}&sid=s", "GET", {"origin": "http://x"}))
    assert refused(refusal) == (400, 3, "OVERLAP")
    assert ("Access-Control-Allow-Origin", "http://x") in refusal.headers
    assert driver.effects() == [Write(poll), Closed(session, Reason.TRANSPORT_ERROR)]
    assert driver.engine.take_response(poll) == Response(200, PLAIN, b"1")
    assert is_gone(driver)


def test_two_gets_while_the_first_is_ready() -> None:
    """PG-3: the client has not seen its response, so it is an overlap all the same; one response, ``1``."""
    driver = Driver()
    session = driver.polling()
    poll = driver.get()
    driver.engine.send(session, "a")
    assert refused(driver.request(f"{POLLING}&sid=s")) == (400, 3, "OVERLAP")
    assert driver.body(poll) == "1"


@pytest.mark.parametrize("ready", [False, True])
def test_a_get_that_is_lost(ready: bool) -> None:
    """PG-4, CL-11, H14: the session is over at once, and nothing is sent into the connection."""
    driver = Driver()
    session = driver.polling()
    poll = driver.get()
    if ready:
        driver.engine.send(session, "a")
    driver.engine.connection_lost(poll)
    assert driver.effects() == [Closed(session, Reason.TRANSPORT_ERROR)]
    assert is_gone(driver)
    assert driver.engine.next_deadline() is None
    assert poll.session is None
    with pytest.raises(LocalProtocolError):
        driver.engine.take_response(poll)


def test_a_response_that_could_not_be_written() -> None:
    """FD-12, IN-17, H31: the client missed packets, so the session is over."""
    driver = Driver()
    session = driver.polling()
    poll = driver.get()
    driver.engine.send(session, "a")
    driver.engine.take_response(poll)
    following = driver.get()
    driver.engine.connection_lost(poll)
    assert driver.effects() == [Write(following), Closed(session, Reason.TRANSPORT_ERROR)]
    assert driver.body(following) == "1"


def test_a_handshake_that_is_lost() -> None:
    """HS-26, FD-12: the client left before it had its open packet."""
    driver = Driver()
    session = driver.opening()
    poll = expect(Poll, driver.engine.accept(session, 0.0))
    driver.engine.connection_lost(poll)
    assert driver.effects() == [Closed(session, Reason.TRANSPORT_ERROR)]
    assert is_gone(driver)


def test_no_response_is_empty() -> None:
    """PG-7: a poll can be taken only when it has something; wrong use raises, once taken too."""
    driver = Driver()
    session = driver.polling()
    poll = driver.get()
    with pytest.raises(LocalProtocolError, match="nothing to be written yet"):
        driver.engine.take_response(poll)
    with pytest.raises(LocalProtocolError, match="has not been taken yet"):
        driver.engine.written(poll)
    assert driver.engine.send(session, "a") is poll
    assert driver.engine.take_response(poll).body == b"4a"
    following = driver.get()
    driver.engine.send(session, "b")
    with pytest.raises(LocalProtocolError, match="taken before"):
        driver.engine.take_response(poll)
    driver.engine.written(poll)
    with pytest.raises(LocalProtocolError, match="taken before"):
        driver.engine.take_response(poll)
    assert driver.body(following) == "4b"


def test_written_twice_counts_once() -> None:
    """FD-8: what was in flight is subtracted once."""
    driver = Driver()
    session = driver.polling()
    first = driver.get()
    driver.engine.send(session, "a" * 36)
    driver.engine.take_response(first)
    assert session.buffered == 101
    second = driver.get()
    driver.engine.send(session, "a" * 36)
    driver.engine.take_response(second)
    assert session.buffered == 202
    for _ in range(2):
        driver.engine.written(first)
        assert session.buffered == 101
    driver.engine.connection_lost(first)  # says nothing new
    assert driver.effects() == []


# ---------------------------------------------------------------------------------------------------------------- POST


def test_a_post() -> None:
    """PP-1, FD-6: messages in order, 200, ``ok``."""
    driver = Driver()
    driver.polling()
    messages, response = driver.posted("4a\x1ebAQI=\x1e4\x1e4é".encode())
    assert messages == ["a", b"\1\2", "", "é"]
    assert response == Response(200, [("Content-Type", "text/html"), ("Cache-Control", "no-store")], b"ok")
    assert driver.effects() == []


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/octet-stream", "multipart/form-data", "\0"])
def test_any_content_type(content_type: str | None) -> None:
    """PP-5, PP-17, JP-2: a payload is UTF-8 text, whatever it is called."""
    driver = Driver()
    driver.polling()
    post = driver.post(headers={} if content_type is None else {"content-type": content_type})
    assert driver.engine.receive_body(post, b"4d=4x", 0.0) == ["d=4x"]


def test_the_slot_of_a_post() -> None:
    """PP-3: it is free before the response is sent, not before it is taken."""
    driver = Driver()
    driver.polling()
    for _ in range(3):
        assert driver.posted(b"4x")[0] == ["x"]
    assert driver.effects() == []


@pytest.mark.parametrize("parked", [False, True])
def test_two_posts_at_once(parked: bool) -> None:
    """PP-3, H15: 400 to both, the session is over, a parked GET gets ``1``."""
    driver = Driver()
    session = driver.polling()
    polls = [driver.get()] if parked else []
    post = driver.post()
    assert refused(driver.request(f"{POLLING}&sid=s", "POST")) == (400, 3, "OVERLAP")
    assert driver.effects() == [
        *(Write(poll) for poll in polls),
        Write(post),
        Closed(session, Reason.TRANSPORT_ERROR),
    ]
    assert refused(driver.engine.take_response(post)) == (400, 3, "SESSION_CLOSED")
    assert [driver.body(poll) for poll in polls] == ["1"] * parked
    assert driver.engine.receive_body(post, b"4late", 0.0) == []
    assert driver.effects() == []


def test_a_post_that_was_accepted_stays_so() -> None:
    """PP-3: an ``ok`` that waits is not turned into a 400: its messages are being delivered."""
    driver = Driver()
    driver.polling()
    post = driver.post()
    assert driver.engine.receive_body(post, b"4x", 0.0) == ["x"]
    assert refused(driver.request(f"{POLLING}&sid=s", "POST")) == (400, 3, "OVERLAP")
    assert driver.engine.take_response(post).status == 200


@pytest.mark.parametrize("complete", [False, True])
def test_a_post_that_is_lost(complete: bool) -> None:
    """PP-4, CL-11: the session is over."""
    driver = Driver()
    session = driver.polling()
    post = driver.post()
    if complete:
        driver.engine.receive_body(post, b"4x", 0.0)
    driver.engine.connection_lost(post)
    assert driver.effects() == [Closed(session, Reason.TRANSPORT_ERROR)]
    assert driver.engine.next_deadline() is None
    assert driver.engine.receive_body(post, b"4x", 0.0) == []
    driver.engine.receive_oversize(post)
    assert driver.effects() == []


@pytest.mark.parametrize("parked", [False, True])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"abc",
        b"7",
        b"\x1e",
        b"4a\x1e",
        b"4a\x1e\x1e4b",
        b"b!",
        b"4a\x1ebA",
        b"2",
        b"2probe",
        b"4a\x1e2",
        b"\xff",
        b"4\xc3",
    ],
)
def test_a_body_that_is_no_payload(body: bytes, parked: bool) -> None:
    """PP-8, PP-9, PP-12, PP-16, PL-9, H5: 400 code 3, what came before it is delivered, a parked GET gets ``1``."""
    driver = Driver()
    session = driver.polling()
    polls = [driver.get()] if parked else []
    post = driver.post()
    messages = driver.engine.receive_body(post, body, 0.0)
    assert messages == (["a"] if body.startswith(b"4a") else [])
    assert driver.effects() == [
        *(Write(poll) for poll in polls),
        Write(post),
        Closed(session, Reason.TRANSPORT_ERROR),
    ]
    assert refused(driver.engine.take_response(post)) == (400, 3, "PARSE_ERROR")
    assert [driver.body(poll) for poll in polls] == ["1"] * parked
    assert is_gone(driver)


@pytest.mark.parametrize("parked", [False, True])
def test_the_client_closes(parked: bool) -> None:
    """PP-10, CL-9: ``ok``, a parked GET gets ``6``, what stands behind the ``1`` is ignored."""
    driver = Driver()
    session = driver.polling()
    polls = [driver.get()] if parked else []
    post = driver.post()
    assert driver.engine.receive_body(post, b"4a\x1e1\x1e4b\x1eabc", 0.0) == ["a"]
    assert driver.effects() == [
        *(Write(poll) for poll in polls),
        Write(post),
        Closed(session, Reason.CLIENT_DISCONNECT),
    ]
    assert driver.engine.take_response(post).body == b"ok"
    assert [driver.body(poll) for poll in polls] == ["6"] * parked
    assert is_gone(driver)


@pytest.mark.parametrize("packet", [b"0", b'0{"sid":"x"}', b"3", b"3probe", b"5", b"6", b"6x"])
def test_packets_that_mean_nothing_in_a_post(packet: bytes) -> None:
    """PP-11: ignored, 200."""
    driver = Driver()
    driver.polling()
    messages, response = driver.posted(packet + b"\x1e4x")
    assert (messages, response.body) == (["x"], b"ok")
    assert driver.effects() == []


# -------------------------------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize(("limit", "hard"), [(1_000_000, 1_005_000), (100, 100), (200, 201), (1, 1)])
def test_the_limit_of_a_body(limit: int, hard: int) -> None:
    """PL-12, PL-15, PL-16, CD-4, CD-5: what clients are told, and half a percent for their estimate of base64."""
    driver = Driver(max_http_buffer_size=limit)
    driver.polling()
    assert driver.post().limit == hard


@pytest.mark.parametrize(
    ("length", "fits"),
    [
        ("0", True),
        ("201", True),
        ("202", False),
        ("9" * 19, False),
        ("8" * 100_000, False),  # int() itself would refuse
        ("0201", True),
        ("", True),
        ("-1", True),  # lies and garbage: the integration counts what it reads
        ("1e9", True),
        ("999, 999", True),
        ("+999", True),
        ("²", True),
        ("\0", True),
    ],
    ids=lambda value: str(value)[:8],
)
@pytest.mark.parametrize("parked", [False, True])
def test_a_declared_length(length: str, fits: bool, parked: bool) -> None:
    """PL-13, ER-7, H2: one over the limit is answered 413, empty, unread, and the session is over."""
    driver = Driver(max_http_buffer_size=200)
    session = driver.polling()
    polls = [driver.get()] if parked else []
    post = driver.post(headers={"content-length": length})
    assert post.ready is not fits
    if not fits:
        check_too_large(driver, session, polls)
        response = driver.engine.take_response(post)
        assert (response.status, response.body) == (413, b"")


@pytest.mark.parametrize("parked", [False, True])
def test_a_body_over_the_limit(parked: bool) -> None:
    """PL-13, ER-7, HD-10, H2: the same when it is found while reading; reported twice, answered once."""
    driver = Driver()
    session = driver.polling()
    polls = [driver.get()] if parked else []
    post = driver.post()
    for _ in range(2):
        driver.engine.receive_oversize(post)
    check_too_large(driver, session, polls)
    response = expect(Refusal, driver.engine.take_response(post))
    assert (response.status, response.body, response.headers) == (413, b"", [("Cache-Control", "no-store")])
    assert driver.engine.receive_body(post, b"4x", 0.0) == []


def check_too_large(driver: Driver, session: Session, polls: list[Poll]) -> None:
    effects = driver.effects()
    assert effects[-1] == Closed(session, Reason.TRANSPORT_ERROR)
    assert [effect for effect in effects if isinstance(effect, Write) and isinstance(effect.connection, Poll)] == [
        Write(poll) for poll in polls
    ]
    assert [driver.body(poll) for poll in polls] == ["1"] * len(polls)
    assert is_gone(driver)


def test_a_body_that_does_not_arrive() -> None:
    """H13: interval + timeout from its headers on: 400 code 3, TRANSPORT_ERROR, to the tick."""
    driver = Driver(ping_interval=10.0, ping_timeout=5.0)
    session = driver.polling()
    driver.at(7.0)
    post = driver.post()
    assert driver.at(10.0) == []  # a ping; nobody fetches it, but a body is being read
    assert driver.at(21.99) == []
    assert driver.at(22.0) == [Write(post), Closed(session, Reason.TRANSPORT_ERROR)]
    assert refused(driver.engine.take_response(post)) == (400, 3, "SESSION_CLOSED")


def test_a_body_in_the_very_moment() -> None:
    """A request never overtakes a deadline: what is due is done first."""
    driver = Driver(ping_interval=10.0, ping_timeout=5.0)
    session = driver.polling()
    post = driver.post()
    assert driver.engine.receive_body(post, b"4x", 15.0) == []
    assert driver.effects() == [Write(post), Closed(session, Reason.TRANSPORT_ERROR)]


def test_wrong_use_of_a_post() -> None:
    """A response that is not there yet, and one that was taken."""
    driver = Driver()
    driver.polling()
    post = driver.post()
    with pytest.raises(LocalProtocolError, match="no response"):
        driver.engine.take_response(post)
    driver.engine.receive_body(post, b"4x", 0.0)
    assert driver.engine.receive_body(post, b"4x", 0.0) == []
    driver.engine.receive_oversize(post)
    assert driver.engine.take_response(post).body == b"ok"
    with pytest.raises(LocalProtocolError, match="take it once"):
        driver.engine.take_response(post)


# ------------------------------------------------------------------------------------------------------------- closing


def test_a_post_while_closing() -> None:
    """PP-14, HB-8: 200 ``ok``, dropped, whatever is in it; a ``1`` ends it at once."""
    driver = Driver()
    session = driver.polling()
    driver.engine.close(session, 0.0)
    for body in (b"4x", b"3", b"2", b"abc", b"", b"\xff"):
        messages, response = driver.posted(body)
        assert (messages, response.status, response.body) == ([], 200, b"ok")
    assert driver.effects() == []
    messages, response = driver.posted(b"4x\x1e1")
    assert (messages, response.body) == ([], b"ok")
    assert Closed(session, Reason.SERVER_DISCONNECT) in driver.effects()
    assert is_gone(driver)


def test_a_post_in_flight_when_the_session_closes() -> None:
    """CL-17, PP-14: while the session is closing it may end; when it is closed it is answered 400."""
    driver = Driver()
    session = driver.polling()
    post = driver.post()
    driver.engine.close(session, 0.0)
    assert driver.effects() == []
    assert driver.engine.receive_body(post, b"4x", 0.0) == []
    assert driver.engine.take_response(post).body == b"ok"
    post = driver.post()
    assert driver.body(driver.get()) == "1"
    assert driver.effects() == [Write(post), Closed(session, Reason.SERVER_DISCONNECT)]
    assert refused(driver.engine.take_response(post)) == (400, 3, "SESSION_CLOSED")


def test_sending_to_a_closing_session() -> None:
    """CL-2, FD-4: dropped; the core says so by an exception of its own."""
    driver = Driver()
    session = driver.polling()
    driver.engine.close(session, 0.0)
    for _ in range(2):
        with pytest.raises(SessionClosed, match="session s is closing or closed"):
            driver.engine.send(session, "x")
        driver.engine.cut()
