"""What happened, written down in the language of transcripts as it happens.

A recorder is given to a :class:`~eio_core.testing.server.Server`. A test asks it about messages and reasons, or prints
it; what it prints can be replayed (:mod:`eio_core.testing.transcript` has the language), so that a failure found by
chance becomes a test by being saved.

Must not know: why things happen.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Final

from eio_core import ANY_ORIGIN, NO_CORS, SAME_ORIGIN

from .notation import show, show_time

if TYPE_CHECKING:
    from eio_core.http import Request, Response
    from eio_core.session import Session
    from eio_core.settings import Settings

    from .clock import Clock
    from .server import Exchange

__all__ = ["Observer", "Recorder", "default_query"]


ORIGINS: Final = {"same": SAME_ORIGIN, "any": ANY_ORIGIN, "off": NO_CORS}
"""The policies for origins by name."""


def default_query(request: Request, sid: str | None) -> str:
    """The query that a transcript does not spell out."""
    query = f"EIO=4&transport={'websocket' if request.asks_websocket() else 'polling'}"
    return query if sid is None else f"{query}&sid={sid}"


class Observer:
    """Is told by a server everything that happens, and does nothing about it: override what is wanted."""

    def request(self, exchange: Exchange, sid: str | None) -> None:
        """A request arrived; ``sid`` is the latest session of its client."""

    def body(self, exchange: Exchange, body: bytes) -> None:
        """The body of a POST arrived."""

    def frame(self, exchange: Exchange, frame: str | bytes) -> None:
        """A WebSocket message arrived."""

    def closed(self, exchange: Exchange, code: int) -> None:
        """A close frame arrived."""

    def lost(self, exchange: Exchange, *, error: bool) -> None:
        """A connection is gone."""

    def response(self, exchange: Exchange, response: Response) -> None:
        """A response is sent."""

    def accepted(self, exchange: Exchange) -> None:
        """A WebSocket is accepted."""

    def frames(self, exchange: Exchange, frames: list[str | bytes]) -> None:
        """WebSocket messages are sent."""

    def closing(self, exchange: Exchange, code: int) -> None:
        """A close frame is sent."""

    def aborted(self, exchange: Exchange) -> None:
        """A connection is dropped."""

    def event(self, event: str, session: Session, data: str | bytes | None = None) -> None:
        """The application is told something: ``message`` with the message, ``disconnect`` with the reason ..."""

    def action(self, action: str, session: Session | None = None, data: object = None) -> None:
        """The application does something: ``send``, ``close``, ``shutdown`` ..."""

    def decision(self, decision: str, session: Session, body: bytes | None = None) -> None:
        """The application decides a handshake: ``accept`` or ``reject``."""


class Recorder(Observer):
    """The record of one engine.

    :param clock: tells when things happen.
    :param headers: whether to write down the headers of responses too.
    :param decisions: whether to write down how handshakes were decided, rather than that each is accepted at once.
    """

    def __init__(self, clock: Clock, *, headers: bool = False, decisions: bool = False) -> None:
        self.clock = clock
        self.headers = headers
        self.decisions = decisions
        self.lines: list[str] = []
        """The record; a line may have continuation lines in it."""
        self.events: list[tuple[str, str, str | bytes]] = []
        """What the application was told: the event, the session id, the message or reason (else ``""``)."""
        self.time = 0.0
        """The time of the last line."""
        self._turn = -1
        if decisions:
            self.write('% handshakes "wait"')

    def __str__(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)

    # -------------------------------------------------------------------------------------------------- for assertions

    def messages(self, sid: str) -> list[str | bytes]:
        """The messages that the application got from a session, in order."""
        return [data for event, of, data in self.events if event == "message" and of == sid]

    def reasons(self, sid: str) -> list[str]:
        """The reasons with which a session closed: one, or none yet."""
        return [str(data) for event, of, data in self.events if event == "disconnect" and of == sid]

    # ------------------------------------------------------------------------------------------ what the client does

    def request(self, exchange: Exchange, sid: str | None) -> None:
        """A request, its query only if it is not the usual one."""
        request = exchange.request
        line = f"> {_kind(exchange)}"
        if request.query != default_query(request, sid):
            line += f" ?{request.query}"
        self.write(line + "".join(f"\n    {name}: {value}" for name, value in request.headers.items()))

    def body(self, exchange: Exchange, body: bytes) -> None:
        """The body of a POST."""
        self.write(f"> {_name(exchange)} BODY {_show_body(body)}")

    def frame(self, exchange: Exchange, frame: str | bytes) -> None:
        """A frame from a client."""
        self.write(f"> {_name(exchange)} {show_frame(frame)}")

    def closed(self, exchange: Exchange, code: int) -> None:
        """A close frame from a client."""
        self.write(f"> {_name(exchange)} close {code}")

    def lost(self, exchange: Exchange, *, error: bool) -> None:
        """A connection that is gone."""
        name = _name(exchange) if exchange.request.asks_websocket() else _kind(exchange)
        self.write(f"> {name} {'failed' if error else 'lost'}")

    # ------------------------------------------------------------------------------------------ what the server does

    def response(self, exchange: Exchange, response: Response) -> None:
        """A response."""
        line = f"< {_kind(exchange)} {response.status}"
        if response.body:
            line += f" {_show_body(response.body)}"
        if self.headers:
            line += "".join(f"\n    {name}: {value}" for name, value in response.headers)
        self.write(line)

    def accepted(self, exchange: Exchange) -> None:
        """A WebSocket was accepted."""
        self.write(f"< {_kind(exchange)} 101")

    def frames(self, exchange: Exchange, frames: list[str | bytes]) -> None:
        """Frames to a client."""
        for frame in frames:
            self.write(f"< {_name(exchange)} {show_frame(frame)}")

    def closing(self, exchange: Exchange, code: int) -> None:
        """A close frame to a client."""
        self.write(f"< {_name(exchange)} close {code}")

    def aborted(self, exchange: Exchange) -> None:
        """A connection that was dropped."""
        self.write(f"< {_name(exchange)} abort")

    # ------------------------------------------------------------------------------------------- what the application

    def event(self, event: str, session: Session, data: str | bytes | None = None) -> None:
        """The application was told something."""
        self.events.append((event, session.sid, "" if data is None else data))
        self.write(f"* {event} {session.sid}" + ("" if data is None else f" {show(data)}"))

    def action(self, action: str, session: Session | None = None, data: object = None) -> None:
        """The application did something; in the turn of the line before, if no turn of the clock lies between."""
        line = f"! {action}" if session is None else f"! {action} {session.sid}"
        if data is not None:
            line += f" {show(data) if isinstance(data, str | bytes) else data}"
        self.write(f"&{line}" if self._turn == self.clock.turn else line)
        self._turn = self.clock.turn

    def decision(self, decision: str, session: Session, body: bytes | None = None) -> None:
        """The application decided a handshake."""
        if self.decisions:
            self.action(decision, session, None if body is None else body.decode())

    def settings(self, settings: Settings) -> None:
        """What was set, as far as it is not the default."""
        defaults = type(settings)()
        for field in fields(settings):
            value = getattr(settings, field.name)
            if value != getattr(defaults, field.name):
                self.write(f"% {field.name} {json.dumps(value, default=_show_origins)}")

    def write(self, line: str) -> None:
        """Write a line, and before it the time, if time has passed."""
        now = self.clock.now
        if line.startswith(">"):
            self._turn = self.clock.turn
        if now != self.time:
            self.time = now
            self.lines.append(f"@ {show_time(now)}")
        self.lines.append(line)


def show_frame(frame: str | bytes) -> str:
    """A frame: text that does not look like a packet goes in quotes, so that it is not taken for another word."""
    text = show(frame)
    return text if text[0] in '0123456789b["' else f'"{text}"'


def _show_body(body: bytes) -> str:
    try:
        return show(body.decode())
    except UnicodeDecodeError:
        return show(body)


def _show_origins(policy: object) -> object:
    if isinstance(policy, frozenset):
        return sorted(policy)
    return next(name for name, value in ORIGINS.items() if value is policy)


def _name(exchange: Exchange) -> str:
    return exchange.client + exchange.mark


def _kind(exchange: Exchange) -> str:
    kind = "WS" if exchange.request.asks_websocket() else exchange.request.method
    return f"{_name(exchange)} {kind}"
