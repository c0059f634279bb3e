"""Which requests are let in: the order of the checks, and what each refusal says."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import combinations

import pytest
from eio_core import (
    ANY_ORIGIN,
    NO_CORS,
    REQUEST_HEADERS,
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
    Session,
    Upgrade,
    headers_from_text,
    headers_from_wire,
    headers_to_wire,
)

from .helpers import POLLING, UPGRADE, WEBSOCKET, Driver, expect

EVIL = {"origin": "http://evil"}
SPLIT = {"origin": "http://own\r\nX: y"}
P, W = "transport=polling", "transport=websocket"


@dataclass
class Case:
    """A request, and how it is refused."""

    method: str
    query: str
    headers: dict[str, str]
    status: int
    code: int
    context: dict[str, str] = field(default_factory=dict)
    origins: OriginPolicy = ANY_ORIGIN
    ended: bool = False


def named(name: str, **more: str) -> dict[str, str]:
    return {"name": name, **more}


def server(origins: OriginPolicy, *, shut_down: bool = False) -> Driver:
    """One with a session on polling, ``p``, and one on a WebSocket, ``w``; perhaps shut down since."""
    driver = Driver(origins=origins)
    driver.polling("p")
    driver.websocket("w")
    if shut_down:
        driver.engine.shutdown(0.0, 5.0)
    driver.effects()
    return driver


CONFLICT = named("CONFLICTING_PARAMETERS")
JSONP = named("JSONP_NOT_SUPPORTED")
BAD_ORIGIN = named("ORIGIN_NOT_ALLOWED", origin="http://evil")
NO_HEADER_VALUE = named("INVALID_ORIGIN", origin="http://own\r\nX: y")
NO_UPGRADE = named("TRANSPORT_HANDSHAKE_ERROR")
BAD_METHOD = {"name": "METHOD_NOT_ALLOWED"}


def mismatch(transport: str, previous: str) -> dict[str, str]:
    return named("TRANSPORT_MISMATCH", transport=transport, previousTransport=previous)


# In each row everything is wrong that a later check would find, too; only the first counts.
TABLE = {
    # ------------------------------------------------------------------------------------------- while parsing, HS-18
    "conflict before j": Case("PUT", "sid=a&sid=b&j=1", EVIL, 400, 3, CONFLICT, SAME_ORIGIN),
    "conflict before preflight": Case("OPTIONS", "EIO=3&EIO=4", {}, 400, 3, CONFLICT),
    "conflict before transport": Case("PUT", "transport=a&transport=b", SPLIT, 400, 3, CONFLICT),
    "j before origin": Case("PUT", "j=1&sid=x", EVIL, 400, 3, JSONP, SAME_ORIGIN),
    "j before preflight": Case("OPTIONS", "j=", {}, 400, 3, JSONP),
    "j before transport": Case("PUT", "j&transport=x", SPLIT, 400, 3, JSONP),
    # ------------------------------------------------------------------------------------------------- origin policy
    "origin before preflight": Case("OPTIONS", "", EVIL, 400, 3, BAD_ORIGIN, SAME_ORIGIN),
    "origin before transport": Case("PUT", "transport=x&sid=x", EVIL, 400, 3, BAD_ORIGIN, SAME_ORIGIN),
    # ------------------------------------------------------------------------------------------------ transport, HS-8
    "transport before origin bytes": Case("PUT", "transport=x&sid=x", SPLIT, 400, 0, {"transport": "x"}),
    "transport before sid": Case("PUT", "transport=x&sid=x&EIO=3", {}, 400, 0, {"transport": "x"}),
    "transport before method": Case("PUT", "EIO=3", {}, 400, 0, {"transport": ""}),
    "transport before the session's": Case("PUT", "transport=x&sid=p", UPGRADE, 400, 0, {"transport": "x"}),
    # --------------------------------------------------------------------------------------------- origin bytes, HS-17
    "origin bytes before sid": Case("PUT", f"{P}&sid=x&EIO=3", SPLIT, 400, 3, NO_HEADER_VALUE),
    "origin bytes before method": Case("PUT", f"{W}&EIO=3", SPLIT, 400, 3, NO_HEADER_VALUE),
    "origin bytes with CORS off": Case("OPTIONS", f"{P}&sid=x", SPLIT, 400, 3, NO_HEADER_VALUE, NO_CORS),
    # ------------------------------------------------------------------------------------------------- sid known, HS-12
    "sid before method": Case("PUT", f"{P}&sid=x&EIO=3", {}, 400, 1, {"sid": "x"}),
    "sid before upgrade": Case("GET", f"{P}&sid=x&EIO=3", UPGRADE, 400, 1, {"sid": "x"}),
    "sid before mismatch": Case("GET", f"{W}&sid=x&EIO=3", {}, 400, 1, {"sid": "x"}),
    "sid before shutdown": Case("GET", f"{P}&sid=p&EIO=3", {}, 400, 1, {"sid": "p"}, ended=True),
    # -------------------------------------------------------------------- with a sid: method, upgrade, mismatch, EIO
    "method before upgrade": Case("PUT", f"{P}&sid=p&EIO=3", UPGRADE, 400, 3, {**BAD_METHOD, "method": "PUT"}),
    "method before mismatch": Case("HEAD", f"{P}&sid=w&EIO=3", {}, 400, 3, {**BAD_METHOD, "method": "HEAD"}),
    "upgrade before mismatch": Case("GET", f"{P}&sid=w&EIO=3", UPGRADE, 400, 3, NO_UPGRADE),
    "upgrade before EIO": Case("GET", f"{P}&sid=p&EIO=3", UPGRADE, 400, 3, NO_UPGRADE),
    "mismatch before EIO": Case("GET", f"{P}&sid=w&EIO=3", {}, 400, 3, mismatch("polling", "websocket")),
    "mismatch before EIO, POST": Case("POST", f"{P}&sid=w", {}, 400, 3, mismatch("polling", "websocket")),
    "mismatch before EIO, upwards": Case("GET", f"{W}&sid=p", {}, 400, 3, mismatch("websocket", "polling")),
    "EIO": Case("GET", f"{P}&sid=p&EIO=3", {}, 400, 3, named("PROTOCOL_MISMATCH", protocol="3")),
    "EIO, POST": Case("POST", f"{P}&sid=p", {}, 400, 3, named("PROTOCOL_MISMATCH", protocol="")),
    "EIO, upgrade": Case("GET", f"{W}&sid=p&EIO=5", UPGRADE, 400, 3, named("PROTOCOL_MISMATCH", protocol="5")),
    # --------------------------------------------------------------- without: method, upgrade, EIO, shutdown
    "handshake method before upgrade": Case("POST", f"{W}&EIO=3", {}, 400, 2, {"method": "POST"}, ended=True),
    "handshake method before EIO": Case("PUT", f"{P}&EIO=3", {}, 400, 2, {"method": "PUT"}, ended=True),
    "handshake upgrade before EIO": Case("GET", f"{W}&EIO=3", {}, 400, 3, NO_UPGRADE, ended=True),
    "handshake upgrade before EIO, polling": Case("GET", f"{P}&EIO=3", UPGRADE, 400, 3, NO_UPGRADE, ended=True),
    "handshake EIO before shutdown": Case("GET", f"{P}&EIO=3", {}, 400, 5, {"protocol": "3"}, ended=True),
    "shutdown": Case("GET", POLLING, {}, 503, 3, named("SHUTTING_DOWN"), ended=True),
    "shutdown, websocket": Case("GET", WEBSOCKET, UPGRADE, 503, 3, named("SHUTTING_DOWN"), ended=True),
}


@pytest.mark.parametrize("case", TABLE.values(), ids=TABLE)
def test_order_of_the_checks(case: Case) -> None:
    """HS-7, SD-2: the first check that fails decides, and a refusal changes nothing."""
    driver = server(case.origins, shut_down=case.ended)
    sessions = [*driver.engine.sessions]
    refusal = expect(Refusal, driver.engine.receive_request(Request(case.method, case.query, case.headers), 0.0))
    assert (refusal.status, int(refusal.code), dict(refusal.context)) == (case.status, case.code, case.context)
    assert [*driver.engine.sessions] == sessions
    assert driver.effects() == []


# The same for every two of the checks of one family, in their order: (fault, what it does to a sound request).
HANDSHAKE_FAULTS = [
    ("CONFLICTING_PARAMETERS", {"query": "&EIO=9"}),
    ("JSONP_NOT_SUPPORTED", {"query": "&j=0"}),
    ("ORIGIN_NOT_ALLOWED", {"origin": "http://evil"}),
    (ErrorCode.UNKNOWN_TRANSPORT, {"transport": "x"}),
    (ErrorCode.BAD_HANDSHAKE_METHOD, {"method": "DELETE"}),
    ("TRANSPORT_HANDSHAKE_ERROR", {"upgrade": "websocket"}),
    (ErrorCode.UNSUPPORTED_PROTOCOL_VERSION, {"eio": "3"}),
    ("SHUTTING_DOWN", {"ended": "1"}),
]
SESSION_FAULTS = [
    ("CONFLICTING_PARAMETERS", {"query": "&EIO=9"}),
    ("JSONP_NOT_SUPPORTED", {"query": "&j=0"}),
    ("ORIGIN_NOT_ALLOWED", {"origin": "http://evil"}),
    (ErrorCode.UNKNOWN_TRANSPORT, {"transport": "x"}),
    (ErrorCode.UNKNOWN_SID, {"sid": "x"}),
    ("METHOD_NOT_ALLOWED", {"method": "DELETE"}),
    ("TRANSPORT_HANDSHAKE_ERROR", {"upgrade": "websocket"}),
    ("TRANSPORT_MISMATCH", {"sid": "w"}),
    ("PROTOCOL_MISMATCH", {"eio": "3"}),
    ("OVERLAP", {"parked": "1"}),
]
PAIRS = [
    (sid, first, {**two, **one})
    for sid, faults in (("", HANDSHAKE_FAULTS), ("p", SESSION_FAULTS))
    for (first, one), (_, two) in combinations([*faults, (None, {})], 2)
]


@pytest.mark.parametrize(("sid", "first", "wrong"), PAIRS)
def test_the_earlier_of_two_faults_counts(sid: str, first: str | ErrorCode, wrong: dict[str, str]) -> None:
    """HS-7: for every two things that can be wrong with a request."""
    driver = server(SAME_ORIGIN, shut_down="ended" in wrong)
    if "parked" in wrong:
        driver.get("p")
    fields = {"transport": "polling", "eio": "4", "sid": sid, "method": "GET", "query": "", **wrong}
    query = "transport={transport}&EIO={eio}&sid={sid}{query}".format(**fields)
    headers = {name: value for name, value in wrong.items() if name in {"origin", "upgrade"}}
    answer = expect(Refusal, driver.engine.receive_request(Request(fields["method"], query, headers), 0.0))
    assert first in {answer.context.get("name"), answer.code if "name" not in answer.context else None}


SOUND: list[tuple[str, str, dict[str, str], type]] = [
    ("GET", POLLING, {}, Handshake),
    ("GET", f"{POLLING}&sid=", {}, Handshake),  # HS-14
    ("GET", f"{POLLING}&t=abc&x=%00&b64=1", {}, Handshake),
    ("GET", WEBSOCKET, UPGRADE, Handshake),
    ("GET", WEBSOCKET, {**UPGRADE, "upgrade": "WebSocket", "connection": "keep-alive, upgrade"}, Handshake),
    ("GET", f"{POLLING}&sid=p", {}, Poll),
    ("POST", f"{POLLING}&sid=p", {}, Post),
    ("POST", f"{POLLING}&sid=p", UPGRADE, Post),  # only a GET can ask for a WebSocket
    ("GET", f"{WEBSOCKET}&sid=p", UPGRADE, Upgrade),
    ("GET", f"{WEBSOCKET}&sid=w", UPGRADE, Upgrade),  # UP-10: 101, then close
    ("OPTIONS", "", {}, Response),
    ("OPTIONS", "EIO=3&transport=x&sid=x", {}, Response),
]


@pytest.mark.parametrize(("method", "query", "headers", "kind"), SOUND)
def test_what_is_let_in(method: str, query: str, headers: dict[str, str], kind: type) -> None:
    """HS-7, HS-14, HD-5: and as what."""
    answer = server(ANY_ORIGIN).engine.receive_request(Request(method, query, headers), 0.0)
    assert type(answer) is kind


@pytest.mark.parametrize(
    ("query", "websocket", "kind"),
    [
        (WEBSOCKET, True, Handshake),
        (POLLING, False, Handshake),
        (f"{WEBSOCKET}&sid=p", True, Upgrade),
        (f"{POLLING}&sid=p", False, Poll),
        (WEBSOCKET, False, Refusal),
        (POLLING, True, Refusal),
        (f"{POLLING}&sid=p", True, Refusal),
        (f"{WEBSOCKET}&sid=p", False, Refusal),
    ],
)
@pytest.mark.parametrize("headers", [{}, UPGRADE])
def test_the_integration_knows_what_it_is(query: str, websocket: bool, kind: type, headers: dict[str, str]) -> None:
    """WS-21, HS-7: where the scope says that it is a WebSocket, headers are not asked."""
    answer = server(ANY_ORIGIN).engine.receive_request(Request("GET", query, headers, websocket=websocket), 0.0)
    assert type(answer) is kind


@pytest.mark.parametrize(
    "transport",
    ["", "x", "constructor", "__proto__", "webtransport", "Polling", "POLLING", "polling ", "polling%00", "poll", "%"],
)
@pytest.mark.parametrize("sid", ["", "&sid=p", "&sid=x"])
def test_unknown_transports(transport: str, sid: str) -> None:
    """HS-8, WS-14, H6: code 0."""
    answer = expect(Refusal, server(SAME_ORIGIN).request(f"EIO=4&transport={transport}{sid}"))
    assert (answer.status, answer.body) == (400, b'{"code":0,"message":"Transport unknown"}')
    assert answer.context == {"transport": transport.replace("%00", "\0")}


def test_no_query() -> None:
    """HS-8, WS-14: no transport at all, with and without Upgrade."""
    for headers in (None, UPGRADE):
        assert expect(Refusal, Driver().request("", headers=headers)).code is ErrorCode.UNKNOWN_TRANSPORT


@pytest.mark.parametrize(
    ("transports", "answers"),
    [(("polling",), [Handshake, Refusal]), (("websocket",), [Refusal, Handshake])],
)
def test_transports_that_are_off(transports: tuple[str, ...], answers: list[type]) -> None:
    """HS-8: a transport that the server does not offer is unknown."""
    driver = Driver(transports=transports)
    assert [type(driver.request(POLLING)), type(driver.request(WEBSOCKET, headers=UPGRADE))] == answers


@pytest.mark.parametrize("eio", ["", "&EIO=", "&EIO=3", "&EIO=abc", "&EIO=5", "&EIO=04", "&EIO=4.0", "&EIO=%34%00"])
def test_other_revisions(eio: str) -> None:
    """HS-9, HS-10, JP-3: anything but "4"; a session is left as it was."""
    driver = server(SAME_ORIGIN)
    answer = expect(Refusal, driver.request(f"transport=polling{eio}"))
    assert (answer.status, answer.body) == (400, b'{"code":5,"message":"Unsupported protocol version"}')
    for method, query, headers in (("GET", P, None), ("POST", P, None), ("GET", W, UPGRADE)):
        answer = expect(Refusal, driver.request(f"{query}&sid=p{eio}", method, headers))
        assert (answer.status, answer.body) == (400, b'{"code":3,"message":"Bad request"}')
        assert answer.context["name"] == "PROTOCOL_MISMATCH"
    assert driver.effects() == []
    assert driver.posted(b"4x", "p")[0] == ["x"]  # H8: the session still polls
    driver.probed("p")  # and upgrades


METHODS = ["POST", "PUT", "HEAD", "DELETE", "PATCH", "TRACE", "CONNECT", "get", "", "GET ", "X" * 10_000, "\0"]


@pytest.mark.parametrize("method", METHODS)
def test_handshake_methods(method: str) -> None:
    """HS-11, H11: code 2, whatever the method."""
    answer = expect(Refusal, Driver().request(POLLING, method))
    assert (answer.status, answer.body) == (400, b'{"code":2,"message":"Bad handshake method"}')
    assert answer.context == {"method": method}


@pytest.mark.parametrize("method", METHODS[1:])
def test_other_methods_with_a_sid(method: str) -> None:
    """ER-6, PG-10, H11: 400 code 3, never a 500; a parked GET and the session are left alone."""
    driver = server(SAME_ORIGIN)
    poll = driver.get("p")
    answer = expect(Refusal, driver.request(f"{POLLING}&sid=p", method))
    assert (answer.status, answer.body) == (400, b'{"code":3,"message":"Bad request"}')
    assert driver.effects() == []
    assert driver.engine.send(driver.engine.sessions["p"], "x") is poll


def test_options_with_cors_off() -> None:
    """HD-5, HS-11, ER-6: without CORS handling OPTIONS is a method like any other."""
    driver = server(NO_CORS)
    assert expect(Refusal, driver.request(POLLING, "OPTIONS")).code is ErrorCode.BAD_HANDSHAKE_METHOD
    assert expect(Refusal, driver.request(f"{POLLING}&sid=p", "OPTIONS")).context["name"] == "METHOD_NOT_ALLOWED"


SIDS = ["x", "constructor", "__proto__", "%00", "%ff", "%", "P", "p%20", "\ud800", "\r\n", "x" * 100_000, "🙂"]


@pytest.mark.parametrize("sid", SIDS)
@pytest.mark.parametrize(("method", "headers"), [("GET", {}), ("POST", {}), ("PUT", {}), ("GET", UPGRADE)])
def test_unknown_sid(sid: str, method: str, headers: dict[str, str]) -> None:
    """HS-12, HS-13, HS-14, H7, H1: exactly these bytes, any method, before a body is read; no prototype keys."""
    transport = W if headers else P
    answer = expect(Refusal, server(SAME_ORIGIN).request(f"EIO=4&{transport}&sid={sid}", method, headers))
    assert (answer.status, answer.body) == (400, b'{"code":1,"message":"Session ID unknown"}')


@pytest.mark.parametrize("text", ["p", "%70", "p&x=1&sid=p", "p&sid=%70"])
def test_the_sid_is_decoded(text: str) -> None:
    """HS-14, HS-18: percent-encoded, and twice the same."""
    expect(Poll, server(SAME_ORIGIN).request(f"{POLLING}&sid={text}"))


@pytest.mark.parametrize(
    "query",
    [
        "sid=p&sid=q",
        "sid=&sid=p",
        "sid=p&sid=",
        "sid=p&sid",
        "%73id=p&sid=q",
        "sid=p&sid=q&sid=q",
        "sid=p&sid=p&sid=q",
        "EIO=4&EIO=3",
        "EIO=4&EIO=",
        "transport=polling&transport=websocket",
        "transport=polling&transport=Polling",
    ],
)
def test_conflicting_duplicates(query: str) -> None:
    """HS-18: two different values of sid, EIO or transport."""
    for rest in (f"{POLLING}&{query}", f"{query}&{POLLING}"):
        answer = expect(Refusal, server(SAME_ORIGIN).request(rest))
        assert (answer.status, answer.code, dict(answer.context)) == (400, ErrorCode.BAD_REQUEST, CONFLICT)


@pytest.mark.parametrize("query", [POLLING, "t=1&t=2", "b64=0&b64=1", "&&=&"])
def test_other_duplicates(query: str) -> None:
    """HS-18, HS-19: equal values, and other names, are no conflict."""
    expect(Handshake, Driver().request(f"{POLLING}&{query}"))


def test_the_last_of_equal_names_wins() -> None:
    """HS-18."""
    assert expect(Handshake, Driver().request(f"{WEBSOCKET}&b64=0&b64=1", websocket=True)).base64
    assert not expect(Handshake, Driver().request(f"{WEBSOCKET}&b64=1&b64=0", websocket=True)).base64


@pytest.mark.parametrize("query", ["j", "j=", "j=0", "j=1", "j=abc", "%6a=1", "j=1&j=2", "sid=p&j=0"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PUT"])
def test_jsonp(query: str, method: str) -> None:
    """JP-1, JP-2: not supported, whatever else is in the request."""
    driver = server(SAME_ORIGIN)
    answer = expect(Refusal, driver.request(f"{query}&{POLLING}", method))
    assert (answer.status, answer.code, dict(answer.context)) == (400, ErrorCode.BAD_REQUEST, JSONP)
    assert driver.effects() == []


LONG = ["x" * 100_000, "&" * 100_000, "%ff" * 30_000]


@pytest.mark.parametrize(
    "garbage",
    ["%", "%%", "%g0", "%ff", "%c3", "%00", "\0", "=", "&", "&=&", "a=b=c", ";", "+", "\xff", "\ud800", "é=%é", *LONG],
    ids=lambda text: ascii(text[:8]),
)
def test_garbage_in_a_query(garbage: str) -> None:
    """H6: decoding never raises, and never spoils the rest."""
    driver = server(SAME_ORIGIN)
    for query in (f"{POLLING}&sid=p&t={garbage}", f"{garbage}&{POLLING}&sid=p", f"{POLLING}&{garbage}x=1&sid=p"):
        poll = expect(Poll, driver.request(query))
        driver.engine.send(driver.engine.sessions["p"], "x")
        driver.body(poll)
    assert isinstance(driver.request(garbage), Refusal)


# ------------------------------------------------------------------------------------------------------ the transports


@pytest.mark.parametrize(
    ("query", "headers", "code"),
    [
        (POLLING, UPGRADE, 3),
        (f"{POLLING}&sid=p", UPGRADE, 3),
        (f"{POLLING}&sid=w", UPGRADE, 3),
        (f"{POLLING}&sid=x", UPGRADE, 1),
        (WEBSOCKET, {}, 3),  # HS-15
        (WEBSOCKET, {"upgrade": "h2c"}, 3),
        (f"{WEBSOCKET}&sid=w", {}, 3),
    ],
)
def test_upgrade_and_transport_must_agree(query: str, headers: dict[str, str], code: int) -> None:
    """PG-12, WS-13, HS-15: refused before the 101; a session with that sid neither polls nor changes."""
    driver = server(SAME_ORIGIN)
    answer = expect(Refusal, driver.request(query, headers=headers))
    assert (answer.status, int(answer.code)) == (400, code)
    assert driver.effects() == []
    assert driver.engine.sessions["p"].poll is None


def test_upgrades_that_are_off() -> None:
    """HS-22: refused with 400 code 3 before the 101, not only left out of the list; a WebSocket handshake is none."""
    driver = Driver(allow_upgrades=False)
    driver.polling()
    answer = expect(Refusal, driver.request(f"{WEBSOCKET}&sid=s", headers=UPGRADE))
    assert (answer.status, answer.code) == (400, ErrorCode.BAD_REQUEST)
    assert dict(answer.headers)["Connection"] == "close"
    driver.websocket("w")


def test_after_an_upgrade() -> None:
    """HS-16, UP-16: GET and POST with transport=polling are refused; the session is untouched."""
    driver = Driver()
    session, link = driver.upgraded()
    for method in ("GET", "POST"):
        answer = expect(Refusal, driver.request(f"{POLLING}&sid=s", method))
        assert dict(answer.context) == mismatch("polling", "websocket")
    assert driver.effects() == []
    assert driver.engine.send(session, "x") is link


# --------------------------------------------------------------------------------------------------------- the refusal


CODES = {
    0: "Transport unknown",
    1: "Session ID unknown",
    2: "Bad handshake method",
    3: "Bad request",
    4: "Forbidden",
    5: "Unsupported protocol version",
}


def test_codes_and_messages() -> None:
    """ER-1: to the letter."""
    assert {int(code): code.text for code in ErrorCode} == CODES


@pytest.mark.parametrize("case", TABLE.values(), ids=TABLE)
@pytest.mark.parametrize("version", ["1.0", "1.1", "2", "3"])
def test_what_every_refusal_has(case: Case, version: str) -> None:
    """ER-2, ER-4, ER-5, HD-7, HD-10: JSON without spaces, no-store, CORS headers; a WebSocket is told to close."""
    driver = server(case.origins, shut_down=case.ended)
    request = Request(case.method, case.query, {"origin": "http://own", **case.headers, "host": "own"})
    request.http_version = version
    refusal = expect(Refusal, driver.engine.receive_request(request, 0.0))
    message = "Server is shutting down" if case.status == 503 else CODES[case.code]
    assert refusal.body == json.dumps({"code": case.code, "message": message}, separators=(",", ":")).encode()
    assert refusal.message == message
    assert refusal.compression is None
    cors = [("Access-Control-Allow-Origin", "http://own"), ("Vary", "Origin")]
    allowed = "origin" not in case.headers and case.origins is not NO_CORS
    websocket = case.method == "GET" and "upgrade" in case.headers and version in ("1.0", "1.1")
    assert refusal.headers == [
        ("Content-Type", "application/json"),
        ("Cache-Control", "no-store"),
        *([*cors, ("Access-Control-Allow-Credentials", "true")] if allowed else []),
        *([("Connection", "close")] if websocket else []),
    ]
    assert refusal.closes is websocket


BAD_UPGRADES = [
    {"connection": "keep-alive"},
    {"connection": ""},
    {"sec-websocket-version": "8"},
    {"sec-websocket-version": "13, 8"},
    {"sec-websocket-key": "c2hvcnQ="},
    {"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ=="},
    {"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZX=="},
    {"sec-websocket-key": "d\xe9lIHNhbXBsZSBub25jZQ=="},
]


@pytest.mark.parametrize("sid", ["", "&sid=p"])
@pytest.mark.parametrize("wrong", [*BAD_UPGRADES, *({name: None} for name in UPGRADE if name != "upgrade")], ids=str)
def test_what_is_no_handshake_of_a_websocket(wrong: dict[str, str | None], sid: str) -> None:
    """WS-11, HD-7: refused before the application is asked, with the version that would be right."""
    driver = server(SAME_ORIGIN)
    headers = {**UPGRADE, "origin": "http://own", "host": "own", **wrong}
    present = {name: value for name, value in headers.items() if value is not None}
    answer = expect(Response, driver.request(f"{WEBSOCKET}{sid}", headers=present))
    assert (answer.status, answer.closes) == (400, True)
    assert ("Sec-WebSocket-Version", "13") in answer.headers
    assert ("Access-Control-Allow-Origin", "http://own") in answer.headers
    assert driver.effects() == []


def test_a_handshake_that_the_web_server_has_checked() -> None:
    """WS-11, WS-21: it says that this is a WebSocket; over HTTP/2 there are no such headers."""
    driver = server(SAME_ORIGIN)
    expect(Handshake, driver.request(WEBSOCKET, headers={"upgrade": "websocket"}, websocket=True))
    expect(Upgrade, driver.request(f"{WEBSOCKET}&sid=p", websocket=True))


def test_headers_from_the_wire() -> None:
    """Names in any case, latin-1, a repeated one joined; only those that are looked at."""
    arrived = [(b"Host", b"own"), (b"X-Custom", b"x"), (b"ORIGIN", b"http://\xe9"), (b"host", b"other")]
    expected = {"host": "own, other", "origin": "http://\xe9"}
    assert headers_from_wire(arrived) == expected
    decoded = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in arrived]
    assert headers_from_text(decoded) == expected


@pytest.mark.parametrize(("status", "length"), [(200, [(b"content-length", b"2")]), (204, [])])
def test_headers_to_the_wire(status: int, length: list[tuple[bytes, bytes]]) -> None:
    """HD-10: lower case, latin-1, in their order, repeated ones too, and the length; a 204 has none."""
    headers = [("Vary", "Origin"), ("Set-Cookie", "a=\xe9"), ("Set-Cookie", "b")]
    expected = [(b"vary", b"Origin"), (b"set-cookie", b"a=\xe9"), (b"set-cookie", b"b")]
    assert headers_to_wire(headers) == expected
    assert Response(status, headers, b"ok" if length else b"").wire_headers() == [*expected, *length]


def test_only_the_listed_headers_are_looked_at() -> None:
    """An integration need not pass any other."""

    class Headers(dict[str, str]):
        asked: set[str] = set()  # noqa: RUF012

        def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
            self.asked.add(name)
            return super().get(name, default)

        def __contains__(self, name: object) -> bool:
            self.asked.add(str(name))
            return super().__contains__(name)

        def __getitem__(self, name: str) -> str:
            self.asked.add(name)
            return super().__getitem__(name)

    driver = server(SAME_ORIGIN)
    for method, query in (("OPTIONS", ""), ("GET", POLLING), ("GET", f"{POLLING}&sid=p"), ("POST", f"{POLLING}&sid=p")):
        driver.engine.receive_request(Request(method, query, Headers(origin="http://own", host="own")), 0.0)
    driver.engine.receive_request(Request("GET", WEBSOCKET, Headers(UPGRADE)), 0.0)
    session = driver.opening("polling", "q")
    driver.engine.accept(session, 0.0)
    assert Headers.asked == REQUEST_HEADERS


# -------------------------------------------------------------------------------------------------------- the handshake


def test_the_handshake_on_the_wire() -> None:
    """HS-1, HS-2, PL-16, PG-6, HD-10: status, headers and body to the letter."""
    driver = Driver()
    poll = expect(Poll, driver.engine.accept(driver.opening(sid="X"), 0.0))
    assert driver.engine.take_response(poll) == Response(
        200,
        [("Content-Type", "text/plain; charset=UTF-8"), ("Cache-Control", "no-store")],
        b'0{"sid":"X","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}',
    )


def test_the_handshake_on_a_websocket() -> None:
    """WS-1, HS-21: one text frame, no upgrades."""
    driver = Driver()
    link = expect(Link, driver.engine.accept(driver.opening("websocket", "X"), 0.0))
    assert driver.frames(link) == [
        '0{"sid":"X","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
    ]


@pytest.mark.parametrize(
    ("settings", "transport", "upgrades"),
    [
        ({}, "polling", ["websocket"]),
        ({}, "websocket", []),
        ({"allow_upgrades": False}, "polling", []),
        ({"transports": ("polling",)}, "polling", []),
        ({"transports": ("websocket",)}, "websocket", []),
        ({"transports": ("websocket", "polling")}, "polling", ["websocket"]),
    ],
)
def test_upgrades_on_offer(settings: dict[str, object], transport: str, upgrades: list[str]) -> None:
    """HS-21: what the server has, and the session can still use."""
    assert opened(Driver(**settings), transport)["upgrades"] == upgrades


@pytest.mark.parametrize(
    ("interval", "grace", "timeout", "advertised"),
    [
        (25, 0, 20, (25000, 20000)),
        (25.0, 5, 20.0, (30000, 20000)),  # HB-13
        (0.3, 0, 0.1, (300, 100)),
        (0.1, 0.2, 0.7, (300, 700)),
        (0.0001, 0, 0.0011, (1, 2)),
        (1.0005, 0, 1.9999, (1001, 2000)),
        (0.29, 0.0, 0.57, (290, 570)),
    ],
)
def test_times_are_rounded_up(interval: float, grace: float, timeout: float, advertised: tuple[int, int]) -> None:
    """HS-2, HB-12, HB-13: whole milliseconds, never less than the real ones, from the sum of interval and grace."""
    packet = opened(Driver(ping_interval=interval, ping_grace=grace, ping_timeout=timeout))
    assert (packet["pingInterval"], packet["pingTimeout"]) == advertised
    assert all(type(packet[name]) is int for name in ("pingInterval", "pingTimeout", "maxPayload"))


def opened(driver: Driver, transport: str = "polling") -> dict[str, object]:
    """The open packet of a new session."""
    connection = driver.engine.accept(driver.opening(transport), 0.0)
    text = driver.body(connection) if isinstance(connection, Poll) else driver.frames(expect(Link, connection))[0]
    return dict(json.loads(str(text)[1:]))


@pytest.mark.parametrize("sid", ["", "p", "busy"])
def test_an_id_that_cannot_be_used(sid: str) -> None:
    """HS-5, HS-6: 400 code 3 before any 101; the session that has it is not disturbed."""
    driver = server(SAME_ORIGIN)
    first = driver.opening(sid="busy")
    for transport in ("polling", "websocket"):
        request = driver.request(f"EIO=4&transport={transport}", websocket=transport == "websocket")
        refusal = expect(Refusal, driver.engine.open(expect(Handshake, request), sid))
        assert (refusal.status, refusal.code, dict(refusal.context)) == (400, 3, named("ID_GENERATION_ERROR"))
    assert driver.engine.opening == {"busy": first}
    refusal = driver.engine.refuse(expect(Handshake, driver.request(POLLING)))
    assert dict(refusal.context) == named("ID_GENERATION_ERROR")


@pytest.mark.parametrize("sid", ["constructor", "a b", "é", "\x1e", '"', "\ud800", "🙂" * 1000])
def test_any_other_id_can(sid: str) -> None:
    """HS-4: the sid in the open packet is the value that was given."""
    driver = Driver()
    session = driver.opening(sid=sid)
    body = driver.body(expect(Poll, driver.engine.accept(session, 0.0)))
    assert "\x1e" not in body
    assert json.loads(body[1:])["sid"] == sid


def test_opening_is_found_by_no_request() -> None:
    """HS-20, HS-23: while the application decides, 400 code 1, and no deadline runs."""
    driver = Driver()
    session = driver.opening()
    for method in ("GET", "POST"):
        assert expect(Refusal, driver.request(f"{POLLING}&sid=s", method)).code is ErrorCode.UNKNOWN_SID
    assert driver.engine.next_deadline() is None
    assert driver.at(1e6) == []
    driver.engine.accept(session, driver.now)
    assert driver.engine.sessions == {"s": session}


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_what_the_connect_handler_sends(transport: str) -> None:
    """HS-20, MH-6: rides behind the open packet, in order; binary too."""
    driver = Driver()
    session = driver.opening(transport)
    assert driver.engine.send(session, "a") is None
    assert driver.engine.send(session, b"b") is None
    connection = driver.engine.accept(session, 0.0)
    if isinstance(connection, Poll):
        assert driver.body(connection).split("\x1e")[1:] == ["4a", "bYg=="]
    else:
        assert driver.frames(expect(Link, connection))[1:] == ["4a", b"b"]
    assert session.buffered == 0
    assert driver.effects() == []


def test_the_handshake_too_is_split() -> None:
    """PL-11, HS-20: at most max_packets_per_poll packets, the open packet among them."""
    driver = Driver(max_packets_per_poll=3)
    session = driver.opening()
    for number in range(4):
        driver.engine.send(session, str(number))
    body = driver.body(expect(Poll, driver.engine.accept(session, 0.0)))
    assert body.split("\x1e")[1:] == ["40", "41"]
    assert driver.body(driver.get()) == "42\x1e43"


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_rejected(transport: str) -> None:
    """ER-10, HS-20: 401 with JSON; the session never was: no effect, no deadline, its id is free again."""
    driver = Driver(origins=ANY_ORIGIN)
    for body in (b'"Unauthorized"', b'{"a":1}'):
        query = f"EIO=4&transport={transport}"
        headers = {"origin": "http://x", **(UPGRADE if transport == "websocket" else {})}
        handshake = expect(Handshake, driver.engine.receive_request(Request("GET", query, headers), 0.0))
        session = expect(Session, driver.engine.open(handshake, "s"))
        driver.engine.send(session, "x")
        refusal = driver.engine.reject(session) if body == b'"Unauthorized"' else driver.engine.reject(session, body)
        assert (refusal.status, refusal.body, refusal.code) == (401, body, ErrorCode.FORBIDDEN)
        assert refusal.headers == [
            ("Content-Type", "application/json"),
            ("Cache-Control", "no-store"),
            ("Access-Control-Allow-Origin", "http://x"),
            ("Vary", "Origin"),
            ("Access-Control-Allow-Credentials", "true"),
            *([("Connection", "close")] if transport == "websocket" else []),
        ]
        assert driver.effects() == []
        assert driver.engine.opening == driver.engine.sessions == {}
        assert driver.engine.next_deadline() is None
