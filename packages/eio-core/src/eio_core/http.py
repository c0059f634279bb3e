"""Requests and responses as plain values, and the refusals that can be sent as they are.

Must not know: sessions, frameworks, sockets.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

from .errors import ErrorCode

__all__ = [
    "REQUEST_HEADERS",
    "Headers",
    "Refusal",
    "Request",
    "Response",
    "headers_from_text",
    "headers_from_wire",
    "headers_to_wire",
    "parse_query",
    "refusal",
]

Headers = list[tuple[str, str]]

REQUEST_HEADERS: Final = frozenset(
    {
        "accept-encoding",
        "access-control-request-headers",
        "connection",
        "content-length",
        "host",
        "origin",
        "sec-websocket-key",
        "sec-websocket-version",
        "upgrade",
        "x-forwarded-host",
        "x-forwarded-proto",
    }
)
"""The request headers that the core looks at; an integrator need not pass any other."""

_WANTED: Final = {name.encode(): name for name in REQUEST_HEADERS}

NO_STORE: Final = ("Cache-Control", "no-store")
CONNECTION_CLOSE: Final = ("Connection", "close")


@dataclass(slots=True)
class Request:
    """A request as the core sees it. Routing has happened: the path is no concern of the core."""

    method: str
    query: str
    """The raw query string, percent-encoded, without the question mark."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case, values as latin-1 text; a repeated header joined with ``", "``. See REQUEST_HEADERS."""
    scheme: str = "http"
    """``http`` or ``https`` of the connection that reached this server."""
    websocket: bool | None = None
    """Whether it asks for a WebSocket. None: told by the method and the Upgrade header, as HTTP/1.1 has it, and the
    headers that go with it are checked (rows WS-11, WS-21)."""
    http_version: str = "1.1"
    origin_allowed: bool | None = None
    """The verdict on its Origin, where the application decides it; None: the engine's own policy does."""

    def asks_websocket(self) -> bool:
        """Whether this request wants to become a WebSocket (row HS-7)."""
        if self.websocket is not None:
            return self.websocket
        return self.method == "GET" and self.headers.get("upgrade", "").lower() == "websocket"


@dataclass(slots=True)
class Response:
    """A whole response, ready to send; Content-Length is for whoever sends it: :meth:`wire_headers` has it."""

    status: int
    headers: Headers
    body: bytes = b""
    compression: str | None = None
    """``gzip`` or ``deflate`` if the body should be compressed: :func:`eio_core.compression.compressed` does it."""

    @property
    def closes(self) -> bool:
        """Whether the connection is to end with it: not every framework sees that by the header (row ER-4)."""
        return CONNECTION_CLOSE in self.headers

    def wire_headers(self) -> list[tuple[bytes, bytes]]:
        """All its headers as bytes, and the Content-Length of its body, which a 204 has none of (RFC 9110, 8.6)."""
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self.headers]
        if self.status != 204:
            headers.append((b"content-length", b"%d" % len(self.body)))
        return headers


@dataclass(slots=True)
class Refusal(Response):
    """A response that refuses, and why, as data: ``code`` and ``context`` are for logs and hooks (row ER-8)."""

    code: ErrorCode = ErrorCode.BAD_REQUEST
    message: str = ""
    context: Mapping[str, str] = field(default_factory=dict)


def headers_from_wire(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers for a :class:`Request`, out of all those that arrived.

    :param headers: names in any case. A repeated header is joined with ``", "`` (RFC 9110, 5.3); those that the core
        does not look at are left out.
    """
    result: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name = _WANTED.get(raw_name.lower())
        if name is not None:
            value = raw_value.decode("latin-1")
            result[name] = f"{result[name]}, {value}" if name in result else value
    return result


def headers_from_text(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The same as :func:`headers_from_wire`, of names and values that have been decoded."""
    result: dict[str, str] = {}
    for any_case, value in headers:
        name = any_case.lower()
        if name in REQUEST_HEADERS:
            result[name] = f"{result[name]}, {value}" if name in result else value
    return result


def headers_to_wire(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Headers as HTTP/2, ASGI and h11 want them: names in lower case, latin-1; a fresh list."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def refusal(
    code: ErrorCode,
    request: Request | None,
    headers: Headers,
    /,
    *,
    status: int = 400,
    message: str | None = None,
    **context: str,
) -> Refusal:
    """Make the refusal for a code: its JSON body and the headers that every refusal has (row ER-2).

    :param request: what is refused: a WebSocket over HTTP/1.x is told ``Connection: close`` (row ER-4).
    :param headers: the CORS headers of the response (row HD-7).
    """
    text = code.text if message is None else message
    body = json.dumps({"code": int(code), "message": text}, separators=(",", ":")).encode()
    return Refusal(status, _refusal_headers(request, headers), body, None, code, text, context)


def unauthorized(request: Request, headers: Headers, body: bytes) -> Refusal:
    """The answer to a handshake that the application rejected (row ER-10); the body is JSON."""
    return Refusal(401, _refusal_headers(request, headers), body, None, ErrorCode.FORBIDDEN, "Unauthorized")


def too_large(request: Request, headers: Headers) -> Refusal:
    """The answer to a body over the limit (rows ER-7, PL-13)."""
    return Refusal(413, [NO_STORE, *headers], b"", None, ErrorCode.BAD_REQUEST, "Payload too large")


def _refusal_headers(request: Request | None, headers: Headers) -> Headers:
    result = [("Content-Type", "application/json"), NO_STORE, *headers]
    if request is not None and request.asks_websocket() and request.http_version.startswith("1"):
        result.append(CONNECTION_CLOSE)
    return result


def parse_query(query: str) -> dict[str, str] | None:
    """The parameters of a query, the last of equal names winning; never raises.

    None if ``sid``, ``EIO`` or ``transport`` stand there with two different values: one reader might take the first and
    another the last (row HS-18).
    """
    result: dict[str, str] = {}
    if query.isascii() and "%" not in query and "+" not in query:  # nothing to be decoded: so are the clients' queries
        pairs = query.split("&")
        for pair in pairs:
            name, _, value = pair.partition("=")
            result[name] = value
        if len(result) == len(pairs) and "" not in result:
            return result
        result.clear()
    for name, value in parse_qsl(query, keep_blank_values=True, errors="replace"):
        if name in ("sid", "EIO", "transport") and result.get(name, value) != value:
            return None
        result[name] = value
    return result
