"""A server in a process of its own, pinned to one core, and what it used of the machine."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator

import psutil

from .stacks import HERE, Stack

__all__ = ["Server", "pin", "running"]

PATIENCE = 30.0
"""Seconds for a server to start."""


class Server:
    """A server that runs."""

    def __init__(self, stack: Stack, kind: str, port: int, pid: int) -> None:
        self.stack = stack
        self.kind = kind
        self.port = port
        self.pid = pid
        self._process = psutil.Process(pid)

    @property
    def opens(self) -> bool:
        """Whether it greets with an open packet."""
        return self.kind != "raw"

    @property
    def polling_path(self) -> str:
        """Where it serves polling."""
        return self.stack.polling_path if self.kind == "raw" else "/engine.io/"

    def cpu(self) -> float:
        """Seconds of processor time so far, of the whole tree: some servers fork a worker."""
        return sum(sum(process.cpu_times()[:2]) for process in self._tree())

    def memory(self) -> int:
        """Bytes that are resident and its own, of the whole tree."""
        return sum(int(process.memory_full_info().uss) for process in self._tree())

    def _tree(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]


def pin(core: int) -> None:
    """Keep this process, and those that it starts from now on, on one core."""
    available = sorted(psutil.Process().cpu_affinity())
    everything = range(os.cpu_count() or 1)
    psutil.Process().cpu_affinity([sorted({*available, *everything})[core]])


@contextlib.contextmanager
def running(
    stack: Stack, *kinds: str, app: str = "echo", ping: float = 300, timeout: float = 60
) -> Iterator[list[Server]]:
    """Start a server for each kind; all wait while one is measured."""
    with contextlib.ExitStack() as stop:
        servers = []
        for kind in kinds:
            port = _free_port()
            environ = os.environ | {
                "BENCH_KIND": kind,
                "BENCH_APP": app,
                "BENCH_PORT": str(port),
                "BENCH_PING": str(ping),
                "BENCH_TIMEOUT": str(timeout),
            }
            command = [part.format(port=port) for part in stack.command]
            pin(0)
            process = subprocess.Popen(  # noqa: S603 - commands of stacks.py
                command, env=environ, cwd=HERE.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            pin(-1)
            stop.callback(_stop, process)
            _wait(process, port)
            servers.append(Server(stack, kind, port, process.pid))
        yield servers


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} did not start: it ended with {process.poll()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the tree: some servers wait for their clients, or leave a worker."""
    tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for one in reversed(tree):
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait()
