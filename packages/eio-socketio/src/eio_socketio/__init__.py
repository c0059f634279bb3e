"""python-socketio on eio.

For a new program, the server with our engine; all else is python-socketio's::

    from aiohttp import web
    from eio_socketio import AsyncServer

    sio = AsyncServer(async_mode="aiohttp")
    app = web.Application()
    sio.attach(app)

    @sio.event
    async def chat(sid, text):
        await sio.emit("chat", text)

For a program that makes its ``socketio.AsyncServer`` somewhere else, one line before that::

    import eio_socketio

    eio_socketio.install()

:func:`uninstall` takes it back. Nothing happens by an import alone.
"""

from .asgi import ASGIApp
from .installing import install, uninstall
from .manager import AsyncManager
from .server import AsyncServer
from .tornado import get_tornado_handler

__all__ = ["ASGIApp", "AsyncManager", "AsyncServer", "get_tornado_handler", "install", "uninstall"]
