"""Raw clients: HTTP/1.1 on h11, WebSocket on wsproto, and a small Engine.IO session on top of both.

Everything here runs on plain non-blocking sockets, on asyncio and on trio, because the tests need what finished
clients hide: half a body, two requests at the same moment, a reset, a frame that no library would send. A send that
fits the kernel's buffer never waits, so two sends in a row reach the server together.
"""

from __future__ import annotations

import json
import re
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import anyio
import anyio.lowlevel
import h11
from wsproto.connection import Connection as Frames
from wsproto.connection import ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.extensions import Extension, PerMessageDeflate

from .servers import THREADED

TIMEOUT = 20.0
"""Seconds that any answer may take: far more than one needs, so that only a missing one fails."""

FRESH = 1.0
"""Seconds of rest after which a connection is not used again: servers close one after 5 s, be a request on its way."""

SEPARATOR = "\x1e"

Headers = Sequence[tuple[str, str]]

UPGRADE: Headers = (
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
)
DEFLATE: Headers = (("Sec-WebSocket-Extensions", "permessage-deflate"),)


# The open packet of a polling handshake with the default settings (HS-1).
OPEN = re.compile(
    r'0\{"sid":"[A-Za-z0-9_-]{20}","upgrades":\["websocket"\],'
    r'"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000\}'
)


async def settle() -> None:
    """Let the server act upon all that was sent: loopback delivers within the send, turns of the loop do the rest.

    Where a thread does the I/O, the loop cannot tell when that has seen everything; but answers come in order.
    """
    await _turns()
    for port in 2 * [*THREADED]:
        connection = Connection(port)
        await connection.request("GET", "/")
        connection.close()
        await _turns()


async def _turns() -> None:
    for _ in range(100):
        await anyio.lowlevel.checkpoint()


def url(transport: str | None = "polling", sid: str | None = None, *, eio: str | None = "4", **extra: str) -> str:
    """The target of an Engine.IO request; None leaves a parameter out."""
    query = {"EIO": eio, "transport": transport, "sid": sid, **extra}
    return "/engine.io/?" + urlencode({key: value for key, value in query.items() if value is not None})


CODES = {
    0: "Transport unknown",
    1: "Session ID unknown",
    2: "Bad handshake method",
    3: "Bad request",
    4: "Forbidden",
    5: "Unsupported protocol version",
}


def assert_refused(response: Response, code: int, *, status: int = 400, message: str | None = None) -> None:
    """A refusal, exactly: its status, its JSON body byte by byte, and the headers of every refusal (ER-1, ER-2).

    Where the server keeps the reason of refused WebSockets to itself, it is the 403 that it sends instead (ER-4).
    """
    if response.without_reason:
        assert (response.status, response.body) == (403, b"")
        return
    body = f'{{"code":{code},"message":"{message or CODES[code]}"}}'
    assert (response.status, response.body) == (status, body.encode())
    assert response.get("content-type") == "application/json"
    assert response.get("content-length") == str(len(body))
    assert response.get("cache-control") == "no-store"
    assert response.get("set-cookie") is None


class DisconnectedError(Exception):
    """The server ended the connection without an answer."""


class ClosedError(Exception):
    """The WebSocket is closed: with the code of the server's close frame, or 1006 where none came."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Stream:
    """One TCP connection."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.port: int = self.sock.getsockname()[1]

    async def send(self, data: bytes) -> None:
        """Send everything; wait only while the kernel's buffer is full."""
        view = memoryview(data)
        while view:
            try:
                view = view[self.sock.send(view) :]
            except BlockingIOError:
                await anyio.wait_writable(self.sock)

    async def receive(self) -> bytes:
        """What arrives next; nothing at the end of the stream, clean or not."""
        while True:
            try:
                return self.sock.recv(2**18)
            except BlockingIOError:
                await anyio.wait_readable(self.sock)
            except ConnectionError:
                return b""

    @property
    def silent(self) -> bool:
        """Whether nothing lies unread, not even the end of the stream."""
        try:
            self.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        return False

    def close(self) -> None:
        """Leave properly, with a FIN."""
        self.sock.close()

    def reset(self) -> None:
        """Vanish with a RST."""
        if self.sock.fileno() >= 0:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.close()


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response, names of headers in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    without_reason: bool = False
    """It refuses a WebSocket, for a reason that the server keeps to itself (a Gap of it)."""

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def get(self, name: str) -> str | None:
        """The one value of a header, or None."""
        values = self.all(name)
        assert len(values) < 2, f"{name} is there {len(values)} times"
        return values[0] if values else None

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def packets(self) -> list[str]:
        return self.body.decode().split(SEPARATOR)


