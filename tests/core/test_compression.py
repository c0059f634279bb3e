"""Compression of polling responses."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import pytest
from eio_core import Encoded, Response, compressed
from eio_core.compression import negotiate

from .helpers import Driver


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        (None, None),
        ("", None),
        ("identity", None),
        ("br", None),
        ("br, zstd", None),
        ("gzip", "gzip"),
        ("GZip", "gzip"),
        ("deflate", "deflate"),
        ("*", "gzip"),
        # order, where the quality is the same
        ("gzip, deflate", "gzip"),
        ("deflate, gzip", "deflate"),
        ("br, deflate, gzip", "deflate"),
        ("gzip, deflate, br, zstd", "gzip"),
        # quality
        ("gzip;q=0.5, deflate", "deflate"),
        ("gzip;q=0.5, deflate;q=0.8", "deflate"),
        ("gzip ; q=0.5 , deflate ; q=0.4", "gzip"),
        ("gzip;Q=0.5,deflate;q=1.000", "deflate"),
        ("gzip;q=0.001", "gzip"),
        ("br;q=1, gzip;q=0.2", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0, deflate;q=0", None),
        ("gzip;q=0, deflate", "deflate"),
        ("gzip;q=0.0", None),
        # the wildcard stands for what is not named
        ("*;q=0", None),
        ("identity, *;q=0", None),
        ("gzip, *;q=0", "gzip"),
        ("gzip;q=0, *", "deflate"),
        ("gzip;q=0.5, *", "deflate"),
        ("deflate;q=0, *", "gzip"),
        ("deflate;q=0.5, *", "gzip"),
        ("gzip;q=0, deflate;q=0, *", None),
        ("*, gzip;q=0", "deflate"),
        ("br, *;q=0.1", "gzip"),
        # garbage is no wish
        (",,,", None),
        ("gzip;", "gzip"),
        ("gzip;x=1", "gzip"),
        ("gzip;q=", None),
        ("gzip;q=x", None),
        ("gzip;q=2", None),
        ("gzip;q=-1", None),
        ("gzip;q=nan", None),
        ("gzip;q=inf", None),
        ("gzip=1", None),
        ("g zip", None),
        ("gzip, gzip;q=0", "gzip"),
        ("\0é\ud800", None),
        ("gzip;q=" + "9" * 10_000, None),
        ("x," * 30_000 + "gzip", "gzip"),
    ],
    ids=lambda text: ascii(text)[:40],
)
def test_accept_encoding(accept: str | None, encoding: str | None) -> None:
    """HD-11: gzip or deflate as the header allows it; ``*`` is gzip; quality, then the order of the header."""
    assert negotiate(accept) == encoding


def response(accept: str | None, *messages: Any, **settings: Any) -> Response:
    """The response of a GET that brings these messages."""
    driver = Driver(**settings)
    session = driver.polling()
    for message in messages:
        driver.engine.send(session, message)
    return driver.engine.take_response(driver.get(headers={} if accept is None else {"accept-encoding": accept}))


@pytest.mark.parametrize(
    ("messages", "settings", "eligible"),
    [
        (["x" * 1023], {}, True),  # a body of 1024 bytes
        (["x" * 1022], {}, False),
        (["é" * 511 + "x"], {}, True),  # bytes, not characters
        (["é" * 511], {}, False),
        ([b"x" * 768], {}, True),  # b + 1024 of base64
        ([b"x" * 765], {}, False),  # b + 1020
        ([Encoded(b"x" * 768)], {}, True),
        ([Encoded("x" * 1023)], {}, True),
        (["x" * 511, "x" * 510], {}, True),
        (["x" * 9], {"compression_threshold": 10}, True),
        (["x" * 9], {"compression_threshold": 11}, False),
        (["x" * 5000], {"http_compression": False}, False),
    ],
)
def test_what_is_compressed(messages: list[Any], settings: dict[str, Any], eligible: bool) -> None:
    """HD-11, HD-12: bodies of the threshold or more; then the response depends on Accept-Encoding, and says so."""
    for accept, encoding in (("gzip", "gzip"), ("deflate", "deflate"), ("br", None), (None, None)):
        found = response(accept, *messages, **settings)
        assert found.compression == (encoding if eligible else None)
        assert (("Vary", "Accept-Encoding") in found.headers) == eligible


def test_only_messages_are_worth_it() -> None:
    """HD-12: a body without a message is never compressed, nor is the ``ok`` of a POST, nor a parting packet."""
    driver = Driver(compression_threshold=0)
    session = driver.polling()
    accept = {"accept-encoding": "gzip"}
    poll = driver.get(headers=accept)
    driver.at(25.0)
    ping = driver.engine.take_response(poll)
    driver.engine.written(poll)
    assert (ping.body, ping.compression) == (b"2", None)
    post = driver.post(headers=accept)
    driver.engine.receive_body(post, b"4x", 25.0)
    assert driver.engine.take_response(post).compression is None
    poll = driver.get(headers=accept)
    driver.engine.close(session, 25.0)
    assert driver.engine.take_response(poll).compression is None


def test_the_open_packet_is_no_message() -> None:
    """HD-12: a handshake is compressed when it carries a message, and only then."""
    for messages, encoding in (([], None), (["x"], "gzip")):
        driver = Driver(compression_threshold=0)
        handshake = driver.request("EIO=4&transport=polling", "GET", {"accept-encoding": "gzip"})
        session = driver.engine.open(handshake, "s")  # type: ignore[arg-type]
        for message in messages:
            driver.engine.send(session, message)  # type: ignore[arg-type]
        poll = driver.engine.accept(session, 0.0)  # type: ignore[arg-type]
        assert driver.engine.take_response(poll).compression == encoding  # type: ignore[arg-type]


@pytest.mark.parametrize(("encoding", "decompress"), [("gzip", gzip.decompress), ("deflate", zlib.decompress)])
def test_compressed(encoding: str, decompress: Any) -> None:
    """HD-11, HD-14: deflate is the zlib format; the original is not touched."""
    original = response(encoding, "é" * 5000)
    result = compressed(original)
    assert decompress(result.body) == original.body
    assert len(result.body) < len(original.body)
    assert result.headers == [*original.headers, ("Content-Encoding", encoding)]
    assert (result.status, result.compression, original.compression) == (200, None, encoding)
    assert compressed(result) is result


def test_the_same_bytes_every_time() -> None:
    """HD-11: no time stamp in the gzip header."""
    original = response("gzip", "x" * 5000)
    assert compressed(original) == compressed(original)
