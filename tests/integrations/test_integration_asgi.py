"""What only ASGI has: scopes by hand, ASGIApp, mounting and lifespan. The IN rows, and AP-14, AP-22, AP-23."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from .asgi import App, Message, Receive, Send, call, http_scope, response_of, types_of
from .clients import UPGRADE, assert_refused, url
from .harness import Logs, Serve
from .servers import Server

if TYPE_CHECKING:
    from eio_server import AsyncServer

pytestmark = [pytest.mark.anyio, pytest.mark.only(integration="asgi")]

EVENTS = ({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
LIFESPAN = {"type": "lifespan", "asgi": {"version": "3.0"}}
NO_EXTENSION: dict[str, Any] = {}
HTTP_RESPONSE: dict[str, Any] = {"websocket.http.response": {}}


async def plain(scope: Message, receive: Receive, send: Send) -> None:
    """Somebody else's application, which does not speak lifespan."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"plain " + scope["path"].encode()})


async def test_a_refusal_uses_the_extension_where_there_is_one(serve: Serve, server: Server) -> None:
    """IN-3: a real status and body, else a close before the accept."""
    async with serve() as site:
        app = server.application(site.eio)
        sent = await call(app, http_scope("websocket", query=b"EIO=3&transport=websocket", extensions=HTTP_RESPONSE))
        assert types_of(sent)[0] == "websocket.http.response.start"
        assert_refused(response_of(sent), 5)
        for extensions in (NO_EXTENSION, None):
            scope = http_scope("websocket", query=b"EIO=3&transport=websocket", extensions=extensions)
            assert types_of(await call(app, scope)) == ["websocket.close"]
        scope = http_scope("websocket", query=b"EIO=3&transport=websocket")
        assert types_of(await call(app, scope)) == ["websocket.close"]
        site.eio.on("connect", lambda sid, environ: False)
        assert types_of(await call(app, http_scope("websocket"))) == ["websocket.close"]


async def test_a_websocket_for_an_unknown_path_is_closed(serve: Serve, server: Server) -> None:
    """IN-4: which is a 403 on the wire."""
    async with serve() as site:
        sent = await call(server.application(site.eio), http_scope("websocket", path="/elsewhere"))
        assert types_of(sent) == ["websocket.close"]
        assert (await site.request("GET", "/elsewhere?EIO=4&transport=websocket", UPGRADE)).status == 403


async def test_headers_and_queries_of_any_bytes(serve: Serve, server: Server) -> None:
    """IN-5: names in any case, latin-1 values, percent-decoding that never raises; the query is kept as a whole."""
    async with serve() as site:
        headers = [(b"Host", b"127.0.0.1"), (b"X-Name", b"caf\xe9")]
        for more in (b"&x=%ff%fe", b"&x=%", b"&x=%zz", b"&\xff=\xfe", b"&x=\xc3\xa9"):
            query = b"EIO=4&transport=polling" + more
            assert (
                response_of(await call(server.application(site.eio), http_scope(query=query, headers=headers))).status
                == 200
            )
            environ = site.seen.environ
            assert environ["HTTP_X_NAME"] == "caf\u00e9"
            assert environ["HTTP_HOST"] == "127.0.0.1"
            assert environ["QUERY_STRING"] == query.decode("latin-1")
        bad = http_scope(headers=[(b"HOST", b"127.0.0.1"), (b"Origin", b"http://evil.example")])
        assert_refused(response_of(await call(server.application(site.eio), bad)), 3)


