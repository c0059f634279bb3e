"""One packet: types, text, base64, and what an application may send."""

from __future__ import annotations

import base64
from array import array

import pytest
from eio_core import Encoded, Engine, Packet, PacketType
from eio_core.packets import decode_base64, decode_packet, encode_message, encode_text

from .helpers import Driver


def test_types() -> None:
    """PL-1: seven types, one ASCII digit each."""
    assert [(t.name, int(t)) for t in PacketType] == [
        ("OPEN", 0),
        ("CLOSE", 1),
        ("PING", 2),
        ("PONG", 3),
        ("MESSAGE", 4),
        ("UPGRADE", 5),
        ("NOOP", 6),
    ]


@pytest.mark.parametrize("packet_type", PacketType)
@pytest.mark.parametrize("data", ["", "x", "probe", "\x1e", "é", '{"a":1}', " x ", "\r\n\0"])
def test_text_is_data_verbatim(packet_type: PacketType, data: str) -> None:
    """PL-1, PL-3, PL-4: the digit, and the data as it is; an empty message is ``''``."""
    packet = Packet(packet_type, data)
    assert packet.encode() == f"{int(packet_type)}{data}"
    assert decode_packet(f"{int(packet_type)}{data}") == packet


def test_deep_json_is_text() -> None:
    """PL-19: nested text stays the text it is."""
    text = "[" * 100_000
    assert decode_packet("4" + text) == Packet(PacketType.MESSAGE, text)


FOREIGN_DIGITS = "\u0664\u096a\uff14\u2463\u2074"  # what int() or isdigit() takes for a 4


@pytest.mark.parametrize(
    "text", ["", "7", "9", "a", "abc", " 4", "+4", "-1", "\x1e", "\0", *FOREIGN_DIGITS, "B", "bb", "b!", "b\n", "bé"]
)
def test_anything_else_is_undecodable(text: str) -> None:
    """PL-2: an exact ASCII digit, or ``b`` and base64; nothing else that looks like a digit."""
    assert decode_packet(text) is None


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("", b""),
        ("AQIDBA==", b"\1\2\3\4"),
        ("AQIDBA", b"\1\2\3\4"),  # no padding
        ("AQIDBAU=", b"\1\2\3\4\5"),
        ("AQIDBAU", b"\1\2\3\4\5"),
        ("AQIDBAUG", b"\1\2\3\4\5\6"),
        ("+/+/", b"\xfb\xff\xbf"),
        ("-_-_", b"\xfb\xff\xbf"),  # url-safe
        ("-_+/", b"\xfb\xff\xbf"),
        ("-_8", b"\xfb\xff"),
        # nothing else
        ("A", None),
        ("AAAAA", None),
        ("=", None),
        ("==", None),
        ("===", None),
        ("====", None),
        ("A===", None),
        ("AA=", None),
        ("AA===", None),
        ("AAA==", None),
        ("AAAA=", None),
        ("AAAA==", None),
        ("AAAA====", None),
        ("AA==AA==", None),
        ("AA=A", None),
        ("=AAA", None),
        (" AAAA", None),
        ("AAAA ", None),
        ("AAAA\n", None),
        ("AA\r\nAA", None),
        ("AA.A", None),
        ("AA\0A", None),
        ("AAé", None),
        ("AAA\ud800", None),
        ("AAA\uff14", None),
    ],
)
def test_base64_is_strict(text: str, data: bytes | None) -> None:
    """PL-7: missing padding and the url-safe alphabet are accepted, nothing else."""
    assert decode_base64(text) == data
    assert decode_packet("b" + text) == (None if data is None else Packet(PacketType.MESSAGE, data))


@pytest.mark.parametrize("length", range(70))
def test_base64_of_every_length(length: int) -> None:
    """PL-6, H33: standard, with padding, and it comes back."""
    data = bytes(range(186, 186 + length))
    text = encode_text(data)
    assert text == "b" + base64.b64encode(data).decode()
    assert decode_packet(text) == Packet(PacketType.MESSAGE, data)
    assert decode_base64(base64.urlsafe_b64encode(data).decode().rstrip("=")) == data


