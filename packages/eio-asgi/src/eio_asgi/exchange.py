"""A scope of ASGI as the runner sees it, and the response to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Any

import anyio
from eio_core import Request, Response, headers_from_wire
from eio_server import watch
from eio_server.endings import LINGER, unanswered
from eio_server.environ import make_environ
from eio_server.integration import BodyTooLarge, Disconnected
from eio_server.runner import Runner

from .asgi import Inbox, Message, Receive, Scope, Send, lost, path_below_mount

__all__ = ["Exchange"]

HELD = 64 * 1024
"""Bytes of a body that may arrive while nobody reads it, before the server is left to hold the rest back."""

_SCHEMES = {"ws": "http", "wss": "https"}


class Exchange:
    """See :class:`eio_server.integration.Exchange`."""

    __slots__ = ("_answered", "_complete", "_runner", "_scope", "_send", "_valve", "gone", "inbox", "request")

    def __init__(self, runner: Runner, scope: Scope, receive: Receive, send: Send) -> None:
        self._runner = runner
        self._scope = scope
        self._send = send
        self._valve: Valve | None = None
        self.inbox = Inbox(receive)
        self.gone = False
        self._answered = False
        self._complete = False
        """Whether all of the body was read."""
        scheme = scope.get("scheme") or "http"
        self.request = Request(
            scope.get("method", "GET"),
            scope.get("query_string", b"").decode("latin-1"),
            headers_from_wire(scope["headers"]),
            _SCHEMES.get(scheme, scheme),
            scope["type"] == "websocket",  # over HTTP/2 no header tells (row WS-21)
            scope.get("http_version") or "1.1",
        )

    def environ(self) -> dict[str, Any]:
        """See :class:`eio_server.integration.Exchange`; ``asgi.scope``, ``asgi.receive``, ``asgi.send`` are in it."""
        scope = self._scope
        raw_path = scope.get("raw_path")
        environ = make_environ(
            self.request,
            path=_wsgi(path_below_mount(scope)),
            headers=((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
            peer=scope.get("client"),
            server=scope.get("server"),
            script_name=_wsgi(scope.get("root_path", "").rstrip("/")),
            raw_path=raw_path.decode("latin-1") if raw_path else None,
        )
        if self._valve is None:
            self._valve = Valve(self.inbox.receive, self._send)
        environ["asgi.scope"] = scope
        environ["asgi.receive"] = self._valve.receive
        environ["asgi.send"] = self._valve.send
        return environ

    def watch(self, lost: Callable[[], None]) -> Watch:
        """See :class:`eio_server.integration.Exchange`."""
        return Watch(self, self._runner, lost)

    async def read(self, limit: int) -> bytes:
        """See :class:`eio_server.integration.Exchange`."""
        body = bytearray()
        while not self._complete:
            message = await self.inbox.receive()
            if message["type"] == "http.disconnect":
                self.gone = True
                raise Disconnected
            self._complete = not message.get("more_body", False)
            body += message.get("body", b"")
            if len(body) > limit:
                raise BodyTooLarge
        return bytes(body)

    async def respond(self, response: Response) -> None:
        """See :class:`eio_server.integration.Exchange`. Of an HTTP response no server tells whether it was written."""
        if self.gone:
            raise Disconnected
        await self._respond(response)

    async def end(self) -> None:
        """Make sure that there was an answer: servers and middleware complain if there is none, even to nobody."""
        if not self._answered:
            with contextlib.suppress(Disconnected):
                await self._respond(unanswered(self.request))

    async def _respond(self, response: Response) -> None:
        self._answered = True
        try:
            if not self.request.websocket:
                await self._write("http.response", response)
            elif "websocket.http.response" in (self._scope.get("extensions") or ()):
                await self._write("websocket.http.response", response)
                await self._runner.runtime.turn()  # uvicorn complains of us if we return before it has closed
            else:
                await self._send({"type": "websocket.close"})  # a 403 without a body (row IN-3)
        except lost(websocket=self.request.websocket is True) as error:
            raise Disconnected from error
        except Exception as error:
            if self.request.websocket and await self._refused_by_server():
                raise Disconnected from error
            raise

    async def _refused_by_server(self) -> bool:
        """Whether the WebSocket is over already: at its stop uvicorn answers before us, and raises what it likes."""
        with anyio.move_on_after(LINGER), contextlib.suppress(OSError):
            while not self.gone:
                self.gone = (await self.inbox.receive())["type"] == "websocket.disconnect"
        return self.gone

    async def _write(self, kind: str, response: Response) -> None:
        await self._send({"type": kind + ".start", "status": response.status, "headers": response.wire_headers()})
        body = response.body
        if not self._complete and self.request.method != "GET" and self._declares_body():
            await self._send({"type": kind + ".body", "body": body, "more_body": True})
            body = b""
            await self._drop_rest()
        await self._send({"type": kind + ".body", "body": body, "more_body": False})

    def _declares_body(self) -> bool:
        length = self.request.headers.get("content-length", "0")
        return length != "0" or any(name.lower() == b"transfer-encoding" for name, _ in self._scope["headers"])

    async def _drop_rest(self) -> None:
        """Read what is on its way of a body: with the end of the response many servers close its connection."""
        with anyio.move_on_after(LINGER), contextlib.suppress(Disconnected):
            while not self._complete and not self.gone:
                with contextlib.suppress(BodyTooLarge):
                    await self.read(0)

    def over(self) -> None:
        """The request was handled: from now on nothing holds the connection by way of the environ."""
        if self._valve is not None:
            self._valve.shut()


class Watch(watch.Watch):
    """While it is entered, a task of the server's receives, and so finds that the client is gone (rows IN-1, HS-26).

    A task and its cancellation cost 22 µs on asyncio, where a task group of anyio's costs 170.
    """

    __slots__ = ("_exchange", "_lost", "_runner", "_task")

    def __init__(self, exchange: Exchange, runner: Runner, lost: Callable[[], None]) -> None:
        self._exchange = exchange
        self._runner = runner
        self._lost = lost
        self._task: Any = None

    async def __aenter__(self) -> None:
        if self._exchange.gone:
            self.tell()
            return
        runtime = self._runner.runtime
        if runtime.library == "asyncio":  # a bare task, for it ends with us: half the price
            self._task = asyncio.create_task(self._look())
        else:
            self._task = runtime.spawn(self._look())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lost = None
        task, self._task = self._task, None  # which would hold us by the traceback of its cancellation
        if task is not None:
            task.cancel()

    async def _look(self) -> None:
        inbox, held = self._exchange.inbox, 0
        try:
            while held <= HELD:
                message = await inbox.receive_new()
                if message["type"] in ("http.disconnect", "websocket.disconnect"):
                    break
                inbox.give_back(message)
                held += len(message.get("body", b""))
            else:
                return
        except OSError:
            pass
        self._exchange.gone = True
        self.tell()


class Valve:
    """``asgi.receive`` and ``asgi.send`` of an environ, which applications keep longer than a request lasts."""

    __slots__ = ("_receive", "_send")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive: Receive | None = receive
        self._send: Send | None = send

    async def receive(self) -> Message:
        """The next message of the request, after its end a disconnect."""
        return {"type": "http.disconnect"} if self._receive is None else await self._receive()

    async def send(self, message: Message) -> None:
        """Send a message, after the end of the request nowhere."""
        if self._send is not None:
            await self._send(message)

    def shut(self) -> None:
        """The request is over."""
        self._receive = self._send = None


def _wsgi(path: str) -> str:
    """A decoded path as WSGI has it: its bytes as latin-1 text."""
    return path if path.isascii() else path.encode("utf-8", "replace").decode("latin-1")
