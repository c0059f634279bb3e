"""A server of one's own: ``eio_core`` on asyncio's streams, with h11 for HTTP/1.1 and wsproto for WebSocket.

``pip install eio-core h11 wsproto``, then ``python custom_server.py 8000``. The core's driver says what is to be done.
"""

import asyncio
import secrets
import signal
import sys
from contextlib import suppress
from typing import Any

import eio_core
import h11
from eio_core import driver
from wsproto import ConnectionType, WSConnection, events
from wsproto.connection import ConnectionState

PATIENCE = 60.0  # seconds for a client to send its next request, or to take some of what we write
LINGER = 2.0  # seconds for it to read our last words: a connection that is closed with something unread is reset


class Server(driver.Driver["Connection"]):
    """One engine on the running event loop, and an application that echoes."""

    def __init__(self, settings: eio_core.Settings | None = None) -> None:
        super().__init__(eio_core.Engine(settings))
        self.timer: asyncio.Handle | None = None
        self.empty = asyncio.Event()

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def set_timer(self, deadline: float | None) -> None:
        if self.timer is not None:
            self.timer.cancel()
        if deadline is not None:
            self.timer = asyncio.get_running_loop().call_at(deadline, self.expire)
        if not self.engine.sessions:
            self.empty.set()

    def make_sid(self, connection: "Connection") -> str:
        return secrets.token_urlsafe(15)

    def message(self, session: eio_core.Session, data: str | bytes) -> None:
        with suppress(eio_core.SessionClosed):
            self.send(session, data)

    async def serve(self, stop: asyncio.Event, **where: Any) -> None:
        """Serve, where asyncio.start_server() is told to, until ``stop`` is set; then tell everybody."""
        self.engine.reopen()
        with suppress(TimeoutError):
            async with asyncio.timeout(None) as limit, asyncio.TaskGroup() as self.tasks:
                server = await asyncio.start_server(lambda *two: self.start(Connection(self, *two).run()), **where)
                await stop.wait()
                server.close()
                await self.alone(self.tell())
                limit.reschedule(asyncio.get_running_loop().time() + LINGER)

    def start(self, work: Any) -> None:
        self.tasks.create_task(self.alone(work))

    async def alone(self, work: Any) -> None:
        """What fails must fail alone: an exception that reaches the task group ends the server."""
        try:
            with suppress(OSError):  # the client is gone
                await work
        except Exception as error:
            asyncio.get_running_loop().call_exception_handler({"message": "a connection failed", "exception": error})

    async def tell(self, timeout: float = 5.0) -> None:
        """Shut down, and wait until all sessions are over: the deadlines of the core see to that."""
        self.empty.clear()
        self.shutdown(timeout)
        await self.empty.wait()
        self.cut()  # those whose handshake is being decided


