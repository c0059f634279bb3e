"""The connections of the fake network: each one is an exchange to the server, and a request or WebSocket to its client.

Must not know: the protocol, and who decides how long a delivery takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from eio_core import Headers, Request, Response

from .client import Dial, Fetch
from .server import Exchange, Socket

if TYPE_CHECKING:
    from .network import Network, Peer

__all__ = ["HttpWire", "SocketWire", "Wire"]

LOST: Final = 1006
"""What a client sees of a WebSocket that was refused or ended without a close frame."""


class Wire(Exchange):
    """A connection between a client and the server: two directions, each of them in order."""

    def __init__(self, network: Network, peer: Peer, request: Request, kind: str) -> None:
        super().__init__(peer.name, request, peer.mark(kind))
        self.network = network
        self.peer = peer
        self.kind = kind
        """``GET``, ``POST`` or ``WS``."""
        self.alive = True
        self._up = 0.0  # when the last thing sent to the server arrives
        self._down = 0.0
        peer.wires[self] = None

    def abort(self) -> None:
        """The server drops it."""
        self.cut()

    def cut(self) -> None:
        """Cut it: what is under way is lost, and both sides find out."""
        if self.alive:
            self.done()
            network = self.network
            network.clock.at(network.clock.now + network.draw(), network.server.run, self._tell_server)
            network.clock.at(network.clock.now + network.draw(), self._tell_client)

    def done(self) -> None:
        """It has served its purpose."""
        if self.alive:
            self.alive = False
            self.peer.forget(self)

    def carry_up(self, call: Callable[..., None], *args: object) -> None:
        """Have the server's side called once this has arrived there."""
        delay = self.network.delay(self)
        if delay is not None:
            self._up = max(self._up, self.network.clock.now + delay)
            self.network.clock.at(self._up, self._arrive_up, call, args)

    def carry_down(self, call: Callable[..., None], *args: object) -> None:
        """Have the client's side called once this has arrived there."""
        delay = self.network.delay(self)
        if delay is not None:
            self._down = max(self._down, self.network.clock.now + delay)
            self.network.clock.at(self._down, self._arrive_down, call, args)

    def _arrive_up(self, call: Callable[..., None], args: tuple[object, ...]) -> None:
        if self.alive and self.peer.reachable:
            self.network.server.run(call, *args)

    def _arrive_down(self, call: Callable[..., None], args: tuple[object, ...]) -> None:
        if self.alive and self.peer.reachable:
            call(*args)
            self.peer.settle()

    def _tell_server(self) -> None:
        self.network.server.connection_lost(self)

    def _tell_client(self) -> None:
        if not self.peer.gone:
            self.lost()
            self.peer.settle()

    def lost(self) -> None:
        """The client finds out that the connection is gone."""
        raise NotImplementedError


class HttpWire(Wire):
    """The connection of one request and its response."""

    def __init__(self, network: Network, peer: Peer, fetch: Fetch) -> None:
        request = Request(fetch.method, fetch.query, peer.headers, websocket=False)
        super().__init__(network, peer, request, fetch.method)
        self.fetch = fetch
        self._unread: Response | None = None

    def send(self) -> None:
        """Send the request, and its body behind it."""
        server = self.network.server
        self.carry_up(server.receive_request, self)
        if self.fetch.body is not None:
            self.carry_up(server.receive_body, self, self.fetch.body)

    def respond(self, response: Response) -> bool:
        if self.peer.reading:
            self.carry_down(self._responded, response)
            return True
        self._unread = response
        self.peer.unread.append(self._read)
        return False

    def lost(self) -> None:
        self.peer.client.fetch_failed(self.fetch)

    def _responded(self, response: Response) -> None:
        self.done()
        self.peer.client.receive_response(self.fetch, response.status, response.body, self.network.clock.now)

    def _read(self) -> None:
        if self.alive and self._unread is not None:
            self.carry_down(self._responded, self._unread)
            self.network.server.run(self.network.server.written, self)


class SocketWire(Wire, Socket):
    """The connection of one WebSocket."""

    def __init__(self, network: Network, peer: Peer, dial: Dial) -> None:
        super().__init__(network, peer, Request("GET", dial.query, peer.headers, websocket=True), "WS")
        self.dial = dial
        self._open = False
        self._unread: list[str | bytes] = []

    # What the client does.

    def transmit(self, frame: str | bytes) -> None:
        """Send a frame to the server."""
        self.carry_up(self.network.server.receive_frame, self, frame)

    def hang_up(self, code: int) -> None:
        """Send a close frame to the server, or give up if it has not answered yet."""
        self.carry_up(self._hung_up, code if self._open else None)

    def _hung_up(self, code: int | None) -> None:
        self.done()
        if code is None:
            self.network.server.connection_lost(self)
        else:
            self.network.server.connection_lost(self, code=code)

    # What the server does.

    def respond(self, response: Response) -> bool:
        self.carry_down(self._closed, LOST)
        return True

    def accept(self, headers: Headers) -> None:
        self.carry_down(self._accepted)

    def write(self, frames: list[str | bytes]) -> bool:
        if self.peer.reading:
            for frame in frames:
                self.carry_down(self._receive, frame)
            return True
        self._unread += frames
        self.peer.unread.append(self._read)
        return False

    def close(self, code: int) -> None:
        if not self._unread:  # else it stands behind them, and a client that does not read does not see it
            self.carry_down(self._closed, code)

    # What the client finds.

    def lost(self) -> None:
        self.peer.client.hung_up(self.dial, LOST)

    def _accepted(self) -> None:
        self._open = True
        self.peer.client.dialled(self.dial)

    def _receive(self, frame: str | bytes) -> None:
        self.peer.client.receive_frame(self.dial, frame, self.network.clock.now)

    def _closed(self, code: int) -> None:
        """The client answers a close frame by itself; a refusal needs no answer, and the server expects none."""
        network = self.network
        self.done()
        network.clock.at(network.clock.now + network.draw(), network.server.run, self._answer, code)
        self.peer.client.hung_up(self.dial, code)

    def _answer(self, code: int) -> None:
        self.network.server.connection_lost(self, code=code)

    def _read(self) -> None:
        if self.alive:
            frames, self._unread = self._unread, []
            for frame in frames:
                self.carry_down(self._receive, frame)
            self.network.server.run(self.network.server.written, self)
