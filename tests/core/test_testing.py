"""The tools for tests are tested too: others build on them. And these tests show how they are used."""

from __future__ import annotations

import random
import subprocess
import sys
from contextlib import suppress

import pytest
from eio_core import Engine, LocalProtocolError, Request, Session, Settings
from eio_core.testing import (
    Application,
    Client,
    Clock,
    Dial,
    Ended,
    Exchange,
    Fetch,
    HangUp,
    Network,
    Opened,
    Received,
    Server,
    Switched,
    Transmit,
    Wire,
    replay,
)

HANDSHAKE = b'0{"sid":"a","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100}'


class Echo(Application):
    """Sends back what it gets."""

    def __init__(self) -> None:
        self.network: Network | None = None
        self.reasons: dict[str, str] = {}

    def message(self, session: Session, data: str | bytes) -> None:
        assert self.network is not None
        self.network.server.send(session, data)

    def disconnect(self, session: Session, reason: str) -> None:
        self.reasons[session.sid] = reason


def echoing(settings: Settings | None = None, *, seed: int = 0, record: bool = False) -> tuple[Network, Echo]:
    echo = Echo()
    echo.network = network = Network(settings, echo, seed=seed, record=record)
    return network, echo


# ------------------------------------------------------------------------------------------------------------ the clock


class TestClock:
    def test_jumps_to_what_comes_next(self) -> None:
        clock, seen = Clock(), list[tuple[str, float]]()
        for when, name in [(3.0, "c"), (1.0, "a"), (2.0, "b"), (1.0, "a too")]:
            clock.at(when, lambda name=name: seen.append((name, clock.now)))
        assert clock.jump()
        assert seen == [("a", 1.0)]
        clock.advance(2.0)
        assert seen == [("a", 1.0), ("a too", 1.0), ("b", 2.0), ("c", 3.0)]
        assert not clock.jump()
        assert clock.now == 3.0

    def test_what_is_arranged_for_the_past_happens_now_and_last(self) -> None:
        clock, seen = Clock(), list[str]()
        clock.advance(5.0)
        clock.soon(seen.append, "now")
        clock.at(1.0, seen.append, "past")
        clock.run(5.0)
        assert seen == ["now", "past"]
        assert clock.now == 5.0

    def test_a_timer_moves(self) -> None:
        clock, rings = Clock(), list[float]()
        timer = clock.timer(lambda: rings.append(clock.now))
        timer.set(10.0)
        timer.set(20.0)
        timer.set(5.0)
        clock.advance(7.0)
        assert rings == [5.0]
        timer.set(20.0)
        clock.advance(20.0)
        assert rings == [5.0, 20.0]
        timer.set(30.0)
        timer.set(None)
        clock.advance(60.0)
        assert rings == [5.0, 20.0]

    def test_what_was_due_in_a_stall_comes_late(self) -> None:
        clock, seen = Clock(), list[float]()
        clock.at(1.0, lambda: seen.append(clock.now))
        clock.stall(60.0)
        assert seen == []
        clock.run(clock.now)
        assert seen == [60.0]


# ----------------------------------------------------------------------------------------------------------- the client


def effects(client: Client) -> list[object]:
    """Take them all."""
    taken, client.effects = client.effects, []
    return [*taken]


def connected(*, upgrade: bool = True) -> tuple[Client, Fetch, Dial | None]:
    """A client with a session, its GET and its probe."""
    client = Client(upgrade=upgrade)
    client.connect()
    (get,) = effects(client)
    assert isinstance(get, Fetch)
    client.receive_response(get, 200, HANDSHAKE, 0.0)
    opened, *probe, get = effects(client)
    assert opened == Opened("a")
    assert isinstance(get, Fetch)
    return client, get, probe[0] if probe else None  # type: ignore[return-value]


