"""A server on a runtime that is driven by hand, its application, and its clients."""

from __future__ import annotations

import json
from typing import Any

from eio_core import Request, Response
from eio_server import AsyncServer
from eio_server.integration import Connection, Offer, register
from eio_server.runner import REST

from .fakes import FakeExchange, FakeIntegration, FakeWebSocket
from .runtime import ManualRuntime, Task

__all__ = ["Call", "Carried", "Polling", "World"]

HANDSHAKE = "EIO=4&transport="


class Call:
    """A request that is being served, or was."""

    def __init__(self, exchange: FakeExchange, task: Task) -> None:
        self.exchange = exchange
        self.task = task

    @property
    def pending(self) -> bool:
        """Whether nothing was answered yet."""
        return not self.task.done

    @property
    def response(self) -> Response:
        """Its one response."""
        self.task.result  # noqa: B018 - raises what the task raised
        (response,) = self.exchange.responses
        return response

    @property
    def offer(self) -> Offer:
        """The WebSocket that it may become."""
        offer: Offer | None = self.task.result
        assert offer is not None, f"answered {self.exchange.responses}"
        return offer

    @property
    def status(self) -> int:
        """The status of its response."""
        return self.response.status

    @property
    def body(self) -> str:
        """The body of its response."""
        return self.response.body.decode()

    @property
    def packets(self) -> list[str]:
        """The packets of its response, which is a payload."""
        assert self.status == 200, self.response
        return self.body.split("\x1e")

    @property
    def code(self) -> int:
        """The code of its refusal."""
        code: int = json.loads(self.body)["code"]
        return code


