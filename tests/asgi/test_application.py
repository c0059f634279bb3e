"""ASGIApp: what is not in tests/integrations, which has its routing, static files and lifespan over real servers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import anyio
import eio_server
import pytest
from eio_asgi import ASGIApp, AsyncServer
from eio_asgi.static import CHUNK

from tests.server.fakes import FakeIntegration
from tests.server.runtime import ManualRuntime

from .fakes import Message, Peer, scope

pytestmark = pytest.mark.anyio

STARTUP = {"type": "lifespan.startup"}
SHUTDOWN = {"type": "lifespan.shutdown"}


async def ask(app: Any, path: str = "/engine.io/", **values: Any) -> tuple[int, dict[bytes, bytes], bytes]:
    """Status, headers and body of a request."""
    peer = Peer([{"type": "http.request"}])
    await app(scope(path=path, **values), peer.receive, peer.send)
    start, *rest = peer.sent
    assert not any(message["more_body"] for message in rest[-1:] if "more_body" in message)
    return start["status"], dict(start["headers"]), b"".join(message.get("body", b"") for message in rest)


@pytest.mark.parametrize(
    ("path", "values", "found"),
    [
        ("/engine.io", {}, True),
        ("/engine.io/", {}, True),
        ("/engine.io/below/it", {}, True),
        ("/engine.iofoo", {}, False),
        ("/", {}, False),
        ("/sub/engine.io/", {}, False),
        ("/sub/engine.io/", {"root_path": "/sub"}, True),
        ("/sub/engine.io", {"root_path": "/sub/"}, True),
        ("/engine.io/", {"root_path": "/sub"}, True),
        ("/subengine.io/", {"root_path": "/sub"}, False),
        # FastAPI(root_path="/api") behind a proxy that strips /api, with a mount at /sub
        ("/sub/engine.io/", {"root_path": "/api/sub", "app_root_path": "/api"}, True),
        ("/api/sub/engine.io/", {"root_path": "/api/sub", "app_root_path": "/api"}, True),
    ],
)
async def test_where_engine_io_is(path: str, values: dict[str, Any], found: bool) -> None:
    """HS-25, IN-6"""
    eio = AsyncServer()
    status, _, body = await ask(ASGIApp(eio), path, **values)
    assert (status, body[:1]) == ((200, b"0") if found else (404, b"N"))
    await eio.shutdown(0)


async def test_a_socketio_server_in_front() -> None:
    """AP-15: its handle_request and shutdown are called, the engine's own startup too."""

    class SocketIO:
        def __init__(self, eio: AsyncServer) -> None:
            self.eio = eio
            self.calls: list[str] = []

        async def handle_request(self, *args: Any) -> None:
            self.calls.append("request")
            await self.eio.handle_request(*args)

        async def shutdown(self) -> None:
            self.calls.append("shutdown")
            await self.eio.shutdown()

    server = SocketIO(AsyncServer())
    app = ASGIApp(server, engineio_path="socket.io")
    peer = Peer([STARTUP, SHUTDOWN])
    assert (await ask(app, "/socket.io/"))[0] == 200
    await app({"type": "lifespan"}, peer.receive, peer.send)
    assert (await ask(app, "/socket.io/"))[0] == 503
    assert server.calls == ["request", "shutdown", "request"]


@pytest.mark.parametrize("server", [object(), eio_server.AsyncServer])
async def test_another_server_is_refused(server: Any) -> None:
    with pytest.raises(TypeError, match="ASGIApp wants"):
        ASGIApp(server)


async def test_a_server_for_another_framework_is_refused_with_the_way_out() -> None:
    """AP-1: the default is another where the integration for it is installed, too."""
    server = AsyncServer()
    server.integration = FakeIntegration(ManualRuntime(), "another")
    with pytest.raises(TypeError, match=r"made with async_mode='asgi', not 'another'"):
        ASGIApp(server)


async def test_an_unknown_scope() -> None:
    with pytest.raises(ValueError, match="webtransport"):
        await ASGIApp(AsyncServer())({"type": "webtransport", "path": "/engine.io/"}, Peer().receive, Peer().send)


# ------------------------------------------------------------------------------------------------------- static files


