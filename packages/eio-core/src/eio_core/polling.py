"""HTTP long-polling: GETs that wait for packets, POSTs that bring them (rows PG-*, PP-*).

*Poll* always means a parked GET.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import closing, heartbeat, packets, responses, upgrade
from .deadlines import Due
from .errors import ErrorCode, LocalProtocolError
from .http import refusal
from .payloads import split_payload
from .session import Poll, Post
from .states import LEGAL, Action, Channel, Life, Reason, Route

if TYPE_CHECKING:
    from .engine import Engine
    from .http import Headers, Refusal, Request, Response
    from .session import Session

_POST = LEGAL[Channel.POST]

# Bound once, as in engine.py.
OPEN, CLOSING, PROBING = Life.OPEN, Life.CLOSING, Route.PROBING
FAIL, LEAVE, PONG, DELIVER = Action.FAIL, Action.LEAVE, Action.PONG, Action.DELIVER
BODY, HANGUP, HOLD = Due.BODY, Due.HANGUP, Due.HOLD


# ---------------------------------------------------------------------------------------------------------------- GET


def receive_get(engine: Engine, session: Session, request: Request, cors: Headers, now: float) -> Poll | Refusal:
    """Park a GET, or find that its response can be written at once."""
    if session.poll is not None:  # row PG-3
        closing.finish(engine, session, Reason.TRANSPORT_ERROR)
        return refusal(ErrorCode.BAD_REQUEST, request, cors, name="OVERLAP")
    poll = session.poll = Poll(session, cors, request.headers.get("accept-encoding"))
    if session.life is CLOSING:
        poll.ready = True
    elif session.route is PROBING:
        upgrade.hold(engine, session, poll, now)
    else:
        poll.ready = session.outbox is not None
    return poll


def take_get_response(engine: Engine, poll: Poll) -> Response:
    """Compose the response of a poll, at the last moment, from what the outbox holds then (rows PG-1, PL-11, CL-5)."""
    session = poll.session
    if poll.response is not None:
        response, poll.response = poll.response, None
        return response
    if session is None or session.poll is not poll:
        raise LocalProtocolError("the response of this poll was taken before, or its client is gone")
    if not poll.ready:
        raise LocalProtocolError("this poll has nothing to be written yet: wait for the effect Write")
    settings = engine.settings
    most = settings.max_packets_per_poll or len(session.outbox or ()) + 1
    before = session.in_flight
    taken = session.take(most)
    poll.in_flight = session.in_flight - before
    session.poll = None
    if poll.held:
        engine.deadlines.discard(HOLD, poll)
    if len(taken) < most:  # so the outbox is empty now
        if session.life is CLOSING:
            taken.append(packets.CLOSE)
            closing.finish(engine, session, Reason.SERVER_DISCONNECT)
        elif poll.noop:
            taken.append(packets.NOOP)
    if not taken:  # a 200 without a packet kills the official client (row PG-7)
        raise AssertionError("a poll was ready with nothing to write")
    return responses.compressible(taken, poll.cors, settings, poll.accept_encoding)


def lose_get(engine: Engine, poll: Poll) -> None:
    """The client of a poll is gone, before or while its response was written (rows PG-4, FD-12)."""
    engine.deadlines.discard(HANGUP, poll)
    session = poll.session
    if session is None:
        return
    poll.session = None
    if session.poll is poll:
        session.poll = None
        engine.deadlines.discard(HOLD, poll)
    closing.finish(engine, session, Reason.TRANSPORT_ERROR)


# --------------------------------------------------------------------------------------------------------------- POST


def receive_post(engine: Engine, session: Session, request: Request, cors: Headers, now: float) -> Post | Refusal:
    """Begin to read a POST; a declared length over the limit is refused unread (row PL-13)."""
    if session.post is not None:  # row PP-3
        closing.finish(engine, session, Reason.TRANSPORT_ERROR)
        return refusal(ErrorCode.BAD_REQUEST, request, cors, name="OVERLAP")
    settings = engine.settings
    post = session.post = Post(session, cors, request, settings.max_body_size)
    length = request.headers.get("content-length", "")
    if length.isdecimal() and (len(length) > 18 or int(length) > post.limit):
        receive_oversize(engine, post)
    else:
        delay = settings.ping_interval + settings.ping_timeout
        engine.deadlines.set(BODY, post, now + delay, delay)
    return post


def receive_body(engine: Engine, post: Post, body: bytes) -> list[str | bytes]:
    """Take the packets of a body, in order; the messages are for the application (rows PP-8 to PP-14)."""
    session = post.session
    if session is None or post.response is not None:
        return []
    engine.deadlines.discard(BODY, post)
    messages: list[str | bytes] = []
    for text in split_payload(body, max_packets=engine.settings.max_packets_per_payload) or [""]:
        if text[:1] == "4" and session.life is OPEN:  # nearly all of them: without a Packet for each
            session.heard = True
            messages.append(text[1:])
            continue
        packet = packets.decode_packet(text)
        action = FAIL if packet is None else _POST[packet.packet_type]
        if action is LEAVE:
            post.response = responses.ok(post)
            closing.finish(engine, session, Reason.CLIENT_DISCONNECT, parting=packets.NOOP)
            return messages
        if session.life is not OPEN:  # closing: what comes now is dropped (row PP-14)
            continue
        if action is FAIL or packet is None:
            post.response = responses.bad_request(post, "PARSE_ERROR")
            closing.finish(engine, session, Reason.TRANSPORT_ERROR)
            return messages
        if action is PONG:
            heartbeat.receive_pong(session)
        else:
            session.heard = True
            if action is DELIVER:
                messages.append(packet.data)
    post.response = responses.ok(post)
    return messages


def receive_oversize(engine: Engine, post: Post) -> None:
    """The body is larger than the limit: 413, and the session is over (row PL-13)."""
    session = post.session
    if session is not None and post.response is None:
        post.response = responses.body_too_large(post)
        closing.finish(engine, session, Reason.TRANSPORT_ERROR)


def take_post_response(engine: Engine, post: Post) -> Response:
    """The response of a POST; its slot is free from now on, before the response is sent."""
    response, post.response = post.response, None
    if response is None:
        raise LocalProtocolError("this POST has no response: report its body, or what became of it, and take it once")
    session = post.session
    if session is not None:
        session.post = post.session = None
    return response


def lose_post(engine: Engine, post: Post) -> None:
    """The client of a POST went away before its body was complete (row PP-4)."""
    session = post.session
    if session is None:
        return
    session.post = post.session = None
    engine.deadlines.discard(BODY, post)
    closing.finish(engine, session, Reason.TRANSPORT_ERROR)


def body_due(engine: Engine, post: Post) -> None:
    """The body did not arrive in time."""
    if post.session is None:
        raise AssertionError("a POST that parted from its session has no deadline for its body")
    closing.finish(engine, post.session, Reason.TRANSPORT_ERROR)
