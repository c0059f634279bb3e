"""SIGTERM and SIGINT: told first, and everything as it was afterwards (row SD-1)."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

import anyio
import pytest
from eio_asgi.signals import StopSignals

pytestmark = pytest.mark.anyio


class Server:
    """The web server's own handler."""

    def __init__(self) -> None:
        self.got: list[int] = []

    def handle(self, number: int, frame: FrameType | None) -> None:
        self.got.append(number)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    before = {number: signal.signal(number, server.handle) for number in (signal.SIGTERM, signal.SIGINT)}
    yield server
    handlers = [signal.getsignal(number) for number in before]
    for number, handler in before.items():
        signal.signal(number, handler)
    assert handlers == [server.handle] * 2


async def test_the_first_signal_is_told_and_passed_on(server: Server) -> None:
    told = anyio.Event()
    signals = StopSignals(told.set)
    signals.watch()
    signals.watch()
    os.kill(os.getpid(), signal.SIGTERM)
    assert server.got == [signal.SIGTERM]
    await told.wait()
    assert signal.getsignal(signal.SIGINT) == server.handle
    signals.watch()  # not again: the server is stopping
    os.kill(os.getpid(), signal.SIGINT)
    assert server.got == [signal.SIGTERM, signal.SIGINT]


async def test_forgotten_they_are_as_before(server: Server) -> None:
    signals = StopSignals(lambda: None)
    for _ in range(2):
        signals.watch()
        assert signal.getsignal(signal.SIGTERM) != server.handle
        signals.forget()
        assert signal.getsignal(signal.SIGTERM) == server.handle


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
async def test_many_of_us_in_any_order(server: Server, order: tuple[int, ...]) -> None:
    told: list[int] = []
    watchers = [StopSignals(lambda number=number: told.append(number)) for number in range(3)]  # type: ignore[misc]
    for watcher in watchers:
        watcher.watch()
    watchers[order[0]].forget()
    os.kill(os.getpid(), signal.SIGINT)
    await anyio.wait_all_tasks_blocked()
    assert sorted(told) == sorted(order[1:])
    assert server.got == [signal.SIGINT]
    for number in order[1:]:
        watchers[number].forget()


async def test_behind_a_handler_of_somebody_else_it_is_silent(server: Server) -> None:
    told: list[Any] = []
    signals = StopSignals(lambda: told.append(1))
    signals.watch()
    ours: Any = signal.getsignal(signal.SIGTERM)

    def theirs(number: int, frame: FrameType | None) -> None:
        ours(number, frame)

    signal.signal(signal.SIGTERM, theirs)
    signals.forget()
    os.kill(os.getpid(), signal.SIGTERM)
    await anyio.wait_all_tasks_blocked()
    assert not told
    assert server.got == [signal.SIGTERM]
    signal.signal(signal.SIGTERM, server.handle)


@pytest.mark.parametrize("action", [signal.SIG_DFL, signal.SIG_IGN])
async def test_only_a_handler_is_preceded(server: Server, action: Any) -> None:
    """Where the server has none, nobody would wait for what we do."""
    signal.signal(signal.SIGTERM, action)
    signals = StopSignals(lambda: None)
    signals.watch()
    assert signal.getsignal(signal.SIGTERM) == action
    signals.forget()
    signal.signal(signal.SIGTERM, server.handle)


async def test_in_another_thread_nothing_is_done(server: Server) -> None:
    signals = StopSignals(lambda: None)
    thread = threading.Thread(target=signals.watch)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) == server.handle


def test_a_loop_that_is_gone(server: Server) -> None:
    signals = StopSignals(lambda: None)

    async def main() -> None:
        signals.watch()

    anyio.run(main)
    os.kill(os.getpid(), signal.SIGTERM)
    assert server.got == [signal.SIGTERM]