class TestClient:
    def test_opens_with_a_get_and_polls_on(self) -> None:
        client, get, _ = connected(upgrade=False)
        assert (get.method, get.query) == ("GET", "EIO=4&transport=polling&sid=a")
        client.receive_response(get, 200, b"4one\x1ebAgM=\x1e6", 0.0)
        one, two, again = effects(client)
        assert (one, two) == (Received("one"), Received(b"\x02\x03"))
        assert isinstance(again, Fetch)

    def test_answers_pings_and_gives_up_without_them(self) -> None:
        client, get, _ = connected(upgrade=False)
        assert client.next_deadline() == 45.0
        client.receive_response(get, 200, b"2", 20.0)
        assert client.next_deadline() == 65.0
        pong, again = effects(client)
        assert isinstance(pong, Fetch)
        assert isinstance(again, Fetch)
        assert (pong.method, pong.body) == ("POST", b"3")
        client.expire(64.9)
        assert effects(client) == []
        client.expire(65.0)
        assert effects(client)[-1] == Ended("ping timeout")
        assert client.next_deadline() is None

    def test_has_one_post_at_a_time_and_fills_it_to_the_limit(self) -> None:
        client, _, _ = connected(upgrade=False)
        for text in ("first", "x" * 50, "y" * 40, "z" * 200, "last"):
            client.send(text)
        bodies = []
        while posts := effects(client):
            (post,) = posts
            assert isinstance(post, Fetch)
            bodies.append(post.body)
            client.receive_response(post, 200, b"ok", 0.0)
        assert bodies == [
            b"4first",
            b"4" + b"x" * 50 + b"\x1e4" + b"y" * 40,
            b"4" + b"z" * 200,  # too large by itself: sent all the same, and refused (row CD-4)
            b"4last",
        ]

    def test_upgrades_when_its_get_and_its_post_have_ended(self) -> None:
        client, get, probe = connected()
        assert probe is not None
        assert probe.query == "EIO=4&transport=websocket&sid=a"
        client.dialled(probe)
        assert effects(client) == [Transmit(probe, "2probe")]
        client.send("on its way")
        (post,) = effects(client)
        assert isinstance(post, Fetch)
        client.receive_frame(probe, "3probe", 0.0)
        client.send("waits")
        client.receive_response(get, 200, b"4late\x1e6", 0.0)
        assert effects(client) == [Received("late")]
        client.receive_response(post, 200, b"ok", 0.0)
        assert effects(client) == [Transmit(probe, "5"), Switched(), Transmit(probe, "4waits")]
        assert client.transport == "websocket"

    @pytest.mark.parametrize("after_answer", [False, True])
    def test_goes_on_polling_when_the_probe_fails(self, after_answer: bool) -> None:
        client, get, probe = connected()
        assert probe is not None
        client.dialled(probe)
        client.send("one")
        _, post = effects(client)
        assert isinstance(post, Fetch)
        if after_answer:
            client.receive_frame(probe, "3probe", 0.0)
            client.receive_response(get, 200, b"6", 0.0)
        client.hung_up(probe)
        client.send("two")
        client.receive_response(post, 200, b"ok", 0.0)
        sent = [(effect.method, effect.body) for effect in effects(client) if isinstance(effect, Fetch)]
        assert sent == ([("GET", None)] if after_answer else []) + [("POST", b"4two")]

    def test_closes_when_everything_is_sent(self) -> None:
        client, _, _ = connected(upgrade=False)
        client.send("last words")
        client.close()
        client.send("too late")
        (post,) = effects(client)
        assert isinstance(post, Fetch)
        client.receive_response(post, 200, b"ok", 0.0)
        goodbye, ended = effects(client)
        assert isinstance(goodbye, Fetch)
        assert (goodbye.method, goodbye.body) == ("POST", b"1")
        assert ended == Ended("forced close")

    def test_closes_its_websocket_and_sends_no_packet(self) -> None:
        client = Client(transports=["websocket"])
        client.connect()
        (dial,) = effects(client)
        assert isinstance(dial, Dial)
        client.dialled(dial)
        client.receive_frame(dial, HANDSHAKE.decode(), 0.0)
        client.send(b"\x01")
        client.close()
        assert effects(client) == [Opened("a"), Transmit(dial, b"\x01"), HangUp(dial, 1005), Ended("forced close")]

    def test_sends_and_takes_base64_if_it_is_told_to(self) -> None:
        client = Client(transports=["websocket"], base64=True)
        client.connect()
        (dial,) = effects(client)
        assert isinstance(dial, Dial)
        assert dial.query == "EIO=4&transport=websocket&b64=1"
        client.receive_frame(dial, HANDSHAKE.decode(), 0.0)
        client.send(b"\x01")
        client.receive_frame(dial, "bAg==", 0.0)
        assert effects(client)[1:] == [Transmit(dial, "bAQ=="), Received(b"\x02")]

    @pytest.mark.parametrize(
        ("status", "body", "reason", "says_goodbye"),
        [
            (200, b"1", "transport close", False),
            (200, b"4good\x1e1\x1e4never", "transport close", False),
            (400, b'{"code":1}', "transport error", True),
            (200, b"", "transport error", True),
            (204, b"", "transport error", True),
        ],
    )
    def test_ends_with_a_response(self, status: int, body: bytes, reason: str, says_goodbye: bool) -> None:
        client, get, _ = connected(upgrade=False)
        client.receive_response(get, status, body, 0.0)
        *before, ended = effects(client)
        assert ended == Ended(reason)
        assert [effect.body for effect in before if isinstance(effect, Fetch)] == ([b"1"] if says_goodbye else [])

    def test_knows_only_integers(self) -> None:
        client = Client()
        client.connect()
        (get,) = effects(client)
        assert isinstance(get, Fetch)
        with pytest.raises(TypeError, match="HS-2"):
            client.receive_response(get, 200, HANDSHAKE.replace(b"25000", b"25000.0"), 0.0)

    def test_connects_once(self) -> None:
        client, _, _ = connected()
        with pytest.raises(RuntimeError, match="once"):
            client.connect()


