"""How sessions and links end, with which reason, and that they stay ended."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from eio_core import (
    Abort,
    Channel,
    Closed,
    Effect,
    Handshake,
    Life,
    Link,
    LocalProtocolError,
    Poll,
    Post,
    Reason,
    Refusal,
    Request,
    Session,
    SessionClosed,
    Upgrade,
    Write,
)

from .helpers import POLLING, WEBSOCKET, Driver, expect, refused


def closed(effects: list[Effect]) -> list[str]:
    """The reasons of the closes among them."""
    return [effect.reason for effect in effects if isinstance(effect, Closed)]


# ------------------------------------------------------------------------------------------- the application closes


def test_close_with_a_get_and_nothing_buffered() -> None:
    """CL-3, CL-12: the GET gets ``1``, and that is all."""
    driver = Driver()
    session = driver.polling()
    poll = driver.get()
    driver.engine.close(session, 0.0)
    assert driver.effects() == [Write(poll), Closed(session, Reason.SERVER_DISCONNECT)]
    assert driver.body(poll) == "1"
    assert refused(driver.request(f"{POLLING}&sid=s"))[:2] == (400, 1)


def test_close_without_a_get() -> None:
    """CL-4, PG-11: it waits for the next GET, which gets ``1`` alone."""
    driver = Driver()
    session = driver.polling()
    driver.engine.close(session, 0.0)
    assert (driver.effects(), session.life) == ([], Life.CLOSING)
    poll = driver.get()
    assert poll.ready
    assert driver.body(poll) == "1"
    assert driver.effects() == [Closed(session, Reason.SERVER_DISCONNECT)]
    assert refused(driver.request(f"{POLLING}&sid=s"))[:2] == (400, 1)


def test_close_without_a_client() -> None:
    """CL-4: at most close_timeout, to the tick; SERVER_DISCONNECT."""
    driver = Driver(close_timeout=7.0)
    session = driver.polling()
    driver.at(3.0)
    driver.engine.send(session, "a")
    driver.engine.close(session, 3.0)
    assert driver.at(9.999) == []
    assert driver.at(10.0) == [Closed(session, Reason.SERVER_DISCONNECT)]
    assert session.buffered == 0
    assert driver.engine.next_deadline() is None


@pytest.mark.parametrize("parked", [False, True])
def test_close_with_packets_buffered(parked: bool) -> None:
    """CL-5, PG-11: the packets, and ``1`` at the end of the same response."""
    driver = Driver()
    session = driver.polling()
    poll = driver.get() if parked else None
    driver.engine.send(session, "a")
    driver.engine.send(session, b"b")
    driver.engine.close(session, 0.0)
    assert driver.effects() == []  # send() returned the poll
    assert driver.body(poll or driver.get()) == "4a\x1ebYg==\x1e1"
    assert driver.effects() == [Closed(session, Reason.SERVER_DISCONNECT)]


def test_close_with_many_packets_buffered() -> None:
    """CL-5, CL-15, PL-11: as many responses as it takes; ``1`` is the last packet of the last one."""
    driver = Driver(max_packets_per_poll=2)
    session = driver.polling()
    for data in "abcd":
        driver.engine.send(session, data)
    driver.engine.close(session, 0.0)
    assert [driver.body(driver.get()) for _ in range(3)] == ["4a\x1e4b", "4c\x1e4d", "1"]
    assert driver.effects() == [Closed(session, Reason.SERVER_DISCONNECT)]


def test_close_while_a_response_is_being_written() -> None:
    """CL-4: what is in flight is not sent again; the next GET gets ``1``."""
    driver = Driver()
    session = driver.polling()
    poll = driver.get()
    driver.engine.send(session, "a")
    driver.engine.take_response(poll)
    driver.engine.close(session, 0.0)
    assert driver.effects() == []
    driver.engine.written(poll)
    assert driver.body(driver.get()) == "1"
    assert driver.effects() == [Closed(session, Reason.SERVER_DISCONNECT)]


def test_close_on_a_websocket() -> None:
    """CL-6, WS-8, WS-22: what is buffered, then close frame 1000; no ``1``."""
    driver = Driver()
    session, link = driver.websocket()
    driver.engine.send(session, "a")
    driver.engine.close(session, 0.0)
    assert driver.effects() == [Write(link)]
    assert link.closing is None
    assert link.channel is Channel.DRAINING
    assert driver.engine.take_frames(link) == ["4a"]
    assert driver.effects() == []
    assert driver.engine.take_frames(link) == []
    assert driver.effects() == [Write(link), Closed(session, Reason.SERVER_DISCONNECT)]
    assert link.closing == 1000


def test_close_on_a_websocket_with_nothing_buffered() -> None:
    """CL-6: at once; but what is being written is waited for."""
    driver = Driver()
    session, link = driver.websocket()
    driver.engine.close(session, 0.0)
    assert driver.effects() == [Write(link), Closed(session, Reason.SERVER_DISCONNECT)]
    assert link.closing == 1000

    session, link = driver.websocket("t")
    driver.engine.send(session, "a")
    assert driver.engine.take_frames(link) == ["4a"]
    driver.engine.close(session, 0.0)
    assert link.closing is None
    assert driver.engine.take_frames(link) == []
    assert link.closing == 1000


def test_close_on_a_websocket_that_is_not_read() -> None:
    """CL-6, CL-18: close_timeout, then the rest is dropped; five seconds later the connection, too."""
    driver = Driver()
    session, link = driver.websocket()
    driver.engine.send(session, "a")
    driver.engine.close(session, 0.0)
    driver.effects()
    assert driver.at(29.9) == []
    assert driver.at(30.0) == [Write(link), Closed(session, Reason.SERVER_DISCONNECT)]
    assert driver.frames(link) == []
    driver.engine.begin_hangup(link, 30.0)
    driver.engine.begin_hangup(link, 34.0)  # once more: the time runs from the first one
    assert driver.at(34.999) == []
    assert driver.at(35.0) == [Abort(link)]


def test_the_close_handshake() -> None:
    """CL-18: a peer that finishes is not aborted; one that was lost before is not waited for."""
    driver = Driver()
    for order in ("closing first", "lost first"):
        session, link = driver.websocket(order)
        driver.engine.close(session, driver.now)
        if order == "closing first":
            driver.engine.begin_hangup(link, driver.now)
        driver.engine.connection_lost(link)
        driver.engine.begin_hangup(link, driver.now)
        assert closed(driver.effects()) == [Reason.SERVER_DISCONNECT]
        assert driver.at(driver.now + 10.0) == []


def test_every_event_expires_first() -> None:
    """Wherever a method takes the time, what is due is done before it."""
    events: list[Callable[[Driver, Link], object]] = [
        lambda driver, link: driver.engine.begin_hangup(link, 45.0),
        lambda driver, _: driver.engine.expire(45.0),
        lambda driver, _: driver.engine.receive_request(Request("GET", ""), 45.0),
        lambda driver, _: driver.engine.accept(driver.opening(sid="n"), 45.0),
        lambda driver, _: driver.engine.open_link(upgrade(driver, "o"), 45.0),
        lambda driver, _: driver.engine.receive_body(driver.post("p"), b"4x", 45.0),
        lambda driver, _: driver.engine.close(driver.engine.sessions["o"], 45.0),
        lambda driver, _: driver.engine.shutdown(45.0, 5.0),
    ]
    for event in events:
        driver = Driver()
        session, link = driver.websocket()
        driver.at(25.0)
        driver.polling("o")
        driver.polling("p")
        driver.effects()
        event(driver, link)
        assert driver.effects()[:2] == [Write(link), Closed(session, Reason.PING_TIMEOUT)]


def upgrade(driver: Driver, sid: str) -> Upgrade:
    """An upgrade that was let in."""
    return expect(Upgrade, driver.request(f"{WEBSOCKET}&sid={sid}", websocket=True))


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_close_in_the_connect_handler(transport: str) -> None:
    """CL-16, H22: the handshake is answered with the open packet, what was sent, and the end of it."""
    driver = Driver()
    session = driver.opening(transport)
    driver.engine.send(session, "a")
    driver.engine.close(session, 0.0)
    with pytest.raises(SessionClosed):
        driver.engine.send(session, "b")
    assert driver.effects() == []
    connection = driver.engine.accept(session, 0.0)
    if isinstance(connection, Poll):
        assert driver.body(connection).split("\x1e")[1:] == ["4a", "1"]
        assert driver.effects() == [Closed(session, Reason.SERVER_DISCONNECT)]
    else:
        link = expect(Link, connection)
        assert [str(frame)[:2] for frame in driver.frames(link)] == ["0{", "4a"]
        assert link.closing == 1000
        assert driver.effects() == [Write(link), Write(link), Closed(session, Reason.SERVER_DISCONNECT)]


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_close_in_the_connect_handler_of_a_client_that_left(transport: str) -> None:
    """CL-12, HS-26: who closed first gives the reason."""
    driver = Driver()
    session = driver.opening(transport)
    driver.engine.close(session, 0.0)
    connection = driver.engine.accept(session, 0.0)
    assert not isinstance(connection, Refusal)
    driver.engine.connection_lost(connection, error=True)
    assert closed(driver.effects()) == [Reason.SERVER_DISCONNECT]


def test_close_in_the_connect_handler_and_reject() -> None:
    """CL-7, ER-10: it was never accepted, so nobody is told of its end."""
    driver = Driver()
    session = driver.opening()
    driver.engine.close(session, 0.0)
    assert driver.engine.reject(session).status == 401
    assert driver.effects() == []
    driver.engine.close(session, 0.0)
    assert driver.at(100.0) == []


def test_an_overflow_in_the_connect_handler() -> None:
    """FD-8, H21: the session cannot outlive its own opening: 400, and the application is told once."""
    for decision in ("accept", "reject"):
        driver = Driver(max_buffered_bytes=100)
        session = driver.opening()
        for _ in range(2):
            driver.engine.send(session, "a" * 100)
        assert session.life is Life.CLOSED
        assert driver.effects() == []
        handshake = expect(Handshake, driver.request(POLLING))
        assert refused(driver.engine.open(handshake, "s")) == (400, 3, "ID_GENERATION_ERROR")  # still its own
        if decision == "accept":
            assert refused(driver.engine.accept(session, 0.0)) == (400, 3, "CLOSED_WHILE_OPENING")
            assert driver.effects() == [Closed(session, Reason.TRANSPORT_ERROR)]
        else:
            assert driver.engine.reject(session).status == 401
            assert driver.effects() == []
        assert driver.engine.opening == driver.engine.sessions == {}


# ---------------------------------------------------------------------------------------------------- the client leaves


@pytest.mark.parametrize(
    ("frame", "reason", "code"),
    [
        ("1", Reason.CLIENT_DISCONNECT, 1000),  # WS-6
        ("1bye", Reason.CLIENT_DISCONNECT, 1000),
        ("2", Reason.TRANSPORT_ERROR, 1002),  # WS-4
        ("2probe", Reason.TRANSPORT_ERROR, 1002),
        ("", Reason.TRANSPORT_ERROR, 1002),  # WS-3
        ("7", Reason.TRANSPORT_ERROR, 1002),
        ("abc", Reason.TRANSPORT_ERROR, 1002),
        ("b!", Reason.TRANSPORT_ERROR, 1002),
        ("4" + "x" * 100, Reason.TRANSPORT_ERROR, 1009),  # PL-14
        ("4" + "é" * 50, Reason.TRANSPORT_ERROR, 1009),
        ("x" * 101, Reason.TRANSPORT_ERROR, 1009),
        (b"x" * 101, Reason.TRANSPORT_ERROR, 1009),
        (bytearray(101), Reason.TRANSPORT_ERROR, 1009),
        ("4" + "\ud800" * 101, Reason.TRANSPORT_ERROR, 1009),
    ],
    ids=lambda value: ascii(value)[:12],
)
def test_frames_that_close(frame: str | bytes, reason: str, code: int) -> None:
    """WS-3, WS-4, WS-6, WS-22, PL-14, CL-1, CL-9: the reason, the close code, and nothing delivered afterwards."""
    driver = Driver(max_http_buffer_size=100)
    session, link = driver.websocket()
    driver.engine.send(session, "a")
    assert driver.engine.receive_frame(link, frame) is None
    assert driver.effects() == [Write(link), Closed(session, reason)]
    assert link.closing == code
    assert driver.frames(link) == []
    assert driver.engine.receive_frame(link, "4x") is None


@pytest.mark.parametrize("frame", ["4" + "x" * 99, "4" + "é" * 49 + "x", b"x" * 100, bytearray(100), "b" + "A" * 96])
def test_frames_of_the_limit(frame: str | bytes) -> None:
    """PL-12, PL-15: the limit itself is accepted, in encoded bytes, the type digit among them."""
    driver = Driver(max_http_buffer_size=100)
    _, link = driver.websocket()
    assert driver.engine.receive_frame(link, frame) is not None


@pytest.mark.parametrize("draining", [False, True])
@pytest.mark.parametrize(("error", "reason"), [(False, Reason.TRANSPORT_CLOSE), (True, Reason.TRANSPORT_ERROR)])
def test_a_websocket_that_is_lost(error: bool, reason: str, draining: bool) -> None:
    """WS-7, WS-9, WS-11, CL-10, CL-11: how it ended decides; a session that was closing keeps its reason."""
    driver = Driver()
    session, link = driver.websocket()
    driver.engine.send(session, "a")
    if draining:
        driver.engine.close(session, 0.0)
        driver.effects()
    driver.engine.connection_lost(link, error=error)
    assert driver.effects() == [Closed(session, Reason.SERVER_DISCONNECT if draining else reason)]
    assert (link.closing, link.channel, driver.frames(link)) == (None, Channel.ENDED, [])
    assert driver.engine.next_deadline() is None


@pytest.mark.parametrize("code", [None, *range(1000, 1016), 3000, 4999])
def test_the_close_code_of_a_websocket_that_is_lost(code: int | None) -> None:
    """CL-11: some say that it broke."""
    driver = Driver()
    session, link = driver.websocket()
    driver.engine.connection_lost(link, code=code)
    broke = code in {1002, 1003, 1007, 1009, 1010, 1011}
    assert driver.effects() == [Closed(session, Reason.TRANSPORT_ERROR if broke else Reason.TRANSPORT_CLOSE)]


@pytest.mark.parametrize(("frame", "code"), [("1", 1000), ("abc", 1002), ("x" * 101, 1009)])
def test_frames_that_end_a_draining_websocket(frame: str, code: int) -> None:
    """CL-6, CL-12: at once, and the reason stays the application's."""
    driver = Driver(max_http_buffer_size=100)
    session, link = driver.websocket()
    driver.engine.send(session, "a")
    driver.engine.close(session, 0.0)
    driver.effects()
    driver.engine.receive_frame(link, frame)
    assert driver.effects() == [Write(link), Closed(session, Reason.SERVER_DISCONNECT)]
    assert link.closing == code


