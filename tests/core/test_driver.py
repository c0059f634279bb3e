"""The driver: what it does for a server that embeds the core, beyond what every test with a fake network shows."""

from __future__ import annotations

from typing import Any

import pytest
from eio_core import Engine, Headers, Request, Response, Session, SessionClosed, Settings
from eio_core.driver import Connection, Driver
from eio_core.testing import Clock


class Wire(Connection):
    """A connection on which is seen what is written to it."""

    def __init__(self, method: str, query: str, *, websocket: bool = False, takes: bool = True) -> None:
        self.request = Request(method, "EIO=4&" + query, websocket=websocket)
        self.takes = takes
        self.seen: list[Any] = []

    def respond(self, response: Response) -> bool:
        self.seen.append((response.status, response.body))
        return self.takes

    def accept(self, headers: Headers) -> None:
        self.seen.append(101)

    def write(self, frames: list[str | bytes]) -> bool:
        self.seen += frames
        return self.takes

    def close(self, code: int) -> None:
        self.seen.append(code)

    def abort(self) -> None:
        self.seen.append("aborted")


class Site(Driver[Wire]):
    """An application on virtual time that writes down what it is told."""

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__(Engine(settings))
        self.clock = Clock()
        self.timer = self.clock.timer(self.expire)
        self.verdict: bool | bytes | None = True
        self.sid = "a"
        self.told: list[object] = []
        self.sessions: dict[str, Session] = {}

    def now(self) -> float:
        return self.clock.now

    def set_timer(self, deadline: float | None) -> None:
        self.timer.set(deadline)

    def make_sid(self, connection: Wire) -> str:
        return self.sid

    def connect(self, session: Session, connection: Wire) -> bool | bytes | None:
        self.sessions[session.sid] = session
        return self.verdict

    def message(self, session: Session, data: str | bytes) -> None:
        self.told.append(data)

    def disconnect(self, session: Session, reason: str) -> None:
        self.told.append(reason)

    def upgraded(self, session: Session) -> None:
        self.told.append("upgraded")

    def drained(self, session: Session) -> None:
        self.told.append("drained")

    # What the tests do.

    def arrive(self, method: str, query: str, *, websocket: bool = False, takes: bool = True) -> Wire:
        wire = Wire(method, query, websocket=websocket, takes=takes)
        self.receive_request(wire)
        return wire

    def open(self, transport: str = "polling") -> Wire:
        return self.arrive("GET", f"transport={transport}", websocket=transport == "websocket")


def test_a_driver_is_enough_for_a_server() -> None:
    """HS-1, PG-9, PP-1: the least that a server has to say, and everything that the application needs not to know."""

    class Least(Driver[Wire]):
        now = staticmethod(lambda: 0.0)

        def make_sid(self, connection: Wire) -> str:
            return "a"

        def set_timer(self, deadline: float | None) -> None: ...

    least = Least(Engine())
    least.receive_request(wire := Wire("GET", "transport=polling"))
    assert wire.seen[0][0] == 200
    post = Wire("POST", "transport=polling&sid=a")
    least.receive_request(post)
    least.receive_body(post, b"4hello")  # nobody is interested
    assert post.seen == [(200, b"ok")]
    least.receive_request(probe := Wire("GET", "transport=websocket&sid=a", websocket=True))
    for frame in ("2probe", "5"):
        least.receive_frame(probe, frame)
    least.connection_lost(probe)
    assert least.connections == 0


# --------------------------------------------------------------------------------------------------------------- bodies


def test_a_body_may_arrive_in_parts() -> None:
    """PP-1: it is one payload, whatever the network made of it."""
    site = Site()
    site.open()
    post = site.arrive("POST", "transport=polling&sid=a")
    assert site.wants_body(post)
    for part in (b"4on", b"e\x1e4t", b"wo"):
        site.receive_body(post, part, more=True)
    assert (site.told, post.seen) == ([], [])
    site.receive_body(post, b"")
    assert (site.told, post.seen) == (["one", "two"], [(200, b"ok")])
    assert not site.wants_body(post)


def test_a_body_that_grows_too_long_is_answered_before_its_end() -> None:
    """PL-13, ER-7: and what follows of it is not kept."""
    site = Site(Settings(max_http_buffer_size=10))
    site.open()
    post = site.arrive("POST", "transport=polling&sid=a", takes=False)
    site.receive_body(post, b"4" * 10, more=True)
    assert not post.seen
    site.receive_body(post, b"4", more=True)
    assert [status for status, _ in post.seen] == [413]
    site.receive_body(post, b"4" * 1000, more=True)
    site.receive_body(post, b"")
    site.written(post)
    assert (len(post.seen), site.connections, site._partial) == (1, 0, {})


