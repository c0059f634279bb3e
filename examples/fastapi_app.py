"""Notifications with FastAPI: ``POST /notify?text=...`` reaches every client; clients get an echo of what they send.

::

    pip install eio-asgi fastapi uvicorn websockets
    python fastapi_app.py 8000
    curl -X POST "http://127.0.0.1:8000/notify?text=hello"
"""

import sys
from typing import Any

import uvicorn
from eio_asgi import ASGIApp, AsyncServer
from fastapi import FastAPI

api = FastAPI()
eio = AsyncServer()
app = ASGIApp(eio, api)  # this is what the server runs: in front of FastAPI, so that its middlewares do not slow us


@eio.on("message")
async def message(sid: str, data: Any) -> None:
    await eio.send(sid, data)


@api.post("/notify")
async def notify(text: str) -> dict[str, int]:
    eio.broadcast(eio.sockets, text)  # waits for nobody, however slow a client is
    return {"clients": len(eio.sockets)}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]))
