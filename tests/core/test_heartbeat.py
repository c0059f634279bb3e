"""The server pings, the client answers; every deadline to the tick."""

from __future__ import annotations

import subprocess
import sys

import pytest
from eio_core import Closed, Drained, Life, Link, Poll, Reason, Session, Write

from .helpers import Driver, expect


def alive(driver: Driver, session: Session, *instants: float) -> None:
    """Nothing happens at these instants but perhaps writes."""
    for now in instants:
        assert not [effect for effect in driver.at(now) if not isinstance(effect, Write)], now
        assert session.life is Life.OPEN


def test_the_first_ping_on_polling() -> None:
    """HB-1: ping_interval after the handshake; a parked GET is answered with it."""
    driver = Driver()
    driver.at(100.0)
    driver.polling()
    poll = driver.get()
    assert driver.engine.next_deadline() == 125.0
    assert driver.at(124.999) == []
    assert driver.at(125.0) == [Write(poll)]
    assert driver.body(poll) == "2"


def test_the_first_ping_on_a_websocket() -> None:
    """HB-1."""
    driver = Driver()
    session, link = driver.websocket()
    assert driver.at(24.999) == []
    assert driver.at(25.0) == [Write(link)]
    assert driver.frames(link) == ["2"]
    assert session.awaiting_pong


@pytest.mark.parametrize("delay", [0.0, 5.0, 19.9])
def test_a_fixed_rate(delay: float) -> None:
    """HB-1, HB-15: every ping_interval from the previous ping, whenever its pong arrived."""
    driver = Driver()
    _, link = driver.websocket()
    for number in range(1, 20):
        assert driver.at(25.0 * number) == [Write(link)]
        assert driver.frames(link) == ["2"]
        assert driver.at(25.0 * number + delay) == []
        driver.engine.receive_frame(link, "3")


def test_a_late_timer_does_not_shift_the_rate() -> None:
    """HB-1: counted from the scheduled ping, not from when it was noticed; a pong has its whole time all the same."""
    driver = Driver()
    session, link = driver.websocket()
    driver.at(25.5)
    assert driver.frames(link) == ["2"]
    alive(driver, session, 45.4)
    driver.engine.receive_frame(link, "3")
    assert driver.engine.next_deadline() == 45.5
    alive(driver, session, 45.5, 49.999)
    assert driver.at(50.0) == [Write(link)]


def test_a_round_is_skipped_while_a_pong_is_awaited() -> None:
    """HB-1: one ping at a time; the rate is kept."""
    driver = Driver(ping_interval=10.0, ping_timeout=35.0)
    session, link = driver.websocket()
    assert driver.at(10.0) == [Write(link)]
    assert driver.at(20.0) == driver.at(30.0) == []
    assert driver.frames(link) == ["2"]
    driver.engine.receive_frame(link, "3")
    assert driver.at(40.0) == [Write(link)]
    assert driver.frames(link) == ["2"]
    alive(driver, session, 45.0, 74.9)
    assert driver.at(75.0) == [Write(link), Closed(session, Reason.PING_TIMEOUT)]


# ------------------------------------------------------------------------------------------------------- missing pongs


def test_a_missing_pong_on_polling() -> None:
    """HB-2, HB-3, HB-4, CL-13: ping_timeout from the ping; a parked GET gets ``1``."""
    driver = Driver()
    session = driver.polling()
    poll = driver.get()
    driver.at(25.0)
    assert driver.body(poll) == "2"
    poll = driver.get()
    assert driver.at(44.999) == []
    assert driver.at(45.0) == [Write(poll), Closed(session, Reason.PING_TIMEOUT)]
    assert driver.body(poll) == "1"
    assert driver.engine.next_deadline() is None


def test_a_missing_pong_without_any_get() -> None:
    """HB-2, H25: from the moment at which the ping was queued, even if nobody fetched it."""
    driver = Driver(ping_interval=0.1, ping_timeout=0.1)
    session = driver.polling()
    alive(driver, session, 0.1, 0.1999)
    assert driver.at(0.2) == [Closed(session, Reason.PING_TIMEOUT)]


