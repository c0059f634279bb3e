"""ASGIApp: a Socket.IO server as an ASGI application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import socketio  # type: ignore[import-untyped]

from .engine import EngineServer

__all__ = ["ASGIApp"]


class ASGIApp(socketio.ASGIApp):  # type: ignore[misc]
    """``socketio.ASGIApp`` that also tells clients when the web server stops: :class:`eio_asgi.ASGIApp` behind it.

    The arguments are those of ``socketio.ASGIApp``, and mean what :class:`eio_asgi.ASGIApp` says of them.

    :param socketio_server: an :class:`~eio_socketio.AsyncServer`, or one of python-socketio's. If that stands on
        python-engineio, this is ``socketio.ASGIApp`` and nothing more.
    :param socketio_path: where Socket.IO is; None: everywhere.
    :param handle_signals: whether the first SIGTERM or SIGINT tells the clients, before the web server begins to wait
        for them.
    """

    def __init__(
        self,
        socketio_server: Any,
        other_asgi_app: Any = None,
        static_files: Mapping[str, Any] | None = None,
        socketio_path: str | None = "socket.io",
        on_startup: Callable[[], Any] | None = None,
        on_shutdown: Callable[[], Any] | None = None,
        handle_signals: bool = True,
    ) -> None:
        super().__init__(socketio_server, other_asgi_app, static_files, socketio_path, on_startup, on_shutdown)
        self._app: Any = super().__call__
        if isinstance(socketio_server.eio, EngineServer):
            import eio_asgi  # noqa: PLC0415 - it is there where it is used

            self._app = eio_asgi.ASGIApp(
                socketio_server, other_asgi_app, static_files, socketio_path, on_startup, on_shutdown, handle_signals
            )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Be an ASGI application."""
        await self._app(scope, receive, send)
