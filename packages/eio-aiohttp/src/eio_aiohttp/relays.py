"""What stands between a connection and aiohttp: it sees that a client leaves, and it has the answers to messages that
came together leave together.

Both are put before aiohttp's own protocol by asyncio's means for that, ``set_protocol``; TCP, Unix and TLS transports
have it, on asyncio and on uvloop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from operator import attrgetter

from eio_server import watch

__all__ = ["Cork", "Watch"]

SWEEP = 0.25
"""Seconds between two looks at a transport whose protocol cannot be exchanged."""
HOLD = 64 * 1024
"""Bytes that are held back at most."""


class Relay(asyncio.Protocol):
    """Passes everything on to the protocol that it was put before."""

    __slots__ = ("_inner", "_inserted")

    _inner: asyncio.Protocol

    def insert(self, transport: asyncio.Transport) -> bool:
        """Take the place of the transport's protocol; False where that cannot be done."""
        self._inserted = False
        try:
            inner = transport.get_protocol()
            if isinstance(inner, asyncio.Protocol):
                self._inner = inner
                transport.set_protocol(self)
                self._inserted = True
        except NotImplementedError:
            pass
        return self._inserted

    def connection_lost(self, exc: Exception | None) -> None:
        """The last call; the transport takes no other protocol after it."""
        self._inserted = False
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
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


class Watch(Relay, watch.Watch):
    """Calls ``lost`` when the client leaves: aiohttp does not tell (row IN-7)."""

    __slots__ = ("_lost", "_timer", "_transport")

    def __init__(self, transport: asyncio.Transport | None, lost: Callable[[], None]) -> None:
        self._transport = transport
        self._lost = lost
        self._timer: asyncio.TimerHandle | None = None
        self._inserted = False

    async def __aenter__(self) -> None:
        if self._transport is None or self.gone or not self.insert(self._transport):
            self._sweep()

    async def __aexit__(self, *_: object) -> None:
        self._lost = None
        if self._timer is not None:
            self._timer.cancel()
        if self._inserted and self._transport is not None:
            self._transport.set_protocol(self._inner)

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on, then tell."""
        super().connection_lost(exc)
        self.tell()

    @property
    def gone(self) -> bool:
        """Whether the client has left already."""
        return self._transport is None or self._transport.is_closing()

    def _sweep(self) -> None:
        if self.gone:
            self.tell()
        else:
            self._timer = asyncio.get_running_loop().call_later(SWEEP, self._sweep)


class Cork(Relay):
    """Holds what is written in answer to data that just arrived, and writes it as one piece in the same loop turn, or
    in the next one if handlers in tasks write it.

    aiohttp takes it for the transport of its WebSocket; what it does not know it passes on. A client that sends several
    messages at once gets its answers by one system call, where aiohttp alone makes one for each, which is half of the
    cost of an echo. Nothing else is ever held.
    """

    __slots__ = ("_held", "_loop", "_size", "_transport")

    # Passed on by name: with a __getattr__ CPython looks up every attribute of this object in the slowest way.
    abort = property(attrgetter("_transport.abort"))
    can_write_eof = property(attrgetter("_transport.can_write_eof"))
    get_extra_info = property(attrgetter("_transport.get_extra_info"))
    get_protocol = property(attrgetter("_transport.get_protocol"))
    get_write_buffer_limits = property(attrgetter("_transport.get_write_buffer_limits"))
    get_write_buffer_size = property(attrgetter("_transport.get_write_buffer_size"))
    is_reading = property(attrgetter("_transport.is_reading"))
    pause_reading = property(attrgetter("_transport.pause_reading"))
    resume_reading = property(attrgetter("_transport.resume_reading"))
    set_protocol = property(attrgetter("_transport.set_protocol"))
    set_write_buffer_limits = property(attrgetter("_transport.set_write_buffer_limits"))
    write_eof = property(attrgetter("_transport.write_eof"))

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._held: list[bytes] | None = None
        self._size = 0
        self.insert(transport)

    def is_closing(self) -> bool:
        """Pass the answer on."""
        return self._transport.is_closing()

    def data_received(self, data: bytes) -> None:
        """Pass it on, which wakes the reader, and release what that writes right after it."""
        self._inner.data_received(data)
        if self._held is None:
            self._held = []
            self._loop.call_soon(self._answered)

    def write(self, data: bytes) -> None:
        """Hold it, or write it."""
        if self._held is None:
            self._transport.write(data)
            return
        self._held.append(data)
        self._size += len(data)
        if self._size > HOLD:
            self._release()

    def writelines(self, list_of_data: Iterable[bytes]) -> None:
        """The same for several pieces."""
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        """Close, behind what is held."""
        self._release()
        self._transport.close()

    def _answered(self) -> None:
        """The reader has had its turn; handlers that it started in tasks of their own have theirs next."""
        if self._held:
            self._release()
        elif self._held is not None:
            self._loop.call_soon(self._release)

    def _release(self) -> None:
        held, self._held, self._size = self._held, None, 0
        if held and not self.is_closing():
            self._transport.write(b"".join(held))
