"""Who may connect from a browser, and the headers that say so."""

from __future__ import annotations

import re

import pytest
from eio_core import (
    ANY_ORIGIN,
    NO_CORS,
    SAME_ORIGIN,
    ErrorCode,
    Handshake,
    Link,
    OriginPolicy,
    Poll,
    Post,
    Refusal,
    Request,
    Response,
    Upgrade,
    own_origins,
    policy_of,
)

from .helpers import POLLING, UPGRADE, WEBSOCKET, Driver, expect

OWN = {"origin": "http://own", "host": "own"}
CORS = [("Access-Control-Allow-Origin", "http://own"), ("Vary", "Origin")]
CREDENTIALS = ("Access-Control-Allow-Credentials", "true")


def forwarded(proto: str | None = None, host: str | None = None) -> dict[str, str]:
    return {
        **({} if proto is None else {"x-forwarded-proto": proto}),
        **({} if host is None else {"x-forwarded-host": host}),
    }


@pytest.mark.parametrize(
    ("scheme", "host", "origin", "same"),
    [
        ("http", "own", "http://own", True),
        ("https", "own", "https://own", True),
        ("https", "own", "http://own", False),  # HD-2: the real scheme
        ("http", "own", "https://own", False),
        ("http", "own:8000", "http://own:8000", True),
        ("http", "own:8000", "http://own", False),
        ("http", "own", "http://own:8000", False),
        # the scheme's own port
        ("http", "own:80", "http://own", True),
        ("http", "own", "http://own:80", True),
        ("https", "own:443", "https://own", True),
        ("https", "own", "https://own:443", True),
        ("http", "own:443", "http://own", False),
        ("https", "own:80", "https://own", False),
        ("http", "[::1]:80", "http://[::1]", True),
        ("http", "own:8080", "http://own:80", False),
        # case
        ("http", "OWN", "http://own", True),
        ("http", "own", "HTTP://Own", True),
        # others
        ("http", "own", "http://evil", False),
        ("http", "own", "http://own.evil", False),
        ("http", "own", "http://evil/own", False),
        ("http", "own", "http://own/", False),
        ("http", "own", "http://user@own", False),
        ("http", "own", "own", False),
        ("http", "own", "null", False),
        ("http", "own", "", False),
        ("http", "own", "*", False),
        ("http", "own", "http://own, http://evil", False),
        ("http", "own", "http://own\r\nX: y", False),
        ("http", "", "http://", False),
        ("http", "", "http://own", False),
    ],
)
def test_same_origin(scheme: str, host: str, origin: str, same: bool) -> None:
    """HD-1, HD-2: scheme and Host of the request as the server sees it, whatever way the port is written."""
    driver = Driver()
    request = Request("GET", POLLING, {"origin": origin, "host": host}, scheme=scheme)
    answer = driver.engine.receive_request(request, 0.0)
    assert isinstance(answer, Handshake if same else Refusal)


@pytest.mark.parametrize(
    ("headers", "origin", "trusted", "untrusted"),
    [
        (forwarded("https"), "https://own", True, False),
        (forwarded("HTTPS"), "https://own", True, False),
        (forwarded("wss"), "https://own", True, False),
        (forwarded("https"), "http://own", True, True),  # as the server sees it
        (forwarded(None, "front"), "http://front", True, False),
        (forwarded("https", "front"), "https://front", True, False),
        (forwarded("https", "front:443"), "https://front", True, False),
        (forwarded("https", "front"), "http://front", False, False),  # the pair, not any mixture
        (forwarded("https", "front"), "https://own", False, False),
        (forwarded("https, http", "front, back"), "https://front", True, False),
        (forwarded(" https ,http", " front ,back"), "https://front", True, False),
        (forwarded("http, https", "back, front"), "https://front", False, False),
        (forwarded("", ""), "://", True, False),
        (forwarded(), "https://own", False, False),
    ],
)
def test_forwarded_headers(headers: dict[str, str], origin: str, trusted: bool, untrusted: bool) -> None:
    """HD-1: the first of X-Forwarded-Proto and -Host count too, unless they are not trusted."""
    for trust, allowed in ((True, trusted), (False, untrusted)):
        request = Request("GET", POLLING, {"host": "own", "origin": origin, **headers})
        answer = Driver(trust_forwarded=trust).engine.receive_request(request, 0.0)
        assert isinstance(answer, Handshake if allowed else Refusal)


def test_own_origins() -> None:
    """HD-1, HD-3: what a log line can name as allowed."""
    request = Request("GET", "", {"host": "Own:80", **forwarded("https", "front:443")})
    assert own_origins(request, trust_forwarded=True) == ["http://own", "https://front"]
    assert own_origins(request, trust_forwarded=False) == ["http://own"]
    assert own_origins(Request("GET", ""), trust_forwarded=True) == []


ONE = frozenset({"http://a", "https://b:8443"})


