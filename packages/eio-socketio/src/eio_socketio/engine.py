"""The Engine.IO server under a Socket.IO server: eio's, and the little that python-socketio alone asks of one.

python-socketio uses its engine through the public methods of python-engineio's AsyncServer, which eio's has as well,
and through a few names with an underscore, which are here.
"""

from __future__ import annotations

from typing import Any

import eio_server
from eio_server import Socket

__all__ = ["EngineServer"]


class EngineServer(eio_server.AsyncServer):
    """:class:`eio_server.AsyncServer` for ``socketio.AsyncServer``, which makes it and keeps it as ``eio``."""

    def _get_socket(self, sid: str) -> Socket:
        """A client by its session id, for python-socketio's admin instrumentation.

        :raises KeyError: no such session.
        """
        return self._socket(sid)

    def _ok(self, packets: Any = None, headers: Any = None, jsonp_index: Any = None) -> dict[str, Any]:
        """What python-engineio makes of the packets of a response: the admin instrumentation wants to replace it."""
        return {"status": "200 OK", "headers": headers or [], "response": b""}
