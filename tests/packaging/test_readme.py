"""The programs in the README work as they are written there."""

import asyncio
import os
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

ROOT = Path(__file__).resolve().parents[2]


def programs(path: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", path.read_text("utf-8"), re.DOTALL)


PROGRAMS = programs(ROOT / "README.md")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def program(containing: str) -> str:
    (found,) = [text for text in PROGRAMS if containing in text]
    return found


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@asynccontextmanager
async def running(command: list[str], port: int, **environ: str) -> AsyncIterator[None]:
    """A program, once it listens."""
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL, env=os.environ | environ)
    try:
        async with asyncio.timeout(30):
            while process.returncode is None:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    break
        assert process.returncode is None, "the program ended by itself"
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@pytest.mark.parametrize("package", ["eio_aiohttp", "eio_asgi", "eio_sanic"])
async def test_a_program_for_a_framework_echoes(package: str) -> None:
    code = program(f"from {package}")
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 15
    await echoes(code, "port=8000")


@pytest.mark.parametrize("package", ["eio-aiohttp", "eio-sanic"])
async def test_the_program_in_the_readme_of_a_package_echoes(package: str) -> None:
    (code,) = programs(ROOT / "packages" / package / "README.md")
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 15
    await echoes(code, "port=8080")


async def echoes(code: str, where: str) -> None:
    assert where in code
    port = free_port()
    command = [sys.executable, "-c", code.replace(where, f"port={port}")]
    async with running(command, port), aiohttp.ClientSession() as client:
        url = f"http://127.0.0.1:{port}/engine.io/?EIO=4&transport=websocket"
        async with client.ws_connect(url) as websocket:
            assert (await websocket.receive_str()).startswith('0{"sid":')
            await websocket.send_str("4hello")
            assert await websocket.receive_str() == "4hello"


def test_the_program_that_embeds_the_core_prints_what_its_comment_says(capsys: pytest.CaptureFixture[str]) -> None:
    exec(program("from eio_core"), {})  # noqa: S102
    status, body = capsys.readouterr().out.split(" ", 1)
    assert status == "200"
    assert '0{"sid":"lv_VI97HAXpY6yYWAAAB",' in body
    assert "\\x1e4hello" in body
