"""Programs that a test starts: examples, what stands in a README, servers that get a signal."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
from anyio.abc import Process

from tests.integrations.clients import TIMEOUT

PORTS = range(20_000, 32_000)
"""Below those that Linux, macOS and Windows give to whoever asks for any (from 32768 and 49152)."""
SHARES = 64
"""Workers of pytest-xdist that have ports of their own."""


def programs(path: Path) -> list[str]:
    """The Python programs in a page."""
    return re.findall(r"```python\n(.*?)```", path.read_text("utf-8"), re.DOTALL)


def free_port() -> int:
    """A port that nobody listens on, nor will before the program does.

    The system gives away those above ``PORTS`` to whoever asks for any, and so the port of a program that only starts
    may become that of another test's server; of these, each worker of pytest-xdist has its own.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        port = random.choice(PORTS[worker % SHARES :: SHARES])  # at random, for another run may be under way
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@asynccontextmanager
async def running(command: Sequence[str], port: int, **environ: str) -> AsyncIterator[Process]:
    """A program, once it listens, until the end of the block at the latest. When something fails, its log is told."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # we are in the background of a shell: it would inherit that
        signal.signal(signal.SIGINT, signal.default_int_handler)
    async with await anyio.open_process(command, stdout=subprocess.DEVNULL, env=os.environ | environ) as process:
        try:
            await until_it_listens(port, process)
            yield process
        except Exception as error:
            with suppress(ProcessLookupError):
                process.kill()
            with anyio.move_on_after(TIMEOUT):  # a worker that it leaves behind keeps it open
                error.add_note(await log(process))
            raise
        finally:
            if process.returncode is None:
                process.kill()


async def until_it_listens(port: int, process: Process) -> None:
    """Wait until somebody accepts connections; nothing tells, but that one is accepted."""
    with anyio.fail_after(20):
        while process.returncode is None:
            try:
                socket.create_connection(("127.0.0.1", port), TIMEOUT).close()
            except ConnectionRefusedError:
                await anyio.sleep(0.05)
            else:
                return
    raise AssertionError("the program ended by itself")


async def log(process: Process) -> str:
    """What a program said of errors, until it ended."""
    assert process.stderr is not None
    return b"".join([chunk async for chunk in process.stderr]).decode()
