"""The programs in the README work as they are written there."""

import sys
from pathlib import Path

import aiohttp
import pytest

from tests.programs import free_port, programs, running

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = programs(ROOT / "README.md")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def program(containing: str) -> str:
    (found,) = [text for text in PROGRAMS if containing in text]
    return found


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
