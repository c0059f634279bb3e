"""What the clients and the server say to each other, whichever the client is."""

from __future__ import annotations

from typing import Any

from tests.integrations.harness import Site, eventually

COUNT = 1_000
AT_ONCE = 300

MESSAGES: list[str | bytes] = [
    "hello",
    "",
    "Grüße, 世界 🌍 \u2028 \0 \x7f",
    "4looks like a packet",
    "bQUJD",
    "{no JSON",
    "long " * 10_000,
    bytes(range(256)),
    b"",
    b"\x1e",
    bytes(100_000),
]


def echo(site: Site) -> None:
    """The server sends back what it receives."""

    async def message(sid: str, data: Any) -> None:
        site.seen.message(sid, data)
        await site.eio.send(sid, data)

    site.eio.on("message", message)


def last_words(site: Site) -> list[str]:
    """The server answers a message with many, and closes; what it says."""
    words = [f"last words {number}" for number in range(40)]

    async def message(sid: str, data: Any) -> None:
        site.seen.message(sid, data)
        for word in words:
            await site.eio.send(sid, word)
        await site.eio.disconnect(sid)

    site.eio.on("message", message)
    return words


class Numbers:
    """Numbered messages from the server: many at once to a new client, then one for each message of it.

    The first ones wait in the outbox when an upgrade begins, the others are made while it runs and afterwards.
    """

    def __init__(self, site: Site) -> None:
        self.transports: set[str] = set()
        self._site = site
        self._sent: dict[str, int] = {}
        site.eio.on("connect", self._connect)
        site.eio.on("message", self._message)

    async def verify(self, sid: str, received: list[str]) -> None:
        """None is lost, doubled or out of order, at either end."""
        await eventually(lambda: len(self._site.seen.messages(sid)) >= COUNT)
        assert self._site.seen.messages(sid) == [f"client {number}" for number in range(COUNT)]
        assert received == [f"server {number}" for number in range(COUNT)]

    async def _connect(self, sid: str, environ: dict[str, Any]) -> None:
        self._site.seen.connect(sid, environ)
        self._sent[sid] = 0
        for _ in range(AT_ONCE):
            await self._next(sid)

    async def _message(self, sid: str, data: Any) -> None:
        self._site.seen.message(sid, data)
        self.transports.add(self._site.eio.transport(sid))
        await self._next(sid)

    async def _next(self, sid: str) -> None:
        if self._sent[sid] < COUNT:
            self._sent[sid] += 1
            await self._site.eio.send(sid, f"server {self._sent[sid] - 1}")
