"""What is logged, and how loud (rows ER-11, AP-20, HD-3).

Never a payload; never a client's text unescaped, so that nobody can forge a line.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eio_core import Refusal, Request

__all__ = ["Notices", "make_logger"]

NAME = "eio_server"


def make_logger(wish: bool | logging.Logger) -> logging.Logger:
    """The logger for the argument ``logger`` of AsyncServer.

    True: INFO and up, to a handler of its own if there is none. False: errors only, unless the application set a level
    itself; nothing is installed. A logger is used as it is.

    :raises TypeError: none of these.
    """
    if not isinstance(wish, bool):
        if not hasattr(wish, "log"):
            raise TypeError(f"logger is True, False, or a logger to use, not {wish!r}")
        return wish
    logger = logging.getLogger(NAME)
    if wish:
        logger.setLevel(logging.INFO)
        if not logger.hasHandlers():
            logger.addHandler(logging.StreamHandler())
    elif logger.level == logging.NOTSET:
        logger.setLevel(logging.ERROR)
    return logger


class Notices:
    """One line for each kind of client error at ERROR, the further ones at INFO."""

    __slots__ = ("_seen", "logger")

    def __init__(self, logger: logging.Logger) -> None:
        self.logger = logger
        self._seen: set[str] = set()

    def tell(self, kind: str, message: str, *args: object, expected: bool = False) -> None:
        """Log a client's error; arguments are shown with ``%r``, ``kind`` is one of a small set of our own words.

        :param expected: it is no error of the client's.
        """
        level = logging.INFO
        if not expected and kind not in self._seen:
            self._seen.add(kind)
            level = logging.ERROR
            message += " (further errors of this kind are logged at INFO)"
        self.logger.log(level, message, *args)

    def refused(self, request: Request, refusal: Refusal, allowed: list[str], *, expected: bool) -> None:
        """Log a refused request."""
        context = refusal.context
        kind = context.get("name", refusal.message)
        if kind == "ORIGIN_NOT_ALLOWED":
            forwarded = {name: value for name, value in request.headers.items() if name.startswith("x-forwarded-")}
            self.tell(
                kind,
                "refused origin %r: allowed are %r; forwarded headers seen: %r; see cors_allowed_origins",
                context.get("origin"),
                allowed,
                forwarded,
                expected=expected,
            )
        else:
            self.tell(kind, "refused %r: %s %r", request.method[:20], refusal.message, dict(context), expected=expected)
