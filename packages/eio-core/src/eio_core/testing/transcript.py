"""Transcripts: a dialogue with an engine as text, replayed and compared.

A transcript is what a reviewer reads: the protocol, not asserts. :func:`replay` runs the lines that come from outside
against an engine, and returns the transcript with the lines that came of it; if nothing has changed, that is the text
it was given. To write one, write the lines that come from outside; the rest is filled in, to be read critically::

    === PG-2: a GET waits for the first packet
    > a GET
    * connect a
    < a GET 200 0{"sid":"a","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}
    > a GET
    @ 3.0
    ! send a hello
    < a GET 200 4hello

What comes from outside::

    # ...                   a comment; it stays as it is, and so does an empty line
    === ...                 a new scene: another engine, the time is 0 (scenes())
    % ping_interval 25      a setting of eio_core.Settings, its value in JSON
    % headers true          write the headers of responses too, each on a line of its own, indented
    % handshakes "wait"     "! accept" and "! reject" decide; else each handshake is accepted at once
    @ 25.0                  the time, in seconds; what falls due until then happens in its time
    @ 60.0 late             the same for a loop that stalls: nothing happens until then

    > a GET                 client a sends a GET: its handshake, and later one with its session id
    > a GET ?EIO=3          the same with another query; headers on lines of their own, indented
    > a POST 4hello         a POST and its body; without one it is still to come: "> a BODY 4hello"
    > a WS                  a request for a WebSocket: a handshake, or an upgrade of the session that a has
    > a 4hello              a frame on it
    > a close 1000          a close frame on it, the first or the second
    > a lost                it is gone; "failed": it broke, or could not be written
    > a GET lost            the connection of a request is gone
    > a stuck               a takes nothing of what is written to it from now on, until "> a reads"
    > a takes               it takes what has been written, and no more
    > a#2 GET               another connection of the same client

    ! send a hello          the application sends; so "! close a", "! shutdown 5.0", "! cut", "! reopen"
    ! accept a              it decides a handshake; so "! reject a", with a body or without
    ! pause a               it does not read on for a while, until "! resume a"
    &! send a hello         the same in the turn of the line before; so "&> a 4hello"

What comes of it::

    < a GET 200 4hello      a response
    < a WS 101              a WebSocket accepted
    < a 4hello              a frame
    < a close 1000          a close frame
    < a abort               a connection dropped
    * connect a             the application is told; so "message a hello", "disconnect a ping timeout", "upgrade a",
                            "drain a", "raises SessionClosed"

The session of client a has the id ``a``, its next one ``a2``. Data is written as :mod:`eio_core.testing.notation` has
it.

Must not know: what the protocol wants. A transcript says what *is*; whether it should be is for its reader.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from eio_core import Engine, Headers, Request, Response, Session, SessionClosed, policy_of

from .clock import Clock
from .notation import read, read_bytes, show_time
from .recorder import ORIGINS, Recorder, default_query
from .server import Application, Exchange, Server, Socket

__all__ = ["TranscriptError", "replay", "scenes"]


class TranscriptError(ValueError):
    """A line that cannot be carried out; the message has its number."""


def scenes(text: str) -> list[str]:
    """The scenes of a file, each from its ``===`` line to the next, and first what stands before; joined: the text."""
    result = [""]
    for line in text.splitlines(keepends=True):
        if line.startswith("==="):
            result.append("")
        result[-1] += line
    return result


def replay(text: str) -> str:
    """Run one scene, and return it with what came of it.

    :raises TranscriptError: it cannot be run.
    """
    player = _Player()
    lines: list[str] = []
    for turn in _turns(text):
        lines += turn if turn[0][:1] in "#=" else player.play(turn)
    return "".join(f"{line}\n" for line in lines)


def _turns(text: str) -> Iterator[list[str]]:
    """The lines that belong together: an input, those joined to it by ``&``, and what stays as it is, one by one.

    The lines that an engine wrote, ``<`` and ``*``, are left out; the indented ones below a line are part of it.
    """
    turn: list[str] = []
    kept = True
    for number, line in enumerate(map(str.rstrip, text.splitlines()), 1):
        if line.startswith("    "):
            if kept and turn:
                turn[-1] += "\n" + line
            continue
        kept = line[:1] not in "<*" or not line
        if not kept:
            continue
        if line.startswith("&"):
            if not turn or turn[0][:1] in "#=":
                raise TranscriptError(f"line {number}: there is no turn that {line!r} could be part of")
            turn.append(line)
            continue
        if line[:1] not in "#=%@>!":
            raise TranscriptError(f"line {number}: expected a line that begins with one of # = % @ > ! & < *: {line!r}")
        if turn:
            yield turn
        turn = [line]
    if turn:
        yield turn


class _Application(Application):
    """Accepts, or leaves it to the transcript; keeps the sessions so that closed ones can be sent to."""

    def __init__(self) -> None:
        self.waits = False
        self.sessions: dict[str, Session] = {}

    def connect(self, session: Session) -> bool | None:
        self.sessions[session.sid] = session
        return None if self.waits else True


class _Request(Exchange):
    """A request whose response is taken at once, unless its client is stuck."""

    def __init__(self, player: _Player, client: str, request: Request, mark: str) -> None:
        super().__init__(client, request, mark)
        self.player = player

    def respond(self, response: Response) -> bool:
        return self.player.takes(self)

    def abort(self) -> None:
        self.player.clock.soon(self.player.server.connection_lost, self)


class _WebSocket(_Request, Socket):
    def respond(self, response: Response) -> bool:
        return True

    def accept(self, headers: Headers) -> None:
        pass

    def write(self, frames: list[str | bytes]) -> bool:
        return self.player.takes(self)

    def close(self, code: int) -> None:
        pass


class _Player:
    """Carries out the lines of one scene."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.recorder = Recorder(self.clock)
        self.application = _Application()
        self.server = Server(Engine(), self.clock, self.application, self.recorder)
        self.connections: dict[str, Exchange] = {}
        self.stuck: dict[str, list[Exchange]] = {}

    def play(self, turn: list[str]) -> list[str]:
        """Carry out the lines of one turn; returns them with what came of them."""
        seen = len(self.recorder.lines)
        for line in turn:
            try:
                if line.startswith("@"):
                    return self._pass_time(line)
                self._carry_out(line.removeprefix("&"))
            except (LookupError, ValueError) as error:
                raise TranscriptError(f"{line!r} cannot be carried out: {error!r}") from error
        self.clock.run(self.clock.now)
        return turn + self._what_came(seen)

    def takes(self, exchange: Exchange) -> bool:
        """Whether a client takes what is written to it."""
        if exchange.client not in self.stuck:
            return True
        self.stuck[exchange.client].append(exchange)
        return False

    def _what_came(self, seen: int) -> list[str]:
        return [line for line in self.recorder.lines[seen:] if line[0] in "<*@"]

    def _pass_time(self, line: str) -> list[str]:
        seconds, _, late = line[1:].strip().partition(" ")
        when = float(seconds)
        line = f"@ {show_time(when)}"
        if when < self.clock.now:
            raise ValueError(f"in the past, the time is {show_time(self.clock.now)}")
        if late:
            self.clock.stall(when)
            self.recorder.time = when
            return [f"{line} {late}"]
        seen, before = len(self.recorder.lines), self.recorder.time
        self.clock.run(when)
        came = self._what_came(seen)
        if before == when:  # another turn at the same time
            return [line, *came]
        if self.recorder.time != when:  # nothing happened just then
            self.recorder.time = when
            came.append(line)
        return came

    def _carry_out(self, line: str) -> None:
        line, *headers = line.split("\n")
        sign, _, rest = line.partition(" ")
        if sign == "%":
            self._set(*rest.split(" ", 1))
        elif sign == "!":
            self._act(*rest.split(" ", 2))
        elif sign == ">":
            name, _, rest = rest.partition(" ")
            self._arrive(name, rest, headers)
        else:
            raise ValueError(line)

    # ----------------------------------------------------------------------------------------------------- settings

    def _set(self, name: str, text: str) -> None:
        value = json.loads(text)
        settings = self.server.engine.settings
        if name == "headers":
            self.recorder.headers = value
        elif name == "handshakes":
            self.application.waits = value == "wait"
        elif name == "origins":
            settings.origins = ORIGINS[value] if isinstance(value, str) else policy_of(value)
        elif not hasattr(settings, name):
            raise LookupError(f"there is no setting {name}")
        else:
            setattr(settings, name, tuple(value) if isinstance(value, list) else value)

    # ----------------------------------------------------------------------------------------------- the application

    def _act(self, action: str, sid: str = "", data: str = "") -> None:
        server = self.server
        if not sid:
            plain: dict[str, Callable[[], None]] = {"cut": server.cut, "reopen": server.engine.reopen}
            plain[action]()
            return
        if action == "shutdown":
            server.shutdown(float(sid))
            return
        session = self.application.sessions[sid]
        if action == "send":
            try:
                server.send(session, read(data))
            except (SessionClosed, ValueError) as error:
                self.recorder.write(f"* raises {type(error).__name__}")
        elif action == "reject":
            server.reject(session, read_bytes(data) if data else None)
        elif action in ("pause", "resume"):
            session.paused = action == "pause"
        else:
            one: dict[str, Callable[[Session], None]] = {"close": server.close, "accept": server.accept}
            one[action](session)

    # --------------------------------------------------------------------------------------------------- the network

    def _arrive(self, name: str, what: str, headers: list[str]) -> None:
        word, _, rest = what.partition(" ")
        if word.isalpha() and word.isupper():
            self._arrive_http(name, word, rest, headers)
        elif word == "stuck":
            self.stuck[name] = []
        elif word in ("takes", "reads"):
            written = self.stuck.pop(name)
            if word == "takes":
                self.stuck[name] = []
            for exchange in written:
                self.server.written(exchange)
        else:
            self._arrive_on_socket(self.connections[f"{name} WS"], what)

    def _arrive_http(self, name: str, word: str, rest: str, headers: list[str]) -> None:
        if word == "BODY":
            self.server.receive_body(self.connections[f"{name} POST"], read_bytes(rest))
        elif rest in ("lost", "failed"):
            self.server.connection_lost(self.connections[f"{name} {word}"], error=rest == "failed")
        else:
            query = None
            if rest.startswith("?"):
                query, _, rest = rest[1:].partition(" ")
            exchange = self.connections[f"{name} {word}"] = self._request(name, word, query, headers)
            self.server.receive_request(exchange)
            if rest:
                self.server.receive_body(exchange, read_bytes(rest))

    def _request(self, name: str, word: str, query: str | None, headers: list[str]) -> Exchange:
        client, number, mark = name.partition("#")
        websocket = word == "WS"
        request = Request("GET" if websocket else word, "", websocket=websocket)
        pairs = [header.strip().partition(": ") for header in headers]
        request.headers = {name.lower(): value for name, _, value in pairs}
        request.query = default_query(request, self.server.sids.get(client)) if query is None else query
        made = _WebSocket if websocket else _Request
        return made(self, client, request, number + mark)

    def _arrive_on_socket(self, exchange: Exchange, what: str) -> None:
        assert isinstance(exchange, Socket)
        word, _, rest = what.partition(" ")
        if word == "close":
            self.server.connection_lost(exchange, code=int(rest))
        elif word in ("lost", "failed"):
            self.server.connection_lost(exchange, error=word == "failed")
        else:
            self.server.receive_frame(exchange, read(what))
