"""A running server as a test sees it: a client of it, what its application saw, and what must be true afterwards."""

from __future__ import annotations

import gc
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import anyio

from .clients import TIMEOUT, Client, settle
from .servers import Gap

if TYPE_CHECKING:
    from eio_core import Session
    from eio_server import AsyncServer

    from .servers import Server


class Serve(Protocol):
    """The fixture ``serve``: starts the server with these options of AsyncServer."""

    def __call__(
        self,
        *,
        app: Callable[[AsyncServer], Any] | None = None,
        check: bool = True,
        pem: Path | None = None,
        **options: Any,
    ) -> AbstractAsyncContextManager[Site]: ...


class Seen:
    """What the handlers of the application saw, in order.

    A test that registers handlers of its own for connect or disconnect calls these from there.
    """

    def __init__(self) -> None:
        self.events: list[tuple[str, str, Any]] = []
        self.environs: dict[str, dict[str, Any]] = {}
        self.live: set[str] = set()
        self._news = anyio.Event()

    def register(self, eio: AsyncServer) -> None:
        eio.on("connect", self.connect)
        eio.on("message", self.message)
        eio.on("disconnect", self.disconnect)

    def connect(self, sid: str, environ: dict[str, Any]) -> None:
        self.live.add(sid)
        self.environs[sid] = environ
        self._add("connect", sid)

    def message(self, sid: str, data: Any) -> None:
        self._add("message", sid, data)

    def disconnect(self, sid: str, reason: str) -> None:
        self.live.discard(sid)
        self._add("disconnect", sid, reason)

    @property
    def environ(self) -> dict[str, Any]:
        """The environ of the latest connect."""
        return self.environs[next(reversed(self.environs))]

    def of(self, sid: str) -> list[tuple[str, Any]]:
        """The events of one session after its connect."""
        events = [(kind, value) for kind, one, value in self.events if one == sid]
        assert events[0] == ("connect", None), events
        return events[1:]

    def messages(self, sid: str) -> list[Any]:
        return [value for kind, one, value in self.events if one == sid and kind == "message"]

    async def until(self, kind: str, sid: str, value: Any = None) -> None:
        """Wait for an event that may have been seen already."""
        with anyio.move_on_after(TIMEOUT):
            while (kind, sid, value) not in self.events:
                await self._news.wait()
        assert (kind, sid, value) in self.events, f"{kind} {value!r} is missing in {self.events}"

    async def closed(self, sid: str) -> str:
        """Wait for the disconnect event of a session; its reason."""
        await eventually(lambda: any(kind == "disconnect" and one == sid for kind, one, _ in self.events))
        (reason,) = (value for kind, one, value in self.events if one == sid and kind == "disconnect")
        return str(reason)

    def verify(self) -> None:
        """Connect first, disconnect last, each exactly once, for every session."""
        for sid in {sid for _, sid, _ in self.events}:
            kinds = [kind for kind, one, _ in self.events if one == sid]
            assert kinds == ["connect", *["message"] * (len(kinds) - 2), "disconnect"], kinds

    def _add(self, kind: str, sid: str, value: Any = None) -> None:
        self.events.append((kind, sid, value))
        self._news.set()
        self._news = anyio.Event()


class Site(Client):
    """A client of a server under test, with that server at hand."""

    def __init__(self, server: Server, eio: AsyncServer, port: int, *, polling: bool, tls: bool) -> None:
        super().__init__(port)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        self.server = server
        self.eio = eio
        self.polling = polling
        self.kept = 0
        """How many connections the server keeps although their clients are gone, because of a gap of it."""
        self.reasons = Gap.REFUSES_WITHOUT_A_REASON not in server.gaps
        self.seen = Seen()
        self.seen.register(eio)

    def code(self, code: int) -> int:
        """What arrives of a close code of ours (WS-22)."""
        return 1000 if Gap.KNOWS_ONE_CLOSE_CODE in self.server.gaps else code

    def core(self, sid: str) -> Session:
        """The core's side of a session; where there is no AsyncServer, nothing stands before it."""
        socket: Any = self.eio.sockets[sid]
        session: Session = getattr(socket, "core", socket)
        return session

    async def check(self) -> None:
        """The sessions that are open are those that ``sockets`` shows, and a fresh client is served."""
        self.seen.register(self.eio)
        await eventually(lambda: set(self.eio.sockets) == self.seen.live)
        if self.polling:
            session = await self.handshake()
            sid = session.sid
            assert (await session.post("4fresh")).body == b"ok"
            await self.seen.until("message", sid, "fresh")
            assert (await session.post("1")).body == b"ok"
        else:
            websocket = await self.websocket()
            sid = websocket.sid
            await websocket.send("4fresh")
            await self.seen.until("message", sid, "fresh")
            await websocket.send("1")
            assert await websocket.closed() == 1000
        await self.seen.until("disconnect", sid, "client disconnect")


@asynccontextmanager
async def serving(
    server: Server,
    *,
    app: Callable[[AsyncServer], Any] | None = None,
    check: bool = True,
    pem: Path | None = None,
    **options: Any,
) -> AsyncIterator[Site]:
    """Serve, with TLS if there is a certificate, and see afterwards that nothing is left over.

    Over TLS there is no ``check``: its client speaks none.
    """
    before = {task.id for task in anyio.get_running_tasks()}
    eio = server.make(**options)
    async with server.run((app or server.application)(eio), pem) as port:
        site = Site(server, eio, port, polling="polling" in (options.get("transports") or ["polling"]), tls=bool(pem))
        try:
            yield site
            if check and not pem:
                await site.check()
        finally:
            site.close()
        await eio.shutdown(timeout=0)
    await eventually(lambda: not [task for task in anyio.get_running_tasks() if task.id not in before])
    assert len(eio.sockets) == 0
    site.seen.verify()
    del eio, site
    gc.collect()  # an exception that nobody retrieved is reported by its collection
    gc.freeze()  # so that the next one is quick
    await settle()


async def eventually(condition: Callable[[], object], limit: float = TIMEOUT) -> None:
    """Wait until something is true that no event tells."""
    with anyio.move_on_after(limit):
        while not condition():  # noqa: ASYNC110
            await anyio.sleep(0.005)
    assert condition()


class Logs(logging.Handler):
    """Collects what is logged; tracebacks that no test asked for, and errors of frameworks, fail the test."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.allowed: tuple[type[BaseException], ...] = ()

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def allow(self, *exceptions: type[BaseException]) -> None:
        """Tracebacks of these may be logged."""
        self.allowed += exceptions

    def tracebacks(self, exception: type[BaseException]) -> list[logging.LogRecord]:
        """The records with a traceback of this exception, which are thereby asked for."""
        self.allow(exception)
        return [record for record in self.records if isinstance(self._exception(record), exception)]

    def lines(self, level: int = logging.NOTSET) -> list[str]:
        return [record.getMessage() for record in self.records if record.levelno >= level]

    def verify(self) -> None:
        for record in self.records:
            exception = self._exception(record)
            theirs = record.levelno >= logging.ERROR and not record.name.startswith("eio_server")
            if (exception is not None or theirs) and not isinstance(exception, self.allowed):
                raise AssertionError(f"{record.name}: {record.getMessage()}") from exception

    @staticmethod
    def _exception(record: logging.LogRecord) -> BaseException | None:
        return record.exc_info[1] if isinstance(record.exc_info, tuple) else None
