"""The Set-Cookie header of a handshake."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from eio_core import check_cookie, set_cookie


@pytest.mark.parametrize(
    ("attributes", "value"),
    [
        ({}, "io=abc"),
        ({"path": "/", "HttpOnly": True, "SameSite": "Lax"}, "io=abc; path=/; HttpOnly; SameSite=Lax"),
        ({"Path": "/", "Secure": False, "Max-Age": "3600"}, "io=abc; Path=/; Max-Age=3600"),
        (
            {"Domain": "", "Expires": "Thu, 01 Jan 2026 00:00:00 GMT"},
            "io=abc; Domain=; Expires=Thu, 01 Jan 2026 00:00:00 GMT",
        ),
    ],
)
def test_a_cookie(attributes: Mapping[str, str | bool], value: str) -> None:
    """HD-8: attributes as given and in their order; True is a bare flag, False leaves it out."""
    check_cookie("io", attributes)
    assert set_cookie("io", "abc", attributes) == ("Set-Cookie", value)


@pytest.mark.parametrize("name", ["", "a b", "a;b", "a=b", "a,b", "a\r\nb", "é", '"a"', "a\n"])
def test_a_name_is_a_token(name: str) -> None:
    """HD-8, H10: names are checked when the server is made."""
    with pytest.raises(ValueError, match="a cookie's name is a token"):
        check_cookie(name, {})
    with pytest.raises(ValueError, match="a cookie attribute's name is a token"):
        check_cookie("io", {name: True})


@pytest.mark.parametrize("value", ["a;b", "a\r\nb", "a\n", "\0", "\t", "\x7f", "é", "\u2028"])
def test_an_attribute_smuggles_nothing(value: str) -> None:
    """HD-8, H10: no control character and no semicolon, checked early where it can be, and at last where it cannot."""
    with pytest.raises(ValueError, match="cookie attribute Path may hold"):
        check_cookie("io", {"Path": value})
    with pytest.raises(ValueError, match="cookie attribute Path may hold"):
        set_cookie("io", "abc", {"Path": value})


@pytest.mark.parametrize("value", [3600, None, b"/"])
def test_an_attribute_is_text_or_a_flag(value: object) -> None:
    """HD-8: found when the server is made, and not by every handshake."""
    with pytest.raises(ValueError, match="cookie attribute Max-Age is a string, a boolean"):
        check_cookie("io", {"Max-Age": value})


def test_what_is_called_later_is_checked_later() -> None:
    """HD-8: a callable makes its value for each handshake."""
    check_cookie("io", {"Path": lambda: "/", "HttpOnly": True})


@pytest.mark.parametrize("value", ["a;b", "a\r\nb", "\x00"])
def test_a_value_cannot_smuggle(value: str) -> None:
    """HD-8, H10: session ids may come from the application."""
    with pytest.raises(ValueError, match="printable ASCII"):
        set_cookie("io", value, {})
