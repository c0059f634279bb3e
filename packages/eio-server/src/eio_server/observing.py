"""Hooks for whoever counts: packets, bytes, sessions and refusals, as they happen.

They cost nothing where nobody looks, not even a question: an engine that is observed is of another class.
"""

from __future__ import annotations

import logging
from collections import Counter

from eio_core import Engine, Link, Poll, Post, Refusal, Response, Settings
from eio_core.packets import PING, has_ping

__all__ = ["Counters", "ObservableEngine", "Observer"]


class Observer:
    """What to derive from: every method does nothing here. See :meth:`eio_server.AsyncServer.observe`.

    They are called in the event loop, on the way of every packet: they should be quick. What they raise is logged, and
    goes no further.
    """

    def opened(self, sid: str, transport: str) -> None:
        """A client was accepted, on ``polling`` or ``websocket``."""

    def upgraded(self, sid: str) -> None:
        """A client went over to WebSocket."""

    def closed(self, sid: str, reason: str) -> None:
        """A client that was accepted is gone; the reason is one of ``AsyncServer.reason``. Its handler comes after."""

    def received(self, packets: int, size: int) -> None:
        """Packets came, in one WebSocket message or one POST of so many bytes."""

    def sent(self, packets: int, size: int) -> None:
        """Packets go out, in as many WebSocket messages or in one response; bytes before any compression."""

    def pinged(self, sid: str) -> None:
        """A ping goes out to a client."""

    def refused(self, status: int, code: int) -> None:
        """A request was refused: its HTTP status, and its code (:class:`eio_core.ErrorCode`).

        What a connect handler rejected is 401 with code 4. A request that failed by a defect counts too, with code 3.
        """


class Counters(Observer):
    """An observer that counts, from the moment when it begins to observe."""

    def __init__(self) -> None:
        self.sessions_opened = 0
        self.sessions_upgraded = 0
        self.sessions_closed: Counter[str] = Counter()
        """By reason."""
        self.packets_received = 0
        self.bytes_received = 0
        self.packets_sent = 0
        self.bytes_sent = 0
        self.pings = 0
        self.refusals: Counter[int] = Counter()
        """By code."""

    def opened(self, sid: str, transport: str) -> None:
        """See :class:`Observer`."""
        self.sessions_opened += 1

    def upgraded(self, sid: str) -> None:
        """See :class:`Observer`."""
        self.sessions_upgraded += 1

    def closed(self, sid: str, reason: str) -> None:
        """See :class:`Observer`."""
        self.sessions_closed[reason] += 1

    def received(self, packets: int, size: int) -> None:
        """See :class:`Observer`."""
        self.packets_received += packets
        self.bytes_received += size

    def sent(self, packets: int, size: int) -> None:
        """See :class:`Observer`."""
        self.packets_sent += packets
        self.bytes_sent += size

    def pinged(self, sid: str) -> None:
        """See :class:`Observer`."""
        self.pings += 1

    def refused(self, status: int, code: int) -> None:
        """See :class:`Observer`."""
        self.refusals[code] += 1


class Observers:
    """All who look."""

    __slots__ = ("_all", "_logger")

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._all: tuple[Observer, ...] = ()

    def __bool__(self) -> bool:
        return bool(self._all)

    def add(self, observer: Observer) -> None:
        """One more; a second time does nothing."""
        if not any(one is observer for one in self._all):
            self._all = (*self._all, observer)

    def remove(self, observer: Observer) -> None:
        """One less; one that is not there is ignored."""
        self._all = tuple(one for one in self._all if one is not observer)

    def tell(self, method: str, *args: object) -> None:
        """Call a method of all."""
        for observer in self._all:
            try:
                getattr(observer, method)(*args)
            except Exception:  # of the application's code
                self._logger.exception("%s of an observer failed", method)


class ObservableEngine(Engine):
    """The engine of a server. While somebody observes it, it is an :class:`_ObservedEngine`."""

    __slots__ = ("observers",)

    def __init__(self, settings: Settings, logger: logging.Logger) -> None:
        super().__init__(settings)
        self.observers = Observers(logger)

    def observe(self, observer: Observer) -> None:
        """Tell it from now on."""
        self.observers.add(observer)
        self.__class__ = _ObservedEngine

    def unobserve(self, observer: Observer) -> None:
        """Tell it no more."""
        self.observers.remove(observer)
        if not self.observers:
            self.__class__ = ObservableEngine


class _ObservedEngine(ObservableEngine):
    """It tells what passes through it; what happens seldom the runner tells."""

    __slots__ = ()

    def receive_frame(self, link: Link, frame: str | bytes) -> str | bytes | None:
        self.observers.tell("received", 1, _size(frame))
        return super().receive_frame(link, frame)

    def receive_body(self, post: Post, body: bytes, now: float) -> list[str | bytes]:
        self.observers.tell("received", body.count(b"\x1e") + 1, len(body))
        return super().receive_body(post, body, now)

    def take_frames(self, link: Link) -> list[str | bytes]:
        session = link.session
        frames = super().take_frames(link)
        if frames:
            self.observers.tell("sent", len(frames), sum(map(_size, frames)))
            if session is not None and has_ping(frames):
                self.observers.tell("pinged", session.sid)
        return frames

    def take_response(self, request: Poll | Post) -> Response:
        session = request.session
        response = super().take_response(request)
        if isinstance(request, Poll) and not isinstance(response, Refusal):
            packets = response.body.split(b"\x1e")
            self.observers.tell("sent", len(packets), len(response.body))
            if session is not None and PING.encode() in packets:
                self.observers.tell("pinged", session.sid)
        return response


def _size(frame: str | bytes) -> int:
    return len(frame) if isinstance(frame, bytes) or frame.isascii() else len(frame.encode())
