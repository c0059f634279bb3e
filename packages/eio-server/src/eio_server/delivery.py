"""From the wire to the application: one FIFO for each session, messages first and the disconnect last.

There is one dispatcher at a time, and it is *borrowed*: a WebSocket reader that finds nobody delivering calls the
handler itself, with no task and no queue; a POST appends all its messages and has one task deliver the burst. Who
finds somebody delivering only appends.

A session that has ``max_pending_messages`` messages waiting for their handlers, or handlers running, is *crowded*: its
reader waits, and so does the ``ok`` of its POST.

The disconnect handler is the last entry. It runs in a task of the server's own, never in a request's, which some
frameworks cancel just then. What the client sent before it closed is still delivered; after a close by the application
what has not been started is dropped (row CL-14).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING, Any

from eio_core import Life, Reason

if TYPE_CHECKING:
    from eio_core import Poll, Session

    from .runner import Runner
    from .runtime import Event

__all__ = ["Socket"]

# Bound once, as in the core.
OPEN, CLOSING, CLOSED = Life.OPEN, Life.CLOSING, Life.CLOSED
SERVER_DISCONNECT = Reason.SERVER_DISCONNECT

TURN_EVERY = 64
"""After so many messages of a burst the event loop gets a turn, so that sync handlers starve nobody."""


class Socket:
    """One client as the application may look at it in ``AsyncServer.sockets``, and the delivery of its events."""

    __slots__ = (
        "_busy",
        "_drained",
        "_inbox",
        "_leaving",
        "_room",
        "_runner",
        "_running",
        "_runtime",
        "_state",
        "answering",
        "core",
    )

    def __init__(self, runner: Runner, core: Session) -> None:
        self._runner = runner
        self._runtime = runner.runtime
        self.core = core
        self.answering: tuple[Poll, ...] = ()
        """The polls whose clients take their time over the response: several, if they ask again meanwhile."""
        self._state: dict[str, Any] | None = None
        self._inbox: deque[str | bytes] | None = None
        self._busy = False
        self._running = 0
        self._room: Event | None = None
        self._drained: list[Event] | None = None
        self._leaving: str | None = None

    # ------------------------------------------------------------------------------------------- for the application

    @property
    def sid(self) -> str:
        """The session id."""
        return self.core.sid

    @property
    def session(self) -> dict[str, Any]:
        """The application's own data about this client: the live dict."""
        if self._state is None:
            self._state = {}
        return self._state

    @session.setter
    def session(self, state: dict[str, Any]) -> None:
        self._state = state

    @property
    def connected(self) -> bool:
        """Whether the handshake is over and the session has not been closed."""
        return self.core.life is OPEN

    @property
    def closed(self) -> bool:
        """Whether it is closing or closed."""
        return self.core.life is CLOSING or self.core.life is CLOSED

    @property
    def upgraded(self) -> bool:
        """Whether a WebSocket carries it."""
        return self.core.transport == "websocket"

    @property
    def transport(self) -> str:
        """``polling`` or ``websocket``."""
        return self.core.transport

    @property
    def buffered(self) -> int:
        """Bytes in its outbox, 64 added for each packet (row FD-8)."""
        return self.core.buffered

    async def close(self) -> None:
        """Disconnect this client; see :meth:`AsyncServer.disconnect`."""
        self._runner.close(self.core)

    # ---------------------------------------------------------------------------------------------- from the wire

    def receive(self, message: str | bytes) -> Coroutine[Any, Any, None] | None:
        """A message came over the WebSocket; whatever is returned is to be awaited before the next is read."""
        if self._busy:
            self._append(message)
        elif (waiting := self._deliver(message)) is not None:
            self._busy = True
            return self._dispatch(waiting)
        elif not self._running:
            return None
        return self._wait_for_room() if self.crowded else None

    def receive_all(self, messages: list[str | bytes]) -> None:
        """Messages came in a POST: somebody delivers them, and it is not the request."""
        if not messages:
            return
        for message in messages:
            self._append(message)
        if not self._busy:
            self._busy = True
            self._runner.start(self._dispatch())

    @property
    def crowded(self) -> bool:
        """Whether no more should be read from this client for now (row H20)."""
        return len(self._inbox or ()) + self._running >= self._runner.max_pending_messages

    async def room(self) -> None:
        """Wait until it is no longer crowded, or is over."""
        while self.crowded and self._leaving is None:
            if self._room is None:
                self._room = self._runtime.event()
            await self._room.wait()

    def closed_with(self, reason: str) -> None:
        """The session is over: the disconnect handler comes when everything before it has been."""
        self._leaving = reason
        for poll in self.answering:
            self._runner.engine.begin_hangup(poll, self._runtime.now())
        self.drained()
        self._made_room()
        if not self._busy:
            self._runner.start(self._disconnect())

    # ------------------------------------------------------------------------------------------------------ the outbox

    def drained(self) -> None:
        """The outbox is below low water: release who waited for that."""
        events, self._drained = self._drained, None
        for event in events or ():
            event.set()

    async def wait_drained(self) -> None:
        """Wait until the outbox is below low water, or the session closed.

        Not in its own connect handler: nothing is written before that has returned.
        """
        while self.core.above_low_water and (self.core.life is OPEN or self.core.life is CLOSING):
            event = self._runtime.event()
            self._drained = [*(self._drained or ()), event]
            await event.wait()

    # ---------------------------------------------------------------------------------------------------------- inside

    def _append(self, message: str | bytes) -> None:
        if self._inbox is None:
            self._inbox = deque()
        self._inbox.append(message)

    def _deliver(self, message: str | bytes) -> Awaitable[Any] | None:
        """Hand a message to its handler: done, or started in a task, or to be awaited by the dispatcher."""
        runner = self._runner
        incoming = runner.incoming
        waiting = runner.handlers.call_message(self.core.sid, incoming(message))
        if waiting is None or not runner.async_handlers:
            return waiting
        self._running += 1
        self._runtime.start(self._run(waiting))
        return None

    async def _run(self, waiting: Awaitable[Any]) -> None:
        """A handler in a task of its own (``async_handlers=True``)."""
        try:
            await waiting
        except BaseException as error:
            self._runner.handlers.failed("message", self.core.sid, error)
        finally:
            self._running -= 1
            self._made_room()

    async def _wait_for_room(self) -> None:
        self.core.paused = True
        try:
            await self.room()
        finally:
            self.core.paused = False

    async def _dispatch(self, waiting: Awaitable[Any] | None = None) -> None:
        """Deliver until nothing waits.

        :param waiting: what the first message's handler has left to do, where the reader's own task delivers: nothing
            is read meanwhile, so a missing pong is our doing (row HB-2).
        """
        core, runner = self.core, self._runner
        reading = waiting is not None
        if reading:
            core.paused = True
        count = 0
        try:
            while True:
                if waiting is not None:
                    try:
                        await waiting
                    except BaseException as error:
                        runner.handlers.failed("message", core.sid, error)
                elif self._running >= runner.max_pending_messages:
                    await self._fewer_running()
                count += 1
                if count % TURN_EVERY == 0:
                    await self._runtime.turn()
                if not self._inbox or core.reason is SERVER_DISCONNECT:
                    break
                waiting = self._deliver(self._inbox.popleft())
                self._made_room()
        finally:
            self._busy = False
            if reading:
                core.paused = False
            if core.reason is not None or self._inbox is not None:
                self._dispatched()

    def _dispatched(self) -> None:
        """The dispatcher is gone, but not all is over."""
        if self.core.reason is SERVER_DISCONNECT:
            self._inbox = None
            self._made_room()
        if self._inbox:  # the reader that had been borrowed is gone; its client's messages are not
            self._busy = True
            self._runner.start(self._dispatch())
        else:
            self._inbox = None
            if self._leaving is not None:
                self._runner.start(self._disconnect())

    async def _fewer_running(self) -> None:
        """Wait until another handler may be started.

        Not where no more are to be: those that run may wait for the disconnect, which comes after this.
        """
        while self._running >= self._runner.max_pending_messages and self.core.reason is not SERVER_DISCONNECT:
            if self._room is None:
                self._room = self._runtime.event()
            await self._room.wait()

    def _made_room(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.set()

    async def _disconnect(self) -> None:
        """The last event; the session can be looked at until its handler has returned (rows HS-23, CL-8)."""
        try:
            await self._runner.handlers.call_disconnect(self.core.sid, self._leaving or Reason.TRANSPORT_ERROR)
        finally:
            self._runner.forget(self)
