"""What only Sanic has: blueprints, its worker processes, its timeouts, routes of one's own. The IN rows, and AP-14."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from .clients import UPGRADE, Client, assert_refused, frame, url
from .harness import Logs, Serve, eventually
from .servers import Server, listen
from .servers.sanic import make

if TYPE_CHECKING:
    from eio_server import AsyncServer

pytestmark = [pytest.mark.anyio, pytest.mark.only(integration="sanic")]

SUB = "/sub/engine.io/?EIO=4&transport="


def blueprint(eio: AsyncServer) -> Any:
    """An application with a route of its own and Engine.IO on a blueprint."""
    from sanic import Blueprint, Request, text

    app, sub = make(), Blueprint("sub", url_prefix="/sub")

    @app.get("/hello")  # type: ignore[untyped-decorator, unused-ignore]
    async def hello(_: Request) -> Any:
        return text("hello")

    eio.attach(sub)
    app.blueprint(sub)
    return app


async def test_on_a_blueprint(serve: Serve) -> None:
    """IN-15, SD-4, SD-5: below its prefix, with WebSocket, beside other routes; started and stopped with the server."""
    async with serve(app=blueprint, check=False) as site:
        assert (await site.request("GET", "/hello")).body == b"hello"
        for path in ("/sub/engine.io/", "/sub/engine.io"):
            assert (await site.request("GET", f"{path}?EIO=4&transport=polling")).status == 200
        websocket = await site.upgrade(SUB + "websocket")
        assert str(await websocket.receive()).startswith('0{"sid":')
        assert (await site.request("GET", url())).status == 404


async def test_the_route_that_brings_websockets_to_a_blueprint_cannot_be_reached(serve: Serve) -> None:
    """IN-15: whatever a client calls the host."""
    async with serve(app=blueprint, check=False) as site:
        for host in (site.host, "%20", "x"):
            response = await site.request("GET", "/sub/engine.io/websocket", [("Host", host), *UPGRADE])
            assert response.status == 404
        connection = site.connect()
        await connection.send_raw(b"GET /sub/engine.io/websocket HTTP/1.1\r\nHost:  \r\n\r\n")
        assert (await connection.receive()).status == 404


@pytest.mark.parametrize("path", ["some/where", "/some/where", "some/where/", "/some/where/"])
async def test_attach_takes_any_path(serve: Serve, server: Server, path: str) -> None:
    """AP-14: slashes at either end are stripped."""
    async with serve(app=lambda eio: server.application(eio, engineio_path=path), check=False) as site:
        for target in ("/some/where/", "/some/where"):
            assert (await site.request("GET", f"{target}?EIO=4&transport=polling")).status == 200
        assert (await site.request("GET", url())).status == 404


async def test_two_servers_in_one_application(serve: Serve, server: Server) -> None:
    """AP-14: Sanic wants their routes to differ in name."""

    def application(eio: AsyncServer) -> Any:
        app = server.application(eio)
        server.make().attach(app, "other")
        return app

    async with serve(app=application) as site:
        assert (await site.request("GET", "/other/?EIO=4&transport=polling")).status == 200


async def test_attach_wants_an_application_or_a_blueprint(server: Server) -> None:
    """AP-14"""
    with pytest.raises(TypeError, match=r"sanic\.Blueprint, not 'app' of type str"):
        server.make().attach("app")


def routed(eio: AsyncServer, **options: Any) -> Any:
    """A route of the application's own."""
    from sanic import Request
    from sanic.constants import HTTP_METHODS

    app = make()

    @app.route("/engine.io/", methods=HTTP_METHODS, **options)  # type: ignore[untyped-decorator, unused-ignore]
    async def engineio(request: Request) -> Any:
        return await eio.handle_request(request)

    return app


@pytest.mark.parametrize("stream", [True, False])
async def test_handle_request_is_a_handler(serve: Serve, stream: bool) -> None:
    """AP-15: with every method and WebSocket; where Sanic reads the body before us, the limit still holds."""

    def application(eio: AsyncServer) -> Any:
        app = routed(eio, stream=stream)
        app.enable_websocket()
        return app

    async with serve(app=application, max_http_buffer_size=1000) as site:
        session = await site.handshake()
        poll = await session.park()
        await site.eio.send(session.sid, "x")
        assert (await poll.receive()).body == b"4x"
        assert_refused(await site.request("PUT", session.url), 3)
        assert (await session.post("4here")).body == b"ok"
        await site.seen.until("message", session.sid, "here")
        websocket = await session.upgrade()
        await site.eio.send(session.sid, "y")
        assert await websocket.receive() == "4y"
        large = await site.handshake()
        assert (await large.post("4" + "x" * 2000)).status == 413


