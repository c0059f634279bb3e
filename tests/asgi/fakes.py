"""A web server by hand: one scope, what is received of it and what is sent to it."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Any

import anyio
import anyio.lowlevel

Message = MutableMapping[str, Any]


def scope(**values: Any) -> Message:
    """The scope of a handshake over polling, or with a type of websocket over that."""
    kind = values.get("type", "http")
    transport = b"websocket" if kind == "websocket" else b"polling"
    return {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/engine.io/",
        "root_path": "",
        "query_string": b"EIO=4&transport=" + transport,
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 4711),
        "server": ("127.0.0.1", 80),
        **values,
    }


class Peer:
    """Gives the messages it has, then waits for more; notes what it gets, or fails."""

    def __init__(self, messages: Iterable[Message] = (), *, fails: type[Exception] | None = None) -> None:
        self.messages = list(messages)
        self.sent: list[Message] = []
        self.fails = fails
        self._news = anyio.Event()

    def push(self, message: Message) -> None:
        self.messages.append(message)
        self._tell()

    async def receive(self) -> Message:
        await anyio.lowlevel.checkpoint()
        while not self.messages:
            await self._news.wait()
        self._tell()
        return self.messages.pop(0)

    async def send(self, message: Message) -> None:
        if self.fails is not None:
            raise self.fails
        self.sent.append(message)
        self._tell()

    async def emptied(self) -> None:
        """Until everything was received."""
        while self.messages:
            await self._news.wait()

    async def got(self, count: int) -> None:
        """Until so much was sent."""
        while len(self.sent) < count:
            await self._news.wait()

    @property
    def types(self) -> list[str]:
        return [message["type"] for message in self.sent]

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()
