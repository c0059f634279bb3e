"""Compression of polling responses: what the client accepts, and doing it (rows HD-11 to HD-14).

Must not know: sessions. Compressing a large body takes milliseconds, so that it is a step of its own that an integrator
may take in a thread.
"""

from __future__ import annotations

import zlib
from dataclasses import replace

from .http import Response

__all__ = ["compressed", "negotiate"]

_WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


def negotiate(accept_encoding: str | None) -> str | None:
    """The encoding to use for an Accept-Encoding header, ``gzip`` or ``deflate``, or None (RFC 9110, 12.5.3).

    The higher quality wins, then the order of the header; ``*`` stands for gzip; an absent header means no compression.
    """
    best, best_quality = None, 0.0
    qualities: dict[str, float] = {}
    for item in (accept_encoding or "").lower().split(","):
        coding, _, parameters = item.partition(";")
        qualities.setdefault(coding.strip(), _quality(parameters))
    for coding, quality in qualities.items():
        name = coding if coding != "*" else next((own for own in _WINDOW_BITS if own not in qualities), None)
        if name in _WINDOW_BITS and quality > best_quality:
            best, best_quality = name, quality
    return best


def compressed(response: Response) -> Response:
    """The response with its body compressed as ``response.compression`` says; itself if that is None."""
    if response.compression is None:
        return response
    compressor = zlib.compressobj(wbits=_WINDOW_BITS[response.compression])
    body = compressor.compress(response.body) + compressor.flush()
    headers = [*response.headers, ("Content-Encoding", response.compression)]
    return replace(response, headers=headers, body=body, compression=None)


def _quality(parameters: str) -> float:
    name, _, value = parameters.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        quality = float(value)
    except ValueError:
        return 0.0
    return quality if 0.0 <= quality <= 1.0 else 0.0
