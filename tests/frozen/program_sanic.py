"""A program for Sanic, whose one process is the program itself."""

import socket

import eio_sanic  # noqa: F401 - to import it is all that it takes
from eio_server import AsyncServer
from sanic import Sanic

eio = AsyncServer()
eio.on("message", eio.send)
app = Sanic("frozen", configure_logging=False)
app.config.TOUCHUP = False  # it rewrites its own sources, which an executable does not have
eio.attach(app)
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], eio.async_mode, flush=True)
app.run(sock=listener, single_process=True, motd=False, access_log=False)
