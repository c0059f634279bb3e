"""What eio-server asks of a web framework, answered for aiohttp."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from eio_server import AsyncServer
from eio_server.asyncio_runtime import AsyncioRuntime
from eio_server.integration import register

from .exchange import Exchange
from .websocket import carry

__all__ = ["AiohttpIntegration", "integration"]


class AiohttpIntegration:
    """See :class:`eio_server.integration.Integration`."""

    name = "aiohttp"
    distribution = "eio-aiohttp"

    def make_runtime(self) -> AsyncioRuntime:
        """The runtime on the loop that runs now, asyncio's own or uvloop."""
        return AsyncioRuntime()

    def attach(self, server: AsyncServer, app: web.Application, path: str) -> None:
        """Add the routes, for every method (rows ER-6, HS-25, IN-8), and follow the application's start and stop.

        :raises TypeError: not an aiohttp application.
        :raises RuntimeError: aiohttp's own: the application has started, or was added to another one already.
        """
        if not isinstance(app, web.Application):
            raise TypeError(f"attach() wants an aiohttp.web.Application, not {app!r} of type {type(app).__qualname__}")

        prefix = f"/{path}" if path else ""
        app.router.add_route("*", prefix + "/", server.handle_request)
        app.router.add_route("*", prefix, server.handle_request)
        app.on_startup.append(server.runner.started)
        app.on_shutdown.append(server.runner.stopping)

    async def handle_request(self, server: AsyncServer, *args: Any) -> web.StreamResponse:
        """Handle an :class:`aiohttp.web.Request`; the response that is returned has been sent."""
        (request,) = args
        exchange = Exchange(request)
        offer = await server.runner.serve(exchange)
        if offer is None:
            return await exchange.finish()
        del exchange  # a WebSocket lives long, and what was asked at its start need not
        return await carry(request, offer)


integration = AiohttpIntegration()
register(integration)
