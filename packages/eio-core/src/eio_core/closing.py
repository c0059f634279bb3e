"""How sessions and links end, and with which reason (rows CL-1 to CL-18, WS-22).

:func:`close` is the application's wish: what is buffered is delivered first. :func:`finish` is the end itself: from
then on the session is inert, its connections have their last response or close code, and the effect ``Closed`` is out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import packets, responses
from .deadlines import Due
from .effects import Closed, Write
from .states import Channel, Life, Reason, Route

if TYPE_CHECKING:
    from .engine import Engine
    from .session import Link, Session

NORMAL = 1000
GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
TOO_LARGE = 1009


def close(engine: Engine, session: Session, now: float, code: int = NORMAL, timeout: float | None = None) -> None:
    """Close a session for the application: deliver what is buffered, then end (rows CL-2 to CL-6).

    :param timeout: seconds that the delivery may take; None: ``close_timeout``.
    """
    if session.life is Life.OPENING:  # the handshake is answered first (row CL-16)
        session.life = Life.CLOSING
        session.reason = Reason.SERVER_DISCONNECT
        session.close_code = code
    elif session.life is Life.OPEN:
        session.life = Life.CLOSING
        session.reason = Reason.SERVER_DISCONNECT
        session.close_code = code
        drain(engine, session, now, timeout)


def drain(engine: Engine, session: Session, now: float, timeout: float | None = None) -> None:
    """Bring a closing session to its end: at once if nothing is buffered and somebody can be told."""
    link, poll = session.link, session.poll
    if link is not None and session.route is Route.WEBSOCKET:
        link.channel = Channel.DRAINING
        if not session.buffered:
            finish(engine, session, Reason.SERVER_DISCONNECT)
            return
        engine.effects.append(Write(link))
    elif poll is not None:
        if not session.queued:
            finish(engine, session, Reason.SERVER_DISCONNECT)
            return
        if not poll.ready:
            poll.ready = True
            engine.effects.append(Write(poll))
    if timeout is None:
        timeout = engine.settings.close_timeout
    engine.deadlines.set(Due.CLOSE, session, now + timeout, timeout)


def finish(
    engine: Engine, session: Session, reason: str, code: int | None = None, *, parting: str = packets.CLOSE
) -> None:
    """End a session now. Whatever is buffered is dropped; every request under way gets its answer.

    :param reason: one of Reason; a session that was closing keeps its own (row HB-10).
    :param code: the close code for its WebSocket (row WS-22); None: what the session was to be closed with.
    :param parting: the packet that a parked GET is answered with (rows HB-3, PP-10).
    """
    life = session.life
    if life is Life.CLOSED:
        return
    session.life = Life.CLOSED
    session.reason = session.reason or reason
    session.outbox = None
    session.queued = session.in_flight = 0
    if engine.sessions.pop(session.sid, None) is None:
        return  # it never opened: accept() or reject() answers, and frees its id

    for kind in (Due.PING, Due.PONG, Due.CLOSE):
        engine.deadlines.discard(kind, session)
    poll, post, link = session.poll, session.post, session.link
    if poll is not None:
        session.poll = poll.session = None
        engine.deadlines.discard(Due.HOLD, poll)
        poll.response = responses.payload([parting], poll.cors)
        poll.ready = True
        engine.effects.append(Write(poll))
    if post is not None:
        session.post = post.session = None
        engine.deadlines.discard(Due.BODY, post)
        if post.response is None:
            post.response = responses.bad_request(post, "SESSION_CLOSED")
        engine.effects.append(Write(post))
    if link is not None:
        dismiss(engine, session, link, session.close_code if code is None else code)
        engine.effects.append(Write(link))
    engine.effects.append(Closed(session, session.reason))


def dismiss(engine: Engine, session: Session, link: Link, code: int) -> None:
    """Close the WebSocket of a session, which may live on, and part them."""
    if link.channel is Channel.UNPROBED or link.channel is Channel.PROBED:
        engine.deadlines.discard(Due.UPGRADE, link)
    session.link = link.session = None
    link.channel = Channel.ENDED
    link.closing = code