def test_a_missing_pong_on_a_websocket() -> None:
    """HB-2, HB-3, HB-4, H25: a close frame, and five seconds later no connection."""
    driver = Driver()
    session, link = driver.websocket()
    driver.at(25.0)
    assert driver.at(44.999) == []
    assert driver.at(45.0) == [Write(link), Closed(session, Reason.PING_TIMEOUT)]
    assert link.closing == 1000


def test_many_silent_clients() -> None:
    """H25: each at its own time, none earlier, none later."""
    driver = Driver()
    due = {}
    for number in range(500):
        driver.at(number / 16)
        due[driver.polling(str(number))] = number / 16 + 45.0
    closed = {}
    for tick in range(500, 16 * 80):
        for effect in driver.at(tick / 16):
            assert isinstance(effect, Closed)
            closed[effect.session] = tick / 16
            assert effect.reason == Reason.PING_TIMEOUT
    assert closed == due


@pytest.mark.parametrize("pong", ["3", "3probe", "3x"])
def test_a_pong_by_websocket(pong: str) -> None:
    """HB-6: its data are ignored."""
    driver = Driver()
    session, link = driver.websocket()
    alive(driver, session, 25.0)
    driver.engine.receive_frame(link, pong)
    alive(driver, session, 45.0, 50.0, 69.9)


def test_a_pong_by_post() -> None:
    """HB-6: the same on polling."""
    driver = Driver()
    session = driver.polling()
    alive(driver, session, 25.0)
    assert driver.posted(b"3x")[0] == []
    alive(driver, session, 45.0, 50.0, 69.9)


def test_unsolicited_pongs() -> None:
    """HB-7, H20: no effect: the next ping comes when it comes, and needs a pong of its own; nothing is set up."""
    driver = Driver()
    session, link = driver.websocket()
    before = len(driver.engine.deadlines)
    for _ in range(10_000):
        driver.engine.receive_frame(link, "3")
    assert len(driver.engine.deadlines) == before
    assert driver.at(25.0) == [Write(link)]
    assert driver.at(45.0) == [Write(link), Closed(session, Reason.PING_TIMEOUT)]


# ------------------------------------------------------------------------------------------------ reasons for patience


@pytest.mark.parametrize("frame", ["4x", "4é", b"x", "0", "5", "6", "bAQ=="])
def test_a_client_that_talks_but_never_pongs(frame: str | bytes) -> None:
    """HB-5: another packet while a pong is awaited extends it by ping_timeout, once for each ping."""
    driver = Driver()
    session, link = driver.websocket()
    driver.engine.receive_frame(link, frame)  # before the ping: counts for nothing
    alive(driver, session, 25.0, 30.0)
    driver.engine.receive_frame(link, frame)
    alive(driver, session, 45.0)
    driver.engine.receive_frame(link, frame)
    alive(driver, session, 64.999)
    assert driver.at(65.0) == [Write(link), Closed(session, Reason.PING_TIMEOUT)]


@pytest.mark.parametrize("body", [b"4x", b"0", b"6", b"4x\x1e4y"])
def test_a_client_that_posts_but_never_pongs(body: bytes) -> None:
    """HB-5: the same on polling."""
    driver = Driver()
    session = driver.polling()
    driver.posted(body)
    alive(driver, session, 25.0, 30.0)
    driver.posted(body)
    alive(driver, session, 45.0)
    driver.posted(body)
    alive(driver, session, 64.999)
    assert driver.at(65.0) == [Closed(session, Reason.PING_TIMEOUT)]


def test_the_extension_is_per_ping() -> None:
    """HB-5: a pong in the end, and the next ping starts anew; what was said before it does not count for it."""
    driver = Driver(ping_interval=25.0, ping_timeout=20.0)
    session, link = driver.websocket()
    for start in (25.0, 75.0, 125.0):
        alive(driver, session, start)
        driver.engine.receive_frame(link, "4x")
        alive(driver, session, start + 20.0, start + 25.0, start + 39.0)
        driver.engine.receive_frame(link, "3")
    alive(driver, session, 175.0, 194.9)
    assert driver.at(195.0)[-1] == Closed(session, Reason.PING_TIMEOUT)