def mounted(app: App, prefix: str, *, stripped: bool) -> App:
    """Below a prefix, in both of the ways that frameworks and servers have."""

    async def outer(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            path = scope["path"]
            assert path.startswith(prefix)
            scope = {**scope, "root_path": prefix, "path": path.removeprefix(prefix) if stripped else path}
        await app(scope, receive, send)

    return outer


@pytest.mark.parametrize("stripped", [False, True])
async def test_mounted_below_a_prefix(serve: Serve, server: Server, stripped: bool) -> None:
    """IN-6: without configuration, whether scope["path"] holds root_path or not."""

    def application(eio: AsyncServer) -> App:
        return mounted(server.application(eio), "/sub", stripped=stripped)

    async with serve(app=application, check=False) as site:
        response = await site.request("GET", "/sub/engine.io/?EIO=4&transport=polling")
        assert response.status == 200
        response = await site.request("GET", "/sub/engine.io/?EIO=4&transport=websocket", UPGRADE)
        assert response.status == 101
        assert (await site.request("GET", "/sub/other")).status == 404
        for environ in site.seen.environs.values():
            assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/sub", "/engine.io/")


async def test_a_root_path_that_looks_like_ours(serve: Serve, server: Server) -> None:
    """IN-6: the configured path is matched before root_path is taken off."""
    async with serve() as site:
        for path, root in (
            ("/engine.io/", "/engine.io"),
            ("/engine.io/engine.io/", "/engine.io"),
            ("/engine.io/", "/eng"),
            ("/api/engine.io/", "/api"),
        ):
            scope = http_scope(path=path, root_path=root)
            assert response_of(await call(server.application(site.eio), scope)).status == 200
        scope = http_scope(path="/apiengine.io/", root_path="/api")
        assert response_of(await call(server.application(site.eio), scope)).status == 404


async def test_the_scope_says_what_is_a_websocket(serve: Serve, server: Server) -> None:
    """WS-21: HTTP/2 has no Upgrade header."""
    async with serve() as site:
        scope = http_scope("websocket", http_version="2")
        sent = await call(server.application(site.eio), scope)
        assert types_of(sent)[:2] == ["websocket.accept", "websocket.send"]
        (sid,) = {sid for _, sid, _ in site.seen.events}
        assert await site.seen.closed(sid) == "transport close"
        scope = http_scope("http", query=b"EIO=4&transport=websocket", http_version="2")
        assert_refused(response_of(await call(server.application(site.eio), scope)), 3)


async def test_codes_that_mean_an_error(serve: Serve, server: Server) -> None:
    """CL-11: where the server tells of it."""
    async with serve() as site:
        for code in (1002, 1003, 1007, 1009, 1010, 1011):
            for one, reason in ((code, "transport error"), (1001, "transport close"), (1006, "transport close")):
                await call(
                    server.application(site.eio), http_scope("websocket"), {"type": "websocket.disconnect", "code": one}
                )
                sid = site.seen.events[-1][1]
                assert await site.seen.closed(sid) == reason


async def test_a_body_in_pieces_and_a_client_that_leaves(serve: Serve, server: Server) -> None:
    """IN-2: read until more_body is false; a disconnect is an abort."""
    async with serve() as site:
        app = server.application(site.eio)
        session = await site.handshake()
        query = f"EIO=4&transport=polling&sid={session.sid}".encode()
        pieces = [{"type": "http.request", "body": b"4h\xc3", "more_body": True}]
        pieces += [{"type": "http.request", "more_body": True}, {"type": "http.request", "body": b"\xa9"}]
        assert response_of(await call(app, http_scope(query=query, method="POST"), *pieces)).body == b"ok"
        await site.seen.until("message", session.sid, "h\u00e9")
        await call(app, http_scope(query=query, method="POST"), pieces[0], {"type": "http.disconnect"})
        assert await site.seen.closed(session.sid) == "transport error"


async def test_everything_else_goes_to_the_other_app(serve: Serve, server: Server) -> None:
    """AP-14, SD-5, HS-25: Engine.IO below its path, the rest where it was."""
    async with serve(app=lambda eio: server.application(eio, other_asgi_app=plain)) as site:
        assert (await site.request("GET", "/hello")).body == b"plain /hello"
        assert (await site.request("GET", "/engine.iofoo")).body == b"plain /engine.iofoo"
        assert (await site.request("GET", "/engine.io/below?EIO=4&transport=polling")).status == 200


async def test_an_unknown_path_names_the_known_one(serve: Serve, server: Server) -> None:
    """SD-6: 404 text/plain."""
    async with serve(app=lambda eio: server.application(eio, engineio_path="ws/here"), check=False) as site:
        response = await site.request("GET", "/engine.io/?EIO=4&transport=polling")
        assert response.status == 404
        assert (response.get("content-type") or "").startswith("text/plain")
        assert b"/ws/here/" in response.body


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Any]:
    """A folder with a page, a style, and a secret beside it."""
    public = tmp_path / "public"
    (public / "sub").mkdir(parents=True)
    (public / "index.html").write_text("<p>index</p>")
    (public / "home.html").write_text("<p>home</p>")
    (public / "a.css").write_text("p {}")
    (public / "sub" / "data.bin").write_bytes(b"\x00\x01")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "public-not").mkdir()
    (tmp_path / "public-not" / "secret.txt").write_text("secret")
    return {
        "/": str(public / "home.html"),
        "/static": str(public),
        "/slash/": str(public) + "/",
        "/one": {"filename": str(public / "a.css"), "content_type": "text/x-one"},
    }


