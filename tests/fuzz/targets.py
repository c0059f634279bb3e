"""What is fuzzed: functions of bytes, which raise if anything comes of them that is not documented.

The bytes are read so that a mutation of them is a mutation of what arrives: texts stand there as they are, and
separators are single bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from eio_core import ANY_ORIGIN, NO_CORS, REQUEST_HEADERS, SAME_ORIGIN

from tests.core import outcomes

__all__ = ["TARGETS"]

END = b"\xfe"
"""Ends a part; UTF-8 has no such byte, so that texts never need it."""


def decoders(data: bytes) -> None:
    """Packets, payloads, base64, queries, lists of encodings, cookies: the first byte says which."""
    kind, rest = data[:1], data[1:]
    parts = [*map(text, rest.split(END)), "", "", ""]
    match kind:
        case b"p":
            outcomes.packet(parts[0])
        case b"b":
            outcomes.base64_text(parts[0])
        case b"q":
            outcomes.query(parts[0])
        case b"e":
            outcomes.accept_encoding(parts[0])
        case b"c":
            outcomes.cookie(*parts[:3])
        case b"t":
            sent: list[str | bytes] = [
                part if number % 2 else clean(text(part)) for number, part in enumerate(rest.split(END))
            ]
            outcomes.there_and_back(sent)
        case b"s":
            outcomes.sending([part if part[:1] == b"\x00" else text(part) for part in rest.split(END)], "p")
        case b"w":
            outcomes.sending([part if part[:1] == b"\x00" else text(part) for part in rest.split(END)], "w")
        case _:
            outcomes.payload(rest, kind[0] % 8 or None if kind else None)


POLICIES = (SAME_ORIGIN, ANY_ORIGIN, NO_CORS, frozenset({"http://own"}))
WEBSOCKET = (None, None, True, False)
FIRST = sorted(REQUEST_HEADERS - {"connection", "sec-websocket-key", "sec-websocket-version"})
LATER = sorted(REQUEST_HEADERS - set(FIRST))
SHORT = dict(zip("abcdefghijk", FIRST + LATER, strict=True))  # a letter means what it meant when the corpus was made


def admission(data: bytes) -> None:
    """A request: a byte for the policy and the kind, then method, query and headers, each of them ended."""
    first, method, query, *lines = [*data.split(END), b"", b""][: max(3, data.count(END) + 1)]
    choice = first[0] if first else 0
    headers: Mapping[str, str] = {
        SHORT.get(line[:1].decode("latin-1"), "host"): line[1:].decode("latin-1") for line in lines
    }
    outcomes.request(text(method), text(query), headers, WEBSOCKET[choice // 4 % 4], POLICIES[choice % 4])


TEXTS = ("4x", "3", "1", "2probe", "5", "", "bAQ==", "6", "2")


def events(data: bytes) -> None:
    """What an integration may call, in any order: three bytes for each call."""
    outcomes.operations(
        [
            (data[at] % outcomes.OPERATIONS, data[at + 1] % 8, TEXTS[data[at + 2] % len(TEXTS)])
            for at in range(0, len(data) - 2, 3)
        ]
    )


STATES = ("unprobed", "probed", "carrying", "draining")


def wire(data: bytes) -> None:
    """Frames on a WebSocket, or bodies of POSTs: the first byte says in which state."""
    kind = data[0] if data else 0
    parts = data[1:].split(END)
    if kind % 2:
        outcomes.frames([part[1:] if part[:1] == b"\x00" else text(part) for part in parts], STATES[kind // 2 % 4])
    else:
        outcomes.bodies(parts, bool(kind & 2), bool(kind & 4))


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "decoders": decoders,
    "admission": admission,
    "events": events,
    "wire": wire,
}


def text(part: bytes) -> str:
    """A text of any characters, lone surrogates among them."""
    return part.decode(errors="surrogateescape")


def clean(part: str) -> str:
    """A text that can be sent to a session on polling."""
    return part.encode(errors="replace").decode().replace("\x1e", "")
