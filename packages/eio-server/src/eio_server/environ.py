"""The WSGI-like environment of a connect handler (row AP-19)."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

from eio_core import Request

__all__ = ["EmptyInput", "decoded_path", "latin1", "make_environ"]


class EmptyInput:
    """``wsgi.input`` of a request whose body is nobody's business: always at its end."""

    __slots__ = ()

    async def read(self, size: int = -1) -> bytes:
        """Nothing."""
        return b""


_INPUT = EmptyInput()


def make_environ(
    request: Request,
    *,
    path: str,
    headers: Iterable[tuple[str, str]],
    peer: object,
    server: object,
    script_name: str = "",
    raw_path: str | None = None,
) -> dict[str, Any]:
    """Make the environment from what every framework knows.

    :param request: what the core sees of it.
    :param path: decoded, below ``script_name``.
    :param headers: all, as they came: a repeated one is joined with ``,`` (Cookie with ``; ``). Names with an
        underscore are left out, for they would shadow the real ones.
    :param peer: the real address and port of the other end, a tuple; anything else (such as the path of a Unix socket,
        or None) counts as not known.
    :param server: our own address and port, likewise.
    :param raw_path: the path as it came, percent-encoded.
    """
    query = request.query
    remote_address, remote_port = _address(peer)
    host, port = _address(server)
    environ: dict[str, Any] = {
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": _INPUT,
        "wsgi.errors": sys.stderr,
        "wsgi.async": True,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "SERVER_SOFTWARE": "eio",
        "SERVER_PROTOCOL": f"HTTP/{request.http_version}",
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": script_name,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "RAW_URI": (raw_path or script_name + path) + ("?" + query if query else ""),
        "REMOTE_ADDR": remote_address,
        "REMOTE_PORT": remote_port,
        "SERVER_NAME": host or "localhost",
        "SERVER_PORT": port or {"https": "443"}.get(request.scheme, "80"),
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


def _address(address: object) -> tuple[str, str]:
    """Host and port as text, empty where they are not known."""
    if not isinstance(address, tuple | list) or not address:
        return "", ""
    return str(address[0]), str(address[1] or "") if len(address) > 1 else ""


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
