"""The WebSocket that carries a session (rows WS-*): what is not on the fast path of :mod:`eio_core.engine`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import closing, heartbeat, upgrade
from .deadlines import Due
from .packets import Packet, PacketType, decode_packet
from .states import LEGAL, Action, Channel, Reason

if TYPE_CHECKING:
    from .engine import Engine
    from .session import Link

ERROR_CODES = frozenset({1002, 1003, 1007, 1009, 1010, 1011})
"""Close codes that say that something broke (row CL-11)."""

_PROBING = (Channel.UNPROBED, Channel.PROBED)


def fits(frame: str | bytes, limit: int) -> bool:
    """Whether a message is within the limit in encoded bytes, its type digit included (rows PL-14, PL-15)."""
    if len(frame) > limit:
        return False
    return not isinstance(frame, str) or frame.isascii() or len(frame.encode(errors="replace")) <= limit


def receive_frame(engine: Engine, link: Link, frame: str | bytes) -> str | bytes | None:
    """Take any frame; a message is returned."""
    session = link.session
    if session is None:  # it has ended
        return None
    if not fits(frame, engine.settings.max_http_buffer_size):
        if link.channel in _PROBING:
            upgrade.drop(engine, link, session, closing.TOO_LARGE)
        else:
            closing.finish(engine, session, Reason.TRANSPORT_ERROR, closing.TOO_LARGE)
        return None
    packet = decode_packet(frame) if isinstance(frame, str) else Packet(PacketType.MESSAGE, bytes(frame))
    if link.channel in _PROBING:
        upgrade.receive_probe_packet(engine, link, session, packet)
        return None
    action = Action.FAIL if packet is None else LEGAL[link.channel][packet.packet_type]
    if action is Action.FAIL or packet is None:
        closing.finish(engine, session, Reason.TRANSPORT_ERROR, closing.PROTOCOL_ERROR)
    elif action is Action.LEAVE:
        closing.finish(engine, session, Reason.CLIENT_DISCONNECT)
    elif action is Action.PONG:
        heartbeat.receive_pong(session)
    elif link.channel is Channel.CARRYING:  # nothing counts any more while the session closes (row HB-8)
        session.heard = True
        if action is Action.DELIVER:
            return packet.data
    return None


def lose_link(engine: Engine, link: Link, *, error: bool) -> None:
    """A WebSocket is gone (rows WS-7, WS-9, CL-10, CL-11, UP-11)."""
    engine.deadlines.discard(Due.HANGUP, link)
    session, channel = link.session, link.channel
    link.closing = None
    if session is None:
        return
    if channel in _PROBING:
        upgrade.drop(engine, link, session)
        link.closing = None
        return
    link.session = session.link = None
    link.channel = Channel.ENDED
    closing.finish(engine, session, Reason.TRANSPORT_ERROR if error else Reason.TRANSPORT_CLOSE)
