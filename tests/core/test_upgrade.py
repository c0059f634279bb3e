"""From polling to WebSocket without losing a packet."""

from __future__ import annotations

import pytest
from eio_core import Abort, Channel, Closed, Effect, Life, Link, Reason, Refusal, Route, Session, Upgraded, Write

from .helpers import POLLING, WEBSOCKET, Driver, expect, refused

ANYTHING_ELSE = [
    "4hello",
    "2",
    "2x",
    "1",
    "0",
    "3",
    "3probe",
    "6",
    "7",
    "",
    "abc",
    "bAQ==",
    b"x",
    b"",
    "x" * 300,
]


def is_dropped(driver: Driver, link: Link, session: Session, code: int = 1000) -> bool:
    """Whether this attempt is over, and nothing else."""
    return (
        link.closing == code
        and link.channel is Channel.ENDED
        and link.session is None
        and session.link is None
        and session.life is Life.OPEN
        and session.route is Route.POLLING
        and driver.frames(link) == []
    )


def test_the_whole_dance() -> None:
    """UP-1, UP-2, UP-4, UP-17, AP-12: as the official client does it; what was queued follows on the WebSocket."""
    driver = Driver()
    session = driver.polling()
    poll = driver.get()
    link = driver.dial()
    assert (link.channel, session.route, session.transport) == (Channel.UNPROBED, Route.POLLING, "polling")
    assert driver.engine.next_deadline() == 10.0
    assert driver.engine.receive_frame(link, "2probe") is None
    assert driver.effects() == [Write(poll)]
    assert driver.frames(link) == ["3probe"]
    assert driver.body(poll) == "6"
    assert (link.channel, session.route, session.transport) == (Channel.PROBED, Route.PROBING, "polling")
    assert driver.engine.send(session, "a") is None
    assert driver.frames(link) == []
    assert driver.engine.receive_frame(link, "5") is None
    assert driver.effects() == [Upgraded(session)]
    assert driver.frames(link) == ["4a"]  # and no stray noop
    assert (link.channel, session.route, session.transport) == (Channel.CARRYING, Route.WEBSOCKET, "websocket")
    assert driver.engine.receive_frame(link, "4b") == "b"
    assert driver.engine.send(session, "c") is link
    assert driver.engine.next_deadline() == 25.0


def test_without_any_get() -> None:
    """UP-18, UP-19: python's client probes at once; what follows the ``5`` in the same segment is a message."""
    driver = Driver()
    session = driver.polling()
    link = driver.dial()
    assert [driver.engine.receive_frame(link, frame) for frame in ("2probe", "5", "4a", "4b")] == [None, None, "a", "b"]
    assert driver.effects() == [Upgraded(session)]
    assert session.buffered == 70
    assert driver.frames(link) == ["3probe"]  # the answer is owed all the same
    assert (session.buffered, link.frames) == (0, None)


def test_messages_both_ways_while_upgrading() -> None:
    """UP-3, UP-4, PP-13, FD-5: none lost, none twice, in order, wherever they travel."""
    driver = Driver()
    session = driver.polling()
    poll = driver.get()
    received: list[str] = []
    delivered: list[str | bytes] = []

    def both(number: int) -> None:
        driver.engine.send(session, str(number))
        delivered.extend(driver.posted(f"4{number}".encode())[0])

    link = driver.dial()
    both(0)
    received += driver.body(poll).split("\x1e")
    poll = driver.get()
    driver.engine.receive_frame(link, "2probe")
    both(1)
    received += driver.body(poll).split("\x1e")
    both(2)
    poll = driver.get()
    both(3)
    driver.at(0.02)
    received += driver.body(poll).split("\x1e")
    both(4)
    driver.engine.receive_frame(link, "5")
    driver.engine.send(session, "5")
    delivered.append(driver.engine.receive_frame(link, "45") or "")
    assert driver.frames(link) == ["3probe", "44", "45"]
    assert received == ["40", "41", "6", "42", "43", "6"]
    assert delivered == [str(number) for number in range(6)]


# ------------------------------------------------------------------------------------------------------- GETs meanwhile


