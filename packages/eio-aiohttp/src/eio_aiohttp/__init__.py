"""Engine.IO for aiohttp.

A whole program; ``attach`` adds the routes and wires startup and shutdown::

    from aiohttp import web
    from eio_aiohttp import AsyncServer

    eio = AsyncServer()

    @eio.on("connect")
    async def connect(sid, environ):
        print("connected:", sid, environ["aiohttp.request"].remote)

    @eio.on("message")
    async def message(sid, data):
        await eio.send(sid, data)

    @eio.on("disconnect")
    def disconnect(sid, reason):
        print("gone:", sid, reason)

    app = web.Application()
    eio.attach(app)

    if __name__ == "__main__":
        web.run_app(app)

``eio.attach(subapp)``, before ``app.add_subapp("/chat", subapp)``, serves ``/chat/engine.io/``. Who routes requests
otherwise calls ``await eio.handle_request(request)``, which returns aiohttp's response.
"""

from typing import ClassVar

import eio_server

from .integration import integration

__all__ = ["AsyncServer", "integration"]


class AsyncServer(eio_server.AsyncServer):
    """:class:`eio_server.AsyncServer` on aiohttp; ``async_mode`` may be left out."""

    default_async_mode: ClassVar[str] = "aiohttp"
