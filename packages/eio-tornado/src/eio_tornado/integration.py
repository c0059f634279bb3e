"""What eio-server asks of a web framework, answered for Tornado."""

from __future__ import annotations

import re
from typing import Any

from eio_server import AsyncServer
from eio_server.asyncio_runtime import AsyncioRuntime
from eio_server.integration import register
from tornado.web import Application, RequestHandler

from .exchange import Exchange
from .handler import get_tornado_handler

__all__ = ["TornadoIntegration", "integration"]


class TornadoIntegration:
    """See :class:`eio_server.integration.Integration`."""

    name = "tornado"
    distribution = "eio-tornado"

    def make_runtime(self) -> AsyncioRuntime:
        """The runtime on the loop that runs now, which is the loop of Tornado's IOLoop."""
        return AsyncioRuntime()

    def attach(self, server: AsyncServer, app: Application, path: str) -> None:
        """Add the route, for every host and method (rows ER-6, HS-25, IN-8).

        :raises TypeError: not a Tornado application.
        """
        if not isinstance(app, Application):
            raise TypeError(f"attach() wants a tornado.web.Application, not {app!r} of type {type(app).__qualname__}")
        prefix = f"/{re.escape(path)}" if path else ""
        app.add_handlers(".*", [(f"{prefix}/?", get_tornado_handler(server))])

    async def handle_request(self, server: AsyncServer, *args: Any) -> None:
        """Handle the request of a :class:`tornado.web.RequestHandler` of the application's own: long polling only.

        Such a handler has read the body before anybody could limit it, and its WebSocket would be its own affair: for
        all of Engine.IO, route to what :func:`get_tornado_handler` returns.
        """
        handler: RequestHandler
        (handler,) = args
        offer = await server.runner.serve(Exchange(handler))
        if offer is not None:
            offer.failed()
            raise TypeError(
                f"{type(handler).__qualname__} cannot become the WebSocket of an Engine.IO session: route "
                "(r'/engine\\.io/?', eio_tornado.get_tornado_handler(eio))"
            )


integration = TornadoIntegration()
register(integration)
