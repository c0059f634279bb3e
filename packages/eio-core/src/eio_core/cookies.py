"""The Set-Cookie header of the handshake (rows HD-8, HD-9).

Must not know: sessions, requests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["check_cookie", "set_cookie"]

# RFC 6265, 4.1.1: a token as name; and nothing in an attribute that would end it.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ATTRIBUTE = re.compile(r"[\x20-\x3a\x3c-\x7e]*")


def check_cookie(name: str, attributes: Mapping[str, object]) -> None:
    """Check what can be checked before the first request.

    :raises ValueError: a name that is no token, an attribute that could smuggle another one in, or one that is no text.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"a cookie's name is a token without spaces, '=', ';' or ',', not {name!r}")
    for key, value in attributes.items():
        if not _NAME.fullmatch(key):
            raise ValueError(f"a cookie attribute's name is a token such as 'Path' or 'SameSite', not {key!r}")
        if isinstance(value, str):
            _check_value(key, value)
        elif not isinstance(value, bool) and not callable(value):
            raise ValueError(f"cookie attribute {key} is a string, a boolean, or a callable that makes one, not {value!r}")


def set_cookie(name: str, value: str, attributes: Mapping[str, str | bool]) -> tuple[str, str]:
    """Make the header. An attribute that is True is a bare flag; False leaves it out.

    :raises ValueError: a value with a control character or ``;``.
    """
    _check_value(name, value)
    parts = [f"{name}={value}"]
    for key, attribute in attributes.items():
        if attribute is True:
            parts.append(key)
        elif attribute is not False:
            _check_value(key, attribute)
            parts.append(f"{key}={attribute}")
    return "Set-Cookie", "; ".join(parts)


def _check_value(key: str, value: str) -> None:
    if not _ATTRIBUTE.fullmatch(value):
        raise ValueError(f"cookie attribute {key} may hold printable ASCII without ';' only, not {value!r}")