class World:
    """A server, what its application saw, and what must be true at any moment.

    :param options: arguments of AsyncServer.
    """

    def __init__(self, *, stepping: bool = True, eager: bool = True, **options: Any) -> None:
        self.runtime = ManualRuntime(stepping=stepping, eager=eager)
        self.integration = FakeIntegration(self.runtime)
        register(self.integration)
        self.eio = AsyncServer("fake", **options)
        self.runner = self.eio.runner
        self.engine = self.runner.engine
        self.events: list[tuple[Any, ...]] = []
        """What the handlers saw: ("message", sid, data) and so on."""
        self.eio.on("connect", self._connect)
        self.eio.on("message", self._message)
        self.eio.on("disconnect", self._disconnect)

    def _connect(self, sid: str, _: dict[str, Any]) -> None:
        self.events.append(("connect", sid))

    def _message(self, sid: str, data: Any) -> None:
        self.events.append(("message", sid, data))

    def _disconnect(self, sid: str, reason: str) -> None:
        self.events.append(("disconnect", sid, reason))

    # ------------------------------------------------------------------------------------------------------ requests

    def begin(self, exchange: FakeExchange) -> Call:
        """A request arrives; the framework has a task for it, which goes as far as it can."""
        call = Call(exchange, self.runtime.task(self.runner.serve(exchange)))
        self.runtime.run()
        return call

    def request(
        self, method: str, query: str, body: bytes | BaseException = b"", *, websocket: bool = False, **headers: str
    ) -> Call:
        """A request that nothing holds up."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.begin(FakeExchange(Request(method, query, names, websocket=websocket), body))

    def polling(self) -> Polling:
        """A client on polling."""
        call = self.request("GET", HANDSHAKE + "polling")
        return Polling(self, json.loads(call.packets[0][1:])["sid"], call)

    def websocket(self, websocket: FakeWebSocket | None = None) -> Carried:
        """A client on WebSocket, its open packet read."""
        before = set(self.eio.sockets)
        call = self.request("GET", HANDSHAKE + "websocket", websocket=True)
        (sid,) = set(self.eio.sockets) - before
        client = Carried(self, sid, call.offer, websocket)
        assert client.websocket.frames.pop(0)[:1] == "0"
        return client

    # ---------------------------------------------------------------------------------------------------- application

    def call(self, coroutine: Any) -> Any:
        """Await something of the API."""
        return self.runtime.call(coroutine)

    def send(self, sid: str, data: Any) -> None:
        """The application sends."""
        self.call(self.eio.send(sid, data))

    def of(self, sid: str) -> list[tuple[Any, ...]]:
        """The events of one session after its connect, without the sid."""
        return [(kind, *rest) for kind, one, *rest in self.events if one == sid and kind != "connect"]

    def messages(self, sid: str) -> list[Any]:
        """What the message handler got of one session."""
        return [event[1] for event in self.of(sid) if event[0] == "message"]

    def reasons(self, sid: str) -> list[str]:
        """With which reasons the disconnect handler was called: at most one, and nothing after it."""
        events = self.of(sid)
        assert [event[0] for event in events[:-1]].count("disconnect") == 0, events
        return [event[1] for event in events if event[0] == "disconnect"]

    # ----------------------------------------------------------------------------------------------- what must be true

    def verify(self) -> None:
        """What is true whenever everything has come to rest."""
        runner, engine = self.runner, self.engine
        for task in self.runtime.tasks:
            if task.done and not task.cancelled:
                assert task.error is None, f"a task of the server failed: {task.error!r}"
        assert engine.effects == []
        for sid, session in {**engine.sessions, **engine.opening}.items():
            assert session.handle is runner.sockets[sid], "the application does not see a session"
            assert session.handle.core is session
        for sid, _ in [event[:2] for event in self.events if event[0] == "connect"]:
            self.reasons(sid)
        deadline = engine.next_deadline()
        if deadline is not None and not self.runtime.calls["stop"]:
            assert self.runtime.timer is not None, "a deadline, and no timer"
            assert self.runtime.timer[0] <= deadline + REST, "a deadline before the timer"

    def assert_nothing_left(self) -> None:
        """No session, no deadline and no task: whatever there was is over."""
        self.verify()
        assert not self.engine.sessions
        assert not self.engine.opening
        assert not self.eio.sockets, "a ghost"
        assert len(self.engine.deadlines) == 0
        assert not self.runtime.running

    def end(self) -> None:
        """The test is over: see that all is well, and let go of what still waits."""
        try:
            self.verify()
        finally:
            self.runtime.close()


class Polling:
    """A client on polling."""

    def __init__(self, world: World, sid: str, handshake: Call) -> None:
        self._world = world
        self.sid = sid
        self.handshake = handshake
        self.query = f"{HANDSHAKE}polling&sid={sid}"

    def get(self) -> Call:
        """A GET; it may be parked."""
        return self._world.request("GET", self.query)

    def post(self, *packets: str) -> Call:
        """A POST of these packets."""
        return self._world.request("POST", self.query, "\x1e".join(packets).encode())

    def post_slowly(self, *packets: str) -> Call:
        """A POST whose body does not come before the gate of its exchange is opened."""
        exchange = FakeExchange(Request("POST", self.query), "\x1e".join(packets).encode())
        exchange.reading.close()
        return self._world.begin(exchange)

    def probe(self) -> Carried:
        """A WebSocket for an upgrade, not yet probed."""
        call = self._world.request("GET", f"{HANDSHAKE}websocket&sid={self.sid}", websocket=True)
        return Carried(self._world, self.sid, call.offer)

    def upgrade(self) -> Carried:
        """A whole upgrade."""
        client = self.probe()
        client.feed("2probe")
        assert client.websocket.frames == ["3probe"]
        client.websocket.frames.clear()
        client.feed("5")
        return client


class Carried:
    """A client on WebSocket; its reader awaits whatever it is asked to, as an integration does."""

    def __init__(self, world: World, sid: str, offer: Offer, websocket: FakeWebSocket | None = None) -> None:
        self._world = world
        self.sid = sid
        self.websocket = FakeWebSocket() if websocket is None else websocket
        self.connection: Connection = offer.opened(self.websocket)
        self.reader: Task | None = None
        """For a test to remember what its reader waits for."""
        world.runtime.run()

    @property
    def frames(self) -> list[str | bytes]:
        """What it received."""
        return self.websocket.frames

    def feed(self, frame: str | bytes) -> Task | None:
        """The client sends a frame.

        :returns: the reader's task, as far as it got, where it has to wait before it may read on.
        """
        waiting = self.connection.feed(frame)
        task = None if waiting is None else self._world.runtime.task(waiting)
        self._world.runtime.run()
        return task

    def leave(self, code: int | None = 1001, *, error: bool = False) -> None:
        """The WebSocket ends."""
        self.connection.lost(code, error=error)
        self._world.runtime.run()
