"""Engine.IO for Tornado.

A whole program; ``attach`` adds the route::

    import asyncio

    from eio_tornado import AsyncServer
    from tornado.web import Application

    eio = AsyncServer()

    @eio.on("connect")
    async def connect(sid, environ):
        print("connected:", sid, environ["tornado.handler"].request.remote_ip)

    @eio.on("message")
    async def message(sid, data):
        await eio.send(sid, data)

    @eio.on("disconnect")
    def disconnect(sid, reason):
        print("gone:", sid, reason)

    app = Application()
    eio.attach(app)

    async def main():
        app.listen(8080)
        await asyncio.Event().wait()

    if __name__ == "__main__":
        asyncio.run(main())

Who builds the routing table: ``(r"/engine\\.io/?", get_tornado_handler(eio))``. Tornado tells nobody that it is about
to stop: a program that ends should ``await eio.shutdown()``, which says goodbye to every client.
"""

from typing import ClassVar

import eio_server

from .handler import get_tornado_handler
from .integration import integration

__all__ = ["AsyncServer", "get_tornado_handler", "integration"]


class AsyncServer(eio_server.AsyncServer):
    """:class:`eio_server.AsyncServer` on Tornado; ``async_mode`` may be left out."""

    default_async_mode: ClassVar[str] = "tornado"
