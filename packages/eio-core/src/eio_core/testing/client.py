"""An Engine.IO v4 client without I/O: what the browser does, as events in and requests and frames out.

It behaves as engine.io-client 6.6 does on the wire: one GET at a time, one POST at a time, packets batched by the
server's ``maxPayload``, a pong for each ping, a time limit of its own for the next one, and the upgrade with a probe:
``2probe``, ``3probe``, then it stops writing, waits until its GET and its POST have ended, and sends ``5`` (row UP-17).

One deviation: when an upgrade fails after ``3probe``, engine.io-client stays paused and times out. This client goes on
polling, so that a test sees that the server has lost nothing.

Methods are events. What is to be done lies in :attr:`Client.effects` after every call, in order: take it all.

Must not know: how requests and frames are carried, and what time it is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from eio_core import Packet, PacketType, decode_payload, encode_payload
from eio_core.packets import decode_packet

__all__ = [
    "Client",
    "ClientEffect",
    "ClientState",
    "Dial",
    "Ended",
    "Fetch",
    "HangUp",
    "Opened",
    "Received",
    "Switched",
    "Transmit",
]

NO_STATUS: Final = 1005
"""What a server sees of a WebSocket that was closed without a code, as browsers do by default."""


class ClientState(Enum):
    """Where a client stands between :meth:`Client.connect` and its :class:`Ended`."""

    IDLE = auto()
    OPENING = auto()
    OPEN = auto()
    CLOSING = auto()
    CLOSED = auto()


@dataclass(slots=True, eq=False)
class Fetch:
    """Send this HTTP request; report :meth:`Client.receive_response` or :meth:`Client.fetch_failed`."""

    method: str
    query: str
    body: bytes | None = None


@dataclass(slots=True, eq=False)
class Dial:
    """Open this WebSocket; report :meth:`Client.dialled` or :meth:`Client.hung_up`."""

    query: str


@dataclass(slots=True)
class Transmit:
    """Send a frame on a WebSocket, behind those before it."""

    dial: Dial
    frame: str | bytes


@dataclass(slots=True)
class HangUp:
    """Close a WebSocket."""

    dial: Dial
    code: int


@dataclass(slots=True)
class Opened:
    """The handshake is complete."""

    sid: str


@dataclass(slots=True)
class Received:
    """A message from the server."""

    data: str | bytes


@dataclass(slots=True)
class Switched:
    """The WebSocket carries the session from now on."""


@dataclass(slots=True)
class Ended:
    """It is over: ``transport close``, ``transport error``, ``ping timeout`` or ``forced close``."""

    reason: str


ClientEffect = Fetch | Dial | Transmit | HangUp | Opened | Received | Switched | Ended


class Client:
    """The client's side of one session.

    :param transports: the first one opens the session; it is upgraded if ``websocket`` is among them.
    :param upgrade: False: stay on the first transport.
    :param base64: take no binary frames: ``b64=1`` in the query (row JP-4).
    :param pongs: False: never answer a ping.
    :param query: more parameters for every query, such as ``token=1``.
    """

    __slots__ = (
        "_base64",
        "_batch",
        "_buffer",
        "_deadline",
        "_extra",
        "_get",
        "_patience",
        "_pongs",
        "_post",
        "_probe",
        "_socket",
        "_transports",
        "_upgrade",
        "effects",
        "max_payload",
        "sid",
        "state",
        "transport",
        "upgrading",
    )

    def __init__(
        self,
        *,
        transports: Sequence[str] = ("polling", "websocket"),
        upgrade: bool = True,
        base64: bool = False,
        pongs: bool = True,
        query: str = "",
    ) -> None:
        self.effects: list[ClientEffect] = []
        """What is to be done; take it all after every call, in order, and clear it."""
        self.state = ClientState.IDLE
        self.sid: str | None = None
        self.transport = transports[0]
        self.upgrading = False
        """Whether ``3probe`` has come and ``5`` has not been sent: nothing is written meanwhile."""
        self.max_payload = 0
        """The server's limit for a POST body, in bytes; 0: none."""
        self._transports = tuple(transports)
        self._upgrade = upgrade
        self._base64 = base64
        self._pongs = pongs
        self._extra = query
        self._buffer: list[str | bytes] = []  # packets: text as it is, bytes for a binary message
        self._batch = 0  # how many of them the POST under way carries
        self._get: Fetch | None = None
        self._post: Fetch | None = None
        self._socket: Dial | None = None
        self._probe: Dial | None = None
        self._patience = 0.0
        self._deadline: float | None = None

    # ---------------------------------------------------------------------------------------------- the application

    def connect(self) -> None:
        """Open the session on the first transport."""
        if self.state is not ClientState.IDLE:
            raise RuntimeError("a client connects once: make a new one for a new session")
        self.state = ClientState.OPENING
        if self.transport == "polling":
            self._poll()
        else:
            self._socket = Dial(self._query("websocket"))
            self.effects.append(self._socket)

    def send(self, data: str | bytes) -> None:
        """Send a message: now, or as soon as the transport takes it. After :meth:`close` it is dropped."""
        if self.state is ClientState.OPENING or self.state is ClientState.OPEN:
            self._buffer.append(Packet(PacketType.MESSAGE, data).encode())
            self._flush()

    def close(self) -> None:
        """Close once everything has been sent and a running upgrade is over (row CD-8)."""
        if self.state is ClientState.OPENING or self.state is ClientState.OPEN:
            self.state = ClientState.CLOSING
            self._close_if_drained()

    # ------------------------------------------------------------------------------------------------- HTTP requests

    def receive_response(self, fetch: Fetch, status: int, body: bytes, now: float) -> None:
        """The response of a request."""
        if fetch is self._get:
            self._get = None
            if status != 200:
                self._end("transport error")
            elif self._receive_payload(body, now):
                self._after_request()
        elif fetch is self._post:
            self._post = None
            if status != 200:
                self._end("transport error")
            else:
                del self._buffer[: self._batch]
                self._after_request()

    def fetch_failed(self, fetch: Fetch) -> None:
        """The connection of a request is gone."""
        if fetch is self._get or fetch is self._post:
            self._end("transport error")

    # ---------------------------------------------------------------------------------------------------- WebSockets

    def dialled(self, dial: Dial) -> None:
        """A WebSocket is open."""
        if dial is self._probe:
            self.effects.append(Transmit(dial, "2probe"))

    def receive_frame(self, dial: Dial, frame: str | bytes, now: float) -> None:
        """A frame from the server."""
        if dial is self._probe:
            if frame == "3probe":
                self.upgrading = True
                self._switch_if_idle()
            elif not self.upgrading:
                self.effects.append(HangUp(dial, NO_STATUS))
                self._probe_failed()
        elif dial is self._socket:
            packet = decode_packet(frame) if isinstance(frame, str) else Packet(PacketType.MESSAGE, frame)
            if packet is None:
                self._end("transport error")
            else:
                self._receive(packet, now)

    def hung_up(self, dial: Dial, code: int = 1006) -> None:
        """A WebSocket was refused, has closed or is gone."""
        if dial is self._probe:
            self._probe_failed()
        elif dial is self._socket:
            reason = "transport error" if self.state is ClientState.OPENING else "transport close"
            self._end(reason, farewell=False)

    # ---------------------------------------------------------------------------------------------------------- time

    def next_deadline(self) -> float | None:
        """When the server's next ping is overdue; None if none is expected."""
        return self._deadline

    def expire(self, now: float) -> None:
        """The time is ``now``."""
        if self._deadline is not None and now >= self._deadline:
            self._end("ping timeout")

    # -------------------------------------------------------------------------------------------------------- inside

    def _query(self, transport: str) -> str:
        query = f"EIO=4&transport={transport}"
        if self.sid is not None:
            query += f"&sid={self.sid}"
        if self._base64 and (self.sid is None or transport == "websocket"):
            query += "&b64=1"
        return f"{query}&{self._extra}" if self._extra else query

    def _poll(self) -> None:
        self._get = Fetch("GET", self._query("polling"))
        self.effects.append(self._get)

    def _receive_payload(self, body: bytes, now: float) -> bool:
        """Take the packets of a GET; whether the session lives on."""
        for packet in decode_payload(body):
            if packet is None:
                self._end("transport error")
            elif packet.packet_type is PacketType.CLOSE:
                self._end("transport close", farewell=False)
            else:
                self._receive(packet, now)
            if self.state is ClientState.CLOSED:
                return False
        return True

    def _receive(self, packet: Packet, now: float) -> None:
        kind = packet.packet_type
        if kind is PacketType.MESSAGE:
            self.effects.append(Received(packet.data))
        elif kind is PacketType.PING:
            self._deadline = now + self._patience
            if self._pongs and self.state is ClientState.OPEN:
                self._buffer.append("3")
                self._flush()
        elif kind is PacketType.OPEN and self.sid is None and isinstance(packet.data, str):
            self._receive_handshake(json.loads(packet.data), now)

    def _receive_handshake(self, handshake: dict[str, object], now: float) -> None:
        interval, timeout = handshake["pingInterval"], handshake["pingTimeout"]
        limit, upgrades = handshake["maxPayload"], handshake["upgrades"]
        if not (isinstance(interval, int) and isinstance(timeout, int) and isinstance(limit, int)):
            raise TypeError(f"pingInterval, pingTimeout and maxPayload are integers (row HS-2), not as in {handshake}")
        self.sid = str(handshake["sid"])
        self.max_payload = limit
        self._patience = (interval + timeout) / 1000
        self._deadline = now + self._patience
        self.effects.append(Opened(self.sid))
        if self.state is ClientState.OPENING:
            self.state = ClientState.OPEN
        self._flush()
        if (
            self.state is ClientState.OPEN
            and self._upgrade
            and self.transport == "polling"
            and "websocket" in self._transports
            and isinstance(upgrades, list)
            and "websocket" in upgrades
        ):
            self._probe = Dial(self._query("websocket"))
            self.effects.append(self._probe)

    def _flush(self) -> None:
        if not self._buffer or self.sid is None or self.upgrading or self.state is ClientState.CLOSED:
            return
        if self._socket is not None:
            packets, self._buffer = self._buffer, []
            for packet in packets:
                frame = encode_payload([packet]).decode() if self._base64 else packet
                self.effects.append(Transmit(self._socket, frame))
            self._close_if_drained()
        elif self._post is None:
            self._batch = self._writable()
            body = encode_payload(self._buffer[: self._batch])
            self._post = Fetch("POST", self._query("polling"), body)
            self.effects.append(self._post)

    def _writable(self) -> int:
        """How many packets make the next POST, by engine.io-client's estimate of their size (row CD-4)."""
        if self.max_payload:
            size = 1
            for index, packet in enumerate(self._buffer):
                size += -(-len(packet) * 133 // 100) if isinstance(packet, bytes) else len(packet.encode()) - 1
                if index > 0 and size > self.max_payload:
                    return index
                size += 2
        return len(self._buffer)

    def _after_request(self) -> None:
        """A GET or a POST has ended well: what comes next?"""
        if self.upgrading:
            self._switch_if_idle()
        else:
            if self._get is None:
                self._poll()
            self._flush()
            self._close_if_drained()

    def _switch_if_idle(self) -> None:
        """Complete the upgrade once neither a GET nor a POST is under way (row UP-17)."""
        if self._get is None and self._post is None and self._probe is not None:
            self._socket, self._probe = self._probe, None
            self.transport = "websocket"
            self.upgrading = False
            self.effects += (Transmit(self._socket, "5"), Switched())
            self._flush()
            self._close_if_drained()

    def _probe_failed(self) -> None:
        """Go on polling."""
        self._probe = None
        if self.upgrading:
            self.upgrading = False
            self._after_request()

    def _close_if_drained(self) -> None:
        if self.state is ClientState.CLOSING and not self._buffer and not self.upgrading:
            self._end("forced close")

    def _end(self, reason: str, *, farewell: bool = True) -> None:
        """Close the transport too, unless the server has done so."""
        if self.state is ClientState.CLOSED:
            return
        self.state = ClientState.CLOSED
        self._deadline = None
        if self._probe is not None:
            self.effects.append(HangUp(self._probe, NO_STATUS))
        if farewell and self._socket is not None:
            self.effects.append(HangUp(self._socket, NO_STATUS))
        elif farewell and self.sid is not None and not self.upgrading:
            # Fire and forget, even beside another POST (row CD-8).
            self.effects.append(Fetch("POST", self._query("polling"), b"1"))
        self.effects.append(Ended(reason))
        self._get = self._post = self._socket = self._probe = None
        self._buffer.clear()