def test_a_slow_consumer() -> None:
    """FD-8, H19: closed with TRANSPORT_ERROR by the send that finds the outbox full."""
    driver = Driver(max_buffered_bytes=100)
    session, link = driver.websocket()
    assert driver.engine.send(session, "x" * 1000) is link
    assert driver.engine.send(session, "y") is None
    assert driver.effects() == [Write(link), Closed(session, Reason.TRANSPORT_ERROR)]
    assert driver.frames(link) == []
    assert (link.closing, session.buffered, session.outbox) == (1000, 0, None)


# ---------------------------------------------------------------------------------------------------------------- inert


def everything(driver: Driver, session: Session, connections: list[Poll | Post | Link]) -> None:
    """Every method that an integration may still call."""
    engine = driver.engine
    engine.close(session, driver.now)
    with pytest.raises(SessionClosed):
        engine.send(session, "x")
    for connection in connections:
        if isinstance(connection, Link):
            for frame in ("4x", b"x", "1", "2", "2probe", "3", "5", "abc"):
                assert engine.receive_frame(connection, frame) is None
            assert engine.take_frames(connection) == []
            engine.connection_lost(connection, error=True)
            engine.begin_hangup(connection, driver.now)
            assert engine.take_frames(connection) == []
        elif isinstance(connection, Post):
            assert engine.receive_body(connection, b"4x\x1e1", driver.now) == []
            engine.receive_oversize(connection)
            engine.connection_lost(connection)
        else:
            engine.written(connection)
            engine.connection_lost(connection)
            engine.written(connection)
    engine.cut()
    engine.shutdown(driver.now, 5.0)
    engine.reopen()