def test_before_the_probe_gets_park() -> None:
    """UP-2: an open WebSocket alone changes nothing."""
    driver = Driver()
    session = driver.polling()
    driver.dial()
    poll = driver.get()
    assert driver.at(9.0) == []
    assert driver.engine.send(session, "a") is poll
    assert driver.body(poll) == "4a"


def test_a_get_that_is_parked_at_the_probe() -> None:
    """UP-2: gets ``6`` at once, behind what is queued by then; one that is being written has it already."""
    driver = Driver()
    session = driver.polling()
    poll = driver.get()
    driver.engine.send(session, "a")
    link = driver.dial()
    driver.engine.receive_frame(link, "2probe")
    assert driver.effects() == []  # send() returned it
    assert driver.body(poll) == "4a"


def test_gets_are_held() -> None:
    """UP-2: the first 20 ms, later ones 100 ms, then ``6``; to the tick, and never a hot loop."""
    driver = Driver()
    driver.polling()
    link = driver.probed()
    now = 0.0
    for delay in (0.02, 0.1, 0.1, 0.1):
        poll = driver.get()
        assert not poll.ready
        assert driver.engine.next_deadline() == now + delay
        assert driver.at(now + delay * 0.999) == []
        now += delay
        assert driver.at(now) == [Write(poll)]
        assert driver.body(poll) == "6"
    assert driver.engine.receive_frame(link, "2probe") is None  # UP-7: no new first GET
    driver.get()
    assert driver.engine.next_deadline() == now + 0.1


def test_packets_do_not_end_a_hold() -> None:
    """UP-2, UP-3: messages and pings wait for its end, and come before the ``6``."""
    driver = Driver(ping_interval=1.0)
    session = driver.polling()
    driver.at(0.98)
    driver.probed()
    poll = driver.get()
    assert driver.engine.send(session, "a") is None
    assert driver.at(1.0) == [Write(poll)]
    assert driver.body(poll) == "2\x1e4a\x1e6"
    driver.engine.send(session, "b")
    poll = driver.get()
    assert not poll.ready
    assert driver.at(1.1) == [Write(poll)]
    assert driver.engine.send(session, "c") is None  # it is being written
    assert driver.body(poll) == "4b\x1e4c\x1e6"


def test_a_full_payload_needs_no_noop() -> None:
    """UP-2, PL-11: never more than max_packets_per_poll, the noop among them."""
    driver = Driver(max_packets_per_poll=2)
    session = driver.polling()
    driver.probed()
    for data in "abc":
        driver.engine.send(session, data)
    poll = driver.get()
    driver.at(0.02)
    assert driver.body(poll) == "4a\x1e4b"
    poll = driver.get()
    driver.at(0.15)
    assert driver.body(poll) == "4c\x1e6"


@pytest.mark.parametrize("ready", [False, True])
def test_a_get_that_is_held_at_the_upgrade(ready: bool) -> None:
    """UP-5, UP-2: 400 code 3; its packets go out on the WebSocket."""
    driver = Driver()
    session = driver.polling()
    link = driver.probed()
    poll = driver.get()
    driver.engine.send(session, "a")
    if ready:
        assert driver.at(0.02) == [Write(poll)]
    driver.engine.receive_frame(link, "5")
    assert driver.effects() == [Write(poll), Upgraded(session)]
    assert poll.ready
    assert refused(driver.engine.take_response(poll)) == (400, 3, "TRANSPORT_MISMATCH")
    assert driver.frames(link) == ["4a"]
    driver.engine.connection_lost(poll)  # no business of the session's any more
    assert driver.at(0.5) == []


def test_a_held_get_counts_as_pending() -> None:
    """UP-2, PG-3, PG-4: a second one is an overlap, a lost one closes; the WebSocket goes, too (UP-13)."""
    for lost in (False, True):
        driver = Driver()
        session = driver.polling()
        link = driver.probed()
        poll = driver.get()
        if lost:
            driver.engine.connection_lost(poll)
            assert driver.effects() == [Write(link), Closed(session, Reason.TRANSPORT_ERROR)]
        else:
            assert refused(driver.request(f"{POLLING}&sid=s")) == (400, 3, "OVERLAP")
            assert driver.effects() == [Write(poll), Write(link), Closed(session, Reason.TRANSPORT_ERROR)]
            assert driver.body(poll) == "1"
        assert link.closing == 1000
        assert driver.engine.next_deadline() is None