class Connection:
    """One HTTP/1.1 connection, kept alive while both sides allow it."""

    def __init__(self, port: int, *, reasons: bool = True) -> None:
        self.reasons = reasons  # whether the server tells why it refuses a WebSocket
        self.websocket_asked = False
        self.stream = Stream(port)
        self.host = f"127.0.0.1:{port}"
        self.http = h11.Connection(h11.CLIENT, max_incomplete_event_size=2**20)
        self.used = anyio.current_time()

    async def request(self, method: str, target: str, headers: Headers = (), body: bytes = b"") -> Response:
        await self.send(method, target, headers, body)
        return await self.receive()

    async def send(
        self, method: str, target: str, headers: Headers = (), body: bytes = b"", *, end: bool = True
    ) -> None:
        """Send a request; with ``end=False`` more of its body may follow by send_body()."""
        names = {name.lower() for name, _ in headers}
        headers = list(headers)
        self.websocket_asked = "upgrade" in names
        if "host" not in names:
            headers.insert(0, ("Host", self.host))
        if not names & {"content-length", "transfer-encoding"} and (body or method == "POST"):
            headers.append(("Content-Length", str(len(body))))
        data = self._encode(h11.Request(method=method, target=target, headers=headers))
        if body:
            data += self._encode(h11.Data(data=body))
        await self._send(data + (self._encode(h11.EndOfMessage()) if end else b""))

    async def send_body(self, body: bytes, *, end: bool = False) -> None:
        await self._send(self._encode(h11.Data(data=body)) + (self._encode(h11.EndOfMessage()) if end else b""))

    async def send_raw(self, data: bytes) -> None:
        """Send a whole GET request byte by byte as given."""
        self._encode(h11.Request(method="GET", target="/", headers=[("Host", self.host)]))
        self._encode(h11.EndOfMessage())
        await self._send(data)

    async def receive(self) -> Response:
        """The response to the request that was sent last."""
        with anyio.fail_after(TIMEOUT):
            head = await self._event()
            while isinstance(head, h11.InformationalResponse) and head.status_code != 101:
                head = await self._event()
            if not isinstance(head, h11.Response | h11.InformationalResponse):
                raise DisconnectedError
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers]
            body = b""
            if isinstance(head, h11.Response):
                while isinstance(event := await self._event(), h11.Data):
                    body += event.data
                assert isinstance(event, h11.EndOfMessage)
        if self.http.our_state is h11.DONE and self.http.their_state is h11.DONE:
            self.http.start_next_cycle()
        self.used = anyio.current_time()
        refused = self.websocket_asked and head.status_code >= 400
        return Response(head.status_code, headers, body, without_reason=refused and not self.reasons)

    def websocket(self, response: Response, *, polite: bool = True) -> WebSocket:
        """What the response has made of this connection."""
        assert response.status == 101, response
        return WebSocket(self.stream, response, self.http.trailing_data[0], polite=polite)

    @property
    def reusable(self) -> bool:
        """Whether the next request may take it: no server closes it on that request's way, as idle for too long."""
        fresh = anyio.current_time() - self.used < FRESH
        return fresh and self.http.our_state is h11.IDLE and self.stream.sock.fileno() >= 0 and self.stream.silent

    @property
    def silent(self) -> bool:
        """Whether the server has not answered yet (after settle())."""
        return self.stream.silent

    async def ended(self) -> None:
        """Wait until the server has ended the connection."""
        with anyio.fail_after(TIMEOUT):
            while await self.stream.receive():
                pass
            self.stream.close()  # as clients do: some servers wait for it before they tell

    def reset(self) -> None:
        self.stream.reset()

    def close(self) -> None:
        self.stream.close()

    def _encode(self, event: Any) -> bytes:
        return self.http.send(event) or b""

    async def _send(self, data: bytes) -> None:
        with anyio.fail_after(TIMEOUT):
            # The server may refuse a body before it has arrived; its answer can still be read.
            with suppress(ConnectionError):
                await self.stream.send(data)

    async def _event(self) -> Any:
        while (event := self.http.next_event()) is h11.NEED_DATA:
            data = await self.stream.receive()
            if not data and self.http.their_state is h11.SEND_RESPONSE:
                raise DisconnectedError
            self.http.receive_data(data)
        return event


