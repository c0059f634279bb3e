"""python-socketio's own client, as the tests use it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import socketio  # type: ignore[import-untyped]

from tests.integrations.harness import eventually

POLLING, WEBSOCKET, UPGRADE = ["polling"], ["websocket"], ["polling", "websocket"]


class Client(socketio.AsyncClient):  # type: ignore[misc]
    """A client that remembers what it was told."""

    def __init__(self) -> None:
        super().__init__(reconnection=False, handle_sigint=False)
        self.seen: list[tuple[Any, ...]] = []
        """The events, each with its name and its arguments."""
        self.on("*", self._remember)
        self.on("question", lambda question: {"answer": question})
        self._request = self.eio._send_request
        self.eio._send_request = self._request_and_read

    def told(self, name: str) -> list[Any]:
        """The arguments of the events of a name: the one, or all."""
        return [args[0] if len(args) == 1 else args for event, *args in self.seen if event == name]

    async def until(self, name: str, count: int) -> list[Any]:
        """Wait until there have been so many of a name."""
        await eventually(lambda: len(self.told(name)) >= count)
        return self.told(name)

    def _remember(self, *event: Any) -> None:
        self.seen.append(event)

    async def _request_and_read(self, *args: Any, **options: Any) -> Any:
        """The client leaves the answers to its POSTs unread, and aiohttp then complains of unclosed connections."""
        answer = await self._request(*args, **options)
        if isinstance(answer, aiohttp.ClientResponse):
            await answer.read()
        return answer


@asynccontextmanager
async def connected(url: str, transports: list[str], **options: Any) -> AsyncIterator[Client]:
    """A client that is connected, over the last of its transports."""
    client = Client()
    await client.connect(url, transports=transports, **options)
    try:
        assert client.transport() == transports[-1]
        yield client
    finally:
        # The client's writer ends with its state: one that does not wait just then would not send that it leaves.
        await eventually(lambda: client.eio.state != "connected" or client.eio.queue._getters)
        await client.disconnect()
        for task in (client.eio.write_loop_task, client.eio.read_loop_task):
            if task is not None:
                task.cancel()