# ---------------------------------------------------------------------------------------------------- failed attempts


@pytest.mark.parametrize("frame", ANYTHING_ELSE, ids=lambda frame: ascii(frame)[:10])
@pytest.mark.parametrize("probed", [False, True])
def test_any_other_packet(frame: str | bytes, probed: bool) -> None:
    """UP-8, H16, WS-22: that WebSocket is closed, the session goes on, loses nothing, and may try again."""
    driver = Driver(max_http_buffer_size=200)
    session = driver.polling()
    link = driver.probed() if probed else driver.dial()
    driver.engine.send(session, "a")
    assert driver.engine.receive_frame(link, frame) is None
    assert driver.effects() == []
    assert is_dropped(driver, link, session, 1009 if len(frame) > 200 else 1000 if frame == "1" else 1002)
    assert driver.engine.next_deadline() == 25.0
    assert driver.body(driver.get()) == "4a"
    again = driver.probed()
    driver.engine.receive_frame(again, "5")
    assert session.route is Route.WEBSOCKET


def test_an_upgrade_without_a_probe() -> None:
    """UP-6, WS-22: refused; the session stays on polling."""
    driver = Driver()
    session = driver.polling()
    link = driver.dial()
    driver.engine.receive_frame(link, "5")
    assert driver.effects() == []
    assert is_dropped(driver, link, session, 1002)


@pytest.mark.parametrize("error", [False, True])
@pytest.mark.parametrize("probed", [False, True])
def test_a_websocket_that_is_lost(error: bool, probed: bool) -> None:
    """UP-11: the session stays on polling; there is nothing left to close or to abort."""
    driver = Driver()
    session = driver.polling()
    link = driver.probed() if probed else driver.dial()
    driver.engine.connection_lost(link, error=error)
    assert link.closing is None
    assert (link.channel, session.link, session.route) == (Channel.ENDED, None, Route.POLLING)
    assert driver.effects() == []
    assert driver.at(11.0) == []
    driver.probed()


@pytest.mark.parametrize("probed", [False, True])
def test_the_upgrade_timeout(probed: bool) -> None:
    """UP-12, UP-7, H16: counted from the accepted WebSocket, to the tick; another probe does not move it."""
    driver = Driver(upgrade_timeout=7.0)
    session = driver.polling()
    driver.at(1.0)
    link = driver.dial()
    driver.at(3.0)
    if probed:
        for _ in range(3):
            driver.engine.receive_frame(link, "2probe")
        assert driver.frames(link) == ["3probe"] * 3
    assert driver.at(7.999) == []
    assert driver.at(8.0) == [Write(link)]
    assert is_dropped(driver, link, session)
    driver.engine.begin_hangup(link, 8.0)
    assert driver.at(13.0) == [Abort(link)]


@pytest.mark.parametrize("queued", [False, True])
@pytest.mark.parametrize("how", ["packet", "lost", "timeout"])
def test_a_held_get_when_the_attempt_fails(how: str, queued: bool) -> None:
    """UP-8, UP-11, UP-12: it parks as ever, and is answered if packets waited for its end."""
    driver = Driver(upgrade_timeout=0.01)
    session = driver.polling()
    link = driver.probed()
    poll = driver.get()
    if queued:
        driver.engine.send(session, "a")
    effects: list[Effect] = [Write(poll)] if queued else []
    if how == "packet":
        driver.engine.receive_frame(link, "6")
    elif how == "lost":
        driver.engine.connection_lost(link)
    else:
        driver.now = 0.01
        driver.engine.expire(0.01)
        effects.append(Write(link))
    assert driver.effects() == effects
    assert poll.ready is queued
    assert driver.at(24.0) == []  # the hold is over, too
    if not queued:
        assert driver.engine.send(session, "a") is poll
    assert driver.body(poll) == "4a"


