"""Programs that a test starts: examples, what stands in a README, servers that get a signal."""

from __future__ import annotations

import os
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


def programs(path: Path) -> list[str]:
    """The Python programs in a page."""
    return re.findall(r"```python\n(.*?)```", path.read_text("utf-8"), re.DOTALL)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


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
    with anyio.fail_after(30):
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
