"""ASGIApp: Engine.IO at its path, static files, another application, and the lifespan of it all."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from eio_server import AsyncServer

from .asgi import ASGIApplication, Receive, Scope, Send, path_below_mount
from .integration import integration
from .lifespan import Lifespan
from .signals import StopSignals
from .static import FileName, StaticFile, StaticFiles

__all__ = ["ASGIApp"]


class ASGIApp:
    """An ASGI application that serves Engine.IO, and hands everything else on.

    :param engineio_server: an :class:`eio_asgi.AsyncServer`, or a Socket.IO server that stands on one.
    :param other_asgi_app: who gets what is neither Engine.IO's nor a static file, and the lifespan. None: a 404.
    :param static_files: files to serve, as URL path → file name, a string or a path. A name of a folder serves the
        files below it at the URLs below the path; a URL that ends with a slash gets the folder's ``index.html``, or
        what stands at the key ``""``. Instead of a name there may be a dict with ``filename`` and ``content_type``.
        Nothing outside a folder is ever served, not through symbolic links either (row AP-22).
    :param engineio_path: where Engine.IO is, with everything below it; slashes at its ends do not matter. None:
        everywhere. It is looked for below the path that this application is mounted at, too (rows HS-25, IN-6).
    :param on_startup: a function or coroutine function to call when the web server starts, before ``other_asgi_app``
        starts.
    :param on_shutdown: the same for its stop.
    :param handle_signals: whether the first SIGTERM or SIGINT tells the clients, before the web server begins to wait
        for their requests to end (row SD-1). The server's own handler runs right after. Only where the server has one,
        in the main thread.
    :raises TypeError: a server of another kind, or for another framework; static files that are none.
    """

    def __init__(
        self,
        engineio_server: Any,
        other_asgi_app: ASGIApplication | None = None,
        static_files: Mapping[str, FileName | StaticFile] | None = None,
        engineio_path: str | None = "engine.io",
        on_startup: Callable[[], Any] | None = None,
        on_shutdown: Callable[[], Any] | None = None,
        handle_signals: bool = True,
    ) -> None:
        self.engineio_server = engineio_server
        self.other_asgi_app = other_asgi_app
        self.static_files = static_files or {}
        self.engineio_path = None if engineio_path is None else f"/{engineio_path.strip('/')}/".replace("//", "/")
        self.on_startup = on_startup
        self.on_shutdown = on_shutdown
        self._files = StaticFiles(self.static_files) if self.static_files else None
        self._signals = StopSignals(self._tell_clients) if handle_signals else None
        self._engine = _engine_of(engineio_server)
        integration.check_compression(self._engine)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Be an ASGI application."""
        kind = scope["type"]
        if kind == "lifespan":
            await self.lifespan(scope, receive, send)
            return
        if self._signals is not None:
            self._signals.watch()  # mounted, we hear of no startup
        if kind in ("http", "websocket") and self._is_ours(scope):
            await self.engineio_server.handle_request(scope, receive, send)
        elif kind == "http" and self._files is not None and await self._files.serve(scope, send):
            return
        elif self.other_asgi_app is not None:
            await self.other_asgi_app(scope, receive, send)
        else:
            await self._not_found(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        prefix = self.engineio_path
        if prefix is None:
            return True
        return (scope["path"] + "/").startswith(prefix) or (path_below_mount(scope) + "/").startswith(prefix)

    async def _not_found(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what nobody serves (rows SD-6, IN-4)."""
        if scope["type"] == "websocket":
            await receive()  # websocket.connect
            await send({"type": "websocket.close"})
            return
        if scope["type"] != "http":
            raise ValueError(f"ASGIApp knows http, websocket and lifespan, not a scope of type {scope['type']!r}")
        body = f"Not found. Engine.IO is at {self.engineio_path} here.\n".encode()
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 404, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    # ------------------------------------------------------------------------------------------------ start and stop

    async def lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Start and stop together with the web server (row AP-23)."""
        await Lifespan(self._start, self._stop, receive, send).run(scope, self.other_asgi_app)

    async def _start(self) -> None:
        self._engine.runner.startup()
        await _call(self.on_startup)
        if self._signals is not None:
            self._signals.watch()

    async def _stop(self) -> None:
        try:
            await _call(self.on_shutdown)
        finally:
            if self._signals is not None:
                self._signals.forget()
            await self.engineio_server.shutdown()

    def _tell_clients(self) -> None:
        self._engine.runner.spawn(self.engineio_server.shutdown())


def _engine_of(server: Any) -> AsyncServer:
    """The Engine.IO server itself, also where it carries a Socket.IO server."""
    engine = getattr(server, "eio", server)
    if not isinstance(engine, AsyncServer):
        raise TypeError(f"ASGIApp wants an eio_asgi.AsyncServer, or a Socket.IO server on one, not {server!r}")
    if engine.async_mode != integration.name:  # the default, where another integration is installed, too
        raise TypeError(f"ASGIApp wants a server that was made with async_mode='asgi', not {engine.async_mode!r}")
    return engine


async def _call(function: Callable[[], Any] | None) -> None:
    if function is not None:
        result = function()
        if inspect.isawaitable(result):
            await result
