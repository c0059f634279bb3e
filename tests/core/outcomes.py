"""What may come of anything at all: the documented outcomes, as functions that assert them.

They are fed by hypothesis in test_fuzz.py, and by a fuzzer that follows coverage in tests/fuzz.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from eio_core import (
    Closed,
    Drained,
    Encoded,
    ErrorCode,
    Handshake,
    Life,
    Link,
    LocalProtocolError,
    Packet,
    PacketType,
    Poll,
    Post,
    Reason,
    Refusal,
    Request,
    Response,
    Session,
    SessionClosed,
    Upgrade,
    Upgraded,
    Write,
    check_cookie,
    decode_payload,
    encode_payload,
    own_origins,
    set_cookie,
)
from eio_core.compression import negotiate
from eio_core.http import parse_query
from eio_core.packets import decode_base64, decode_packet

from .helpers import Driver

CLEAN = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
OPERATIONS = 22
"""How many different things Chaos can do."""


def packet(text: str) -> None:
    """A packet that has the text as it is, or none."""
    packet = decode_packet(text)
    if text[:1] in set("0123456"):
        assert packet == Packet(PacketType(int(text[0])), text[1:])
        assert packet.encode() == text
    elif packet is not None:
        assert text[0] == "b"
        assert packet.packet_type is PacketType.MESSAGE
        assert type(packet.data) is bytes


def base64_text(text: str) -> None:
    """What a strict decoder takes, once padding and alphabet are put right; nothing else."""
    data = decode_base64(text)
    standard = text.replace("-", "+").replace("_", "/")
    bare = standard.rstrip("=")
    padded = bare + "=" * (-len(bare) % 4)
    legal = re.fullmatch(r"[A-Za-z0-9+/]*", bare) and len(bare) % 4 != 1 and standard in {bare, padded}
    assert data == (base64.b64decode(padded) if legal else None)


def payload(body: bytes, most: int | None) -> None:
    """Packets, and at most one None, which is the last."""
    packets = [*decode_payload(body, max_packets=most)]
    assert 1 <= len(packets) <= body.count(b"\x1e") + 1
    assert None not in packets[:-1]
    if most is not None and body.count(b"\x1e") >= most:
        assert packets == [None]
    if None not in packets:
        parts = body.decode().split("\x1e")
        assert [p.encode() for p in packets if p is not None and isinstance(p.data, str)] == [
            part for part in parts if part[0] != "b"
        ]


def there_and_back(messages: list[str | bytes]) -> None:
    """Whatever can be sent arrives as it was."""
    body = encode_payload([Encoded(message) for message in messages])
    assert [packet.data for packet in decode_payload(body) if packet is not None] == messages


def query(text: str) -> None:
    """Parameters, or None for a conflict."""
    parsed = parse_query(text)
    assert parsed is None or all(type(name) is type(value) is str for name, value in parsed.items())


def accept_encoding(value: str | None) -> None:
    """One of the encodings that there are, or none."""
    assert negotiate(value) in {None, "gzip", "deflate"}


def cookie(name: str, attribute: str, value: str) -> None:
    """A clean header or a ValueError."""
    try:
        check_cookie(name, {attribute: value})
        header, text = set_cookie(name, "sid", {attribute: value})
    except ValueError:
        return
    assert header == "Set-Cookie"
    assert re.fullmatch(r"[\x20-\x7e]*", text)
    assert text.count(";") == 1


def request(method: str, query: str, headers: Mapping[str, str], websocket: bool | None, policy: Any) -> None:
    """One of the documented answers."""
    driver = Driver(origins=policy)
    driver.polling("p")
    driver.websocket("w")
    request = Request(method, query, headers, websocket=websocket)
    answer = driver.engine.receive_request(request, 0.0)
    assert type(answer) in {Refusal, Response, Handshake, Upgrade, Poll, Post}
    if isinstance(answer, Response):
        check_response(answer)
    own_origins(request, trust_forwarded=True)


def frames(received: list[str | bytes], state: str) -> None:
    """Messages as they are, or None; closed once; the session of an upgrade outlives it."""
    driver = Driver(max_http_buffer_size=50)
    if state in {"unprobed", "probed"}:
        session = driver.polling()
        link = driver.dial() if state == "unprobed" else driver.probed()
    else:
        session, link = driver.websocket()
        if state == "draining":
            driver.engine.send(session, "unsent")
            driver.engine.close(session, 0.0)
    for frame in received:
        was = session.life
        message = driver.engine.receive_frame(link, frame)
        if message is not None:
            assert was is Life.OPEN
            assert session.transport == "websocket"
            assert message in {frame, frame[1:]} or (type(message) is bytes and frame[:1] == "b")
    assert [type(effect) for effect in driver.effects()].count(Closed) == (session.life is Life.CLOSED)
    if session.life is Life.CLOSED:
        assert link.closing in {1000, 1002, 1009}


def bodies(received: list[bytes], parked: bool, closing: bool) -> None:
    """Each is answered, and what was not taken is not answered 200."""
    driver = Driver()
    session = driver.polling()
    poll = driver.get() if parked and not closing else None
    if closing:
        driver.engine.close(session, 0.0)
    for body in received:
        answer = driver.request("EIO=4&transport=polling&sid=s", "POST")
        if not isinstance(answer, Post):
            assert session.life is Life.CLOSED
            return
        messages = driver.engine.receive_body(answer, body, 0.0)
        response = driver.engine.take_response(answer)
        check_response(response)
        decoded = [*decode_payload(body)]
        legal = all(packet is not None and packet.packet_type is not PacketType.PING for packet in decoded)
        leaves = any(packet is not None and packet.packet_type is PacketType.CLOSE for packet in decoded)
        if not closing and not leaves:
            assert (response.status == 200) == legal
            assert (session.life is Life.OPEN) == legal
        assert not (messages and closing)
    if poll is not None and session.life is Life.CLOSED:
        assert driver.body(poll) in {"1", "6"}


def sending(things: list[Any], where: str) -> None:
    """It goes out as it is, or raises what is documented and leaves nothing."""
    driver = Driver(max_packets_per_poll=None)
    link: Link | None = None
    session: Session
    if where == "p":
        session = driver.polling()
    else:
        session, link = driver.websocket()
    expected: list[str | bytes] = []
    for thing in things:
        try:
            driver.engine.send(session, thing)
        except TypeError:
            assert not isinstance(thing, str | bytes)
        except ValueError:
            assert isinstance(thing, str)
            assert re.search("[\ud800-\udfff]", thing) or (link is None and "\x1e" in thing)
        else:
            expected.append(thing if isinstance(thing, bytes) else "4" + thing)
    if link is not None:
        assert driver.frames(link) == expected
    elif expected:
        assert [packet.encode() for packet in decode_payload(driver.body(driver.get()).encode()) if packet] == expected


def operations(script: Sequence[tuple[int, int, str]]) -> None:
    """Whatever the order, the only errors are those that say that our own code was wrong."""
    chaos = Chaos()
    for operation in script:
        with suppress(LocalProtocolError, SessionClosed):
            chaos.do(*operation)
        chaos.look()
    chaos.driver.engine.cut()
    chaos.look()
    assert chaos.driver.engine.sessions == {}
    assert all(session.life is Life.CLOSED for session in chaos.driver.engine.opening.values())
    for thing in chaos.things:
        if isinstance(thing, Session) and thing in chaos.accepted:
            assert thing.life is Life.CLOSED
            assert (thing.poll, thing.post, thing.link, thing.outbox) == (None, None, None, None)


def check_response(response: Response) -> None:
    """A status that we use, clean headers, and a body that says why."""
    for name, value in response.headers:
        assert CLEAN.fullmatch(name + value), (name, value)
    assert ("Cache-Control", "no-store") in response.headers
    if isinstance(response, Refusal):
        assert response.status in {400, 401, 413, 503}
        assert type(response.code) is ErrorCode
        assert response.status == 413 or json.loads(response.body)["code"] == response.code
    elif ("Sec-WebSocket-Version", "13") in response.headers:  # row WS-11
        assert response.status == 400
    else:
        assert response.status in {200, 204}


class Chaos:
    """An integration that does anything in any order, though never more than the contract lets it call."""

    def __init__(self) -> None:
        self.driver = Driver(max_buffered_bytes=3000, max_http_buffer_size=300)
        self.things: list[Any] = []
        self.closed: list[Session] = []
        self.accepted: list[Session] = []

    def pick(self, kind: type | tuple[type, ...], number: int) -> Any:
        found = [thing for thing in self.things if isinstance(thing, kind)]
        return found[number % len(found)] if found else None

    def do(self, operation: int, number: int, text: str) -> None:
        engine, now = self.driver.engine, self.driver.now
        sid = f"s{number % 4}"
        polling, websocket = f"EIO=4&transport=polling&sid={sid}", f"EIO=4&transport=websocket&sid={sid}"
        link, poll, post = (self.pick(kind, number) for kind in (Link, Poll, Post))
        session, handshake = self.pick(Session, number), self.pick(Handshake, number)
        match operation:
            case 0:
                self.things.append(self.driver.request("EIO=4&transport=polling"))
            case 1:
                self.things.append(self.driver.request("EIO=4&transport=websocket", websocket=True))
            case 2 if handshake:
                self.things.append(engine.open(handshake, sid))
            case 3 if session:
                self.things.append(engine.accept(session, now))
                self.accepted.append(session)
            case 4 if session:
                engine.reject(session)
            case 5 | 6:
                self.things.append(self.driver.request(polling, "GET" if operation == 5 else "POST"))
            case 7:
                self.things.append(self.driver.request(websocket, websocket=True))
            case 8 if (upgrade := self.pick(Upgrade, number)) is not None:
                self.things.append(engine.open_link(upgrade, now))
            case 9 | 10 if link:
                engine.receive_frame(link, text if operation == 9 else text.encode())
            case 11 if link:
                engine.take_frames(link)
            case 12 if link:
                engine.begin_hangup(link, now)
            case 13 if post:
                engine.receive_body(post, f"4a\x1e{text}".encode(), now)
            case 14 if post:
                engine.receive_oversize(post)
            case 15 if poll or post:
                engine.take_response(self.pick((Poll, Post), number))
            case 16 if poll:
                engine.written(poll)
            case 17 if poll or post or link:
                engine.connection_lost(self.pick((Poll, Post, Link), number), error=bool(number % 2))
            case 18 if session:
                engine.send(session, text * (number * 50))
            case 19 if session:
                engine.close(session, now)
            case 20:
                self.driver.now += [0.01, 0.02, 0.1, 1.0, 5.0, 10.0, 25.0, 60.0][number]
                engine.expire(self.driver.now)
                deadline = engine.next_deadline()
                assert deadline is None or deadline > self.driver.now
            case 21 if number == 0:
                engine.shutdown(now, 5.0)
            case 21 if number == 1:
                engine.reopen()

    def look(self) -> None:
        for effect in self.driver.effects():
            if isinstance(effect, Closed):
                assert effect.session not in self.closed, "closed once"
                assert effect.session in self.accepted
                assert effect.reason in {v for k, v in vars(Reason).items() if k.isupper()}
                self.closed.append(effect.session)
            elif isinstance(effect, Upgraded | Drained):
                assert effect.session not in self.closed
            elif isinstance(effect, Write):
                assert not isinstance(effect.connection, Poll | Post) or effect.connection.ready
