"""install() and uninstall(): our engine for applications that make ``socketio.AsyncServer`` themselves.

Three names of python-socketio are replaced, and put back as they were: the hook by which its server finds an engine,
the ``emit`` of its in-memory manager, from which those on message queues inherit, and the maker of Tornado's handler.
"""

from __future__ import annotations

import asyncio
import gc
import warnings
from typing import Any

import socketio  # type: ignore[import-untyped]
import socketio.tornado  # type: ignore[import-untyped]

from .engine import EngineServer
from .manager import append
from .tornado import handler_maker

__all__ = ["install", "uninstall"]

_emit = socketio.AsyncManager.emit
_replaced: dict[tuple[Any, str], Any] = {}
"""What stood there before; empty unless it is installed."""


def install() -> None:
    """Have every ``socketio.AsyncServer`` that is made from now on stand on eio, until :func:`uninstall`.

    A server that was made before keeps python-engineio; if there is one, a RuntimeWarning says so. A second call does
    nothing. No import does this by itself.
    """
    if _replaced:
        return
    _warn_of_servers()
    _replace(socketio.AsyncServer, "_engineio_server_class", _engineio_server_class)
    _replace(socketio.AsyncManager, "emit", _emit_at_once)
    _replace(socketio.tornado, "get_engineio_handler", handler_maker(socketio.tornado.get_engineio_handler))


def uninstall() -> None:
    """Have new servers stand on python-engineio again. Those that were made meanwhile keep eio, and go on."""
    for (owner, name), before in _replaced.items():
        setattr(owner, name, before)
    _replaced.clear()


def _replace(owner: Any, name: str, substitute: Any) -> None:
    _replaced[owner, name] = vars(owner)[name]
    setattr(owner, name, substitute)


def _engineio_server_class(_: socketio.AsyncServer) -> type[EngineServer]:
    return EngineServer


async def _emit_at_once(
    self: Any,
    event: str,
    data: Any,
    namespace: str,
    room: Any = None,
    skip_sid: Any = None,
    callback: Any = None,
    to: Any = None,
    **kwargs: Any,
) -> None:
    engine = append(self, event, data, namespace, to or room, skip_sid, callback)
    if engine is None:
        await _emit(self, event, data, namespace, room=to or room, skip_sid=skip_sid, callback=callback, **kwargs)
    elif engine.turn_is_due():
        await asyncio.sleep(0)


def _warn_of_servers() -> None:
    if not _early_servers():
        return
    gc.collect()  # one that nobody has any more counts for nothing
    count = len(_early_servers())
    if count:
        warnings.warn(
            f"eio_socketio.install() comes too late for {count} socketio.AsyncServer that was made before and stands "
            "on python-engineio: call install() first, before the import of what makes the server",
            RuntimeWarning,
            stacklevel=3,
        )


def _early_servers() -> list[Any]:
    """The servers on another engine. Of an object in the heap nothing may be asked but its type."""
    servers = [one for one in gc.get_objects() if issubclass(type(one), socketio.AsyncServer)]
    engines = [(server, getattr(server, "eio", None)) for server in servers]  # None: it could not be made
    return [server for server, engine in engines if engine is not None and not isinstance(engine, EngineServer)]
