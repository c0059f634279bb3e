"""An ASGI server by hand, for scopes and events that no real server gives on demand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import anyio
import anyio.lowlevel

from .clients import TIMEOUT, Response, settle

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

STATUS = {"websocket.accept": 101, "websocket.close": 403}
HANDSHAKE = {"http": b"EIO=4&transport=polling", "websocket": b"EIO=4&transport=websocket"}


def http_scope(kind: str = "http", *, query: bytes | None = None, path: str = "/engine.io/", **more: Any) -> Message:
    """The scope of a handshake, without any extension and with a minimum of headers."""
    return {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http" if kind == "http" else "ws",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": HANDSHAKE[kind] if query is None else query,
        "headers": [(b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 4711),
        "server": ("127.0.0.1", 80),
        **more,
    }


async def call(app: App, scope: Message, *events: Message) -> list[Message]:
    """Run an application until it returns; without ``events``, a bare GET, or a WebSocket that is left at once."""
    if scope["type"] == "http":
        events = events or ({"type": "http.request", "body": b"", "more_body": False},)
    elif scope["type"] == "websocket":
        events = ({"type": "websocket.connect"}, *(events or ({"type": "websocket.disconnect", "code": 1000},)))
    coming = iter(events)
    sent: list[Message] = []

    async def receive() -> Message:
        for event in coming:
            if event["type"] == "websocket.disconnect":
                await settle()  # the application may write what it has
            return event
        await anyio.sleep_forever()
        raise AssertionError("unreachable")

    async def send(message: Message) -> None:
        await anyio.lowlevel.checkpoint()
        sent.append(message)

    with anyio.fail_after(TIMEOUT):
        await app(scope, receive, send)
    return sent


def response_of(messages: list[Message]) -> Response:
    """What a server would have made of the messages that an application sent."""
    status, headers, body = 0, [], b""
    for message in messages:
        headers += [(name.decode(), value.decode("latin-1")) for name, value in message.get("headers", ())]
        status = message.get("status", STATUS.get(message["type"], status))
        body += message.get("body", b"")
    return Response(status, headers, body)


def types_of(messages: list[Message]) -> list[str]:
    return [message["type"] for message in messages]
