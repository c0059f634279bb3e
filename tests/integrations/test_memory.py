"""What clients leave behind: no cycle, so that all of it is freed at once and not some collection later."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from .clients import UPGRADE, assert_refused, settle, url
from .harness import Serve, Site, eventually

pytestmark = pytest.mark.anyio


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def ours() -> Counter[str]:
    """How many objects there are of each of our types."""
    names = (f"{type(thing).__module__}.{type(thing).__qualname__}" for thing in gc.get_objects())
    return Counter(name for name in names if name.startswith("eio_"))


async def all_kinds(site: Site) -> None:
    """Requests that are answered and refused, and WebSockets that end in all ways.

    None that breaks: frameworks keep the exception of that in a cycle, and what it passed through with it.
    """
    session = await site.handshake()
    await session.post("4polling")
    assert (await session.get()).body == b"4polling"
    await session.post("1")
    session = await site.handshake()
    parked = await session.park()
    await site.eio.disconnect(session.sid)
    assert (await parked.receive()).body == b"1"
    assert (await site.request("POST", url(sid="nobody"), body=b"4refused")).status == 400
    assert_refused(await site.request("GET", url("websocket", "nobody"), UPGRADE), 1)
    session = await site.handshake()
    websocket = await session.upgrade()
    await websocket.send("4upgraded")
    assert await websocket.receive() == "4upgraded"
    await site.eio.disconnect(session.sid)
    assert await websocket.closed() == 1000
    websocket = await site.websocket()
    await websocket.send("1")
    assert await websocket.closed() == 1000
    websocket = await site.websocket()
    await websocket.close()
    assert await websocket.closed() == 1000
    site.close()
    site.connections.clear()
    await settle()


@pytest.mark.usefixtures("no_collector")
async def test_what_has_ended_is_freed_by_reference_counting(serve: Serve) -> None:
    """H29: sessions, and all that an integration makes for a request or a WebSocket."""
    async with serve() as site:

        async def connect(sid: str, environ: dict[str, Any]) -> None:
            await anyio.lowlevel.checkpoint()  # so that its client is watched
            site.seen.connect(sid, environ)
            site.seen.environs.clear()

        async def message(sid: str, data: str) -> None:
            await site.eio.send(sid, data)

        site.eio.on("connect", connect)
        site.eio.on("message", message)
        await all_kinds(site)
        gc.collect()
        before = ours()
        for _ in range(3):
            await all_kinds(site)
        await eventually(lambda: ours() <= before)
