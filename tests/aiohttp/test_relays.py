"""What stands before aiohttp's protocol, on a transport that only takes notes."""

from __future__ import annotations

import asyncio

import pytest
from eio_aiohttp import relays
from eio_aiohttp.relays import Cork, Watch

pytestmark = pytest.mark.anyio


class Transport(asyncio.Transport):
    """Notes what is written."""

    def __init__(self, *, exchangeable: bool = True) -> None:
        super().__init__()
        self.protocol: asyncio.BaseProtocol = Protocol()
        self.exchangeable = exchangeable
        self.written: list[bytes] = []
        self.closed = False

    def get_protocol(self) -> asyncio.BaseProtocol:
        if not self.exchangeable:
            raise NotImplementedError
        return self.protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert not self.closed, "asyncio's TLS transport takes none then"
        self.protocol = protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed, "uvloop raises then"
        self.written.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 7

    def lose(self) -> None:
        self.closed = True
        self.protocol.connection_lost(None)


class Protocol(asyncio.Protocol):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def data_received(self, data: bytes) -> None:
        self.told.append(data)

    def eof_received(self) -> bool | None:
        self.told.append("eof")
        return True

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append("lost")


async def test_a_watch_passes_everything_on_and_steps_aside() -> None:
    transport = Transport()
    inner = transport.protocol
    lost: list[bool] = []
    async with Watch(transport, lambda: lost.append(True)):
        outer = transport.protocol
        assert isinstance(outer, Watch)
        outer.data_received(b"x")
        assert outer.eof_received() is True
        outer.pause_writing()
        outer.resume_writing()
    assert transport.protocol is inner
    assert isinstance(inner, Protocol)
    assert inner.told == [b"x", "eof", "pause", "resume"]
    assert lost == []


async def test_a_watch_tells_once_after_aiohttp_knows() -> None:
    transport = Transport()
    inner = transport.protocol
    assert isinstance(inner, Protocol)
    told_before: list[list[object]] = []
    async with Watch(transport, lambda: told_before.append([*inner.told])):
        transport.lose()
    assert told_before == [["lost"]]


async def test_a_watch_tells_of_a_client_that_had_left() -> None:
    for transport in (None, Transport()):
        if transport is not None:
            transport.closed = True
        lost: list[bool] = []
        async with Watch(transport, lambda lost=lost: lost.append(True)):  # type: ignore[misc]
            assert lost == [True]


async def test_a_watch_looks_again_and_again_where_protocols_cannot_be_exchanged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relays, "SWEEP", 0.001)
    transport, lost = Transport(exchangeable=False), asyncio.Event()
    async with Watch(transport, lost.set):
        await asyncio.sleep(0.005)
        assert not lost.is_set()
        transport.closed = True
        await asyncio.wait_for(lost.wait(), 5)
    transport, lost = Transport(exchangeable=False), asyncio.Event()
    async with Watch(transport, lost.set):
        pass
    transport.closed = True
    await asyncio.sleep(0.005)
    assert not lost.is_set()


async def test_answers_to_what_came_together_leave_together() -> None:
    transport = Transport()
    inner, cork = transport.protocol, Cork(transport)
    cork.write(b"unasked")
    assert transport.written == [b"unasked"]
    cork.data_received(b"ab")
    cork.write(b"A")
    cork.writelines([b"B", b"C"])
    assert transport.written == [b"unasked"]
    await asyncio.sleep(0)
    assert transport.written == [b"unasked", b"ABC"]
    cork.write(b"later")
    assert transport.written == [b"unasked", b"ABC", b"later"]
    assert isinstance(inner, Protocol)
    assert inner.told == [b"ab"]


async def test_only_so_much_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relays, "HOLD", 3)
    transport = Transport()
    cork = Cork(transport)
    cork.data_received(b"x")
    for piece in (b"ab", b"cd", b"ef"):
        cork.write(piece)
    assert transport.written == [b"abcd", b"ef"]


async def test_a_close_comes_behind_what_is_held() -> None:
    transport = Transport()
    cork = Cork(transport)
    cork.data_received(b"x")
    cork.write(b"last")
    cork.close()
    assert transport.written == [b"last"]
    assert cork.is_closing()
    await asyncio.sleep(0)


async def test_nothing_is_written_to_a_connection_that_is_lost() -> None:
    transport = Transport()
    cork = Cork(transport)
    cork.data_received(b"x")
    cork.write(b"too late")
    transport.lose()
    await asyncio.sleep(0)
    assert transport.written == []


async def test_the_rest_of_a_transport_is_the_transports() -> None:
    transport = Transport(exchangeable=False)
    cork = Cork(transport)
    assert cork.get_write_buffer_size() == 7
    for name in dir(asyncio.Transport):
        assert name.startswith("_") or callable(getattr(cork, name)), name
    cork.write(b"x")
    assert transport.written == [b"x"]