@pytest.mark.parametrize(("messages", "body"), [("", "6"), ("a", "4a\x1e6")])
def test_a_get_past_its_hold_when_the_attempt_fails(messages: str, body: str) -> None:
    """UP-2, UP-8: it was promised a noop, and its writer was told once."""
    driver = Driver()
    session = driver.polling()
    link = driver.probed()
    poll = driver.get()
    for text in messages:
        driver.engine.send(session, text)
    assert driver.at(0.02) == [Write(poll)]
    driver.engine.receive_frame(link, "6")
    assert driver.effects() == []
    assert driver.body(poll) == body


def test_a_client_that_probes_and_does_not_read() -> None:
    """UP-7, H16, H20: every probe is answered; but the answers that wait are bounded."""
    driver = Driver()
    session = driver.polling()
    link = driver.dial()
    for _ in range(16):
        driver.engine.receive_frame(link, "2probe")
    assert driver.frames(link) == ["3probe"] * 16
    for _ in range(17):
        assert link.channel is Channel.PROBED
        driver.engine.receive_frame(link, "2probe")
    assert is_dropped(driver, link, session)


# -------------------------------------------------------------------------------------------------------- two at once


@pytest.mark.parametrize("probed", [False, True])
def test_a_second_websocket_while_upgrading(probed: bool) -> None:
    """UP-9, WS-17, H17: 101, then closed at once; the first attempt goes on."""
    driver = Driver()
    session = driver.polling()
    first = driver.probed() if probed else driver.dial()
    second = driver.dial()
    assert (second.channel, second.closing, second.session) == (Channel.ENDED, 1000, None)
    assert driver.frames(second) == []
    for frame in ("2probe", "5", "4x", b"x"):
        assert driver.engine.receive_frame(second, frame) is None
    driver.engine.connection_lost(second)
    driver.engine.receive_frame(first, "2probe")
    driver.engine.receive_frame(first, "5")
    assert driver.effects() == [Upgraded(session)]


def test_a_second_websocket_after_the_upgrade() -> None:
    """UP-10, WS-17, H17: the same, also for a session that began on a WebSocket."""
    for start in ("upgraded", "websocket"):
        driver = Driver()
        session, link = getattr(driver, start)()
        second = driver.dial()
        assert (second.channel, second.closing) == (Channel.ENDED, 1000)
        driver.engine.connection_lost(second, error=True)
        assert driver.effects() == []
        assert driver.engine.send(session, "x") is link


def test_a_websocket_that_was_accepted_too_late() -> None:
    """UP-1: the session closed between the check and the 101."""
    driver = Driver()
    session = driver.polling()
    upgrade = driver.request(f"{WEBSOCKET}&sid=s", websocket=True)
    driver.engine.close(session, 0.0)
    driver.body(driver.get())
    link = driver.engine.open_link(upgrade, 0.0)  # type: ignore[arg-type]
    assert (link.channel, link.closing, link.session) == (Channel.ENDED, 1000, None)
    assert driver.engine.next_deadline() is None


# -------------------------------------------------------------------------------------------------------------- closing


@pytest.mark.parametrize("probed", [False, True])
def test_the_session_closes_while_upgrading(probed: bool) -> None:
    """UP-13: the WebSocket is closed, too."""
    driver = Driver()
    session = driver.polling()
    link = driver.probed() if probed else driver.dial()
    driver.posted(b"1")
    effects = driver.effects()
    assert Write(link) in effects
    assert effects[-1] == Closed(session, Reason.CLIENT_DISCONNECT)
    assert (link.channel, link.closing) == (Channel.ENDED, 1000)
    assert driver.engine.next_deadline() is None


def test_close_while_upgrading() -> None:
    """UP-14: what is buffered is flushed on the WebSocket once the ``5`` came, then it is closed."""
    driver = Driver()
    session = driver.polling()
    link = driver.probed()
    driver.engine.send(session, "a")
    driver.engine.close(session, 0.0)
    assert driver.effects() == []
    driver.engine.receive_frame(link, "5")
    assert driver.effects() == [Upgraded(session)]
    assert link.channel is Channel.DRAINING
    assert driver.engine.receive_frame(link, "4x") is None
    assert driver.frames(link) == ["4a"]
    assert driver.effects() == [Write(link), Closed(session, Reason.SERVER_DISCONNECT)]
    assert link.closing == 1000