@pytest.fixture
def public(tmp_path: Path) -> Path:
    folder = tmp_path / "public"
    (folder / "sub").mkdir(parents=True)
    (folder / "index.html").write_text("index")
    (folder / "sub" / "index.html").write_text("sub")
    (folder / "empty.txt").touch()
    (folder / "big.bin").write_bytes(b"x" * (CHUNK + 1))
    (folder / "code.js").write_text("1")
    (folder / "all.tar.gz").write_bytes(b"z")
    (tmp_path / "secret").write_text("secret")
    (folder / "out").symlink_to(tmp_path)
    (folder / "secret").symlink_to(tmp_path / "secret")
    (folder / "inside").symlink_to(folder / "sub")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "back\\slash").write_text("x")
    os.mkfifo(folder / "pipe")
    return folder


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/s/", b"index", b"text/html; charset=utf-8"),
        ("/s/sub/", b"sub", b"text/html; charset=utf-8"),
        ("/s/inside/index.html", b"sub", b"text/html; charset=utf-8"),
        ("/s/empty.txt", b"", b"text/plain; charset=utf-8"),
        ("/s/big.bin", b"x" * (CHUNK + 1), b"application/octet-stream"),
        ("/s/all.tar.gz", b"z", b"application/gzip"),
        ("/s", None, b""),
        ("/s/sub", None, b""),
        ("/s/secret", None, b""),
        ("/s/out/secret", None, b""),
        ("/s/loop", None, b""),
        ("/s/pipe", None, b""),
        ("/s/back\\slash", None, b""),
        ("/s/../secret", None, b""),
        ("/s/./index.html", None, b""),
        ("/s//index.html", None, b""),
        ("/s/" + "x" * 300, None, b""),
        ("/s/\ud800", None, b""),
        ("/s/\0", None, b""),
        ("s/index.html", None, b""),
        ("", None, b""),
    ],
)
async def test_static_files(public: Path, path: str, body: bytes | None, kind: bytes) -> None:
    """AP-22, H12"""
    app = ASGIApp(AsyncServer(), static_files={"/s": str(public)})
    status, headers, got = await ask(app, path)
    if body is None:
        assert status == 404
        return
    assert (status, got, headers[b"content-type"]) == (200, body, kind)
    assert headers[b"content-length"] == b"%d" % len(body)


async def test_static_files_as_paths(public: Path) -> None:
    """AP-22: as pathlib has them, too."""
    app = ASGIApp(AsyncServer(), static_files={"/s": public, "/code": {"filename": public / "code.js"}})
    assert (await ask(app, "/s/"))[2] == b"index"
    assert (await ask(app, "/code"))[2] == b"1"
    assert (await ask(app, "/s/secret"))[0] == 404


@pytest.mark.parametrize("wrong", ["/s", ["/s"], {"/s": 5}, {"/s": {"content_type": "text/x"}}, {"/s": None}])
def test_static_files_that_are_none(wrong: Any) -> None:
    """AP-22: found when the application is made, not when the first file is asked for."""
    with pytest.raises(TypeError, match=r"^static_files maps URL paths to files and folders, .* not "):
        ASGIApp(AsyncServer(), static_files=wrong)


@pytest.mark.parametrize(("path", "root"), [("/sub/s/", "/sub"), ("/s/", "/sub"), ("/s/", "/s"), ("/sub/s/", "/sub/")])
async def test_static_files_below_a_mount(public: Path, path: str, root: str) -> None:
    """IN-6: as Engine.IO itself, without configuration, whether the path holds root_path or not."""
    app = ASGIApp(AsyncServer(), static_files={"/s": str(public)})
    assert (await ask(app, path, root_path=root))[2] == b"index"
    app = ASGIApp(AsyncServer(), static_files={"/": str(public)})
    assert (await ask(app, "/mounted/sub/", root_path="/mounted"))[2] == b"sub"
    assert (await ask(app, "/mounted/../secret", root_path="/mounted"))[0] == 404


async def test_head_and_other_methods(public: Path) -> None:
    """AP-22: only what is asked for is answered."""
    app = ASGIApp(AsyncServer(), static_files={"/s": str(public)})
    status, headers, body = await ask(app, "/s/big.bin", method="HEAD")
    assert (status, headers[b"content-length"], body) == (200, b"%d" % (CHUNK + 1), b"")
    assert (await ask(app, "/s/big.bin", method="POST"))[0] == 404


