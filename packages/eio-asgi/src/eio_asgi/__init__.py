"""Engine.IO for ASGI servers, on asyncio and on trio.

A whole program, which ``uvicorn program:app`` serves::

    from eio_asgi import ASGIApp, AsyncServer

    eio = AsyncServer()
    app = ASGIApp(eio)

    @eio.on("connect")
    async def connect(sid, environ):
        print("connected:", sid, environ["asgi.scope"]["client"])

    @eio.on("message")
    async def message(sid, data):
        await eio.send(sid, data)

    @eio.on("disconnect")
    def disconnect(sid, reason):
        print("gone:", sid, reason)

``ASGIApp(eio, other)`` stands before another application, and ``Mount("/chat", ASGIApp(eio))`` in Starlette or FastAPI
serves ``/chat/engine.io/``. Who routes requests otherwise calls ``await eio.handle_request(scope, receive, send)``.
"""

from typing import ClassVar

import eio_server

from .application import ASGIApp
from .integration import integration

__all__ = ["ASGIApp", "AsyncServer", "integration"]


class AsyncServer(eio_server.AsyncServer):
    """:class:`eio_server.AsyncServer` on ASGI; ``async_mode`` may be left out."""

    default_async_mode: ClassVar[str] = "asgi"
