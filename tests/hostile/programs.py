"""A server in a process of its own, for the tests that end it or load it as a whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio.abc import Process

from benchmarks.stacks import Stack
from tests.programs import free_port, running

__all__ = ["serving"]


@asynccontextmanager
async def serving(stack: Stack, ping: int = 25) -> AsyncIterator[tuple[Process, int]]:
    """Start a server that the hostile tests ask about itself; its process, and its port."""
    port = free_port()
    settings = {"KIND": "eio", "APP": "hostile", "PORT": str(port), "PING": str(ping), "TIMEOUT": "5"}
    command = [part.format(port=port) for part in stack.command]
    async with running(command, port, **{f"BENCH_{name}": value for name, value in settings.items()}) as process:
        yield process, port
