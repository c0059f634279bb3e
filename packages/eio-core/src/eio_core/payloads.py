"""A polling body: packets joined by the record separator U+001E (rows PG-1, PL-6, PL-8 to PL-10).

Nothing is escaped: a separator inside of a text message would split it, which is why a session on polling refuses to
send one (:meth:`eio_core.engine.Engine.send`).

Must not know: sessions, HTTP, time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .packets import Outgoing, Packet, decode_packet, encode_text

__all__ = ["SEPARATOR", "decode_payload", "encode_payload", "split_payload"]

SEPARATOR = "\x1e"


def encode_payload(packets: Iterable[Outgoing]) -> bytes:
    """Join packets to a body in UTF-8."""
    return SEPARATOR.join(map(encode_text, packets)).encode()


def split_payload(body: bytes, *, max_packets: int | None = None) -> list[str] | None:
    """The packets of a body as text, not decoded yet; None if it is no text, or has too many packets.

    :param body: the whole body, any bytes.
    :param max_packets: refuse a body with more packets, before it is split (row PL-10); None: no limit but its bytes.
    """
    if max_packets is not None and body.count(b"\x1e") >= max_packets:
        return None
    try:
        return body.decode().split(SEPARATOR)
    except UnicodeDecodeError:
        return None


def decode_payload(body: bytes, *, max_packets: int | None = None) -> Iterator[Packet | None]:
    """The packets of a body one by one; a None is a packet that could not be decoded, and the last item (row PL-9).

    The arguments are those of :func:`split_payload`.
    """
    for part in split_payload(body, max_packets=max_packets) or [""]:
        packet = decode_packet(part)
        yield packet
        if packet is None:
            return