def test_close_while_upgrading_with_nothing_buffered() -> None:
    """UP-14, CL-4: without a GET it waits for whichever comes first, here the ``5``."""
    driver = Driver()
    session = driver.polling()
    link = driver.probed()
    driver.engine.close(session, 0.0)
    assert driver.effects() == []
    driver.engine.receive_frame(link, "5")
    assert driver.frames(link) == []
    assert driver.effects() == [Upgraded(session), Write(link), Closed(session, Reason.SERVER_DISCONNECT)]


def test_a_get_of_a_closing_session_is_not_held() -> None:
    """PG-11, CL-5: it is answered at once, and ends the session."""
    driver = Driver()
    session = driver.polling()
    link = driver.probed()
    driver.engine.send(session, "a")
    driver.engine.close(session, 0.0)
    assert driver.body(driver.get()) == "4a\x1e1"
    assert driver.effects() == [Write(link), Closed(session, Reason.SERVER_DISCONNECT)]
    assert link.closing == 1000


@pytest.mark.parametrize(
    ("messages", "bodies"),
    [("", ["1"]), ("a", ["4a\x1e1"]), ("abc", ["4a\x1e4b", "4c\x1e1"]), ("ab", ["4a\x1e4b", "1"])],
)
def test_close_with_a_held_get(messages: str, bodies: list[str]) -> None:
    """CL-3, CL-5, UP-13: a held GET is as good as any, and its hold is over."""
    driver = Driver(max_packets_per_poll=2)
    session = driver.polling()
    link = driver.probed()
    poll = driver.get()
    for text in messages:
        driver.engine.send(session, text)
    driver.engine.close(session, 0.0)
    assert Write(poll) in driver.effects()
    assert driver.body(poll) == bodies[0]
    assert driver.at(1.0) == ([Write(link), Closed(session, Reason.SERVER_DISCONNECT)] if messages == "a" else [])
    assert [driver.body(driver.get()) for _ in bodies[1:]] == bodies[1:]
    assert link.closing == 1000
    assert session.life is Life.CLOSED
    assert driver.engine.next_deadline() is None


def test_an_attempt_that_fails_while_closing() -> None:
    """UP-8, CL-4: the session waits for its next GET as before."""
    driver = Driver()
    session = driver.polling()
    link = driver.dial()
    driver.engine.close(session, 0.0)
    driver.engine.receive_frame(link, "6")
    assert (link.closing, session.life) == (1002, Life.CLOSING)
    assert driver.body(driver.get()) == "1"


# ------------------------------------------------------------------------------------------------------- the heartbeat


def test_the_heartbeat_goes_on_across_the_upgrade() -> None:
    """UP-15: an upgrade cancels no deadline; a ping that nobody fetched goes out on the WebSocket."""
    driver = Driver()
    session = driver.polling()
    driver.at(25.0)
    link = driver.probed()
    driver.engine.receive_frame(link, "5")
    assert driver.frames(link) == ["2"]
    assert driver.effects() == [Upgraded(session)]
    assert driver.at(44.9) == []
    assert driver.at(45.0) == [Write(link), Closed(session, Reason.PING_TIMEOUT)]


def test_a_pong_by_post_counts_while_probing() -> None:
    """UP-15, PP-13: polling is the transport until the ``5``."""
    driver = Driver()
    session = driver.polling()
    driver.at(25.0)
    driver.probed()
    assert driver.posted(b"3")[0] == []
    assert not session.awaiting_pong


def test_upgrades_that_are_refused() -> None:
    """HS-22, H8: a refusal before the 101 leaves the session alone."""
    driver = Driver()
    session = driver.polling()
    expect(Refusal, driver.request("transport=websocket&sid=s&EIO=3", websocket=True))
    assert session.link is None
    driver.probed()
