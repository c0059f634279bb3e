"""The programs of docs/socketio.md and of the package's README work as they are written there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import free_port, programs, running

from .python_client import WEBSOCKET, connected

ROOT = Path(__file__).resolve().parents[2]
PAGE = programs(ROOT / "docs" / "socketio.md")
SERVERS = [code for code in PAGE if "8000" in code]
SNIPPETS = [code for code in PAGE if "8000" not in code and "someones_product" not in code]


def of(code: str) -> str:
    """What a program is about."""
    return "classes" if "from eio_socketio" in code else str(re.findall(r'async_mode="(\w+)"', code)[0])


@pytest.mark.parametrize("code", SERVERS, ids=of)
async def test_a_program_echoes(code: str) -> None:
    port = free_port()
    command = [sys.executable, "-c", code.replace("8000", str(port))]
    async with running(command, port), connected(f"http://127.0.0.1:{port}", WEBSOCKET) as client:
        assert await client.call("echo", "hello") == "hello"


async def test_the_program_in_the_readme_of_the_package() -> None:
    (code,) = programs(ROOT / "packages" / "eio-socketio" / "README.md")
    port = free_port()
    command = [sys.executable, "-c", code.replace("8080", str(port))]
    async with running(command, port), connected(f"http://127.0.0.1:{port}", WEBSOCKET) as client:
        await client.emit("chat", "hello")
        assert await client.until("chat", 1) == ["hello"]


async def test_a_product_that_is_started_as_it_is(tmp_path: Path) -> None:
    """``serve.py`` of the page, before a product that makes its server when it is imported."""
    (serve,) = [code for code in PAGE if "someones_product" in code]
    (tmp_path / "serve.py").write_text(serve, "utf-8")
    (tmp_path / "someones_product.py").write_text(
        "import socketio\n"
        "sio = socketio.AsyncServer(async_mode='asgi')\n"
        "app = socketio.ASGIApp(sio)\n"
        "@sio.event\n"
        "async def engine(sid):\n"
        "    return type(sio.eio).__module__\n",
        "utf-8",
    )
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "serve:app", "--port", str(port), "--log-level", "error"]
    url = f"http://127.0.0.1:{port}"
    async with running(command, port, PYTHONPATH=str(tmp_path)), connected(url, WEBSOCKET) as client:
        assert await client.call("engine") == "eio_socketio.engine"


@pytest.mark.parametrize("code", SNIPPETS)
def test_a_snippet_runs(code: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_nothing_is_left_out() -> None:
    assert len(SERVERS) == 5
    assert len(SNIPPETS) == 3