def test_a_response_that_is_there_early_needs_no_body() -> None:
    """HS-7: a request of an unknown session is refused at once; what comes of its body is nothing to the driver."""
    site = Site()
    post = site.arrive("POST", "transport=polling&sid=unknown")
    assert [status for status, _ in post.seen] == [400]
    assert not site.wants_body(post)
    site.receive_body(post, b"4hello")
    assert site.told == []


def test_a_body_that_is_lost_half_way_takes_its_session_along() -> None:
    """PP-4."""
    site = Site()
    site.open()
    post = site.arrive("POST", "transport=polling&sid=a")
    site.receive_body(post, b"4hel", more=True)
    site.connection_lost(post)
    assert site.told == ["transport error"]
    assert not site._partial


# ------------------------------------------------------------------------------------------------------------- messages


@pytest.mark.parametrize(
    ("parts", "message"),
    [(["4h", "é", "llo"], "héllo"), ([b"b", b"", b"in"], b"bin"), (["4h", "\ud83d", ""], "h\ud83d")],
)
def test_a_message_may_arrive_in_parts(parts: list[str | bytes], message: object) -> None:
    """WS-2: fragments are the WebSocket's own affair. (A server that lets half a surrogate pass gets it back.)"""
    site = Site()
    link = site.open("websocket")
    for part in parts[:-1]:
        site.receive_frame(link, part, more=True)
    assert site.told == []
    site.receive_frame(link, parts[-1])
    assert site.told == [message]


def test_a_message_that_grows_too_long_closes_the_websocket() -> None:
    """PL-14, WS-22: with 1009, before its end; what follows of it is not kept beyond the limit."""
    site = Site(Settings(max_http_buffer_size=10))
    link = site.open("websocket")
    for _ in range(6):
        site.receive_frame(link, "4é", more=True)
    assert site.told == ["transport error"]
    assert link.seen[-1] == 1009
    for _ in range(100):
        site.receive_frame(link, "4é", more=True)
    assert sum(map(len, site._partial.values())) <= 12
    site.connection_lost(link, code=1009)
    assert (site.connections, site._partial) == (0, {})


def test_what_is_sent_in_a_turn_leaves_together() -> None:
    """PG-9: and on a WebSocket whose client does not read, in one batch later."""
    site = Site()
    site.open()
    poll = site.arrive("GET", "transport=polling&sid=a")
    for text in ("one", "two"):
        site.send(site.sessions["a"], text)
    assert not poll.seen
    site.clock.advance(0)
    assert poll.seen == [(200, b"4one\x1e4two")]

    site.sid = "b"
    link = site.open("websocket")
    link.takes = False
    for text in ("one", "two", "three"):
        site.send(site.sessions["b"], text)
        site.clock.advance(0)
    assert link.seen[2:] == ["4one"]
    link.takes = True
    site.written(link)
    assert link.seen[2:] == ["4one", "4two", "4three"]


# ----------------------------------------------------------------------------------------------------------- handshakes


def test_the_application_decides_at_once_or_later() -> None:
    """AP-4, ER-10."""
    site = Site()
    verdicts: list[tuple[bool | bytes, bytes]] = [(False, b'"Unauthorized"'), (b'"full"', b'"full"')]
    for site.verdict, answer in verdicts:
        assert site.open().seen == [(401, answer)]
    site.verdict = None
    wire = site.open()
    assert wire.seen == []
    site.reject(site.sessions["a"])
    assert wire.seen == [(401, b'"Unauthorized"')]
    wire = site.open()
    site.accept(site.sessions["a"])
    assert wire.seen[0][0] == 200


def test_a_client_that_leaves_while_the_application_decides() -> None:
    """HS-26: an accepted session is over at once, of a rejected one nobody hears, and nothing is left."""
    site = Site()
    site.verdict = None
    for number, decide in enumerate([site.accept, site.reject, site.accept]):
        site.sid = str(number)
        wire = site.open()
        if number == 2:  # the server ends meanwhile: it is told that it closed, once
            site.shutdown(0)
            site.cut()
        site.connection_lost(wire)
        decide(site.sessions[site.sid])
        assert wire.seen == []
    assert site.told == ["transport error", "server disconnect"]
    assert site.connections == 0


def test_a_session_id_that_is_in_use_is_refused() -> None:
    """HS-6."""
    site = Site()
    site.open()
    assert site.open().seen[0][0] == 400


def test_a_handshake_that_is_decided_after_the_shutdown_is_refused() -> None:
    """CL-16, SD-1."""
    site = Site()
    site.verdict = None
    wire = site.open()
    site.shutdown(0)
    site.cut()
    site.accept(site.sessions["a"])
    assert wire.seen[0][0] >= 400
    assert site.told == ["server disconnect"]


