"""The load: raw asyncio protocols that send bytes made beforehand and count those that come back.

They cost far less than any server here; each measurement reports how busy they were all the same.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from .processes import Server

__all__ = [
    "ECHOED",
    "MESSAGE",
    "Cycle",
    "Echo",
    "Event",
    "Idle",
    "Opener",
    "WebSocket",
    "Window",
    "connected",
    "frame",
    "lone",
    "opening",
    "polling_session",
]

MESSAGE = b"4" + b"x" * 31
"""The text of 32 characters that is echoed: to Engine.IO a packet, to the raw program just text."""
ECHOED = 2 + len(MESSAGE)
"""Bytes of its frame from a server."""

CONNECTED = 2 + len('40{"sid":""}') + 20
"""Bytes of the frame by which a namespace of Socket.IO accepts a client."""

PATIENCE = 60.0

C = TypeVar("C", bound="WebSocket")


def frame(text: bytes) -> bytes:
    """A client's frame, of fewer than 126 bytes; its mask of zeros changes nothing."""
    return bytes([0x81, 0x80 | len(text)]) + bytes(4) + text


def handshake(transport: str, path: str = "/engine.io/", sid: str = "") -> bytes:
    """A request of a new client, or with a sid of one that polls."""
    head = f"GET {path}?EIO=4&transport={transport}{sid and '&sid=' + sid} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    if transport == "websocket":
        head += (
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        )
    return head.encode() + b"\r\n"


class WebSocket(asyncio.Protocol):
    """A connection that has been opened when ``ready`` is done: the 101 came, and the open packet if there is one."""

    def __init__(self, *, opens: bool) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._opens = opens
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the WebSocket."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(handshake("websocket"))

    def data_received(self, data: bytes) -> None:
        """The opening, then frames."""
        if self.ready.done():
            self.frames_received(data)
            return
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if end and not head.startswith(b"HTTP/1.1 101"):
            self.ready.set_exception(ConnectionError(head.decode()))
        elif end and (not self._opens or (len(rest) > 4 and len(rest) >= _length(rest))):
            self.ready.set_result(None)

    def frames_received(self, data: bytes) -> None:
        """What came after the opening."""

    def connection_lost(self, error: Exception | None) -> None:
        """Nobody waits for ever."""
        if not self.ready.done():
            self.ready.set_exception(error or ConnectionError("closed while it was opening"))


def _length(data: bytes) -> int:
    """The length of the first frame from a server."""
    return 4 + int.from_bytes(data[2:4], "big") if data[1] == 126 else 2 + data[1]


class Echo(WebSocket):
    """Keeps so many messages in flight."""

    message = MESSAGE

    def __init__(self, *, opens: bool) -> None:
        super().__init__(opens=opens)
        self.echoes = 0
        self._rest = 0
        self._one = frame(self.message)

    def start(self, in_flight: int) -> None:
        """Send the first ones."""
        self.transport.write(self._one * in_flight)

    def frames_received(self, data: bytes) -> None:
        """Each echo is answered by another message."""
        count, self._rest = divmod(self._rest + len(data), 2 + len(self.message))
        self.echoes += count
        if count:
            self.transport.write(self._one * count)


class Event(Echo):
    """An echo of Socket.IO: an event that comes back as it was sent, once the client is connected to the namespace.

    :param replies: whether each echo is answered by another event.
    """

    message = b'42["echo","' + b"x" * 32 + b'"]'

    def __init__(self, *, replies: bool = True) -> None:
        super().__init__(opens=True)
        self.connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._missing = CONNECTED
        self._replies = replies

    def connect(self) -> None:
        """Ask for the namespace."""
        self.transport.write(frame(b"40"))

    def frames_received(self, data: bytes) -> None:
        """The answer to that, then events."""
        if self._missing:
            here = min(self._missing, len(data))
            self._missing -= here
            data = data[here:]
            if not self._missing:
                self.connected.set_result(None)
        if self._replies:
            super().frames_received(data)
        else:
            count, self._rest = divmod(self._rest + len(data), 2 + len(self.message))
            self.echoes += count


class Idle(WebSocket):
    """Answers pings, and counts what else comes."""

    def __init__(self, *, opens: bool) -> None:
        super().__init__(opens=opens)
        self.received = 0
        self.pings = 0

    def frames_received(self, data: bytes) -> None:
        """A ping, or some of a message; which of the two its length tells."""
        if data == b"\x81\x012":
            self.pings += 1
            self.transport.write(frame(b"3"))
        else:
            self.received += len(data)