def test_packets_on_an_upgrade_do_not_count() -> None:
    """HB-5, UP-8: a WebSocket that does not carry the session says nothing about it."""
    driver = Driver()
    session = driver.polling()
    driver.at(25.0)
    link = driver.probed()
    driver.engine.receive_frame(link, "2probe")
    driver.engine.receive_frame(link, "4x")
    assert driver.at(45.0) == [Closed(session, Reason.PING_TIMEOUT)]


def test_a_reader_that_waits_for_the_application() -> None:
    """HB-2, H20: a pong that we could not have read is not missing; read on, and it counts again."""
    driver = Driver()
    session, link = driver.websocket()
    driver.at(25.0)
    session.paused = True
    alive(driver, session, 45.0, 65.0, 85.0, 90.0)
    session.paused = False
    alive(driver, session, 104.999)
    assert driver.at(105.0) == [Write(link), Closed(session, Reason.PING_TIMEOUT)]


def test_a_body_that_is_being_received() -> None:
    """HB-2: the same while a POST is read, which has a deadline of its own."""
    driver = Driver()
    session = driver.polling()
    alive(driver, session, 25.0, 30.0)
    post = driver.post()
    alive(driver, session, 45.0, 64.0)
    assert driver.engine.receive_body(post, b"3", 64.0) == []
    alive(driver, session, 65.0)
    assert not session.awaiting_pong


def test_a_body_that_brings_no_pong() -> None:
    """HB-2, HB-5: then its packets count as any."""
    driver = Driver()
    session = driver.polling()
    alive(driver, session, 25.0, 44.0)
    post = driver.post()
    alive(driver, session, 45.0)
    driver.engine.receive_body(post, b"4x", 45.0)
    driver.engine.take_response(post)
    alive(driver, session, 64.9, 65.0, 84.9)
    assert driver.at(85.0) == [Closed(session, Reason.PING_TIMEOUT)]


def behind(driver: Driver) -> tuple[Session, Link]:
    """A session on WebSocket that was pinged, is not read, and has a megabyte waiting."""
    session, link = driver.websocket()
    driver.at(25.0)
    driver.frames(link)
    for _ in range(10):
        driver.engine.send(session, bytes(100_000))
    session.paused = True
    return session, link


@pytest.mark.parametrize("taken", [0, 1])
def test_a_reader_that_waits_for_a_client_that_takes_nothing(taken: int) -> None:
    """HB-2, H19: a handler that awaits ``drain()`` may keep us from reading, but not a deaf client alive for ever."""
    driver = Driver()
    session, link = behind(driver)
    for _ in range(taken):
        driver.engine.take_frames(link)
    alive(driver, session, 45.0, 64.999)
    assert driver.at(65.0) == [Write(link), Closed(session, Reason.PING_TIMEOUT)]


def test_a_reader_that_waits_for_a_client_that_is_slow() -> None:
    """HB-2, HB-9: one batch from one deadline to the next is enough."""
    driver = Driver()
    session, link = behind(driver)
    driver.engine.take_frames(link)
    for now in (45.0, 65.0, 85.0, 105.0, 125.0):
        alive(driver, session, now, now + 19.999)
        assert driver.engine.take_frames(link)
    driver.frames(link)
    driver.effects()
    alive(driver, session, 145.0, 165.0, 185.0, 205.0)


def test_a_post_that_waits_for_a_client_that_takes_nothing() -> None:
    """HB-2, HB-5, H19: the same on polling, where the ``ok`` of a POST waits for handlers and no GET comes."""
    driver = Driver()
    session = driver.polling()
    alive(driver, session, 25.0)
    post = driver.post()
    driver.engine.receive_body(post, b"4x", 25.0)
    driver.engine.send(session, bytes(300_000))
    alive(driver, session, 45.0, 65.0, 84.999)
    assert driver.at(85.0) == [Write(post), Closed(session, Reason.PING_TIMEOUT)]


