"""What an integration is: the one interface between a web framework and the runner.

An integration knows its framework and nothing of Engine.IO. It turns a request of its framework into an
:class:`Exchange` and hands it to :meth:`eio_server.runner.Runner.serve`; most requests are over when that returns.
If it returns an :class:`Offer`, the request is to become a WebSocket::

    async def handle(request):
        exchange = MyExchange(request)
        offer = await runner.serve(exchange)
        if offer is None:
            return exchange.response                     # answered
        with offer:                                       # if it raises, the offer has failed
            websocket = await accept(request, offer)      # the 101, with offer.headers, offer.max_size, offer.compress
        connection = offer.opened(MyWebSocket(websocket))
        async for frame in websocket:                     # or from a callback: whatever pushes frames
            waiting = connection.feed(frame)
            if waiting is not None:
                await waiting                             # stop reading meanwhile: inbound backpressure
        connection.lost(websocket.close_code)             # exactly once, however it ended

The rules behind it:

- Every response is written inside ``respond``, so that a failed write is seen; ``Disconnected`` says so.
- ``write`` takes one frame and is called by one writer at a time. It is either done when it returns (None), or returns
  the framework's own coroutine. On asyncio that coroutine is driven one step by hand; only if it suspends, a task
  finishes it. So it must be the framework's write and nothing else: no ``asyncio.timeout`` around it, no close.
- ``feed`` and ``lost`` may be called from any task, but in the order in which things happened on the wire.
- An integration never looks into a frame, never makes one, and keeps no state of the protocol.

An integration is made known by :func:`register`, which its module calls when it is imported, and is found by the entry
point group ``eio_server.integrations``, so that anybody can publish one.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Protocol

from eio_core import Headers, Request, Response

if TYPE_CHECKING:
    from .runtime import Runtime
    from .server import AsyncServer

__all__ = [
    "BodyTooLarge",
    "Connection",
    "Disconnected",
    "Exchange",
    "Integration",
    "Offer",
    "WebSocket",
    "find",
    "names",
    "register",
]

GROUP = "eio_server.integrations"
ORDER = ("aiohttp", "sanic", "tornado", "asgi")
"""Which integration is taken where none is named (the API's order); others follow by name."""


class Disconnected(Exception):  # noqa: N818 - what happened, not an error of anybody's code
    """The client is gone: raised by an exchange or a WebSocket where reading or writing finds out."""


class BodyTooLarge(Exception):  # noqa: N818
    """A body went over the limit that it was read with."""


class Exchange(Protocol):
    """One HTTP request, and the one response to it."""

    @property
    def request(self) -> Request:
        """The request for the core, with (at least) the headers in :data:`eio_core.REQUEST_HEADERS`."""

    def environ(self) -> dict[str, Any]:
        """The WSGI-like dict for the connect handler (:func:`eio_server.environ.make_environ`), anew at each call."""

    def watch(self, lost: Callable[[], None]) -> AbstractAsyncContextManager[object]:
        """While the context is entered, call ``lost`` (once) as soon as the client is gone.

        The body of the context waits for something else meanwhile. A client that had left before counts too. Where the
        framework cancels its handler instead, a context that does nothing is right.
        """

    async def read(self, limit: int) -> bytes:
        """Read the whole body, as it arrives, never holding more than the limit and one chunk.

        May be cancelled; then a response is still to be sent.

        :raises BodyTooLarge: it is longer than ``limit`` bytes. What the request declares has been looked at before.
        :raises Disconnected: the client went away first.
        """

    async def respond(self, response: Response) -> None:
        """Send the response; done when it was handed to the connection.

        All headers are given, repeated ones too, but Content-Length, which is the length of the body (and absent from a
        204). Nothing is added that changes the body or a conditional response: no ETag, no 304, no compression.

        :raises Disconnected: the client is gone, as far as the framework tells.
        """


class WebSocket(Protocol):
    """An accepted WebSocket, to be written."""

    def write(self, frame: str | bytes) -> Coroutine[Any, Any, object] | None:
        """Write one message, ``str`` as text and ``bytes`` as binary.

        :returns: None when it was taken, or a coroutine that waits until it was.
        :raises Disconnected: here or from the coroutine: the client is gone.
        """

    async def close(self, code: int) -> None:
        """Send a close frame, and finish the close handshake where the framework does that. Runs in a task of its own.

        :raises Disconnected: the client is gone.
        """

    def abort(self) -> None:
        """Let go of the connection at once, as far as the framework can; ends the reading."""


class Connection(Protocol):
    """The runner's side of a WebSocket."""

    def feed(self, frame: str | bytes) -> Coroutine[Any, Any, None] | None:
        """A message arrived. If something is returned, await it before the next one is read.

        Whoever awaits it in a task of its own may read on meanwhile, unless the session is :attr:`crowded`.
        """

    @property
    def crowded(self) -> bool:
        """Whether so many messages wait for their handlers that no more are to be read (row H20)."""

    def lost(self, code: int | None = None, *, error: bool = False) -> None:
        """The WebSocket is gone.

        :param code: the close code that the framework reports, None if it knows none. 1002, 1003, 1007, 1009, 1010 and
            1011 count as an error (row CL-11).
        :param error: it broke: a protocol error, a message over the limit, a failed write.
        """


class Offer(AbstractContextManager[None], Protocol):
    """A request that may become a WebSocket now: all checks have passed, the application has agreed.

    A context to send the 101 in: what is raised out of it says that this :meth:`failed`.
    """

    headers: Headers
    """For the 101, where the framework can send any."""
    max_size: int
    """The longest message to let in, in bytes; one of exactly this length is legal."""
    compress: bool
    """Whether to negotiate permessage-deflate."""

    def opened(self, websocket: WebSocket) -> Connection:
        """The 101 was sent."""

    def failed(self) -> None:
        """The 101 could not be sent."""


class Integration(Protocol):
    """A web framework, as AsyncServer uses it."""

    name: str
    """The async_mode."""
    distribution: str
    """What to ``pip install``."""

    def make_runtime(self) -> Runtime:
        """The runtime of the event loop that runs now; called once for each server, inside the loop."""

    def attach(self, server: AsyncServer, app: Any, path: str) -> None:
        """Route requests for ``/path/`` and ``/path`` to the server, and wire startup and shutdown.

        :param path: without slashes at its ends.
        :raises TypeError: the application is not of a kind that can be attached to.
        """

    async def handle_request(self, server: AsyncServer, *args: Any) -> Any:
        """Handle what the framework hands a handler; return what it wants back."""


_registered: dict[str, Integration] = {}


def register(integration: Integration) -> None:
    """Make an integration known under its name; a second one of that name replaces the first."""
    _registered[integration.name] = integration


def names() -> list[str]:
    """The async modes that are installed, in the order in which they are tried."""
    found = {*_registered, *(point.name for point in entry_points(group=GROUP))}
    rank = {name: number for number, name in enumerate(ORDER)}
    return sorted(found, key=lambda name: (rank.get(name, len(rank)), name))


def find(name: str | None) -> Integration:
    """The integration for an async_mode; None: the first whose wheel and framework are installed.

    What its import raises is raised, but for an ImportError: that is a framework that is not there.

    :raises ValueError: unknown or not installed, with the way out.
    """
    failed: dict[str, ImportError] = {}
    for candidate in names() if name is None else [name]:
        try:
            integration = _load(candidate)
        except ImportError as error:
            failed[candidate] = error
        else:
            if integration is not None:
                return integration
    raise ValueError(f"Invalid async_mode specified: {_problem(name, failed)}") from next(iter(failed.values()), None)


def _load(name: str) -> Integration | None:
    if name not in _registered:
        for point in entry_points(group=GROUP, name=name):
            importlib.import_module(point.module)
            if name not in _registered:
                raise ImportError(f"{point.module} does not register it")
    return _registered.get(name)


def _problem(name: str | None, failed: Mapping[str, ImportError]) -> str:
    if name is None:
        if not failed:
            return f"None, and no integration is installed; {_install(*ORDER)}"
        each = [f"{mode} ({error}{_mend(mode, error)})" for mode, error in failed.items()]
        return f"None, and no integration that is installed can be used: {', '.join(each)}"
    installed = f"(installed: {', '.join(names()) or 'none'})"  # by name: importing them might fail too
    if name in failed:
        return f"{name!r} is installed, but cannot be used: {failed[name]} {installed}{_mend(name, failed[name])}"
    if name in ORDER:
        return f"{name!r} is not installed {installed}; {_install(name)}"
    return f"{name!r} is unknown {installed}; {_install(*ORDER)}"


def _install(*modes: str) -> str:
    one = "one of " if len(modes) > 1 else ""
    if getattr(sys, "frozen", False):  # its author has installed them, but entry points do not get into an executable
        return f"a frozen program has to import {one}{', '.join('eio_' + mode for mode in modes)}"
    return f"pip install {one}{', '.join('eio-' + mode for mode in modes)}"


def _mend(mode: str, error: ImportError) -> str:
    missing, _, part = (error.name or "").partition(".")
    if mode not in ORDER or missing in {"", f"eio_{mode}"}:
        return ""  # no framework, or who knows what it is called where it is installed from
    upgrade = "" if isinstance(error, ModuleNotFoundError) and not part else "--upgrade "
    return f"; pip install {upgrade}{missing}"
