"""The page of these tests, served by the server under test beside Engine.IO, as an application would do it.

And by one that knows nothing of Engine.IO, for a page of another port.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.integrations.servers import Server

if TYPE_CHECKING:
    from eio_server import AsyncServer

__all__ = ["PAGE", "application", "serve_elsewhere"]

HERE = Path(__file__).resolve().parent

PAGE = "/browser/index.html"

FOLDERS = {
    "/browser": str(HERE / "page"),
    "/interop": str(HERE.parent / "interop"),
    # The client of the demo: tests/interop sees to it that it is the one of npm, so nobody needs npm here.
    "/client": str(HERE.parents[1] / "examples" / "demo" / "static" / "vendor"),
}


def application(server: Server, eio: AsyncServer) -> Any:
    """The server's application for an AsyncServer, with the page."""
    if server.integration not in INTEGRATIONS:
        raise LookupError(f"{__name__} does not say yet how an application of {server.integration} serves files")
    return INTEGRATIONS[server.integration](server, eio)


def with_aiohttp(server: Server, eio: AsyncServer) -> Any:
    app = server.application(eio)
    for url, folder in FOLDERS.items():
        app.router.add_static(url, folder)
    return app


def with_asgi(server: Server, eio: AsyncServer) -> Any:
    return server.application(eio, static_files=FOLDERS)


def with_tornado(server: Server, eio: AsyncServer) -> Any:
    from tornado.web import StaticFileHandler

    app = server.application(eio)
    app.add_handlers(".*", [(f"{url}/(.*)", StaticFileHandler, {"path": folder}) for url, folder in FOLDERS.items()])
    return app


def with_sanic(server: Server, eio: AsyncServer) -> Any:
    app = server.application(eio)
    for url, folder in FOLDERS.items():
        app.static(url, folder, name=url.strip("/"))
    return app


INTEGRATIONS: dict[str, Callable[[Server, AsyncServer], Any]] = {
    "aiohttp": with_aiohttp,
    "asgi": with_asgi,
    "sanic": with_sanic,
    "tornado": with_tornado,
}


class Files(SimpleHTTPRequestHandler):
    """Serves the folders."""

    def translate_path(self, path: str) -> str:
        _, folder, rest = path.split("/", 2)
        return f"{FOLDERS[f'/{folder}']}/{rest}"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        """Nobody reads that."""


@contextmanager
def serve_elsewhere() -> Iterator[str]:
    """Serve the page on another port of the same host; the URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
