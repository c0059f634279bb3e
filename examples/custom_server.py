"""A server of one's own: ``eio_core`` on asyncio's streams, with h11 for HTTP/1.1 and wsproto for WebSocket.

``pip install eio-core h11 wsproto``, then ``python custom_server.py 8000``. The core says what is to be done, this file
does it; a "step" is one of the contract in the docstring of :mod:`eio_core`. ``Echo``, at the end, is an application.
"""

import asyncio
import logging
import secrets
import signal
import sys
from contextlib import suppress
from time import monotonic as now
from typing import Any

import eio_core
import h11
from eio_core import Handshake, Link, Poll, Post, Response, Session, Upgrade
from wsproto import ConnectionType, WSConnection, events
from wsproto.connection import ConnectionState
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

PATIENCE = 60.0  # seconds for a client to send its next request, or to take some of what we write
LINGER = 2.0  # seconds for it to read our last words: closing a connection that has something unread resets it
CHUNK = 65536
ERRORS = {1002, 1003, 1007, 1009, 1010, 1011}  # the close codes that say that something broke


class Server:
    """One engine, its effects and its timer. An application overrides the first three methods."""

    def __init__(self, settings: eio_core.Settings | None = None) -> None:
        self.engine = eio_core.Engine(settings)  # step 1
        self.timer: asyncio.TimerHandle | None = None
        self.empty = asyncio.Event()

    async def connect(self, session: Session, request: h11.Request) -> bool:
        return True

    def message(self, session: Session, data: str | bytes) -> None: ...
    def disconnect(self, session: Session, reason: str) -> None: ...

    def send(self, session: Session, data: object) -> None:
        """Send a message; raises ``eio_core.SessionClosed`` where nobody would receive it."""
        connection = self.engine.send(session, data)
        if connection is not None:
            connection.handle.flush()
        self.settle()

    def close(self, session: Session) -> None:
        """Close a session; what was sent before is delivered first."""
        self.engine.close(session, now())
        self.settle()

    async def shutdown(self, timeout: float = 5.0) -> None:
        """Refuse new clients, tell the others, and give unsent data some seconds: the core's deadlines end it then."""
        self.empty.clear()
        self.engine.shutdown(now(), timeout)
        self.settle()
        await self.empty.wait()
        self.engine.cut()  # those whose connect() is still running

    def settle(self) -> None:
        """To be called after every call of the engine: its effects (step 5), and the timer (step 7), which calls it."""
        self.engine.expire(now())
        while self.engine.effects:
            match self.engine.effects.pop(0):
                case eio_core.Write(connection):
                    connection.handle.flush()
                case eio_core.Abort(connection):
                    connection.handle.writer.transport.abort()
                case eio_core.Closed(session, reason):
                    self.disconnect(session, reason)
        if not self.engine.sessions:
            self.empty.set()
        if self.timer is not None:
            self.timer.cancel()
        if (deadline := self.engine.next_deadline()) is not None:
            self.timer = asyncio.get_running_loop().call_later(deadline - now(), self.settle)

    async def serve(self, stop: asyncio.Event, **where: Any) -> None:
        """Serve, where asyncio.start_server() is told to, until ``stop`` is set; then tell everybody."""
        self.engine.reopen()
        with suppress(TimeoutError):
            async with asyncio.timeout(None) as limit, asyncio.TaskGroup() as group:
                server = await asyncio.start_server(
                    lambda *streams: group.create_task(Connection(self, *streams).run()), **where
                )
                await stop.wait()
                server.close()
                await self.shutdown()
                limit.reschedule(now() + LINGER)


