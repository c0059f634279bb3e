"""What eio-server asks of a web framework, answered for ASGI."""

from __future__ import annotations

import warnings
from typing import Any
from weakref import WeakSet

from eio_server import AsyncServer
from eio_server.asyncio_runtime import AsyncioRuntime
from eio_server.integration import register
from eio_server.runtime import Runtime

from .asgi import Receive, Scope, Send, in_trio
from .exchange import Exchange
from .websocket import carry

__all__ = ["AsgiIntegration", "integration"]


class AsgiIntegration:
    """See :class:`eio_server.integration.Integration`."""

    name = "asgi"
    distribution = "eio-asgi"

    def __init__(self) -> None:
        self._warned: WeakSet[AsyncServer] = WeakSet()

    def make_runtime(self) -> Runtime:
        """The runtime on the event loop that runs now: trio's, or asyncio's or uvloop's."""
        if not in_trio():
            return AsyncioRuntime()
        from .trio_runtime import TrioRuntime  # noqa: PLC0415 - without trio nobody comes here

        return TrioRuntime()

    def attach(self, server: AsyncServer, app: Any, path: str) -> None:
        """Refuse: an ASGI application has no common way to add a route.

        :raises TypeError: always.
        """
        raise TypeError(
            f"attach() has nothing to attach to in ASGI: wrap the application instead, "
            f"app = eio_asgi.ASGIApp(server, {type(app).__name__.lower()}, engineio_path={path!r})"
        )

    async def handle_request(self, server: AsyncServer, *args: Any, **kwargs: Any) -> None:
        """Handle ``scope``, ``receive`` and ``send`` of an HTTP request or a WebSocket."""
        scope, receive, send = _three(*args, **kwargs)
        runner = server.runner
        self.check_compression(server)
        exchange = Exchange(runner, scope, receive, send)
        if not exchange.request.websocket:
            try:
                await runner.serve(exchange)
                await exchange.end()
            finally:
                exchange.over()
            return
        await receive()  # websocket.connect, always the first
        offer = await runner.serve(exchange)
        if offer is not None:
            receive = exchange.inbox.fastest()
            del exchange, scope, args, kwargs  # a WebSocket lives long, and what was asked at its start need not
            await carry(offer, runner.runtime, receive, send)
        else:
            await exchange.end()

    def check_compression(self, server: AsyncServer) -> None:
        """Warn once that nothing here can compress WebSocket messages (row WS-15)."""
        if server.runner.websocket_compression and server not in self._warned:
            self._warned.add(server)
            warnings.warn(
                "websocket_compression=True has no effect on ASGI, where permessage-deflate is a setting of the web "
                "server, such as uvicorn's --ws-per-message-deflate",
                stacklevel=3,
            )


def _three(scope: Scope, receive: Receive, send: Send) -> tuple[Scope, Receive, Send]:
    """By position or, as daphne calls, by name."""
    return scope, receive, send


integration = AsgiIntegration()
register(integration)