# ---------------------------------------------------------------------------------------------------------- the network


class TestNetwork:
    def test_carries_messages_both_ways(self) -> None:
        network, _ = echoing()
        alice = network.client("alice")
        alice.connect()
        alice.send("at once")
        assert network.run_until(lambda: alice.transport == "websocket")
        alice.send(b"\x01\x02")
        network.run(1.0)
        assert alice.received == ["at once", b"\x01\x02"]

    def test_keeps_many_clients_apart(self) -> None:
        network, _ = echoing()
        peers = [network.client(f"client {number}") for number in range(20)]
        for peer in peers:
            peer.connect()
            for number in range(30):
                peer.send(f"{peer.name}: {number}")
        network.run(60.0)
        for peer in peers:
            assert peer.received == [f"{peer.name}: {number}" for number in range(30)]
            assert peer.open

    def test_tells_both_sides_of_a_goodbye(self) -> None:
        network, echo = echoing()
        alice, bob = network.client("alice"), network.client("bob", Client(upgrade=False))
        alice.connect()
        bob.connect()
        network.run(1.0)
        alice.close()
        network.server.close("bob")
        network.run(1.0)
        assert (alice.reason, echo.reasons["alice"]) == ("forced close", "transport close")
        assert (bob.reason, echo.reasons["bob"]) == ("transport close", "server disconnect")
        assert network.server.connections == 0

    def test_cuts_a_connection_on_both_sides(self) -> None:
        network, echo = echoing()
        alice = network.client("alice", Client(upgrade=False))
        alice.connect()
        network.run(1.0)
        (get,) = alice.wires
        get.cut()
        network.run(1.0)
        assert (alice.reason, echo.reasons["alice"]) == ("transport error", "transport error")

    def test_lets_a_client_vanish(self) -> None:
        network, echo = echoing()
        alice = network.client("alice")
        alice.connect()
        network.run(1.0)
        alice.vanish()
        network.run(1.0)
        assert (alice.reason, echo.reasons["alice"]) == ("vanished", "transport close")

    def test_loses_everything_of_a_client_out_of_reach_and_tells_nobody(self) -> None:
        network, echo = echoing()
        alice = network.client("alice")
        alice.connect()
        network.run(1.0)
        alice.reachable = False
        network.run(40.0)
        assert (alice.reason, echo.reasons) == (None, {})
        network.run(20.0)
        assert (alice.reason, echo.reasons["alice"]) == ("ping timeout", "ping timeout")
        assert network.server.connections == 0

    def test_lets_writes_pile_up_before_a_client_that_does_not_read(self) -> None:
        network, _ = echoing()
        alice = network.client("alice")
        alice.connect()
        network.run(1.0)
        alice.stop_reading()
        for number in range(10):
            network.server.send("alice", f"{number}")
            network.run(0.1)
        assert alice.received == []
        assert network.server.session("alice").buffered > 0
        alice.resume_reading()
        network.run(1.0)
        assert alice.received == [f"{number}" for number in range(10)]
        assert network.server.session("alice").buffered == 0

    @pytest.mark.parametrize("seed", range(4))
    def test_a_stalled_server_finds_what_has_arrived(self, seed: int) -> None:
        network, echo = echoing(seed=seed)
        alice = network.client("alice")
        alice.connect()
        network.run(24.0)
        network.stall(15.0)
        alice.send("hello")
        network.run(14.9)
        assert alice.received == []
        network.run(60.0)
        assert alice.received == ["hello"]
        assert alice.open
        assert echo.reasons == {}

    def test_reorders_between_connections_never_within_one(self) -> None:
        orders = set()
        for seed in range(20):
            network, _ = echoing(seed=seed, record=True)
            peers = [network.client(name, Client(transports=["websocket"])) for name in "ab"]
            for peer in peers:
                peer.connect()
            network.run(1.0)
            for number in range(3):
                for peer in peers:
                    peer.send(f"{number}")
            network.run(1.0)
            assert network.recorder is not None
            assert network.recorder.messages("a") == network.recorder.messages("b") == ["0", "1", "2"]
            orders.add(tuple(sid for event, sid, _ in network.recorder.events if event == "message"))
        assert len(orders) > 5

    def test_a_hazard_delays_or_cuts(self) -> None:
        network, echo = echoing()
        alice, bob = network.client("alice"), network.client("bob")

        def hazard(wire: Wire) -> float | None:
            return 5.0 if wire.peer is alice else None

        network.hazard = hazard
        alice.connect()
        bob.connect()
        network.run(9.0)
        assert (alice.open, bob.reason) == (False, "transport error")
        network.run(2.0)
        assert alice.open
        assert echo.reasons == {}


