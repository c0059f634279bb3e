"""The responses that sessions give: payloads, ``ok``, refusals (rows PG-6, PP-1, HD-10, HD-11)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from .compression import negotiate
from .errors import ErrorCode
from .http import NO_STORE, Headers, Response, refusal, too_large
from .payloads import encode_payload

if TYPE_CHECKING:
    from .http import Refusal
    from .packets import Outgoing
    from .session import Post
    from .settings import Settings

_PAYLOAD_TYPE: Final = ("Content-Type", "text/plain; charset=UTF-8")
_OK_TYPE: Final = ("Content-Type", "text/html")


def payload(packets: Sequence[Outgoing], cors: Headers) -> Response:
    """A payload that is not worth compressing."""
    return Response(200, [_PAYLOAD_TYPE, NO_STORE, *cors], encode_payload(packets))


def compressible(
    packets: Sequence[Outgoing], cors: Headers, settings: Settings, accept_encoding: str | None
) -> Response:
    """A payload, with the compression that the client accepts where it has a message and is long enough."""
    response = payload(packets, cors)
    if (
        settings.http_compression
        and len(response.body) >= settings.compression_threshold
        and any(not isinstance(packet, str) or packet[:1] == "4" for packet in packets)
    ):
        response.compression = negotiate(accept_encoding)
        response.headers = _vary(response.headers)
    return response


def ok(post: Post) -> Response:
    """What a POST is answered that was accepted."""
    return Response(200, [_OK_TYPE, NO_STORE, *post.cors], b"ok")


def bad_request(post: Post, name: str) -> Refusal:
    """What a POST is answered that was not; the name says why, for logs."""
    return refusal(ErrorCode.BAD_REQUEST, post.request, post.cors, name=name)


def body_too_large(post: Post) -> Refusal:
    """What a POST over the limit is answered."""
    return too_large(post.request, post.cors)


def _vary(headers: Headers) -> Headers:
    """One Vary header that names Accept-Encoding besides what it names already."""
    names = [value for name, value in headers if name == "Vary"]
    rest = [(name, value) for name, value in headers if name != "Vary"]
    return [*rest, ("Vary", ", ".join([*names, "Accept-Encoding"]))]
