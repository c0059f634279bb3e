"""What can be set. Every value is read when it is used, so that an assignment at run time takes effect (row HB-14)."""

from __future__ import annotations

from dataclasses import dataclass

from .origins import SAME_ORIGIN, OriginPolicy

__all__ = ["LOW_WATER", "TRANSPORTS", "Settings"]

TRANSPORTS = ("polling", "websocket")
LOW_WATER = 256 * 1024
"""The outbox size below which a waiting sender may go on, unless a quarter of the bound is less (row FD-8)."""


@dataclass(slots=True, kw_only=True)
class Settings:
    """The settings of one engine. Times are seconds, sizes are bytes."""

    ping_interval: float = 25.0
    """From one ping to the next."""
    ping_grace: float = 0.0
    """Added to what the client is told the interval to be (row HB-13)."""
    ping_timeout: float = 20.0
    """From a ping to the last moment for its pong."""
    monitor_clients: bool = True
    """False: pings are sent, but a missing pong closes nobody."""
    transports: tuple[str, ...] = TRANSPORTS
    allow_upgrades: bool = True
    upgrade_timeout: float = 10.0
    """From the accepted WebSocket to the client's ``5``."""
    close_timeout: float = 30.0
    """The longest that a closing session waits for its client to fetch the rest."""
    max_http_buffer_size: int = 1_000_000
    """The largest POST body or WebSocket message; told to the client as maxPayload (rows PL-12 to PL-16)."""
    max_buffered_bytes: int | None = 16 * 1024 * 1024
    """The bound of a session's outbox; None: no bound (row FD-8)."""
    max_packets_per_payload: int | None = None
    """The most packets that a POST may carry (row PL-10)."""
    max_packets_per_poll: int | None = 16
    """The most packets in the answer to a GET: python-engineio's client drops a longer one (row PL-11)."""
    http_compression: bool = True
    compression_threshold: int = 1024
    origins: OriginPolicy = SAME_ORIGIN
    """Who may connect from a browser (row HD-1)."""
    cors_credentials: bool = True
    trust_forwarded: bool = True
    """Whether X-Forwarded-Proto and -Host may name our own origin (row HD-1)."""

    @property
    def low_water(self) -> int:
        """The outbox size, in bytes, at or below which a waiting sender may go on."""
        bound = self.max_buffered_bytes
        return LOW_WATER if bound is None else min(LOW_WATER, bound // 4)

    @property
    def max_body_size(self) -> int:
        """The largest POST body that is read: half a percent above the limit that clients are told.

        engine.io-client estimates base64 slightly low, so a batch that it takes to be legal may exceed the limit by up
        to 0.3 % (rows PL-12, CD-4, CD-5).
        """
        return self.max_http_buffer_size + self.max_http_buffer_size // 200
