"""An echo on ASGI, beside an application of Starlette.

::

    pip install eio-asgi starlette uvicorn websockets
    python asgi_server.py 8000

``uvicorn asgi_server:app`` would do as well, and so would any other ASGI server. uvicorn needs ``websockets`` (or
``wsproto``) to speak WebSocket; without it clients stay on long polling.
"""

import sys
from typing import Any

import uvicorn
from eio_asgi import ASGIApp, AsyncServer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

eio = AsyncServer()


@eio.on("message")
async def message(sid: str, data: Any) -> None:
    await eio.send(sid, data)


async def clients(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{len(eio.sockets)} clients\n")


# Whatever is not below /engine.io/ goes to the other application.
app = ASGIApp(eio, Starlette(routes=[Route("/", clients)]))

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]))
