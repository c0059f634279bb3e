"""From polling to WebSocket without losing a packet (rows UP-1 to UP-20).

The client opens a WebSocket for its session and probes it: ``2probe``, ``3probe``. Then it stops writing, waits until
its pending GET and POST have ended, and sends ``5``; from then on the WebSocket is the session's only outlet. Until
then nothing at all has changed for the session, so an attempt that fails at any step is simply dropped.

The server's part in this is to end the pending GET soon, and not to start a hot loop of empty ones: a GET that comes
while the client is about to upgrade is *held* for a moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import closing, outbox, packets
from .deadlines import Due
from .effects import Upgraded, Write
from .errors import ErrorCode
from .http import refusal
from .packets import Encoded
from .session import Link, size_of
from .states import LEGAL, Action, Channel, Life, Route

if TYPE_CHECKING:
    from .engine import Engine
    from .packets import Packet
    from .session import Poll, Session, Upgrade

FIRST_HOLD = 0.02
NEXT_HOLD = 0.1
MOST_ANSWERS = 16
"""How many answers to probes may wait to be written; a client that goes on probing is dropped."""


def open_link(engine: Engine, upgrade: Upgrade, now: float) -> Link:
    """A WebSocket for an existing session was accepted; a second one is closed at once (rows UP-9, UP-10)."""
    session = upgrade.session
    if session.life is Life.CLOSED or session.link is not None:
        link = Link(None, Channel.ENDED, upgrade.cors)
        link.closing = closing.NORMAL
        return link
    session.base64 = upgrade.base64
    link = session.link = Link(session, Channel.UNPROBED, upgrade.cors)
    timeout = engine.settings.upgrade_timeout
    engine.deadlines.set(Due.UPGRADE, link, now + timeout, timeout)
    return link


def receive_probe_packet(engine: Engine, link: Link, session: Session, packet: Packet | None) -> None:
    """Take a packet on a WebSocket that does not carry the session yet."""
    action = Action.DROP if packet is None else LEGAL[link.channel][packet.packet_type]
    if action is Action.ANSWER and packet is not None and packet.data == packets.PROBE_DATA:
        _answer(engine, link, session)
    elif action is Action.UPGRADE:
        _complete(engine, link, session)
    else:
        polite = packet is not None and packet.packet_type is packets.PacketType.CLOSE  # row WS-22
        drop(engine, link, session, closing.NORMAL if polite else closing.PROTOCOL_ERROR)


def _answer(engine: Engine, link: Link, session: Session) -> None:
    """Answer the probe, and end the GET that the client is waiting for (row UP-2)."""
    link.channel = Channel.PROBED
    frames = link.frames = [] if link.frames is None else link.frames
    if len(frames) == MOST_ANSWERS:  # it probes and does not read
        drop(engine, link, session)
        return
    frames.append(packets.PROBE_ANSWER)
    if session.route is Route.PROBING:  # probed again (row UP-7)
        return
    session.route = Route.PROBING
    poll = session.poll
    if poll is not None and not poll.ready:
        poll.noop = poll.ready = True
        engine.effects.append(Write(poll))


def _complete(engine: Engine, link: Link, session: Session) -> None:
    """The WebSocket carries the session from now on (rows UP-4, UP-5, UP-14)."""
    engine.deadlines.discard(Due.UPGRADE, link)
    link.channel = Channel.DRAINING if session.life is Life.CLOSING else Channel.CARRYING
    session.route = Route.WEBSOCKET
    for frame in link.frames or ():  # answers to probes, not written yet
        session.queued += size_of(frame)
    waiting = [*(link.frames or ()), *(session.outbox or ())]
    session.outbox = [packet.frame if isinstance(packet, Encoded) else packet for packet in waiting] or None
    link.frames = None
    poll = session.poll
    if poll is not None:
        session.poll = poll.session = None
        engine.deadlines.discard(Due.HOLD, poll)
        poll.response = refusal(ErrorCode.BAD_REQUEST, None, poll.cors, name="TRANSPORT_MISMATCH")
        poll.ready = True
        engine.effects.append(Write(poll))
    engine.effects.append(Upgraded(session))


def hold(engine: Engine, session: Session, poll: Poll, now: float) -> None:
    """Hold a GET that came after the probe: briefly the first, for the client is about to send ``5``."""
    link = session.link
    if link is None:
        raise AssertionError("a session that is probing has a link")
    delay = NEXT_HOLD if link.held_one else FIRST_HOLD
    link.held_one = True
    poll.held = True
    engine.deadlines.set(Due.HOLD, poll, now + delay, delay)


def hold_due(engine: Engine, poll: Poll) -> None:
    """The client did not upgrade yet: answer the GET with what is queued, and a noop (rows UP-2, UP-3)."""
    poll.noop = poll.ready = True
    engine.effects.append(Write(poll))


def drop(engine: Engine, link: Link, session: Session, code: int = closing.NORMAL) -> None:
    """The attempt failed: close this WebSocket; the session goes on polling (rows UP-8, UP-11, UP-12)."""
    closing.dismiss(engine, session, link, code)
    session.route = Route.POLLING
    poll = session.poll
    if poll is not None and poll.held:
        poll.held = False
        engine.deadlines.discard(Due.HOLD, poll)
        if not poll.ready and session.outbox is not None:
            outbox.wake(engine, session)


def upgrade_due(engine: Engine, link: Link) -> None:
    """The client did not finish its upgrade in time (row UP-12)."""
    if link.session is None:
        raise AssertionError("a link that parted from its session has no deadline for an upgrade")
    drop(engine, link, link.session)
    engine.effects.append(Write(link))