async def test_the_rules(public: Path) -> None:
    """AP-22: the longest path wins, an exact one first; the default file and the types can be set."""
    rules: dict[str, Any] = {
        "/": str(public),
        "/sub/": {"filename": str(public / "sub"), "content_type": "text/x-sub"},
        "/sub/index.html": str(public / "code.js"),
        "": {"filename": "code.js", "content_type": "text/x-default"},
    }
    app = ASGIApp(AsyncServer(), static_files=rules)
    assert (await ask(app, "/"))[1:] == ({b"content-type": b"text/x-default", b"content-length": b"1"}, b"1")
    assert (await ask(app, "/index.html"))[2] == b"index"
    assert (await ask(app, "/sub/index.html"))[2] == b"1"
    rules.pop("/sub/index.html")
    status, headers, body = await ask(app, "/sub/index.html")
    assert (status, headers[b"content-type"], body) == (200, b"text/x-sub", b"sub")
    assert (await ask(app, "/sub/"))[0] == 404  # there is no code.js in it


# ----------------------------------------------------------------------------------------------------------- lifespan


class Other:
    """Another application, which speaks lifespan as far as it is told to."""

    def __init__(self, *, fails_at: str | None = None, returns_at: str | None = None) -> None:
        self.fails_at = fails_at
        self.returns_at = returns_at
        self.got: list[str] = []

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            stage = message["type"].removeprefix("lifespan.")
            self.got.append(stage)
            if self.fails_at == stage:
                raise KeyError(stage)
            if self.returns_at == stage:
                return
            await send({"type": message["type"] + ".complete"})
            if self.fails_at == stage + "ed":
                raise KeyError(stage + "ed")
            if stage == "shutdown" or self.returns_at == stage + "ed":
                return


async def lifespan(other: Any, **options: Any) -> Peer:
    peer = Peer([STARTUP, SHUTDOWN])
    with anyio.fail_after(5):
        await ASGIApp(AsyncServer(), other, **options)({"type": "lifespan"}, peer.receive, peer.send)
    return peer


@pytest.mark.parametrize(
    ("options", "answers", "got"),
    [
        ({}, ["startup.complete", "shutdown.complete"], ["startup", "shutdown"]),
        ({"returns_at": "startup"}, ["startup.complete", "shutdown.complete"], ["startup"]),
        ({"returns_at": "startuped"}, ["startup.complete", "shutdown.complete"], ["startup"]),
        ({"returns_at": "shutdown"}, ["startup.complete", "shutdown.complete"], ["startup", "shutdown"]),
        ({"fails_at": "startup"}, ["startup.complete", "shutdown.complete"], ["startup"]),
        ({"fails_at": "startuped"}, ["startup.complete", "shutdown.complete"], ["startup"]),
        ({"fails_at": "shutdown"}, ["startup.complete", "shutdown.failed"], ["startup", "shutdown"]),
    ],
)
async def test_another_app_that_ends_early(options: dict[str, Any], answers: list[str], got: list[str]) -> None:
    """AP-23: what it leaves open is answered by us, and our own part is done in any case."""
    ran: list[str] = []
    other = Other(**options)
    peer = await lifespan(other, on_startup=lambda: ran.append("up"), on_shutdown=lambda: ran.append("down"))
    assert peer.types == ["lifespan." + answer for answer in answers]
    assert other.got == got
    assert ran == ["up", "down"]


async def test_an_error_after_the_last_answer_is_the_servers_to_see() -> None:
    """AP-23"""
    with pytest.raises(KeyError):
        await lifespan(Other(fails_at="shutdowned"))


@pytest.mark.parametrize("swallows", [False, True])
async def test_our_own_startup_failed(swallows: bool) -> None:
    """AP-23: then the other application hears of no startup, and has no say."""
    other = Other()

    async def careless(scope: Message, receive: Any, send: Any) -> None:
        try:
            await other(scope, receive, send)
        except Exception:
            if not swallows:
                raise
            await send({"type": "lifespan.startup.complete"})

    def fail() -> None:
        raise ValueError("no\ndatabase")

    peer = await lifespan(careless, on_startup=fail)
    assert peer.sent == [{"type": "lifespan.startup.failed", "message": "ValueError: no\ndatabase"}]
    assert not other.got


async def test_our_own_shutdown_failed() -> None:
    """AP-23: the other application is shut down all the same, then comes our message."""

    async def fail() -> None:
        raise ValueError("no database")

    other = Other()
    peer = await lifespan(other, on_shutdown=fail)
    assert other.got == ["startup", "shutdown"]
    assert peer.sent[-1] == {"type": "lifespan.shutdown.failed", "message": "ValueError: no database"}
