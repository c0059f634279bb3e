"""What eio-server asks of a web framework, answered for Sanic."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

from eio_server import AsyncServer
from eio_server.asyncio_runtime import AsyncioRuntime
from eio_server.integration import register
from sanic import Blueprint, HTTPResponse, Request, Sanic
from sanic.constants import HTTP_METHODS

from .exchange import Exchange
from .websocket import carry

__all__ = ["SanicIntegration", "integration"]

NOWHERE = " "
"""A host that no request can name: Sanic strips what stands before the value of a header."""


class SanicIntegration:
    """See :class:`eio_server.integration.Integration`."""

    name = "sanic"
    distribution = "eio-sanic"

    def make_runtime(self) -> AsyncioRuntime:
        """The runtime on the loop that runs now, asyncio's own or uvloop."""
        return AsyncioRuntime()

    def attach(self, server: AsyncServer, app: Sanic[Any, Any] | Blueprint, path: str) -> None:
        """Add the route, for every method (rows ER-6, HS-25), and follow the server's start and stop.

        :raises TypeError: neither a Sanic application nor a blueprint.
        """
        if not isinstance(app, Sanic | Blueprint):
            raise TypeError(
                f"attach() wants a sanic.Sanic or a sanic.Blueprint, not {app!r} of type {type(app).__qualname__}"
            )
        warn_of_compression(server)

        async def engineio(request: Request) -> HTTPResponse | None:
            return await self.handle_request(server, request)

        uri, name = f"/{path}/" if path else "/", f"engineio:{path}"
        app.add_route(engineio, uri, methods=HTTP_METHODS, strict_slashes=False, name=name, stream=True)
        app.listener("before_server_start")(server.runner.started)
        app.listener("before_server_stop")(server.runner.stopping)
        if isinstance(app, Sanic):
            app.enable_websocket()
        else:  # it has no such method, and before its listeners run Sanic has chosen: but any WebSocket route does it
            app.add_websocket_route(_nobody, f"{uri}websocket", host=NOWHERE, name=f"{name}:websocket")

    async def handle_request(self, server: AsyncServer, *args: Any) -> HTTPResponse | None:
        """Handle a :class:`sanic.Request`; return what comes back from the handler."""
        request: Request[Any, Any]
        (request,) = args
        warn_of_compression(server)
        exchange = Exchange(request)
        if exchange.request.websocket is False:
            server.runner.logger.error("Sanic serves no WebSockets: call app.enable_websocket() before it starts")
        try:
            offer = await server.runner.serve(exchange, exchange.shield)
        except asyncio.CancelledError:
            exchange.cancelled()
            raise
        if offer is None:
            await exchange.finish()
            return None
        del exchange  # a WebSocket lives long, and what was asked at its start need not
        return await carry(request, offer)


def warn_of_compression(server: AsyncServer) -> None:
    """Warn once that Sanic's WebSockets are never compressed (row WS-15)."""
    if server.runner.websocket_compression:
        server.runner.websocket_compression = False
        warnings.warn("websocket_compression=True has no effect on Sanic: it has no permessage-deflate", stacklevel=4)


async def _nobody(_request: Any, _websocket: Any) -> None:
    raise AssertionError("the host of this route cannot be named")


integration = SanicIntegration()
register(integration)
