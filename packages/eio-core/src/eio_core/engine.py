"""The engine: one method for each event, and the registry of sessions.

Read the contract in the docstring of :mod:`eio_core` first. The methods here are the whole surface that a server needs;
what they do stands in the module named after it: :mod:`~eio_core.admission`, :mod:`~eio_core.polling`,
:mod:`~eio_core.upgrade`, :mod:`~eio_core.websocket`, :mod:`~eio_core.heartbeat`, :mod:`~eio_core.closing`. Only the two
paths that every message takes, :meth:`Engine.receive_frame` and :meth:`Engine.send`, are written out, for speed.

Must not know: sockets, tasks, the time (``now`` comes in as an argument: seconds, monotonic, a float).
"""

from __future__ import annotations

import json
import math
from itertools import accumulate

from . import closing, heartbeat, outbox, polling, upgrade, websocket
from .admission import admit, refuse_shutdown
from .deadlines import Deadlines, Due
from .effects import Abort, Closed, Effect
from .errors import ErrorCode, LocalProtocolError, SessionClosed
from .http import Refusal, Request, Response, refusal, unauthorized
from .packets import Encoded, Outgoing, encode_message, encode_text, lone_surrogate
from .payloads import SEPARATOR
from .session import PACKET_OVERHEAD, Handshake, Link, Poll, Post, Session, Upgrade, new_route, size_of
from .settings import LOW_WATER, Settings
from .states import Channel, Life, Reason, Route

__all__ = ["Engine"]

HANGUP = 5.0
"""Seconds from our close frame to the moment when the connection is dropped (row CL-18)."""
BATCH_BYTES = 64 * 1024
"""About how much a WebSocket takes from the outbox at a time, so that ``buffered`` falls while it is written."""

# Bound once: looking a member up in its enum costs 80 ns each time, on CPython 3.11 seven times a name's own.
OPENING, OPEN, CLOSING, CLOSED = Life.OPENING, Life.OPEN, Life.CLOSING, Life.CLOSED
POLLING, WEBSOCKET = Route.POLLING, Route.WEBSOCKET
CARRYING, DRAINING = Channel.CARRYING, Channel.DRAINING
DUE_HANGUP = Due.HANGUP


