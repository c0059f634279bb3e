"""A program in one executable starts and serves, though PyInstaller leaves out the entry points of what is in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.integrations.clients import Client

HERE = Path(__file__).parent
OPTIONS = {"sanic": ["--collect-data=tracerite"]}  # which Sanic imports, and PyInstaller knows nothing of

# What is installed here for tests only would come along, by way of imports that may fail, and double the time.
TOOLS = ("OpenSSL", "_pytest", "fastapi", "hypothesis", "pytest", "setuptools")
PROGRAMS = {path.stem.removeprefix("program_"): path for path in sorted(HERE.glob("program_*.py"))}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def freeze(integration: str, folder: Path) -> Path:
    """Make one executable of a program, which takes some 15 to 30 s of a processor."""
    program = PROGRAMS[integration]
    options = ["--onefile", "--log-level=ERROR", *OPTIONS.get(integration, ())]
    options += [f"--exclude-module={name}" for name in TOOLS]
    command = [sys.executable, "-m", "PyInstaller", *options, str(program)]
    subprocess.run(command, check=True, cwd=folder, timeout=500)
    return folder / "dist" / program.stem


@pytest.mark.timeout(600)
@pytest.mark.parametrize("integration", PROGRAMS)
async def test_a_frozen_program_serves(integration: str, tmp_path: Path) -> None:
    """AP-1, HS-1, SD-1: a message comes back on either transport; SIGTERM tells the client, and ends the program."""
    executable = freeze(integration, tmp_path)
    environ = {"PATH": os.defpath, "TMPDIR": str(tmp_path)}  # where it unpacks itself; and nothing of Python's
    async with await anyio.open_process([executable], env=environ, stderr=None, start_new_session=True) as process:
        assert process.stdout is not None
        try:
            with anyio.fail_after(60):
                line = (await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", 200)).decode()
            port, mode = line.split()
            assert mode == integration
            client = Client(int(port))
            session = await client.handshake()
            assert (await session.post("4polling")).body == b"ok"
            assert (await session.get()).packets == ["4polling"]
            websocket = await client.websocket()
            await websocket.send("4websocket")
            assert await websocket.receive() == "4websocket"
            process.send_signal(signal.SIGTERM)
            assert await websocket.closed() == 1001
            with anyio.fail_after(30):
                assert await process.wait() in {0, -signal.SIGTERM}
            client.close()
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)  # it is two processes: one unpacks, the other one runs
