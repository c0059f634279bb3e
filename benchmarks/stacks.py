"""Which command serves which program."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

__all__ = ["STACKS", "Stack"]

HERE = Path(__file__).resolve().parent
PYTHON = (sys.executable, "-m")
ASGI = "benchmarks.apps.asgi:app"


@dataclass(frozen=True, slots=True)
class Stack:
    """A framework and the server under it."""

    name: str
    command: tuple[str, ...]
    """With ``{port}`` where the port goes, if the program does not take it from its environment."""
    needs: tuple[str, ...] = ()
    """Modules that have to be installed."""
    kinds: tuple[str, ...] = ("raw", "eio", "eio-async", "engineio", "eio-socketio", "socketio")
    polling_path: str = "/engine.io/"
    """Where the raw program serves polling."""

    def missing(self) -> list[str]:
        """What this machine lacks for it."""
        return [name for name in self.needs if find_spec(name) is None] + [
            program for program in self.command[:1] if shutil.which(program) is None
        ]


def _python(name: str, *needs: str, polling_path: str = "/engine.io/") -> Stack:
    command = (*PYTHON, f"benchmarks.apps.{name.replace('-', '_')}")
    return Stack(name, command, needs, polling_path=polling_path)


def _asgi(name: str, command: str, *needs: str) -> Stack:
    return Stack(name, (*PYTHON, *command.split(), ASGI), ("eio_asgi", *needs))


_UVICORN = "uvicorn --port {port} --no-access-log --log-level error --loop asyncio --http h11"

STACKS = {
    stack.name: stack
    for stack in (
        _python("aiohttp", "aiohttp", "eio_aiohttp"),
        _python("aiohttp-uvloop", "aiohttp", "eio_aiohttp", "uvloop"),
        _asgi("uvicorn-sansio", f"{_UVICORN} --ws websockets-sansio", "uvicorn", "websockets"),
        _asgi("uvicorn-wsproto", f"{_UVICORN} --ws wsproto", "uvicorn", "wsproto"),
        _asgi("hypercorn", "hypercorn --bind 127.0.0.1:{port} --error-logfile /dev/null", "hypercorn"),
        _asgi(
            "granian", "granian --interface asgi --port {port} --workers 1 --loop asyncio --log-level error", "granian"
        ),
        _python("tornado", "tornado", "eio_tornado"),
        _python("sanic", "sanic", "eio_sanic", polling_path="/polling/"),
        Stack("node", ("node", str(HERE / "node" / "echo.mjs")), kinds=("raw", "engineio")),
    )
}
"""By name, in the order in which they are measured and shown. On ``node`` engineio is engine.io, the reference."""