class Cycle(asyncio.Protocol):
    """A client on polling: posts a message and fetches its echo, again and again, on one connection."""

    def __init__(self, path: str, sid: str) -> None:
        query = f"{path}?EIO=4&transport=polling&sid={sid}"
        self._post = (
            f"POST {query} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain;charset=UTF-8\r\n"
            f"Content-Length: {len(MESSAGE)}\r\n\r\n"
        ).encode() + MESSAGE
        self._get = f"GET {query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        self._data = b""
        self._posted = False
        self.cycles = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take it."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def start(self) -> None:
        """Post the first message."""
        self._posted = True
        self.transport.write(self._post)

    def data_received(self, data: bytes) -> None:
        """A response, once it is whole, is answered by the next request."""
        self._data += data
        body = take_response(self._data)
        if body is None:
            return
        assert body.lower() == (b"ok" if self._posted else MESSAGE), self._data
        self._data = b""
        self.cycles += not self._posted
        self._posted = not self._posted
        self.transport.write(self._post if self._posted else self._get)


def take_response(data: bytes) -> bytes | None:
    """The body of a response with a Content-Length, or chunked in one chunk; None while it is not whole."""
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return None
    assert head.startswith(b"HTTP/1.1 200"), data
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return body if len(body) >= int(line[15:]) else None
    if not body.endswith(b"0\r\n\r\n"):  # chunked
        return None
    return body.partition(b"\r\n")[2].partition(b"\r\n")[0]


@asynccontextmanager
async def connected(server: Server, make: Callable[[], C], count: int) -> AsyncIterator[list[C]]:
    """So many WebSockets of this kind, all open."""
    loop = asyncio.get_running_loop()
    clients: list[C] = []
    try:
        for start in range(0, count, 100):  # not more at once than a listening socket takes
            batch = [
                (await loop.create_connection(make, "127.0.0.1", server.port))[1]
                for _ in range(min(100, count - start))
            ]
            clients += batch
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*(client.ready for client in batch))
        yield clients
    finally:
        for client in clients:
            client.transport.abort()


async def polling_session(server: Server) -> tuple[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a session on polling, and give its sid and the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(handshake("polling"))
    body = await _response(reader)
    return json.loads(body[1:])["sid"], (reader, writer)


async def _response(reader: asyncio.StreamReader) -> bytes:
    data = b""
    while (body := take_response(data)) is None:
        more = await reader.read(65536)
        assert more, data
        data += more
    return body


class Opener(asyncio.Protocol):
    """Opens sessions on polling, one behind the other, on one connection."""

    def __init__(self, path: str) -> None:
        self._request = handshake("polling", path)
        self._data = b""
        self.count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the first one."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Its response, once it is whole, is followed by the next one."""
        self._data += data
        if take_response(self._data) is not None:
            self._data = b""
            self.count += 1
            self.transport.write(self._request)


async def opening(server: Server, transport: str, seconds: float, at_once: int = 20) -> tuple[float, Window]:
    """Open sessions for so long, so many at a time; how many a second. Of a raw program: requests, and WebSockets."""
    window = Window(server)
    if transport == "polling":
        loop = asyncio.get_running_loop()
        openers = [
            (await loop.create_connection(lambda: Opener(server.polling_path), "127.0.0.1", server.port))[1]
            for _ in range(at_once)
        ]
        before = sum(opener.count for opener in openers)
        await window.measure(seconds)
        count = sum(opener.count for opener in openers) - before
        for opener in openers:
            opener.transport.abort()
    else:
        measuring = asyncio.create_task(window.measure(seconds))

        async def websockets() -> int:
            count = 0
            while not measuring.done():
                async with connected(server, lambda: Idle(opens=server.opens), 1):
                    count += 1
            return count

        count = sum(await asyncio.gather(*(websockets() for _ in range(at_once))))
    return count / window.seconds, window


def lone(server: Server, seconds: float) -> list[float]:
    """The times of echoes of one client with one message in flight, in seconds. Blocking: nothing else disturbs."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.settimeout(PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(handshake("websocket"))
        data = b""
        while b"\r\n\r\n" not in data or (server.opens and not data.endswith(b"}")):
            data += connection.recv(65536)
        one, times = frame(MESSAGE), []
        end = time.perf_counter() + seconds
        while (start := time.perf_counter()) < end:
            connection.sendall(one)
            rest = ECHOED
            while rest:
                rest -= len(connection.recv(rest))
            times.append(time.perf_counter() - start)
    return times


@dataclass(slots=True)
class Window:
    """What happened between the start of a measurement and its end."""

    server: Server
    seconds: float = 0.0
    cpu: float = 0.0
    busy: float = 0.0
    """The share of the time that the load itself was busy."""

    async def measure(self, seconds: float) -> None:
        """Let so much time pass."""
        wall, own, theirs = time.perf_counter(), time.process_time(), self.server.cpu()
        await asyncio.sleep(seconds)
        self.seconds = time.perf_counter() - wall
        self.cpu = self.server.cpu() - theirs
        self.busy = (time.process_time() - own) / self.seconds
