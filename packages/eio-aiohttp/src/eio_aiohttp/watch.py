"""Who waits for something else learns here that the client is gone: aiohttp itself does not tell (row IN-7)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Watch"]

SWEEP = 0.25
"""Seconds between two looks at a transport whose protocol cannot be exchanged."""


class Watch(asyncio.Protocol):
    """While entered, this protocol stands before aiohttp's: it passes everything on and sees the connection go.

    An asynchronous context manager. The exchange of protocols is asyncio's own means for that (``set_protocol``); it
    works on TCP, Unix and TLS transports, on asyncio and on uvloop.
    """

    __slots__ = ("_lost", "_protocol", "_timer", "_transport")

    def __init__(self, transport: asyncio.Transport | None, lost: Callable[[], None]) -> None:
        self._transport = transport
        self._lost: Callable[[], None] | None = lost
        self._protocol: asyncio.Protocol | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            self._report()
            return
        try:
            protocol = transport.get_protocol()
            if isinstance(protocol, asyncio.Protocol):
                transport.set_protocol(self)
                self._protocol = protocol
                return
        except NotImplementedError:
            pass
        self._sweep()

    async def __aexit__(self, *_: object) -> None:
        self._lost = None
        if self._timer is not None:
            self._timer.cancel()
        if self._protocol is not None and self._transport is not None:
            self._transport.set_protocol(self._protocol)

    def _report(self) -> None:
        if self._lost is not None:
            lost, self._lost = self._lost, None
            lost()

    def _sweep(self) -> None:
        if self._transport is None or self._transport.is_closing():
            self._report()
        else:
            self._timer = asyncio.get_running_loop().call_later(SWEEP, self._sweep)

    # --------------------------------------------------------------------------------------------- asyncio.Protocol

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on, then report it. Whoever comes too late finds the transport as it is: it takes no protocol now."""
        protocol, self._protocol = self._inner, None
        protocol.connection_lost(exc)
        self._report()

    def data_received(self, data: bytes) -> None:
        """Pass it on: a request may follow on the same connection."""
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass it on, and the answer back: whether the transport stays open."""
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """Pass it on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._inner.resume_writing()

    @property
    def _inner(self) -> asyncio.Protocol:
        assert self._protocol is not None, "called by a transport whose protocol this is"
        return self._protocol