# -------------------------------------------------------------------------------------------------------------- stalls


@pytest.mark.parametrize(
    ("timeout", "late", "grace"),
    [
        (20.0, 1.0, None),  # not later than a second: the client's fault
        (20.0, 1.001, 5.0),
        (20.0, 60.0, 5.0),
        (20.0, 3600.0, 5.0),
        (3.0, 60.0, 3.0),
        (1.0, 0.5, None),
        (1.0, 0.501, 1.0),
        (0.1, 0.06, 0.1),
    ],
)
def test_a_loop_that_stalled(timeout: float, late: float, grace: float | None) -> None:
    """H27: later than min(1 s, ping_timeout / 2) the deadline moves once, to now + min(ping_timeout, 5 s)."""
    driver = Driver(ping_timeout=timeout)
    session, link = driver.websocket()
    alive(driver, session, 25.0)
    driver.frames(link)
    now = 25.0 + timeout + late
    effects = driver.at(now)
    if grace is None:
        assert effects == [Write(link), Closed(session, Reason.PING_TIMEOUT)]
        return
    assert effects == []
    alive(driver, session, now + grace * 0.99)
    assert driver.at(now + grace) == [Write(link), Closed(session, Reason.PING_TIMEOUT)]


def test_a_pong_that_waited_in_the_kernel() -> None:
    """H27: it is read in the time of grace, and the rate goes on from now."""
    driver = Driver()
    session, link = driver.websocket()
    alive(driver, session, 25.0, 105.0)
    assert driver.frames(link) == ["2"]
    driver.engine.receive_frame(link, "3")
    assert driver.at(130.0) == [Write(link)]


def test_grace_is_given_once() -> None:
    """H27: a loop that stalls again and again does not keep the dead; the next ping starts anew."""
    driver = Driver()
    session, link = driver.websocket()
    alive(driver, session, 25.0, 60.0)
    assert driver.at(120.0) == [Write(link), Closed(session, Reason.PING_TIMEOUT)]

    session, link = driver.websocket("t")
    alive(driver, session, 145.0, 180.0)
    driver.engine.receive_frame(link, "3")
    alive(driver, session, 205.0, 240.0, 244.9)


def test_a_ping_that_was_noticed_late() -> None:
    """H27: the pong's time counts from when the ping was really queued; one ping, not one for each missed round."""
    driver = Driver()
    session, link = driver.websocket()
    assert driver.at(200.0) == [Write(link)]
    assert driver.frames(link) == ["2"]
    alive(driver, session, 219.9)
    assert driver.at(220.0)[-1] == Closed(session, Reason.PING_TIMEOUT)


@pytest.mark.parametrize("awake", [65.0, 65.5, 66.5, 100.0])
def test_a_stall_and_a_client_that_talked(awake: float) -> None:
    """HB-5, H27: the longer time that it got passed while the loop stalled; it gets the grace, and no more."""
    driver = Driver()
    session, link = driver.websocket()
    alive(driver, session, 25.0)
    driver.engine.receive_frame(link, "4x")
    alive(driver, session, awake, awake + 4.9)
    assert driver.at(awake + 5.0)[-1] == Closed(session, Reason.PING_TIMEOUT)


# -------------------------------------------------------------------------------------------------------- the settings


def test_nobody_is_monitored() -> None:
    """HB-1: monitor_clients=False: pings every interval, with or without pongs; a missing one closes nobody."""
    driver = Driver(monitor_clients=False)
    session, link = driver.websocket()
    for number in range(1, 100):
        assert driver.at(25.0 * number) == [Write(link)]
        assert driver.frames(link) == ["2"]
        if number % 3 == 0:
            driver.engine.receive_frame(link, "3")
    assert session.life is Life.OPEN


