"""Origins, cookies, caching and compression: the HD rows."""

from __future__ import annotations

import gzip
import logging
import zlib
from typing import Any

import anyio
import pytest

from .clients import UPGRADE, Headers, Response, assert_refused, settle, url
from .harness import Logs, Serve
from .servers import Gap

pytestmark = pytest.mark.anyio

A, B = "http://a.example", "https://b.example:8443"


def allowed(response: Response) -> tuple[str | None, str | None]:
    """The two headers by which a browser decides."""
    return response.get("access-control-allow-origin"), response.get("access-control-allow-credentials")


def origin(value: str) -> Headers:
    return [("Origin", value)]


async def later(origin: str) -> bool:
    return origin == A


POLICIES: list[tuple[str, Any, set[str]]] = [
    ("star", "*", {A, B}),
    ("list of star", ["*"], {A, B}),
    ("string", A, {A}),
    ("list", [A, B], {A, B}),
    ("function", lambda origin: origin == A, {A}),
    ("function of origin and environ", lambda origin, environ: environ["HTTP_ORIGIN"] == origin == B, {B}),
    ("async function", later, {A}),
    ("same origin", None, set()),
]


@pytest.mark.parametrize(
    ("policy", "accepted"),
    [
        pytest.param(policy, accepted, id=name, marks=[pytest.mark.api("a function as policy")] * callable(policy))
        for name, policy, accepted in POLICIES
    ],
)
async def test_origins(serve: Serve, policy: Any, accepted: set[str]) -> None:
    """HD-1, HD-3, HD-4, HD-7, IN-11: who is allowed, on polling and WebSocket; the origin is reflected, not a star."""
    async with serve(cors_allowed_origins=policy) as site:
        for value in (A, B, "null", f"http://{site.host}"):
            if policy in ("*", ["*"]) or value in accepted or (policy is None and value.endswith(site.host)):
                polling = await site.request("GET", url(), origin(value))
                assert polling.status == 200
                websocket = await site.request("GET", url("websocket"), [*UPGRADE, *origin(value)])
                assert websocket.status == 101
                bare = Gap.BARE_HANDSHAKE in site.server.gaps
                assert not bare or allowed(websocket) == (None, None)
                for response in (polling,) if bare else (polling, websocket):
                    assert allowed(response) == (value, "true")
                    assert "Origin" in ", ".join(response.all("vary"))
            else:
                polling = await site.request("GET", url(), origin(value))
                websocket = await site.request("GET", url("websocket"), [*UPGRADE, *origin(value)])
                for response in (polling, websocket):
                    assert_refused(response, 3)
                    assert allowed(response) == (None, None)
        without = await site.request("GET", url())
        assert without.status == 200
        assert allowed(without) == (None, None)


async def test_every_request_of_a_session_is_checked(serve: Serve) -> None:
    """HD-1, HD-3, HD-7: GET, POST and upgrade; the session itself is left alone."""
    async with serve(cors_allowed_origins=A) as site:
        session = await site.handshake(origin(A))
        assert_refused(await session.get(origin(B)), 3)
        assert_refused(await session.post("4lost", origin(B)), 3)
        target = url("websocket", session.sid)
        assert_refused(await site.request("GET", target, [*UPGRADE, *origin(B)]), 3)
        await site.eio.send(session.sid, "x")
        for response in (await session.get(origin(A)), await session.post("4kept", origin(A))):
            assert response.status == 200
            assert allowed(response) == (A, "true")
        await site.seen.until("message", session.sid, "kept")
        error = await site.request("GET", url(sid="unknown"), origin(A))
        assert_refused(error, 1)
        assert allowed(error) == (A, "true")


async def test_no_cors_handling_at_all(serve: Serve) -> None:
    """HD-1, HD-5: with [] nobody is refused, and no header is set; OPTIONS is a method like any other."""
    async with serve(cors_allowed_origins=[]) as site:
        response = await site.request("GET", url(), origin(A))
        assert response.status == 200
        assert [name for name, _ in response.headers if name.startswith("access-control")] == []
        preflight = [*origin(A), ("Access-Control-Request-Method", "POST")]
        assert_refused(await site.request("OPTIONS", url(), preflight), 2)


