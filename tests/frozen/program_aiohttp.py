"""A program for aiohttp. It prints its port and its async_mode, which it finds though entry points are left behind."""

import socket

import eio_aiohttp  # noqa: F401 - to import it is all that it takes
from aiohttp import web
from eio_server import AsyncServer

eio = AsyncServer()
eio.on("message", eio.send)
app = web.Application()
eio.attach(app)
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], eio.async_mode, flush=True)
web.run_app(app, sock=listener, print=None)
