"""The server goes away: refuse, tell, drain, cut."""

from __future__ import annotations

import pytest
from eio_core import Closed, Handshake, Life, Link, Poll, Reason, Refusal, Upgrade, Write

from .helpers import POLLING, WEBSOCKET, Driver, expect, refused

GONE = Reason.SERVER_DISCONNECT


def test_a_parked_get() -> None:
    """SD-1, H28: gets ``1`` at once."""
    driver = Driver()
    session = driver.polling()
    poll = driver.get()
    driver.engine.shutdown(0.0, 5.0)
    assert driver.effects() == [Write(poll), Closed(session, GONE)]
    assert driver.body(poll) == "1"
    assert driver.engine.next_deadline() is None


def test_an_idle_session_on_polling() -> None:
    """SD-1: nobody is there to be told, nothing is unsent: dropped at once."""
    driver = Driver()
    session = driver.polling()
    driver.engine.shutdown(0.0, 5.0)
    assert driver.effects() == [Closed(session, GONE)]


@pytest.mark.parametrize("more", [False, True])
def test_a_response_that_is_being_written(more: bool) -> None:
    """SD-1: a session on polling ends when the last of its outbox is written, not at the time limit."""
    driver = Driver(max_packets_per_poll=1)
    session = driver.polling()
    poll = driver.get()
    driver.engine.send(session, "a")
    if more:
        driver.engine.send(session, "b")
    driver.engine.take_response(poll)
    driver.engine.shutdown(0.0, 5.0)
    assert driver.effects() == []
    driver.engine.written(poll)
    assert driver.effects() == ([] if more else [Closed(session, GONE)])


def test_a_websocket() -> None:
    """SD-1, WS-22: 1001."""
    driver = Driver()
    session, link = driver.websocket()
    driver.engine.shutdown(0.0, 5.0)
    assert driver.effects() == [Write(link), Closed(session, GONE)]
    assert link.closing == 1001


@pytest.mark.parametrize("probed", [False, True])
def test_an_upgrade_on_its_way(probed: bool) -> None:
    """SD-1, UP-13, H28: its WebSocket gets 1001, too."""
    driver = Driver()
    session = driver.polling()
    link = driver.probed() if probed else driver.dial()
    driver.engine.shutdown(0.0, 5.0)
    assert driver.effects() == [Write(link), Closed(session, GONE)]
    assert link.closing == 1001


def test_unsent_data_on_polling() -> None:
    """SD-1, FD-7: it may be fetched until the time is up; the WebSocket of an upgrade ends with 1001 all the same."""
    driver = Driver()
    session = driver.polling()
    link = driver.probed()
    driver.engine.send(session, "a")
    driver.engine.shutdown(0.0, 5.0)
    assert driver.effects() == []
    assert driver.body(driver.get()) == "4a\x1e1"
    assert driver.effects() == [Write(link), Closed(session, GONE)]
    assert link.closing == 1001


@pytest.mark.parametrize("taken", [False, True])
def test_unsent_data_on_a_websocket(taken: bool) -> None:
    """SD-1: written, then 1001."""
    driver = Driver()
    session, link = driver.websocket()
    driver.engine.send(session, "a")
    if taken:
        assert driver.engine.take_frames(link) == ["4a"]
    driver.engine.shutdown(0.0, 5.0)
    assert driver.effects() == [Write(link)]
    assert link.closing is None
    assert driver.frames(link) == ([] if taken else ["4a"])
    assert driver.effects() == [Write(link), Closed(session, GONE)]
    assert link.closing == 1001


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_unsent_data_that_nobody_takes(transport: str) -> None:
    """SD-1, FD-7: dropped when the time is up, to the tick, whatever close_timeout is."""
    driver = Driver()
    session = driver.polling() if transport == "polling" else driver.websocket()[0]
    link = session.link
    driver.engine.send(session, "a")
    driver.engine.shutdown(0.0, 5.0)
    driver.effects()
    assert driver.at(4.999) == []
    writes = [] if link is None else [Write(link)]
    assert driver.at(5.0) == [*writes, Closed(session, GONE)]
    if link is not None:
        assert link.closing == 1001


def test_a_second_shutdown_gains_no_time() -> None:
    """SD-1: a signal and the framework's own stop both call for it; the first limit holds, or an earlier one."""
    driver = Driver()
    session = driver.polling()
    driver.engine.send(session, "a")
    driver.engine.shutdown(1.0, 5.0)
    assert driver.engine.next_deadline() == 6.0
    driver.engine.shutdown(4.0, 5.0)
    assert driver.engine.next_deadline() == 6.0
    driver.engine.shutdown(4.0, 1.0)
    assert driver.at(5.0) == [Closed(session, GONE)]


def test_a_session_that_was_closing() -> None:
    """SD-1: one that has nothing unsent ends at once, one that has, with the shutdown's time."""
    driver = Driver()
    idle, busy = driver.polling("idle"), driver.polling("busy")
    driver.engine.send(busy, "a")
    for session in (idle, busy):
        driver.engine.close(session, 0.0)
    driver.engine.shutdown(1.0, 5.0)
    assert driver.effects() == [Closed(idle, GONE)]
    assert driver.at(5.999) == []
    assert driver.at(6.0) == [Closed(busy, GONE)]


