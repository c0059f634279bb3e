"""The few types of ASGI, a receive() that takes messages back, and which event loop it is."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

__all__ = ["ASGIApplication", "Inbox", "Message", "Receive", "Scope", "Send", "encode_headers", "in_trio"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApplication = Callable[[Scope, Receive, Send], Awaitable[None]]


class Inbox:
    """The ``receive`` of a connection, to which messages can be given back: they come first then."""

    __slots__ = ("_back", "_receive")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._back: deque[Message] | None = None

    async def receive(self) -> Message:
        """The next message."""
        return self._back.popleft() if self._back else await self._receive()

    async def look_ahead(self) -> Message:
        """The next message that nobody has seen yet."""
        return await self._receive()

    def give_back(self, message: Message) -> None:
        """Have a message received again, after those that were given back before."""
        if self._back is None:
            self._back = deque()
        self._back.append(message)

    def fastest(self) -> Receive:
        """What to receive with from now on, when nothing will be given back any more."""
        return self.receive if self._back else self._receive


def encode_headers(headers: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Headers as ASGI has them: names in lower case, latin-1."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def in_trio() -> bool:
    """Whether trio runs us; asyncio otherwise."""
    trio = sys.modules.get("trio")
    return trio is not None and bool(trio.lowlevel.in_trio_task())