STATIC = [
    ("/", b"<p>home</p>", "text/html"),
    ("/static/a.css", b"p {}", "text/css"),
    ("/static/sub/data.bin", b"\x00\x01", "application/octet-stream"),
    ("/static/", b"<p>index</p>", "text/html"),
    ("/slash/a.css", b"p {}", "text/css"),
    ("/slash/", b"<p>index</p>", "text/html"),
    ("/one", b"p {}", "text/x-one"),
    ("/static/missing.txt", None, ""),
    ("/static/sub", None, ""),
    ("/static/sub/", None, ""),
    ("/static/../secret.txt", None, ""),
    ("/static/%2e%2e/secret.txt", None, ""),
    ("/static/..%2fsecret.txt", None, ""),
    ("/static/..%5csecret.txt", None, ""),
    ("/static/sub/../../secret.txt", None, ""),
    ("/static-not/secret.txt", None, ""),
    ("/static/..-not/secret.txt", None, ""),
    ("/static/%00", None, ""),
    ("/static//etc/passwd", None, ""),
]


async def test_static_files(serve: Serve, server: Server, files: dict[str, Any]) -> None:
    """AP-22, AP-14: exact, prefix and default file; never outside the folder."""
    async with serve(app=lambda eio: server.application(eio, static_files=files), check=False) as site:
        for path, body, kind in STATIC:
            response = await site.request("GET", path)
            if body is None:
                assert response.status == 404
                assert b"secret" not in response.body.replace(b"secret.txt", b"")
            else:
                assert (response.status, response.body) == (200, body)
                assert (response.get("content-type") or "").split(";")[0] == kind
            assert (await site.request("GET", "/engine.io/?EIO=4&transport=polling")).status == 200


async def test_lifespan_without_another_app(server: Server) -> None:
    """AP-23: answered by us; the callables, sync or async, run in between."""
    ran: list[str] = []

    async def startup() -> None:
        await anyio.lowlevel.checkpoint()
        ran.append("startup")

    app = server.application(server.make(), on_startup=startup, on_shutdown=lambda: ran.append("shutdown"))
    sent = await call(app, LIFESPAN, *EVENTS)
    assert types_of(sent) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert ran == ["startup", "shutdown"]


async def test_lifespan_with_another_app(server: Server) -> None:
    """AP-23, SD-1: ours before its own, both ways; by its shutdown our clients are gone."""
    ran: list[str] = []
    eio = server.make()

    async def other(scope: Message, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "lifespan.startup"
        ran.append("other startup")
        scope["state"]["db"] = "open"
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        down = response_of(await call(server.application(eio), http_scope()))
        ran.append(f"other shutdown {down.status}")
        await send({"type": "lifespan.shutdown.complete"})

    app = server.application(
        eio, other_asgi_app=other, on_startup=lambda: ran.append("startup"), on_shutdown=lambda: ran.append("shutdown")
    )
    scope = {**LIFESPAN, "state": {}}
    sent = await call(app, scope, *EVENTS)
    assert types_of(sent) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert ran == ["startup", "other startup", "shutdown", "other shutdown 503"]
    assert scope["state"] == {"db": "open"}


async def returns_at_once(scope: Message, receive: Receive, send: Send) -> None:
    pass


async def raises_at_once(scope: Message, receive: Receive, send: Send) -> None:
    raise NotImplementedError(scope["type"])


@pytest.mark.parametrize("other", [returns_at_once, raises_at_once, plain])
async def test_lifespan_with_an_app_that_does_not_speak_it(server: Server, other: App) -> None:
    """AP-23: we answer in its place."""
    ran: list[str] = []
    callables = {"on_startup": lambda: ran.append("startup"), "on_shutdown": lambda: ran.append("shutdown")}
    app = server.application(server.make(), other_asgi_app=other, **callables)
    sent = await call(app, LIFESPAN, *EVENTS)
    assert types_of(sent) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert ran == ["startup", "shutdown"]


async def test_a_failing_lifespan_says_why(server: Server, logs: Logs) -> None:
    """AP-23: the message of our callables' exception, or the other app's own."""
    logs.allow(RuntimeError)

    async def fail() -> None:
        raise RuntimeError("no database")

    async def other(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "other says no"})

    (sent,) = await call(server.application(server.make(), on_startup=fail), LIFESPAN, EVENTS[0])
    assert sent["type"] == "lifespan.startup.failed"
    assert "no database" in sent["message"]
    (sent,) = await call(server.application(server.make(), other_asgi_app=other), LIFESPAN, EVENTS[0])
    assert sent == {"type": "lifespan.startup.failed", "message": "other says no"}
    sent = (await call(server.application(server.make(), on_shutdown=fail), LIFESPAN, *EVENTS))[-1]
    assert sent["type"] == "lifespan.shutdown.failed"
    assert "no database" in sent["message"]