def end_by_client(driver: Driver, session: Session) -> None:
    if session.link is not None and session.link.channel is Channel.CARRYING:
        driver.engine.receive_frame(session.link, "1")
    elif session.post is not None:
        driver.engine.receive_body(session.post, b"1", driver.now)
    else:
        driver.posted(b"1")


ENDS: dict[str, Callable[[Driver, Session], object]] = {
    "the application": lambda driver, session: driver.engine.close(session, driver.now),
    "the client": end_by_client,
    "the heartbeat": lambda driver, _: [driver.at(now) for now in (25.0, 45.0)],
    "an overflow": lambda driver, session: [driver.engine.send(session, "x" * 200) for _ in range(2)],
    "a shutdown": lambda driver, _: driver.engine.shutdown(driver.now, 0.0),
    "a cut": lambda driver, _: driver.engine.cut(),
}


@pytest.mark.parametrize("start", ["idle", "parked", "posting", "probing", "held", "websocket"])
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_closed_is_inert(start: str, end: Callable[[Driver, Session], object]) -> None:
    """CL-7, CL-14: closed once, and whatever comes later is a silent no-op: no effect, no deadline, no message."""
    driver = Driver(max_buffered_bytes=100, close_timeout=1.0)
    connections: list[Poll | Post | Link] = []
    if start == "websocket":
        session, link = driver.websocket()
        connections.append(link)
    else:
        session = driver.polling()
        if start in {"probing", "held"}:
            connections.append(driver.probed())
        if start in {"parked", "held"}:
            connections.append(driver.get())
        if start == "posting":
            connections.append(driver.post())
    end(driver, session)
    effects = driver.effects()
    if session.life is Life.CLOSING:
        effects += driver.at(driver.now + 1.0)
    if start == "posting" and not closed(effects):  # its body is still to come (HB-2)
        effects += driver.at(60.0)
    driver.effects()
    assert session.life is Life.CLOSED
    assert driver.engine.sessions == {}
    assert (session.poll, session.post, session.link, session.outbox, session.buffered) == (None, None, None, None, 0)
    assert all(connection.session is None for connection in connections)
    everything(driver, session, connections)
    everything(driver, session, connections)
    assert driver.effects() == []
    assert driver.engine.next_deadline() is None
    assert driver.at(1000.0) == []


