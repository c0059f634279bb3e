"""Mixed traffic with random faults against one server, and the model that counts every message of it.

A client numbers what it sends, the server echoes it. What comes back must be what was sent, in order and once, whatever
happens; and a client to whom nothing happened must get all of it. The clients are made to cost little: many messages in
one segment, frames and requests by hand.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Any

__all__ = ["Control", "Traffic"]

PATIENCE = 30.0
"""Seconds that any answer may take at full load."""
BURST = 16
"""Messages at a time: what one poll may bring."""


class Violation(AssertionError):  # noqa: N818 - what it is
    """A message is lost, doubled or out of order, or an answer is not what it should be."""


class Gone(Exception):  # noqa: N818 - what it is
    """The session is over, because of a fault."""


class Wire:
    """A connection of asyncio's streams, for HTTP and then perhaps for WebSocket frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def request(self, method: str, query: str, body: bytes = b"") -> tuple[int, bytes]:
        """A request and its response."""
        head = f"{method} /engine.io/?EIO=4&{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)
        return await self.response()

    async def response(self) -> tuple[int, bytes]:
        """The status and the body of what comes."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        _, found, rest = head.partition(b"\r\ncontent-length:")
        length = int(rest.split(b"\r\n")[0]) if found else 0
        return int(head[9:12]), await self.reader.readexactly(length)

    async def websocket(self, sid: str = "") -> None:
        """Become a WebSocket."""
        head = f"GET /engine.io/?EIO=4&transport=websocket{sid and '&sid=' + sid} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        head += "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        self.writer.write(head.encode() + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        status, _ = await self.response()
        if status != 101:
            raise Violation(f"a WebSocket was refused: {status}")

    def send(self, packets: list[str]) -> None:
        """Send packets of fewer than 126 bytes, in one segment; masks of zeros change nothing."""
        self.writer.write(b"".join(bytes([0x81, 0x80 | len(one), 0, 0, 0, 0]) + one.encode() for one in packets))

    async def receive(self) -> str:
        """The next packet, or ``close`` and a code."""
        head = await self.reader.readexactly(2)
        length = head[1]
        if length == 126:
            length = int.from_bytes(await self.reader.readexactly(2), "big")
        payload = await self.reader.readexactly(length)
        if head[0] == 0x89:  # the keepalive of some servers
            self.writer.write(bytes([0x8A, 0x80 | length, 0, 0, 0, 0]) + payload)
        if head[0] == 0x88:
            return f"close {int.from_bytes(payload[:2], 'big')}"
        return payload.decode() if head[0] == 0x81 else ""

    def close(self) -> None:
        """Leave."""
        self.writer.close()

    def reset(self) -> None:
        """Vanish, with a RST."""
        sock = self.writer.get_extra_info("socket")
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Client:
    """One session from its handshake to its end."""

    def __init__(self, traffic: Traffic, random: Random) -> None:
        self.traffic = traffic
        self.random = random
        self.sid = ""
        self.sent = 0
        self.echoed = 0
        self.wires: list[Wire] = []
        self.ws: Wire | None = None

    async def live(self, kind: str, bursts: int) -> None:
        """Talk, and leave as a client does; every echo must have come by then."""
        if kind == "websocket":
            self.ws = await self.dial()
            await self.ws.websocket()
            self.sid = json.loads((await self.ws.receive())[1:])["sid"]
        else:
            self.post, self.get = await self.dial(), await self.dial()
            _, body = await self.get.request("GET", "transport=polling")
            self.sid = json.loads(body.split(b"\x1e")[0][1:])["sid"]
        for number in range(bursts):
            if kind == "upgrade" and number == bursts // 3:
                await self.upgrade()
            await self.burst(self.random.randint(1, BURST))
        if self.echoed != self.sent:
            raise Violation(f"{self.echoed} of {self.sent} messages came back")
        if self.ws is not None:
            self.ws.send(["1"])
            while not (await self.ws.receive()).startswith("close"):
                pass
        else:
            await self.expect_ok(b"1")

    async def burst(self, count: int) -> None:
        """Send some messages, and wait for their echoes."""
        packets = [f"4{number}" for number in range(self.sent, self.sent + count)]
        self.sent += count
        if self.ws is not None:
            self.ws.send(packets)
            while self.echoed < self.sent:
                await self.take([await self.ws.receive()])
        else:
            await self.expect_ok("\x1e".join(packets).encode())
            while self.echoed < self.sent:
                await self.poll()

    async def poll(self) -> None:
        """Fetch what there is."""
        status, body = await self.get.request("GET", f"transport=polling&sid={self.sid}")
        if status != 200:
            raise Violation(f"a poll was answered {status}")
        await self.take(body.decode().split("\x1e"))

    async def expect_ok(self, body: bytes) -> None:
        """Post, and see that it was taken."""
        status, answer = await self.post.request("POST", f"transport=polling&sid={self.sid}", body)
        if (status, answer) != (200, b"ok"):
            raise Violation(f"a POST was answered {status} {answer!r}")

    async def take(self, packets: list[str]) -> None:
        """Look at what came: echoes in their order, and pings."""
        for packet in packets:
            if packet == "2":
                await self.pong()
            elif packet == f"4{self.echoed}":
                self.echoed += 1
                self.traffic.count["messages"] += 1
            elif packet not in {"6", ""}:
                raise Violation(f"{packet!r} came where message {self.echoed} was due")

    async def pong(self) -> None:
        """Say that we are here."""
        if self.ws is not None:
            self.ws.send(["3"])
        else:
            await self.expect_ok(b"3")

    async def upgrade(self) -> None:
        """Go over to WebSocket, with messages under way on polling."""
        packets = [f"4{number}" for number in range(self.sent, self.sent + 3)]
        self.sent += 3
        await self.expect_ok("\x1e".join(packets).encode())
        ws = await self.dial()
        await ws.websocket(self.sid)
        polling = asyncio.ensure_future(self.poll())
        ws.send(["2probe"])
        if (packet := await ws.receive()) != "3probe":
            raise Violation(f"{packet!r} came instead of 3probe")
        await polling
        ws.send(["5"])
        self.ws = ws

    async def dial(self) -> Wire:
        """A new connection."""
        wire = Wire(*await asyncio.open_connection("127.0.0.1", self.traffic.port))
        self.wires.append(wire)
        return wire

    def end(self, *, reset: bool) -> None:
        """Leave no connection."""
        for wire in self.wires:
            wire.reset() if reset else wire.close()


class Traffic:
    """Clients that come and go until it is stopped."""

    def __init__(self, port: int, seed: int = 0) -> None:
        self.port = port
        self.random = Random(seed)
        self.count: Counter[str] = Counter()
        """How many sessions of each kind there were, faults of each kind, and messages that came back."""
        self.faults: list[Callable[[Client], Awaitable[None]]] = [
            self.vanish,
            self.abandon,
            self.overlap,
            self.nonsense,
            self.fail_an_upgrade,
            self.stop_reading,
        ]

    @asynccontextmanager
    async def flowing(self, clients: int = 40) -> AsyncIterator[None]:
        """So many clients at a time, as long as the block lasts; then each of them finishes what it has begun."""
        stop = asyncio.Event()
        tasks = [asyncio.create_task(self.slot(stop, Random(self.random.random()))) for _ in range(clients)]
        try:
            yield
        finally:
            stop.set()
        await asyncio.gather(*tasks)

    async def slot(self, stop: asyncio.Event, random: Random) -> None:
        """One client after the other; to one in four something happens."""
        while not stop.is_set():
            kind = random.choice(["polling", "upgrade", "websocket"])
            client = Client(self, random)
            fault = random.choice(self.faults) if random.random() < 0.25 else None
            self.count[kind] += 1
            try:
                async with asyncio.timeout(PATIENCE + 30):
                    if fault is None:
                        await client.live(kind, random.randint(3, 60))
                    else:
                        self.count[fault.__name__] += 1
                        await self.suffer(client, kind, fault)
            finally:
                client.end(reset=fault is not None)

    async def suffer(self, client: Client, kind: str, fault: Callable[[Client], Awaitable[None]]) -> None:
        """Talk until something happens; what came until then was in order, or take() would have said so."""
        living = asyncio.ensure_future(client.live(kind, 10_000))
        await asyncio.sleep(client.random.uniform(0, 1))
        if client.sid:
            with suppress(OSError, asyncio.IncompleteReadError):
                await fault(client)
        living.cancel()
        with suppress(asyncio.CancelledError, OSError, asyncio.IncompleteReadError, Violation):
            await living

    async def vanish(self, client: Client) -> None:
        """Its connections are reset in the middle of whatever it does."""
        client.end(reset=True)

    async def abandon(self, client: Client) -> None:
        """A handshake, half a request and a WebSocket that nobody goes on with."""
        for _ in range(3):
            wire = await client.dial()
            wire.writer.write(b"GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\nGET /eng")
        await (await client.dial()).websocket()

    async def overlap(self, client: Client) -> None:
        """Requests twice at once."""
        for method in ("GET", "GET", "POST", "POST"):
            wire = await client.dial()
            head = f"{method} /engine.io/?EIO=4&transport=polling&sid={client.sid} HTTP/1.1\r\nHost: x\r\n"
            wire.writer.write(head.encode() + b"Content-Length: 9\r\n\r\n")

    async def nonsense(self, client: Client) -> None:
        """A POST that is none, and frames that are none."""
        await (await client.dial()).request("POST", f"transport=polling&sid={client.sid}", b"\xffnonsense")
        if client.ws is not None:
            client.ws.writer.write(bytes(range(200)))

    async def fail_an_upgrade(self, client: Client) -> None:
        """A WebSocket that is probed, and then forgotten."""
        wire = await client.dial()
        await wire.websocket(client.sid)
        wire.send(["2probe"])
        await asyncio.sleep(0.2)

    async def stop_reading(self, client: Client) -> None:
        """It sends and sends, and takes nothing."""
        if client.ws is not None:
            client.ws.writer.transport.pause_reading()  # type: ignore[attr-defined]
            for _ in range(50):
                client.ws.send(["4" + "x" * 100] * 100)
            await asyncio.sleep(1)


class Control:
    """A client that asks the server what it holds."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def connect(self) -> None:
        """Open its session."""
        self._wire = Wire(*await asyncio.open_connection("127.0.0.1", self._port))
        await self._wire.websocket()
        await self._wire.receive()

    async def ask(self) -> dict[str, Any]:
        """``sessions``, this one among them, and ``tasks``."""
        self._wire.send(["4?"])
        while (packet := await self._wire.receive())[:2] != "4{":
            if packet == "2":
                self._wire.send(["3"])
        answer: dict[str, Any] = json.loads(packet[1:])
        return answer

    def close(self) -> None:
        """Leave."""
        self._wire.close()
