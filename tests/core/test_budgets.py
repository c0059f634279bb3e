"""What a message and a session cost, by counting: the same on every machine, so that these figures gate.

``pytest -s`` prints them.
"""

from __future__ import annotations

import gc
import statistics
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
from eio_core import Encoded, Link, Poll, Post, Session
from eio_core import __file__ as package

from .helpers import Driver

HERE = package.removesuffix("__init__.py")
OURS = (Session, Link, Poll, Post)
SESSIONS = 1000


# --------------------------------------------------------------------------------------------------------------- calls


def calls(do: Callable[[], object]) -> list[str]:
    """The functions of eio_core that this calls."""
    names = []

    def profile(frame: FrameType, event: str, arg: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(HERE):
            names.append(frame.f_code.co_name)

    sys.setprofile(profile)
    try:
        do()
    finally:
        sys.setprofile(None)
    return names


@pytest.mark.parametrize(
    ("kind", "frame", "most"),
    [
        ("ASCII text", "4hello", 1),
        ("other text", "4h\xe9llo", 3),
        ("binary", b"hello", 1),
        ("empty text", "4", 1),
        ("megabyte of text", "4" + "x" * 999_999, 1),
    ],
)
def test_calls_per_inbound_message(kind: str, frame: str | bytes, most: int) -> None:
    """P11: at most three for a message on a WebSocket; one for nearly all of them."""
    driver = Driver()
    _, link = driver.websocket()
    called = calls(lambda: driver.engine.receive_frame(link, frame))
    print(f"inbound {kind}: {len(called)} calls")
    assert len(called) <= most, called


@pytest.mark.parametrize(
    ("kind", "data", "most"),
    [
        ("ASCII text", "hello", 3),
        ("other text", "h\xe9llo", 3),
        ("binary", b"hello", 3),
        ("shared text", Encoded("hello"), 3),
        ("shared binary", Encoded(b"hello"), 3),
        ("bytearray", bytearray(b"hello"), 4),
    ],
)
def test_calls_per_outbound_message(kind: str, data: Any, most: int) -> None:
    """P11: at most three: to send it, to take it, and to find that there is no more."""
    driver = Driver()
    session, link = driver.websocket()
    engine = driver.engine

    def echo() -> None:
        engine.send(session, data)
        while engine.take_frames(link):
            pass

    called = calls(echo)
    print(f"outbound {kind}: {len(called)} calls")
    assert len(called) <= most, called


def test_calls_of_a_burst() -> None:
    """P11: a burst is taken in one go: little more than one call for each message."""
    driver = Driver()
    session, link = driver.websocket()

    def burst() -> None:
        for _ in range(100):
            driver.engine.send(session, "hello")
        driver.frames(link)

    assert len(calls(burst)) <= 102


@pytest.mark.parametrize(("origin", "most"), [(None, 39), ("http://own", 51)])
def test_calls_of_a_polling_cycle(origin: str | None, most: int) -> None:
    """P4: a POST with one message, and the GET of its echo; a browser says where the page is from."""
    driver = Driver()
    session = driver.polling()
    headers = {"host": "own", "content-length": "6"}
    if origin is not None:
        headers["origin"] = origin

    def cycle() -> None:
        post = driver.post(headers=headers)
        (message,) = driver.engine.receive_body(post, b"4hello", driver.now)
        driver.engine.take_response(post)
        driver.engine.send(session, message)
        assert driver.body(driver.get(headers=headers)) == "4hello"

    called = calls(cycle)
    print(f"polling cycle, origin {origin}: {len(called)} calls")
    assert len(called) <= most, called


def test_calls_do_not_depend_on_the_number_of_sessions() -> None:
    """P9: neither for a message nor for finding the next deadline."""
    counts = []
    for number in (1, 500):
        driver = Driver()
        links = [driver.websocket(str(n))[1] for n in range(number)]
        session = driver.engine.sessions["0"]

        def work(driver: Driver = driver, session: Session = session, link: Link = links[0]) -> None:
            driver.engine.receive_frame(link, "4x")
            driver.engine.send(session, "x")
            driver.frames(link)
            driver.engine.next_deadline()
            driver.engine.expire(0.0)

        counts.append(len(calls(work)))
    assert counts[0] == counts[1]


# -------------------------------------------------------------------------------------------------------------- memory


@pytest.fixture
def no_gc() -> Iterator[None]:
    """Reference counting alone."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def living() -> int:
    """How many sessions and connections there are in this process."""
    return sum(type(thing) in OURS for thing in gc.get_objects())


def start(driver: Driver, state: str, sid: str) -> list[Any]:
    """Bring a session to a state; its connections."""
    if state == "websocket":
        return [driver.websocket(sid)[1]]
    if state == "opening":
        return [driver.opening(sid=sid)]
    if state == "upgraded":
        return [driver.upgraded(sid)[1]]
    driver.polling(sid)
    connections: list[Any] = []
    if state in {"probing", "held"}:
        connections.append(driver.probed(sid))
    if state in {"parked", "held"}:
        connections.append(driver.get(sid))
    if state == "posting":
        connections.append(driver.post(sid))
    return connections


def by_application(driver: Driver, sid: str) -> None:
    session = driver.engine.sessions.get(sid) or driver.engine.opening[sid]
    driver.engine.close(session, driver.now)


def by_client(driver: Driver, sid: str) -> None:
    session = driver.engine.sessions.get(sid)
    if session is None:
        driver.engine.reject(driver.engine.opening[sid])
    elif session.transport == "websocket":
        assert session.link is not None
        driver.engine.receive_frame(session.link, "1")
    else:
        post = session.post or driver.post(sid)
        driver.engine.receive_body(post, b"1", driver.now)
        driver.engine.take_response(post)


def by_loss(driver: Driver, sid: str) -> None:
    session = driver.engine.sessions.get(sid)
    if session is not None:
        connection = session.poll or session.post or session.link
        if connection is not None:
            driver.engine.connection_lost(connection, error=True)


def by_time(driver: Driver, sid: str) -> None:
    while driver.engine.sessions and (now := driver.engine.next_deadline()) is not None:
        driver.at(now)


STATES = ["opening", "idle", "parked", "posting", "probing", "held", "websocket", "upgraded"]
ENDS = [by_application, by_client, by_loss, by_time]


def come_and_go(driver: Driver, state: str, end: Callable[[Driver, str], None], sid: str) -> None:
    """A session from its handshake to its end, with a few messages between, and its connections reported lost."""
    connections = start(driver, state, sid)
    session = driver.engine.sessions.get(sid) or driver.engine.opening[sid]
    driver.engine.send(session, "x")
    driver.engine.send(session, b"x")
    for connection in connections:
        if isinstance(connection, Link):
            driver.engine.receive_frame(connection, "4x")
    end(driver, sid)
    driver.engine.cut()
    for connection in connections:
        if isinstance(connection, Session):
            if connection.request is not None:
                driver.engine.accept(connection, driver.now)
        else:
            if isinstance(connection, Link):
                driver.engine.take_frames(connection)
                driver.engine.begin_hangup(connection, driver.now)
            elif isinstance(connection, Poll) and connection.response is not None:
                driver.engine.take_response(connection)
            driver.engine.connection_lost(connection)
    driver.effects()


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.usefixtures("no_gc")
def test_freed_by_reference_counting(state: str, end: Callable[[Driver, str], None]) -> None:
    """H29: a session and its connections leave no cycle behind, in whatever state they end."""
    before = living()
    driver = Driver()
    come_and_go(driver, state, end, "s")
    assert driver.engine.sessions == driver.engine.opening == {}
    assert len(driver.engine.deadlines) == 0
    assert living() == before


@pytest.mark.usefixtures("no_gc")
def test_a_link_holds_its_session_only_while_open() -> None:
    """H29: connections that an integration still has, and one that is waited for, keep nothing else alive."""
    before = living()
    driver = Driver()
    link = driver.websocket("w")[1]
    driver.polling("p")
    poll = driver.get("p")
    driver.engine.cut()
    driver.effects()
    driver.engine.begin_hangup(link, 0.0)
    assert living() == before + 2
    assert poll.ready
    assert (link.session, poll.session) == (None, None)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.usefixtures("no_gc")
def test_nothing_is_retained(state: str) -> None:
    """H29: a thousand sessions came and went, and not one block of memory more is in use."""
    driver = Driver()

    def generation() -> None:
        for number in range(SESSIONS):
            come_and_go(driver, state, ENDS[number % 3], str(number))

    nothing, retained = growth(lambda: None), growth(generation)
    print(f"retained after {SESSIONS} sessions, {state}: {retained - nothing:.0f} blocks")
    assert retained <= nothing


def growth(work: Callable[[], object]) -> float:
    """By how many blocks the memory in use grows each time, the first two apart.

    The median of some times: the blocks are those of the whole process, where a thread of pytest-xdist or a tool that
    measures coverage may take some meanwhile.
    """

    def once() -> int:
        before = sys.getallocatedblocks()
        work()
        return sys.getallocatedblocks() - before

    return statistics.median([once() for _ in range(7)][2:])


@pytest.mark.parametrize("state", ["idle", "parked", "websocket", "upgraded"])
@pytest.mark.usefixtures("no_gc")
def test_bytes_per_idle_session(state: str) -> None:
    """P5: the core's share of an idle session, its id of 20 characters and its deadlines included."""
    driver = Driver()
    names = [f"{number:020d}" for number in range(SESSIONS)]
    start(driver, state, "warm")
    driver.effects()
    keep = []
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for name in names:
            keep.append(start(driver, state, name))
            driver.effects()
        used = tracemalloc.get_traced_memory()[0] - before - sys.getsizeof(keep) - 64 * SESSIONS  # lists of our own
    finally:
        tracemalloc.stop()
    each = used / SESSIONS
    print(f"idle session, {state}: {each:.0f} bytes")
    assert each < 1.5 * 1024
