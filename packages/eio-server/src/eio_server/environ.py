"""The WSGI-like environment of a connect handler (row AP-19)."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

__all__ = ["EmptyInput", "decoded_path", "latin1", "make_environ"]


class EmptyInput:
    """``wsgi.input`` of a request whose body is nobody's business: always at its end."""

    __slots__ = ()

    async def read(self, size: int = -1) -> bytes:
        """Nothing."""
        return b""


_INPUT = EmptyInput()


def make_environ(
    *,
    method: str,
    path: str,
    query: str,
    headers: Iterable[tuple[str, str]],
    scheme: str,
    http_version: str,
    peer: tuple[Any, ...] | None,
    server: tuple[Any, ...] | None,
    script_name: str = "",
    raw_path: str | None = None,
) -> dict[str, Any]:
    """Make the environment from what every framework knows.

    :param path: decoded, below ``script_name``.
    :param query: as it came, percent-encoded.
    :param headers: all, as they came: a repeated one is joined with ``,`` (Cookie with ``; ``). Names with an
        underscore are left out, for they would shadow the real ones.
    :param http_version: ``1.1``.
    :param peer: the real address and port of the other end; None where it is not known (a Unix socket).
    :param server: our own address and port.
    :param raw_path: the path as it came, percent-encoded.
    """
    host = server[0] if server else "localhost"
    port = server[1] if server and len(server) > 1 and server[1] else {"https": 443}.get(scheme, 80)
    environ: dict[str, Any] = {
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": _INPUT,
        "wsgi.errors": sys.stderr,
        "wsgi.async": True,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "SERVER_SOFTWARE": "eio",
        "SERVER_PROTOCOL": f"HTTP/{http_version}",
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": script_name,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "RAW_URI": (raw_path or script_name + path) + ("?" + query if query else ""),
        "REMOTE_ADDR": str(peer[0]) if peer else "",
        "REMOTE_PORT": str(peer[1]) if peer and len(peer) > 1 and peer[1] is not None else "",
        "SERVER_NAME": str(host),
        "SERVER_PORT": str(port),
        "CONTENT_TYPE": "",
        "CONTENT_LENGTH": "",
    }
    for name, value in headers:
        if "_" in name:
            continue
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = "HTTP_" + key
        if key.startswith("HTTP_") and key in environ:
            environ[key] += ("; " if key == "HTTP_COOKIE" else ",") + value
        else:
            environ[key] = value
    return environ


def decoded_path(raw_path: str) -> str:
    """A percent-encoded path as WSGI has it: bytes as latin-1 text. Never raises.

    :param raw_path: as text; bytes beyond ASCII as UTF-8, and what is not UTF-8 as lone surrogates.
    """
    return unquote_to_bytes(raw_path.encode("utf-8", "surrogateescape")).decode("latin-1")


def latin1(text: str) -> str:
    """Text of a request line or header as the bytes that came.

    :param text: bytes beyond ASCII decoded as UTF-8, and what is not UTF-8 as lone surrogates.
    """
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")
