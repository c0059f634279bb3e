"""python-engineio's two clients, as the tests use them: one on asyncio, one on threads."""

from __future__ import annotations

import queue
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import aiohttp
import anyio.to_thread
import engineio  # type: ignore[import-untyped]

from tests.integrations.harness import eventually


class Client:
    """What both have in common: what was received, how it ended, and the packets that it is about to send."""

    inner: Any

    def __init__(self) -> None:
        self.received: list[Any] = []
        self.reasons: list[str] = []
        self.sid = ""
        self.pongs = 0
        self.mute = False
        """Whether it keeps its pongs to itself."""
        self.inner.on("message", self.received.append)
        self.inner.on("disconnect", self.reasons.append)
        self._send_packet = self.inner._send_packet
        self.inner._send_packet = self._send_unless_mute

    async def connect(self, port: int, transports: list[str], query: str = "") -> None:
        await self._call(self.inner.connect, f"http://127.0.0.1:{port}{query}", transports=transports)
        self.sid = self.inner.sid

    async def send(self, *messages: Any) -> None:
        for message in messages:
            await self._call(self.inner.send, message)

    async def receive(self, count: int) -> list[Any]:
        """Wait until so many messages have come, as long as they keep coming."""
        while len(self.received) < count:
            await self._more(len(self.received))
        return self.received

    async def say_close(self) -> None:
        """Send the close packet, and stay."""
        await self._call(self.inner._send_packet, engineio.packet.Packet(engineio.packet.CLOSE))

    async def close(self) -> None:
        """End the session, unless it has ended.

        The client's writer ends with the state of the client: one that is about to look for the next packet just then
        would never send the close packet.
        """
        await eventually(lambda: self.inner.state != "connected" or self._writer_waits())
        await self._call(self.inner.disconnect)

    async def ended(self) -> str:
        """Wait for the end of the session; the reason that the client gives."""
        await eventually(lambda: self.reasons)
        (reason,) = self.reasons
        return reason

    async def leave(self) -> None:
        """End the session, and what the client leaves behind when the server was first."""
        raise NotImplementedError

    def at_connect(self, *messages: Any) -> None:
        """Send these as soon as the session is open; the client goes on to its upgrade afterwards."""
        raise NotImplementedError

    def _writer_waits(self) -> bool:
        """Whether all packets have been sent, and the next one is waited for."""
        raise NotImplementedError

    async def _more(self, seen: int) -> None:
        await eventually(lambda: len(self.received) > seen)

    async def _call(self, function: Any, *args: Any, **options: Any) -> Any:
        """Call a function of the client's."""
        raise NotImplementedError

    def _send_unless_mute(self, packet: Any) -> Any:
        raise NotImplementedError

    def _is_muted(self, packet: Any) -> bool:
        is_pong = packet.packet_type == engineio.packet.PONG
        self.pongs += is_pong
        return is_pong and self.mute


class AsyncioClient(Client):
    """``engineio.AsyncClient``, on aiohttp."""

    def __init__(self) -> None:
        self.inner = engineio.AsyncClient(handle_sigint=False)
        super().__init__()
        self._request = self.inner._send_request
        self.inner._send_request = self._request_and_read

    async def leave(self) -> None:
        await self.close()
        for task in (self.inner.write_loop_task, self.inner.read_loop_task):
            if task is not None:
                task.cancel()

    def at_connect(self, *messages: Any) -> None:
        async def connect() -> None:
            await self.send(*messages)

        self.inner.on("connect", connect)

    async def _call(self, function: Any, *args: Any, **options: Any) -> Any:
        return await function(*args, **options)

    def _writer_waits(self) -> bool:
        return bool(self.inner.queue._getters)

    async def _send_unless_mute(self, packet: Any) -> None:
        if not self._is_muted(packet):
            await self._send_packet(packet)

    async def _request_and_read(self, *args: Any, **options: Any) -> Any:
        """The client leaves the answers to its POSTs unread, and aiohttp then complains of unclosed connections."""
        answer = await self._request(*args, **options)
        if isinstance(answer, aiohttp.ClientResponse):
            await answer.read()
        return answer


class EndStaysLast(queue.Queue[Any]):
    """The packets to be sent, and None at their end, which nobody may take together with others.

    The client throws it away then, and so it does where the server was first to close: in both cases its writer waits
    for another packet, its reader for the writer, and the application hears of the end half a minute later.
    """

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if not block and self.queue and self.queue[0] is None:
            raise queue.Empty
        return super().get(block, timeout)


class ThreadedClient(Client):
    """``engineio.Client``, on requests and websocket-client; what it does takes place in worker threads."""

    def __init__(self) -> None:
        self.inner = engineio.Client(handle_sigint=False)
        self.inner.queue = EndStaysLast()
        super().__init__()
        self._trigger = self.inner._trigger_event
        self.inner._trigger_event = self._trigger_in_order
        self._threads: set[Any] = set()

    async def connect(self, port: int, transports: list[str], query: str = "") -> None:
        try:
            await super().connect(port, transports, query)
        finally:
            self._threads |= {self.inner.read_loop_task, self.inner.write_loop_task} - {None}

    async def leave(self) -> None:
        await self.close()
        if self.inner.ws is not None:
            self.inner.ws.shutdown()
        await eventually(lambda: not any(thread.is_alive() for thread in self._threads))

    def at_connect(self, *messages: Any) -> None:
        def connect() -> None:
            for message in messages:
                self.inner.send(message)

        self.inner.on("connect", connect)

    async def _call(self, function: Any, *args: Any, **options: Any) -> Any:
        return await anyio.to_thread.run_sync(partial(function, *args, **options))

    def _writer_waits(self) -> bool:
        return bool(self.inner.queue.not_empty._waiters)

    def _send_unless_mute(self, packet: Any) -> None:
        if not self._is_muted(packet):
            self._send_packet(packet)

    def _trigger_in_order(self, event: str, *args: Any, run_async: bool = False, **options: Any) -> Any:
        """The client starts a thread for each message, and threads overtake each other."""
        return self._trigger(event, *args, run_async=run_async and event != "message", **options)


@asynccontextmanager
async def connected(
    client: Client, port: int, transports: list[str], expected: str | None = None
) -> AsyncIterator[Client]:
    """Connect a client, to the last of its transports or the expected one; it leaves at the end unless it has left."""
    await client.connect(port, transports)
    try:
        assert client.inner.transport() == (expected or transports[-1])
        yield client
    finally:
        await client.leave()
