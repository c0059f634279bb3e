"""An application of python-socketio's, which knows nothing of eio: what the clients in this folder talk to."""

from __future__ import annotations

from typing import Any

import socketio  # type: ignore[import-untyped]


class Application:
    """The handlers of a Socket.IO server, and what they saw."""

    def __init__(self, sio: socketio.AsyncServer) -> None:
        self.sio = sio
        self.events: list[tuple[str, str]] = []
        """Connects and disconnects, with the session id, and the reason after a colon."""
        self.environs: dict[str, dict[str, Any]] = {}
        sio.on("connect", self.connect)
        sio.on("disconnect", self.disconnect)
        for handler in (self.echo, self.say, self.ask, self.join, self.leave, self.tell, self.count, self.kick):
            sio.on(handler.__name__, handler)
        sio.on("who", self.who)
        sio.on("connect", self.connect_elsewhere, namespace="/elsewhere")
        sio.on("echo", self.echo_elsewhere, namespace="/elsewhere")

    async def connect(self, sid: str, environ: dict[str, Any], auth: Any) -> None:
        if auth and "refuse" in auth:
            raise socketio.exceptions.ConnectionRefusedError("not you", {"because": auth["refuse"]})
        self.environs[sid] = environ
        self.events.append(("connect", sid))
        await self.sio.save_session(sid, {"auth": auth})

    def disconnect(self, sid: str, reason: str) -> None:
        self.events.append((f"disconnect: {reason}", sid))

    async def echo(self, sid: str, *args: Any) -> tuple[Any, ...]:
        """Acknowledge with what came."""
        return args

    async def say(self, sid: str, *args: Any) -> None:
        """Emit what came."""
        await self.sio.emit("said", args, to=sid)

    async def ask(self, sid: str, question: Any) -> Any:
        """Ask the client back, and give its own answer."""
        return await self.sio.call("question", question, to=sid)

    async def join(self, sid: str, room: str) -> None:
        await self.sio.enter_room(sid, room)

    async def leave(self, sid: str, room: str) -> None:
        await self.sio.leave_room(sid, room)

    async def tell(self, sid: str, room: str, *args: Any) -> None:
        """Emit to all others in a room, or in several."""
        await self.sio.emit("told", args, room=room, skip_sid=sid)

    async def count(self, sid: str, room: str, numbers: int) -> None:
        """Emit numbers to a room, each with two attachments, without a pause."""
        for number in range(numbers):
            await self.sio.emit("number", (number, b"%d" % number, {"again": b"%d" % number}), room=room)

    async def kick(self, sid: str) -> None:
        await self.sio.disconnect(sid)

    async def who(self, sid: str) -> dict[str, Any]:
        """What the server knows of the client."""
        return {
            "sid": sid,
            "session": await self.sio.get_session(sid),
            "transport": self.sio.transport(sid),
            "rooms": sorted(self.sio.rooms(sid)),
        }

    async def connect_elsewhere(self, sid: str, environ: dict[str, Any], auth: Any) -> None:
        await self.sio.emit("hello", auth, to=sid, namespace="/elsewhere")

    async def echo_elsewhere(self, sid: str, *args: Any) -> Any:
        return ["elsewhere", *args]
