"""``examples/custom_server.py`` behind that part of AsyncServer's API by which tests of the wire drive a server.

It only translates: session ids to sessions, handlers by name to methods, arguments to settings. What AsyncServer does
by itself is not imitated; tests of that have the marker ``api``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from contextvars import copy_context
from importlib import import_module
from typing import Any

from eio_core import Encoded, Reason, Session, SessionClosed, Settings, policy_of
from eio_server.asyncio_runtime import AsyncioRuntime

custom_server: Any = import_module("examples.custom_server")

IGNORED = {"async_handlers", "decode_json", "logger"}
"""Arguments that are AsyncServer's own and change nothing that a client could see."""


def setting(name: str) -> Any:
    """A setting of the engine, as an attribute."""

    def get(server: EmbeddedServer) -> Any:
        return getattr(server.application.engine.settings, name)

    def change(server: EmbeddedServer, value: Any) -> None:
        setattr(server.application.engine.settings, name, value)

    return property(get, change)


class EmbeddedServer:
    """What a test takes for an AsyncServer."""

    reason = Reason

    def __init__(self, **options: Any) -> None:
        self.application = Application(settings(**options))
        self.sockets = self.application.sockets
        self.serve = self.application.serve
        self.shutdown = self.application.tell

    def on(self, event: str, handler: Callable[..., Any]) -> None:
        self.application.handlers[event] = handler

    async def send(self, sid: str, data: object) -> None:
        if sid in self.sockets:
            with suppress(SessionClosed):
                self.application.send(self.sockets[sid], data)

    def broadcast(self, sids: Iterable[str], data: object) -> None:
        encoded = Encoded(data)
        for sid in sids:
            if sid in self.sockets:
                self.application.send(self.sockets[sid], encoded)

    async def disconnect(self, sid: str | None = None) -> None:
        for session in [session for one, session in self.sockets.items() if sid in {None, one}]:
            self.application.close(session)

    def transport(self, sid: str) -> str:
        return self.sockets[sid].transport

    def buffered(self, sid: str) -> int:
        return self.sockets[sid].buffered

    ping_interval = setting("ping_interval")
    ping_timeout = setting("ping_timeout")


class Application(custom_server.Server):  # type: ignore[misc]
    """An application that calls handlers. A handler that has to wait does so in a task."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.sockets: dict[str, Session] = {}
        self.handlers: dict[str, Callable[..., Any]] = {}
        self._tasks: set[asyncio.Future[object]] = set()

    def connect(self, session: Session, connection: Any) -> None:
        async def decide() -> None:
            accepted = await self._call("connect", session.sid, {})
            if accepted is None or accepted is True:
                self.accept(session)
            else:
                del self.sockets[session.sid]
                self.reject(session)

        self.sockets[session.sid] = session
        self._start(decide())

    def message(self, session: Session, data: str | bytes) -> None:
        self._start(self._call("message", session.sid, data))

    def disconnect(self, session: Session, reason: str) -> None:
        async def disconnect() -> None:
            await self._call("disconnect", session.sid, reason)
            del self.sockets[session.sid]

        self._start(disconnect())

    async def _call(self, event: str, *args: Any) -> Any:
        result = self.handlers[event](*args) if event in self.handlers else None
        return await result if isinstance(result, Awaitable) else result

    def _start(self, coroutine: Any) -> None:
        done, rest = AsyncioRuntime().step(coroutine, copy_context())
        if not done:
            task = asyncio.ensure_future(rest)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


def settings(
    *,
    ping_interval: float | tuple[float, float] = 25,
    transports: str | Iterable[str] | None = None,
    cors_allowed_origins: str | Iterable[str] | None = None,
    **options: Any,
) -> Settings:
    """The settings that AsyncServer makes of its arguments."""
    result = Settings(**{name: value for name, value in options.items() if name not in IGNORED})
    if isinstance(ping_interval, tuple):
        ping_interval, result.ping_grace = ping_interval
    result.ping_interval = ping_interval
    if transports is not None:
        result.transports = (transports,) if isinstance(transports, str) else tuple(transports)
    if cors_allowed_origins is not None:
        allowed = [cors_allowed_origins] if isinstance(cors_allowed_origins, str) else cors_allowed_origins
        result.origins = policy_of(allowed)
    return result
