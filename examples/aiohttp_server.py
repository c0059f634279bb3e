"""A chat on aiohttp: what anybody says, everybody hears.

::

    pip install eio-aiohttp
    python aiohttp_server.py 8000

In a browser, ``new Socket("ws://127.0.0.1:8000")`` of the npm package engine.io-client joins it.
"""

import sys
from typing import Any

from aiohttp import web
from eio_aiohttp import AsyncServer

eio = AsyncServer()
app = web.Application()
eio.attach(app)  # routes /engine.io/, and says goodbye to all clients when the application stops


@eio.on("connect")
def connect(sid: str, environ: dict[str, Any]) -> None:
    eio.broadcast(eio.sockets, f"{sid[:4]} is here")


@eio.on("message")
def message(sid: str, text: Any) -> None:
    eio.broadcast(eio.sockets, f"{sid[:4]}: {text}")


@eio.on("disconnect")
def disconnect(sid: str, reason: str) -> None:
    eio.broadcast(eio.sockets, f"{sid[:4]} has left: {reason}")


if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]))
