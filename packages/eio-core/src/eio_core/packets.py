"""One packet: its types, its text form, its binary form.

A text packet is one ASCII digit and its data, ``"4hello"``; that form is the same on both transports, so a text packet
*is* that ``str`` everywhere in the core. A binary message is raw bytes in a WebSocket frame, and ``bytes`` in the core;
in a polling payload it is ``"b"`` + base64, made when the payload is, except for a broadcast: :class:`Encoded` makes it
once for all sessions.

Must not know: sessions, transports, time.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from enum import IntEnum
from typing import Final

__all__ = ["Encoded", "Outgoing", "Packet", "PacketType", "decode_base64", "decode_packet", "encode_message"]


class PacketType(IntEnum):
    """The seven packet types of Engine.IO v4 (row PL-1)."""

    OPEN = 0
    CLOSE = 1
    PING = 2
    PONG = 3
    MESSAGE = 4
    UPGRADE = 5
    NOOP = 6


CLOSE: Final = "1"
PING: Final = "2"
PROBE_ANSWER: Final = "3probe"
NOOP: Final = "6"
PROBE_DATA: Final = "probe"

# A lookup, not int(): "٤" and "४" are digits to int(), and not to this protocol (row PL-2).
_TYPES: Final = {str(int(type_)): type_ for type_ in PacketType}


class Packet:
    """A packet as an application or a test may hold it: a type and its data. Treat it as immutable.

    :param packet_type: one of :class:`PacketType`.
    :param data: ``str``, or ``bytes`` for a binary message.
    :raises ValueError: binary data in a packet that is not a message.
    """

    __slots__ = ("data", "packet_type")

    def __init__(self, packet_type: PacketType, data: str | bytes = "") -> None:
        if not isinstance(data, str) and packet_type is not PacketType.MESSAGE:
            raise ValueError(f"only a MESSAGE can carry binary data, not {packet_type.name}")
        self.packet_type = packet_type
        self.data = data

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Packet):
            return NotImplemented
        if isinstance(self.data, str) is not isinstance(other.data, str):  # ``python -bb`` would not compare them
            return False
        return self.packet_type is other.packet_type and self.data == other.data

    def __hash__(self) -> int:
        return hash((self.packet_type, self.data))

    def __repr__(self) -> str:
        return f"Packet({self.packet_type.name}, {self.data!r})"

    def encode(self) -> str | bytes:
        """The packet as one WebSocket frame: ``str`` for a text frame, ``bytes`` for a binary one (row PL-5)."""
        return f"{int(self.packet_type)}{self.data}" if isinstance(self.data, str) else self.data


class Encoded:
    """A message that was encoded before it is sent, once for all recipients of a broadcast (row PL-18).

    :param data: ``str``, ``bytes``, ``bytearray`` or ``memoryview``.
    :raises TypeError: data of any other type (row PL-17).
    :raises ValueError: text with a lone surrogate (row PL-20).
    """

    __slots__ = ("_text", "frame")

    def __init__(self, data: object) -> None:
        self.frame = encode_message(data)
        """The packet as one WebSocket frame."""
        self._text: str | None = None

    @property
    def text(self) -> str:
        """The packet as it stands in a polling payload; made once."""
        if self._text is None:
            self._text = encode_text(self.frame)
        return self._text


Outgoing = str | bytes | Encoded
"""A packet in an outbox: its text form, a binary message, or a shared one."""


def encode_message(data: object) -> str | bytes:
    """Encode what an application sends, as one WebSocket frame.

    :param data: ``str``, ``bytes``, ``bytearray`` or ``memoryview``; the last two are copied.
    :raises TypeError: data of any other type (row PL-17).
    :raises ValueError: text with a lone surrogate, which UTF-8 cannot carry (row PL-20).
    """
    if isinstance(data, str):
        if not data.isascii():
            try:
                data.encode()
            except UnicodeEncodeError as error:
                raise lone_surrogate(error) from None
        return "4" + data
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    raise TypeError(f"a message is str, bytes, bytearray or memoryview, not {type(data).__name__}")


def encode_text(packet: Outgoing) -> str:
    """A packet as text: binary data as ``"b"`` and standard base64, padded (row PL-6)."""
    if isinstance(packet, str):
        return packet
    return packet.text if isinstance(packet, Encoded) else "b" + base64.b64encode(packet).decode("ascii")


def lone_surrogate(error: UnicodeEncodeError) -> ValueError:
    """What is raised for text that UTF-8 cannot carry (row PL-20)."""
    return ValueError(
        f"text to send has a lone surrogate at position {error.start}, which UTF-8 cannot encode: "
        "send valid text, or bytes"
    )


def has_ping(packets: Iterable[object]) -> bool:
    """Whether a ping is among them. Text is not compared with bytes: ``python -bb`` makes that an error."""
    return any(isinstance(packet, str) and packet == PING for packet in packets)


def decode_packet(text: str) -> Packet | None:
    """Decode one text packet, or ``b`` + base64 as a binary message; None if it is neither (rows PL-2, PL-6, PL-7)."""
    packet_type = _TYPES.get(text[:1])
    if packet_type is not None:
        return Packet(packet_type, text[1:])
    if text[:1] == "b":
        data = decode_base64(text[1:])
        return None if data is None else Packet(PacketType.MESSAGE, data)
    return None


def decode_base64(text: str) -> bytes | None:
    """Decode base64 strictly, or None.

    The standard and the url-safe alphabet are accepted, with or without padding, and nothing else: Python's own default
    skips every character that it does not know, and strict_mode lets ``AAAA====`` pass (row PL-7).
    """
    if "-" in text or "_" in text:
        text = text.replace("-", "+").replace("_", "/")
    bare = text.rstrip("=")
    padding = -len(bare) % 4
    if padding == 3 or len(text) - len(bare) not in (0, padding):
        return None
    try:
        return binascii.a2b_base64(bare + "=" * padding, strict_mode=True)
    except ValueError:  # binascii.Error is one, and so is non-ASCII text
        return None