@pytest.mark.parametrize(
    ("policy", "origin", "allowed"),
    [
        (ANY_ORIGIN, "http://a", True),
        (ANY_ORIGIN, "null", True),
        (ONE, "http://a", True),
        (ONE, "https://b:8443", True),
        (ONE, "http://own", False),  # a list is a list
        (ONE, "https://b", False),
        (ONE, "http://A", False),
        (ONE, "null", False),
        (ONE, "*", False),
    ],
)
def test_other_policies(policy: OriginPolicy, origin: str, allowed: bool) -> None:
    """HD-1: every origin, or those of a list."""
    answer = Driver(origins=policy).request(POLLING, "GET", {"origin": origin, "host": "own"})
    assert isinstance(answer, Handshake if allowed else Refusal)


@pytest.mark.parametrize(
    ("origins", "policy"),
    [
        ([], NO_CORS),
        (["*"], ANY_ORIGIN),
        ("*", ANY_ORIGIN),
        (["http://a", "*"], ANY_ORIGIN),
        (["http://a", "https://b:8443", "http://a"], ONE),
    ],
)
def test_policy_of_a_list(origins: list[str], policy: OriginPolicy) -> None:
    """HD-1: ``[]`` turns CORS handling off, ``*`` stands for all."""
    assert policy_of(origins) == policy


@pytest.mark.parametrize("policy", [SAME_ORIGIN, ANY_ORIGIN, ONE])
@pytest.mark.parametrize("verdict", [True, False])
def test_the_application_may_decide(policy: OriginPolicy, verdict: bool) -> None:
    """HD-1: a verdict on the request wins over the policy."""
    request = Request("GET", POLLING, {"origin": "http://x", "host": "own"}, origin_allowed=verdict)
    answer = Driver(origins=policy).engine.receive_request(request, 0.0)
    if verdict:
        assert ("Access-Control-Allow-Origin", "http://x") in expect(Handshake, answer).cors
    else:
        assert expect(Refusal, answer).context["name"] == "ORIGIN_NOT_ALLOWED"


def test_no_origin_is_no_browser() -> None:
    """HD-1: a request without Origin is let in under every policy, and gets no CORS headers (HD-4)."""
    for policy in (SAME_ORIGIN, ANY_ORIGIN, ONE, NO_CORS):
        assert expect(Handshake, Driver(origins=policy).request(POLLING)).cors == []


def test_cors_handling_off() -> None:
    """HD-1: with ``[]`` nothing is checked, and no header is sent."""
    driver = Driver(origins=NO_CORS)
    request = Request("GET", POLLING, {"origin": "http://evil", "host": "own"}, origin_allowed=False)
    assert expect(Handshake, driver.engine.receive_request(request, 0.0)).cors == []
    assert "Access-Control-Allow-Origin" not in dict(expect(Refusal, driver.request("", "GET", OWN)).headers)


