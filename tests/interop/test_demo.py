"""The demo, as a visitor meets it: started by its command, on both integrations."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.integrations.servers import SUITE

from .engineio_client import AsyncioClient
from .node import CLIENT, HERE, scenario

ROOT = HERE.parent.parent
STATIC = ROOT / "examples" / "demo" / "static"
VENDORED = STATIC / "vendor" / "engine.io.esm.min.js"

KINDS = {".html": "html", ".css": "css", ".js": "javascript"}  # Python 3.11 takes JavaScript for an application

FILES = [("/", KINDS[".html"], (STATIC / "index.html").read_bytes())] + [
    (f"/static/{path.relative_to(STATIC).as_posix()}", KINDS[path.suffix], path.read_bytes())
    for path in sorted(STATIC.rglob("*.*"))
    if path.suffix in KINDS
]

pytestmark = pytest.mark.anyio
each_integration = pytest.mark.parametrize(
    "integration", [name for name in ("aiohttp", "asgi", "tornado", "sanic") if SUITE in {None, "", name}]
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def demo(integration: str) -> AsyncIterator[int]:
    """Start the demo, read from its first line where it is, and stop it with Ctrl-C: at once, without complaints."""
    command = [sys.executable, str(ROOT / "examples" / "demo" / "server.py"), integration, "--port", "0"]
    async with await anyio.open_process(command) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            with anyio.fail_after(20):
                line = (await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", 200)).decode()
            found = re.match(rf"eio demo on {integration}: http://127\.0\.0\.1:(\d+)/ ", line)
            assert found, line
            yield int(found[1])
            process.send_signal(signal.SIGINT)
            with anyio.fail_after(5):
                complaints = b"".join([chunk async for chunk in process.stderr])
                assert (await process.wait(), complaints.decode()) == (0, "")
        finally:
            if process.returncode is None:
                process.kill()


@each_integration
async def test_page_and_its_files(integration: str) -> None:
    """AP-14: the page comes with its style, its scripts and the vendored client, each as what it is."""
    async with demo(integration) as port, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
        for url, kind, content in FILES:
            async with http.get(url) as response:
                assert (response.status, response.content_type.partition("/")[2]) == (200, kind), url
                assert await response.read() == content


def test_page_needs_no_network() -> None:
    """What the page and its files refer to is in the folder: scripts, styles, images."""
    for path in STATIC.glob("*.*"):
        text = path.read_text("utf-8")
        for target in re.findall(r'(?:src|href|from|import)[= (]+"([^"]+)"', text):
            assert target.startswith("data:") or (STATIC / target.removeprefix("static/")).is_file(), (
                f"{path}: {target}"
            )
        assert "url(" not in text


def test_vendored_client_is_the_one_that_is_tested() -> None:
    """The client of the page is, byte for byte, the one of package.json; its version is noted beside it."""
    version = json.loads((HERE / "package.json").read_text("utf-8"))["dependencies"]["engine.io-client"]
    assert f" {version}, " in (VENDORED.parent / "README.md").read_text("utf-8")
    assert f"Engine.IO v{version}\n" in VENDORED.read_text("utf-8")[:200]
    if not CLIENT.is_dir():
        pytest.fail("engine.io-client is missing: run 'npm ci' in tests/interop", pytrace=False)
    assert VENDORED.read_bytes() == (CLIENT / "dist" / VENDORED.name).read_bytes()


def server(integration: str, transport: str, messages: int) -> dict[str, Any]:
    return {"integration": integration, "transport": transport, "messages": messages}


@each_integration
async def test_python_client_talks_to_it(integration: str) -> None:
    """SD-1: echoes, what the server tells by itself, and the end of the server, which the clients hear of."""
    async with demo(integration) as port:
        first, second = AsyncioClient(), AsyncioClient()
        await first.connect(port, ["polling"])
        assert await first.receive(1) == [{"clients": 1}]
        await second.connect(port, ["polling", "websocket"])
        await first.receive(2)
        await second.send({"rtt": 1.5}, "hello", b"\0\1")
        answer, *echoes = (await second.receive(4))[1:]
        assert answer["server"].pop("uptime") >= 0
        assert answer == {"rtt": 1.5, "server": server(integration, "websocket", 1)}
        assert echoes == ["hello", b"\0\1"]
        assert first.received[1] == second.received[0] == {"clients": 2}
        await second.leave()
        assert (await first.receive(3))[2] == {"clients": 1}
    # The close packet, if its next poll was there by then; else that finds nobody.
    assert await first.ended() in {"server disconnect", "transport error"}
    await first.leave()


@each_integration
@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_javascript_client_talks_to_it(integration: str, transport: str) -> None:
    """The page's client, without the page: the measurement, and bytes that come back."""
    transports = {"polling": ["polling"], "websocket": ["polling", "websocket"]}[transport]
    async with demo(integration) as port:
        result = await scenario("demo", port, client={"transports": transports}, bytes={"hex": "00ff"})
        clients, answer, echoed = result["received"]
        assert json.loads(clients["text"]) == {"clients": 1}
        measured = json.loads(answer["text"])
        assert measured["server"].pop("uptime") >= 0
        assert measured == {"rtt": 1, "server": server(integration, transport, 1)}
        assert echoed == {"hex": "00ff"}
