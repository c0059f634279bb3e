"""The translation of scopes, and of what is received and sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
import trio
from eio_asgi import AsyncServer
from eio_asgi.exchange import HELD, Exchange
from eio_core import Response
from eio_server.integration import BodyTooLarge, Disconnected

from .fakes import Peer, scope

pytestmark = pytest.mark.anyio


@pytest.fixture
async def eio() -> AsyncIterator[AsyncServer]:
    server = AsyncServer()
    server.runner.startup()
    yield server
    await server.shutdown(0)


def exchange(eio: AsyncServer, peer: Peer, **values: Any) -> Exchange:
    return Exchange(eio.runner, scope(**values), peer.receive, peer.send)


async def test_the_request_has_what_the_core_looks_at(eio: AsyncServer) -> None:
    """IN-5, WS-21"""
    headers = [(b"Host", b"a"), (b"origin", b"caf\xe9"), (b"x-forwarded-host", b"b"), (b"x-forwarded-host", b"c")]
    request = exchange(
        eio, Peer(), headers=[*headers, (b"cookie", b"x")], query_string=b"x=\xff&y=%ff", scheme="wss", type="websocket"
    ).request
    assert request.headers == {"host": "a", "origin": "caf\xe9", "x-forwarded-host": "b, c"}
    assert (request.query, request.scheme, request.method, request.websocket) == ("x=\xff&y=%ff", "https", "GET", True)


async def test_a_scope_may_lack_what_is_optional(eio: AsyncServer) -> None:
    """As daphne's for a WebSocket does."""
    bare = {"type": "websocket", "path": "/engine.io/", "headers": [], "query_string": b""}
    request = Exchange(eio.runner, bare, Peer().receive, Peer().send).request
    assert (request.method, request.scheme, request.http_version) == ("GET", "http", "1.1")


@pytest.mark.parametrize("declared", [[], [(b"content-length", b"1")], [(b"content-length", b"\xb2")]])
async def test_a_body_is_counted_as_it_arrives(eio: AsyncServer, declared: list[tuple[bytes, bytes]]) -> None:
    """PL-12, H2: however it is declared; what is above the limit is left with the server."""
    peer = Peer([{"type": "http.request", "body": b"12345", "more_body": True}] * 4)
    with pytest.raises(BodyTooLarge):
        await exchange(eio, peer, headers=declared).read(10)
    assert len(peer.messages) == 1
    peer = Peer([{"type": "http.request", "body": b"12345", "more_body": more} for more in (True, False)])
    assert await exchange(eio, peer, headers=declared).read(10) == b"1234512345"


@pytest.mark.parametrize("header", [(b"content-length", b"20"), (b"transfer-encoding", b"chunked")])
async def test_the_rest_of_a_body_that_was_refused_is_read(eio: AsyncServer, header: tuple[bytes, bytes]) -> None:
    """ER-7, H2: between the response and its end, for some servers close the connection then."""
    peer = Peer([{"type": "http.request", "body": b"12345", "more_body": number < 3} for number in range(4)])
    refused = exchange(eio, peer, method="POST", headers=[header])
    with pytest.raises(BodyTooLarge):
        await refused.read(1)
    await refused.respond(Response(413, []))
    assert peer.messages == []
    assert [message.get("more_body") for message in peer.sent] == [None, True, False]


async def test_the_rest_of_a_body_is_not_awaited_for_ever(eio: AsyncServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """ER-7, H13: nor where its sender leaves."""
    monkeypatch.setattr("eio_asgi.exchange.LINGER", 0.01)
    for messages in ([], [{"type": "http.disconnect"}]):
        peer = Peer(messages)
        await exchange(eio, peer, method="POST", headers=[(b"content-length", b"20")]).respond(Response(400, []))
        assert [message.get("more_body") for message in peer.sent] == [None, True, False]


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"0")]])
async def test_no_body_is_awaited_where_none_is_declared(eio: AsyncServer, headers: list[tuple[bytes, bytes]]) -> None:
    """ER-6"""
    peer = Peer()
    await exchange(eio, peer, method="DELETE", headers=headers).respond(Response(400, []))
    assert [message.get("more_body") for message in peer.sent] == [None, False]


async def test_what_arrives_during_a_watch_is_not_lost(eio: AsyncServer) -> None:
    """HS-26: a body that comes while somebody waits for something else."""
    peer = Peer([{"type": "http.request", "body": b"1", "more_body": True}, {"type": "http.request", "body": b"2"}])
    one = exchange(eio, peer)
    lost: list[str] = []
    async with one.watch(lambda: lost.append("lost")):
        await peer.emptied()
    async with one.watch(lambda: lost.append("lost")):
        await anyio.wait_all_tasks_blocked()
    assert await one.read(10) == b"12"
    assert not lost