@pytest.mark.api("settings as attributes")
async def test_the_policy_is_read_when_it_is_used(serve: Serve) -> None:
    """HD-1, AP-1: an application may assign it later."""
    async with serve(cors_allowed_origins=A) as site:
        site.eio.cors_allowed_origins = [B]
        assert_refused(await site.request("GET", url(), origin(A)), 3)
        assert (await site.request("GET", url(), origin(B))).status == 200


async def test_a_proxy_may_tell_the_real_origin(serve: Serve) -> None:
    """HD-1: X-Forwarded-Proto and -Host count too, unless they are not trusted."""
    proxy = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "public.example")]
    headers = [*origin("https://public.example"), *proxy]
    async with serve() as site:
        assert allowed(await site.request("GET", url(), headers)) == ("https://public.example", "true")
        assert_refused(await site.request("GET", url(), [*origin("http://public.example"), *proxy]), 3)
        assert_refused(await site.request("GET", url(), origin("https://public.example")), 3)
    async with serve(trust_forwarded=False) as site:
        assert_refused(await site.request("GET", url(), headers), 3)
        assert (await site.request("GET", url(), [*origin(f"http://{site.host}"), *proxy])).status == 200


@pytest.mark.parametrize("case", [str.upper, str.title])
async def test_hosts_compare_without_case(serve: Serve, case: Any) -> None:
    """HD-1: the Host header is the client's, so is the case of its letters."""
    async with serve() as site:
        headers = [("Host", case("public.example")), *origin("http://public.example")]
        assert (await site.request("GET", url(), headers)).status == 200


@pytest.mark.api("logs")
async def test_a_refused_origin_is_explained_in_the_log(serve: Serve, logs: Logs) -> None:
    """HD-3: the origin, what was allowed, and the forwarded headers that were seen; no line breaks."""
    async with serve(cors_allowed_origins=[A]) as site:
        await site.request("GET", url(), [*origin(B), ("X-Forwarded-Host", "proxy.example")])
        (line,) = logs.lines(logging.ERROR)
        assert B in line
        assert A in line
        assert "proxy.example" in line


async def test_credentials_come_only_with_an_allowed_origin(serve: Serve) -> None:
    """HD-4"""
    async with serve(cors_allowed_origins="*", cors_credentials=False) as site:
        assert allowed(await site.request("GET", url(), origin(A))) == (A, None)


@pytest.mark.api("logs")
async def test_a_star_with_credentials_is_remarked(serve: Serve, logs: Logs, logger: logging.Logger) -> None:
    """HD-4: one INFO line."""
    async with serve(cors_allowed_origins="*", logger=logger) as site:
        for _ in range(2):
            await site.request("GET", url(), origin(A))
        remarks = [r for r in logs.records if r.levelno == logging.INFO and "credentials" in r.getMessage().lower()]
        assert len(remarks) == 1
    logs.records.clear()
    async with serve(cors_allowed_origins="*", cors_credentials=False, logger=logger) as site:
        await site.request("GET", url(), origin(A))
    assert not [line for line in logs.lines() if "credentials" in line.lower()]


async def test_preflight(serve: Serve) -> None:
    """HD-5: 204 before verification, whatever the query."""
    async with serve(cors_allowed_origins=A) as site:
        for target in (url(), url(sid="unknown"), "/engine.io/", url("nope", eio="3")):
            headers = [
                *origin(A),
                ("Access-Control-Request-Method", "POST"),
                ("Access-Control-Request-Headers", "content-type, x-custom"),
            ]
            connection = site.connect()
            response = await connection.request("OPTIONS", target, headers)
            assert (response.status, response.body) == (204, b"")
            assert response.get("content-length") is None
            assert allowed(response) == (A, "true")
            assert response.get("access-control-allow-methods") == "GET, POST, OPTIONS"
            names = (response.get("access-control-allow-headers") or "").split(",")
            assert [name.strip().lower() for name in names] == ["content-type", "x-custom"]
            assert response.get("access-control-max-age") == "7200"
            assert "Origin" in ", ".join(response.all("vary"))
            assert response.get("cache-control") == "no-store"
            assert (await connection.request("GET", url(), origin(A))).status == 200


