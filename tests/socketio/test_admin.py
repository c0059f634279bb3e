"""python-socketio's admin instrumentation, whose series are fed by the hooks of eio-server."""

from __future__ import annotations

from collections import Counter
from typing import Any

import engineio.async_socket  # type: ignore[import-untyped]
import pytest

from tests.integrations.harness import eventually

from .python_client import POLLING, WEBSOCKET, connected
from .sites import INSTALLED, MODES, OURS, serving


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("engine", [OURS, INSTALLED])
async def test_an_admin_sees_what_happens(mode: str, engine: str) -> None:
    """AP-16: clients, their events and rooms, packets and bytes; each ping shows a client anew."""
    async with serving(mode, engine, ping_interval=0.3) as site:
        admin = site.sio.instrument(auth={"username": "u"}, server_stats_interval=0.2)
        login: dict[str, Any] = {"auth": {"username": "u"}, "namespaces": ["/admin"]}
        async with connected(site.url, WEBSOCKET, **login) as watcher:
            watcher.on("*", watcher._remember, namespace="/admin")
            for transports in (POLLING, WEBSOCKET):
                async with connected(site.url, transports) as client:
                    sid = (await client.call("who"))["sid"]
                    await client.call("join", "room")
                    await watcher.until("room_joined", 1)
                    shown = await watcher.until("socket_connected", 2)
                    shown = await watcher.until("socket_connected", len(shown) + 4)  # a ping shows it, and the watcher
                    assert len([one for one, _ in shown if one["id"] == sid]) > 1
                await watcher.until("socket_disconnected", 1 + (transports is WEBSOCKET))
            wanted = {"packetsIn", "packetsOut", "bytesIn", "bytesOut", "rawConnection", "rawDisconnection"}
            await eventually(lambda: wanted <= set(series(watcher.told("server_stats"))))
            counts = series(watcher.told("server_stats"))
            assert counts["bytesIn"] > counts["packetsIn"] > 4
            assert counts["bytesOut"] > counts["packetsOut"] > 4
            assert counts["rawConnection"] == 3
            joined = watcher.told("room_joined")
            assert ["/", "room"] in [one[:2] for one in joined]
            assert watcher.told("server_stats")[-1]["clientsCount"] >= 1
        await admin.shutdown()
        admin.uninstrument()
        assert not site.sio.eio.runner.engine.observers
        assert not hasattr(engineio.async_socket.AsyncSocket.handle_post_request, "func")


def series(stats: list[dict[str, Any]]) -> Counter[str]:
    """The sums of the series."""
    counts: Counter[str] = Counter()
    for one in stats:
        for event in one["aggregatedEvents"]:
            counts[event["type"]] += event["count"]
    return counts