class Connection(driver.Connection):
    """A TCP connection: HTTP requests, one after another, until one of them becomes a WebSocket."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self.reader, self.writer = server, reader, writer
        self.http, self.websocket = h11.Connection(h11.SERVER), WSConnection(ConnectionType.SERVER)
        self.head: Any = None  # of the latest request, as h11 has it
        self.limit = asyncio.get_running_loop().call_later(PATIENCE, self.abort)

    async def run(self) -> None:
        try:
            while data := await self.reader.read(65536):
                if self.websocket.state is not ConnectionState.CONNECTING:
                    self.receive_frames(data)
                elif self.http.our_state is not h11.MUST_CLOSE:  # else it has only to read what we wrote
                    self.receive_http(data)
                await self.writer.drain()
        except h11.RemoteProtocolError as error:
            self.writer.write(b"HTTP/1.1 %d \r\nConnection: close\r\n\r\n" % error.error_status_hint)
        finally:
            self.abort()
            self.server.connection_lost(self)

    def wait(self, seconds: float) -> None:
        """The client has so long for what it is to do next."""
        self.limit.cancel()
        if not self.writer.is_closing():
            self.limit = asyncio.get_running_loop().call_later(seconds, self.abort)

    def receive_http(self, data: bytes) -> None:
        self.http.receive_data(data)
        while (event := self.http.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Request):
                self.receive_request(event)
            elif isinstance(event, h11.Data):
                self.server.receive_body(self, bytes(event.data), more=True)
            else:
                self.server.receive_body(self, b"")
        if self.websocket.state is not ConnectionState.CONNECTING:
            self.receive_frames(self.http.trailing_data[0])
        elif event is h11.PAUSED and self.http.trailing_data[0]:
            raise ConnectionResetError("a second request while the first one waits")

    def receive_request(self, head: h11.Request) -> None:
        self.limit.cancel()  # the core has deadlines for what follows
        path, _, query = head.target.decode().partition("?")
        self.head, headers = head, eio_core.headers_from_wire(head.headers)
        self.request = eio_core.Request(head.method.decode(), query, headers, http_version=head.http_version.decode())
        if path in {"/engine.io", "/engine.io/"}:
            self.server.receive_request(self)
        else:
            self.respond(eio_core.Response(404, []))
        if self.http.they_are_waiting_for_100_continue and self.server.wants_body(self):
            self.writer.write(self.http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")

    def receive_frames(self, data: bytes) -> None:
        self.websocket.receive_data(data)
        for event in self.websocket.events():
            match event:
                case events.Message(data=data, message_finished=finished):
                    self.server.receive_frame(self, data if isinstance(data, str) else bytes(data), more=not finished)
                case events.Ping() if self.websocket.state is ConnectionState.OPEN:
                    self.writer.write(self.websocket.send(event.response()))
                case events.CloseConnection():
                    if self.websocket.state is not ConnectionState.CLOSED:
                        self.writer.write(self.websocket.send(event.response()))
                    self.server.connection_lost(self, code=event.code)
                    raise ConnectionResetError

    def respond(self, response: eio_core.Response) -> bool:
        self.server.start(self.answer(response))
        return False

    def accept(self, headers: eio_core.Headers) -> None:
        # As much as the core has checked: in the rest wsproto may find what it cannot read.
        checked = eio_core.headers_to_wire([*{**self.request.headers, "host": "-", "connection": "upgrade"}.items()])
        self.websocket.initiate_upgrade_connection(checked, self.head.target)
        self.writer.write(self.websocket.send(events.AcceptConnection(extra_headers=eio_core.headers_to_wire(headers))))

    def write(self, frames: list[Any]) -> bool:
        self.writer.write(b"".join(self.websocket.send(events.Message(frame)) for frame in frames))
        self.server.start(self.drain())
        return False

    def close(self, code: int) -> None:
        self.writer.write(self.websocket.send(events.CloseConnection(code)))

    def abort(self) -> None:
        self.limit.cancel()
        self.writer.transport.abort()

    async def answer(self, response: eio_core.Response) -> None:
        """Write a response; by now h11 has seen the end of a request that has no body."""
        close = [(b"connection", b"close")] if self.http.their_state is h11.SEND_BODY else []  # nobody wants it
        head = h11.Response(status_code=response.status, headers=response.wire_headers() + close)
        body = h11.Data(data=b"" if self.head.method == b"HEAD" else response.body)
        self.writer.write(b"".join(self.http.send(event) or b"" for event in (head, body, h11.EndOfMessage())))
        await self.drain()
        if self.http.their_state is self.http.our_state is h11.DONE:
            self.http.start_next_cycle()
        elif self.writer.can_write_eof():
            self.writer.write_eof()
        self.wait(PATIENCE if self.http.our_state is h11.IDLE else LINGER)

    async def drain(self) -> None:
        """Wait until the client has taken enough of what was written; then there may be more."""
        self.wait(PATIENCE)
        await self.writer.drain()
        self.limit.cancel()
        self.server.written(self)


async def main(port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await Server().serve(stop, host="127.0.0.1", port=port)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
