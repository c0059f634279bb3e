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

    async def handle_request(self, *args: Any, **kwargs: Any) -> Any:
        """See :meth:`eio_server.AsyncServer.handle_request`; Tornado's handler may also be python-engineio's."""
        if self.async_mode == "tornado" and hasattr(args[0], "get_next_message"):
            from .foreign import serve  # noqa: PLC0415 - eio-tornado is there where it is used

            await serve(self, args[0])
            return None
        return await super().handle_request(*args, **kwargs)

    def _get_socket(self, sid: str) -> Socket:
        """A client by its session id, for python-socketio's admin instrumentation.

        :raises KeyError: no such session.
        """
        return self._socket(sid)

    def _ok(self, packets: Any = None, headers: Any = None, jsonp_index: Any = None) -> dict[str, Any]:
        """What python-engineio makes of the packets of a response: the admin instrumentation wants to replace it."""
        return {"status": "200 OK", "headers": headers or [], "response": b""}
