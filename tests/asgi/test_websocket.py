"""WebSockets: accepting, reading, writing, closing, letting go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from eio_asgi import AsyncServer
from eio_asgi.websocket import WebSocket, carry
from eio_server.integration import Disconnected

from .fakes import Message, Peer, scope

pytestmark = pytest.mark.anyio

CONNECT = {"type": "websocket.connect"}
LEAVE = {"type": "websocket.disconnect", "code": 1000}


@pytest.fixture
async def eio() -> AsyncIterator[AsyncServer]:
    server = AsyncServer()
    yield server
    await server.shutdown(0)


class Connection:
    """The runner's side, as a recorder: of the offer and of the connection."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.headers = [("Vary", "Origin")]
        self.max_size = 100
        self.compress = False
        self.crowded = False
        self.events: list[Any] = []
        self.websocket: WebSocket | None = None
        self.until: anyio.Event | None = None

    def opened(self, websocket: Any) -> Connection:
        self.websocket = websocket
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if kind is not None:
            self.failed()

    def failed(self) -> None:
        self.events.append("failed")

    def feed(self, frame: str | bytes) -> Any:
        self.events.append(frame)
        return None if self.until is None else self.until.wait()

    def lost(self, code: int | None = None, *, error: bool = False) -> None:
        self.events.append(("lost", code))

    async def carry(self, eio: AsyncServer) -> None:
        await carry(self, eio.runner.runtime_here, self.peer.receive, self.peer.send)


async def test_messages_have_text_or_bytes(eio: AsyncServer) -> None:
    """IN-2: the other one is None or missing; bytes are always bytes (AP-5)."""
    messages: list[Message] = [{"text": "a"}, {"text": "b", "bytes": None}, {"text": None, "bytes": b"c"}]
    messages += [{"bytes": b""}, {"text": ""}, {"bytes": bytearray(b"d")}, {"bytes": memoryview(b"e")}, {}]
    one = Connection(Peer([*({"type": "websocket.receive", **message} for message in messages), LEAVE]))
    await one.carry(eio)
    assert one.events == ["a", "b", b"c", b"", "", b"d", b"e", ("lost", 1000)]
    assert all(type(event) is not bytearray for event in one.events)
    (accept,) = one.peer.sent
    assert accept["headers"] == [(b"vary", b"Origin")]


async def test_every_accept_is_fresh_and_mutable(eio: AsyncServer) -> None:
    """Middleware adds a subprotocol and headers."""
    ones = [Connection(Peer([LEAVE])) for _ in range(2)]
    for one in ones:
        await one.carry(eio)
        one.peer.sent[0]["subprotocol"] = "x"
        one.peer.sent[0]["headers"].append((b"a", b"b"))
    assert ones[0].peer.sent[0] is not ones[1].peer.sent[0]
    assert ones[0].headers == [("Vary", "Origin")]


async def test_the_next_message_waits(eio: AsyncServer) -> None:
    """H20: inbound backpressure."""
    one = Connection(Peer([{"type": "websocket.receive", "text": "a"}, {"type": "websocket.receive", "text": "b"}]))
    one.until = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(one.carry, eio)
        await anyio.wait_all_tasks_blocked()
        assert one.events == ["a"]
        one.until.set()
        await anyio.wait_all_tasks_blocked()
        assert one.events == ["a", "b"]
        one.peer.push(LEAVE)


@pytest.mark.parametrize("how", ["cancel", "abort", "error"])
async def test_it_is_lost_once_however_it_ends(eio: AsyncServer, how: str) -> None:
    """CL-18: abort lets go of a connection whose server never tells of its end."""
    one = Connection(Peer())
    if how == "error":

        async def broken() -> Message:
            raise ConnectionResetError

        one.peer.receive = broken  # type: ignore[method-assign]
    ended = False

    async def run() -> None:
        nonlocal ended
        await one.carry(eio)
        ended = True

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await anyio.wait_all_tasks_blocked()
        if how == "cancel":
            group.cancel_scope.cancel()
        elif how == "abort":
            assert one.websocket is not None
            one.websocket.abort()
    assert one.events == [("lost", None)]
    assert ended is (how != "cancel")


async def test_a_close_waits_for_the_peer_but_feeds_no_more(eio: AsyncServer) -> None:
    """While the close is sent nobody receives (granian loses it else); then what comes is dropped, to the very end."""
    one = Connection(Peer())
    receiving = sending = False
    release = anyio.Event()

    async def receive() -> Message:
        nonlocal receiving
        receiving = True
        try:
            return await Peer.receive(one.peer)
        finally:
            receiving = False

    async def send(message: Message) -> None:
        nonlocal sending
        if message["type"] == "websocket.close":
            sending = True
            await release.wait()

    async with anyio.create_task_group() as group:
        group.start_soon(carry, one, eio.runner.runtime_here, receive, send)
        await anyio.wait_all_tasks_blocked()
        assert one.websocket is not None
        await one.websocket.close(1000)
        await anyio.wait_all_tasks_blocked()
        assert sending
        assert not receiving
        release.set()
        one.peer.push({"type": "websocket.receive", "text": "late"})
        await anyio.wait_all_tasks_blocked()
        assert receiving
        one.peer.push({"type": "websocket.disconnect", "code": 4000})
    assert one.events == [("lost", 4000)]


