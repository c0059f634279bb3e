"""What python-socketio's admin instrumentation wants to know of an engine, by the hooks of ours.

``sio.instrument()`` replaces methods of python-engineio's sockets to see their packets. Ours has other sockets, and
tells by itself (:meth:`eio_server.AsyncServer.observe`).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from eio_server import Observer

__all__ = ["AdminObserver"]


class AdminObserver(Observer):
    """Feeds the packet and byte series of an instrumented server, and in development mode refreshes clients.

    :param instrument: what ``sio.instrument()`` returned.
    """

    def __init__(self, instrument: Any) -> None:
        self._instrument = instrument

    def received(self, packets: int, size: int) -> None:
        """See :class:`eio_server.Observer`."""
        self._instrument.event_buffer.push("packetsIn", packets)
        self._instrument.event_buffer.push("bytesIn", size)

    def sent(self, packets: int, size: int) -> None:
        """See :class:`eio_server.Observer`."""
        self._instrument.event_buffer.push("packetsOut", packets)
        self._instrument.event_buffer.push("bytesOut", size)

    def pinged(self, sid: str) -> None:
        """See :class:`eio_server.Observer`. Every ping shows the client anew, in each of its namespaces."""
        if self._instrument.mode == "development":
            self._instrument.sio.start_background_task(self._show, sid)

    async def _show(self, eio_sid: str) -> None:
        instrument, manager = self._instrument, self._instrument.sio.manager
        when = datetime.fromtimestamp(time.time(), UTC).isoformat()
        for namespace in [*manager.get_namespaces()]:
            sid = manager.sid_from_eio_sid(eio_sid, namespace)
            if sid and eio_sid in instrument.sio.eio.sockets:
                shown = instrument.serialize_socket(sid, namespace, eio_sid)
                await instrument.sio.emit("socket_connected", (shown, when), namespace=instrument.admin_namespace)