def test_a_body_that_is_being_read() -> None:
    """SD-1, CL-17: 400."""
    driver = Driver()
    session = driver.polling()
    post = driver.post()
    driver.engine.shutdown(0.0, 5.0)
    assert driver.effects() == [Write(post), Closed(session, GONE)]
    assert refused(driver.engine.take_response(post)) == (400, 3, "SESSION_CLOSED")


def test_requests_afterwards() -> None:
    """SD-2: new handshakes 503, known ids 400 code 1; a preflight is still answered."""
    driver = Driver()
    driver.polling()
    driver.engine.shutdown(0.0, 5.0)
    for query, websocket in ((POLLING, False), (WEBSOCKET, True)):
        refusal = expect(Refusal, driver.request(query, websocket=websocket))
        assert (refusal.status, refusal.body) == (503, b'{"code":3,"message":"Server is shutting down"}')
        assert refusal.context == {"name": "SHUTTING_DOWN"}
    assert refused(driver.request(f"{POLLING}&sid=s"))[:2] == (400, 1)
    assert refused(driver.request(f"{POLLING}&sid=s", "POST"))[:2] == (400, 1)
    assert refused(driver.request(f"{WEBSOCKET}&sid=s", websocket=True))[:2] == (400, 1)


def test_a_handshake_whose_id_is_being_made() -> None:
    """SD-1, SD-2, HS-4: the shutdown came while generate_id() was awaited: 503, and no session."""
    driver = Driver()
    handshake = expect(Handshake, driver.request(POLLING))
    driver.engine.shutdown(0.0, 5.0)
    refusal = expect(Refusal, driver.engine.open(handshake, "s"))
    assert (refusal.status, refusal.message) == (503, "Server is shutting down")
    assert driver.engine.opening == {}


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_handshake_that_is_being_decided(transport: str) -> None:
    """SD-1, CL-16: accepted, it is answered and over: open packet, then ``1`` or 1001."""
    driver = Driver()
    session = driver.opening(transport)
    driver.engine.shutdown(0.0, 5.0)
    assert (driver.effects(), session.life) == ([], Life.CLOSING)
    connection = driver.engine.accept(session, 1.0)
    assert driver.engine.next_deadline() == 5.0  # not close_timeout
    if isinstance(connection, Poll):
        assert driver.body(connection).endswith("}\x1e1")
        assert driver.effects() == [Closed(session, GONE)]
    else:
        link = expect(Link, connection)
        assert len(driver.frames(link)) == 1
        assert driver.effects() == [Write(link), Write(link), Closed(session, GONE)]
        assert link.closing == 1001
    assert driver.engine.next_deadline() is None


def test_a_handshake_that_is_decided_too_late() -> None:
    """SD-1, H21: after the time, and after the cut: the application learns of an end for each one it accepted."""
    driver = Driver()
    late, cut, rejected = (driver.opening(sid=sid) for sid in ("late", "cut", "rejected"))
    driver.engine.shutdown(0.0, 5.0)
    driver.body(expect(Poll, driver.engine.accept(late, 7.0)))
    assert driver.effects() == [Closed(late, GONE)]
    driver.engine.cut()
    assert driver.effects() == []
    assert refused(driver.engine.accept(cut, 8.0)) == (503, 3, "SHUTTING_DOWN")
    assert driver.effects() == [Closed(cut, GONE)]
    assert driver.engine.reject(rejected).status == 401
    assert driver.effects() == []
    assert driver.engine.opening == driver.engine.sessions == {}


def test_cut() -> None:
    """SD-1: whatever is left ends now, with ``1`` or 1001."""
    driver = Driver()
    polling, (websocket, link) = driver.polling("p"), driver.websocket("w")
    poll = driver.get("p")
    driver.engine.send(websocket, "a")
    driver.engine.cut()
    assert driver.effects() == [Write(poll), Closed(polling, GONE), Write(link), Closed(websocket, GONE)]
    assert driver.body(poll) == "1"
    assert driver.frames(link) == []
    assert link.closing == 1001


def test_twice_and_empty() -> None:
    """SD-1, SD-3: idempotent, and safe on a server without sessions."""
    driver = Driver()
    for _ in range(2):
        driver.engine.shutdown(0.0, 5.0)
        driver.engine.cut()
    assert driver.effects() == []


def test_reopened() -> None:
    """SD-4: handshakes are accepted again."""
    driver = Driver()
    driver.engine.shutdown(0.0, 5.0)
    driver.engine.reopen()
    session = driver.polling()
    assert session.life is Life.OPEN
    expect(Upgrade, driver.request(f"{WEBSOCKET}&sid=s", websocket=True))


def test_many_clients() -> None:
    """SD-1, H28: a hundred of each kind, each told once."""
    driver = Driver()
    polls, links = [], []
    for number in range(100):
        driver.polling(f"p{number}")
        polls.append(driver.get(f"p{number}"))
        links.append(driver.websocket(f"w{number}")[1])
        driver.polling(f"u{number}")
        links.append(driver.probed(f"u{number}"))
    driver.engine.shutdown(0.0, 5.0)
    effects = driver.effects()
    assert len([effect for effect in effects if isinstance(effect, Closed)]) == 300
    assert [effects.count(Write(poll)) for poll in polls] == [1] * 100
    assert [effects.count(Write(link)) for link in links] == [1] * 200
    assert {link.closing for link in links} == {1001}
    assert {driver.body(poll) for poll in polls} == {"1"}
