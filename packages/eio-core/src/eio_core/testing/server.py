"""The integrator of an engine, in its plainest form: to be tested against, and to be copied.

:class:`Server` does what the contract in the docstring of :mod:`eio_core` asks for; the comments name its steps. It
knows neither sockets nor a framework: whatever carries the bytes (a fake network, a transcript, a test) is an
:class:`Exchange` or a :class:`Socket`, and calls the ``receive_*`` methods with what arrives.

What a real integrator does besides: read bodies under their limit, wait for handlers, compress in a thread.
"""

from __future__ import annotations

from collections.abc import Callable

from eio_core import (
    Abort,
    Closed,
    Drained,
    Effect,
    Engine,
    Handshake,
    Headers,
    Life,
    Link,
    Poll,
    Post,
    Refusal,
    Request,
    Response,
    Session,
    Upgrade,
    Upgraded,
    Write,
    compressed,
)

from .clock import Clock
from .recorder import Observer

__all__ = ["Application", "Exchange", "Server", "Socket"]


class Exchange:
    """An HTTP request and its one response: what a framework hands to its handler.

    :param client: who sends it, as records and default session ids have it.
    :param request: what is sent.
    :param mark: tells it from others of the same client, such as ``#2``.
    """

    def __init__(self, client: str, request: Request, mark: str = "") -> None:
        self.client = client
        self.request = request
        self.mark = mark

    def respond(self, response: Response) -> bool:
        """Write the response. False if it is not written yet; :meth:`Server.written` must follow then."""
        raise NotImplementedError


class Socket(Exchange):
    """A request for a WebSocket, and the WebSocket if it is accepted."""

    def accept(self, headers: Headers) -> None:
        """Answer 101."""
        raise NotImplementedError

    def write(self, frames: list[str | bytes]) -> bool:
        """Write some frames. False if they are not written yet; :meth:`Server.written` must follow then."""
        raise NotImplementedError

    def close(self, code: int) -> None:
        """Send a close frame; :meth:`Server.connection_lost` must follow when the peer has answered it."""
        raise NotImplementedError

    def abort(self) -> None:
        """Drop the connection; :meth:`Server.connection_lost` must follow."""
        raise NotImplementedError


class Application:
    """What stands on top of a server: override what is wanted. Sessions have a ``handle`` that is free for it."""

    def connect(self, session: Session) -> bool | bytes | None:
        """Decide a handshake: True accepts, False or a body in JSON rejects; None: :class:`Server` is told later."""
        return True

    def message(self, session: Session, data: str | bytes) -> None:
        """A message arrived."""

    def disconnect(self, session: Session, reason: str) -> None:
        """The session is over; ``reason`` is one of :class:`eio_core.Reason`."""

    def upgraded(self, session: Session) -> None:
        """The session moved to its WebSocket."""

    def drained(self, session: Session) -> None:
        """The outbox of the session fell below low water."""


