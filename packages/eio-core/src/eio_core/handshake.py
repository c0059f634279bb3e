"""The opening handshake of a WebSocket over HTTP/1.1 (row WS-11): RFC 6455, section 4.2.1.

Must not know: sessions. Frameworks check it too late, when the application has been asked, or not wholly.
"""

from __future__ import annotations

import re
from typing import Final

from .errors import ErrorCode
from .http import CONNECTION_CLOSE, NO_STORE, Headers, Refusal, Request

__all__ = ["bad_handshake"]

_KEY: Final = re.compile(r"[A-Za-z0-9+/]{21}[AQgw]==")
"""16 bytes in base64."""


def bad_handshake(request: Request, cors: Headers) -> Refusal | None:
    """The answer to a request whose Upgrade header names WebSocket and whose others do not go with it.

    :returns: None if they do, or if the web server has checked them (``request.websocket`` is set); else the response,
        which names the version that would be right, and ends the connection.
    """
    if request.websocket is not None:
        return None
    headers = request.headers
    tokens = [token.strip().lower() for token in headers.get("connection", "").split(",")]
    version, key = headers.get("sec-websocket-version", ""), headers.get("sec-websocket-key", "")
    if "upgrade" in tokens and version.strip() == "13" and _KEY.fullmatch(key.strip()):
        return None
    answer = [("Content-Type", "text/plain; charset=utf-8"), NO_STORE, *cors, ("Sec-WebSocket-Version", "13")]
    context = {"name": "BAD_WEBSOCKET_HANDSHAKE"}
    body, code = b"400: Bad Request", ErrorCode.BAD_REQUEST
    return Refusal(400, [*answer, CONNECTION_CLOSE], body, None, code, "Bad WebSocket handshake", context)
