"""How requests and WebSockets end, where a framework leaves that to its integration."""

from __future__ import annotations

from eio_core import Request, Response

__all__ = ["FLUSH", "LINGER", "unanswered"]

LINGER = 2.0
"""Seconds to go on reading a body that nobody wants, so that its sender can read the response: a connection that is
closed with something unread is reset."""

FLUSH = 5.0
"""Seconds for the peer to take what is still unsent when its WebSocket has ended (row CL-18)."""


def unanswered(request: Request) -> Response:
    """The answer to a request that the runner gave none: its body was malformed, or its client is gone."""
    headers = [("Cache-Control", "no-store")]
    if request.http_version.startswith("1"):  # HTTP/2 knows no such header
        headers.append(("Connection", "close"))
    return Response(400, headers)
