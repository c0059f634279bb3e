"""SIGTERM and SIGINT, seen before the web server's own handler (row SD-1).

Web servers let requests end before they tell an application that it is to stop, and a parked poll ends only when
somebody ends it: so the clients have to be told when the signal comes.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from .asgi import in_trio

__all__ = ["StopSignals"]

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Calls back once, in the event loop, when the first of the signals arrives."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._hooks: list[Hook] | None = None

    def watch(self) -> None:
        """Put a handler before each one that is there. A second call does nothing until :meth:`forget`."""
        if self._hooks is not None:
            return
        self._hooks = []
        if threading.current_thread() is not threading.main_thread():
            return  # Python lets nobody else set a handler
        call_soon = _call_soon()
        for number in SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler):  # else the server does not handle it: nobody would wait for what we do
                self._hooks.append(Hook(number, handler, lambda: self._stopped(call_soon)))

    def _stopped(self, call_soon: Callable[[Callable[[], None]], Any]) -> None:
        """A signal is here. What the next one does is the server's own affair."""
        self._remove()
        try:
            call_soon(self._stop)
        except RuntimeError:  # the event loop is closed
            return

    def forget(self) -> None:
        """Restore the handlers that there were."""
        self._remove()
        self._hooks = None

    def _remove(self) -> None:
        for hook in self._hooks or ():
            hook.remove()
        self._hooks = []


class Hook:
    """A signal handler that stands before another one."""

    def __init__(self, number: int, previous: Callable[[int, FrameType | None], Any], call: Callable[[], None]) -> None:
        self._number = number
        self.previous = previous
        self._call: Callable[[], None] | None = call
        signal.signal(number, self)

    def __call__(self, number: int, frame: FrameType | None) -> Any:
        """Be a signal handler."""
        if self._call is not None:
            self._call()
        return self.previous(number, frame)

    def remove(self) -> None:
        """Take it out of the chain of handlers; where somebody else's stands before it, let it do nothing."""
        self._call = None
        handler: Any = signal.getsignal(self._number)
        if handler is self:
            signal.signal(self._number, self.previous)
            return
        while isinstance(handler, Hook):
            if handler.previous is self:
                handler.previous = self.previous
                return
            handler = handler.previous


def _call_soon() -> Callable[[Callable[[], None]], Any]:
    """What calls a function in the event loop that runs now, and may be called by a signal handler."""
    if in_trio():
        import trio  # noqa: PLC0415 - without trio nobody comes here

        return trio.lowlevel.current_trio_token().run_sync_soon
    return asyncio.get_running_loop().call_soon_threadsafe
