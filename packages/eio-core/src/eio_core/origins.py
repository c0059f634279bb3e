"""Who may connect from a browser, and the CORS headers that say so (rows HD-1 to HD-7, HS-17).

Must not know: sessions, transports.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum, auto
from typing import Final

from .http import NO_STORE, Headers, Request, Response

__all__ = ["ANY_ORIGIN", "NO_CORS", "SAME_ORIGIN", "OriginPolicy", "is_allowed", "own_origins"]


class _Policy(Enum):
    SAME = auto()
    ANY = auto()
    OFF = auto()


SAME_ORIGIN: Final = _Policy.SAME
"""Only pages of this very server (the default)."""
ANY_ORIGIN: Final = _Policy.ANY
"""Every page of the web."""
NO_CORS: Final = _Policy.OFF
"""No checks and no headers: somebody else does it."""

OriginPolicy = _Policy | frozenset[str]
"""One of the three constants, or the set of allowed origins."""

# Visible ASCII, space, tab and obs-text: everything else could split a header when it is reflected (row HS-17).
_VALID_ORIGIN = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_TOKENS = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def is_valid(origin: str) -> bool:
    """Whether an Origin has only bytes that a header may carry."""
    return _VALID_ORIGIN.fullmatch(origin) is not None


def own_origins(request: Request, *, trust_forwarded: bool) -> list[str]:
    """The origins that count as this server: as the connection has it, and as a proxy in front says (row HD-1).

    A page cannot set the X-Forwarded headers on a request to another site without a preflight, and that is refused.
    """
    headers = request.headers
    host = headers.get("host")
    if not host:
        return []
    origins = [_origin(request.scheme, host)]
    if trust_forwarded and ("x-forwarded-proto" in headers or "x-forwarded-host" in headers):
        scheme = _first(headers.get("x-forwarded-proto", request.scheme)).lower()
        scheme = {"ws": "http", "wss": "https"}.get(scheme, scheme)  # some proxies name what is upgraded so
        origins.append(_origin(scheme, _first(headers.get("x-forwarded-host", host))))
    return origins


def is_allowed(origin: str, request: Request, policy: OriginPolicy, *, trust_forwarded: bool) -> bool:
    """Whether a page of this origin may connect."""
    if request.origin_allowed is not None:
        return request.origin_allowed
    if isinstance(policy, frozenset):
        return origin in policy
    if policy is SAME_ORIGIN:
        own = own_origins(request, trust_forwarded=trust_forwarded)
        return origin in own or _normal(origin) in own  # browsers write it in the normal form
    return True


def cors_headers(origin: str, *, credentials: bool) -> Headers:
    """The headers that let a page of an allowed origin read the response (row HD-4)."""
    if not is_valid(origin):  # refused a few checks later, and never reflected
        return []
    headers = [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]
    if credentials:
        headers.append(("Access-Control-Allow-Credentials", "true"))
    return headers


def preflight(request: Request, cors: Headers) -> Response:
    """The answer to an OPTIONS request of an allowed origin (row HD-5)."""
    headers = [NO_STORE, *cors, ("Access-Control-Allow-Methods", "GET, POST, OPTIONS")]
    wanted = request.headers.get("access-control-request-headers", "")
    if _TOKENS.fullmatch(wanted):
        headers.append(("Access-Control-Allow-Headers", wanted))
    headers.append(("Access-Control-Max-Age", "7200"))
    return Response(204, headers)


def policy_of(origins: Iterable[str]) -> OriginPolicy:
    """The policy for a list of origins: empty is NO_CORS, one that holds ``*`` is ANY_ORIGIN."""
    allowed = frozenset(origins)
    if not allowed:
        return NO_CORS
    return ANY_ORIGIN if "*" in allowed else allowed


def _origin(scheme: str, host: str) -> str:
    return _normal(f"{scheme}://{host}")


def _normal(origin: str) -> str:
    """Lower case and without the scheme's own port, as browsers write an origin."""
    origin = origin.lower()
    scheme = origin.partition(":")[0]
    return origin.removesuffix(_DEFAULT_PORTS.get(scheme, "\n"))


def _first(value: str) -> str:
    return value.partition(",")[0].strip()
