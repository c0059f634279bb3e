"""The opening handshake of a WebSocket, for frameworks that check it too late or not wholly (row WS-11).

The rules are those of RFC 6455, section 4.2.1.
"""

from __future__ import annotations

import re

from eio_core import Response

__all__ = ["bad_handshake", "handshake_problem"]

_KEY = re.compile(r"[A-Za-z0-9+/]{21}[AQgw]==")
"""16 bytes in base64."""


def handshake_problem(*, connection: str, version: str, key: str) -> Response | None:
    """Check the headers of these names; ``Upgrade`` is what the core knows the request by.

    :returns: None if it is fine, else the response.
    """
    tokens = [token.strip().lower() for token in connection.split(",")]
    if "upgrade" in tokens and version.strip() == "13" and _KEY.fullmatch(key.strip()):
        return None
    return bad_handshake()


def bad_handshake() -> Response:
    """The response to a handshake that is none: it names the version that would be right, and ends the connection."""
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Cache-Control", "no-store"),
        ("Sec-WebSocket-Version", "13"),
        ("Connection", "close"),
    ]
    return Response(400, headers, b"400: Bad Request")