async def test_requested_headers_are_validated(serve: Serve) -> None:
    """HD-5: only names are reflected."""
    async with serve(cors_allowed_origins=A) as site:
        headers = [*origin(A), ("Access-Control-Request-Headers", 'x-good, "b a d", <script>, x:y')]
        response = await site.request("OPTIONS", url(), headers)
        assert response.status == 204
        reflected = response.get("access-control-allow-headers") or ""
        assert not set(reflected) & set('"<>:')
        assert "b a d" not in reflected


async def test_a_preflight_from_elsewhere_is_refused(serve: Serve) -> None:
    """HD-6: 400 code 3."""
    async with serve(cors_allowed_origins=A) as site:
        headers = [*origin(B), ("Access-Control-Request-Method", "POST")]
        response = await site.request("OPTIONS", url(), headers)
        assert_refused(response, 3)
        assert allowed(response) == (None, None)


def cookie(response: Response) -> tuple[str, set[str]]:
    pair, *attributes = (response.get("set-cookie") or "").split(";")
    return pair, {one.strip().lower() for one in attributes}


@pytest.mark.api("cookie")
async def test_the_cookie_carries_the_sid(serve: Serve) -> None:
    """HD-8, HD-9: on the polling handshake response only."""
    async with serve(cookie="io") as site:
        session = await site.handshake()
        assert cookie(session.response) == (f"io={session.sid}", {"path=/", "samesite=lax", "httponly"})
        await site.eio.send(session.sid, "x")
        for response in (await session.get(), await session.post("4x")):
            assert response.status == 200
            assert response.get("set-cookie") is None
        websocket = await site.websocket()
        assert websocket.response.get("set-cookie") is None


async def test_no_cookie_by_default(serve: Serve) -> None:
    """HD-8"""
    async with serve() as site:
        assert (await site.handshake()).response.get("set-cookie") is None


@pytest.mark.api("cookie")
async def test_a_cookie_with_attributes_of_ones_own(serve: Serve) -> None:
    """HD-8: as given; True is a bare flag, callables are called."""
    settings = {"name": "sid", "path": "/x", "HttpOnly": True, "Max-Age": lambda: "7", "SameSite": "None"}
    async with serve(cookie=settings) as site:
        session = await site.handshake()
        assert cookie(session.response) == (f"sid={session.sid}", {"path=/x", "httponly", "max-age=7", "samesite=none"})


@pytest.mark.api("cookie")
@pytest.mark.parametrize("settings", ["a;b", "a\r\nb", {"name": "io", "path": "/\r\nx"}, {"name": "io", "a;b": "c"}])
def test_a_cookie_that_would_split_is_refused(server: Any, settings: Any) -> None:
    """HD-8: when the server is made."""
    with pytest.raises(ValueError, match=r"(?i)cookie"):
        server.make(cookie=settings)


async def test_nothing_is_cached(serve: Serve) -> None:
    """HD-10: no-store on every kind of response, and no Etag."""
    async with serve(max_http_buffer_size=100) as site:
        session, other = await site.handshake(), await site.handshake()
        await site.eio.send(session.sid, "x")
        responses = [
            session.response,
            await session.get(),
            await session.post("4x"),
            await session.post("7"),
            await session.get(),
            await other.post("4" + "x" * 200),
            await site.request("GET", url("nope")),
            await site.request("GET", url("websocket", "unknown"), UPGRADE),
        ]
        last = 403 if responses[-1].without_reason else 400
        assert [response.status for response in responses] == [200, 200, 200, 400, 400, 413, 400, last]
        for response in responses[: -1 if responses[-1].without_reason else None]:
            assert response.get("cache-control") == "no-store"
            assert response.get("etag") is None


ENCODINGS = [
    ("gzip", "gzip"),
    ("deflate", "deflate"),
    ("GZip", "gzip"),
    ("gzip, deflate, br", "gzip"),
    ("deflate, gzip", "deflate"),
    ("gzip;q=0.5, deflate;q=0.9", "deflate"),
    ("gzip;q=0, deflate", "deflate"),
    ("gzip;q=0, *", "deflate"),
    ("*", "gzip"),
    ("br, gzip;q=0.1", "gzip"),
    ("br", None),
    ("identity", None),
    ("gzip;q=0", None),
    ("*;q=0", None),
    ("", None),
    (None, None),
]