@pytest.mark.parametrize("late", [49.9, 50.0, 50.1, 1000.0])
def test_a_round_is_not_made_up_for(late: float) -> None:
    """HB-1: however late a ping is noticed, there is one."""
    driver = Driver(monitor_clients=False)
    _, link = driver.websocket()
    assert driver.at(late) == [Write(link)]
    assert driver.frames(link) == ["2"]


def test_other_deadlines_hold_without_monitoring() -> None:
    """Upgrades, bodies and closes have their end whatever monitor_clients says."""
    driver = Driver(monitor_clients=False)
    session, other = driver.polling("s"), driver.polling("t")
    link, post = driver.dial("s"), driver.post("t")
    driver.engine.close(session, 0.0)
    assert driver.at(10.0) == [Write(link)]
    assert driver.at(30.0) == [Closed(session, Reason.SERVER_DISCONNECT)]
    assert driver.at(45.0) == [Write(post), Closed(other, Reason.TRANSPORT_ERROR)]


def test_monitoring_is_switched_at_run_time() -> None:
    """HB-14: read when it is used: a pong awaited is forgiven, and the next ping is monitored again."""
    driver = Driver()
    session, link = driver.websocket()
    alive(driver, session, 25.0)
    driver.engine.settings.monitor_clients = False
    for now in (45.0, 50.0, 75.0, 100.0):
        alive(driver, session, now)
        assert driver.frames(link) == ["2"]
    driver.engine.settings.monitor_clients = True
    alive(driver, session, 120.0, 125.0, 144.9)
    assert driver.at(145.0) == [Write(link), Closed(session, Reason.PING_TIMEOUT)]


@pytest.mark.parametrize("interval", [5.0, 60.0])
def test_the_interval_is_changed_at_run_time(interval: float) -> None:
    """HB-14: for new handshakes, and for the next cycle of the old ones."""
    driver = Driver()
    _, old = driver.websocket("old")
    driver.at(10.0)
    driver.engine.settings.ping_interval = interval
    _, new = driver.websocket("new")
    seen: dict[str, list[float]] = {"old": [], "new": []}
    while (now := driver.engine.next_deadline()) is not None and now < 200.0:
        for effect in driver.at(now):
            assert isinstance(effect, Write)
            name = "old" if effect.connection is old else "new"
            seen[name].append(now)
            assert isinstance(effect.connection, Link)
            assert driver.frames(effect.connection) == ["2"]
            driver.engine.receive_frame(effect.connection, "3")
    count = int(160 / interval)
    assert seen["old"][:count] == [25.0 + interval * number for number in range(count)]
    assert seen["new"][:count] == [10.0 + interval * number for number in range(1, count + 1)]
    assert new.closing is None


def test_the_timeout_is_changed_at_run_time() -> None:
    """HB-14: from the next ping on."""
    driver = Driver()
    session, link = driver.websocket()
    alive(driver, session, 25.0)
    driver.engine.settings.ping_timeout = 1.0
    alive(driver, session, 44.9)
    driver.engine.receive_frame(link, "3")
    alive(driver, session, 50.0, 50.9)
    assert driver.at(51.0)[-1] == Closed(session, Reason.PING_TIMEOUT)


# ------------------------------------------------------------------------------------------------------------- closing


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_the_heartbeat_of_a_closing_session(transport: str, awaited: bool) -> None:
    """HB-10, HB-8: no new ping, but its time runs; a pong is ignored, and the reason stays SERVER_DISCONNECT."""
    driver = Driver()
    session, link = (driver.polling(), None) if transport == "polling" else driver.websocket()
    driver.at(25.0 if awaited else 24.0)
    driver.engine.send(session, "unread")
    driver.engine.close(session, driver.now)
    driver.effects()
    assert driver.at(25.0) == []
    assert session.buffered == 71 + (65 if awaited else 0)
    if link is None:
        driver.posted(b"3")
    else:
        driver.engine.receive_frame(link, "3")
    assert driver.at(44.9) == []
    writes = [] if link is None else [Write(link)]
    assert driver.at(45.0) == [*writes, Closed(session, Reason.SERVER_DISCONNECT)]


