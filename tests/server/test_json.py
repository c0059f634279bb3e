"""JSON in and out, with the standard library's module and with others."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from .world import World

MakeWorld = Callable[..., World]

VERBATIM = [
    "",
    " ",
    "x",
    "1",
    "12.5",
    "null",
    "true",
    '"a"',
    " {}",
    "\ufeff{}",
    "{",
    "[1",
    '{"a":}',
    "[" * 100_000,
    "{}x",
    "4{}",
]


@pytest.mark.parametrize("text", VERBATIM, ids=range(len(VERBATIM)))
@pytest.mark.parametrize("module", ["json", "orjson"])
def test_text_that_is_no_object_and_no_array(make_world: MakeWorld, module: str, text: str) -> None:
    """PL-3, PL-19: stays the str it was, RecursionError included."""
    world = make_world(json=pytest.importorskip(module))
    client = world.websocket()
    client.feed("4" + text)
    assert world.messages(client.sid) == [text]
    assert world.reasons(client.sid) == []


@pytest.mark.parametrize("module", ["json", "orjson"])
def test_objects_and_arrays(make_world: MakeWorld, module: str) -> None:
    """PL-3, AP-5: decoded, on either transport; bytes never are."""
    world = make_world(json=pytest.importorskip(module))
    client = world.polling()
    client.post('4{"a":[1,"ä",null]}', "4[]", "beyJhIjoxfQ==")
    client.upgrade().feed(b"[1]")
    assert world.messages(client.sid) == [{"a": [1, "ä", None]}, [], b'{"a":1}', b"[1]"]
    assert type(world.messages(client.sid)[3]) is bytes


def test_decode_json_off(make_world: MakeWorld) -> None:
    """PL-3."""
    world = make_world(decode_json=False)
    client = world.websocket()
    client.feed('4{"a":1}')
    assert world.messages(client.sid) == ['{"a":1}']
    world.send(client.sid, {"a": 1})
    assert client.frames == ['4{"a":1}']


def test_orjson_out(make_world: MakeWorld) -> None:
    """Its ``dumps`` returns bytes and does not know ``separators``."""
    orjson = pytest.importorskip("orjson")
    world = make_world(json=orjson)
    client = world.websocket()
    world.send(client.sid, {"a": [1, "ä"]})
    world.eio.broadcast([client.sid], [True])
    assert client.frames == ['4{"a":[1,"ä"]}', "4[true]"]
    world.eio.on("connect", lambda sid, environ: {"no": 1})
    assert world.request("GET", "EIO=4&transport=polling").body == '{"no":1}'


def test_a_dumps_without_separators(make_world: MakeWorld) -> None:
    """Tried once, when the server is made; msgspec is such a one."""
    calls: list[Any] = []

    def dumps(value: Any) -> bytes:
        calls.append(value)
        return json.dumps(value).encode()

    world = make_world(json=SimpleNamespace(dumps=dumps, loads=json.loads))
    assert calls == []
    client = world.websocket()
    world.send(client.sid, {"a": [1, 2]})
    assert client.frames == ['4{"a": [1, 2]}']
    assert calls == [{"a": [1, 2]}]


def test_a_dumps_with_separators(make_world: MakeWorld) -> None:
    """PL-17: compact."""
    calls: list[Any] = []

    def dumps(value: Any, **options: Any) -> str:
        calls.append(options)
        return json.dumps(value, **options)

    world = make_world(json=SimpleNamespace(dumps=dumps, loads=json.loads))
    client = world.websocket()
    world.send(client.sid, {"a": [1, 2]})
    assert client.frames == ['4{"a":[1,2]}']
    assert calls == [{"separators": (",", ":")}] * 2, "once when the server was made"


@pytest.mark.parametrize("error", [ValueError(), RuntimeError(), RecursionError(), KeyError()])
def test_a_loads_that_raises(make_world: MakeWorld, error: Exception) -> None:
    """PL-3: whatever it is, the text stays what it was, and nothing ends."""

    def loads(_: str) -> Any:
        raise error

    world = make_world(json=SimpleNamespace(dumps=json.dumps, loads=loads))
    client = world.polling()
    client.post("4{}", "4x")
    assert world.messages(client.sid) == ["{}", "x"]


def test_json_is_per_server(make_world: MakeWorld) -> None:
    """AP-21."""
    other = SimpleNamespace(dumps=lambda value: "other", loads=lambda text: "loaded")
    first, second = make_world(json=other), make_world()
    for world, sent, received in ((first, "4other", "loaded"), (second, '4{"a":1}', {"b": 2})):
        client = world.websocket()
        world.send(client.sid, {"a": 1})
        client.feed('4{"b":2}')
        assert client.frames == [sent]
        assert world.messages(client.sid) == [received]


@pytest.mark.parametrize("module", [SimpleNamespace(dumps=json.dumps), SimpleNamespace(loads=json.loads), object()])
def test_what_is_no_json_module(make_world: MakeWorld, module: object) -> None:
    """Found when the server is made."""
    with pytest.raises(AttributeError):
        make_world(json=module)
