"""Every input in every state has an outcome that stands here, and none of them raises.

Read a line of the table as: this input, in these states, does this. What an outcome names: the answer to the input
itself, then in order what is written elsewhere, and what the application is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from eio_core import (
    Abort,
    Closed,
    Drained,
    Handshake,
    Life,
    Link,
    Poll,
    Post,
    Refusal,
    Session,
    SessionClosed,
    Upgrade,
    Upgraded,
    Write,
)

from .helpers import POLLING, WEBSOCKET, Driver, expect


@dataclass
class Scene:
    """A session in some state, and its connections."""

    driver: Driver
    session: Session
    poll: Poll | None = None
    post: Post | None = None
    link: Link | None = None
    handshake: Handshake | None = None
    done: list[str] = field(default_factory=list)

    def outcome(self, answer: str | None) -> str:
        """What happened, in words."""
        words = [answer] if answer else []
        for effect in self.driver.effects():
            if isinstance(effect, Closed):
                words.append(effect.reason)
            elif isinstance(effect, Write):
                words.append(self.written(effect.connection))
            else:
                words.append({Upgraded: "upgraded", Drained: "drained", Abort: "abort"}[type(effect)])
        return ", ".join(word for word in words if word) or "nothing"

    def written(self, connection: Poll | Post | Link) -> str:
        """What a connection is written."""
        if isinstance(connection, Link):
            frames = self.driver.frames(connection)
            closing = "" if connection.closing is None else f"close {connection.closing}"
            return f"WS {' '.join([*map(str, frames), closing])}".strip()
        name = "GET" if isinstance(connection, Poll) else "POST"
        if connection.session is None and connection.response is None:
            return ""
        return f"{name} {answered(self.driver, connection)}"


def answered(driver: Driver, request: Poll | Post) -> str:
    """The response of a request that is ready: its payload, or its status."""
    response = driver.engine.take_response(request)
    if isinstance(request, Poll):
        driver.engine.written(request)
    return response.body.decode().replace("\x1e", " ") if response.status == 200 else str(response.status)


# -------------------------------------------------------------------------------------------------------------- states


def polling(*steps: Callable[[Scene], object]) -> Scene:
    driver = Driver(max_http_buffer_size=200)
    scene = Scene(driver, driver.polling())
    return after(scene, *steps)


def after(scene: Scene, *steps: Callable[[Scene], object]) -> Scene:
    for step in steps:
        step(scene)
    scene.driver.effects()
    return scene


def websocket(*steps: Callable[[Scene], object]) -> Scene:
    driver = Driver(max_http_buffer_size=200)
    session, link = driver.websocket()
    return after(Scene(driver, session, link=link), *steps)


def opening() -> Scene:
    driver = Driver()
    return Scene(driver, driver.opening())


def parks(scene: Scene) -> None:
    scene.poll = scene.driver.get()


def posts(scene: Scene) -> None:
    scene.post = scene.driver.post()


def dials(scene: Scene) -> None:
    scene.link = scene.driver.dial()


def probes(scene: Scene) -> None:
    scene.link = scene.driver.probed()


def queues(scene: Scene) -> None:
    scene.driver.engine.send(scene.session, "q")


def closes(scene: Scene) -> None:
    scene.driver.engine.close(scene.session, scene.driver.now)


def ends(scene: Scene) -> None:
    scene.driver.engine.cut()


STATES: dict[str, Callable[[], Scene]] = {
    "opening": opening,
    "idle": polling,
    "queued": lambda: polling(queues),
    "parked": lambda: polling(parks),
    "posting": lambda: polling(posts),
    "unprobed": lambda: polling(dials),
    "probed": lambda: polling(probes),
    "held": lambda: polling(probes, parks),
    "websocket": websocket,
    "closing": lambda: polling(closes),
    "full": lambda: polling(queues, closes),
    "escaping": lambda: polling(probes, queues, closes),
    "draining": lambda: websocket(queues, closes),
    "gone": lambda: polling(ends),
    "hungup": lambda: websocket(ends),
}


# -------------------------------------------------------------------------------------------------------------- inputs


def request(query: str, method: str = "GET", *, websocket: bool = False) -> Callable[[Scene], str]:
    def do(scene: Scene) -> str:
        answer = scene.driver.request(f"{query}&sid=s", method, websocket=websocket)
        if isinstance(answer, Refusal):
            return f"{answer.status} {answer.context.get('name', answer.message)}"
        if isinstance(answer, Upgrade):
            link = scene.driver.engine.open_link(answer, scene.driver.now)
            return "opens" if link.closing is None else f"101, WS close {link.closing}"
        if isinstance(answer, Post):
            return "is read"
        poll = expect(Poll, answer)
        return answered(scene.driver, poll) if poll.ready else "is held" if poll.held else "parks"

    return do


def body(data: bytes) -> Callable[[Scene], str | None]:
    def do(scene: Scene) -> str | None:
        post = scene.post
        if post is None:
            answer = scene.driver.request(f"{POLLING}&sid=s", "POST")
            if not isinstance(answer, Post):
                return "refused"
            post = answer
        if len(data) > post.limit:
            scene.driver.engine.receive_oversize(post)
        else:
            messages = scene.driver.engine.receive_body(post, data, scene.driver.now)
            if messages:
                return f"delivers {messages}, {answered(scene.driver, post)}"
        return answered(scene.driver, post)

    return do


def frame(data: str | bytes) -> Callable[[Scene], str | None]:
    def do(scene: Scene) -> str | None:
        link = scene.link
        if link is None:
            return "no WebSocket"
        message = scene.driver.engine.receive_frame(link, data)
        if message is not None:
            return f"delivers {message!r}"
        closed = scene.session.life is Life.CLOSED
        return None if closed else scene.written(link).removeprefix("WS").strip()

    return do


def lost(which: str, *, error: bool = False) -> Callable[[Scene], str | None]:
    def do(scene: Scene) -> str | None:
        connection = getattr(scene, which)
        if connection is None:
            return f"no {which}"
        scene.driver.engine.connection_lost(connection, error=error)
        return None

    return do


def sends(scene: Scene) -> str | None:
    try:
        connection = scene.driver.engine.send(scene.session, "m")
    except SessionClosed:
        return "SessionClosed"
    return "waits" if connection is None else scene.written(connection)


def at(now: float) -> Callable[[Scene], None]:
    def do(scene: Scene) -> None:
        scene.driver.now = now
        scene.driver.engine.expire(now)

    return do


INPUTS: dict[str, Callable[[Scene], str | None]] = {
    "GET": request(POLLING),
    "POST": request(POLLING, "POST"),
    "PUT": request(POLLING, "PUT"),
    "WebSocket": request(WEBSOCKET, websocket=True),
    "GET as websocket": request(WEBSOCKET),
    "body 4x": body(b"4x"),
    "body 1": body(b"4x\x1e1\x1e4y"),
    "body 3": body(b"3"),
    "body 2": body(b"2"),
    "body abc": body(b"4x\x1eabc"),
    "body not UTF-8": body(b"4x\xff"),
    "body too large": body(b"4" * 202),
    "frame 4x": frame("4x"),
    "frame binary": frame(b"x"),
    "frame 0": frame("0"),
    "frame 1": frame("1"),
    "frame 2": frame("2"),
    "frame 2probe": frame("2probe"),
    "frame 3": frame("3"),
    "frame 5": frame("5"),
    "frame abc": frame("abc"),
    "frame too large": frame("4" * 201),
    "GET lost": lost("poll"),
    "POST lost": lost("post"),
    "WebSocket lost": lost("link"),
    "WebSocket broken": lost("link", error=True),
    "send": sends,
    "close": closes,
    "shutdown": lambda scene: scene.driver.engine.shutdown(scene.driver.now, 5.0),
    "cut": ends,
    "20 ms": at(0.02),
    "10 s": at(10.0),
    "25 s": at(25.0),
    "45 s": at(45.0),
}

# Outcome: the states in which it is so; * stands for all that are not named in another line.
TABLE: dict[str, dict[str, str]] = {
    "GET": {
        "400 Session ID unknown": "opening gone hungup",
        "parks": "idle posting unprobed",
        "4q": "queued",
        "400 OVERLAP, GET 1, transport error": "parked",
        "is held": "probed",
        "400 OVERLAP, GET 1, WS close 1000, transport error": "held",
        "400 TRANSPORT_MISMATCH": "websocket draining",
        "1, server disconnect": "closing",
        "4q 1, server disconnect": "full",
        "4q 1, WS close 1000, server disconnect": "escaping",
    },
    "POST": {
        "400 Session ID unknown": "opening gone hungup",
        "400 OVERLAP, POST 400, transport error": "posting",
        "400 TRANSPORT_MISMATCH": "websocket draining",
        "is read": "*",
    },
    "PUT": {
        "400 Session ID unknown": "opening gone hungup",
        "400 METHOD_NOT_ALLOWED": "*",
    },
    "WebSocket": {
        "400 Session ID unknown": "opening gone hungup",
        "101, WS close 1000": "unprobed probed held websocket escaping draining",
        "opens": "*",
    },
    "GET as websocket": {
        "400 Session ID unknown": "opening gone hungup",
        "400 TRANSPORT_MISMATCH": "*",
    },
    "body 4x": {
        "refused": "opening websocket draining gone hungup",
        "ok": "closing full escaping",
        "delivers ['x'], ok": "*",
    },
    "body 1": {
        "delivers ['x'], ok, client disconnect": "idle queued posting",
        "delivers ['x'], ok, GET 6, client disconnect": "parked",
        "delivers ['x'], ok, WS close 1000, client disconnect": "unprobed probed",
        "delivers ['x'], ok, GET 6, WS close 1000, client disconnect": "held",
        "ok, server disconnect": "closing full",
        "ok, WS close 1000, server disconnect": "escaping",
        "refused": "*",
    },
    "body 3": {
        "refused": "opening websocket draining gone hungup",
        "ok": "*",
    },
    "body 2": {
        "400, transport error": "idle queued posting",
        "400, GET 1, transport error": "parked",
        "400, WS close 1000, transport error": "unprobed probed",
        "400, GET 1, WS close 1000, transport error": "held",
        "ok": "closing full escaping",
        "refused": "*",
    },
    "body abc": {
        "delivers ['x'], 400, transport error": "idle queued posting",
        "delivers ['x'], 400, GET 1, transport error": "parked",
        "delivers ['x'], 400, WS close 1000, transport error": "unprobed probed",
        "delivers ['x'], 400, GET 1, WS close 1000, transport error": "held",
        "ok": "closing full escaping",
        "refused": "*",
    },
    "body not UTF-8": {
        "400, transport error": "idle queued posting",
        "400, GET 1, transport error": "parked",
        "400, WS close 1000, transport error": "unprobed probed",
        "400, GET 1, WS close 1000, transport error": "held",
        "ok": "closing full escaping",
        "refused": "*",
    },
    "body too large": {
        "413, transport error": "idle queued posting",
        "413, GET 1, transport error": "parked",
        "413, WS close 1000, transport error": "unprobed probed",
        "413, GET 1, WS close 1000, transport error": "held",
        "413, server disconnect": "closing full",
        "413, WS close 1000, server disconnect": "escaping",
        "refused": "*",
    },
    "frame 4x": {
        "close 1002": "unprobed probed held escaping",
        "delivers 'x'": "websocket",
        "4q close 1000, WS close 1000, server disconnect": "draining",
        "nothing": "hungup",
        "no WebSocket": "*",
    },
    "frame binary": {
        "close 1002": "unprobed probed held escaping",
        "delivers b'x'": "websocket",
        "4q close 1000, WS close 1000, server disconnect": "draining",
        "nothing": "hungup",
        "no WebSocket": "*",
    },
    "frame 0": {
        "close 1002": "unprobed probed held escaping",
        "nothing": "websocket hungup",
        "4q close 1000, WS close 1000, server disconnect": "draining",
        "no WebSocket": "*",
    },
    "frame 1": {
        "close 1000": "unprobed probed held escaping",
        "WS close 1000, client disconnect": "websocket",
        "WS close 1000, server disconnect": "draining",
        "nothing": "hungup",
        "no WebSocket": "*",
    },
    "frame 2": {
        "close 1002": "unprobed probed held escaping",
        "WS close 1002, transport error": "websocket",
        "4q close 1000, WS close 1000, server disconnect": "draining",
        "nothing": "hungup",
        "no WebSocket": "*",
    },
    "frame 2probe": {
        "3probe": "unprobed probed held escaping",
        "WS close 1002, transport error": "websocket",
        "4q close 1000, WS close 1000, server disconnect": "draining",
        "nothing": "hungup",
        "no WebSocket": "*",
    },
    "frame 3": {
        "close 1002": "unprobed probed held escaping",
        "nothing": "websocket hungup",
        "4q close 1000, WS close 1000, server disconnect": "draining",
        "no WebSocket": "*",
    },
    "frame 5": {
        "close 1002": "unprobed",
        "upgraded": "probed",
        "GET 400, upgraded": "held",
        "nothing": "websocket hungup",
        "4q close 1000, upgraded, WS close 1000, server disconnect": "escaping",
        "4q close 1000, WS close 1000, server disconnect": "draining",
        "no WebSocket": "*",
    },
    "frame abc": {
        "close 1002": "unprobed probed held escaping",
        "WS close 1002, transport error": "websocket",
        "WS close 1002, server disconnect": "draining",
        "nothing": "hungup",
        "no WebSocket": "*",
    },
    "frame too large": {
        "close 1009": "unprobed probed held escaping",
        "WS close 1009, transport error": "websocket",
        "WS close 1009, server disconnect": "draining",
        "nothing": "hungup",
        "no WebSocket": "*",
    },
    "GET lost": {
        "transport error": "parked",
        "WS close 1000, transport error": "held",
        "no poll": "*",
    },
    "POST lost": {
        "transport error": "posting",
        "no post": "*",
    },
    "WebSocket lost": {
        "nothing": "unprobed probed held escaping hungup",
        "transport close": "websocket",
        "server disconnect": "draining",
        "no link": "*",
    },
    "WebSocket broken": {
        "nothing": "unprobed probed held escaping hungup",
        "transport error": "websocket",
        "server disconnect": "draining",
        "no link": "*",
    },
    "send": {
        "GET 4m": "parked",
        "WS 4m": "websocket",
        "SessionClosed": "closing full escaping draining gone hungup",
        "waits": "*",
    },
    "close": {
        "GET 1, server disconnect": "parked",
        "GET 1, WS close 1000, server disconnect": "held",
        "WS close 1000, server disconnect": "websocket",
        "nothing": "*",
    },
    "shutdown": {
        "server disconnect": "idle closing",
        "GET 1, server disconnect": "parked",
        "POST 400, server disconnect": "posting",
        "WS close 1001, server disconnect": "unprobed probed websocket",
        "GET 1, WS close 1001, server disconnect": "held",
        "nothing": "*",
    },
    "cut": {
        "nothing": "opening gone hungup",
        "server disconnect": "idle queued closing full",
        "GET 1, server disconnect": "parked",
        "POST 400, server disconnect": "posting",
        "GET 1, WS close 1001, server disconnect": "held",
        "WS close 1001, server disconnect": "*",
    },
    "20 ms": {
        "GET 6": "held",
        "nothing": "*",
    },
    "10 s": {
        "WS close 1000": "unprobed probed escaping",
        "GET 6, WS close 1000": "held",
        "nothing": "*",
    },
    "25 s": {
        "GET 2": "parked",
        "WS close 1000": "unprobed probed escaping",
        "GET 2 6, WS close 1000": "held",
        "WS 2": "websocket",
        "nothing": "*",
    },
    "45 s": {
        "GET 2": "parked",
        "POST 400, transport error": "posting",
        "WS close 1000": "unprobed probed",
        "GET 2 6, WS close 1000": "held",
        "WS 2": "websocket",
        "server disconnect": "closing full",
        "WS close 1000, server disconnect": "escaping draining",
        "nothing": "*",
    },
}


CELLS = [(state, name) for state in STATES for name in INPUTS]


def expected(state: str, name: str) -> list[str]:
    """The outcomes that the table has for this."""
    outcomes = TABLE[name]
    found = [outcome for outcome, states in outcomes.items() if state in states.split()]
    return found or [outcome for outcome, states in outcomes.items() if states == "*"]


def test_the_table_is_total() -> None:
    """Every input has an outcome in every state, and one only."""
    assert set(TABLE) == set(INPUTS)
    assert {state for outcomes in TABLE.values() for text in outcomes.values() for state in text.split()} <= {
        *STATES,
        "*",
    }
    assert [cell for cell in CELLS if len(expected(*cell)) != 1] == []


@pytest.mark.parametrize(("state", "name"), CELLS)
def test_every_input_in_every_state(state: str, name: str) -> None:
    """PG-3, PP-3, PP-8 to PP-14, UP-5 to UP-13, WS-3 to WS-7, CL-2 to CL-17, HS-23, H15: as the table has it."""
    scene = STATES[state]()
    assert [scene.outcome(INPUTS[name](scene))] == expected(state, name)
