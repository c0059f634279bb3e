"""A raw client of HTTP/2, and of WebSocket in a stream of it (RFC 8441), on h2 and wsproto."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import anyio
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, RemoteSettingsChanged, ResponseReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes

from .clients import TIMEOUT, DisconnectedError, Headers, Response, Stream, WebSocket

__all__ = ["Http2"]


class Http2:
    """One connection, begun with HTTP/2 (no TLS, no upgrade), for any number of requests at a time."""

    def __init__(self, port: int) -> None:
        self.authority = f"127.0.0.1:{port}"
        self.stream = Stream(port)
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.events: defaultdict[int, list[Any]] = defaultdict(list)
        self.may_connect = False
        """Whether the server has said that it takes the extended CONNECT."""

    async def send(
        self, method: str, target: str, headers: Headers = (), body: bytes = b"", *, end: bool = True
    ) -> Request:
        number = self.h2.get_next_available_stream_id()
        pseudo = [(":method", method), (":scheme", "http"), (":authority", self.authority), (":path", target)]
        self.h2.send_headers(number, [*pseudo, *headers], end_stream=end and not body)
        if body:
            self.h2.send_data(number, body, end_stream=end)
        await self.flush()
        return Request(self, number)

    async def request(self, method: str, target: str, headers: Headers = (), body: bytes = b"") -> Response:
        return await (await self.send(method, target, headers, body)).receive()

    async def connect(self, target: str, headers: Headers = ()) -> tuple[Request, Response]:
        """Ask for a WebSocket: what follows the head of the response is the WebSocket, or the body of a refusal."""
        await self.flush()
        while not self.may_connect:
            await self.read()
        pseudo = [(":protocol", "websocket"), ("sec-websocket-version", "13")]
        request = await self.send("CONNECT", target, [*pseudo, *headers], end=False)
        return request, await request.head()

    async def websocket(self, target: str) -> WebSocket:
        """Open one; its first message is not read."""
        request, response = await self.connect(target)
        assert response.status == 200, response
        return WebSocket(Tunnel(request), response)

    async def flush(self) -> None:
        await self.stream.send(self.h2.data_to_send())

    async def read(self) -> None:
        """Take in what arrives next."""
        with anyio.fail_after(TIMEOUT):
            data = await self.stream.receive()
        if not data:
            raise DisconnectedError
        for event in self.h2.receive_data(data):
            if isinstance(event, RemoteSettingsChanged):
                self.may_connect |= SettingCodes.ENABLE_CONNECT_PROTOCOL in event.changed_settings
            if isinstance(event, DataReceived):
                self.h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
            if isinstance(event, ResponseReceived | DataReceived | StreamEnded | StreamReset):
                self.events[event.stream_id].append(event)
        await self.flush()

    def close(self) -> None:
        self.stream.close()


class Request:
    """A request, and what comes back."""

    def __init__(self, client: Http2, number: int) -> None:
        self.client = client
        self.number = number

    async def head(self) -> Response:
        event = await self._event()
        assert isinstance(event, ResponseReceived), event
        headers = [(str(name), str(value)) for name, value in event.headers]
        return Response(int(headers[0][1]), headers[1:], b"")

    async def receive(self) -> Response:
        """The whole response."""
        head = await self.head()
        return Response(head.status, head.headers, await self.body())

    async def body(self) -> bytes:
        body = b""
        while data := await self.data():
            body += data
        return body

    async def data(self) -> bytes:
        """What arrives next; nothing at the end."""
        event = await self._event()
        return event.data if isinstance(event, DataReceived) else b""

    async def reset(self) -> None:
        """Abandon it, while the connection lives on."""
        self.client.h2.reset_stream(self.number, ErrorCodes.CANCEL)
        await self.client.flush()

    async def _event(self) -> Any:
        events = self.client.events[self.number]
        while not events:
            await self.client.read()
        return events.pop(0)


class Tunnel:
    """The stream of an accepted WebSocket: what Stream is for one over HTTP/1.1."""

    def __init__(self, request: Request) -> None:
        self.request = request

    async def send(self, data: bytes) -> None:
        self.request.client.h2.send_data(self.request.number, data)
        await self.request.client.flush()

    async def receive(self) -> bytes:
        return await self.request.data()

    def close(self) -> None:
        """Nothing: the connection may carry others."""
