"""The network in between: a TCP relay in front of a server, which listens in, and whose line can be cut."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import ByteStream, SocketAttribute


class Relay:
    """The line. ``heard`` is what clients sent; what arrives after ``cut`` is swallowed, and no connection breaks."""

    def __init__(self, port: int, connections: anyio.CancelScope) -> None:
        self.port = port
        self.heard = bytearray()
        self._connections = connections
        self._cut = False

    def cut(self) -> None:
        self._cut = True

    def drop(self) -> None:
        """Every connection ends, at both sides, and there will be no new one."""
        self._connections.cancel()

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

    async def connection(client: ByteStream) -> None:
        async with (
            client,
            await anyio.connect_tcp("127.0.0.1", server_port) as server,
            anyio.create_task_group() as both,
        ):
            both.start_soon(line.carry, client, server, line.heard)
            both.start_soon(line.carry, server, client, bytearray())

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    connections = anyio.CancelScope()
    line = Relay(listener.extra(SocketAttribute.local_port), connections)  # noqa: S610 (not Django's)

    async def serve() -> None:
        with connections:
            async with listener:
                await listener.serve(connection)

    async with anyio.create_task_group() as group:
        group.start_soon(serve)
        yield line
        connections.cancel()
