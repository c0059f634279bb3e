"""Sanic."""

from __future__ import annotations

from typing import Any

from sanic import Request, Sanic, Websocket
from sanic.response import HTTPResponse, raw

from . import BROADCASTS, KIND, PORT, engine

waiting: dict[str, bytes] = {}
everybody: set[Websocket] = set()


async def websocket(request: Request, ws: Websocket) -> None:
    """Send back what comes, or send it to everybody."""
    everybody.add(ws)
    try:
        async for message in ws:
            if BROADCASTS:
                for other in everybody:
                    await other.send(message)
            else:
                await ws.send(message)
    finally:  # Sanic cancels it when the client has gone
        everybody.discard(ws)


async def polling(request: Request) -> HTTPResponse:
    """One of the two requests of a polling cycle."""
    sid = request.args.get("sid", "")
    if request.method == "POST":
        waiting[sid] = request.body
        return raw("ok", content_type="text/plain; charset=utf-8")
    return raw(waiting.pop(sid, b"0"), content_type="text/plain; charset=utf-8")


def make() -> Sanic[Any, Any]:
    """The application of this kind. Sanic cannot have both on one path: the load asks for the other by its path."""
    app: Sanic[Any, Any] = Sanic("bench", configure_logging=False)
    app.config.ACCESS_LOG = False
    if KIND == "raw":
        app.add_websocket_route(websocket, "/engine.io/")
        app.add_route(polling, "/polling/", methods=["GET", "POST"])
    else:
        app.config.CORS_AUTOMATIC_OPTIONS = True  # asked for by python-engineio
        engine("sanic").attach(app)
    return app


if __name__ == "__main__":
    make().run("127.0.0.1", PORT, single_process=True, motd=False, access_log=False)
