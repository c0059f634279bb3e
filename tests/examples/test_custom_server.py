"""What ``custom_server.py`` is exposed to beyond what the tests of the wire ask every server: faults of its peers and
of its application are the affair of one connection."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import pytest
from eio_core import Session

from tests.integrations.clients import UPGRADE, Client, Connection, DisconnectedError, Stream, settle, url
from tests.integrations.servers import custom

custom_server: Any = import_module("examples.custom_server")

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def serving(server: Any) -> AsyncIterator[int]:
    """Serve, and see afterwards that a fresh client is served, and that nothing is left when the server ends."""
    async with custom.run(server) as port:
        yield port
        client = Client(port)
        await client.handshake()
        client.close()
    assert (server.connections, server.engine.sessions, len(server.engine.deadlines)) == (0, {}, 0)


@pytest.mark.parametrize(
    "header",
    [
        b"Connection: keep-alive",
        b"Sec-WebSocket-Protocol: \xff",
        b"Sec-WebSocket-Extensions: \xff; =",
        b"Host: \xff",
        None,
    ],
)
async def test_a_websocket_is_accepted_by_what_the_core_has_checked(header: bytes | None) -> None:
    """WS-11: a proxy may add a second Connection header, and what nobody needs may be malformed, or not there."""
    lines = [f"GET {url('websocket')} HTTP/1.0".encode()]
    lines += [f"{name}: {value}".encode() for name, value in UPGRADE]
    if header is not None:
        lines[0] = lines[0].replace(b"1.0", b"1.1")
        lines += [header] if header.startswith(b"Host") else [b"Host: a", header]
    async with serving(custom_server.Server()) as port:
        stream = Stream(port)
        await stream.send(b"\r\n".join([*lines, b"", b""]))
        received = b""
        while b'0{"sid":' not in received:
            received += await stream.receive()
        assert received.startswith(b"HTTP/1.1 101 ")
        stream.close()


async def test_a_client_that_is_gone_when_its_response_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """ER-4: a reset between our last two system calls ends this connection, and not the server."""

    def reset(writer: object) -> None:
        monkeypatch.undo()
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    async with serving(custom_server.Server()) as port:
        monkeypatch.setattr(asyncio.StreamWriter, "write_eof", reset)
        connection = Connection(port)
        response = await connection.request("GET", url("websocket", "unknown"), UPGRADE)
        assert response.status == 400
        connection.close()


class Defective(custom_server.Server):  # type: ignore[misc]
    """An application whose handlers raise."""

    def message(self, session: Session, data: str | bytes) -> None:
        if data == "bad":
            raise ZeroDivisionError

    def drained(self, session: Session) -> None:
        raise ZeroDivisionError

    def disconnect(self, session: Session, reason: str) -> None:
        super().disconnect(session, reason)
        raise ZeroDivisionError


async def test_a_handler_that_raises_ends_one_connection_at_most() -> None:
    """ER-9: whatever handler it is, and whoever called it: the reader of a connection, its writer, or the timer."""
    failures: list[object] = []
    loop = asyncio.get_running_loop()
    handler = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: failures.append(type(context.get("exception"))))
    server = Defective()
    async with serving(server) as port:
        client = Client(port)
        first = await client.handshake()
        with pytest.raises(DisconnectedError):
            await first.post("4bad")
        websocket = await client.websocket()
        (carried,) = (one for one in server.engine.sessions.values() if one.transport == "websocket")
        server.send(carried, "x" * 300_000)
        assert len(await websocket.receive()) == 300_001
        websocket.reset()
        poll = await (await client.handshake()).park()
        poll.reset()
        while list(server.engine.sessions) != [first.sid]:
            await settle()
        client.close()
    loop.set_exception_handler(handler)
    assert failures == [ZeroDivisionError] * 6  # a message, a drain, and the ends, two of them at the stop
