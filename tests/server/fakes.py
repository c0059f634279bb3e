"""A web framework that has no network: its requests, its WebSockets, and its integration."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from eio_core import Request, Response
from eio_server.environ import make_environ
from eio_server.integration import BodyTooLarge, Disconnected

from .runtime import Gate

if TYPE_CHECKING:
    from eio_server import AsyncServer

    from .runtime import ManualRuntime

__all__ = ["FakeExchange", "FakeIntegration", "FakeWebSocket"]

Write = Callable[[str | bytes], Coroutine[Any, Any, object] | None]


class FakeExchange:
    """See :class:`eio_server.integration.Exchange`. Each thing that may take a while has a gate."""

    def __init__(self, request: Request, body: bytes | BaseException = b"") -> None:
        self.request = request
        self.body = body
        """What is read, or what reading raises."""
        self.reading = Gate()
        self.responding = Gate()
        self.entering = Gate()
        self.answers: list[Response] = []
        """What the runner responded with, arrived or not."""
        self.responses: list[Response] = []
        """What was handed to the connection."""
        self.environs = 0
        """How often an environ was made."""
        self.left = False
        """Whether the client went away while it was watched."""
        self._lost: Callable[[], None] | None = None

    def environ(self) -> dict[str, Any]:
        """See :class:`~eio_server.integration.Exchange`."""
        self.environs += 1
        environ = make_environ(
            self.request,
            path="/engine.io/",
            headers=self.request.headers.items(),
            peer=("192.0.2.1", 4711),
            server=("127.0.0.1", 8000),
        )
        environ["fake.exchange"] = self
        return environ

    @asynccontextmanager
    async def watch(self, lost: Callable[[], None]) -> AsyncIterator[None]:
        """See :class:`~eio_server.integration.Exchange`."""
        await self.entering.passed()
        self._lost = lost
        try:
            yield
        finally:
            self._lost = None

    @property
    def watched(self) -> bool:
        """Whether somebody would learn that the client is gone."""
        return self._lost is not None

    def hang_up(self) -> None:
        """The client goes away while it is watched."""
        assert self._lost is not None, "nobody watches"
        lost, self._lost = self._lost, None
        self.left = True
        lost()

    async def read(self, limit: int) -> bytes:
        """See :class:`~eio_server.integration.Exchange`."""
        await self.reading.passed()
        if isinstance(self.body, BaseException):
            raise self.body
        if len(self.body) > limit:
            raise BodyTooLarge
        return self.body

    async def respond(self, response: Response) -> None:
        """See :class:`~eio_server.integration.Exchange`."""
        self.answers.append(response)
        await self.responding.passed()
        self.responses.append(response)


class FakeWebSocket:
    """See :class:`eio_server.integration.WebSocket`. It takes every frame at once, until it is told otherwise."""

    def __init__(self) -> None:
        self.frames: list[str | bytes] = []
        """What was written, to the end."""
        self.writing = Gate()
        """Where writes wait that suspend."""
        self.closing = Gate()
        self.codes: list[int] = []
        """The close codes it was closed with."""
        self.aborts = 0
        self.torn: list[str | bytes] = []
        """What was being written when it was cancelled."""
        self.next_writes: deque[Write] = deque()
        """How the next frames are written; then again as :attr:`every_write`."""
        self.every_write: Write = self.take
        self._busy = False

    def write(self, frame: str | bytes) -> Coroutine[Any, Any, object] | None:
        """See :class:`~eio_server.integration.WebSocket`."""
        assert not self._busy, "two writers at a time"
        assert not self.codes, f"{frame!r} is written behind the close frame"
        return (self.next_writes.popleft() if self.next_writes else self.every_write)(frame)

    async def close(self, code: int) -> None:
        """See :class:`~eio_server.integration.WebSocket`."""
        assert not self._busy, "closed in the middle of a write"
        self.codes.append(code)
        await self.closing.passed()

    def abort(self) -> None:
        """See :class:`~eio_server.integration.WebSocket`."""
        self.aborts += 1

    # ------------------------------------------------------------------------------------------- how to write a frame

    def take(self, frame: str | bytes) -> None:
        """It is taken at once."""
        self.frames.append(frame)

    async def finish(self, frame: str | bytes) -> None:
        """A coroutine that does not wait, as aiohttp's mostly does."""
        self.frames.append(frame)

    async def wait(self, frame: str | bytes) -> None:
        """It waits at the gate: the client reads slowly. The gate may also fail it."""
        self._busy = True
        try:
            await self.writing.passed()
        except BaseException:
            self.torn.append(frame)
            raise
        finally:
            self._busy = False
        self.frames.append(frame)

    def refuse(self, _: str | bytes) -> None:
        """The framework knows at once that the client is gone."""
        raise Disconnected

    async def lose(self, _: str | bytes) -> None:
        """It turns out, without a wait, that the client is gone."""
        raise Disconnected


class FakeIntegration:
    """See :class:`eio_server.integration.Integration`."""

    distribution = "eio-fake"

    def __init__(self, runtime: ManualRuntime, name: str = "fake") -> None:
        self.name = name
        self.runtime = runtime
        self.attached: list[tuple[Any, str]] = []

    def make_runtime(self) -> ManualRuntime:
        """Always the same."""
        return self.runtime

    def attach(self, server: AsyncServer, app: Any, path: str) -> None:
        """Remember it."""
        self.attached.append((app, path))

    async def handle_request(self, server: AsyncServer, *args: Any, **kwargs: Any) -> Any:
        """Serve a FakeExchange, and return what was asked."""
        (exchange,) = args
        await server.runner.serve(exchange)
        return exchange.responses, kwargs
