"""python-engineio's client, as the tests use it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import engineio  # type: ignore[import-untyped]

from tests.integrations.harness import eventually


class Client:
    """python-engineio's AsyncClient, with what it received and why it ended."""

    def __init__(self) -> None:
        self.received: list[Any] = []
        self.reasons: list[str] = []
        self.inner = engineio.AsyncClient(handle_sigint=False)
        self.inner.on("message", self.received.append)
        self.inner.on("disconnect", self.reasons.append)
        self.sid = ""
        self._request = self.inner._send_request
        self.inner._send_request = self._request_and_read

    async def connect(self, port: int, transports: list[str], query: str = "") -> None:
        await self.inner.connect(f"http://127.0.0.1:{port}{query}", transports=transports)
        self.sid = self.inner.sid
        assert self.inner.transport() == transports[-1]

    async def send(self, *messages: Any) -> None:
        for message in messages:
            await self.inner.send(message)

    async def receive(self, count: int) -> list[Any]:
        """Wait until so many messages have come."""
        await eventually(lambda: len(self.received) >= count)
        return self.received

    async def ended(self) -> str:
        """Wait for the end of the session; the reason that the client gives."""
        await eventually(lambda: self.reasons)
        (reason,) = self.reasons
        return reason

    async def leave(self) -> None:
        """End the session, unless it has ended, and what the client leaves behind when the server was first."""
        await self.inner.disconnect()
        for task in (self.inner.write_loop_task, self.inner.read_loop_task):
            if task is not None:
                task.cancel()

    async def _request_and_read(self, *args: Any, **options: Any) -> Any:
        """The client leaves the answers to its POSTs unread, and aiohttp then complains of unclosed connections."""
        answer = await self._request(*args, **options)
        if isinstance(answer, aiohttp.ClientResponse):
            await answer.read()
        return answer


@asynccontextmanager
async def connected(port: int, transports: list[str]) -> AsyncIterator[Client]:
    """A connected client, which leaves at the end unless it has left already."""
    client = Client()
    await client.connect(port, transports)
    try:
        yield client
    finally:
        await client.leave()
