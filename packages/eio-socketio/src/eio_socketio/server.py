"""AsyncServer: python-socketio's, on our engine."""

from __future__ import annotations

from typing import Any

import socketio  # type: ignore[import-untyped]

from .engine import EngineServer
from .manager import AsyncManager

__all__ = ["AsyncServer"]


class AsyncServer(socketio.AsyncServer):  # type: ignore[misc]
    """A Socket.IO server: ``socketio.AsyncServer`` with every argument and method of it, on eio.

    :param client_manager: who knows the clients and their rooms. None: an :class:`~eio_socketio.AsyncManager`.
    :param kwargs: the others of ``socketio.AsyncServer``, and those of :class:`eio_server.AsyncServer`, whose
        ``logger`` is ``engineio_logger`` here. ``async_mode`` may be left out where one integration of eio is
        installed.
    :raises ValueError: an async_mode that is not installed, or another argument that :class:`eio_server.AsyncServer`
        refuses.
    """

    def __init__(
        self,
        client_manager: Any = None,
        logger: Any = False,
        json: Any = None,
        async_handlers: bool = True,
        namespaces: Any = None,
        **kwargs: Any,
    ) -> None:
        if client_manager is None:
            client_manager = AsyncManager()
        super().__init__(client_manager, logger, json, async_handlers, namespaces, **kwargs)

    def _engineio_server_class(self) -> type[EngineServer]:
        """The hook by which python-socketio is told of its engine."""
        return EngineServer
