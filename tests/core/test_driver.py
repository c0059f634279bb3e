"""The driver: what it does for a server that embeds the core, beyond what every test with a fake network shows."""

from __future__ import annotations

from typing import Any

import pytest
from eio_core import Engine, Headers, LocalProtocolError, Request, Response, Session, SessionClosed, Settings
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


def test_a_handshake_is_decided_once() -> None:
    """AP-4: a second word on it is the application's mistake, and is told so."""
    site = Site()
    site.verdict = None
    site.open()
    site.accept(site.sessions["a"])
    for decide in (site.accept, site.reject):
        with pytest.raises(LocalProtocolError, match="accepted or rejected before"):
            decide(site.sessions["a"])


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


class Broken(Wire):
    """A connection that finds out while it is used that its peer is gone, and says so at once or raises.

    :param good: how many times it can be used before.
    """

    def __init__(self, site: Site, method: str, query: str, *, good: int = 0, takes: bool = True) -> None:
        super().__init__(method, query, websocket="websocket" in query, takes=takes)
        self.site = site
        self.good = good
        self.raises = False

    def respond(self, response: Response) -> bool:
        self.use()
        return super().respond(response)

    def accept(self, headers: Headers) -> None:
        self.use()
        super().accept(headers)

    def write(self, frames: list[str | bytes]) -> bool:
        self.use()
        return super().write(frames)

    def abort(self) -> None:
        super().abort()
        self.site.connection_lost(self)

    def use(self) -> None:
        self.good -= 1
        if self.good < 0:
            if self.raises:
                raise BrokenPipeError
            self.site.connection_lost(self, error=True)


@pytest.mark.parametrize("takes", [True, False])
@pytest.mark.parametrize("good", [0, 1, 2])
def test_a_websocket_may_find_out_in_a_write_that_it_is_lost(good: int, takes: bool) -> None:
    """CL-10: in its 101, in its first frame or in a later one; the session is over once, and nothing is left."""
    site = Site()
    link = Broken(site, "GET", "transport=websocket", good=good, takes=takes)
    site.receive_request(link)
    for text in ("one", "two"):
        if site.told == []:
            site.send(site.sessions["a"], text)
            site.clock.advance(0)
            site.written(link)
    site.written(link)
    assert site.told == ["transport error"]
    assert (site.connections, site._writing) == (0, {})


@pytest.mark.parametrize("takes", [True, False])
def test_a_request_may_find_out_in_its_response_that_it_is_lost(takes: bool) -> None:
    """FD-12: a poll takes its session along, a POST that was read does not."""
    site = Site()
    site.open()
    post = Broken(site, "POST", "transport=polling&sid=a", takes=takes)
    site.receive_request(post)
    site.receive_body(post, b"4hello")
    site.written(post)
    assert site.told == ["hello"]

    poll = Broken(site, "GET", "transport=polling&sid=a", takes=takes)
    site.receive_request(poll)
    site.send(site.sessions["a"], "one")
    site.clock.advance(0)
    site.written(poll)
    assert site.told == ["hello", "transport error"]
    assert (site.connections, site._writing, site._answering) == (0, {}, {})


def test_an_upgrade_whose_101_finds_nobody_changes_nothing() -> None:
    """UP-11."""
    site = Site()
    site.open()
    site.receive_request(Broken(site, "GET", "transport=websocket&sid=a"))
    assert site.connections == 0
    assert site.arrive("GET", "transport=websocket&sid=a", websocket=True).seen == [101]
    assert site.told == []


def test_a_websocket_that_cannot_be_accepted_takes_its_session_along() -> None:
    """CL-10: also if its connection raises, and is reported as lost then."""
    site = Site()
    link = Broken(site, "GET", "transport=websocket")
    link.raises = True
    with pytest.raises(BrokenPipeError):
        site.receive_request(link)
    site.connection_lost(link, error=True)
    assert (site.told, site.engine.sessions, site.connections) == (["transport error"], {}, 0)


def test_a_write_that_raises_holds_up_nobody_else() -> None:
    """ER-9: what was sent to others in the same turn leaves in the next."""
    site = Site()
    broken = Broken(site, "GET", "transport=websocket", good=2)
    broken.raises = True
    site.receive_request(broken)
    site.sid = "b"
    link = site.open("websocket")
    for sid in ("a", "b"):
        site.send(site.sessions[sid], "hello")
    with pytest.raises(BrokenPipeError):
        site.clock.advance(0)
    site.clock.advance(0)
    assert link.seen[2:] == ["4hello"]


class Strict(Site):
    """An application that kicks whoever says so, and wants to be told of one thing after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.busy = False
        self.kicked: Wire

    def message(self, session: Session, data: str | bytes) -> None:
        self.alone(data)

    def disconnect(self, session: Session, reason: str) -> None:
        self.alone(reason)

    def alone(self, what: str | bytes) -> None:
        assert not self.busy
        self.busy = True
        self.told.append(what)
        if what == "kick":
            self.kicked.abort()
            self.close(self.sessions["b"])
        self.busy = False


def test_a_connection_may_be_dropped_by_a_handler() -> None:
    """CL-14: what comes of it is told when the handler has returned, behind the messages that came before it."""
    site = Strict()
    site.open()
    site.sid = "b"
    site.open("websocket")
    site.kicked = Broken(site, "GET", "transport=polling&sid=a")
    site.receive_request(site.kicked)
    post = site.arrive("POST", "transport=polling&sid=a")
    site.receive_body(post, b"4kick\x1e4more\x1e1")
    assert site.told == ["kick", "more", "client disconnect", "server disconnect"]


class Failing(Site):
    """An application with a defect."""

    def make_sid(self, connection: Wire) -> str:
        if self.sid == "none":
            raise ZeroDivisionError
        return super().make_sid(connection)

    def connect(self, session: Session, connection: Wire) -> bool | bytes | None:
        super().connect(session, connection)
        if session.sid == "hasty":
            self.accept(session)
            raise ZeroDivisionError
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

    site.sid = "none"  # row HS-5
    nameless = Wire("GET", "transport=polling")
    with pytest.raises(ZeroDivisionError):
        site.receive_request(nameless)
    assert nameless.seen[0][0] == 400

    site.sid = "hasty"  # it has accepted when it raises
    hasty = Wire("GET", "transport=polling")
    with pytest.raises(ZeroDivisionError):
        site.receive_request(hasty)
    assert hasty.seen[0][0] == 200

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
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            site.clock.advance(0)
    site.clock.advance(60)
    assert site.told == ["server disconnect"] * 4


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
