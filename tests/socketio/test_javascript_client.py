"""The official client in Node.js, against the same application with and without eio."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from tests.interop.node import node

from .sites import INSTALLED, MIXED, MODES, OURS, PLAIN, serving

HERE = Path(__file__).resolve().parent

CASES = [(mode, engine) for mode in MODES for engine in (PLAIN, INSTALLED, OURS)]
CASES += [("asgi", MIXED), ("tornado", MIXED)]


@pytest.mark.parametrize(("mode", "engine"), CASES)
async def test_an_unmodified_application_passes_the_same_script(mode: str, engine: str) -> None:
    """AP-9, AP-15, AP-17: connect, refuse, namespaces, events, binary, both acknowledgements, rooms, order, leaving."""
    async with serving(mode, engine) as site:
        command = [node(HERE / "node_modules" / "socket.io-client"), str(HERE / "interop.mjs"), site.url, engine]
        process = await anyio.run_process(command, check=False)
    assert process.returncode == 0, process.stderr.decode()
    results = json.loads(process.stdout)
    failed = [
        f"{check}, {transport}: {why}"
        for check, by_transport in results.items()
        for transport, why in by_transport.items()
        if why is not None
    ]
    assert not failed, "\n".join(failed)
    assert len(results) >= 10
