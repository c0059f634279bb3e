"""A chat on Sanic: what anybody says, everybody hears.

::

    pip install eio-sanic
    python sanic_server.py 8000
"""

import sys
from typing import Any

from eio_sanic import AsyncServer
from sanic import Sanic

eio = AsyncServer()
app = Sanic("chat")
eio.attach(app)  # routes /engine.io/, and says goodbye to all clients when the application stops


@eio.on("message")
def message(sid: str, text: Any) -> None:
    eio.broadcast(eio.sockets, f"{sid[:4]}: {text}")


@eio.on("disconnect")
def disconnect(sid: str, reason: str) -> None:
    eio.broadcast(eio.sockets, f"{sid[:4]} has left: {reason}")


if __name__ == "__main__":
    # One process: a session lives in the process that it began in.
    app.run(host="127.0.0.1", port=int(sys.argv[1]), single_process=True)