@pytest.mark.parametrize("start", ["parked", "posting", "held", "websocket"])
def test_every_request_is_answered(start: str) -> None:
    """CL-17, HB-3: by the end of its session at the latest, and once."""
    driver = Driver()
    connection: Poll | Post | Link
    if start == "websocket":
        _, connection = driver.websocket()
    else:
        driver.polling()
        if start == "held":
            driver.probed()
        connection = driver.post() if start == "posting" else driver.get()
    driver.engine.cut()
    assert driver.effects().count(Write(connection)) == 1
    if isinstance(connection, Link):
        assert connection.closing == 1000 + 1
    else:
        assert connection.ready
        assert driver.engine.take_response(connection).body[:1] in {b"1", b"{"}
        with pytest.raises(LocalProtocolError):
            driver.engine.take_response(connection)


def test_an_upgraded_sessions_poll_is_its_own() -> None:
    """FD-12: a response that is being written when the upgrade comes still counts; losing it closes the session."""
    driver = Driver()
    session = driver.polling()
    poll = driver.get()
    driver.engine.send(session, "a")
    driver.engine.take_response(poll)
    link = driver.probed()
    driver.engine.receive_frame(link, "5")
    driver.effects()
    driver.engine.connection_lost(poll)
    assert driver.effects() == [Write(link), Closed(session, Reason.TRANSPORT_ERROR)]