class Stubborn(Echo):
    """Closes a session at the word, and is asked about handshakes."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Session] = []
        self.heard: list[str | bytes] = []

    def connect(self, session: Session) -> bool | bytes | None:
        if session.sid == "mallory":
            return b'"go away"'
        if session.sid == "eve":
            return False
        self.asked.append(session)
        return None

    def message(self, session: Session, data: str | bytes) -> None:
        self.heard.append(data)
        if data == "enough":
            assert self.network is not None
            self.network.server.close(session)


class TestServer:
    def test_decides_handshakes_at_once_or_later(self) -> None:
        application = Stubborn()
        network = application.network = Network(application=application)
        peers = {name: network.client(name) for name in ("alice", "bob", "eve", "mallory", "dave")}
        for peer in peers.values():
            peer.connect()
        network.run(1.0)
        peers["dave"].vanish()
        network.run(1.0)
        for session in application.asked:
            if session.sid == "bob":
                network.server.reject(session)
            else:
                network.server.accept(session)
        network.run(1.0)
        assert [name for name, peer in peers.items() if peer.open] == ["alice"]
        assert application.reasons == {"dave": "transport error"}

    def test_delivers_nothing_after_a_handler_has_closed(self) -> None:
        application = Stubborn()
        network = application.network = Network(application=application)
        alice = network.client("alice", Client(upgrade=False))
        alice.connect()
        network.run(1.0)
        network.server.accept(application.asked[0])
        network.run(1.0)
        alice.client._buffer += ["4one", "4enough", "4never"]
        alice.send("never")
        network.run(1.0)
        assert application.heard == ["one", "enough"]
        assert application.reasons == {"alice": "server disconnect"}

    def test_knows_sessions_by_their_id(self) -> None:
        network, _ = echoing()
        with pytest.raises(KeyError):
            network.server.send("nobody", "hello")

    def test_shuts_down(self) -> None:
        network, echo = echoing()
        alice, bob = network.client("alice"), network.client("bob", Client(upgrade=False))
        alice.connect()
        bob.connect()
        network.run(1.0)
        network.server.shutdown(5.0)
        network.run(1.0)
        network.server.cut()
        assert set(echo.reasons.values()) == {"server disconnect"}
        late = network.client("carol")
        late.connect()
        network.run(1.0)
        assert late.reason == "transport error"


# --------------------------------------------------------------------------------------------------------- the record


def test_a_record_replays_as_a_transcript() -> None:
    for seed in range(10):
        network, _ = echoing(Settings(ping_interval=2.0, origins=frozenset({"http://here"})), seed=seed, record=True)
        chance = random.Random(seed)
        for name in "abc":
            peer = network.client(name, headers={"origin": "http://here"})
            network.clock.at(chance.uniform(0, 3), peer.connect)
            for number in range(10):
                network.clock.at(chance.uniform(0, 10), peer.send, f"{number}" if number % 2 else b"%d" % number)
            network.clock.at(chance.uniform(5, 12), chance.choice([peer.close, peer.vanish]))
        network.run(60.0)
        record = str(network.recorder)
        played = replay(record)
        assert replay(played) == played
        assert sorted(played.splitlines()) == sorted(record.splitlines())


# ------------------------------------------------------------------------------------------------------------- the rest


def test_is_not_loaded_by_the_core() -> None:
    code = "import eio_core, sys; sys.exit(any(name.startswith('eio_core.testing') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_second_decision_on_a_handshake_is_told_so() -> None:
    """AP-4: by the error that the driver has for it."""
    server = Server(Engine(), Clock())
    exchange = Exchange("a", Request("GET", "EIO=4&transport=polling"))
    with suppress(NotImplementedError):  # nobody carries the response
        server.receive_request(exchange)
    for decide in (server.accept, server.reject):
        with pytest.raises(LocalProtocolError):
            decide(server.session("a"))
