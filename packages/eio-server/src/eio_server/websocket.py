"""WebSockets: the offer of one, and its reading and writing once it is there.

**One writer.** Whoever makes a connection dirty writes it, unless somebody is at it already; then it is enough to
have put the packet into the outbox. The writer pulls until nothing is left. A framework's write is driven one step by
hand: nearly always that is all, and there was no task. If it suspends, because the client reads slowly, a task of the
server's goes on with it; the sender is not held up, and cancelling the sender does not tear the write.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Iterable
from contextvars import copy_context
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .integration import Disconnected

if TYPE_CHECKING:
    from eio_core import Headers, Link, Upgrade

    from .delivery import Socket
    from .integration import WebSocket
    from .runner import Runner

__all__ = ["LiveConnection", "SocketOffer"]


class SocketOffer:
    """See :class:`eio_server.integration.Offer`. Made for a handshake with its link, or for an upgrade."""

    __slots__ = ("_link", "_runner", "_upgrade", "compress", "headers", "max_size")

    def __init__(self, runner: Runner, headers: Headers, *, link: Link | None = None, upgrade: Upgrade | None = None):
        self._runner = runner
        self._link = link
        self._upgrade = upgrade
        self.headers = headers
        self.max_size = runner.engine.settings.max_http_buffer_size
        self.compress = runner.websocket_compression
        if link is not None:
            link.handle = LiveConnection(runner, link)

    def opened(self, websocket: WebSocket) -> LiveConnection:
        """See :class:`eio_server.integration.Offer`."""
        runner, link = self._runner, self._link
        if link is None:
            assert self._upgrade is not None, "an offer is for a handshake or for an upgrade"
            link = runner.engine.open_link(self._upgrade, runner.runtime.now())
            link.handle = LiveConnection(runner, link)
        connection: LiveConnection = link.handle
        connection.opened(websocket)
        runner.settle()
        runner.rearm()
        return connection

    def __enter__(self) -> None:
        """See :class:`eio_server.integration.Offer`."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self.failed()

    def failed(self) -> None:
        """See :class:`eio_server.integration.Offer`."""
        if self._link is not None:
            self._link.handle.lost(error=True)


class LiveConnection:
    """See :class:`eio_server.integration.Connection`; the ``handle`` of the core's link."""

    __slots__ = (
        "_closer",
        "_context",
        "_link",
        "_lost",
        "_runner",
        "_runtime",
        "_socket",
        "_websocket",
        "_writer",
        "_writing",
    )

    def __init__(self, runner: Runner, link: Link) -> None:
        self._runner = runner
        self._runtime = runner.runtime
        self._link = link
        self._socket: Socket | None = None if link.session is None else link.session.handle
        self._websocket: WebSocket | None = None
        self._context = copy_context()
        """One for all writes of this connection: a step by hand and a task that goes on must share it."""
        self._writing = False
        self._lost = False
        self._writer: Any = None
        """The task that goes on with a write that suspended."""
        self._closer: Any = None

    # ----------------------------------------------------------------------------------------------- the integration

    def opened(self, websocket: WebSocket) -> None:
        """The 101 was sent: what waited for it is written."""
        self._websocket = websocket
        self.flush()

    def feed(self, frame: str | bytes) -> Coroutine[Any, Any, None] | None:
        """See :class:`eio_server.integration.Connection`."""
        message = self._runner.engine.receive_frame(self._link, frame)
        if message is not None:
            assert self._socket is not None, "a link that delivers has a session"
            return self._socket.receive(message)
        self.flush()
        self._runner.settle()
        return None

    @property
    def crowded(self) -> bool:
        """See :class:`eio_server.integration.Connection`."""
        return self._socket is not None and self._socket.crowded

    def lost(self, code: int | None = None, *, error: bool = False) -> None:
        """See :class:`eio_server.integration.Connection`."""
        if self._lost:
            return
        self._lost = True
        self._websocket = self._link.handle = None
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.cancel()  # nobody reads what it writes
        self._runner.engine.connection_lost(self._link, code=code, error=error)
        self._runner.settle()

    # -------------------------------------------------------------------------------------------------------- writing

    def flush(self) -> None:
        """Write what there is, unless somebody is writing. Never suspends, never raises."""
        websocket, link = self._websocket, self._link
        if websocket is None:
            return
        if link.closing is not None:
            self._begin_close()
        if self._writing:
            return
        self._writing = True
        engine = self._runner.engine
        try:
            while frames := engine.take_frames(link):
                left = iter(frames)
                for frame in left:
                    waiting = websocket.write(frame)
                    if waiting is not None:
                        done, rest = self._runtime.step(waiting, self._context)
                        if not done:
                            self._writer = self._runtime.spawn(
                                self._write_on(websocket, rest, left), context=self._context
                            )
                            return
        except Exception as error:
            self._failed(error)
            return
        self._writing = False
        if link.closing is not None:
            self._written()

    async def _write_on(self, websocket: WebSocket, rest: Awaitable[object], left: Iterable[str | bytes]) -> None:
        """Go on with a write that suspended, then with the frames that are left and with whatever there is."""
        try:
            await rest
            while True:
                for frame in left:
                    waiting = websocket.write(frame)
                    if waiting is not None:
                        await waiting
                left = self._runner.engine.take_frames(self._link)
                if not left:
                    break
                if self._runner.engine.effects:
                    self._runner.settle()
        except BaseException as error:
            self._writer = None
            self._failed(error)
            if not isinstance(error, Exception):  # it was cancelled
                raise
            return
        self._writer = None
        self._writing = False
        self._written()
        self._runner.settle()

    def _written(self) -> None:
        """Nothing is left to be written: now a close frame may go."""
        if self._link.closing is not None and not self._lost:
            self._begin_close()
            self._writing = True  # for good
            self._closer = self._runner.spawn(self._close(self._link.closing))

    # -------------------------------------------------------------------------------------------------------- closing

    def _begin_close(self) -> None:
        """From now on the peer has its time to finish, even if it reads nothing (row CL-18)."""
        self._runner.engine.begin_hangup(self._link, self._runtime.now())
        self._runner.rearm()

    async def _close(self, code: int) -> None:
        websocket = self._websocket
        if websocket is None:
            return
        try:
            await websocket.close(code)
        except BaseException as error:
            self._failed(error)
            if not isinstance(error, Exception):  # it was cancelled
                raise

    def abort(self) -> None:
        """The close handshake did not finish in time."""
        websocket, writer, closer = self._websocket, self._writer, self._closer
        self._websocket = self._writer = self._closer = None
        for task in (writer, closer):
            if task is not None:
                task.cancel()
        if websocket is not None:
            websocket.abort()

    def _failed(self, error: BaseException) -> None:
        """Writing or closing found that the client is gone; or a framework failed, or it was cut short."""
        websocket = self._websocket
        self.lost(error=True)
        if isinstance(error, Disconnected):
            return
        if isinstance(error, Exception):
            self._runner.logger.error("a WebSocket could not be written", exc_info=error)
        if websocket is not None:  # its client may still be there, and nobody would own the connection
            websocket.abort()