def test_a_response_that_is_lost_after_the_close() -> None:
    """FD-12, CL-7: nobody is told twice."""
    driver = Driver()
    session = driver.polling()
    poll = driver.get()
    driver.engine.send(session, "a")
    driver.engine.take_response(poll)
    driver.engine.cut()
    assert driver.effects() == [Closed(session, Reason.SERVER_DISCONNECT)]
    driver.engine.connection_lost(poll)
    driver.engine.written(poll)
    assert driver.effects() == []


def test_messages_before_the_close() -> None:
    """CL-14: what one event brought is returned, and its close lies in the effects for afterwards."""
    driver = Driver()
    session = driver.polling()
    messages, _ = driver.posted(b"4a\x1e4b\x1e1\x1e4c")
    assert messages == ["a", "b"]
    assert closed(driver.effects()) == [Reason.CLIENT_DISCONNECT]
    assert session.reason == Reason.CLIENT_DISCONNECT


# ------------------------------------------------------------------------------------------------------------ wrong use


@pytest.mark.parametrize("first", ["accept", "reject"])
@pytest.mark.parametrize("second", ["accept", "reject"])
def test_a_handshake_is_decided_once(first: str, second: str) -> None:
    """CL-7: accepting or rejecting again is a mistake of ours."""
    driver = Driver()
    session = driver.opening()
    decide: dict[str, Callable[[], object]] = {
        "accept": lambda: driver.engine.accept(session, 0.0),
        "reject": lambda: driver.engine.reject(session),
    }
    decide[first]()
    with pytest.raises(LocalProtocolError, match="session s has been accepted or rejected before"):
        decide[second]()