class Server:
    """One engine with its connections and its application.

    :param engine: its effects are carried out here and nowhere else.
    :param clock: the time.
    :param application: who is told what concerns it.
    :param observer: who is told everything, such as a :class:`~eio_core.testing.recorder.Recorder`.
    """

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        application: Application | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.engine = engine
        self.clock = clock
        self.application = Application() if application is None else application
        self.observer = Observer() if observer is None else observer
        self.sids: dict[str, str] = {}
        """The id of the latest session of each client."""
        self.generate_id: Callable[[Exchange], str] = self._generate_id
        """Makes the id of a new session: by default the name of the client, a number behind it from the second on."""
        self._handshakes: dict[str, int] = {}
        self._timer = clock.timer(self.expire)
        self._inside = False
        self._served: dict[Exchange, Poll | Post | Link | Session] = {}  # what each connection is to the engine
        self._deciding: dict[Session, Exchange] = {}
        self._writing: set[Exchange] = set()  # taken from the engine, and not written yet
        self._hanging_up: set[Link] = set()
        self._dirty: dict[Poll | Link, None] = {}

    @property
    def connections(self) -> int:
        """How many requests are not answered and WebSockets not gone."""
        return len(self._served)

    # ---------------------------------------------------------------------------------------- steps 2 and 3: requests

    def receive_request(self, exchange: Exchange) -> None:
        """A request arrived: its method, its query and its headers."""
        self.observer.request(exchange, self.sids.get(exchange.client))
        self._inside = True
        answer = self.engine.receive_request(exchange.request, self.clock.now)
        if isinstance(answer, Response):
            self._respond(exchange, answer)
        elif isinstance(answer, Handshake):
            self._open(exchange, answer)
        elif isinstance(answer, Upgrade):
            assert isinstance(exchange, Socket)
            self._accept_socket(exchange, answer.cors)
            self._serve(exchange, self.engine.open_link(answer, self.clock.now))
        else:
            self._serve(exchange, answer)
        self._settle()

    def _open(self, exchange: Exchange, handshake: Handshake) -> None:
        session = self.engine.open(handshake, self.generate_id(exchange))
        if isinstance(session, Refusal):
            self._respond(exchange, session)
            return
        self._served[exchange] = session
        self._deciding[session] = exchange
        self.observer.event("connect", session)
        verdict = self.application.connect(session)
        if verdict is True:
            self.accept(session)
        elif verdict is not None:
            self.reject(session, verdict or None)

    def accept(self, session: Session) -> None:
        """The application accepts a handshake."""
        self.observer.decision("accept", session)
        exchange = self._deciding.pop(session)
        here = self._served.pop(exchange, None) is not None
        answer = self.engine.accept(session, self.clock.now)
        if isinstance(answer, Refusal):
            if here:
                self._respond(exchange, answer)
        elif here:
            self.sids[exchange.client] = session.sid
            if isinstance(answer, Link):
                assert isinstance(exchange, Socket)
                self._accept_socket(exchange, answer.cors)
            self._serve(exchange, answer)
        else:  # the client left meanwhile (row HS-26)
            self.engine.connection_lost(answer, error=True)
        self._settle_outside()

    def reject(self, session: Session, body: bytes | None = None) -> None:
        """The application rejects a handshake, with a body in JSON."""
        self.observer.decision("reject", session, body)
        exchange = self._deciding.pop(session)
        refusal = self.engine.reject(session) if body is None else self.engine.reject(session, body)
        if self._served.pop(exchange, None) is not None:
            self._respond(exchange, refusal)
        self._settle_outside()

    def receive_body(self, exchange: Exchange, body: bytes) -> None:
        """The body of a POST arrived, as much of it as its limit lets an integrator read, and one byte more."""
        self.observer.body(exchange, body)
        post = self._served.get(exchange)
        if not isinstance(post, Post):  # it was answered without
            return
        self._inside = True
        session = post.session
        messages = self.engine.receive_body(post, body, self.clock.now)
        if session is not None:
            self._deliver(session, messages)
        if post.ready:
            self._write(post)
        self._settle()

    def _deliver(self, session: Session, messages: list[str | bytes]) -> None:
        was_open = session.life is Life.OPEN
        for data in messages:
            if was_open and session.life is not Life.OPEN:  # closed by the handler of the message before (row CL-14)
                return
            self.observer.event("message", session, data)
            self.application.message(session, data)

    # -------------------------------------------------------------------------------------------- step 4: WebSockets

    def receive_frame(self, socket: Socket, frame: str | bytes) -> None:
        """A whole message arrived on a WebSocket."""
        self.observer.frame(socket, frame)
        link = self._served.get(socket)
        if not isinstance(link, Link):
            return
        self._inside = True
        session = link.session
        message = self.engine.receive_frame(link, frame)
        if message is not None:
            assert session is not None, "only a link with a session gives messages"
            self._deliver(session, [message])
        self._settle()
        if message is None:
            self._write(link)
            self._settle()

    def receive_close(self, socket: Socket, code: int) -> None:
        """A close frame arrived, the first one or the answer to ours, and the WebSocket is gone with it."""
        if socket in self._served:
            self.observer.closed(socket, code)
        self._lose(socket, code=code)

    # ------------------------------------------------------------------------------------------------ step 6: losses

    def connection_lost(self, exchange: Exchange, *, error: bool = False) -> None:
        """A connection is gone, or what was written to it could not be; it does not matter if it was done with."""
        if exchange in self._served:
            self.observer.lost(exchange, error=error)
        self._lose(exchange, error=error)

    def _lose(self, exchange: Exchange, *, code: int | None = None, error: bool = False) -> None:
        self._writing.discard(exchange)
        served = self._served.pop(exchange, None)
        if served is None or isinstance(served, Session):  # a handshake that is being decided: accept() will see
            return
        if isinstance(served, Link):
            self._hanging_up.discard(served)
        self._inside = True
        self.engine.connection_lost(served, code=code, error=error)
        self._settle()

    def written(self, exchange: Exchange) -> None:
        """What ``respond`` or ``write`` could not write at once has been written."""
        if exchange not in self._writing:
            return
        self._writing.discard(exchange)
        self._inside = True
        served = self._served[exchange]
        if isinstance(served, Link):
            self._write(served)
        else:
            self._response_written(exchange, served)
        self._settle()

    # ----------------------------------------------------------------------------------------------- the application

    def session(self, session: Session | str) -> Session:
        """The session with an id: one that is accepted and not closed, or being decided.

        :raises KeyError: there is none.
        """
        if isinstance(session, Session):
            return session
        return self.engine.sessions.get(session) or self.engine.opening[session]

    def send(self, session: Session | str, data: object) -> None:
        """Send a message; what is sent in the same turn leaves together (row PG-9).

        :raises SessionClosed, TypeError, ValueError: see :meth:`eio_core.Engine.send`.
        """
        session = self.session(session)
        self.observer.action("send", session, data)
        connection = self.engine.send(session, data)
        if connection is not None:
            if not self._dirty:
                self.clock.soon(self._write_dirty)
            self._dirty[connection] = None
        self._settle_outside()

    def close(self, session: Session | str) -> None:
        """Close a session: what is buffered is delivered first."""
        session = self.session(session)
        self.observer.action("close", session)
        self.engine.close(session, self.clock.now)
        self._settle_outside()

    def shutdown(self, timeout: float = 5.0) -> None:
        """Refuse new handshakes, tell every client, and give them so many seconds to fetch the rest."""
        self.observer.action("shutdown", data=timeout)
        self.engine.shutdown(self.clock.now, timeout)
        self._settle_outside()

    def cut(self) -> None:
        """End whatever is left."""
        self.observer.action("cut")
        self.engine.cut()
        self._settle_outside()

    # -------------------------------------------------------------------------------------------------- step 7: time

    def expire(self) -> None:
        """The timer went off."""
        self._inside = True
        self.engine.expire(self.clock.now)
        self._settle()

    # ----------------------------------------------------------------------------------------------- step 5: effects

    def _settle(self) -> None:
        """Carry out all effects, in order, after the messages that came with them; then look at the time again."""
        self._inside = True
        effects = self.engine.effects
        while effects:
            self._carry_out(effects.pop(0))
        self._inside = False
        self._timer.set(self.engine.next_deadline())

    def _settle_outside(self) -> None:
        """The same after a call of the application, unless that was made from one of its handlers."""
        if not self._inside:
            self._settle()

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, Write):
            self._write(effect.connection)
        elif isinstance(effect, Closed):
            self.observer.event("disconnect", effect.session, effect.reason)
            self.application.disconnect(effect.session, effect.reason)
        elif isinstance(effect, Abort):
            socket = effect.connection.handle
            if socket in self._served:
                self.observer.aborted(socket)
                socket.abort()
        elif isinstance(effect, Upgraded):
            self.observer.event("upgrade", effect.session)
            self.application.upgraded(effect.session)
        elif isinstance(effect, Drained):
            self.observer.event("drain", effect.session)
            self.application.drained(effect.session)

    # ------------------------------------------------------------------------------------------------------- writing

    def _serve(self, exchange: Exchange, connection: Poll | Post | Link) -> None:
        connection.handle = exchange
        self._served[exchange] = connection
        if isinstance(connection, Link) or connection.ready:
            self._write(connection)

    def _write_dirty(self) -> None:
        """The turn is over in which something was sent."""
        self._inside = True
        dirty, self._dirty = self._dirty, {}
        for connection in dirty:
            self._write(connection)
        self._settle()

    def _write(self, connection: Poll | Post | Link) -> None:
        exchange: Exchange = connection.handle
        if self._served.get(exchange) is not connection:
            return  # it is answered, or gone
        if isinstance(connection, Link):
            assert isinstance(exchange, Socket)
            self._pump(exchange, connection)
        elif connection.ready and exchange not in self._writing:
            if self._respond(exchange, self.engine.take_response(connection)):
                self._response_written(exchange, connection)
            else:
                self._writing.add(exchange)

    def _pump(self, socket: Socket, link: Link) -> None:
        """The one writer of a WebSocket: take, write, take again; then close it, if it is to be closed."""
        while socket not in self._writing and (frames := self.engine.take_frames(link)):
            self.observer.frames(socket, frames)
            if not socket.write(frames):
                self._writing.add(socket)
        if link.closing is not None and link not in self._hanging_up:
            # Even while a write is stuck: a peer that reads nothing must not keep the connection for ever (row CL-18).
            self._hanging_up.add(link)
            self.engine.begin_hangup(link, self.clock.now)
            self.observer.closing(socket, link.closing)
            socket.close(link.closing)

    def _accept_socket(self, socket: Socket, headers: Headers) -> None:
        self.observer.accepted(socket)
        socket.accept(headers)

    def _respond(self, exchange: Exchange, response: Response) -> bool:
        self.observer.response(exchange, response)
        return exchange.respond(compressed(response))

    def _response_written(self, exchange: Exchange, connection: Poll | Post | Session) -> None:
        del self._served[exchange]
        if isinstance(connection, Poll):
            self.engine.written(connection)

    def _generate_id(self, exchange: Exchange) -> str:
        client = exchange.client
        number = self._handshakes[client] = self._handshakes.get(client, 0) + 1
        return client if number == 1 else f"{client}{number}"