def frame(payload: bytes, opcode: int = 1, *, head: int = 0x80, mask: bool = True) -> bytes:
    """A WebSocket frame of any kind, as a client sends it; ``head`` holds FIN and the reserved bits."""
    size = len(payload)
    bit = 0x80 if mask else 0
    if size < 126:
        lengths = bytes([bit | size])
    elif size < 2**16:
        lengths = bytes([bit | 126]) + size.to_bytes(2, "big")
    else:
        lengths = bytes([bit | 127]) + size.to_bytes(8, "big")
    return bytes([head | opcode]) + lengths + (bytes(4) if mask else b"") + payload  # a mask of zeros changes nothing


def agreed(response: Response) -> list[Extension]:
    """The extensions of a WebSocket, as the server chose them; permessage-deflate is the only one we ask for."""
    chosen = response.get("sec-websocket-extensions")
    if chosen is None:
        return []
    deflate = PerMessageDeflate()
    deflate.finalize(chosen)
    return [deflate]


class WebSocket:
    """The client's end of a WebSocket."""

    def __init__(self, stream: Any, response: Response, trailing: bytes = b"", *, polite: bool = True) -> None:
        self.response = response
        self.stream = stream
        self.polite = polite  # whether the server's close frame is answered
        self.frames = Frames(ConnectionType.CLIENT, extensions=agreed(response), trailing_data=trailing)
        self.events = self.frames.events()
        self.sid = ""
        self.open: dict[str, Any] = {}

    async def send(self, *messages: str | bytes) -> None:
        """Send messages, all in one segment."""
        await self.send_raw(b"".join(map(self.encode, messages)))

    def encode(self, message: str | bytes) -> bytes:
        return self.frames.send(TextMessage(message) if isinstance(message, str) else BytesMessage(message))

    async def send_raw(self, data: bytes) -> None:
        with anyio.fail_after(TIMEOUT):
            await self.stream.send(data)

    async def receive(self) -> str | bytes:
        """The next message; ClosedError when the server closed instead."""
        parts: list[Any] = []
        with anyio.fail_after(TIMEOUT):
            while True:
                event = next(self.events, None)
                if event is None:
                    data = await self.stream.receive()
                    if not data:
                        raise ClosedError(1006)
                    self.frames.receive_data(data)
                    self.events = self.frames.events()
                elif isinstance(event, TextMessage | BytesMessage):
                    parts.append(event.data)
                    if event.message_finished:
                        return "".join(parts) if isinstance(event, TextMessage) else b"".join(map(bytes, parts))
                elif isinstance(event, Ping):
                    await self.stream.send(self.frames.send(event.response()))
                elif isinstance(event, CloseConnection):
                    await self._leave(event)
                    raise ClosedError(event.code)

    async def receive_many(self, count: int) -> list[str | bytes]:
        return [await self.receive() for _ in range(count)]

    async def closed(self) -> int:
        """The server's close code, once it has closed; a message before that is an error."""
        try:
            message = await self.receive()
        except ClosedError as closed:
            return closed.code
        raise AssertionError(f"{message[:80]!r} where a close was expected")

    async def close(self, code: int = 1000) -> None:
        """Send a close frame."""
        await self.send_raw(self.frames.send(CloseConnection(code)))

    async def leave(self) -> None:
        """Close as clients do: with a close frame, and not the TCP connection before the server does."""
        await self.close()
        with suppress(ClosedError):
            while True:
                await self.receive()

    def reset(self) -> None:
        self.stream.reset()

    async def _leave(self, event: CloseConnection) -> None:
        if self.polite:
            if self.frames.state is ConnectionState.REMOTE_CLOSING:
                try:
                    await self.stream.send(self.frames.send(event.response()))
                except ConnectionError:
                    return
            while await self.stream.receive():
                pass
            self.stream.close()  # as clients do: some servers wait for it before they tell