def test_a_session_that_was_rejected_is_inert() -> None:
    """ER-10: nothing can be sent to it, nothing closes it again."""
    driver = Driver()
    session = driver.opening()
    driver.engine.send(session, "x")
    driver.engine.reject(session)
    assert (session.life, session.outbox) == (Life.CLOSED, None)
    driver.engine.close(session, 0.0)
    driver.engine.cut()
    with pytest.raises(SessionClosed):
        driver.engine.send(session, "x")
    assert driver.effects() == []


def test_internal_mistakes_are_loud() -> None:
    """What cannot happen is an AssertionError with a sentence, not a silence."""
    driver = Driver()
    session = driver.polling()
    poll = driver.get()
    poll.ready = True
    with pytest.raises(AssertionError, match="a poll was ready with nothing to write"):
        driver.engine.take_response(poll)
    session.route = session.route.PROBING
    with pytest.raises(AssertionError, match="a session that is probing has a link"):
        driver.request(f"{POLLING}&sid=s")
    expect(Refusal, driver.request("nothing"))


def test_a_response_that_nobody_reads() -> None:
    """CL-18, FD-12: once its session is over, its client has five seconds for the rest."""
    driver = Driver()
    session = driver.polling()
    poll = driver.get()
    driver.engine.send(session, "a")
    driver.engine.take_response(poll)
    driver.effects()
    driver.at(25.0)
    assert driver.at(45.0) == [Closed(session, Reason.PING_TIMEOUT)]
    driver.engine.begin_hangup(poll, 45.0)
    assert driver.at(49.9) == []
    assert driver.at(50.0) == [Abort(poll)]
    driver.engine.connection_lost(poll)
    assert driver.engine.next_deadline() is None


def test_a_response_that_is_read_in_the_end() -> None:
    """CL-18: nothing is dropped then."""
    driver = Driver()
    session = driver.polling()
    poll = driver.get()
    driver.engine.send(session, "a")
    driver.engine.take_response(poll)
    driver.at(25.0)
    driver.at(45.0)
    assert session.life is Life.CLOSED
    driver.engine.begin_hangup(poll, 45.0)
    driver.engine.written(poll)
    assert driver.engine.next_deadline() is None
