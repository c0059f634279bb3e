"""Random operations on an engine, against the reference model, with every promise checked after every step."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from eio_core import (
    Channel,
    Closed,
    Link,
    Poll,
    Post,
    Refusal,
    SessionClosed,
    Upgrade,
    Upgraded,
    Write,
    encode_payload,
)
from eio_core.packets import encode_text
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from .helpers import POLLING, WEBSOCKET, Driver, refused
from .model import CLOSE, INTERVAL, MOST, TIMEOUT, UPGRADE, Model

REFUSALS = {"": "unknown", "TRANSPORT_MISMATCH": "mismatch", "OVERLAP": "overlap"}
pytestmark = pytest.mark.timeout(300)

GOOD = st.sampled_from(["4x", "4", "bAQI=", "3", "3", "0", "6"])
BAD = st.sampled_from(["1", "2", "?", "5", "4x"])


class Sessions(RuleBasedStateMachine):
    """One session after another on one engine; old connections stay in reach, to see that they are inert."""

    def __init__(self) -> None:
        super().__init__()
        self.driver = Driver(
            ping_interval=INTERVAL,
            ping_timeout=TIMEOUT,
            upgrade_timeout=UPGRADE,
            close_timeout=CLOSE,
            max_packets_per_poll=MOST,
        )
        self.poll: Poll | None = None
        self.post: Post | None = None
        self.link: Link | None = None
        self.flying: list[tuple[Poll, int]] = []
        self.dead: list[Poll | Post | Link] = []

    # ----------------------------------------------------------------------------------------------------- beginnings

    @initialize(websocket=st.booleans())
    def begin(self, websocket: bool) -> None:
        now = self.driver.now
        self.model = Model(now, websocket=websocket)
        self.sent: list[str] = []
        self.received: list[str] = []
        self.ends: list[str] = []
        self.told: set[str] = set()
        self.number = 0
        self.busy = 0
        if websocket:
            self.session, self.link = self.driver.websocket()
            self.busy = 0
        else:
            self.session = self.driver.polling()

    @precondition(lambda self: self.model.life == "closed" and not self.outstanding())
    @rule(websocket=st.booleans())
    def again(self, websocket: bool) -> None:
        self.dead += [poll for poll, _ in self.flying]
        self.flying = []
        self.begin(websocket)

    def on_polling(self) -> bool:
        """Whether an honest client would poll."""
        return self.model.route != "websocket" and self.model.life != "closed"

    def outstanding(self) -> bool:
        """Whether a request or a WebSocket is still to be brought to its end."""
        return any(thing is not None for thing in (self.poll, self.post, self.link))

    # ----------------------------------------------------------------------------------------------------------- time

    def settle(self, *, told: tuple[str, ...] = ()) -> None:
        """Look at the effects: only for what is alive, and in a legal order."""
        self.told |= set(told)
        for effect in self.driver.effects():
            if isinstance(effect, Write):
                name = {id(self.poll): "poll", id(self.post): "post", id(self.link): "link"}[id(effect.connection)]
                self.told.add(name)
            else:
                assert self.ends == [], "nothing comes after the close but writes"
                assert effect.session is self.session  # type: ignore[union-attr]
                if isinstance(effect, Closed):
                    self.ends.append(effect.reason)
                else:
                    assert isinstance(effect, Upgraded)
                    assert self.model.route == "websocket"

    def pass_time(self, now: float) -> None:
        self.driver.now = now
        self.model.tick(now)

    @rule(delay=st.sampled_from([0.01, 0.02, 0.1, 1.0, 3.0]))
    def wait(self, delay: float) -> None:
        self.pass_time(self.driver.now + delay)
        self.driver.engine.expire(self.driver.now)
        self.settle()

    @precondition(lambda self: self.driver.engine.next_deadline() is not None)
    @rule(late=st.sampled_from([0.0, 0.0, 0.0, 0.9, 2.0]))
    def wait_for_the_deadline(self, late: float) -> None:
        deadline = self.driver.engine.next_deadline()
        assert deadline is not None
        self.pass_time(deadline + late)
        self.driver.engine.expire(self.driver.now)
        self.settle()

    # -------------------------------------------------------------------------------------------------------- polling

    @precondition(lambda self: self.poll is None and self.on_polling())
    @rule()
    def get(self) -> None:
        self.model.tick(self.driver.now)
        expected = self.model.get(self.driver.now)
        answer = self.driver.request(f"{POLLING}&sid=s")
        if isinstance(answer, Poll):
            assert expected == "poll"
            self.poll = answer
            self.told.discard("poll")
        else:
            assert REFUSALS[refused(answer)[2]] == expected
        self.settle(told=("poll",) if isinstance(answer, Poll) and answer.ready else ())

    @precondition(lambda self: self.poll is not None and self.poll.ready)
    @rule()
    def take_poll(self) -> None:
        poll, self.poll = self.poll, None
        assert poll is not None
        assert "poll" in self.told, "whoever has something to be written is told so"
        if "poll" in self.model.answers:
            expected, count = [self.model.answers.pop("poll")], 0
        else:
            expected, count = self.model.take_poll()
        response = self.driver.engine.take_response(poll)
        self.settle()
        body = response.body.decode().split("\x1e") if response.status == 200 else [str(response.status)]
        assert body == expected
        self.received += [packet for packet in body if packet[0] in "4b" and response.status == 200]
        self.flying.append((poll, count))

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def written(self, data: st.DataObject) -> None:
        poll, count = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        self.driver.engine.written(poll)
        self.model.writing -= count
        self.dead.append(poll)
        self.settle()

    def response_lost(self) -> None:
        poll, _ = self.flying.pop()
        fixed = poll.session is None
        self.driver.engine.connection_lost(poll)
        if not fixed and self.model.life != "closed":
            self.model.finish("transport error")
        self.dead.append(poll)
        self.settle()

    def poll_lost(self) -> None:
        poll, self.poll = self.poll, None
        assert poll is not None
        self.driver.engine.connection_lost(poll)
        if self.model.answers.pop("poll", None) is None:
            self.model.lose("poll", error=True)
        self.dead.append(poll)
        self.settle()

    @precondition(lambda self: self.post is None and self.on_polling())
    @rule()
    def begin_post(self) -> None:
        self.model.tick(self.driver.now)
        expected = self.model.begin_post(self.driver.now)
        answer = self.driver.request(f"{POLLING}&sid=s", "POST")
        if isinstance(answer, Post):
            assert expected == "post"
            self.post = answer
            self.told.discard("post")
        else:
            assert REFUSALS[refused(answer)[2]] == expected
        self.settle()

    @precondition(lambda self: self.post is not None)
    @rule(packets=st.lists(GOOD, min_size=1, max_size=5))
    def body(self, packets: list[str]) -> None:
        assert self.post is not None
        expected = self.model.body(packets)
        messages = self.driver.engine.receive_body(self.post, "\x1e".join(packets).encode(), self.driver.now)
        assert [encode_payload(["4" + m if isinstance(m, str) else m]).decode() for m in messages] == expected
        self.settle(told=("post",))

    def oversize(self) -> None:
        assert self.post is not None
        self.driver.engine.receive_oversize(self.post)
        self.model.oversize()
        self.settle(told=("post",))

    @precondition(lambda self: self.post is not None and self.post.ready)
    @rule()
    def take_post(self) -> None:
        post, self.post = self.post, None
        assert post is not None
        assert "post" in self.told
        response = self.driver.engine.take_response(post)
        answer = response.body.decode() if response.status == 200 else str(response.status)
        assert answer == self.model.answers.pop("post")
        self.model.post = ""
        self.dead.append(post)
        self.settle()

    def post_lost(self) -> None:
        post, self.post = self.post, None
        assert post is not None
        self.driver.engine.connection_lost(post)
        self.model.answers.pop("post", None)
        if self.model.post:
            self.model.due.pop("body", None)
            self.model.lose("post", error=True)
        self.dead.append(post)
        self.settle()

    # ----------------------------------------------------------------------------------------------------- WebSockets

    def dial(self) -> None:
        self.model.tick(self.driver.now)
        expected = self.model.dial(self.driver.now)
        answer = self.driver.request(f"{WEBSOCKET}&sid=s", websocket=True)
        if not isinstance(answer, Upgrade):
            assert isinstance(answer, Refusal)
            assert REFUSALS[refused(answer)[2]] == expected
            return
        link = self.driver.engine.open_link(answer, self.driver.now)
        if expected == "second":
            assert link.closing == 1000
            self.dead.append(link)
        elif self.link is None:
            self.link = link
        else:  # the one before is still to be hung up
            self.driver.engine.connection_lost(link)
            self.model.lose("link", error=True)
            self.model.answers["link"] = str(self.link.closing)
            self.dead.append(link)
        self.settle(told=("link",))

    @precondition(lambda self: self.on_polling() and not self.hung_up())
    @rule()
    def go_on_with_the_upgrade(self) -> None:
        if self.link is None:
            self.dial()
        else:
            self.frame("5" if self.model.link == "probed" else "2probe")

    def hung_up(self) -> bool:
        """Whether the WebSocket is to be closed, or was."""
        return self.link is not None and self.link.closing is not None

    @precondition(lambda self: self.model.route == "websocket" and self.link is not None)
    @rule(packet=GOOD)
    def frame(self, packet: str) -> None:
        assert self.link is not None
        expected = self.model.frame(packet) if self.model.link and "link" not in self.model.answers else []
        message = self.driver.engine.receive_frame(self.link, b"\1\2" if packet == "bAQI=" else packet)
        assert ([] if message is None else [message]) == [b"\1\2" if text == "bAQI=" else text[1:] for text in expected]
        self.settle(told=("link",) if message is None else ())

    @precondition(lambda self: self.link is not None and "link" in self.told)
    @rule()
    def take_frames(self) -> None:
        assert self.link is not None
        expected = self.model.take_frames() if self.model.link and "link" not in self.model.answers else []
        assert not expected or "link" in self.told
        frames = self.driver.engine.take_frames(self.link)
        texts = [encode_text(frame) for frame in frames]
        assert texts == expected
        self.received += [text for text in texts if text[0] in "4b"]
        self.busy = len(frames)
        if not frames and self.link.closing is None:
            self.told.discard("link")
        self.settle()

    @precondition(lambda self: self.hung_up())
    @rule(error=st.booleans())
    def link_lost(self, error: bool) -> None:
        link, self.link = self.link, None
        assert link is not None
        code = self.model.answers.pop("link", None)
        assert link.closing == (None if code is None else int(code))
        self.driver.engine.connection_lost(link, error=error)
        if code is None:
            self.model.lose("link", error=error)
            self.model.answers.pop("link", None)
        self.busy = 0
        self.dead.append(link)
        self.settle()

    # ----------------------------------------------------------------------------------------------- the application

    @precondition(lambda self: self.model.life != "closed")
    @rule(binary=st.booleans())
    def send(self, binary: bool) -> None:
        self.number += 1
        data: str | bytes = bytes([1, self.number % 256]) if binary else str(self.number)
        text = encode_text(data if isinstance(data, bytes) else "4" + data)
        try:
            connection = self.driver.engine.send(self.session, data)
        except SessionClosed:
            assert self.model.life != "open"
            return
        assert self.model.life == "open"
        self.model.put(text)
        self.sent.append(text)
        if connection is not None:
            assert connection is self.poll or connection is self.link
        told = "poll" if isinstance(connection, Poll) else "link"
        self.settle(told=() if connection is None else (told,))

    def close(self) -> None:
        self.model.tick(self.driver.now)
        self.model.close(self.driver.now, busy=bool(self.busy or self.model.writing))
        self.driver.engine.close(self.session, self.driver.now)
        self.settle()

    @precondition(lambda self: self.post is not None or self.link is not None)
    @rule(packet=BAD)
    def bad_packet(self, packet: str) -> None:
        if self.post is not None:
            self.body(["4x", packet, "4x"])
        else:
            self.frame(packet)

    @rule(data=st.data(), error=st.booleans())
    def trouble(self, data: st.DataObject, error: bool) -> None:
        """What ends sessions, or should not; one rule, so that most sessions live for a while."""
        steps: dict[str, Callable[[], object]] = {
            "get": self.get,
            "post": self.begin_post,
            "dial": self.dial,
            "close": self.close,
            "sleep": lambda: self.wait(30.0),
            "pause": lambda: self.pause(error),
        }
        if self.poll is not None:
            steps["GET lost"] = self.poll_lost
        if self.post is not None:
            steps["POST lost"] = self.post_lost
            steps["oversize"] = self.oversize
        if self.link is not None:
            steps["WebSocket lost"] = lambda: self.link_lost(error)
        if self.flying:
            steps["response lost"] = self.response_lost
        steps[data.draw(st.sampled_from(sorted(steps)))]()

    def pause(self, paused: bool) -> None:
        self.session.paused = self.model.paused = paused

    @precondition(lambda self: self.model.awaiting and self.model.life == "open" and self.post is None)
    @rule()
    def answer_the_ping(self) -> None:
        if self.model.route == "websocket":
            self.frame("3")
        else:
            self.begin_post()
            self.body(["3"])
            self.take_post()

    @precondition(lambda self: self.dead)
    @rule(data=st.data())
    def poke_what_is_dead(self, data: st.DataObject) -> None:
        """CL-14: whatever is reported of a connection that had its end is a silent no-op."""
        dead = self.dead.pop(data.draw(st.integers(0, len(self.dead) - 1)))
        self.driver.engine.connection_lost(dead, error=data.draw(st.booleans()))
        if isinstance(dead, Link):
            assert self.driver.engine.receive_frame(dead, "4late") is None
            assert self.driver.engine.take_frames(dead) == []
        elif isinstance(dead, Post):
            assert self.driver.engine.receive_body(dead, b"4late", self.driver.now) == []
        assert self.driver.effects() == []

    # ------------------------------------------------------------------------------------------------- after each step

    @invariant()
    def the_engine_is_as_the_model(self) -> None:
        session, model = self.session, self.model
        assert session.life.name.lower() == model.life
        assert self.ends == ([model.reason] if model.life == "closed" else []), "closed exactly once"
        assert [encode_text(packet) for packet in session.outbox or []] == model.queue
        assert (session.poll is not None) == bool(model.poll), "at most one parked poll"
        assert session.poll is None or session.poll is self.poll
        assert self.poll is None or self.poll.ready == (model.poll == "ready" or "poll" in model.answers)
        assert (session.post is not None) == bool(model.post)
        if model.life != "closed":
            assert session.route.name.lower() == model.route
            channel = None if session.link is None else session.link.channel
            assert channel is (Channel[model.link.upper()] if model.link else None)

    @invariant()
    def no_deadline_in_the_past(self) -> None:
        deadline = self.driver.engine.next_deadline()
        assert deadline is None or deadline > self.driver.now
        assert deadline == min(self.model.due.values(), default=None)

    @invariant()
    def nothing_is_lost_doubled_or_reordered(self) -> None:
        waiting = [text for packet in self.session.outbox or [] if (text := encode_text(packet))[0] in "4b"]
        lost = self.model.life == "closed"
        assert self.received + waiting == (self.sent[: len(self.received)] if lost else self.sent)

    @invariant()
    def whoever_can_be_written_knows_it(self) -> None:
        if self.poll is not None and self.poll.ready:
            assert "poll" in self.told
        if self.post is not None and self.post.ready:
            assert "post" in self.told
        if self.link is not None:
            waiting = self.model.frames or (self.model.queue and self.model.route == "websocket")
            assert "link" in self.told or not (waiting or self.link.closing)

    def teardown(self) -> None:
        """Every request is answered once, by the end of the server at the latest."""
        self.driver.engine.cut()
        self.driver.effects()
        for request in (self.poll, self.post):
            if request is not None:
                assert request.ready
                self.driver.engine.take_response(request)
        assert self.link is None or self.link.closing is not None
        assert self.driver.engine.sessions == {}
        assert self.driver.engine.next_deadline() is None


TestSessions = Sessions.TestCase
TestSessions.settings = settings(
    max_examples=120, stateful_step_count=50, derandomize=True, database=None, deadline=None
)
