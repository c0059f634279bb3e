"""A server on virtual time: a :class:`~eio_core.driver.Driver` with an application, and somebody who observes it.

It knows neither sockets nor a framework: whatever carries the bytes (a fake network, a transcript, a test) is an
:class:`Exchange` or a :class:`Socket`, and calls the ``receive_*`` methods with what arrives.
"""

from __future__ import annotations

from collections.abc import Callable

from eio_core import Engine, Headers, Life, Request, Response, Session
from eio_core.driver import Connection, Driver

from .clock import Clock
from .recorder import Observer

__all__ = ["Application", "Exchange", "Server", "Socket"]


class Exchange(Connection):
    """An HTTP request and its one response: what a framework hands to its handler.

    :param client: who sends it, as records and default session ids have it.
    :param request: what is sent.
    :param mark: tells it from others of the same client, such as ``#2``.
    """

    def __init__(self, client: str, request: Request, mark: str = "") -> None:
        self.client = client
        self.request = request
        self.mark = mark


class Socket(Exchange):
    """A request for a WebSocket, and the WebSocket if it is accepted."""


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


class Server(Driver[Exchange]):
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
        super().__init__(engine)
        self.clock = clock
        self.application = Application() if application is None else application
        self.observer = Observer() if observer is None else observer
        self.sids: dict[str, str] = {}
        """The id of the latest session of each client."""
        self.generate_id: Callable[[Exchange], str] = self._generate_id
        """Makes the id of a new session: by default the name of the client, a number behind it from the second on."""
        self._handshakes: dict[str, int] = {}
        self._timer = clock.timer(self.expire)

    def session(self, session: Session | str) -> Session:
        """The session with an id: one that is accepted and not closed, or being decided.

        :raises KeyError: there is none.
        """
        if isinstance(session, Session):
            return session
        return self.engine.sessions.get(session) or self.engine.opening[session]

    # ------------------------------------------------------------------------------------------ what a driver asks for

    def now(self) -> float:
        return self.clock.now

    def set_timer(self, deadline: float | None) -> None:
        self._timer.set(deadline)

    def make_sid(self, connection: Exchange) -> str:
        return self.generate_id(connection)

    # ---------------------------------------------------------------------------------------------- what clients do

    def receive_request(self, connection: Exchange) -> None:
        self.observer.request(connection, self.sids.get(connection.client))
        super().receive_request(connection)

    def receive_body(self, connection: Exchange, data: bytes, *, more: bool = False) -> None:
        self.observer.body(connection, data)
        super().receive_body(connection, data, more=more)

    def receive_frame(self, connection: Exchange, data: str | bytes, *, more: bool = False) -> None:
        self.observer.frame(connection, data)
        super().receive_frame(connection, data, more=more)

    def connection_lost(self, connection: Exchange, *, code: int | None = None, error: bool = False) -> None:
        if connection in self._served:
            if code is None:
                self.observer.lost(connection, error=error)
            else:
                self.observer.closed(connection, code)
        super().connection_lost(connection, code=code, error=error)

    # --------------------------------------------------------------------------------- what is told to the application

    def connect(self, session: Session, connection: Exchange) -> bool | bytes | None:
        self.observer.event("connect", session)
        return self.application.connect(session)

    def message(self, session: Session, data: str | bytes) -> None:
        self.observer.event("message", session, data)
        self.application.message(session, data)

    def disconnect(self, session: Session, reason: str) -> None:
        self.observer.event("disconnect", session, reason)
        self.application.disconnect(session, reason)

    def upgraded(self, session: Session) -> None:
        self.observer.event("upgrade", session)
        self.application.upgraded(session)

    def drained(self, session: Session) -> None:
        self.observer.event("drain", session)
        self.application.drained(session)

    # ---------------------------------------------------------------------------------------- what the application does

    def accept(self, session: Session) -> None:
        self.observer.decision("accept", session)
        connection = self._deciding.get(session)  # None: it has been decided, and the driver says so
        if connection and self._served.get(connection) is session and session.life is not Life.CLOSED:
            self.sids[connection.client] = session.sid
        super().accept(session)

    def reject(self, session: Session, body: bytes | None = None) -> None:
        self.observer.decision("reject", session, body)
        if body is None:
            super().reject(session)
        else:
            super().reject(session, body)

    def send(self, session: Session | str, data: object) -> None:
        session = self.session(session)
        self.observer.action("send", session, data)
        super().send(session, data)

    def close(self, session: Session | str) -> None:
        session = self.session(session)
        self.observer.action("close", session)
        super().close(session)

    def shutdown(self, timeout: float = 5.0) -> None:
        self.observer.action("shutdown", data=timeout)
        super().shutdown(timeout)

    def cut(self) -> None:
        self.observer.action("cut")
        super().cut()

    # -------------------------------------------------------------------------------------------------- what goes out

    def _respond(self, connection: Exchange, response: Response) -> bool:
        self.observer.response(connection, response)
        return super()._respond(connection, response)

    def _accept(self, connection: Exchange, headers: Headers) -> None:
        self.observer.accepted(connection)
        super()._accept(connection, headers)

    def _send(self, connection: Exchange, frames: list[str | bytes]) -> bool:
        self.observer.frames(connection, frames)
        return super()._send(connection, frames)

    def _close(self, connection: Exchange, code: int) -> None:
        self.observer.closing(connection, code)
        super()._close(connection, code)

    def _abort(self, connection: Exchange) -> None:
        self.observer.aborted(connection)
        super()._abort(connection)

    def _generate_id(self, connection: Exchange) -> str:
        client = connection.client
        number = self._handshakes[client] = self._handshakes.get(client, 0) + 1
        return client if number == 1 else f"{client}{number}"
