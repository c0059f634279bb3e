"""A server of one's own: ``eio_core`` on asyncio's streams, with h11 for HTTP/1.1 and wsproto for WebSocket.

``pip install eio-core h11 wsproto``, then ``python custom_server.py 8000``. The core says what is to be done, this file
does it; a "step" is one of the contract in the docstring of :mod:`eio_core`.
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
from eio_core import Handshake, Link, Poll, Post, Request, Response, Session, Upgrade
from wsproto import ConnectionType, WSConnection, events
from wsproto.connection import ConnectionState

CHUNK = 65536
PATIENCE = 60.0  # seconds for a client to send its next request, or to take some of what we write
LINGER = 2.0  # seconds for it to read our last words: a connection that is closed with something unread is reset


class Server:
    """One engine, its effects and its timer, and three methods for an application: this one echoes."""

    def __init__(self, settings: eio_core.Settings | None = None) -> None:
        self.engine = eio_core.Engine(settings)  # step 1
        self.timer: asyncio.TimerHandle | None = None
        self.empty = asyncio.Event()

    async def connect(self, session: Session, request: h11.Request) -> bool:
        return True

    def message(self, session: Session, data: str | bytes) -> None:
        with suppress(eio_core.SessionClosed):
            self.send(session, data)

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

    async def shutdown(self, timeout: float = 5.0) -> None:
        """Refuse new clients, tell the others, and give unsent data some seconds: the core's deadlines end it then."""
        self.empty.clear()
        self.engine.shutdown(now(), timeout)
        self.settle()
        await self.empty.wait()
        self.engine.cut()  # those whose connect() is still running


