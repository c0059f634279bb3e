"""The network in between: a TCP relay in front of a server, which listens in, and whose line can be cut."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import ByteStream, SocketAttribute


class Relay:
    """The line. ``heard`` is what clients sent; what arrives after ``cut`` is swallowed, and no connection breaks."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.heard = bytearray()
        self._cut = False

    def cut(self) -> None:
        self._cut = True

    async def carry(self, source: ByteStream, target: ByteStream, heard: bytearray) -> None:
        """Pass bytes on, and the end of them, until the line is cut."""
        try:
            async for data in source:
                heard += data
                if not self._cut:
                    await target.send(data)
            if not self._cut:
                await target.send_eof()
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # one side is gone; the other finds out by itself


@asynccontextmanager
async def relay(server_port: int) -> AsyncIterator[Relay]:
    """Relay connections to ``server_port`` until the block ends."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    line = Relay(listener.extra(SocketAttribute.local_port))  # noqa: S610 (not Django's)

    async def connection(client: ByteStream) -> None:
        async with (
            client,
            await anyio.connect_tcp("127.0.0.1", server_port) as server,
            anyio.create_task_group() as both,
        ):
            both.start_soon(line.carry, client, server, line.heard)
            both.start_soon(line.carry, server, client, bytearray())

    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, connection)
        yield line
        group.cancel_scope.cancel()