class Engine:
    """A server's side of Engine.IO v4: all its sessions, and not one socket.

    :param settings: read whenever they are used; they may be changed at any time.
    """

    __slots__ = ("_cut_at", "deadlines", "effects", "opening", "sessions", "settings")

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = Settings() if settings is None else settings
        self.effects: list[Effect] = []
        """What is still to be carried out; take it all after every call, in order, and clear it."""
        self.sessions: dict[str, Session] = {}
        """The sessions that a request finds: accepted and not closed. For looking, never for changing."""
        self.opening: dict[str, Session] = {}
        """Those whose handshake is being decided."""
        self.deadlines: Deadlines[Session | Link | Poll | Post] = Deadlines()
        self._cut_at: float | None = None
        """When a shutdown that has begun ends what is left."""

    # ---------------------------------------------------------------------------------------------------- requests

    def receive_request(self, request: Request, now: float) -> Refusal | Response | Handshake | Upgrade | Poll | Post:
        """A request arrived.

        :returns: what it is:

            - :class:`~eio_core.http.Refusal`: send it as it is.
            - :class:`~eio_core.http.Response`: the answer to a preflight: send it as it is.
            - :class:`Handshake`: ask the application, between :meth:`open` and :meth:`accept` or :meth:`reject`.
            - :class:`Upgrade`: accept the WebSocket, then :meth:`open_link`.
            - :class:`Poll`: when it is ``ready``, :meth:`take_response`; else wait for its ``Write``.
            - :class:`Post`: if it is ``ready``, :meth:`take_response`; else read the body up to its ``limit`` bytes and
              call :meth:`receive_body`, :meth:`receive_oversize` or :meth:`connection_lost`. A ``Write`` meanwhile
              means: stop reading and send the response.
        """
        self.expire(now)
        admitted = admit(request, self.settings, self.sessions, shutting_down=self._cut_at is not None)
        if not isinstance(admitted, tuple):
            return admitted
        session, cors = admitted
        receive = polling.receive_get if request.method == "GET" else polling.receive_post
        return receive(self, session, request, cors, now)

    def open(self, handshake: Handshake, sid: str) -> Session | Refusal:
        """Make the session of a handshake, *opening*: it can be sent to and closed, but no request finds it (HS-20).

        :param sid: the new session's id, any non-empty text. One that is in use is refused (row HS-6).
        """
        if self.shutting_down:  # since the request came: making the id may have taken a while
            return self.refuse(handshake)
        if not sid or sid in self.sessions or sid in self.opening:
            return self.refuse(handshake, "ID_GENERATION_ERROR")
        session = Session(sid, new_route(handshake.transport), base64=handshake.base64)
        session.request = handshake
        self.opening[sid] = session
        return session

    def accept(self, session: Session, now: float) -> Poll | Link | Refusal:
        """The application accepted the handshake.

        :returns: for polling the :class:`Poll` whose response is the handshake's, ready; for WebSocket the
            :class:`Link` to be written once the 101 is sent (if that fails, report :meth:`connection_lost`); a refusal
            if the session could not outlive its own opening (it overflowed, or the server was shut down).
        """
        self.expire(now)
        handshake = self._decided(session)
        cors = handshake.cors
        if session.life is CLOSED:  # the application knows it as accepted: it must learn of its end too
            self.effects.append(Closed(session, session.reason or Reason.SERVER_DISCONNECT))
            return self.refuse(handshake, "CLOSED_WHILE_OPENING")
        session.put_first(self._open_packet(session))
        self.sessions[session.sid] = session
        heartbeat.start(self, session, now)
        ending = session.life is CLOSING
        if not ending:
            session.life = OPEN
        if session.route is POLLING:
            poll = session.poll = Poll(session, cors, handshake.request.headers.get("accept-encoding"))
            poll.ready = True
        else:
            link = session.link = Link(session, CARRYING, cors)
        if ending:  # closed by its own connect handler (row CL-16)
            closing.drain(self, session, now, None if self._cut_at is None else max(0.0, self._cut_at - now))
        return poll if session.route is POLLING else link

    def reject(self, session: Session, body: bytes = b'"Unauthorized"') -> Refusal:
        """The application rejected the handshake, or is no longer there to decide: the session never was.

        :param body: JSON for the client (row ER-10).
        """
        handshake = self._decided(session)
        session.life = CLOSED
        session.outbox = None
        return unauthorized(handshake.request, handshake.cors, body)

    def refuse(self, handshake: Handshake, name: str = "ID_GENERATION_ERROR") -> Refusal:
        """Refuse a handshake that was not opened, for instance when no session id could be made (row HS-5).

        During a shutdown that is the reason (row SD-2).
        """
        if self.shutting_down:
            return refuse_shutdown(handshake.request, handshake.cors)
        return refusal(ErrorCode.BAD_REQUEST, handshake.request, handshake.cors, name=name)

    def open_link(self, upgrade_: Upgrade, now: float) -> Link:
        """The WebSocket of an upgrade was accepted. The link may be one that is to be closed at once (UP-9, UP-10)."""
        self.expire(now)
        return upgrade.open_link(self, upgrade_, now)

    # ------------------------------------------------------------------------------------------------------ bodies

    def receive_body(self, post: Post, body: bytes, now: float) -> list[str | bytes]:
        """The whole body of a POST was read, or so much of it that it is longer than ``post.limit``.

        :returns: its messages in order, to be delivered before any effect of this call is carried out. The response is
            ready then.
        """
        self.expire(now)
        if len(body) > post.limit:
            polling.receive_oversize(self, post)
        return polling.receive_body(self, post, body)

    def receive_oversize(self, post: Post) -> None:
        """The body is longer than ``post.limit``: nothing more need be read. The response is ready then."""
        polling.receive_oversize(self, post)

    def take_response(self, request: Poll | Post) -> Response:
        """The response of a poll or a post that is ready, at the moment when it is written.

        Its slot is free from then on. Afterwards report :meth:`written`, or :meth:`connection_lost`.
        """
        if isinstance(request, Poll):
            return polling.take_get_response(self, request)
        return polling.take_post_response(self, request)

    def written(self, poll: Poll) -> None:
        """The response of a poll was handed to the client's connection."""
        session = poll.session
        if session is not None and session.poll is poll:
            raise LocalProtocolError("this poll has not been taken yet: call take_response() before written()")
        poll.session = None
        self.deadlines.discard(DUE_HANGUP, poll)
        if session is not None and session.life is not CLOSED:
            outbox.written(self, session, poll.in_flight)
            if self._cut_at is not None and not session.buffered:  # the last of it was on its way (row SD-1)
                closing.finish(self, session, Reason.SERVER_DISCONNECT)

    # -------------------------------------------------------------------------------------------------- WebSockets

    def receive_frame(self, link: Link, frame: str | bytes) -> str | bytes | None:
        """A whole WebSocket message arrived.

        :returns: the message for the application, None if there is none (``''`` is a message). After a None, look at
            ``effects`` and write the link: it may have frames or a close code by now.
        """
        if link.channel is CARRYING:
            if type(frame) is str:
                limit = self.settings.max_http_buffer_size
                if frame[:1] == "4" and len(frame) <= limit and (frame.isascii() or websocket.fits(frame, limit)):
                    link.session.heard = True  # type: ignore[union-attr] # a carrying link has a session
                    return frame[1:]
            elif type(frame) is bytes and len(frame) <= self.settings.max_http_buffer_size:
                link.session.heard = True  # type: ignore[union-attr]
                return frame
        return websocket.receive_frame(self, link, frame)

    def take_frames(self, link: Link) -> list[str | bytes]:
        """The frames to be written now, in order: ``str`` as text, ``bytes`` as binary; an empty list if there is none.

        Asking again says that what was taken before has been written. One writer per link; when the list is empty and
        ``link.closing`` is a code, close the WebSocket with it.
        """
        session = link.session
        if session is None:
            return []
        if link.channel is not CARRYING and link.channel is not DRAINING:
            frames, link.frames = link.frames, None
            return [*frames] if frames else []
        if link.in_flight:
            session.in_flight -= link.in_flight
            link.in_flight = 0
            if session.above_low_water:
                outbox.written(self, session, 0)
        packets = session.outbox
        if packets is None:
            if link.channel is DRAINING:
                closing.finish(self, session, Reason.SERVER_DISCONNECT)
            return []
        if session.queued <= BATCH_BYTES:
            session.outbox = None
            link.in_flight = session.queued
            session.in_flight += session.queued
            session.queued = 0
        else:
            before = session.in_flight
            packets = session.take(_batch(packets))
            link.in_flight = session.in_flight - before
        if session.base64:
            return [*map(encode_text, packets)]
        return packets  # type: ignore[return-value] # frames: an Encoded waits for a poll only

    def begin_hangup(self, connection: Link | Poll, now: float) -> None:
        """A connection is to end: from now on its peer has five seconds, then comes ``Abort`` (row CL-18).

        To be called for a link once its ``closing`` is seen, and for a poll whose session is over while its response is
        still being written: a client that reads nothing would hold it for ever. Said again, or of a link that is not to
        be closed, it changes nothing.
        """
        self.expire(now)
        if isinstance(connection, Poll) or connection.closing is not None:
            self.deadlines.set_once(Due.HANGUP, connection, now + HANGUP, HANGUP)

    # ---------------------------------------------------------------------------------------------- lost connections

    def connection_lost(self, connection: Poll | Post | Link, *, code: int | None = None, error: bool = False) -> None:
        """A connection is gone, or what was written to it could not be.

        :param code: for a link: the close code that it ended with, None if there was or is known none. 1002, 1003,
            1007, 1009, 1010 and 1011 say that it broke (row CL-11).
        :param error: for a link: it broke, whatever the code says (row CL-10). A lost request always is an error.
        """
        if isinstance(connection, Link):
            websocket.lose_link(self, connection, error=error or code in websocket.ERROR_CODES)
        elif isinstance(connection, Poll):
            polling.lose_get(self, connection)
        else:
            polling.lose_post(self, connection)

    # ---------------------------------------------------------------------------------------------- the application

    def send(self, session: Session, data: object) -> Poll | Link | None:
        """Append a message to the outbox.

        :param data: ``str``, ``bytes``, ``bytearray``, ``memoryview``, or :class:`Encoded` for one that is shared.
        :returns: the connection that wants writing now, or None.
        :raises SessionClosed: the session is closing or closed; nothing was appended.
        :raises TypeError: data of another type (row PL-17).
        :raises ValueError: text that UTF-8 cannot carry (PL-20), or text with U+001E while on polling (PL-8).
        """
        if session.life is not OPEN and session.life is not OPENING:
            raise SessionClosed(session.sid)
        if type(data) is str:
            frame: str | bytes = "4" + data
            if not data.isascii():
                try:
                    data.encode()
                except UnicodeEncodeError as error:
                    raise lone_surrogate(error) from None
        elif type(data) is bytes:
            frame = data
        else:
            frame = data.frame if isinstance(data, Encoded) else encode_message(data)
        polling = session.route is not WEBSOCKET
        if polling and type(frame) is str and SEPARATOR in frame:
            raise ValueError(
                "text with U+001E, which separates packets in a polling payload, cannot be sent to a session on "
                "polling: send it as bytes, or have the client connect with transport websocket"
            )
        size = len(frame) + PACKET_OVERHEAD
        settings = self.settings
        buffered = session.queued + session.in_flight
        bound = settings.max_buffered_bytes
        if bound is not None and buffered >= bound:  # a slow consumer (row FD-8)
            closing.finish(self, session, Reason.TRANSPORT_ERROR)
            return None
        packet: Outgoing = data if polling and isinstance(data, Encoded) else frame
        if session.outbox is None:
            session.outbox = [packet]
        else:
            session.outbox.append(packet)
        session.queued += size
        if buffered + size > LOW_WATER or (bound is not None and buffered + size > bound // 4):
            session.above_low_water = True
        if session.life is OPENING:
            return None
        return session.link if session.route is WEBSOCKET else outbox.outlet(session)

    def close(self, session: Session, now: float) -> None:
        """Close a session: what is buffered is delivered first, for up to ``close_timeout`` (rows CL-2 to CL-6)."""
        self.expire(now)
        closing.close(self, session, now)

    def shutdown(self, now: float, timeout: float) -> None:
        """Refuse new handshakes, tell every client, and end at once what has nothing unsent (row SD-1).

        :param timeout: seconds that the sessions have to deliver the rest; they are all over then.
        """
        self.expire(now)
        if self._cut_at is not None:  # a signal and the framework both stop it: the first limit holds
            timeout = max(0.0, min(timeout, self._cut_at - now))
        self._cut_at = now + timeout
        for session in [*self.sessions.values(), *self.opening.values()]:
            closing.close(self, session, now, closing.GOING_AWAY, timeout)
            if session.life is CLOSING and session.sid in self.sessions:
                if session.buffered:
                    self.deadlines.set(Due.CLOSE, session, now + timeout, timeout)
                else:
                    closing.finish(self, session, Reason.SERVER_DISCONNECT, closing.GOING_AWAY)

    def cut(self) -> None:
        """End every session that is left, whatever it has unsent."""
        for session in [*self.sessions.values(), *self.opening.values()]:
            closing.finish(self, session, Reason.SERVER_DISCONNECT, closing.GOING_AWAY)

    @property
    def shutting_down(self) -> bool:
        """Whether :meth:`shutdown` was called, and :meth:`reopen` was not since: handshakes are refused."""
        return self._cut_at is not None

    def reopen(self) -> None:
        """Accept handshakes again after a shutdown (row SD-4)."""
        self._cut_at = None

    # --------------------------------------------------------------------------------------------------------- time

    def next_deadline(self) -> float | None:
        """When :meth:`expire` has something to do next; None if there is nothing to wait for."""
        return self.deadlines.next()

    def expire(self, now: float) -> None:
        """The time is ``now``: do all that is due. Every event that has a ``now`` does this first by itself."""
        first = self.deadlines.first
        if first is not None and first > now:  # nearly always
            return
        while (due := self.deadlines.pop(now)) is not None:
            kind, owner, when = due
            if isinstance(owner, Session):
                if kind is Due.PING:
                    heartbeat.ping_due(self, owner, when, now)
                elif kind is Due.PONG:
                    heartbeat.pong_due(self, owner, when, now)
                else:
                    closing.finish(self, owner, Reason.SERVER_DISCONNECT)
            elif kind is Due.HANGUP:
                assert isinstance(owner, Link | Poll), "nothing else hangs up"
                self.effects.append(Abort(owner))
            elif isinstance(owner, Link):
                upgrade.upgrade_due(self, owner)
            elif isinstance(owner, Poll):
                upgrade.hold_due(self, owner)
            else:
                polling.body_due(self, owner)

    # -------------------------------------------------------------------------------------------------------- inside

    def _decided(self, session: Session) -> Handshake:
        handshake = session.request
        if handshake is None:
            raise LocalProtocolError(f"the handshake of session {session.sid} has been accepted or rejected before")
        session.request = None
        self.opening.pop(session.sid, None)
        return handshake

    def _open_packet(self, session: Session) -> str:
        settings = self.settings
        upgradable = session.route is POLLING and settings.allow_upgrades and "websocket" in settings.transports
        handshake = {
            "sid": session.sid,
            "upgrades": ["websocket"] if upgradable else [],
            "pingInterval": _milliseconds(settings.ping_interval + settings.ping_grace),
            "pingTimeout": _milliseconds(settings.ping_timeout),
            "maxPayload": settings.max_http_buffer_size,
        }
        return "0" + json.dumps(handshake, separators=(",", ":"))


def _batch(packets: list[Outgoing]) -> int:
    """How many packets from the front make a batch, of more than that."""
    sizes = enumerate(accumulate(map(size_of, packets)), 1)
    return next(count for count, size in sizes if size >= BATCH_BYTES)


def _milliseconds(seconds: float) -> int:
    """Rounded up, so that a client never gives up early; 0.1 + 0.2 seconds are 300 (row HS-2)."""
    return math.ceil(round(seconds * 1000, 6))