class Connection:
    """A TCP connection: HTTP requests, one after another, until one of them becomes a WebSocket."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self.engine, self.reader, self.writer = server, server.engine, reader, writer
        self.http, self.websocket = h11.Connection(h11.SERVER), WSConnection(ConnectionType.SERVER)
        self.current: Response | Poll | Post | Link | None = None  # what came of the latest request
        self.bodiless = False  # whether that is a HEAD
        self.received = bytearray()  # of a body, or of a message
        self.code: int | None = None  # of the client's close frame
        self.dirty = asyncio.Event()

    async def run(self) -> None:
        """Read, until the client is gone or the writer has dropped the connection."""
        writing = asyncio.create_task(self.write())
        try:
            while data := await self.reader.read(CHUNK):
                if isinstance(self.current, Link):
                    self.receive_frames(self.current, data)
                elif self.http.our_state is not h11.MUST_CLOSE:  # else it has only to read what we wrote
                    await self.receive_http(data)
                await self.writer.drain()
        except OSError:
            pass  # the client is gone
        except h11.RemoteProtocolError as error:
            self.writer.write(b"HTTP/1.1 %d \r\nConnection: close\r\n\r\n" % error.error_status_hint)
        except Exception:
            logging.getLogger("custom_server").exception("a connection failed")
        finally:
            if isinstance(self.current, Poll | Post | Link):
                self.engine.connection_lost(self.current, code=self.code)  # step 6
            self.current = None  # whose handle this is
            self.server.settle()
            writing.cancel()
            self.writer.transport.abort()

    async def write(self) -> None:
        """The one writer: it pulls, and goes on when the connection has taken what it wrote."""
        with suppress(OSError):  # a TimeoutError is one, too
            while self.http.our_state is not h11.MUST_CLOSE:
                async with asyncio.timeout(None if self.current else PATIENCE):
                    await self.dirty.wait()
                self.dirty.clear()
                current = self.current
                if isinstance(current, Link):
                    self.write_frames(current)
                elif isinstance(current, Response):
                    self.respond(current)
                elif current is not None and current.ready:
                    self.respond(self.engine.take_response(current))
                self.server.settle()
                async with asyncio.timeout(PATIENCE):
                    await self.writer.drain()
                if self.http.our_state in {h11.DONE, h11.MUST_CLOSE}:  # it was answered
                    if isinstance(current, Poll):
                        self.engine.written(current)  # step 6
                        self.server.settle()
                    self.current = None
                if self.http.our_state is h11.DONE:
                    self.http.start_next_cycle()
            if self.writer.can_write_eof():
                self.writer.write_eof()
            await asyncio.sleep(LINGER)
        self.writer.transport.abort()

    def flush(self) -> None:
        """There may be something to write; if it is a close, then the peer has its time to answer from now on."""
        self.dirty.set()
        if isinstance(self.current, Link):
            self.engine.begin_hangup(self.current, now())

    async def receive_http(self, data: bytes) -> None:
        self.http.receive_data(data)
        while (event := self.http.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Request):
                await self.receive_request(event)
            elif isinstance(self.current, Post):
                self.receive_body(self.current, event)
        if isinstance(self.current, Link):
            self.receive_frames(self.current, self.http.trailing_data[0])
        elif event is h11.PAUSED and self.http.trailing_data[0]:
            raise ConnectionResetError("a second request while the first one waits")

    async def receive_request(self, head: h11.Request) -> None:
        """What the core makes of a request (steps 2 and 3)."""
        path, _, query = head.target.decode().partition("?")
        headers, version = eio_core.headers_from_wire(head.headers), head.http_version.decode()
        answer: Any = Response(404, [])
        if path in {"/engine.io", "/engine.io/"}:
            request = Request(head.method.decode(), query, headers, http_version=version)
            answer = self.engine.receive_request(request, now())
        if isinstance(answer, Handshake):
            answer = await self.handshake(answer, head)
        if isinstance(answer, Upgrade):
            answer = self.engine.open_link(answer, now())
        if isinstance(answer, Link):
            self.websocket.initiate_upgrade_connection([*head.headers], head.target)
            accept = events.AcceptConnection(extra_headers=eio_core.headers_to_wire(answer.cors))
            self.writer.write(self.websocket.send(accept))
        elif isinstance(answer, Post) and self.http.they_are_waiting_for_100_continue:
            self.writer.write(self.http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
        if not isinstance(answer, Response):
            answer.handle = self
        self.current, self.bodiless = answer, head.method == b"HEAD"
        self.flush()
        self.server.settle()

    async def handshake(self, handshake: Handshake, head: h11.Request) -> Response | Poll | Link:
        session = self.engine.open(handshake, secrets.token_urlsafe(15))
        if isinstance(session, Response):
            return session
        accepted = False
        try:
            accepted = await self.server.connect(session, head)
        finally:  # even if it failed
            answer = self.engine.accept(session, now()) if accepted else self.engine.reject(session)
        if isinstance(answer, Poll | Link) and (self.reader.at_eof() or self.writer.is_closing()):
            self.engine.connection_lost(answer, error=True)
            raise ConnectionResetError("gone while the application was asked")
        return answer

    def receive_body(self, post: Post, event: object) -> None:
        """Some of the body of a POST, or its end."""
        if isinstance(event, h11.Data):
            self.received += event.data
        if isinstance(event, h11.EndOfMessage) or len(self.received) > post.limit:  # the core looks at that, too
            session: Any = post.session
            for message in self.engine.receive_body(post, bytes(self.received), now()):
                if session.reason != eio_core.Reason.SERVER_DISCONNECT:
                    self.server.message(session, message)
            self.received.clear()
            self.flush()
            self.server.settle()

    def respond(self, response: Response) -> None:
        response = eio_core.compressed(response)
        headers = response.wire_headers()
        if self.http.their_state is h11.SEND_BODY:  # which nobody wants
            headers.append((b"connection", b"close"))
        data = self.http.send(h11.Response(status_code=response.status, headers=headers))
        data += self.http.send(h11.Data(data=b"" if self.bodiless else response.body))
        self.writer.write(data + self.http.send(h11.EndOfMessage()))

    def receive_frames(self, link: Link, data: bytes) -> None:
        """What arrived on a WebSocket (step 4)."""
        self.websocket.receive_data(data)
        for event in self.websocket.events():
            match event:
                case events.Message(data=data, message_finished=finished):
                    text = isinstance(data, str)
                    self.received += data.encode() if text else data
                    if finished or len(self.received) > self.engine.settings.max_http_buffer_size:  # refused
                        frame = self.received.decode() if text else bytes(self.received)
                        self.received.clear()
                        message = self.engine.receive_frame(link, frame)
                        if message is not None and link.session is not None:
                            self.server.message(link.session, message)
                        else:
                            self.flush()
                        self.server.settle()
                case events.Ping() if self.websocket.state is ConnectionState.OPEN:
                    self.writer.write(self.websocket.send(event.response()))
                case events.CloseConnection(code=code):
                    self.code = code
                    if self.websocket.state in {ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING}:
                        self.writer.write(self.websocket.send(event.response()))
                    raise ConnectionResetError

    def write_frames(self, link: Link) -> None:
        """What there is for it by now; when the connection has taken that, it is asked for more (step 4)."""
        if self.websocket.state is not ConnectionState.OPEN:
            return
        frames = self.engine.take_frames(link)
        for frame in frames:
            message = events.TextMessage(frame) if isinstance(frame, str) else events.BytesMessage(frame)
            self.writer.write(self.websocket.send(message))
        if frames:
            self.dirty.set()
        elif link.closing is not None:
            self.writer.write(self.websocket.send(events.CloseConnection(link.closing)))


async def main(port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await Server().serve(stop, host="127.0.0.1", port=port)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
