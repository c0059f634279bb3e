"""Emitting to many: one packet, encoded once, appended to every outbox before anything else can happen.

python-socketio's own managers make a task for each recipient and each packet of an event, which costs twenty times as
much. Without an acknowledgement all recipients get the same packets, so nothing is left for a task to do: our engine
never waits for a client.
"""

from __future__ import annotations

import asyncio
from typing import Any

import socketio  # type: ignore[import-untyped]
from socketio.packet import EVENT, Packet  # type: ignore[import-untyped]

from .engine import EngineServer

__all__ = ["AsyncManager", "append"]

_SCALARS = frozenset({str, int, float, bool, type(None)})


class AsyncManager(socketio.AsyncManager):  # type: ignore[misc]
    """The list of clients and rooms of one process; and, by inheritance, of several.

    A manager of python-socketio's that stands on a message queue becomes as fast by it::

        class RedisManager(socketio.AsyncRedisManager, eio_socketio.AsyncManager):
            pass

    Every recipient gets the packets of an event one behind the other, and the events in the order of the calls, as
    python-socketio wants it done with a lock. Where an event asks for an acknowledgement, or the server stands on
    python-engineio, it is the manager that it inherits from.
    """

    async def emit(
        self,
        event: str,
        data: Any,
        namespace: str = "/",
        room: Any = None,
        skip_sid: Any = None,
        callback: Any = None,
        to: Any = None,
        **kwargs: Any,
    ) -> None:
        """Emit to a client, to a room or several, or to all of a namespace. See ``socketio.AsyncManager``."""
        engine = append(self, event, data, namespace, to or room, skip_sid, callback)
        if engine is None:
            await super().emit(event, data, namespace, room=to or room, skip_sid=skip_sid, callback=callback, **kwargs)
        elif engine.turn_is_due():
            await asyncio.sleep(0)


def append(
    manager: Any, event: str, data: Any, namespace: str, room: Any, skip_sid: Any, callback: Any
) -> EngineServer | None:
    """Append an event to the outbox of each recipient, without a task for any of them.

    :returns: the engine, or None where that cannot be: each recipient is to get an id of its own for its
        acknowledgement, or the engine is another, or a client on polling could not get the packet in one piece.
    """
    server = manager.server
    engine = None if server is None else server.eio
    if callback or not isinstance(engine, EngineServer):
        return None
    if namespace not in manager.rooms:
        return engine
    arguments = [*data] if isinstance(data, tuple) else [] if data is None else [data]
    # A packet looks for bytes in everything that it gets, which costs more than all else here: tell it where it can.
    binary = False if _SCALARS.issuperset(map(type, arguments)) and server.packet_class is Packet else None
    encoded = server.packet_class(EVENT, namespace=namespace, data=[event, *arguments], binary=binary).encode()
    messages = encoded if isinstance(encoded, list) else [encoded]
    if isinstance(messages[0], str) and "\x1e" in messages[0]:  # of a serializer that is no JSON
        return None
    skipped = skip_sid if isinstance(skip_sid, list) else [skip_sid]
    sids = [eio_sid for sid, eio_sid in manager.get_participants(namespace, room) if sid not in skipped]
    for message in messages:
        engine.append(sids, message)
    return engine
