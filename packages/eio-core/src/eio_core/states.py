"""The states of a session and of its connections, and which packet is legal where.

A session is not one big machine. A product of "polling or WebSocket", "GET parked or not", "POST being read or not",
"upgrading or not", "pong awaited or not" and "closing or not" has hundreds of states, almost all of them alike. It is
five small machines that hardly know each other:

**life**      ``OPENING → OPEN → CLOSING → CLOSED``. *Opening*: the connect handler runs; no request finds the session
and no deadline runs. *Closing*: the application closed it and the rest of its outbox is still to be delivered. *Closed*
is terminal and inert.

**route**     ``POLLING → PROBING → WEBSOCKET``, and back to ``POLLING`` when an upgrade fails. The route says who may
take packets from the outbox. That single rule makes the upgrade lossless: until the client's ``5`` arrives only a GET
takes packets, afterwards only the WebSocket does, and what nobody took stays where it is. A failed upgrade cannot lose
what it never had.

**poll slot** empty or parked: at most one GET. A second one closes the session (row PG-3).

**post slot** empty or reading: at most one POST. A second one closes the session (row PP-3).

**pulse**     ping sent, pong seen: :mod:`eio_core.heartbeat`.

What a *packet* means depends on the channel that it arrives on, and on nothing else. There are six, the rows of the
table below: a POST body, and a WebSocket in each of its states::

                    ┌──────────┐  2probe   ┌────────┐    5     ┌──────────┐
    WebSocket with  │ UNPROBED ├──────────►│ PROBED ├─────────►│ CARRYING │◄── WebSocket handshake
    a session id ──►└────┬─────┘           └───┬────┘          └────┬─────┘
                         │ anything else       │ anything else      │ the application closes
                         ▼                     ▼                    ▼
                    ┌──────────────────────────────┐ flushed  ┌──────────┐
                    │ ENDED                        │◄─────────┤ DRAINING │
                    └──────────────────────────────┘          └──────────┘

The table is literal so that it can be read, tested cell by cell, and drawn. A packet that cannot be decoded is DROP
while probing and FAIL elsewhere. A packet *while probing* can only harm the attempt, never the session (row UP-8).
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from .packets import PacketType

__all__ = ["LEGAL", "Action", "Channel", "Life", "Reason", "Route"]


class Life(Enum):
    """From the handshake to the end."""

    OPENING = auto()
    OPEN = auto()
    CLOSING = auto()
    CLOSED = auto()


class Route(Enum):
    """Who may take packets from the outbox."""

    POLLING = auto()
    PROBING = auto()
    WEBSOCKET = auto()


class Channel(Enum):
    """What a packet arrives on."""

    POST = auto()  #: the body of a POST
    UNPROBED = auto()  #: a WebSocket with a session id that has not sent its probe
    PROBED = auto()  #: the same after ``2probe``
    CARRYING = auto()  #: the WebSocket that carries the session
    DRAINING = auto()  #: the same while the session closes and the rest of the outbox is flushed
    ENDED = auto()  #: a WebSocket that we closed or that is gone


class Action(Enum):
    """What a packet makes us do."""

    DELIVER = auto()  #: hand the message to the application
    PONG = auto()  #: the client is alive
    LEAVE = auto()  #: the client closes the session: CLIENT_DISCONNECT
    ANSWER = auto()  #: answer ``3probe``, if the data is "probe"; else DROP
    UPGRADE = auto()  #: this WebSocket carries the session from now on
    IGNORE = auto()
    DROP = auto()  #: close this WebSocket; the session goes on polling
    FAIL = auto()  #: close the session: TRANSPORT_ERROR


OPEN, CLOSE, PING, PONG, MESSAGE, UPGRADE, NOOP = PacketType

LEGAL: Final[dict[Channel, dict[PacketType, Action]]] = {
    # rows PP-10 to PP-12
    Channel.POST: {
        OPEN: Action.IGNORE,
        CLOSE: Action.LEAVE,
        PING: Action.FAIL,
        PONG: Action.PONG,
        MESSAGE: Action.DELIVER,
        UPGRADE: Action.IGNORE,
        NOOP: Action.IGNORE,
    },
    # rows UP-6, UP-8
    Channel.UNPROBED: {
        OPEN: Action.DROP,
        CLOSE: Action.DROP,
        PING: Action.ANSWER,
        PONG: Action.DROP,
        MESSAGE: Action.DROP,
        UPGRADE: Action.DROP,
        NOOP: Action.DROP,
    },
    # rows UP-4, UP-7, UP-8
    Channel.PROBED: {
        OPEN: Action.DROP,
        CLOSE: Action.DROP,
        PING: Action.ANSWER,
        PONG: Action.DROP,
        MESSAGE: Action.DROP,
        UPGRADE: Action.UPGRADE,
        NOOP: Action.DROP,
    },
    # rows WS-4 to WS-6
    Channel.CARRYING: {
        OPEN: Action.IGNORE,
        CLOSE: Action.LEAVE,
        PING: Action.FAIL,
        PONG: Action.PONG,
        MESSAGE: Action.DELIVER,
        UPGRADE: Action.IGNORE,
        NOOP: Action.IGNORE,
    },
    # rows CL-14, HB-8
    Channel.DRAINING: {
        OPEN: Action.IGNORE,
        CLOSE: Action.LEAVE,
        PING: Action.IGNORE,
        PONG: Action.IGNORE,
        MESSAGE: Action.IGNORE,
        UPGRADE: Action.IGNORE,
        NOOP: Action.IGNORE,
    },
    Channel.ENDED: dict.fromkeys(PacketType, Action.IGNORE),
}


class Reason:
    """Why a session closed, as the application is told (row AP-18)."""

    CLIENT_DISCONNECT: Final = "client disconnect"
    SERVER_DISCONNECT: Final = "server disconnect"
    PING_TIMEOUT: Final = "ping timeout"
    TRANSPORT_CLOSE: Final = "transport close"
    TRANSPORT_ERROR: Final = "transport error"
