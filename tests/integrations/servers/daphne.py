"""daphne, on a reactor of Twisted's in the event loop that the test runs."""

from __future__ import annotations

import asyncio
import sys
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

from .asgi import application
from .server import Gap, Server

__all__ = ["SERVERS"]


@asynccontextmanager
async def run(app: Any, pem: Path | None = None, *, root_path: str = "") -> AsyncIterator[int]:
    with warnings.catch_warnings(action="ignore"):
        daphne: Any = import_module("daphne.server")

    stopped = asyncio.Event()
    with reactor(stopped) as ours, mock.patch.object(daphne, "reactor", ours):
        kind = f"ssl:privateKey={pem}:certKey={pem}:" if pem else "tcp:"
        endpoint = f"{kind}port=0:interface=127.0.0.1"
        server = daphne.Server(app, [endpoint], signal_handlers=False, root_path=root_path)
        server.run()
        ((_, port),) = server.listening_addresses
        try:
            yield port
        finally:
            server.stop()
            await stopped.wait()


@contextmanager
def reactor(stopped: asyncio.Event) -> Iterator[Any]:
    """Twisted's only reactor for a while: it does not run a loop, but lives in the one that runs."""
    import twisted.internet
    from twisted.internet.asyncioreactor import AsyncioSelectorReactor

    class Reactor(AsyncioSelectorReactor):
        def run(self, installSignalHandlers: bool = True) -> None:  # noqa: N803 - Twisted's name
            self.startRunning(installSignalHandlers=installSignalHandlers)

        def crash(self) -> None:
            """Be the last step of a stop."""
            stopped.set()

        def close(self) -> None:
            if self._timerHandle is not None:
                self._timerHandle.cancel()
            for reader in [*self._internalReaders]:
                self.removeReader(reader)  # type: ignore[no-untyped-call]
                reader.connectionLost(None)

    ours = Reactor(asyncio.get_running_loop())
    with (
        mock.patch.dict(sys.modules, {"twisted.internet.reactor": ours}),
        mock.patch.object(twisted.internet, "reactor", ours),
        mock.patch("txaio.config.loop", ours),
    ):
        try:
            yield ours
        finally:
            ours.close()


GAPS = frozenset(
    {
        Gap.REFUSES_WITHOUT_A_REASON,
        Gap.KNOWS_ONE_CLOSE_CODE,
        Gap.SENDS_NO_EMPTY_MESSAGE,
        Gap.TAKES_WHAT_IT_GETS,
        Gap.READS_AHEAD,
        Gap.ANSWERS_EVERY_PING,
        Gap.WAITS_FOR_BODIES,
        Gap.EATS_FORMS,
        Gap.JOINS_COOKIES,
        Gap.LOSES_EARLY_FRAMES,
        Gap.NEVER_COMPRESSES,
        Gap.BARE_HANDSHAKE,
        Gap.CUTS_ON_WEBSOCKET_ERROR,
        Gap.HIDES_WEBSOCKET_ERRORS,
        Gap.HIDES_FAILED_WRITES,
        Gap.CANNOT_ABORT,
        Gap.COMPRESSION_IS_THE_SERVERS,
        Gap.NO_LIFESPAN,
        Gap.CANCELS_REQUESTS_ON_STOP,
    }
)

SERVERS = (Server("asgi-daphne", "asgi", application, run, gaps=GAPS),)
