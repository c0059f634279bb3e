"""The parts of the documentation that are written from the code: the states, and what servers cannot do."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from eio_core import LEGAL, Action, Channel, PacketType

from tests.integrations.servers import ALL, Gap, Server

# ------------------------------------------------------------------------------------------------------------- states

NEXT = {
    Action.ANSWER: Channel.PROBED,
    Action.UPGRADE: Channel.CARRYING,
    Action.DROP: Channel.ENDED,
    Action.FAIL: Channel.ENDED,
    Action.LEAVE: Channel.ENDED,
}
"""What a WebSocket is after a packet; it stays what it was for other actions."""


def diagram() -> str:
    """The states of a WebSocket, in mermaid."""
    lines = [
        "[*] --> UNPROBED: (a WebSocket for a session)",
        "[*] --> CARRYING: (a handshake)",
        *(f"{before.name} --> {after.name}: {label}" for before, after, label in transitions()),
        "CARRYING --> DRAINING: (the application closes)",
        "DRAINING --> ENDED: (all is written)",
        "ENDED --> [*]",
    ]
    return "\n".join(["```mermaid", "stateDiagram-v2", *(f"    {line}" for line in lines), "```"])


def transitions() -> Iterator[tuple[Channel, Channel, str]]:
    """What the table does to a WebSocket: from, to, and the packets."""
    for channel, actions in LEGAL.items():
        if channel is not Channel.POST:
            packets: dict[Channel, list[str]] = {}
            for packet, action in actions.items():
                after = NEXT.get(action, channel)
                if after is not channel:
                    packets.setdefault(after, []).append(shown(packet, action))
            for after, labels in packets.items():
                yield channel, after, ", ".join(labels)


def shown(packet: PacketType, action: Action) -> str:
    return f"{int(packet)}probe" if action is Action.ANSWER else str(int(packet))


def table() -> str:
    """The table of legal packets."""
    return markdown(
        ["packet", *(channel.name for channel in LEGAL)],
        ([f"{int(one)} {one.name}", *(actions[one].name for actions in LEGAL.values())] for one in PacketType),
    )


# -------------------------------------------------------------------------------------------------------- conformance

NOTES = {
    Gap.CUTS_ON_WEBSOCKET_ERROR: "The client sees 1006 instead of 1002 or 1007.",
    Gap.CLOSES_WITHOUT_CODE: "The client sees 1005 instead of 1002 or 1007.",
    Gap.HIDES_WEBSOCKET_ERRORS: "So the reason is *transport close* instead of *transport error*.",
    Gap.REFUSES_WITHOUT_A_REASON: "Its session, if it has one, is treated as elsewhere; our log line says why.",
    Gap.KNOWS_ONE_CLOSE_CODE: "Clients of Engine.IO do not look at the code.",
    Gap.SENDS_NO_EMPTY_MESSAGE: "An empty binary message does not arrive; an empty text has its packet type, and does.",
    Gap.TAKES_WHAT_IT_GETS: "`max_buffered_bytes` and `drain()` know only of what has not been handed to it: a client "
    "that reads nothing fills the memory of the server, until its ping timeout.",
    Gap.READS_AHEAD: "`max_pending_messages` bounds the handlers that run, not what the server holds: a client that "
    "floods fills its memory.",
    Gap.ANSWERS_EVERY_PING: "A client that pings and reads nothing fills the memory of the server for as long as it "
    "answers the pings of Engine.IO.",
    Gap.LEAVES_SENDERS: "The response can be read, but a proxy in front may give up sending, and answer with 502.",
    Gap.WAITS_FOR_BODIES: "It keeps what arrives on disk. A second POST beside one that still arrives is no overlap "
    "for us, a body that breaks off is unknown to us and ends nothing, and one that is too large is refused when all "
    "of it has come.",
    Gap.KEEPS_UNREAD_BODIES: "Its reader waits for a queue that is full, and does not see that the client leaves: "
    "whoever sends a lot to an address that refuses it costs the server a socket. Put a proxy in front of it.",
    Gap.EATS_FORMS: "A POST with the type of a form arrives empty and is refused: code 3, and its session ends.",
    Gap.JOINS_COOKIES: "`HTTP_COOKIE` has a comma where there should be a semicolon.",
    Gap.ACCEPTS_FOR_NOBODY: "The connect handler has accepted it, and the reason is *transport close* instead of "
    "*transport error*.",
    Gap.NO_LIFESPAN: "`on_startup` and `on_shutdown` of `ASGIApp` are not called; the first signal still tells clients "
    "(`handle_signals`).",
    Gap.REFUSES_BAD_HEADERS: "The client gets the framework's 400 instead of ours with code 3.",
    Gap.HIDES_FAILED_WRITES: "The client of a poll that leaves while its response is written is noticed at its ping "
    "timeout; one that leaves earlier is noticed at once.",
    Gap.CANNOT_ABORT: "Our side lets go of the connection after five seconds; the socket is the server's, which has "
    "timeouts of its own.",
    Gap.COMPRESSION_IS_THE_SERVERS: "`websocket_compression=True` warns once. Use the option of the server.",
    Gap.NEVER_COMPRESSES: "`websocket_compression=True` warns once.",
    Gap.INFLATES_WITHOUT_LIMIT: "A client that sends 60 kB makes it hold 60 MB for a moment, or more, and gets its "
    "1009. uvicorn: `--ws-per-message-deflate false` turns compression off; hypercorn has no option for it, so have a "
    'proxy take `Sec-WebSocket-Extensions` off the request (nginx: `proxy_set_header Sec-WebSocket-Extensions ""`).',
    Gap.BARE_HANDSHAKE: "The CORS headers are missing there; a browser asks for none on a WebSocket.",
    Gap.ACCEPTS_UNMASKED_FRAMES: "RFC 6455 wants such a connection closed. No browser sends one.",
    Gap.LOSES_EARLY_FRAMES: "No client sends before it has its answer. If one did, its session would end at the ping "
    "timeout at the latest.",
    Gap.DIES_OF_EARLY_FRAMES: "Anybody who reaches the server can end it so: put a proxy in front of it.",
    Gap.STOPS_AFTER_REQUESTS: "So clients are told by the first SIGTERM or SIGINT instead (`handle_signals`). A server "
    "that is stopped in another way waits until its polls have ended, for up to `ping_interval`.",
    Gap.CANCELS_REQUESTS_ON_STOP: "The same holds: a signal tells clients in time.",
}
"""Why, and what happens instead; what a gap says of itself stands before it."""


def columns() -> list[Server]:
    """The servers; one on another event loop of asyncio only if that makes a difference."""
    plain = {(server.integration, server.gaps) for server in ALL if not server.uvloop}
    return [server for server in ALL if not server.uvloop or (server.integration, server.gaps) not in plain]


def servers() -> str:
    """Servers by matters."""
    shown = columns()
    used = [gap for gap in Gap if any(gap in server.gaps for server in shown)]
    return markdown(
        ["", *map(str, shown)],
        ([name(gap), *("●" if gap in server.gaps else "" for server in shown)] for gap in used),
    )


def gaps() -> str:
    """One by one, what is missing."""
    return "\n\n".join(
        f"**{name(gap)}** ({', '.join(str(server) for server in columns() if gap in server.gaps) or 'none any more'})\n"
        f": {gap.value[0].upper()}{gap.value[1:]}. {NOTES.get(gap, '')}".rstrip()
        for gap in Gap
    )


def name(gap: Gap) -> str:
    return gap.name.replace("_", " ").capitalize().replace("websocket", "WebSocket")


# -------------------------------------------------------------------------------------------------------- performance

FIGURES = Path(__file__).resolve().parents[2] / "docs" / "performance"
"""What ``nox -s bench -- --json`` wrote: ``figures.json`` on the oldest Python, whose charts are there, and others."""
KINDS = {
    "raw": "bare framework",
    "eio": "eio",
    "eio-async": "eio, handlers in tasks",
    "engineio": "python-engineio",
    "eio-socketio": "python-socketio on eio",
    "socketio": "python-socketio alone",
}


def run(name: str) -> Any:
    """A run that is committed."""
    return json.loads((FIGURES / name).read_text("utf-8"))


def machine(name: str) -> str:
    """What it was measured on."""
    about = run(name)["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    return f"CPython {about['python']}, {about['system']}, {about['cores']} cores; {packages}."


def goals(name: str) -> str:
    """Goals by stacks; what missed its bound is in italics."""
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    for goal in run(name)["goals"]:
        figure = f"{goal['figure']:.2f}" if goal["reached"] else f"*{goal['figure']:.2f}*"
        sign = "≤" if (goal["figure"] <= goal["bound"]) is goal["reached"] else "≥"
        bound = f"{sign} {goal['bound']:g}" if goal["goal"] != "P3" else "see below"
        found.setdefault((goal["goal"], goal["what"], bound), {})[goal["stack"]] = figure
    stacks = list(dict.fromkeys(goal["stack"] for goal in run(name)["goals"]))
    return markdown(
        ["", "", "wanted", *stacks],
        ([*what, *(figures.get(stack, "") for stack in stacks)] for what, figures in found.items()),
    )


def growth(name: str) -> str:
    """What each thing costs beside so many sessions, in microseconds."""
    table: dict[tuple[str, str], dict[str, str]] = {}
    for measure, kind, _, median in medians(name):
        what, at, sessions = measure.partition("@")
        if at:
            table.setdefault((what, KINDS[kind]), {})[f"{int(sessions):,}"] = median
    columns = list(dict.fromkeys(sessions for row in table.values() for sessions in row))
    return markdown(
        ["µs for each", "", *columns], ([*what, *(row[column] for column in columns)] for what, row in table.items())
    )


def figures(name: str) -> str:
    """Medians of the rounds, kind by kind."""
    table: dict[tuple[str, str, str], dict[str, str]] = {}
    for row, (measure, kind, stack, median) in zip(run(name)["rows"], medians(name), strict=True):
        if "@" not in measure:
            table.setdefault((measure, stack, row["unit"]), {})[kind] = median
    return markdown(
        ["measure", "on", "unit", *KINDS.values()],
        ([*what, *(row.get(kind, "") for kind in KINDS)] for what, row in table.items()),
    )


def medians(name: str) -> Iterator[tuple[str, str, str, str]]:
    for row in run(name)["rows"]:
        median = statistics.median(row["rounds"])
        yield row["measure"], row["kind"], row["stack"], f"{median:,.0f}" if median >= 100 else f"{median:.2f}"


# -------------------------------------------------------------------------------------------------------------- pages

PAGES: dict[str, dict[str, Callable[[], str]]] = {
    "performance.md": {
        "machine": partial(machine, "figures.json"),
        "goals": partial(goals, "figures.json"),
        "growth": partial(growth, "figures.json"),
        "figures": partial(figures, "figures.json"),
        "machine of the newer Python": partial(machine, "figures-3.13.json"),
        "goals on the newer Python": partial(goals, "figures-3.13.json"),
        "figures on the newer Python": partial(figures, "figures-3.13.json"),
    },
    "states.md": {"diagram": diagram, "table": table},
    "conformance.md": {"servers": servers, "gaps": gaps},
}


def markdown(head: list[str], rows: Iterable[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))
