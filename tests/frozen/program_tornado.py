"""A program for Tornado, which leaves signals to the program."""

import asyncio
import signal
import socket

import eio_tornado  # noqa: F401 - to import it is all that it takes
from eio_server import AsyncServer
from tornado.httpserver import HTTPServer
from tornado.web import Application

eio = AsyncServer()
eio.on("message", eio.send)
app = Application()
eio.attach(app)


async def main() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    HTTPServer(app).add_socket(listener)
    print(listener.getsockname()[1], eio.async_mode, flush=True)
    await stop.wait()
    await eio.shutdown()


asyncio.run(main())
