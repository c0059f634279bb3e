"""A response for a request that got none, for frameworks that insist on one."""

from __future__ import annotations

from eio_core import Request, Response

__all__ = ["unanswered"]


def unanswered(request: Request) -> Response:
    """The answer to a request that the runner gave none: its body was malformed, or its client is gone."""
    headers = [("Cache-Control", "no-store")]
    if request.http_version.startswith("1"):  # HTTP/2 knows no such header
        headers.append(("Connection", "close"))
    return Response(400, headers)