@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize("sid", ["", "&sid=s"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PUT"])
def test_rejected_origins(transport: str, sid: str, method: str) -> None:
    """HD-3, HD-6, H24: 400 code 3 on every transport and every step, without CORS headers; nothing changes."""
    driver = Driver()
    driver.polling()
    headers = {"origin": "http://evil", "host": "own", **({"upgrade": "websocket"} if transport == "websocket" else {})}
    answer = expect(Refusal, driver.request(f"EIO=4&transport={transport}{sid}", method, headers))
    assert (answer.status, answer.code) == (400, ErrorCode.BAD_REQUEST)
    assert dict(answer.context) == {"name": "ORIGIN_NOT_ALLOWED", "origin": "http://evil"}
    assert not {"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"} & set(dict(answer.headers))
    assert driver.effects() == []


@pytest.mark.parametrize("credentials", [True, False])
def test_cors_headers_on_everything(credentials: bool) -> None:
    """HD-4, HD-7: the origin reflected and Vary, on good answers and on errors; credentials only where they are on."""
    expected = [*CORS, CREDENTIALS] if credentials else CORS
    driver = Driver(cors_credentials=credentials)

    def ask(query: str, method: str = "GET") -> object:
        return driver.request(query, method, {**OWN, **(UPGRADE if "websocket" in query else {})})

    def check(answer: object) -> None:
        headers = expect(Response, answer).headers
        assert [pair for pair in headers if pair in expected] == expected
        assert len([name for name, _ in headers if name in {"Vary", "Access-Control-Allow-Origin"}]) == 2

    handshake = expect(Handshake, ask(POLLING))
    session = driver.engine.open(handshake, "s")
    assert not isinstance(session, Refusal)
    check(driver.engine.open(handshake, "s"))
    check(driver.engine.take_response(expect(Poll, driver.engine.accept(session, 0.0))))
    poll = expect(Poll, ask(f"{POLLING}&sid=s"))
    check(ask(f"{POLLING}&sid=x"))
    driver.engine.send(session, "x")
    check(driver.engine.take_response(poll))
    upgrade = expect(Upgrade, ask(f"{WEBSOCKET}&sid=s"))
    assert upgrade.cors == expected
    assert driver.engine.open_link(upgrade, 0.0).cors == expected
    assert driver.engine.open_link(upgrade, 0.0).cors == expected  # UP-9
    post = expect(Post, ask(f"{POLLING}&sid=s", "POST"))
    driver.engine.receive_body(post, b"4x", 0.0)
    check(driver.engine.take_response(post))
    post = expect(Post, ask(f"{POLLING}&sid=s", "POST"))
    driver.engine.receive_oversize(post)
    check(driver.engine.take_response(post))
    opening = driver.engine.open(expect(Handshake, ask(WEBSOCKET)), "w")
    assert not isinstance(opening, Refusal)
    link = expect(Link, driver.engine.accept(opening, 0.0))
    assert link.cors == expected


def test_one_vary_header() -> None:
    """HD-4, HD-11: a response that depends on Origin and on Accept-Encoding says both."""
    driver = Driver()
    session = driver.polling()
    poll = driver.get(headers={**OWN, "accept-encoding": "gzip"})
    driver.engine.send(session, "x" * 2000)
    response = driver.engine.take_response(poll)
    assert [value for name, value in response.headers if name == "Vary"] == ["Origin, Accept-Encoding"]


# ----------------------------------------------------------------------------------------------------------- preflight


@pytest.mark.parametrize(
    ("wanted", "reflected"),
    [
        (None, None),
        ("", None),
        ("content-type", "content-type"),
        ("Content-Type, X-My_Header", "Content-Type, X-My_Header"),
        ("a,b\t,\tc", "a,b\t,\tc"),
        ("*", "*"),
        # not tokens
        ("a b", None),
        ("a,", None),
        ("a,,b", None),
        (" a", None),
        ("a\r\nX: y", None),
        ("a\n", None),
        ("a;b", None),
        ('"a"', None),
        ("é", None),
        ("a\0", None),
        ("," * 60_000, None),
        ("a," * 30_000, None),
    ],
)
def test_preflight(wanted: str | None, reflected: str | None) -> None:
    """HD-5, H10: 204 without Content-Length, any query string; requested headers reflected if they are tokens."""
    headers = {**OWN, **({} if wanted is None else {"access-control-request-headers": wanted})}
    for query in ("", POLLING, "sid=x&transport=y"):
        assert Driver().request(query, "OPTIONS", headers) == Response(
            204,
            [
                ("Cache-Control", "no-store"),
                *CORS,
                CREDENTIALS,
                ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
                *([] if reflected is None else [("Access-Control-Allow-Headers", reflected)]),
                ("Access-Control-Max-Age", "7200"),
            ],
        )


def test_preflight_without_origin() -> None:
    """HD-4, HD-5: answered too, but it allows nobody anything."""
    response = expect(Response, Driver().request("", "OPTIONS"))
    assert response.status == 204
    assert not {"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"} & set(dict(response.headers))


# -------------------------------------------------------------------------------------------------------- origin bytes


@pytest.mark.parametrize(
    ("origin", "valid"),
    [
        ("http://x", True),
        ("", True),
        ("\t !~\x80\xff", True),
        ("\x7f", False),
        ("\x00", False),
        ("\x1f", False),
        ("a\r\nb", False),
        ("a\n", False),
        ("\u0100", False),
        ("\ud800", False),
    ],
)
@pytest.mark.parametrize("policy", [ANY_ORIGIN, NO_CORS])
def test_bytes_of_an_origin(origin: str, valid: bool, policy: OriginPolicy) -> None:
    """HS-17: only HTAB, 0x20-0x7e, 0x80-0xff; what else is never reflected."""
    answer = Driver(origins=policy).request(POLLING, "GET", {"origin": origin, "host": "own"})
    if valid:
        expect(Handshake, answer)
        return
    refusal = expect(Refusal, answer)
    assert (refusal.status, refusal.code) == (400, ErrorCode.BAD_REQUEST)
    assert dict(refusal.context) == {"name": "INVALID_ORIGIN", "origin": origin}
    assert origin not in dict(refusal.headers).values()


@pytest.mark.parametrize("bad", ["a\r\nSet-Cookie: x=1", "\n", "\r", "\0", "a\r\n\r\n<html>", "é\u2028", "\ud800"])
@pytest.mark.parametrize("policy", [ANY_ORIGIN, NO_CORS, SAME_ORIGIN, frozenset({"http://a"})])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("name", ["origin", "access-control-request-headers", "x-forwarded-host", "host", "upgrade"])
def test_no_response_splitting(bad: str, policy: OriginPolicy, method: str, name: str) -> None:
    """H10, HS-17, HD-5: whatever a header holds, no control character of it comes back in one of ours."""
    driver = Driver(origins=policy)
    driver.polling()
    for query in (f"{POLLING}&sid=s", f"{POLLING}&sid={bad}", POLLING, f"transport={bad}"):
        headers = {"origin": f"http://{bad}", "host": bad, name: bad}
        answer = driver.request(query, method, headers)
        cors = answer.headers if isinstance(answer, Response) else answer.cors
        for field, value in cors:
            assert re.fullmatch(r"[\t\x20-\x7e\x80-\xff]*", field + value)
