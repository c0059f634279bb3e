"""The application's handlers: the one place where code of the application runs, and may fail (rows AP-3 to AP-7)."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from logging import Logger
from types import CoroutineType
from typing import Any

__all__ = ["EVENTS", "Handlers", "is_awaitable", "is_its_own", "takes"]

EVENTS = ("connect", "message", "disconnect")

Handler = Callable[..., Any]


class Handlers:
    """One handler for each event, sync or async; whatever they return that can be awaited is awaited."""

    __slots__ = ("connect", "disconnect", "disconnect_takes_reason", "logger", "message")

    def __init__(self, logger: Logger) -> None:
        self.logger = logger
        self.connect: Handler | None = None
        self.message: Handler | None = None
        self.disconnect: Handler | None = None
        self.disconnect_takes_reason = True

    def register(self, event: str, handler: Handler) -> None:
        """Set the handler of an event; the last one wins.

        :raises ValueError: not one of connect, message and disconnect.
        :raises TypeError: not a handler that can be called.
        """
        self.check(event)
        if not callable(handler):
            raise TypeError(f"a handler of {event!r} is a function or another callable, not {handler!r}")
        if event == "disconnect":
            self.disconnect_takes_reason = takes(handler, 2)
        setattr(self, event, handler)

    def check(self, event: str) -> None:
        """Check the name of an event.

        :raises ValueError: not one of connect, message and disconnect.
        """
        if event not in EVENTS:
            raise ValueError(f"Invalid event: {event!r} is not one of {', '.join(EVENTS)}")

    def call_message(self, sid: str, data: Any) -> Awaitable[Any] | None:
        """Call the message handler; an awaitable is what is left to do, and fails with :meth:`failed`."""
        handler = self.message
        if handler is None:
            return None
        try:
            result = handler(sid, data)
        except BaseException as error:
            self.failed("message", sid, error)
            return None
        if type(result) is CoroutineType:
            return result
        awaitable: Awaitable[Any] | None = result if result is not None and is_awaitable(result) else None
        return awaitable

    def failed(self, event: str, sid: str, error: BaseException) -> None:
        """Log what a handler raised, which ends here; what is not its own is raised on."""
        if not is_its_own(error):
            raise error
        self.logger.error("%s handler failed for %s", event, sid, exc_info=error)

    async def call_disconnect(self, sid: str, reason: str) -> None:
        """Call the disconnect handler, with or without the reason (row AP-6)."""
        handler = self.disconnect
        if handler is None:
            return
        try:
            result = handler(sid, reason) if self.disconnect_takes_reason else handler(sid)
            if is_awaitable(result):
                await result
        except BaseException as error:
            self.failed("disconnect", sid, error)


def is_awaitable(result: object) -> bool:
    """Whether to await it; a coroutine is found without the cost of the general question."""
    return type(result) is CoroutineType or inspect.isawaitable(result)


def is_its_own(error: BaseException) -> bool:
    """Whether a handler failed by itself. The cancellation of the task that runs it is somebody else's (row AP-24).

    A handler that awaits a future which was cancelled gets a CancelledError too, and nobody wants its task to end.
    """
    if not isinstance(error, asyncio.CancelledError):
        return isinstance(error, Exception)
    try:
        task = asyncio.current_task()
    except RuntimeError:  # not on asyncio
        return False
    return task is not None and not task.cancelling()


def takes(function: Callable[..., Any], count: int) -> bool:
    """Whether a function can be called with so many arguments. Asked of its signature: a TypeError may be its own."""
    try:
        signature = inspect.signature(function, follow_wrapped=False)
        if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in signature.parameters.values()):
            signature = inspect.signature(function)  # a decorator that passes on what it gets
        signature.bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:  # a builtin without a signature
        return True
    return True
