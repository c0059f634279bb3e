"""The lifespan of an application that may stand before another one (row AP-23)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from .asgi import ASGIApplication, Message, Receive, Scope, Send

__all__ = ["Lifespan"]

_logger = logging.getLogger("eio_asgi")


class Lifespan:
    """Passes the lifespan on to the other application, and takes part in it; or answers, where nobody else does.

    :param start: our own startup, before the other application's.
    :param stop: our own shutdown, before the other application's.
    """

    def __init__(
        self, start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]], receive: Receive, send: Send
    ) -> None:
        self._start = start
        self._stop = stop
        self._receive = receive
        self._send = send
        self._asked: str | None = None
        """``startup`` or ``shutdown``, while an answer to it is due."""
        self._failure: str | None = None
        """Why our own shutdown failed."""
        self._over = False

    async def run(self, scope: Scope, other: ASGIApplication | None) -> None:
        """Be the application for a scope of type lifespan."""
        try:
            if other is not None:
                await self._run_other(scope, other)
            while not self._over:
                if self._asked is None:
                    await self.receive()
                await self.send({"type": f"lifespan.{self._asked}.complete"})
        except StartupFailed:  # and the server has been told
            return

    async def _run_other(self, scope: Scope, other: ASGIApplication) -> None:
        """Run it to its end. It may not speak lifespan at all: that shows by an exception, or by an early return."""
        try:
            await other(scope, self.receive, self.send)
        except Exception as error:
            if self._over:
                raise
            if self._asked == "shutdown":
                self._failure = self._failure or _describe(error)
            _logger.info("the other application leaves the lifespan to us: %r", error)

    async def receive(self) -> Message:
        """What the other application receives with: we have done our part before it hears of it."""
        message = await self._receive()
        self._asked = message["type"].removeprefix("lifespan.")
        if self._asked == "startup":
            try:
                await self._start()
            except Exception as error:
                _logger.exception("startup failed")
                await self.send({"type": "lifespan.startup.failed", "message": _describe(error)})
                raise StartupFailed from error
        elif self._asked == "shutdown":
            try:
                await self._stop()
            except Exception as error:  # the other application is shut down all the same
                _logger.exception("shutdown failed")
                self._failure = _describe(error)
        return message

    async def send(self, message: Message) -> None:
        """What the other application answers with."""
        if self._over:
            return
        if message["type"] == "lifespan.shutdown.complete" and self._failure is not None:
            message = {"type": "lifespan.shutdown.failed", "message": self._failure}
        self._asked = None
        self._over = message["type"] != "lifespan.startup.complete"
        await self._send(message)


class StartupFailed(Exception):  # noqa: N818 - it ends the other application, whose startup never comes
    """Our own startup failed."""


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
