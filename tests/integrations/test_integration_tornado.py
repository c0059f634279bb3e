"""What only Tornado has: a handler that is called when the body of its request has arrived. The IN rows."""

from __future__ import annotations

import pytest

from .clients import settle, url
from .harness import Serve

pytestmark = [pytest.mark.anyio, pytest.mark.only(integration="tornado")]


async def test_a_get_whose_body_does_not_come_is_not_awaited_for_ever(serve: Serve) -> None:
    """H13: no body belongs there, and Tornado answers behind it; one that has come harms nobody."""
    async with serve() as site:
        session = await site.handshake()
        await site.eio.send(session.sid, "x")
        response = await site.request("GET", session.url, [("Content-Length", "5")], b"whole")
        assert response.body == b"4x"
        waiting = [site.connect(), site.connect()]
        await waiting[0].send("GET", session.url, [("Content-Length", "5")], b"ha", end=False)
        await waiting[1].send("GET", url(), [("Transfer-Encoding", "chunked")], b"ha", end=False)
        await settle()
        assert all(connection.silent for connection in waiting)
        for connection in waiting:
            await connection.ended()
        await site.eio.disconnect(session.sid)
        assert (await session.get()).body == b"1"