async def test_a_watch_holds_no_more_than_it_must(eio: AsyncServer) -> None:
    """H1: the rest of a body that nobody reads stays with the server."""
    peer = Peer([{"type": "http.request", "body": b"x" * (HELD // 2), "more_body": True}] * 5)
    async with exchange(eio, peer).watch(lambda: None):
        await anyio.wait_all_tasks_blocked()
    assert len(peer.messages) == 2


async def test_a_watch_tells_once_and_then_nothing_is_sent(eio: AsyncServer) -> None:
    """IN-1"""
    peer = Peer([{"type": "http.disconnect"}])
    one = exchange(eio, peer)
    gone = anyio.Event()
    async with one.watch(gone.set):
        await gone.wait()
    lost: list[str] = []
    async with one.watch(lambda: lost.append("again")):
        pass
    assert lost == ["again"]
    with pytest.raises(Disconnected):
        await one.respond(Response(200, []))
    assert not peer.sent


async def test_a_client_that_leaves_after_the_watch_is_nobodys_business(eio: AsyncServer) -> None:
    peer = Peer()
    lost: list[str] = []
    async with exchange(eio, peer).watch(lambda: lost.append("lost")):
        await anyio.wait_all_tasks_blocked()
        peer.push({"type": "http.disconnect"})
    await anyio.wait_all_tasks_blocked()
    assert not lost


async def test_a_204_has_no_length(eio: AsyncServer) -> None:
    """HD-5"""
    peer = Peer()
    await exchange(eio, peer).respond(Response(204, [("Vary", "Origin"), ("Vary", "X")]))
    start, body = peer.sent
    assert start["headers"] == [(b"vary", b"Origin"), (b"vary", b"X")]
    assert body["body"] == b""
    peer = Peer()
    await exchange(eio, peer).respond(Response(413, []))
    assert peer.sent[0]["headers"] == [(b"content-length", b"0")]


@pytest.mark.parametrize("error", [ConnectionResetError, trio.BusyResourceError])
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_a_failed_send_is_a_disconnect(eio: AsyncServer, kind: str, error: type[Exception]) -> None:
    """IN-17: also what hypercorn lets through on trio, where it may close a connection while it writes to it."""
    peer = Peer(fails=error)
    with pytest.raises(Disconnected):
        await exchange(eio, peer, type=kind).respond(Response(400, []))


@pytest.mark.parametrize("gone", [True, False])
async def test_a_refusal_that_fails(eio: AsyncServer, monkeypatch: pytest.MonkeyPatch, gone: bool) -> None:
    """IN-17, SD-1: a server that has closed the WebSocket raises what it likes; else that is an error."""
    monkeypatch.setattr("eio_asgi.exchange.LINGER", 0.01)
    end = [{"type": "websocket.disconnect"}] if gone else []
    peer = Peer([{"type": "websocket.connect"}, *end], fails=AssertionError)
    with pytest.raises(Disconnected if gone else AssertionError):
        await exchange(eio, peer, type="websocket").respond(Response(400, []))


async def test_an_environ_that_is_kept_holds_no_finished_request(eio: AsyncServer) -> None:
    """The native objects are the very ones until then."""
    peer = Peer([{"type": "http.request", "body": b"1"}] * 3)
    kept: list[dict[str, Any]] = []

    async def connect(sid: str, environ: dict[str, Any]) -> None:
        assert (await environ["asgi.receive"]())["body"] == b"1"
        kept.append(environ)

    eio.on("connect", connect)
    request = scope()
    await eio.handle_request(request, peer.receive, peer.send)
    (environ,) = kept
    assert environ["asgi.scope"] is request
    assert (await environ["asgi.receive"]())["type"] == "http.disconnect"
    sent = len(peer.sent)
    await environ["asgi.send"]({"type": "http.response.body"})
    assert len(peer.sent) == sent == 2


async def test_a_cancelled_request_leaves_no_watcher(eio: AsyncServer, anyio_backend_name: str) -> None:
    started = anyio.Event()

    async def connect(sid: str, environ: dict[str, Any]) -> None:
        started.set()
        await anyio.sleep_forever()

    eio.on("connect", connect)
    before = {task.id for task in anyio.get_running_tasks()}
    async with anyio.create_task_group() as group:
        group.start_soon(eio.handle_request, scope(), Peer().receive, Peer().send)
        await started.wait()
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    await eio.shutdown(0)
    await anyio.wait_all_tasks_blocked()
    if anyio_backend_name == "asyncio":
        await asyncio.sleep(0)
    assert {task.id for task in anyio.get_running_tasks()} <= before
    assert not eio.sockets