@pytest.fixture
def handler() -> Iterator[Callable[..., None]]:
    """A SIGTERM handler that stands while the test runs."""

    def note(*args: object) -> None: ...

    before = signal.signal(signal.SIGTERM, note)
    yield note
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("handle_signals", [False, True])
async def test_signal_handling_can_be_turned_off(
    server: Server, handler: Callable[..., None], handle_signals: bool
) -> None:
    """SD-1: handle_signals=False leaves the handlers alone; otherwise they are back after the shutdown."""
    found: list[Any] = []
    eio = server.make()

    async def other(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        found.append(signal.getsignal(signal.SIGTERM))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    await call(server.application(eio, other_asgi_app=other, handle_signals=handle_signals), LIFESPAN, *EVENTS)
    assert (found[0] is handler) is not handle_signals
    assert signal.getsignal(signal.SIGTERM) is handler


async def test_without_lifespan(serve: Serve, server: Server) -> None:
    """IN-6, SD-1: mounted in an application that has none, everything works all the same."""

    def application(eio: AsyncServer) -> App:
        inner = server.application(eio)

        async def app(scope: Message, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                for _ in EVENTS:
                    await send({"type": (await receive())["type"] + ".complete"})
            else:
                await inner(scope, receive, send)

        return app

    async with serve(app=application, ping_interval=0.2) as site:
        session = await site.handshake()
        assert (await session.get()).body == b"2"
        websocket = await site.websocket()
        assert await websocket.receive() == "2"


async def test_handle_request_serves_one_scope(serve: Serve, server: Server) -> None:
    """AP-15: what python-socketio's ASGIApp calls."""
    async with serve() as site:

        async def app(scope: Message, receive: Receive, send: Send) -> None:
            await site.eio.handle_request(scope, receive, send)

        assert response_of(await call(app, http_scope())).status == 200
        sent = await call(app, http_scope("websocket"))
        assert types_of(sent)[:2] == ["websocket.accept", "websocket.send"]
        assert len(site.seen.environs) == 2
        for environ in site.seen.environs.values():
            assert environ["asgi.scope"]["client"] == ("127.0.0.1", 4711)
            assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("127.0.0.1", "4711")


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_the_scheme_of_asgi_is_the_real_one(serve: Serve, server: Server, kind: str) -> None:
    """HD-2: https and wss are https."""
    async with serve() as site:
        app = server.application(site.eio)
        for scheme, status in (("https", 200 if kind == "http" else 101), ("http", 400)):
            headers = [(b"host", b"public.example"), (b"origin", f"{scheme}://public.example".encode())]
            scope = http_scope(
                kind, headers=headers, scheme="https" if kind == "http" else "wss", extensions=HTTP_RESPONSE
            )
            assert response_of(await call(app, scope)).status == status
        assert site.seen.environ["wsgi.url_scheme"] == "https"


async def test_the_cookie_is_secure_over_tls(serve: Serve, server: Server) -> None:
    """HD-8"""
    async with serve(cookie="io") as site:
        response = response_of(await call(server.application(site.eio), http_scope("http", scheme="https")))
        assert (response.get("set-cookie") or "").lower().endswith("; secure")


@pytest.mark.parametrize("path", ["some/where", "/some/where", "some/where/", "/some/where/", None])
async def test_asgi_app_takes_any_path(serve: Serve, server: Server, path: str | None) -> None:
    """AP-14: slashes at either end are stripped; None is everywhere."""
    async with serve(app=lambda eio: server.application(eio, engineio_path=path), check=False) as site:
        for target in ("/some/where/", "/some/where", "/some/where/below"):
            assert (await site.request("GET", f"{target}?EIO=4&transport=polling")).status == 200
        assert (await site.request("GET", url())).status == (200 if path is None else 404)


def test_attach_on_asgi_names_the_way(server: Server) -> None:
    """AP-14: there is no application object to attach to."""
    with pytest.raises(TypeError, match="ASGIApp"):
        server.make().attach(object())