# ------------------------------------------------------------------------------------------------------------- writing


@pytest.mark.parametrize("closed", ["before", "while"])
def test_a_client_that_does_not_read_its_last_response_is_dropped(closed: str) -> None:
    """CL-18: five seconds after its session is over, whether its response was on its way then or comes after."""
    site = Site()
    site.open()
    poll = site.arrive("GET", "transport=polling&sid=a", takes=False)
    if closed == "while":
        site.send(site.sessions["a"], "on its way")
        site.clock.advance(0)
        assert poll.seen
    site.shutdown(0)
    site.clock.advance(4.9)
    assert "aborted" not in poll.seen
    site.clock.advance(0.2)
    assert poll.seen[-1] == "aborted"
    site.connection_lost(poll)
    assert (site.connections, site._answering, site._writing) == (0, {}, {})


def test_all_clients_that_do_not_read_their_last_responses_are_dropped() -> None:
    """CL-18: a session whose client polls again before it has read what came."""
    site = Site()
    site.open()
    polls = []
    for text in ("one", "two"):
        polls.append(site.arrive("GET", "transport=polling&sid=a", takes=False))
        site.send(site.sessions["a"], text)
        site.clock.advance(0)
    site.shutdown(0)
    site.clock.advance(6)
    assert [poll.seen[-1] for poll in polls] == ["aborted", "aborted"]
    for poll in polls:
        site.connection_lost(poll)
    assert (site.connections, site._answering) == (0, {})


def test_a_client_that_reads_its_last_response_late_is_not_dropped() -> None:
    """CL-18: and what the driver kept of it is gone."""
    site = Site()
    site.open()
    poll = site.arrive("GET", "transport=polling&sid=a", takes=False)
    site.send(site.sessions["a"], "last words")
    site.clock.advance(0)
    site.close(site.sessions["a"])
    site.written(poll)
    site.written(poll)  # it was already
    site.clock.advance(60)
    assert "aborted" not in poll.seen
    assert (site.connections, site._answering, site._writing) == (0, {}, {})


def test_a_websocket_that_does_not_answer_our_close_is_dropped() -> None:
    """CL-18, CL-2."""
    site = Site()
    link = site.open("websocket")
    site.close(site.sessions["a"])
    assert link.seen[-1] == 1000
    site.clock.advance(5)
    assert link.seen[-1] == "aborted"
    site.connection_lost(link)
    site.receive_frame(link, "4late")
    with pytest.raises(SessionClosed):
        site.send(site.sessions["a"], "late")
    assert site.told == ["server disconnect"]


class Failing(Site):
    """An application with a defect."""

    def connect(self, session: Session, connection: Wire) -> bool | bytes | None:
        super().connect(session, connection)
        if session.sid == "unwanted":
            raise ZeroDivisionError
        return True

    def message(self, session: Session, data: str | bytes) -> None:
        super().message(session, data)
        if data == "bad":
            self.send(session, "last words")
            raise ZeroDivisionError

    def disconnect(self, session: Session, reason: str) -> None:
        super().disconnect(session, reason)
        raise ZeroDivisionError


def test_a_handler_that_raises_harms_nobody() -> None:
    """ER-9: every request is answered, what was sent leaves, and every session is told of its end."""
    site = Failing()
    site.sid = "unwanted"
    unwanted = Wire("GET", "transport=polling")
    with pytest.raises(ZeroDivisionError):
        site.receive_request(unwanted)
    assert unwanted.seen == [(401, b'"Unauthorized"')]

    for site.sid in ("a", "b"):
        site.open()
    poll = site.arrive("GET", "transport=polling&sid=a")
    post = site.arrive("POST", "transport=polling&sid=a")
    with pytest.raises(ZeroDivisionError):
        site.receive_body(post, b"4good\x1e4bad\x1e4behind")
    assert (site.told, post.seen) == (["good", "bad"], [(200, b"ok")])
    site.clock.advance(0)
    assert poll.seen == [(200, b"4last words")]

    site.sid = "c"
    link = site.open("websocket")
    with pytest.raises(ZeroDivisionError):
        site.receive_frame(link, "4bad")
    site.clock.advance(0)
    assert link.seen[2:] == ["4last words"]

    site.told.clear()
    with pytest.raises(ZeroDivisionError):
        site.cut()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            site.clock.advance(0)
    site.clock.advance(60)
    assert site.told == ["server disconnect"] * 3


def test_the_outbox_says_when_it_has_drained() -> None:
    """FD-8."""
    site = Site()
    link = site.open("websocket")
    link.takes = False
    site.send(site.sessions["a"], "x" * 300_000)
    site.clock.advance(0)
    assert site.told == []
    site.written(link)
    assert site.told == ["drained"]
