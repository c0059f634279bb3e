"""A small driver around an engine: a clock to turn, and the few steps that most tests begin with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from eio_core import (
    Effect,
    Engine,
    Handshake,
    Link,
    Poll,
    Post,
    Refusal,
    Request,
    Response,
    Session,
    Settings,
    Upgrade,
)

T = TypeVar("T")

POLLING = "EIO=4&transport=polling"
WEBSOCKET = "EIO=4&transport=websocket"
UPGRADE = {
    "upgrade": "websocket",
    "connection": "Upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def expect(kind: type[T], value: object) -> T:
    """The value, which must be of this kind."""
    assert isinstance(value, kind), f"expected {kind.__name__}, got {value!r}"
    return value


class Driver:
    """An engine, and the time, which starts at 0 and stands still unless a test turns it."""

    def __init__(self, **settings: Any) -> None:
        self.engine = Engine(Settings(**settings))
        self.now = 0.0

    def effects(self) -> list[Effect]:
        """What lies in the engine since the last look."""
        effects, self.engine.effects = self.engine.effects, []
        return effects

    def at(self, now: float) -> list[Effect]:
        """Turn the clock, and see what that does."""
        self.now = now
        self.engine.expire(now)
        deadline = self.engine.next_deadline()
        assert deadline is None or deadline > now, "what is due is done"
        return self.effects()

    # ------------------------------------------------------------------------------------------------------ requests

    def request(
        self,
        query: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        *,
        websocket: bool | None = None,
    ) -> Refusal | Response | Handshake | Upgrade | Poll | Post:
        """A request of any kind."""
        return self.engine.receive_request(Request(method, query, headers or {}, websocket=websocket), self.now)

    def opening(self, transport: str = "polling", sid: str = "s", extra: str = "") -> Session:
        """A session whose handshake is still to be decided."""
        handshake = self.request(f"EIO=4&transport={transport}{extra}", websocket=transport == "websocket")
        return expect(Session, self.engine.open(expect(Handshake, handshake), sid))

    def polling(self, sid: str = "s") -> Session:
        """A session on polling whose handshake has been answered."""
        session = self.opening("polling", sid)
        self.body(expect(Poll, self.engine.accept(session, self.now)))
        return session

    def websocket(self, sid: str = "s", extra: str = "") -> tuple[Session, Link]:
        """A session on a WebSocket that has read its open packet."""
        session = self.opening("websocket", sid, extra)
        link = expect(Link, self.engine.accept(session, self.now))
        assert str(self.frames(link)[0])[0] == "0"
        return session, link

    def get(self, sid: str = "s", headers: Mapping[str, str] | None = None) -> Poll:
        """A GET that was let in."""
        return expect(Poll, self.request(f"{POLLING}&sid={sid}", "GET", headers))

    def post(self, sid: str = "s", headers: Mapping[str, str] | None = None) -> Post:
        """A POST that was let in, its body still to be read."""
        return expect(Post, self.request(f"{POLLING}&sid={sid}", "POST", headers))

    def posted(self, body: bytes, sid: str = "s") -> tuple[list[str | bytes], Response]:
        """A whole POST: what it delivered, and its response."""
        post = self.post(sid)
        messages = self.engine.receive_body(post, body, self.now)
        return messages, self.engine.take_response(post)

    def body(self, poll: Poll) -> str:
        """Take and write the response of a poll that is ready."""
        assert poll.ready
        response = self.engine.take_response(poll)
        self.engine.written(poll)
        return response.body.decode()

    # ---------------------------------------------------------------------------------------------------- WebSockets

    def dial(self, sid: str = "s", extra: str = "") -> Link:
        """A WebSocket for a session that exists."""
        upgrade = expect(Upgrade, self.request(f"{WEBSOCKET}&sid={sid}{extra}", websocket=True))
        return self.engine.open_link(upgrade, self.now)

    def probed(self, sid: str = "s") -> Link:
        """The same after ``2probe`` and ``3probe``."""
        link = self.dial(sid)
        assert self.engine.receive_frame(link, "2probe") is None
        assert self.frames(link) == ["3probe"]
        return link

    def upgraded(self, sid: str = "s") -> tuple[Session, Link]:
        """A session that began on polling and is on a WebSocket now."""
        session = self.polling(sid)
        link = self.probed(sid)
        assert self.engine.receive_frame(link, "5") is None
        self.effects()
        return session, link

    def frames(self, link: Link) -> list[str | bytes]:
        """Write a link until there is nothing left."""
        frames: list[str | bytes] = []
        while batch := self.engine.take_frames(link):
            frames += batch
        return frames


def refused(answer: object) -> tuple[int, int, str]:
    """Status, code and reason name of a refusal."""
    refusal = expect(Refusal, answer)
    return refusal.status, int(refusal.code), refusal.context.get("name", "")