def test_a_closing_session_without_monitoring() -> None:
    """HB-10: then close_timeout alone bounds it."""
    driver = Driver(monitor_clients=False)
    session = driver.polling()
    driver.at(24.0)
    driver.engine.close(session, 24.0)
    assert driver.at(53.9) == []
    assert driver.at(54.0) == [Closed(session, Reason.SERVER_DISCONNECT)]


@pytest.mark.parametrize("frame", ["3", "4x", "6", b"x"])
def test_packets_while_closing_do_not_count(frame: str | bytes) -> None:
    """HB-8, CL-14: neither a pong nor anything else of a client that is being closed."""
    driver = Driver()
    session, link = driver.websocket()
    driver.at(25.0)
    driver.engine.close(session, 25.0)
    driver.effects()
    assert driver.engine.receive_frame(link, frame) is None
    assert driver.at(44.9) == []
    assert driver.at(45.0) == [Write(link), Closed(session, Reason.SERVER_DISCONNECT)]


def test_a_ping_goes_before_what_is_queued() -> None:
    """HB-9, FD-8: a client that fetches much slowly sees it in time; it is not sent twice; it never overflows."""
    driver = Driver(max_buffered_bytes=1000)
    session, link = driver.websocket()
    driver.engine.send(session, "x" * 2000)
    assert driver.at(25.0) == [Write(link)]
    assert driver.frames(link) == ["2", "4" + "x" * 2000]
    assert driver.effects() == [Drained(session)]


def test_a_slow_client_that_drains() -> None:
    """HB-9: a hundred messages, one GET a second with one message each: it survives, and gets all in order."""
    driver = Driver(max_packets_per_poll=1)
    session = driver.polling()
    for number in range(100):
        driver.engine.send(session, str(number))
    received = []
    for second in range(1, 120):
        assert driver.at(float(second)) == []
        if session.outbox is not None:
            body = driver.body(driver.get())
            if body == "2":
                driver.posted(b"3")
            else:
                received.append(body)
    assert received == [f"4{number}" for number in range(100)]


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_no_ping_overtakes_the_open_packet(transport: str) -> None:
    """HS-2: not even where the 101 takes longer than an interval."""
    driver = Driver(ping_interval=0.1)
    session = driver.opening(transport)
    driver.engine.send(session, "a")
    connection = driver.engine.accept(session, 0.0)
    driver.at(0.1)
    if isinstance(connection, Poll):
        packets = driver.body(connection).split("\x1e")
    else:
        packets = [str(frame) for frame in driver.frames(expect(Link, connection))]
    assert [packet[0] for packet in packets] == ["0", "2", "4"]


def test_a_get_that_is_parked_for_long() -> None:
    """PG-2, HB-15: the heartbeat bounds it."""
    driver = Driver()
    driver.polling()
    for number in range(1, 50):
        poll: Poll = driver.get()
        assert driver.at(25.0 * number) == [Write(poll)]
        assert driver.body(poll) == "2"
        driver.posted(b"3")


def test_pings_that_nobody_fetches_do_not_pile_up() -> None:
    """HB-1, FD-8: monitor_clients=False: one waits, at the front, until it is taken."""
    driver = Driver(monitor_clients=False)
    session = driver.polling()
    driver.engine.send(session, "a")
    for now in (25.0, 50.0, 75.0):
        driver.at(now)
    poll = driver.get()
    assert driver.body(poll) == "2\x1e4a"
    driver.at(100.0)
    assert driver.body(driver.get()) == "2"


def test_a_ping_behind_a_binary_message_where_python_is_strict() -> None:
    """HB-1: ``python -bb`` makes a comparison of text and bytes an error."""
    program = """if True:
        from tests.core.helpers import Driver

        driver = Driver()
        session = driver.polling()
        driver.engine.send(session, b"x")
        driver.at(25.0)
        print(session.outbox)
    """
    output = subprocess.run([sys.executable, "-bb", "-c", program], capture_output=True, text=True, check=False)
    assert (output.stdout, output.stderr) == ("['2', b'x']\n", "")
