"""The contract with an integrator, carried out for servers that work with callbacks: what is left is I/O.

Whoever embeds the core in a server of one's own derives a class from :class:`Driver`, which gives it the time and an
application, and one from :class:`Connection`, which writes to one; and calls the methods of the driver with what
arrives. ``examples/custom_server.py`` is such a server, and so is the one of :mod:`eio_core.testing`. The comments name
the steps of the contract in the docstring of :mod:`eio_core`.

What a driver does not do: wait for the handlers of messages, or compress large responses in a thread. An integrator
that needs that speaks to the :class:`~eio_core.engine.Engine` itself, as eio-server does.

Must not know: event loops, sockets, a framework.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from .compression import compressed
from .effects import Abort, Closed, Effect, Upgraded, Write
from .engine import Engine
from .http import Headers, Refusal, Request, Response
from .session import Handshake, Link, Poll, Post, Session, Upgrade
from .states import Life

__all__ = ["Connection", "Driver"]

OPEN, CLOSED = Life.OPEN, Life.CLOSED


class Connection:
    """An HTTP request and its one response, or a WebSocket.

    Any of its methods may find out that the peer is gone, and call :meth:`Driver.connection_lost` at once. The object
    may serve again for the next request of its TCP connection, once the response before it is written.
    """

    request: Request
    """What arrived: set it before :meth:`Driver.receive_request`."""

    def respond(self, response: Response) -> bool:
        """Write the response. False if it is not written yet; :meth:`Driver.written` must follow then."""
        raise NotImplementedError

    def accept(self, headers: Headers) -> None:
        """It becomes a WebSocket: answer 101, with these headers besides those of the WebSocket handshake."""
        raise NotImplementedError

    def write(self, frames: list[str | bytes]) -> bool:
        """Write some WebSocket messages. False if they are not written yet; :meth:`Driver.written` must follow then."""
        raise NotImplementedError

    def close(self, code: int) -> None:
        """Send a close frame; :meth:`Driver.connection_lost` must follow when the peer has answered it."""
        raise NotImplementedError

    def abort(self) -> None:
        """Drop the connection, whatever was written to it; :meth:`Driver.connection_lost` must follow."""
        raise NotImplementedError


C = TypeVar("C", bound=Connection)
D = TypeVar("D", bound="Driver[Any]")
P = ParamSpec("P")


def event(method: Callable[Concatenate[D, P], None]) -> Callable[Concatenate[D, P], None]:
    """A method of a driver that an integrator calls: what it brings about is carried out when it is over.

    One may be called inside of another: a handler closes a session, a write finds that the peer is gone. Then the end
    of the outer one sees to both, so that no handler is called within another, and messages come before their close.
    """

    @wraps(method)
    def whole(self: D, /, *args: P.args, **kwargs: P.kwargs) -> None:
        if self._inside:
            method(self, *args, **kwargs)
            return
        self._inside = True
        try:
            method(self, *args, **kwargs)
        finally:
            self._settle()

    return whole


class Driver(Generic[C]):
    """One engine with its connections and its application: override what is wanted, and what has to be.

    Nothing here blocks, and no method may be called from two threads. The methods to override may call the others. An
    exception of theirs comes out of the method that was called, once what that had to do is done; of several messages
    in one body, those behind the one whose handler raised are not delivered.

    :param engine: its effects are carried out here and nowhere else (step 1).
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._inside = False
        self._served: dict[C, Poll | Post | Link | Session] = {}  # what each connection is to the engine
        self._partial: dict[C, bytearray] = {}  # a body or message of which more is to come
        self._deciding: dict[Session, C] = {}
        self._writing: dict[C, Session | None] = {}  # taken from the engine, and not written yet
        self._answering: dict[Session, dict[C, Poll]] = {}  # those of them that answer polls
        self._hanging_up: set[Link] = set()
        self._dirty: dict[Poll | Link, None] = {}

    @property
    def connections(self) -> int:
        """How many requests are not answered and WebSockets not gone."""
        return len(self._served)

    # ------------------------------------------------------------------------------------------ what has to be there

    def now(self) -> float:
        """The time, in seconds of a monotonic clock."""
        raise NotImplementedError

    def set_timer(self, deadline: float | None) -> None:
        """Have :meth:`expire` called at a time, in another turn of the event loop, and no longer at the one before.

        Now, when something was sent: what is sent in this turn leaves together. None: not at all (step 7).
        """
        raise NotImplementedError

    def make_sid(self, connection: C) -> str:
        """The id of a new session, which nobody can guess."""
        raise NotImplementedError

    # ---------------------------------------------------------------------------------------------- the application

    def connect(self, session: Session, connection: C) -> bool | bytes | None:
        """Decide a handshake. True accepts, False or a body in JSON rejects; None: :meth:`accept` or :meth:`reject`
        follows."""
        return True

    def message(self, session: Session, data: str | bytes) -> None:
        """A message arrived."""

    def disconnect(self, session: Session, reason: str) -> None:
        """The session is over; ``reason`` is one of :class:`eio_core.Reason`."""

    def upgraded(self, session: Session) -> None:
        """The session moved to its WebSocket."""

    def drained(self, session: Session) -> None:
        """What waits to be sent to this session fell below low water: who waited may go on (row FD-8)."""

    @event
    def send(self, session: Session, data: object) -> None:
        """Send a message; what is sent in the same turn leaves together (row PG-9).

        :raises SessionClosed, TypeError, ValueError: see :meth:`eio_core.engine.Engine.send`.
        """
        served = self.engine.send(session, data)
        if served is not None:
            self._dirty[served] = None

    @event
    def close(self, session: Session) -> None:
        """Close a session: what is buffered is delivered first."""
        self.engine.close(session, self.now())

    @event
    def shutdown(self, timeout: float = 5.0) -> None:
        """Refuse new handshakes, tell every client, and give them so many seconds to fetch the rest (row SD-1)."""
        self.engine.shutdown(self.now(), timeout)

    @event
    def cut(self) -> None:
        """End whatever is left."""
        self.engine.cut()

    # ---------------------------------------------------------------------------------------- steps 2 and 3: requests

    @event
    def receive_request(self, connection: C) -> None:
        """A request arrived: its method, its query and its headers."""
        answer = self.engine.receive_request(connection.request, self.now())
        if isinstance(answer, Response):
            self._respond(connection, answer)
        elif isinstance(answer, Handshake):
            self._open(connection, answer)
        elif isinstance(answer, Upgrade):
            self._serve(connection, self.engine.open_link(answer, self.now()))
        else:
            self._serve(connection, answer)

    def wants_body(self, connection: C) -> bool:
        """Whether the body of this request is to be read: it is not answered without."""
        post = self._served.get(connection)
        return isinstance(post, Post) and not post.ready and connection not in self._writing

    @event
    def receive_body(self, connection: C, data: bytes, *, more: bool = False) -> None:
        """The body of a request arrived, or a part of it. It is answered as soon as it is longer than allowed.

        :param more: whether the rest is still to come.
        """
        post = self._served.get(connection)
        if not isinstance(post, Post) or not self.wants_body(connection):
            return
        body = self._whole(connection, data, post.limit, more=more)
        if body is None:
            return
        session = post.session
        assert session is not None, "a post whose session is over has its response"
        try:
            self._deliver(session, self.engine.receive_body(post, body, self.now()))
        finally:
            self._write(post)

    @event
    def accept(self, session: Session) -> None:
        """The application accepts a handshake.

        :raises LocalProtocolError: it has been decided before.
        """
        answer = self.engine.accept(session, self.now())
        connection = self._deciding.pop(session)
        if self._served.get(connection) is not session:  # the client left meanwhile (row HS-26)
            if not isinstance(answer, Refusal):
                self.engine.connection_lost(answer, error=True)
        elif isinstance(answer, Refusal):
            del self._served[connection]
            self._respond(connection, answer)
        else:
            self._serve(connection, answer)

    @event
    def reject(self, session: Session, body: bytes = b'"Unauthorized"') -> None:
        """The application rejects a handshake, with a body in JSON.

        :raises LocalProtocolError: it has been decided before.
        """
        refusal = self.engine.reject(session, body)
        connection = self._deciding.pop(session)
        if self._served.get(connection) is session:
            del self._served[connection]
            self._respond(connection, refusal)

    def _open(self, connection: C, handshake: Handshake) -> None:
        sid = ""  # if it cannot be made: one that is refused (row HS-5)
        try:
            sid = self.make_sid(connection)
        finally:
            session = self.engine.open(handshake, sid)
            if isinstance(session, Refusal):
                self._respond(connection, session)
        if isinstance(session, Session):
            self._ask(connection, session)

    def _ask(self, connection: C, session: Session) -> None:
        self._served[connection] = session
        self._deciding[session] = connection
        verdict: bool | bytes | None = False  # if it raises
        try:
            verdict = self.connect(session, connection)
        finally:
            if session in self._deciding:  # else it has said so itself
                self._decided(session, verdict)

    def _decided(self, session: Session, verdict: bool | bytes | None) -> None:
        if verdict is True:
            self.accept(session)
        elif verdict is False:
            self.reject(session)
        elif verdict is not None:
            self.reject(session, verdict)

    def _deliver(self, session: Session, messages: list[str | bytes]) -> None:
        was_open = session.life is OPEN
        for data in messages:
            if was_open and session.life is not OPEN:  # closed by the handler of the message before (row CL-14)
                return
            self.message(session, data)

    # -------------------------------------------------------------------------------------------- step 4: WebSockets

    @event
    def receive_frame(self, connection: C, data: str | bytes, *, more: bool = False) -> None:
        """A WebSocket message arrived, or a part of it. One that is too long closes the WebSocket with 1009.

        :param more: whether the rest of the message is still to come.
        """
        link = self._served.get(connection)
        if not isinstance(link, Link):
            return
        frame: str | bytes | None = data
        if more or connection in self._partial:
            text = isinstance(data, str)
            raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
            frame = self._whole(connection, raw, self.engine.settings.max_http_buffer_size, more=more)
            if text and frame is not None:
                frame = str(frame, "utf-8", "surrogatepass")
        if frame is None:
            return
        session = link.session
        message = self.engine.receive_frame(link, frame)
        if message is None:
            self.engine.effects.append(Write(link))
        else:
            assert session is not None, "only a link with a session gives messages"
            self._deliver(session, [message])

    def _whole(self, connection: C, data: bytes, limit: int, *, more: bool) -> bytes | None:
        """All that has arrived, once it is complete or longer than the limit; None: wait for the rest."""
        partial = self._partial.get(connection)
        if partial is None:
            if not more:  # nearly always
                return data
            partial = self._partial[connection] = bytearray()
        partial += data
        if more and len(partial) <= limit:
            return None
        return bytes(self._partial.pop(connection))

    # ------------------------------------------------------------------------------------------------ step 6: losses

    @event
    def connection_lost(self, connection: C, *, code: int | None = None, error: bool = False) -> None:
        """A connection is gone, or what was written to it could not be; it does not matter if it was done with.

        :param code: the close code with which a WebSocket ended, None if there was none.
        :param error: it broke, whatever the code says (row CL-10).
        """
        served = self._served.pop(connection, None)
        self._partial.pop(connection, None)
        self._let_go(connection)
        if served is None or isinstance(served, Session):  # a handshake that is being decided: accept() will see
            return
        if isinstance(served, Link):
            self._hanging_up.discard(served)
        self.engine.connection_lost(served, code=code, error=error)

    @event
    def written(self, connection: C) -> None:
        """What ``respond`` or ``write`` could not write at once has been written."""
        if connection not in self._writing:
            return
        self._let_go(connection)
        served = self._served[connection]
        if isinstance(served, Link):
            self._write(served)
        else:
            del self._served[connection]
            self._partial.pop(connection, None)
            if isinstance(served, Poll):
                self.engine.written(served)

    # -------------------------------------------------------------------------------------------------- step 7: time

    @event
    def expire(self) -> None:
        """The timer went off: write what was sent, and do what is due."""
        dirty, self._dirty = self._dirty, {}
        left = iter(dirty)
        try:
            for served in left:
                self._write(served)
            self.engine.expire(self.now())
        finally:  # a write raised: the others come in the next turn
            self._dirty.update(dict.fromkeys(left))

    # ----------------------------------------------------------------------------------------------- step 5: effects

    def _settle(self) -> None:
        """Carry out all effects, in order, after the messages that came with them; then look at the time again."""
        effects = self.engine.effects
        try:
            while effects:
                self._carry_out(effects.pop(0))
        finally:
            self._inside = False
            soon = self._dirty or effects  # effects: the application raised, and what is left is for the next turn
            self.set_timer(self.now() if soon else self.engine.next_deadline())

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, Write):
            self._write(effect.connection)
        elif isinstance(effect, Closed):
            for poll in self._answering.get(effect.session, {}).values():
                self.engine.begin_hangup(poll, self.now())
            self.disconnect(effect.session, effect.reason)
        elif isinstance(effect, Abort):
            self._abort(effect.connection.handle)
        elif isinstance(effect, Upgraded):
            self.upgraded(effect.session)
        else:
            self.drained(effect.session)

    # ------------------------------------------------------------------------------------------------------- writing

    def _serve(self, connection: C, served: Poll | Post | Link) -> None:
        served.handle = connection
        self._served[connection] = served  # first: an accept that fails is a loss like any other
        if isinstance(served, Link):
            self._accept(connection, served.cors)
            self._write(served)
        elif served.ready:
            self._write(served)

    def _write(self, served: Poll | Post | Link) -> None:
        connection: Any = served.handle
        if self._served.get(connection) is not served:
            return  # it is answered, or gone
        if isinstance(served, Link):
            self._pump(connection, served)
        elif served.ready and connection not in self._writing:
            session = served.session
            response = self.engine.take_response(served)
            self._writing[connection] = session
            if self._respond(connection, response):
                self.written(connection)
            elif isinstance(served, Poll) and connection in self._writing:  # else it was lost at once
                if session is None or session.life is CLOSED:
                    self.engine.begin_hangup(served, self.now())
                else:
                    self._answering.setdefault(session, {})[connection] = served

    def _pump(self, connection: C, link: Link) -> None:
        """The one writer of a WebSocket: take, write, take again; then close it, if it is to be closed."""
        while connection not in self._writing and (frames := self.engine.take_frames(link)):
            self._writing[connection] = None
            if self._send(connection, frames):
                self._let_go(connection)
        if link.closing is not None and link not in self._hanging_up:
            # Even while a write is stuck: a peer that reads nothing must not keep the connection for ever (row CL-18).
            self._hanging_up.add(link)
            self.engine.begin_hangup(link, self.now())
            self._close(connection, link.closing)

    def _let_go(self, connection: C) -> None:
        """Nothing is being written to this connection any more."""
        session = self._writing.pop(connection, None)
        if session is not None and (polls := self._answering.get(session)) is not None:
            polls.pop(connection, None)
            if not polls:
                del self._answering[session]

    # What goes out, for those who want to see it.

    def _respond(self, connection: C, response: Response) -> bool:
        return connection.respond(compressed(response))

    def _accept(self, connection: C, headers: Headers) -> None:
        connection.accept(headers)

    def _send(self, connection: C, frames: list[str | bytes]) -> bool:
        return connection.write(frames)

    def _close(self, connection: C, code: int) -> None:
        connection.close(code)

    def _abort(self, connection: C) -> None:
        connection.abort()
