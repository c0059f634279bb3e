"""The errors of this package, and whose fault each one is.

::

    Exception
    └── EioError
        ├── LocalProtocolError      our own code used the core wrongly: a bug to fix
        └── SessionClosed           something was sent to a session that is closing or closed

What a peer does wrong is never an exception: it is data, a refusal (:class:`~eio_core.http.Refusal`) or the reason with
which a session closed (:class:`~eio_core.states.Reason`).
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["EioError", "ErrorCode", "LocalProtocolError", "SessionClosed"]


class EioError(Exception):
    """Base of every exception that this package raises on its own account."""


class LocalProtocolError(EioError):
    """The caller broke the contract with the core (see the docstring of :mod:`eio_core`)."""


class SessionClosed(EioError):  # noqa: N818 - the field's name for it (compare ConnectionClosed)
    """The session is closing or closed; what was to be sent has been dropped."""

    def __init__(self, sid: str) -> None:
        super().__init__(f"session {sid} is closing or closed: nothing more can be sent to it")


class ErrorCode(IntEnum):
    """The codes in the JSON body of a refused request, those of the reference server (row ER-1)."""

    UNKNOWN_TRANSPORT = 0
    UNKNOWN_SID = 1
    BAD_HANDSHAKE_METHOD = 2
    BAD_REQUEST = 3
    FORBIDDEN = 4
    UNSUPPORTED_PROTOCOL_VERSION = 5

    @property
    def text(self) -> str:
        """The message that goes with the code on the wire, to the letter."""
        return _TEXTS[self]


_TEXTS = {
    ErrorCode.UNKNOWN_TRANSPORT: "Transport unknown",
    ErrorCode.UNKNOWN_SID: "Session ID unknown",
    ErrorCode.BAD_HANDSHAKE_METHOD: "Bad handshake method",
    ErrorCode.BAD_REQUEST: "Bad request",
    ErrorCode.FORBIDDEN: "Forbidden",
    ErrorCode.UNSUPPORTED_PROTOCOL_VERSION: "Unsupported protocol version",
}
