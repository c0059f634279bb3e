"""ASGI without Engine.IO: its few types, and paths, and which event loop it is."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

__all__ = [
    "ASGIApplication",
    "Inbox",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "in_trio",
    "lost",
    "path_below_mount",
]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApplication = Callable[[Scope, Receive, Send], Awaitable[None]]


class Inbox:
    """The ``receive`` of a connection, to which messages can be given back: they come first then."""

    __slots__ = ("_back", "receive_new")

    def __init__(self, receive: Receive) -> None:
        self.receive_new = receive
        """Receives what nobody has seen yet."""
        self._back: deque[Message] | None = None

    async def receive(self) -> Message:
        """The next message."""
        return self._back.popleft() if self._back else await self.receive_new()

    def give_back(self, message: Message) -> None:
        """Have a message received again, after those that were given back before."""
        if self._back is None:
            self._back = deque()
        self._back.append(message)

    def fastest(self) -> Receive:
        """What to receive with from now on, when nothing will be given back any more."""
        return self.receive if self._back else self.receive_new


def lost(*, websocket: bool) -> tuple[type[Exception], ...]:
    """What a server raises at a client that is gone; asked only when it has raised.

    OSError is what ASGI wants of servers. RuntimeError: what uvicorn says when it has closed a WebSocket itself, and we
    have not received so yet. And hypercorn on trio may close a connection in the middle of its write for us.
    """
    trio = sys.modules.get("trio")
    busy = () if trio is None else (trio.BusyResourceError,)
    return (OSError, RuntimeError, *busy) if websocket else (OSError, *busy)


def path_below_mount(scope: Scope) -> str:
    """The path without what is in front of where we are mounted (row IN-6).

    Some servers and frameworks leave ``root_path`` in the path, some take it off. Starlette leaves in what it mounted,
    but its ``root_path`` also begins with a proxy's part that the path may lack.
    """
    path: str = scope["path"]
    root = scope.get("root_path", "").rstrip("/")
    mount = root.removeprefix(scope.get("app_root_path", "").rstrip("/"))
    for prefix in (root, mount):
        if prefix and (path == prefix or path.startswith(prefix + "/")):
            return path[len(prefix) :]
    return path


def in_trio() -> bool:
    """Whether trio runs us; asyncio otherwise."""
    trio = sys.modules.get("trio")
    return trio is not None and bool(trio.lowlevel.in_trio_task())
