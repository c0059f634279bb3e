"""The table of legal packets, cell by cell, against what the engine really does."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from eio_core import LEGAL, Action, Channel, Closed, Life, Link, PacketType, Reason, Route, Session, Upgraded, Write

from .helpers import Driver

CELLS = [(channel, packet_type) for channel in Channel for packet_type in PacketType]


class Scene(NamedTuple):
    """A session with a pong awaited, and what the packet arrives on: a WebSocket, or None for a POST."""

    driver: Driver
    session: Session
    link: Link | None


def scene(channel: Channel) -> Scene:
    """Bring a session to where this channel is."""
    driver = Driver()
    link: Link | None = None
    if channel is Channel.CARRYING or channel is Channel.DRAINING:
        session, link = driver.websocket()
    else:
        session = driver.polling()
    driver.at(25.0)
    assert session.awaiting_pong
    if channel is Channel.UNPROBED or channel is Channel.ENDED:
        link = driver.dial()
    elif channel is Channel.PROBED:
        link = driver.probed()
    if channel is Channel.ENDED:
        assert link is not None
        driver.engine.receive_frame(link, "6")
    elif channel is Channel.DRAINING:
        driver.engine.close(session, driver.now)
    assert link is None or link.channel is channel
    driver.effects()
    return Scene(driver, session, link)


def receive(scene: Scene, text: str) -> set[Action]:
    """Let a packet arrive; name the actions of which something can be seen."""
    driver, session, link = scene
    closing = None if link is None else link.closing
    if link is None:
        messages, response = driver.posted(text.encode())
        assert response.status == (200 if session.life is Life.OPEN or text == "1" else 400)
    else:
        message = driver.engine.receive_frame(link, text)
        messages = [] if message is None else [message]
    effects = driver.effects()
    seen = set()
    if messages:
        assert messages == ["probe"]
        seen.add(Action.DELIVER)
    if not session.awaiting_pong:
        seen.add(Action.PONG)
    if any(isinstance(effect, Upgraded) for effect in effects):
        assert session.route is Route.WEBSOCKET
        seen.add(Action.UPGRADE)
    elif link is not None and link.channel is Channel.PROBED and driver.frames(link) == ["3probe"]:
        seen.add(Action.ANSWER)
    if session.life is Life.CLOSED:
        assert Closed(session, str(session.reason)) in effects
        if link is not None:
            assert Write(link) in effects
        failed = response.status == 400 if link is None else link.closing == 1002
        seen.add(Action.FAIL if failed else Action.LEAVE)
    elif link is not None and link.closing != closing:
        seen.add(Action.DROP)
    return seen


def test_the_table_is_total() -> None:
    """Every channel has an action for every type of packet."""
    assert set(LEGAL) == set(Channel)
    assert all(set(row) == set(PacketType) for row in LEGAL.values())
    assert {action for row in LEGAL.values() for action in row.values()} == set(Action)


@pytest.mark.parametrize(("channel", "packet_type"), CELLS)
def test_every_cell(channel: Channel, packet_type: PacketType) -> None:
    """UP-4 to UP-8, PP-10 to PP-12, WS-4 to WS-6, CL-14: the packet does what its cell says, and nothing else."""
    action = LEGAL[channel][packet_type]
    here = scene(channel)
    seen = receive(here, f"{int(packet_type)}probe" if action is not Action.LEAVE else "1")
    assert seen == (set() if action is Action.IGNORE else {action})
    if action is Action.LEAVE:
        closing = channel is Channel.DRAINING
        assert here.session.reason == (Reason.SERVER_DISCONNECT if closing else Reason.CLIENT_DISCONNECT)
    elif action is Action.FAIL:
        assert here.session.reason == Reason.TRANSPORT_ERROR


@pytest.mark.parametrize(
    ("channel", "action"),
    [
        (Channel.POST, Action.FAIL),
        (Channel.UNPROBED, Action.DROP),
        (Channel.PROBED, Action.DROP),
        (Channel.CARRYING, Action.FAIL),
        (Channel.DRAINING, Action.FAIL),
        (Channel.ENDED, None),
    ],
)
@pytest.mark.parametrize("text", ["", "7", "abc", "b!", "\x1e"])
def test_undecodable(channel: Channel, action: Action | None, text: str) -> None:
    """PP-8, UP-8, WS-3: undecodable is DROP while probing, FAIL elsewhere."""
    assert receive(scene(channel), text) == ({action} if action else set())


@pytest.mark.parametrize("channel", [Channel.UNPROBED, Channel.PROBED])
@pytest.mark.parametrize("text", ["2", "2prob", "2probe ", "2Probe", "2probe\n"])
def test_a_ping_that_is_no_probe(channel: Channel, text: str) -> None:
    """UP-8: ANSWER is for the data "probe" alone."""
    assert receive(scene(channel), text) == {Action.DROP}


@pytest.mark.parametrize("channel", [Channel.UNPROBED, Channel.PROBED])
@pytest.mark.parametrize("frame", [b"", b"2probe", b"5"])
def test_binary_while_probing(channel: Channel, frame: bytes) -> None:
    """UP-8: a binary frame is a message, and a message is not legal there."""
    here = scene(channel)
    assert here.link is not None
    assert here.driver.engine.receive_frame(here.link, frame) is None
    assert here.link.channel is Channel.ENDED
    assert here.session.life is Life.OPEN


@pytest.mark.parametrize("channel", [Channel.DRAINING, Channel.ENDED])
@pytest.mark.parametrize("frame", ["4x", b"x", b""])
def test_nothing_is_delivered_after_the_close(channel: Channel, frame: str | bytes) -> None:
    """CL-14: no message, in whatever form."""
    here = scene(channel)
    assert here.link is not None
    assert here.driver.engine.receive_frame(here.link, frame) is None


def test_reasons() -> None:
    """AP-18, CL-1: the five of the API, to the letter."""
    assert {name: value for name, value in vars(Reason).items() if name.isupper()} == {
        "CLIENT_DISCONNECT": "client disconnect",
        "SERVER_DISCONNECT": "server disconnect",
        "PING_TIMEOUT": "ping timeout",
        "TRANSPORT_CLOSE": "transport close",
        "TRANSPORT_ERROR": "transport error",
    }
