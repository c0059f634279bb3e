"""aiohttp."""

from __future__ import annotations

from aiohttp import WSMsgType, web

from . import BROADCASTS, KIND, PATH, PORT, engine

waiting: dict[str, str] = {}
"""What was posted and not fetched yet; the same bytes as an Engine.IO payload."""
everybody: set[web.WebSocketResponse] = set()


async def websocket(request: web.Request) -> web.WebSocketResponse:
    """Send back what comes, or send it to everybody."""
    response = web.WebSocketResponse(compress=False)
    await response.prepare(request)
    everybody.add(response)
    async for message in response:
        if message.type is WSMsgType.TEXT:
            if BROADCASTS:
                for other in everybody:
                    await other.send_str(message.data)
            else:
                await response.send_str(message.data)
    everybody.discard(response)
    return response


async def raw(request: web.Request) -> web.StreamResponse:
    """A WebSocket, or one of the two requests of a polling cycle."""
    sid = request.query.get("sid", "")
    if request.query["transport"] == "websocket":
        return await websocket(request)
    if request.method == "POST":
        waiting[sid] = await request.text()
        return web.Response(text="ok")
    return web.Response(text=waiting.pop(sid, "0"))


def main() -> None:
    """Serve."""
    app = web.Application()
    if KIND == "raw":
        app.router.add_get("/engine.io/", raw)
        app.router.add_post("/engine.io/", raw)
    else:
        engine("aiohttp").attach(app, PATH)
    web.run_app(app, host="127.0.0.1", port=PORT, access_log=None, print=None)


if __name__ == "__main__":
    main()
