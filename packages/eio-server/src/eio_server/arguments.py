"""What the arguments of AsyncServer may be.

Who gets one wrong hears of it where it is given, and not when the first client comes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real

__all__ = ["bound", "check_grace", "origins", "seconds", "whole"]


def seconds(name: str, value: float) -> float:
    """A positive number of seconds.

    :raises ValueError: anything else.
    """
    if not _is_number(value) or not 0 < value < math.inf:
        raise ValueError(f"{name} is a positive number of seconds, not {value!r}")
    return value


def check_grace(value: float) -> None:
    """Check the grace period: less than nothing would have clients give up before their ping comes (row HB-12).

    :raises ValueError: not a number of seconds from 0.
    """
    if not _is_number(value) or not 0 <= value < math.inf:
        raise ValueError(f"the grace period of ping_interval is a number of seconds from 0, not {value!r}")


def whole(name: str, value: float, least: int = 1, otherwise: str = "") -> int:
    """A whole number, also one that is written as a float, such as ``1e8``: clients and frameworks want an int.

    :raises ValueError: anything else, with what there is ``otherwise``.
    """
    if not _is_number(value) or not value >= least or value % 1 != 0:
        raise ValueError(f"{name} is a whole number from {least}{otherwise}, not {value!r}")
    return int(value)


def bound(name: str, value: int | None) -> int | None:
    """A whole number from 1, or None.

    :raises ValueError: anything else.
    """
    return None if value is None else whole(name, value, otherwise=", or None for no bound")


def origins(value: Iterable[str]) -> list[str]:
    """A list of origins.

    :raises TypeError: not that, nor anything else that ``cors_allowed_origins`` may be.
    """
    listed = list(value) if isinstance(value, Iterable) else [None]
    if not all(isinstance(origin, str) for origin in listed):
        raise TypeError(f"cors_allowed_origins is an origin, a list of them, '*', None or a callable, not {value!r}")
    return listed


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
