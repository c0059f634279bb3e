"""Engine.IO for Sanic.

A whole program; ``attach`` adds the route and wires startup and shutdown::

    from eio_sanic import AsyncServer
    from sanic import Sanic

    eio = AsyncServer()
    app = Sanic("chat")
    eio.attach(app)

    @eio.on("connect")
    async def connect(sid, environ):
        print("connected:", sid, environ["sanic.request"].ip)

    @eio.on("message")
    async def message(sid, data):
        await eio.send(sid, data)

    @eio.on("disconnect")
    def disconnect(sid, reason):
        print("gone:", sid, reason)

    if __name__ == "__main__":
        app.run(port=8080, single_process=True)

A session lives in one process, so there is one: ``single_process=True``, or ``workers=1``.

``eio.attach(blueprint)``, before ``app.blueprint(blueprint)``, serves below the blueprint's ``url_prefix``. Who routes
requests otherwise calls ``await eio.handle_request(request)`` and returns what that returns; the route wants
``stream=True``, for else Sanic reads a body of any size before we are asked, and the application
``app.enable_websocket()``.

Sanic ends a request that has not been answered for ``RESPONSE_TIMEOUT`` seconds, 60 unless it is configured. A poll is
answered after ``ping_interval`` at the latest, 25 seconds: keep that the shorter one of the two.

It is for Sanic's own server. Where an ASGI server runs the application, ``eio_asgi`` can stand before it.
"""

from typing import ClassVar

import eio_server

from .integration import integration

__all__ = ["AsyncServer", "integration"]


class AsyncServer(eio_server.AsyncServer):
    """:class:`eio_server.AsyncServer` on Sanic; ``async_mode`` may be left out."""

    default_async_mode: ClassVar[str] = "sanic"
