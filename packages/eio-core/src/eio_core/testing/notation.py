"""How packets, bodies and times are written in a transcript.

==================  ===================================================================================
``4hello``          text, as it is
``4a␞4b``           U+001E, which separates the packets of a payload, as a visible sign
``4(x*70)``         the same character seventy times
``"4 "``            a JSON string, for text that would be misread as it is; also ``""`` for no text at all
``[01 02 ff]``      bytes
``[00*70 01]``      the same byte seventy times, then another one
==================  ===================================================================================

Must not know: what the text means.
"""

from __future__ import annotations

import json
import re
from typing import Final

__all__ = ["read", "read_bytes", "show", "show_time"]

RECORD_SEPARATOR: Final = "␞"
_REPEATED_TEXT = re.compile(r"\((.)\*(\d+)\)", re.DOTALL)
_LONG_RUN = re.compile(r"(.)\1{39,}")


def show(data: str | bytes) -> str:
    """Write text or bytes down."""
    if isinstance(data, bytes):
        return _show_bytes(data)
    text = data.replace("\x1e", RECORD_SEPARATOR)
    if (
        not text
        or text != text.strip()
        or text[0] in '"[?'
        or not text.isprintable()
        or RECORD_SEPARATOR in data
        or _REPEATED_TEXT.search(text)
    ):
        return json.dumps(data)
    return _LONG_RUN.sub(lambda run: f"({run[1]}*{len(run[0])})", text)


def read(text: str) -> str | bytes:
    """Read what :func:`show` wrote.

    :raises ValueError: it cannot be read.
    """
    if text.startswith("["):
        return _read_bytes(text)
    if text.startswith('"'):
        data = json.loads(text)
        if not isinstance(data, str):
            raise ValueError(f"expected one JSON string, not {text}")
        return data
    text = text.replace(RECORD_SEPARATOR, "\x1e")
    return _REPEATED_TEXT.sub(lambda run: run[1] * int(run[2]), text)


def read_bytes(text: str) -> bytes:
    """Read a body: text stands for its UTF-8."""
    data = read(text)
    return data.encode() if isinstance(data, str) else data


def show_time(seconds: float) -> str:
    """Seconds, to the last bit, so that a record replays exactly: ``25.0``."""
    return repr(float(seconds))


def _show_bytes(data: bytes) -> str:
    parts: list[str] = []
    index = 0
    while index < len(data):
        end = index + 1
        while end < len(data) and data[end] == data[index]:
            end += 1
        digits = f"{data[index]:02x}"
        parts += [f"{digits}*{end - index}"] if end - index > 8 else [digits] * (end - index)
        index = end
    return f"[{' '.join(parts)}]"


def _read_bytes(text: str) -> bytes:
    if not text.endswith("]"):
        raise ValueError(f"bytes are written like [01 02 ff], not {text}")
    data = bytearray()
    for part in text[1:-1].split():
        digits, _, count = part.partition("*")
        data += bytes.fromhex(digits) * int(count or 1)
    return bytes(data)
