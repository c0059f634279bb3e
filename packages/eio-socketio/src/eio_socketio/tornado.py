"""Tornado's handler for a Socket.IO server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import socketio.tornado  # type: ignore[import-untyped]

from .engine import EngineServer

__all__ = ["get_tornado_handler", "handler_maker"]


def get_tornado_handler(socketio_server: Any) -> Any:
    """The handler class to route ``/socket.io/`` to: ``(r"/socket\\.io/?", get_tornado_handler(sio))``.

    :param socketio_server: an :class:`~eio_socketio.AsyncServer`, or one of python-socketio's on either engine.
    """
    return handler_maker(socketio.tornado.get_engineio_handler)(socketio_server.eio)


def handler_maker(otherwise: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function that makes the handler class for an engine: eio's for ours, else it asks ``otherwise``."""

    def get_engineio_handler(engine: Any) -> Any:
        if not isinstance(engine, EngineServer):
            return otherwise(engine)
        import eio_tornado  # noqa: PLC0415 - it is there where it is used

        return eio_tornado.get_tornado_handler(engine)

    return get_engineio_handler
