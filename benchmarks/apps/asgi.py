"""ASGI, for any server: ``app`` is what it serves."""

from __future__ import annotations

from importlib import import_module
from typing import Any
from urllib.parse import parse_qs

from . import BROADCASTS, KIND, PATH, SOCKETIO, engine

waiting: dict[str, bytes] = {}
everybody: set[Any] = set()


async def websocket(receive: Any, send: Any) -> None:
    """Send back what comes, or send it to everybody."""
    await receive()
    await send({"type": "websocket.accept"})
    everybody.add(send)
    while (message := await receive())["type"] == "websocket.receive":
        answer = {"type": "websocket.send", "text": message["text"]}
        if BROADCASTS:
            for other in everybody:
                await other(answer)
        else:
            await send(answer)
    everybody.discard(send)


async def lifespan(receive: Any, send: Any) -> None:
    """Nothing to start, nothing to stop."""
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def raw(scope: Any, receive: Any, send: Any) -> None:
    """A WebSocket, or one of the two requests of a polling cycle."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    if scope["type"] == "websocket":
        await websocket(receive, send)
        return
    sid = parse_qs(scope["query_string"].decode()).get("sid", [""])[0]
    if scope["method"] == "POST":
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        waiting[sid], answer = body, b"ok"
    else:
        answer = waiting.pop(sid, b"0")
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


def make() -> Any:
    """The application of this kind."""
    if KIND == "raw":
        return raw
    module = SOCKETIO.get(KIND) or ("engineio" if KIND == "engineio" else "eio_asgi")
    return import_module(module).ASGIApp(engine("asgi"), None, None, PATH)


app = make()
