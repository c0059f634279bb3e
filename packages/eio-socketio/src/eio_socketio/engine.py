"""The Engine.IO server under a Socket.IO server: eio's, and the little that python-socketio alone asks of one.

python-socketio uses its engine through the public methods of python-engineio's AsyncServer, which eio's has as well,
and through a few names with an underscore, which are here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import eio_server
from eio_server import Socket

from .admin import AdminObserver

__all__ = ["EngineServer"]

TURN_EVERY = 64
"""After so many recipients of emits that waited for nothing, the event loop gets its turn."""
ONE_MORE = 4096
"""A recipient counts once more for each so many bytes, for only in its turn the event loop writes them."""


class EngineServer(eio_server.AsyncServer):
    """:class:`eio_server.AsyncServer` for ``socketio.AsyncServer``, which makes it and keeps it as ``eio``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._tasks: set[asyncio.Future[Any]] = set()
        self._since_turn = 0
        self._admin: tuple[Callable[..., dict[str, Any]], AdminObserver] | None = None
        """The instrumentation that is on, if one is: what it put in place, and what feeds it."""

    async def send(self, sid: str, data: Any) -> None:
        """See :meth:`eio_server.AsyncServer.send`; but it never suspends.

        python-socketio sends each attachment of an acknowledgement by a call of its own, and nothing may come between.
        """
        if (socket := self.runner.sockets.get(sid)) is None:
            await super().send(sid, data)  # which says so
        else:
            self._append(socket, data)

    def append(self, sids: list[str], message: str | bytes) -> None:
        """Send a message to one client, or to many as :meth:`broadcast` does, and never suspend."""
        self._since_turn += len(sids) * (1 + len(message) // ONE_MORE)
        if len(sids) != 1:
            self.broadcast(sids, message)
        elif (socket := self.runner.sockets.get(sids[0])) is not None:
            self._append(socket, message)

    def turn_is_due(self) -> bool:
        """Whether the event loop should have its turn, after so many recipients for which nobody had to wait.

        python-socketio's emit gives it one each time.
        """
        if self._since_turn < TURN_EVERY:
            return False
        self._since_turn = 0
        return True

    def start_background_task(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> asyncio.Future[Any]:
        """Run what a function returns, which is mostly a coroutine, in a task; its exception is logged.

        python-socketio does so for each event: it is the shortest way, and accepts what python-engineio's accepts.
        """
        task: asyncio.Future[Any] = asyncio.ensure_future(target(*args, **kwargs))
        self._tasks.add(task)  # the event loop holds it weakly
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Future[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.logger.error("a background task failed", exc_info=error)

    async def handle_request(self, *args: Any, **kwargs: Any) -> Any:
        """See :meth:`eio_server.AsyncServer.handle_request`; Tornado's handler may also be python-engineio's."""
        if self.async_mode == "tornado" and hasattr(args[0], "get_next_message"):
            from .foreign import serve  # noqa: PLC0415 - eio-tornado is there where it is used

            await serve(self, args[0])
            return None
        return await super().handle_request(*args, **kwargs)

    def _get_socket(self, sid: str) -> Socket:
        """A client by its session id, for python-socketio's admin instrumentation.

        :raises KeyError: no such session.
        """
        return self._socket(sid)

    @property
    def _ok(self) -> Callable[..., dict[str, Any]]:
        """What the admin instrumentation replaces, to see what python-engineio sends; by that we know of it."""
        return _ok if self._admin is None else self._admin[0]

    @_ok.setter
    def _ok(self, replacement: Callable[..., dict[str, Any]]) -> None:
        if self._admin is not None:
            self.unobserve(self._admin[1])
            self._admin = None
        instrument = getattr(replacement, "__self__", None)
        if hasattr(instrument, "event_buffer"):
            self._admin = replacement, AdminObserver(instrument)
            self.observe(self._admin[1])


def _ok(packets: Any = None, headers: Any = None, jsonp_index: Any = None) -> dict[str, Any]:
    """A response, as python-engineio makes one."""
    return {"status": "200 OK", "headers": headers or [], "response": b""}