@pytest.mark.parametrize(
    ("data", "frame", "text"),
    [
        ("", "4", "4"),
        ("x", "4x", "4x"),
        ("é\U0001f600", "4é\U0001f600", "4é\U0001f600"),
        (b"", b"", "b"),
        (b"\1\2\3\4", b"\1\2\3\4", "bAQIDBA=="),
        (bytearray(b"\1\2\3\4"), b"\1\2\3\4", "bAQIDBA=="),
        (memoryview(b"\1\2\3\4"), b"\1\2\3\4", "bAQIDBA=="),
        (memoryview(b"\1x\2x\3x\4x")[::2], b"\1\2\3\4", "bAQIDBA=="),
        (memoryview(array("H", [0x0101])), b"\1\1", "bAQE="),
    ],
)
def test_what_can_be_sent(data: object, frame: str | bytes, text: str) -> None:
    """PL-5, PL-6, PL-17: text as it is; bytes, bytearray and memoryview raw in a frame, base64 in a payload."""
    assert encode_message(data) == frame
    assert type(encode_message(data)) is type(frame)
    assert encode_text(frame) == text


def test_a_buffer_is_copied() -> None:
    """PL-18: what was sent stays what it was."""
    data = bytearray(b"abc")
    encoded = Encoded(data)
    data[0] = 0
    assert encoded.frame == b"abc"


@pytest.mark.parametrize("make", [encode_message, Encoded])
@pytest.mark.parametrize("data", [None, True, 0, 1.5, [], {}, (), object(), {"a": 1}, [b"x"], "s".encode])
def test_nothing_else_can_be_sent(make: type, data: object) -> None:
    """PL-17: TypeError that names the type."""
    with pytest.raises(TypeError, match=type(data).__name__):
        make(data)


@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize("data", [None, 0, 1.5, [], {"a": 1}, object()])
def test_send_refuses_the_same(transport: str, data: object) -> None:
    """PL-17: at send(), and nothing is queued."""
    driver = Driver()
    session = driver.opening(transport)
    with pytest.raises(TypeError, match="a message is str, bytes, bytearray or memoryview, not"):
        driver.engine.send(session, data)
    assert session.buffered == 0


@pytest.mark.parametrize("data", ["\ud800", "ab\udfff", "é\ud83dx"])
def test_a_lone_surrogate_raises_in_send(data: str) -> None:
    """PL-20: never later; the message says where it stands."""
    driver = Driver()
    position = next(i for i, c in enumerate(data) if "\ud800" <= c <= "\udfff")
    for transport in ("polling", "websocket"):
        session = driver.opening(transport, transport)
        with pytest.raises(ValueError, match=f"lone surrogate at position {position}"):
            driver.engine.send(session, data)
        assert session.buffered == 0
    with pytest.raises(ValueError, match=f"lone surrogate at position {position}"):
        Encoded(data)


def test_text_subclasses_are_text() -> None:
    """PL-17: a str is a str, whatever it is called."""

    class Name(str):
        __slots__ = ()

    driver = Driver()
    session, link = driver.websocket()
    driver.engine.send(session, Name("x"))
    driver.engine.send(session, Name("é"))
    assert driver.frames(link) == ["4x", "4é"]


def test_a_separator_is_refused_on_polling_only() -> None:
    """PL-8: the error names the reason and the way out; on a WebSocket it passes, and in bytes anywhere."""
    driver = Driver()
    session = driver.polling()
    for data in ("a\x1eb", Encoded("\x1e")):
        with pytest.raises(ValueError, match=r"U\+001E.*send it as bytes, or .* websocket"):
            driver.engine.send(session, data)
    assert session.buffered == 0
    driver.engine.send(session, b"a\x1eb")
    link = driver.probed()
    with pytest.raises(ValueError, match=r"U\+001E"):  # the upgrade may still fail
        driver.engine.send(session, "a\x1eb")
    driver.engine.receive_frame(link, "5")
    driver.engine.send(session, "a\x1eb")
    driver.engine.send(session, Encoded("\x1e"))
    assert driver.frames(link) == [b"a\x1eb", "4a\x1eb", "4\x1e"]


