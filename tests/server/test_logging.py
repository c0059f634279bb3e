"""What is logged, how loud, and what never is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from eio_server.log import Notices

from .logs import Logs, new_logger
from .world import HANDSHAKE, World

MakeWorld = Callable[..., World]
POLLING = HANDSHAKE + "polling"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> logging.Logger:
    """The logger of the package as it is when a program begins; pytest's own handlers are out of its sight."""
    logger = logging.getLogger("eio_server")
    logger.setLevel(logging.NOTSET)
    logger.handlers.clear()
    monkeypatch.setattr(logger, "parent", None)
    return logger


@pytest.fixture
def heard(make_world: MakeWorld) -> tuple[World, Logs]:
    """A server with a logger of the test's own, and what comes there."""
    logger = new_logger(logging.INFO)
    logs = Logs()
    logger.addHandler(logs)
    return make_world(logger=logger), logs


# ------------------------------------------------------------------------------------------------- the argument logger


def test_false(make_world: MakeWorld, bare: logging.Logger) -> None:
    """AP-20: errors only; nothing is installed."""
    assert make_world(logger=False).eio.logger is bare
    assert (bare.level, bare.handlers) == (logging.ERROR, [])


def test_false_where_the_application_has_set_a_level(make_world: MakeWorld, bare: logging.Logger) -> None:
    """AP-20: that stays."""
    bare.setLevel(logging.DEBUG)
    make_world(logger=False)
    assert bare.level == logging.DEBUG


def test_true(make_world: MakeWorld, bare: logging.Logger) -> None:
    """AP-20: INFO, to a handler of its own if there is none; one, however many servers there are."""
    for _ in range(3):
        assert make_world(logger=True).eio.logger is bare
    assert bare.level == logging.INFO
    (handler,) = bare.handlers
    assert type(handler) is logging.StreamHandler


def test_true_where_logging_is_configured(make_world: MakeWorld, bare: logging.Logger) -> None:
    """AP-20."""
    bare.parent = new_logger(logging.WARNING)
    bare.parent.addHandler(logging.NullHandler())
    make_world(logger=True)
    assert (bare.level, bare.handlers) == (logging.INFO, [])


@pytest.mark.parametrize("wish", ["debug", 10, None])
def test_a_logger_that_is_none(make_world: MakeWorld, wish: object) -> None:
    with pytest.raises(TypeError, match=f"^logger is True, False, or a logger to use, not {wish!r}$"):
        make_world(logger=wish)


def test_a_logger(make_world: MakeWorld, bare: logging.Logger) -> None:
    """AP-20: used as it is."""
    logger = new_logger(logging.WARNING)
    assert make_world(logger=logger).eio.logger is logger
    assert (logger.level, logger.handlers) == (logging.WARNING, [])
    assert (bare.level, bare.handlers) == (logging.NOTSET, [])


def test_an_adapter_of_a_logger(make_world: MakeWorld) -> None:
    """AP-20: "pass a logger object to use"; what is no bool is one."""
    logger = new_logger(logging.INFO)
    logs = Logs()
    logger.addHandler(logs)
    adapter: Any = logging.LoggerAdapter(logger, {"node": 1})
    world = make_world(logger=adapter)
    assert world.eio.logger is adapter
    world.request("GET", "")
    assert logs.records[0].__dict__["node"] == 1


# ------------------------------------------------------------------------------------------------------------ notices


def test_each_kind_of_client_error_is_loud_once(heard: tuple[World, Logs]) -> None:
    """ER-11: ERROR, then INFO."""
    world, logs = heard
    for _ in range(3):
        world.request("GET", POLLING + "&sid=nobody")
        world.request("GET", "EIO=4&transport=nothing")
    assert [record.levelname for record in logs.records] == ["ERROR", "ERROR", "INFO", "INFO", "INFO", "INFO"]
    assert ["further errors of this kind" in line for line in logs.lines] == [True, True, False, False, False, False]
    assert "Session ID unknown" in logs.lines[0]
    assert "Transport unknown" in logs.lines[1]


def test_kinds_are_told_apart_by_their_cause(heard: tuple[World, Logs]) -> None:
    """ER-11: code 3 is many things."""
    world, logs = heard
    client = world.polling()
    client.post("x")
    world.request("GET", POLLING + "&j=1")
    world.request("GET", HANDSHAKE + "websocket")
    assert [record.levelname for record in logs.records] == ["ERROR"] * 3
    for name in ("PARSE_ERROR", "JSONP_NOT_SUPPORTED", "TRANSPORT_HANDSHAKE_ERROR"):
        logs.take(name)