async def test_compression_is_what_the_client_accepts(serve: Serve) -> None:
    """HD-11, HD-14: by q value, then by order; deflate is the zlib format."""
    async with serve() as site:
        for accepted, encoding in ENCODINGS:
            session = await site.handshake()
            await site.eio.send(session.sid, "x" * 2000)
            response = await session.get([] if accepted is None else [("Accept-Encoding", accepted)])
            assert response.get("content-encoding") == encoding
            assert response.get("content-length") == str(len(response.body))
            assert response.get("content-type") == "text/plain; charset=UTF-8"
            if encoding is None:
                body = response.body
            else:
                body = gzip.decompress(response.body) if encoding == "gzip" else zlib.decompress(response.body)
                assert "Accept-Encoding" in ", ".join(response.all("vary"))
                assert len(response.body) < 200
            assert body == b"4" + b"x" * 2000


GZIP: Headers = [("Accept-Encoding", "gzip")]


@pytest.mark.parametrize(
    ("options", "size", "compressed"),
    [
        ({}, 1024, True),
        ({}, 1023, False),
        ({"compression_threshold": 10}, 10, True),
        ({"compression_threshold": 10}, 9, False),
        ({"http_compression": False}, 5000, False),
    ],
)
async def test_bodies_are_compressed_from_the_threshold_on(
    serve: Serve, options: dict[str, Any], size: int, compressed: bool
) -> None:
    """HD-11: which counts bytes of the body."""
    async with serve(**options) as site:
        session = await site.handshake()
        await site.eio.send(session.sid, "\u00e9" + "x" * (size - 3))
        response = await session.get(GZIP)
        assert response.get("content-encoding") == ("gzip" if compressed else None)
        body = gzip.decompress(response.body) if compressed else response.body
        assert body.decode() == "4\u00e9" + "x" * (size - 3)


async def test_only_messages_are_worth_compressing(serve: Serve) -> None:
    """HD-12: neither the handshake nor a ping nor ok nor a refusal."""
    async with serve(compression_threshold=1, ping_interval=0.2) as site:
        session = await site.handshake(GZIP)
        responses = [session.response, await session.get(GZIP), await session.post("3", GZIP)]
        responses.append(await site.request("GET", url("nope"), GZIP))
        assert [response.body[:1] for response in responses] == [b"0", b"2", b"o", b"{"]
        for response in responses:
            assert response.get("content-encoding") is None
        await site.eio.send(session.sid, "message")
        assert (await session.get(GZIP)).get("content-encoding") == "gzip"


async def test_large_bodies_are_compressed_beside_the_loop(serve: Serve) -> None:
    """HD-13: other clients are served meanwhile, and what is sent meanwhile waits for the next GET."""
    text = "".join(str(number) for number in range(200_000))
    async with serve() as site:
        session, other = await site.handshake(), await site.handshake()
        await site.eio.send(session.sid, text)
        connection = site.connect()
        await connection.send("GET", session.url, GZIP)
        assert (await other.post("4meanwhile")).body == b"ok"
        await site.seen.until("message", other.sid, "meanwhile")
        response = await connection.receive()
        assert gzip.decompress(response.body) == b"4" + text.encode()
        await site.eio.send(session.sid, "next")
        assert (await session.get()).body == b"4next"


async def test_a_client_that_leaves_a_compressed_response_does_no_harm(serve: Serve) -> None:
    """HD-15: its session ends, sooner or later, and the next client is served."""
    text = "".join(str(number) for number in range(200_000))
    async with serve(ping_interval=0.3, ping_timeout=0.3) as site:
        session = await site.handshake()
        await site.eio.send(session.sid, text)
        connection = site.connect()
        await connection.send("GET", session.url, GZIP)
        await anyio.sleep(0.02)
        connection.reset()
        await settle()
        assert await site.seen.closed(session.sid) in {"transport error", "ping timeout"}
