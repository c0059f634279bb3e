"""One simulated world: some clients, one engine, an application, and everything that goes wrong between them.

What a client meets is its *fate*, drawn from the seed. Whatever it is, the invariants of behaviour.md hold; and for
clients that nothing happened to, the promises of the protocol: every message arrives.
"""

from __future__ import annotations

import gc
import weakref
from enum import Enum, auto

from eio_core import Life, Reason, Session, SessionClosed, Settings
from eio_core.testing import (
    Application,
    Client,
    ClientState,
    Dial,
    Exchange,
    Fetch,
    Network,
    Peer,
    Recorder,
    Wire,
)

REASONS = {value for name, value in vars(Reason).items() if name.isupper()}


class Violation(AssertionError):
    """An invariant does not hold."""


def check(holds: bool, what: str) -> None:
    if not holds:
        raise Violation(what)


def message(number: int) -> str | bytes:
    """The messages of a session, in each direction: they can be told apart, and are of every kind."""
    if number % 11 == 10:
        return f"{number}" + "é" * 700
    return f"{number}".encode() if number % 3 == 2 else f"{number}"


class Fate(Enum):
    """What happens to a client."""

    CALM = auto()
    SLOW = auto()  # everything is late, by up to a second
    CUT = auto()  # at some step its connection is cut
    VANISH = auto()  # its tab is closed
    SILENT = auto()  # its network is gone, and nobody is told
    DEAF = auto()  # it stops reading for a while
    TWIN = auto()  # its requests are repeated
    MUTE = auto()  # it never answers a ping
    RUDE = auto()  # it sends what it should not
    LATE = auto()  # its upgrade takes longer than it may


KEPT = (Fate.CALM, Fate.SLOW)
"""Those to whom the protocol promises that every message arrives."""


class Auditor(Recorder):
    """Sees to it that every request is answered once, and every session closes once; a full record only on demand."""

    def __init__(self, network: Network, *, record: bool) -> None:
        super().__init__(network.clock, decisions=True)
        self.record = record
        self.asked: set[Exchange] = set()

    def request(self, exchange: Exchange, sid: str | None) -> None:
        self.asked.add(exchange)
        super().request(exchange, sid) if self.record else None

    def response(self, exchange: Exchange, response: object) -> None:
        check(exchange in self.asked, f"{exchange.client}: answered twice")
        self.asked.remove(exchange)
