"""A session and its connections: plain data, changed by the modules beside this one.

``handle`` on each of them is the integrator's own: whatever it needs to find its side of the thing again. The core
never looks at it, and clears none of them.

Everything here has slots, and lists are made when they are first needed: an idle session should cost a few hundred
bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .packets import Encoded
from .states import Life, Route

if TYPE_CHECKING:
    from .http import Headers, Request, Response
    from .packets import Outgoing
    from .states import Channel

__all__ = ["Handshake", "Link", "Poll", "Post", "Session", "Upgrade"]

PACKET_OVERHEAD = 64
"""What a buffered packet counts besides its length (row FD-8)."""


class Session:
    """One client, from its handshake to its close."""

    __slots__ = (
        "above_low_water",
        "awaiting_pong",
        "base64",
        "close_code",
        "extended",
        "graced",
        "handle",
        "heard",
        "in_flight",
        "life",
        "link",
        "outbox",
        "paused",
        "poll",
        "post",
        "queued",
        "reason",
        "request",
        "route",
        "sid",
        "stuck",
    )

    def __init__(self, sid: str, route: Route, *, base64: bool) -> None:
        self.sid = sid
        self.life = Life.OPENING
        self.route = route
        self.base64 = base64
        """Whether binary messages leave as base64 text on a WebSocket too (row JP-4)."""
        self.reason: str | None = None
        """Why it closed or is closing; one of Reason. None while it is open."""
        self.close_code = 1000
        self.handle: Any = None
        self.request: Handshake | None = None
        """What it is opening from; None once it is open."""

        # The outbox. A connection that takes packets moves their size from queued to in_flight until they are written.
        self.outbox: list[Outgoing] | None = None
        self.queued = 0
        self.in_flight = 0
        self.above_low_water = False

        # The slots.
        self.poll: Poll | None = None
        self.post: Post | None = None
        self.link: Link | None = None

        # The pulse: see heartbeat.py.
        self.awaiting_pong = False
        self.heard = False
        self.extended = False
        self.graced = False
        self.paused = False
        """Set by the integrator while its reader waits for the application (rows HB-2, H20)."""
        self.stuck = False
        """Whether nothing was written since the last pong deadline, which found more than low water waiting."""

    @property
    def buffered(self) -> int:
        """Bytes waiting to be written, 64 added for each packet (row FD-8)."""
        return self.queued + self.in_flight

    @property
    def transport(self) -> str:
        """``polling`` or ``websocket``; ``polling`` until an upgrade is complete (row AP-12)."""
        return "websocket" if self.route is Route.WEBSOCKET else "polling"

    def put_first(self, packet: Outgoing) -> None:
        """Put before everything else in the outbox but the open packet (row HS-2)."""
        waiting = self.outbox or []
        opening = waiting and isinstance(waiting[0], str) and waiting[0][0] == "0"
        waiting.insert(1 if opening else 0, packet)
        self.outbox = waiting
        self.queued += size_of(packet)

    def take(self, most: int) -> list[Outgoing]:
        """Take up to so many packets; their size is in flight from now on."""
        outbox = self.outbox
        if outbox is None:
            return []
        if len(outbox) <= most:
            self.outbox = None
            self.in_flight += self.queued
            self.queued = 0
            return outbox
        taken = outbox[:most]
        del outbox[:most]
        size = sum(map(size_of, taken))
        self.in_flight += size
        self.queued -= size
        return taken


def size_of(packet: Outgoing) -> int:
    """What a packet counts against the bound of an outbox."""
    return len(packet.frame if isinstance(packet, Encoded) else packet) + PACKET_OVERHEAD


class Handshake:
    """A handshake for the application to decide: :meth:`~eio_core.engine.Engine.open` makes its session."""

    __slots__ = ("base64", "cors", "request", "transport")

    def __init__(self, request: Request, transport: str, cors: Headers, *, base64: bool) -> None:
        self.request = request
        self.transport = transport
        self.cors = cors
        self.base64 = base64


class Upgrade:
    """A WebSocket for a session that exists: accept it, then call :meth:`~eio_core.engine.Engine.open_link`."""

    __slots__ = ("base64", "cors", "session")

    def __init__(self, session: Session, cors: Headers, *, base64: bool) -> None:
        self.session = session
        self.cors = cors
        self.base64 = base64


class Poll:
    """A GET, and its one response."""

    __slots__ = ("accept_encoding", "cors", "handle", "held", "in_flight", "noop", "ready", "response", "session")

    def __init__(self, session: Session, cors: Headers, accept_encoding: str | None) -> None:
        self.session: Session | None = session
        self.cors = cors
        self.accept_encoding = accept_encoding
        self.handle: Any = None
        self.ready = False
        """Whether :meth:`~eio_core.engine.Engine.take_response` may be called now."""
        self.held = False
        """Parked during a probe: packets alone do not end it (row UP-2)."""
        self.noop = False
        self.response: Response | None = None
        """Set when the response is fixed; None while it is to be composed from the outbox."""
        self.in_flight = 0


class Post:
    """A POST, and its one response."""

    __slots__ = ("cors", "handle", "limit", "request", "response", "session")

    def __init__(self, session: Session, cors: Headers, request: Request, limit: int) -> None:
        self.session: Session | None = session
        self.cors = cors
        self.request = request
        self.limit = limit
        """Stop reading the body above so many bytes, and report it."""
        self.handle: Any = None
        self.response: Response | None = None
        """None while the body is being read."""

    @property
    def ready(self) -> bool:
        """Whether :meth:`~eio_core.engine.Engine.take_response` may be called now."""
        return self.response is not None


class Link:
    """A WebSocket."""

    __slots__ = ("channel", "closing", "cors", "frames", "handle", "held_one", "in_flight", "session")

    def __init__(self, session: Session | None, channel: Channel, cors: Headers) -> None:
        self.session = session
        """The session while this link may touch it; None afterwards."""
        self.channel = channel
        self.cors = cors
        self.handle: Any = None
        self.frames: list[str] | None = None
        """Its own frames, those of the probe."""
        self.closing: int | None = None
        """The close code to send now, behind what has been taken; None: do not close."""
        self.in_flight = 0
        """The size of what :meth:`~eio_core.engine.Engine.take_frames` gave last."""
        self.held_one = False
        """Whether a GET has been held for this upgrade before (row UP-2)."""


def new_route(transport: str) -> Route:
    """The route of a session that opens on this transport."""
    return Route.WEBSOCKET if transport == "websocket" else Route.POLLING