class Client:
    """Opens connections to one server, and closes what is left of them at the end."""

    reasons = True
    """Whether the server tells why it refuses a WebSocket."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.host = f"127.0.0.1:{port}"
        self.connections: list[Connection] = []

    def connect(self) -> Connection:
        connection = Connection(self.port, reasons=self.reasons)
        self.connections.append(connection)
        return connection

    async def request(self, method: str, target: str, headers: Headers = (), body: bytes = b"") -> Response:
        """A request on a connection of its own."""
        return await self.connect().request(method, target, headers, body)

    async def upgrade(self, target: str, headers: Headers = (), *, polite: bool = True) -> WebSocket:
        """Open a WebSocket; its first message is not read."""
        connection = self.connect()
        response = await connection.request("GET", target, [*UPGRADE, *headers])
        return connection.websocket(response, polite=polite)

    async def handshake(self, headers: Headers = (), **query: str) -> Session:
        """A session on polling."""
        response = await self.request("GET", url(**query), headers)
        assert response.status == 200, response
        return Session(self, response)

    async def websocket(self, headers: Headers = (), **query: str) -> WebSocket:
        """A session that starts on WebSocket."""
        websocket = await self.upgrade(url("websocket", **query), headers)
        packet = await websocket.receive()
        assert isinstance(packet, str)
        assert packet.startswith("0")
        websocket.open = json.loads(packet[1:])
        websocket.sid = websocket.open["sid"]
        return websocket

    def close(self) -> None:
        for connection in self.connections:
            connection.close()


class Session:
    """An Engine.IO session on polling: a connection for GET and one for POST, as a browser has them."""

    def __init__(self, client: Client, handshake: Response) -> None:
        self.client = client
        self.response = handshake
        self.first = handshake.packets[1:]
        self.open: dict[str, Any] = json.loads(handshake.packets[0].removeprefix("0"))
        self.sid: str = self.open["sid"]
        self.url = url(sid=self.sid)
        self._connections: dict[str, Connection] = {}

    async def get(self, headers: Headers = ()) -> Response:
        """Poll. No answer to a poll is ever an empty 200 (PG-7)."""
        response = await self._connection("GET").request("GET", self.url, headers)
        assert response.body or response.status != 200
        return response

    async def post(self, body: str | bytes, headers: Headers = ()) -> Response:
        data = body.encode() if isinstance(body, str) else body
        return await self._connection("POST").request("POST", self.url, headers, data)

    async def park(self) -> Connection:
        """Send a GET on a connection of its own; its response is read from what this returns."""
        connection = self.client.connect()
        await connection.send("GET", self.url)
        await settle()
        return connection

    async def websocket(self) -> WebSocket:
        """Open a WebSocket for this session."""
        return await self.client.upgrade(url("websocket", self.sid))

    async def probe(self) -> WebSocket:
        websocket = await self.websocket()
        await websocket.send("2probe")
        assert await websocket.receive() == "3probe"
        return websocket

    async def upgrade(self) -> WebSocket:
        """Go over to WebSocket."""
        websocket = await self.probe()
        await websocket.send("5")
        await settle()
        return websocket

    def _connection(self, method: str) -> Connection:
        connection = self._connections.get(method)
        if connection is None or not connection.reusable:
            if connection is not None and connection.http.our_state is h11.IDLE:
                connection.close()
            connection = self._connections[method] = self.client.connect()
        return connection