async def test_without_websockets_there_is_polling(serve: Serve, logs: Logs) -> None:
    """IN-15: a WebSocket is refused before anybody is asked, and the log says what to do."""
    async with serve(app=routed) as site:
        assert_refused(await site.request("GET", url("websocket"), UPGRADE), 3)
        assert any("call app.enable_websocket()" in line for line in logs.lines())
        assert site.seen.events == []


async def test_a_poll_longer_than_sanics_timeout_is_lost(serve: Serve, server: Server) -> None:
    """IN-17: RESPONSE_TIMEOUT is Sanic's, and a session ends with the poll that could not be answered."""

    def application(eio: AsyncServer) -> Any:
        app = server.application(eio)
        app.config.RESPONSE_TIMEOUT = 0.3
        return app

    async with serve(app=application, check=False) as site:
        session = await site.handshake()
        assert (await session.get()).status == 503
        assert await site.seen.closed(session.sid) == "transport error"


async def test_middlewares_see_every_response(serve: Serve, server: Server) -> None:
    """IN-16: and a header that is there twice stays so."""

    def application(eio: AsyncServer) -> Any:
        app = server.application(eio)

        @app.on_response  # type: ignore[untyped-decorator, unused-ignore]
        async def mark(_: Any, response: Any) -> None:
            response.headers.add("X-Mark", "one")
            response.headers.add("X-Mark", "two")

        return app

    async with serve(app=application) as site:
        session = await site.handshake()
        assert session.response.all("x-mark") == ["one", "two"]
        assert (await session.post("4x")).all("x-mark") == ["one", "two"]
        websocket = await session.upgrade()
        await websocket.send("4y")
        await site.seen.until("message", session.sid, "y")


async def test_what_comes_behind_the_websocket_handshake_is_not_lost(serve: Serve) -> None:
    """WS-10: more of it than Sanic buffers, in front of its first answer."""
    async with serve(async_handlers=False) as site:
        connection = site.connect()
        lines = [f"GET {url('websocket')} HTTP/1.1", f"Host: {site.host}", *(f"{k}: {v}" for k, v in UPGRADE)]
        messages = [f"{number} " + "x" * 10_000 for number in range(20)]
        early = b"".join(frame(f"4{message}".encode()) for message in messages)
        await connection.stream.send("\r\n".join([*lines, "", ""]).encode() + early)
        await eventually(lambda: site.eio.sockets)
        (sid,) = site.eio.sockets
        await site.seen.until("message", sid, messages[-1])
        assert site.seen.messages(sid) == messages


async def test_an_accept_that_fails_is_a_disconnect(serve: Serve, logs: Logs) -> None:
    """WS-11: for a list of subprotocols that is none, of which only the 101 finds out."""
    from sanic.exceptions import SanicException

    logs.allow(SanicException)
    async with serve() as site:
        response = await site.request("GET", url("websocket"), [*UPGRADE, ("Sec-WebSocket-Protocol", "a b")])
        assert response.status == 400
        ((_, sid, _), *_) = site.seen.events
        assert site.seen.of(sid) == [("disconnect", "transport error")]


PROGRAM = """
import sys
from eio_sanic import AsyncServer
from sanic import Blueprint, Sanic

eio = AsyncServer()
app = Sanic("worker")
blueprint = Blueprint("blueprint")
eio.attach(blueprint)
app.blueprint(blueprint)


@eio.on("message")
async def message(sid, data):
    if data == "stop":
        app.m.terminate()  # Sanic's manager may still be starting, and would forget a signal
    await eio.send(sid, data)


@app.after_server_start
async def started(_):
    print("started", flush=True)


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(sys.argv[1]), workers=1, access_log=False, motd=False)
"""


@pytest.mark.only(uvloop=False)  # it is another process, with the loop that Sanic likes best
@pytest.mark.timeout(150)  # three processes, which each import the program
async def test_in_a_worker_process(server: Server, tmp_path: Path) -> None:
    """IN-15, SD-1: both transports and the upgrade; at a stop every client is told, and the program ends well."""
    listener, port = listen()
    listener.close()
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, "utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable, program, str(port), stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    client = Client(port)
    try:
        with anyio.fail_after(90):
            while (line := await process.stdout.readline()) != b"started\n":  # Sanic's log is there, too
                assert line, "the program ended by itself"
        session = await client.handshake()
        assert (await session.post("4polling")).body == b"ok"
        assert (await session.get()).body == b"4polling"
        websocket = await session.upgrade()
        await websocket.send("4websocket")
        assert await websocket.receive() == "4websocket"
        other = await client.handshake()
        poll = await other.park()
        await websocket.send("4stop")
        assert await websocket.receive() == "4stop"
        assert (await poll.receive()).body == b"1"
        assert await websocket.closed() == 1001
        client.close()
        with anyio.fail_after(30):
            assert await process.wait() == 0
    finally:
        client.close()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
