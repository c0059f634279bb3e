"""Packets, payloads, limits, and what is left of older revisions: the PL and JP rows."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from .clients import SEPARATOR, UPGRADE, assert_refused, settle, url
from .harness import Serve
from .servers import Gap

pytestmark = pytest.mark.anyio


async def test_only_ascii_digits_are_types(serve: Serve) -> None:
    """PL-1, PL-2, WS-3: other digits of Unicode are none."""
    async with serve() as site:
        for transport, packet in product(
            ("polling", "websocket"), ("\uff14a", "\u0664a", "\u00b2a", "8a", "9", "a", "+4a", "\x004a")
        ):
            if transport == "polling":
                session = await site.handshake()
                sid = session.sid
                assert_refused(await session.post(packet), 3)
            else:
                websocket = await site.websocket()
                sid = websocket.sid
                await websocket.send(packet)
                assert await websocket.closed() == site.code(1002)
            assert await site.seen.closed(sid) == "transport error"
            assert site.seen.of(sid) == [("disconnect", "transport error")]


JSON = [
    ('{"a": [1, null]}', {"a": [1, None]}),
    ("[1,2]", [1, 2]),
    ("[]", []),
    ("{bad", "{bad"),
    ("[1,2", "[1,2"),
    ("12", "12"),
    ("true", "true"),
    ('"text"', '"text"'),
    (" {}", " {}"),
    ("{}x", "{}x"),
    ("", ""),
    ("h\u00e9\U0001f600\n\x00", "h\u00e9\U0001f600\n\x00"),
    ("[" * 50_000, "[" * 50_000),
]


@pytest.mark.api("JSON")
async def test_json_objects_and_lists_are_decoded(serve: Serve) -> None:
    """PL-3, PL-4, PL-19, AP-5: everything else, and everything that fails to parse, stays the text that it was."""
    async with serve() as site:
        for text, data in JSON:
            session = await site.handshake()
            assert (await session.post("4" + text)).body == b"ok"
            websocket = await site.websocket()
            await websocket.send("4" + text)
            for sid in (session.sid, websocket.sid):
                await site.seen.until("message", sid, data)
                (found,) = site.seen.messages(sid)
                assert type(found) is type(data)


@pytest.mark.api("JSON")
async def test_json_decoding_can_be_turned_off(serve: Serve) -> None:
    """PL-3"""
    async with serve(decode_json=False) as site:
        session = await site.handshake()
        await session.post('4{"a":1}\x1e4[1]')
        await site.seen.until("message", session.sid, "[1]")
        assert site.seen.messages(session.sid) == ['{"a":1}', "[1]"]


BASE64 = [
    ("AQIDBA==", b"\x01\x02\x03\x04"),
    ("AQIDBA", b"\x01\x02\x03\x04"),
    ("+/8=", b"\xfb\xff"),
    ("-_8=", b"\xfb\xff"),
    ("-_8", b"\xfb\xff"),
    ("", b""),
]


async def test_base64_decodes_to_binary(serve: Serve) -> None:
    """PL-6, PL-7, AP-5: in a POST and in a text frame; without padding and in the url-safe alphabet too."""
    async with serve() as site:
        for text, data in BASE64:
            session = await site.handshake()
            assert (await session.post("b" + text)).body == b"ok"
            websocket = await site.websocket()
            await websocket.send("b" + text)
            for sid in (session.sid, websocket.sid):
                await site.seen.until("message", sid, data)
                (found,) = site.seen.messages(sid)
                assert type(found) is bytes


async def test_garbage_in_base64_is_undecodable(serve: Serve) -> None:
    """PL-7: on polling 400 code 3, on WebSocket 1002."""
    async with serve() as site:
        for text in ("A", "AQ=IDBA", "AQID BA==", "AQID\nBA==", "!!!!", "AQIDB\u00e9==", "AQ==IDBA"):
            session = await site.handshake()
            assert_refused(await session.post("b" + text), 3)
            assert await site.seen.closed(session.sid) == "transport error"
            websocket = await site.websocket()
            await websocket.send("b" + text)
            assert await websocket.closed() == site.code(1002)
            assert await site.seen.closed(websocket.sid) == "transport error"


async def test_the_separator_cannot_be_sent_by_polling(serve: Serve) -> None:
    """PL-8: a ValueError that names the way out, also during the upgrade; on WebSocket it passes."""
    async with serve() as site:
        session = await site.handshake()
        text = f"a{SEPARATOR}b"
        with pytest.raises(ValueError, match=r"(?i)(?=.*bytes)(?=.*websocket)"):
            await site.eio.send(session.sid, text)
        websocket = await session.probe()
        with pytest.raises(ValueError, match=r"(?i)websocket"):
            await site.eio.send(session.sid, text)
        await site.eio.send(session.sid, text.encode())
        await websocket.send("5")
        assert await websocket.receive() == text.encode()
        await site.eio.send(session.sid, text)
        assert await websocket.receive() == "4" + text


async def test_a_payload_may_hold_any_number_of_packets(serve: Serve) -> None:
    """PL-10: bytes bound it."""
    async with serve(async_handlers=False) as site:
        session = await site.handshake()
        assert (await session.post(SEPARATOR.join(f"4{number}" for number in range(1000)))).body == b"ok"
        await site.seen.until("message", session.sid, "999")
        assert site.seen.messages(session.sid) == [str(number) for number in range(1000)]


async def test_the_number_of_packets_can_be_limited(serve: Serve) -> None:
    """PL-10: counted before anything is decoded; too many are refused, and the session is closed."""
    async with serve(max_packets_per_payload=3) as site:
        session = await site.handshake()
        assert (await session.post("4a\x1e4b\x1e4c")).body == b"ok"
        await site.seen.until("message", session.sid, "c")
        assert_refused(await session.post("4d\x1e4e\x1e4f\x1e4g"), 3)
        assert await site.seen.closed(session.sid) == "transport error"
        assert site.seen.messages(session.sid) == ["a", "b", "c"]


async def test_a_poll_brings_sixteen_packets(serve: Serve) -> None:
    """PL-11, PG-1: the rest waits for the next GET."""
    async with serve() as site:
        session = await site.handshake()
        for number in range(40):
            await site.eio.send(session.sid, str(number))
        payloads = [(await session.get()).packets for _ in range(3)]
        assert [len(packets) for packets in payloads] == [16, 16, 8]
        assert [one for packets in payloads for one in packets] == [f"4{number}" for number in range(40)]


async def test_the_handshake_body_brings_sixteen_packets(serve: Serve) -> None:
    """PL-11: the open packet is one of them."""
    async with serve() as site:

        async def connect(sid: str, environ: dict[str, Any]) -> None:
            site.seen.connect(sid, environ)
            for number in range(20):
                await site.eio.send(sid, str(number))

        site.eio.on("connect", connect)
        session = await site.handshake()
        assert session.first == [f"4{number}" for number in range(15)]
        assert (await session.get()).packets == [f"4{number}" for number in range(15, 20)]


async def test_a_closing_session_spreads_over_several_polls(serve: Serve) -> None:
    """PL-11, CL-5, CL-15: the close is the last packet of the last one."""
    async with serve() as site:
        session = await site.handshake()
        for number in range(20):
            await site.eio.send(session.sid, str(number))
        await site.eio.disconnect(session.sid)
        assert (await session.get()).packets == [f"4{number}" for number in range(16)]
        assert (await session.get()).packets == ["416", "417", "418", "419", "1"]
        assert await site.seen.closed(session.sid) == "server disconnect"
        assert_refused(await session.get(), 1)


@pytest.mark.parametrize(("limit", "sizes"), [(None, [40]), (30, [30, 10])])
async def test_the_number_of_packets_per_poll_can_be_set(serve: Serve, limit: int | None, sizes: list[int]) -> None:
    """PL-11: None turns it off."""
    async with serve(max_packets_per_poll=limit) as site:
        session = await site.handshake()
        for number in range(40):
            await site.eio.send(session.sid, str(number))
        assert [len((await session.get()).packets) for _ in sizes] == sizes


@pytest.mark.parametrize(("size", "fits"), [(1000, True), (1005, True), (1006, False)])
async def test_a_body_of_the_limit_is_accepted(serve: Serve, size: int, fits: bool) -> None:
    """PL-12, PL-13, PL-15: and half a percent more, since clients estimate the size of binary; then 413 and the end."""
    async with serve(max_http_buffer_size=1000) as site:
        session = await site.handshake()
        poll = await session.park()
        response = await session.post("4" + "x" * (size - 1))
        if fits:
            assert response.body == b"ok"
            await site.seen.until("message", session.sid, "x" * (size - 1))
            assert poll.silent
        else:
            assert (response.status, response.body) == (413, b"")
            assert (await poll.receive()).body == b"1"
            assert await site.seen.closed(session.sid) == "transport error"
            assert_refused(await session.get(), 1)
            assert site.seen.messages(session.sid) == []


async def test_an_announced_body_that_is_too_large_is_not_awaited(serve: Serve) -> None:
    """PL-12, PL-13: its length alone is enough."""
    async with serve(max_http_buffer_size=1000) as site:
        session = await site.handshake()
        connection = site.connect()
        await connection.send("POST", session.url, [("Content-Length", "1000000000000")], b"4x", end=False)
        if Gap.WAITS_FOR_BODIES in site.server.gaps:
            await settle()
            assert connection.silent
            return
        response = await connection.receive()
        assert (response.status, response.body) == (413, b"")
        assert await site.seen.closed(session.sid) == "transport error"


async def test_a_websocket_message_of_the_limit_is_accepted(serve: Serve) -> None:
    """PL-12, PL-15: counted in encoded bytes, the type included."""
    async with serve(max_http_buffer_size=100) as site:
        for message in ("4" + "x" * 99, "4" + "\u00e9" * 49 + "x", b"x" * 100):
            websocket = await site.websocket()
            await websocket.send(message)
            await site.seen.until("message", websocket.sid, message[1:] if isinstance(message, str) else message)


async def test_a_websocket_message_over_the_limit_closes(serve: Serve) -> None:
    """PL-14, WS-22: 1009, transport error, nothing delivered."""
    async with serve(max_http_buffer_size=100) as site:
        for message in ("4" + "x" * 100, "4" + "\u00e9" * 50, b"x" * 101, "x" * 70_000):
            websocket = await site.websocket()
            await websocket.send(message)
            assert await websocket.closed() == site.code(1009)
            assert await site.seen.closed(websocket.sid) == "transport error"
            assert site.seen.of(websocket.sid) == [("disconnect", "transport error")]


async def test_the_limit_is_advertised(serve: Serve) -> None:
    """PL-16"""
    async with serve(max_http_buffer_size=12345) as site:
        assert (await site.handshake()).open["maxPayload"] == 12345
        assert (await site.websocket()).open["maxPayload"] == 12345


SENT = [
    ("text", "4text", "4text"),
    ("", "4", "4"),
    ("h\u00e9\U0001f600", "4h\u00e9\U0001f600", "4h\u00e9\U0001f600"),
    (b"\x01\x02\x03\x04", "bAQIDBA==", b"\x01\x02\x03\x04"),
    (bytearray(b"\x01\x02\x03\x04"), "bAQIDBA==", b"\x01\x02\x03\x04"),
    (memoryview(b"\x01\x02\x03\x04"), "bAQIDBA==", b"\x01\x02\x03\x04"),
    (b"\xfb\xff", "b+/8=", b"\xfb\xff"),
    ({"a": [1, None, "x"]}, '4{"a":[1,null,"x"]}', '4{"a":[1,null,"x"]}'),
    ([1, 2], "4[1,2]", "4[1,2]"),
    ({}, "4{}", "4{}"),
]


@pytest.mark.api("JSON")
async def test_what_can_be_sent(serve: Serve) -> None:
    """PL-5, PL-6, PL-17, WS-2: text as it is, bytes of all kinds as binary, dicts and lists as compact JSON."""
    async with serve() as site:
        for data, polled, framed in SENT:
            session = await site.handshake()
            websocket = await site.websocket()
            for sid in (session.sid, websocket.sid):
                await site.eio.send(sid, data)
            assert (await session.get()).body.decode() == polled
            assert await websocket.receive() == framed


@pytest.mark.api("JSON")
async def test_mutable_data_is_taken_when_it_is_sent(serve: Serve) -> None:
    """PL-17, PL-18: what the application changes afterwards is not seen by the client."""
    async with serve() as site:
        session = await site.handshake()
        data = bytearray(b"\x01\x02\x03\x04")
        items = [1]
        await site.eio.send(session.sid, data)
        await site.eio.send(session.sid, items)
        data[0] = 9
        items.append(2)
        assert (await session.get()).body == b"bAQIDBA==\x1e4[1]"


async def test_anything_else_is_a_type_error(serve: Serve) -> None:
    """PL-17"""
    async with serve() as site:
        for data in (None, 0, 42, 1.5, True, object(), {1, 2}, (1, 2)):
            session = await site.handshake()
            with pytest.raises(TypeError):
                await site.eio.send(session.sid, data)
            await site.eio.send(session.sid, "next")
            assert (await session.get()).body == b"4next"


async def test_a_lone_surrogate_is_a_value_error(serve: Serve) -> None:
    """PL-20: in send(), on both transports, never later."""
    async with serve() as site:
        session = await site.handshake()
        websocket = await site.websocket()
        for sid in (session.sid, websocket.sid):
            with pytest.raises(ValueError, match=r"(?i)surrogate"):
                await site.eio.send(sid, "a\ud800b")
            await site.eio.send(sid, "next")
        assert (await session.get()).body == b"4next"
        assert await websocket.receive() == "4next"


async def test_binary_passes_both_ways_on_websocket(serve: Serve) -> None:
    """PL-5, WS-2: raw frames without a type, empty ones too."""
    async with serve(async_handlers=False) as site:
        websocket = await site.websocket()
        for data in (b"\x00\x01", b"", b"4text", b"\xff" * 70_000):
            await websocket.send(data)
            await site.seen.until("message", websocket.sid, data)
            await site.eio.send(websocket.sid, data)
            if data or Gap.SENDS_NO_EMPTY_MESSAGE not in site.server.gaps:
                assert await websocket.receive() == data
        assert {type(data) for data in site.seen.messages(websocket.sid)} == {bytes}


async def test_jsonp_is_refused(serve: Serve) -> None:
    """JP-1: 400 code 3, at the handshake and later; the session stays."""
    async with serve() as site:
        for j in ("0", "", "x"):
            assert_refused(await site.request("GET", url(j=j)), 3)
            assert_refused(await site.request("GET", url("websocket", j=j), UPGRADE), 3)
            session = await site.handshake()
            assert_refused(await site.request("GET", url(sid=session.sid, j=j)), 3)
            assert_refused(await site.request("POST", url(sid=session.sid, j=j), body=b"4x"), 3)
            await settle()
            assert site.seen.of(session.sid) == []


async def test_forms_are_not_decoded(serve: Serve) -> None:
    """JP-2: a form is a payload like any other, and undecodable."""
    async with serve() as site:
        session = await site.handshake()
        headers = [("Content-Type", "application/x-www-form-urlencoded")]
        assert_refused(await session.post("d=4hello", headers), 3)
        assert await site.seen.closed(session.sid) == "transport error"


async def test_b64_asks_for_text_frames(serve: Serve) -> None:
    """JP-4: binary goes out as base64 on that WebSocket."""
    async with serve() as site:
        websocket = await site.websocket(b64="1")
        await site.eio.send(websocket.sid, b"\x01\x02\x03\x04")
        await site.eio.send(websocket.sid, "text")
        assert await websocket.receive_many(2) == ["bAQIDBA==", "4text"]