def test_a_broadcast_is_encoded_once() -> None:
    """PL-18: the frame, the text and its base64 are shared by all sessions, on both transports."""
    driver = Driver()
    encoded = Encoded(b"x" * 100)
    assert encoded.text is encoded.text
    assert Encoded("x").text == "4x"
    links = []
    for number in range(3):
        session, link = driver.websocket(f"w{number}")
        driver.engine.send(session, encoded)
        links.append(link)
        driver.engine.send(driver.polling(f"p{number}"), encoded)
    assert all(driver.frames(link)[0] is encoded.frame for link in links)
    assert {driver.body(driver.get(f"p{number}")) for number in range(3)} == {encoded.text}


def test_a_shared_message_crosses_an_upgrade() -> None:
    """PL-18, UP-4: queued for a poll, sent as a frame."""
    driver = Driver()
    session = driver.polling()
    link = driver.probed()
    encoded = Encoded(b"\1\2")
    for data in (encoded, "x", b"\3", Encoded("y")):
        driver.engine.send(session, data)
    driver.engine.receive_frame(link, "5")
    frames = driver.frames(link)
    assert frames == [b"\1\2", "4x", b"\3", "4y"]
    assert frames[0] is encoded.frame


def test_packets_are_values() -> None:
    packet = Packet(PacketType.MESSAGE, "x")
    assert packet == Packet(PacketType.MESSAGE, "x")
    assert packet != Packet(PacketType.PING, "x")
    assert packet != Packet(PacketType.MESSAGE, b"x")
    assert packet != "4x"
    assert len({packet, Packet(PacketType.MESSAGE, "x"), Packet(PacketType.MESSAGE)}) == 2
    assert repr(packet) == "Packet(MESSAGE, 'x')"
    assert Packet(PacketType.MESSAGE, b"\1").encode() == b"\1"


@pytest.mark.parametrize("packet_type", [t for t in PacketType if t is not PacketType.MESSAGE])
def test_only_messages_are_binary(packet_type: PacketType) -> None:
    """PL-5, PL-6: nothing but a message has a binary form."""
    with pytest.raises(ValueError, match=f"not {packet_type.name}"):
        Packet(packet_type, b"")


def test_binary_on_a_websocket() -> None:
    """PL-5: a raw frame, no type byte, both ways; any kind of buffer arrives as bytes."""
    driver = Driver()
    engine: Engine = driver.engine
    session, link = driver.websocket()
    assert engine.send(session, b"4x") is link
    assert driver.frames(link) == [b"4x"]
    for frame in (b"\0\1", b"", bytearray(b"4x"), memoryview(b"4x")):
        message = engine.receive_frame(link, frame)  # type: ignore[arg-type]
        assert type(message) is bytes
        assert message == bytes(frame)


def test_base64_text_on_a_websocket() -> None:
    """PL-7: ``b`` and base64 in a text frame is a binary message; garbage closes."""
    driver = Driver()
    _, link = driver.websocket()
    assert driver.engine.receive_frame(link, "bAQI") == b"\1\2"
    assert driver.engine.receive_frame(link, "bAQIDBAU=====") is None
    assert link.closing == 1002


@pytest.mark.parametrize(
    ("extra", "frames"),
    [
        ("", [b"\1\2", b"\3", "4x"]),
        ("&b64=1", ["bAQI=", "bAw==", "4x"]),
        ("&b64=%31", ["bAQI=", "bAw==", "4x"]),
        ("&b64=0", [b"\1\2", b"\3", "4x"]),
    ],
)
@pytest.mark.parametrize("how", ["handshake", "upgrade"])
def test_base64_for_clients_that_ask_for_it(how: str, extra: str, frames: list[str | bytes]) -> None:
    """JP-4: ``b64=1`` on the URL of a WebSocket, that of an upgrade too: binary leaves as text."""
    driver = Driver()
    if how == "handshake":
        session, link = driver.websocket(extra=extra)
    else:
        session = driver.polling()
        link = driver.dial(extra=extra)
        driver.engine.receive_frame(link, "2probe")
        driver.frames(link)
        driver.engine.receive_frame(link, "5")
    for data in (b"\1\2", Encoded(b"\3"), "x"):
        driver.engine.send(session, data)
    assert driver.frames(link) == frames