def test_refusals_while_the_server_shuts_down(heard: tuple[World, Logs]) -> None:
    """ER-11, SD-2: they are no client's error, and the first of a kind is still to come."""
    world, logs = heard
    client = world.polling()
    world.call(world.eio.shutdown())
    assert client.get().code == 1
    assert world.request("GET", POLLING).status == 503
    assert [record.levelname for record in logs.records] == ["INFO", "INFO"]
    world.eio.runner.startup()
    assert client.get().code == 1
    assert [record.levelname for record in logs.records[2:]] == ["ERROR"]


def test_rejections_by_the_application(heard: tuple[World, Logs]) -> None:
    """ER-11, ER-10."""
    world, logs = heard
    world.eio.on("connect", lambda sid, environ: False)
    world.request("GET", POLLING)
    world.request("GET", POLLING)
    assert [record.levelname for record in logs.records] == ["ERROR", "INFO"]


def test_a_refused_origin(heard: tuple[World, Logs]) -> None:
    """HD-3: the origin, what was allowed, and which forwarded headers were seen."""
    world, logs = heard
    world.request("GET", POLLING, origin="https://evil.example", host="inside:8000", x_forwarded_proto="https")
    line = logs.take("refused origin").getMessage()
    for part in (
        "'https://evil.example'",
        "'http://inside:8000'",
        "'https://inside:8000'",
        "'x-forwarded-proto': 'https'",
    ):
        assert part in line


@pytest.mark.parametrize("evil", ["a\r\nERROR forged", "a\nb", "a\x1b[31mred", "a\u2028b", "a\x00b"])
def test_nobody_forges_a_line(heard: tuple[World, Logs], evil: str) -> None:
    """ER-11: never an unescaped control character of the client's, wherever it stands."""
    from urllib.parse import quote

    world, logs = heard
    quoted = quote(evil)
    client = world.polling()
    for query in (f"EIO=4&transport={quoted}", f"{POLLING}&sid={quoted}", f"EIO={quoted}&transport=polling"):
        world.request("GET", query)
    world.request("GET", POLLING, origin=evil, host=evil, x_forwarded_host=evil, x_forwarded_proto=evil)
    world.request(evil, POLLING)
    world.request(evil, client.query)
    world.request("POST", client.query, evil.encode())
    assert len(logs.records) == 7
    for line in logs.lines:
        assert line.isprintable(), line


def test_payloads_are_never_logged(heard: tuple[World, Logs]) -> None:
    """AP-20, ER-11."""
    world, logs = heard
    for packet in ("secret", "4secret\x1esecret", "bsecret!", "2secret"):
        world.polling().post(packet)
    websocket = world.websocket()
    websocket.feed("secret")
    client = world.websocket()
    client.feed("4secret")
    world.send(client.sid, "secret")
    assert logs.lines
    assert not [line for line in logs.lines if "secret" in line]


def test_wildcard_with_credentials(heard: tuple[World, Logs]) -> None:
    """HD-4: one INFO line says what that means."""
    world, logs = heard
    for origins in ("*", ["*"]):
        world.eio.cors_allowed_origins = origins
        assert logs.take("any site may act").levelname == "INFO"
    world.eio.cors_credentials = False
    world.eio.cors_allowed_origins = "*"
    world.eio.cors_allowed_origins = "http://a.example"
    assert logs.records == []


def test_notices_count_for_each_server() -> None:
    logger = new_logger(logging.INFO)
    logs = Logs()
    logger.addHandler(logs)
    for _ in range(2):
        notices = Notices(logger)
        notices.tell("KIND", "a %r", "b")
        notices.tell("KIND", "a %r", "c")
    assert [record.levelname for record in logs.records] == ["ERROR", "INFO", "ERROR", "INFO"]


def test_clients_that_do_right_are_not_mentioned(heard: tuple[World, Logs]) -> None:
    """AP-20: not even at INFO."""
    world, logs = heard
    client = world.polling()
    client.post("4hello")
    websocket = client.upgrade()
    world.send(client.sid, "hello")
    world.runtime.advance(25)
    websocket.feed("3")
    websocket.leave()
    assert logs.records == []