class Connection:
    """A TCP connection: HTTP requests, one after another, until one of them becomes a WebSocket."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self.engine, self.reader, self.writer = server, server.engine, reader, writer
        self.http, self.websocket = h11.Connection(h11.SERVER), WSConnection(ConnectionType.SERVER)
        self.reading: asyncio.Future[bytes] | None = None
        self.dirty = asyncio.Event()
        self.current: Poll | Post | Link | None = None  # whose handle this is, and whose loss is to be reported
        self.broken = True  # whether its loss is an error

    def flush(self) -> None:
        """There is something to write: a response, so that its request need not be read on, or frames, or the close."""
        self.dirty.set()
        if self.reading is not None:
            self.reading.cancel()
        if isinstance(self.current, Link) and self.current.closing is not None:  # even if the writer is stuck
            self.engine.begin_hangup(self.current, now())

    async def run(self) -> None:
        try:
            try:
                while self.http.our_state is h11.IDLE:
                    await self.request()
            except h11.RemoteProtocolError as error:
                self.writer.write(b"HTTP/1.1 %d \r\nConnection: close\r\n\r\n" % error.error_status_hint)
            finally:
                if self.current is not None:
                    self.engine.connection_lost(self.current, error=self.broken)  # step 6
                    self.current.handle = None  # no cycle
                    self.server.settle()
            self.writer.write_eof()
            async with asyncio.timeout(LINGER):
                while await self.reader.read(CHUNK):
                    pass
        except OSError:
            pass  # the client is gone, or too slow: a TimeoutError is an OSError
        except Exception:
            logging.getLogger("custom_server").exception("a connection failed")
        finally:
            self.writer.transport.abort()

    async def event(self) -> Any:
        """What comes next of a request; None if it is to be answered before."""
        while (event := self.http.next_event()) is h11.NEED_DATA:
            if self.http.they_are_waiting_for_100_continue:
                self.writer.write(self.http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
            self.reading = asyncio.ensure_future(self.reader.read(CHUNK))
            await asyncio.wait([self.reading])
            if self.reading.cancelled():
                return None
            self.http.receive_data(self.reading.result())
        if event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
            raise ConnectionResetError("gone, or sending a second request while the first one waits")
        return event

    async def request(self) -> None:
        """Take a request to its response, or to the end of its WebSocket (step 2)."""
        async with asyncio.timeout(PATIENCE):
            head = await self.event()
        method, (path, _, query) = head.method.decode(), head.target.decode().partition("?")
        headers: dict[str, str] = {}
        for name, value in ((name.decode(), value.decode("latin-1")) for name, value in head.headers):
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        request = eio_core.Request(method, query, headers, http_version=head.http_version.decode())
        if method != "POST":
            self.http.next_event()  # its end
        answer: Any = Response(404, [])
        if path in {"/engine.io", "/engine.io/"}:
            answer = self.engine.receive_request(request, now())
        if isinstance(answer, Upgrade) or (isinstance(answer, Handshake) and answer.transport == "websocket"):
            try:
                self.websocket.initiate_upgrade_connection(head.headers, head.target)
            except (RemoteProtocolError, ValueError):  # before anybody is asked
                answer = Response(400, [("Sec-WebSocket-Version", "13"), ("Connection", "close")])
        if isinstance(answer, Handshake):
            answer = await self.handshake(answer, head)
        if isinstance(answer, Upgrade):
            answer = self.engine.open_link(answer, now())  # the 101 is what we write next
        if not isinstance(answer, Response):
            answer.handle, self.current = self, answer
        self.server.settle()
        if isinstance(answer, Link):
            await self.carry(answer)
        elif isinstance(answer, Poll | Post):
            await self.wait(answer)
            response = self.engine.take_response(answer)
            self.server.settle()
            await self.respond(response, method)
        else:
            await self.respond(answer, method)

    async def handshake(self, handshake: Handshake, head: h11.Request) -> Response | Poll | Link:
        """Make a session, and ask the application (step 3)."""
        session = self.engine.open(handshake, secrets.token_urlsafe(15))
        if isinstance(session, Response):
            return session
        if not await self.server.connect(session, head):
            return self.engine.reject(session)
        answer = self.engine.accept(session, now())
        if not isinstance(answer, Response) and (self.reader.at_eof() or self.writer.is_closing()):
            self.current = answer
            raise ConnectionResetError("gone while the application was asked")
        return answer

    async def wait(self, answer: Poll | Post) -> None:
        """Read on until there is a response: the body, or that the client goes away."""
        session, body = answer.session, b""
        while not answer.ready:
            match answer, await self.event():
                case Post(), h11.Data(data=data):
                    body += data
                    if len(body) > answer.limit:
                        self.engine.receive_oversize(answer)
                case Post(), h11.EndOfMessage():
                    for message in self.engine.receive_body(answer, body, now()):
                        if session is not None and session.reason != eio_core.Reason.SERVER_DISCONNECT:
                            self.server.message(session, message)
            self.server.settle()

    async def respond(self, response: Response, method: str) -> None:
        response = eio_core.compressed(response)
        headers = [*response.headers]
        if response.status != 204:
            headers.append(("Content-Length", str(len(response.body))))
        if self.http.their_state is h11.SEND_BODY:  # which nobody wants
            headers.append(("Connection", "close"))
        data = self.http.send(h11.Response(status_code=response.status, headers=headers))
        data += self.http.send(h11.Data(data=b"" if method == "HEAD" else response.body))
        self.writer.write(data + self.http.send(h11.EndOfMessage()))
        async with asyncio.timeout(PATIENCE):
            await self.writer.drain()
        if isinstance(self.current, Poll):
            self.engine.written(self.current)  # step 6
            self.server.settle()
        self.current = None
        if self.http.our_state is self.http.their_state is h11.DONE:
            self.http.start_next_cycle()

    async def carry(self, link: Link) -> None:
        """Accept a WebSocket, and read it until it ends (step 4)."""
        headers = [(name.encode(), value.encode("latin-1")) for name, value in link.cors]
        self.writer.write(self.websocket.send(events.AcceptConnection(extra_headers=headers)))
        writing = asyncio.create_task(self.write(link))
        limit, size, parts, self.broken = self.engine.settings.max_http_buffer_size, 0, [], False
        self.websocket.receive_data(self.http.trailing_data[0])
        try:
            while self.websocket.state is not ConnectionState.CLOSED:
                for event in self.websocket.events():
                    match event:
                        case events.Message(data=data, message_finished=finished):
                            size += len(data)
                            parts.append(data)
                            if finished or size > limit:  # which the core refuses
                                message = self.engine.receive_frame(link, type(data)().join(parts))
                                if message is not None and link.session is not None:
                                    self.server.message(link.session, message)
                                else:
                                    self.dirty.set()
                                self.server.settle()
                                size, parts = 0, []
                        case events.Ping() if self.websocket.state is ConnectionState.OPEN:
                            self.writer.write(self.websocket.send(event.response()))
                            await self.writer.drain()
                        case events.CloseConnection(code=code):
                            self.broken = code in ERRORS
                            with suppress(LocalProtocolError):
                                self.writer.write(self.websocket.send(event.response()))
                            return
                if not (data := await self.reader.read(CHUNK)):
                    return
                self.websocket.receive_data(data)
        finally:
            writing.cancel()

    async def write(self, link: Link) -> None:
        """The one writer of a WebSocket: it pulls, and goes on when the connection has taken what it wrote (step 4)."""
        with suppress(OSError):
            while self.websocket.state is ConnectionState.OPEN:
                self.dirty.clear()
                while frames := self.engine.take_frames(link):
                    for frame in frames:
                        message = events.TextMessage(frame) if isinstance(frame, str) else events.BytesMessage(frame)
                        self.writer.write(self.websocket.send(message))
                    async with asyncio.timeout(PATIENCE):
                        await self.writer.drain()
                self.server.settle()
                if link.closing is None:
                    await self.dirty.wait()
                else:
                    self.writer.write(self.websocket.send(events.CloseConnection(link.closing)))
                    self.engine.begin_hangup(link, now())
                    self.server.settle()
            return
        self.writer.transport.abort()


class Echo(Server):
    def message(self, session: Session, data: str | bytes) -> None:
        with suppress(eio_core.SessionClosed):
            self.send(session, data)


async def main(port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await Echo().serve(stop, host="127.0.0.1", port=port)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
