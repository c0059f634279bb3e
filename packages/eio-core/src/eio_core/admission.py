"""Which requests are let in, and as what: the checks, in their order (row HS-7).

A function of the request, the settings and the session that it names; nothing is changed here. "Session unknown" comes
after every stateless check and before a body is read, so that such a request could be passed to another node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import origins
from .errors import ErrorCode
from .handshake import bad_handshake
from .http import Headers, Refusal, Request, Response, parse_query, refusal
from .session import Handshake, Upgrade
from .states import Route

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .session import Session
    from .settings import Settings

__all__ = ["admit", "refuse_shutdown"]

WEBSOCKET = Route.WEBSOCKET  # bound once, as in engine.py


def admit(
    request: Request, settings: Settings, sessions: Mapping[str, Session], *, shutting_down: bool
) -> Refusal | Response | Handshake | Upgrade | tuple[Session, Headers]:
    """Run the checks; the first that fails decides.

    :returns: for a GET or a POST that belongs to a session: this and its CORS headers; its slot is still to be checked.
    """
    cors: Headers = []
    origin = request.headers.get("origin")
    checks_origin = settings.origins is not origins.NO_CORS
    allowed = True
    if origin is not None and checks_origin:
        allowed = origins.is_allowed(origin, request, settings.origins, trust_forwarded=settings.trust_forwarded)
        if allowed:
            cors = origins.cors_headers(origin, credentials=settings.cors_credentials)

    query = parse_query(request.query)
    if query is None:
        return refusal(ErrorCode.BAD_REQUEST, request, cors, name="CONFLICTING_PARAMETERS")
    if "j" in query:  # rows JP-1, JP-2
        return refusal(ErrorCode.BAD_REQUEST, request, cors, name="JSONP_NOT_SUPPORTED")
    if not allowed:
        return refusal(ErrorCode.BAD_REQUEST, request, cors, name="ORIGIN_NOT_ALLOWED", origin=str(origin))
    if checks_origin and request.method == "OPTIONS":
        return origins.preflight(request, cors)

    transport = query.get("transport", "")
    if transport not in settings.transports:
        return refusal(ErrorCode.UNKNOWN_TRANSPORT, request, cors, transport=transport)
    if origin is not None and not cors and not origins.is_valid(origin):  # only a valid one has CORS headers
        return refusal(ErrorCode.BAD_REQUEST, request, cors, name="INVALID_ORIGIN", origin=origin)
    sid = query.get("sid")
    if sid:
        session = sessions.get(sid)
        if session is None:
            return refusal(ErrorCode.UNKNOWN_SID, request, cors, sid=sid)
        return _admit_to_session(request, settings, cors, session, transport, query)
    return _admit_handshake(request, cors, transport, query, shutting_down=shutting_down)


def _admit_handshake(
    request: Request, cors: Headers, transport: str, query: Mapping[str, str], *, shutting_down: bool
) -> Refusal | Response | Handshake:
    if request.method != "GET":
        return refusal(ErrorCode.BAD_HANDSHAKE_METHOD, request, cors, method=request.method)
    websocket = request.asks_websocket()
    if websocket is not (transport == "websocket"):  # rows HS-15, WS-13
        return refusal(ErrorCode.BAD_REQUEST, request, cors, name="TRANSPORT_HANDSHAKE_ERROR")
    if query.get("EIO") != "4":
        return refusal(ErrorCode.UNSUPPORTED_PROTOCOL_VERSION, request, cors, protocol=query.get("EIO", ""))
    if shutting_down:
        return refuse_shutdown(request, cors)
    if websocket and (problem := bad_handshake(request, cors)) is not None:  # row WS-11
        return problem
    return Handshake(request, transport, cors, base64=_wants_base64(query))


def _admit_to_session(
    request: Request,
    settings: Settings,
    cors: Headers,
    session: Session,
    transport: str,
    query: Mapping[str, str],
) -> Refusal | Response | Upgrade | tuple[Session, Headers]:
    if request.method not in ("GET", "POST"):  # row ER-6
        return refusal(ErrorCode.BAD_REQUEST, request, cors, name="METHOD_NOT_ALLOWED", method=request.method)
    websocket = request.asks_websocket()
    if websocket and (transport != "websocket" or not settings.allow_upgrades):  # rows PG-12, WS-13, HS-22
        return refusal(ErrorCode.BAD_REQUEST, request, cors, name="TRANSPORT_HANDSHAKE_ERROR")
    if not websocket and (transport == "websocket" or session.route is WEBSOCKET):  # row HS-16
        return refusal(
            ErrorCode.BAD_REQUEST,
            request,
            cors,
            name="TRANSPORT_MISMATCH",
            transport=transport,
            previousTransport=session.transport,
        )
    if query.get("EIO") != "4":  # row HS-10
        return refusal(ErrorCode.BAD_REQUEST, request, cors, name="PROTOCOL_MISMATCH", protocol=query.get("EIO", ""))
    if not websocket:
        return session, cors
    return bad_handshake(request, cors) or Upgrade(session, cors, base64=_wants_base64(query))


def refuse_shutdown(request: Request, cors: Headers) -> Refusal:
    """No new session while the server shuts down (row SD-2)."""
    message = "Server is shutting down"
    return refusal(ErrorCode.BAD_REQUEST, request, cors, status=503, message=message, name="SHUTTING_DOWN")


def _wants_base64(query: Mapping[str, str]) -> bool:
    """Whether binary messages shall leave as text on a WebSocket (row JP-4)."""
    return query.get("b64") == "1"
