"""A program for ASGI, on uvicorn."""

import socket

import uvicorn
from eio_asgi import ASGIApp
from eio_server import AsyncServer

eio = AsyncServer()
eio.on("message", eio.send)
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], eio.async_mode, flush=True)
uvicorn.Server(uvicorn.Config(ASGIApp(eio), log_level="warning")).run(sockets=[listener])
