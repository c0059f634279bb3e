"""Runs the scenarios of the official JavaScript client in Node.js."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import anyio
import pytest

HERE = Path(__file__).resolve().parent
CLIENT = HERE / "node_modules" / "engine.io-client"


async def scenario(name: str, port: int, *, scheme: str = "http", **options: Any) -> dict[str, Any]:
    """Run ``scenarios/<name>.mjs`` against the server on ``port``; what it returned.

    Needs no deadline of its own: run.mjs gives up by itself and says why.
    """
    command = [node(CLIENT), str(HERE / "run.mjs"), name, f"{scheme}://127.0.0.1:{port}"]
    process = await anyio.run_process(command, input=json.dumps(options).encode(), check=False)
    assert process.returncode == 0, f"exit {process.returncode}\n{process.stderr.decode()}"
    result: dict[str, Any] = json.loads(process.stdout)
    return result


def node(client: Path) -> str:
    """The path of Node.js; a missing one, or a missing client, fails the test: it must not pass for lack of it.

    :param client: where npm puts it.
    """
    found = os.environ.get("EIO_NODE") or shutil.which("node")
    if found is None:
        pytest.fail("Node.js is missing: put it on PATH, or name it in EIO_NODE", pytrace=False)
    if not client.is_dir():
        pytest.fail(f"{client.name} is missing: run 'npm ci' in {client.parents[1]}", pytrace=False)
    return found