@pytest.mark.parametrize("how", ["close", "abort"])
async def test_a_handler_that_the_reader_runs_is_not_cancelled(eio: AsyncServer, how: str) -> None:
    """AP-11, H22: it may close the connection itself, and have a lot to do afterwards."""
    one = Connection(Peer([{"type": "websocket.receive", "text": text} for text in "ab"]))
    one.until = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(one.carry, eio)
        await anyio.wait_all_tasks_blocked()
        assert one.websocket is not None
        if how == "close":
            await one.websocket.close(1000)
            one.peer.push(LEAVE)
        else:
            one.websocket.abort()
        await anyio.wait_all_tasks_blocked()
        assert one.events == ["a"]
        one.until.set()
    assert one.events == ["a", ("lost", 1000 if how == "close" else None)]


async def test_a_close_that_fails_is_the_end(eio: AsyncServer) -> None:
    """Nobody would tell us of another one."""
    one = Connection(Peer())
    async with anyio.create_task_group() as group:
        group.start_soon(one.carry, eio)
        await anyio.wait_all_tasks_blocked()
        assert one.websocket is not None
        one.peer.fails = RuntimeError
        await one.websocket.close(1000)
    assert one.events == [("lost", None)]


async def test_abort_after_close_ends_the_wait(eio: AsyncServer) -> None:
    """CL-18"""
    one = Connection(Peer())
    async with anyio.create_task_group() as group:
        group.start_soon(one.carry, eio)
        await anyio.wait_all_tasks_blocked()
        assert one.websocket is not None
        await one.websocket.close(1000)
        await anyio.wait_all_tasks_blocked()
        one.websocket.abort()
    assert one.events == [("lost", None)]


@pytest.mark.parametrize(("error", "raises"), [(OSError, None), (RuntimeError, None), (KeyError, KeyError)])
async def test_an_accept_that_fails(eio: AsyncServer, error: type[Exception], raises: type[Exception] | None) -> None:
    """WS-11"""
    one = Connection(Peer(fails=error))
    if raises is None:
        await one.carry(eio)
    else:
        with pytest.raises(raises):
            await one.carry(eio)
    assert one.events == ["failed"]


async def test_writing_and_closing(eio: AsyncServer) -> None:
    peer = Peer()
    websocket = WebSocket(eio.runner.runtime_here, peer.receive, peer.send)
    await websocket.write("a")
    await websocket.write(b"")
    await websocket.close(1001)
    assert peer.sent == [
        {"type": "websocket.send", "text": "a"},
        {"type": "websocket.send", "bytes": b""},
        {"type": "websocket.close", "code": 1001},
    ]
    for error in (ConnectionError, RuntimeError):
        peer.fails = error
        for action in (websocket.write("a"), websocket.write(b"a"), websocket.close(1000)):
            with pytest.raises(Disconnected):
                await action


async def test_a_server_that_cannot_send_a_code_sends_1000(eio: AsyncServer) -> None:
    """WS-22: daphne raises a bare Exception."""
    codes: list[int] = []

    async def send(message: Message) -> None:
        if message["code"] != 1000:
            raise Exception("invalid close code")  # noqa: TRY002
        codes.append(message["code"])

    await WebSocket(eio.runner.runtime_here, Peer().receive, send).close(1002)
    assert codes == [1000]


async def test_frames_that_came_before_the_accept_are_read(eio: AsyncServer) -> None:
    """HS-26: the watch beside a slow connect handler gives them back, in order."""
    peer = Peer([CONNECT, *({"type": "websocket.receive", "text": f"4{number}"} for number in range(3))])
    heard: list[str] = []

    async def connect(sid: str, environ: dict[str, Any]) -> None:
        await peer.emptied()

    eio.on("connect", connect)
    eio.on("message", lambda sid, data: heard.append(data))
    async with anyio.create_task_group() as group:
        group.start_soon(eio.handle_request, scope(type="websocket"), peer.receive, peer.send)
        await peer.got(2)
        await anyio.wait_all_tasks_blocked()
        peer.push(LEAVE)
    assert heard == ["0", "1", "2"]


async def test_a_client_that_leaves_before_the_accept(eio: AsyncServer) -> None:
    """HS-26: it is closed all the same, for uvicorn complains of a handshake without an end."""
    peer = Peer([CONNECT])
    reasons: list[str] = []

    async def connect(sid: str, environ: dict[str, Any]) -> None:
        peer.push({"type": "websocket.disconnect", "code": 1006})
        await anyio.wait_all_tasks_blocked()

    eio.on("connect", connect)
    eio.on("disconnect", lambda sid, reason: reasons.append(reason))
    await eio.handle_request(scope(type="websocket"), peer.receive, peer.send)
    await anyio.wait_all_tasks_blocked()
    assert reasons == ["transport error"]
    assert peer.types == ["websocket.close"]
    assert not eio.sockets


async def test_compression_is_warned_of_once() -> None:
    """WS-15"""
    eio = AsyncServer(websocket_compression=True)
    with pytest.warns(UserWarning, match="websocket_compression"):
        await eio.handle_request(scope(), Peer().receive, Peer().send)
    await eio.handle_request(scope(), Peer().receive, Peer().send)
    await eio.shutdown(0)
