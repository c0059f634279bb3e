"""Tornado."""

from __future__ import annotations

import asyncio
import signal
from importlib import import_module
from typing import Any

from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

from . import BROADCASTS, KIND, PORT, engine

waiting: dict[str, bytes] = {}
everybody: set[WebSocketHandler] = set()


class Raw(WebSocketHandler):
    """A WebSocket, or one of the two requests of a polling cycle."""

    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Answer a poll, or become a WebSocket."""
        if self.get_query_argument("transport") == "websocket":
            await super().get(*args, **kwargs)
        else:
            await self.finish(waiting.pop(self.get_query_argument("sid", ""), b"0"))

    async def post(self) -> None:
        """Take a message."""
        waiting[self.get_query_argument("sid", "")] = self.request.body
        await self.finish("ok")

    def open(self, *_: str, **__: str) -> None:
        """Join."""
        self.set_nodelay(True)
        everybody.add(self)

    def on_message(self, message: str | bytes) -> None:
        """Send it back, or to everybody; what the write returns is not awaited."""
        for other in everybody if BROADCASTS else (self,):
            other.write_message(message)

    def on_close(self) -> None:
        """Leave."""
        everybody.discard(self)

    def check_origin(self, origin: str) -> bool:
        """Anybody."""
        return True


def handler(eio: Any) -> type[RequestHandler]:
    """The handler of this kind."""
    if KIND == "raw":
        return Raw
    module = import_module("engineio" if KIND == "engineio" else "eio_tornado")
    return module.get_tornado_handler(eio)  # type: ignore[no-any-return]


async def main() -> None:
    """Serve, until a signal comes; then say goodbye, for Tornado itself tells nobody."""
    eio = None if KIND == "raw" else engine("tornado")
    server = Application([("/engine.io/", handler(eio))], log_function=lambda _: None).listen(PORT, "127.0.0.1")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    server.stop()
    if eio is not None:
        await eio.shutdown()
    await server.close_all_connections()


if __name__ == "__main__":
    asyncio.run(main())
