"""How many WebSocket echoes a second: the framework's plainest echo, and ours on top of the same framework.

    python benchmarks/echo.py [--rounds 5] [--seconds 2] [--connections 50] [--in-flight 20] [--uvloop] [server …]

Each server runs in a process of its own on one core; the load runs here on another, as a raw asyncio protocol that
sends frames made beforehand and counts the bytes that come back. All servers get the very same bytes: text of 32
characters, the first of them Engine.IO's ``4``. They take turns; what counts is the ratio of the medians within one
run, on one machine. ``cpu`` is the server's own time for one echo, which other work on the machine disturbs less. A
load that was busy for more than 0.9 of the time has measured itself, and the report says so.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

if TYPE_CHECKING:
    from eio_server import AsyncServer

MESSAGE = b"4" + b"x" * 31
SENT = bytes([0x81, 0x80 | len(MESSAGE)]) + bytes(4) + MESSAGE  # a mask of zeros changes nothing
ECHOED = 2 + len(MESSAGE)
HANDSHAKE = (
    b"GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
TICKS = os.sysconf("SC_CLK_TCK")


# ------------------------------------------------------------------------------------------------------------ servers


def raw() -> web.Application:
    """aiohttp alone."""

    async def echo(request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse(compress=False)
        await websocket.prepare(request)
        async for message in websocket:
            if message.type is WSMsgType.TEXT:
                await websocket.send_str(message.data)
        return websocket

    app = web.Application()
    app.router.add_get("/engine.io/", echo)
    return app


def eio(**options: Any) -> web.Application:
    """Ours."""
    server: AsyncServer = import_module("eio_aiohttp").AsyncServer(ping_interval=300, **options)

    async def message(sid: str, data: str) -> None:
        await server.send(sid, data)

    server.on("message", message)
    app = web.Application()
    server.attach(app)
    return app


SERVERS: dict[str, Callable[[], web.Application]] = {
    "raw": raw,
    "eio": lambda: eio(async_handlers=False),
    "eio-async": lambda: eio(async_handlers=True),
}


def serve(name: str, *, uvloop: bool) -> None:
    """The server's process."""
    loop = import_module("uvloop").new_event_loop() if uvloop else asyncio.new_event_loop()
    web.run_app(SERVERS[name](), host="127.0.0.1", port=0, access_log=None, print=announce, loop=loop)


def announce(text: str) -> None:
    """Tell the port to the parent, of all that aiohttp would print."""
    if found := re.search(r"127\.0\.0\.1:(\d+)", text):
        print(found[1], flush=True)


# --------------------------------------------------------------------------------------------------------------- load


class Client(asyncio.Protocol):
    """One connection that keeps so many messages in flight."""

    def __init__(self, in_flight: int) -> None:
        self.in_flight = in_flight
        self.echoes = 0
        self.rest = 0
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(HANDSHAKE)

    def data_received(self, data: bytes) -> None:
        if self.ready.done():
            count, self.rest = divmod(self.rest + len(data), ECHOED)
            self.echoes += count
            self.transport.write(SENT * count)
        else:
            self.head += data
            asyncio.get_running_loop().call_later(0.2, self.settled)

    def settled(self) -> None:
        """The 101 has come, and what our server sends first."""
        if not self.ready.done():
            assert self.head.startswith(b"HTTP/1.1 101"), self.head
            self.ready.set_result(None)

    def start(self) -> None:
        self.transport.write(SENT * self.in_flight)


async def load(port: int, pid: int, options: argparse.Namespace) -> tuple[float, float, float]:
    """Echoes a second, the server's microseconds for each, and how busy the load was."""
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(options.connections):
        _, client = await loop.create_connection(lambda: Client(options.in_flight), "127.0.0.1", port)
        clients.append(client)
    await asyncio.gather(*(client.ready for client in clients))
    for client in clients:
        client.start()
    await asyncio.sleep(0.5)  # warm
    echoes, wall, own, theirs = sum(c.echoes for c in clients), time.perf_counter(), time.process_time(), cpu(pid)
    await asyncio.sleep(options.seconds)
    echoes = sum(c.echoes for c in clients) - echoes
    wall, own, theirs = time.perf_counter() - wall, time.process_time() - own, cpu(pid) - theirs
    for client in clients:
        client.transport.abort()
    return echoes / wall, theirs / echoes * 1e6, own / wall


def cpu(pid: int) -> float:
    """The seconds that a process has run."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure(name: str, options: argparse.Namespace) -> tuple[float, float, float]:
    """One round of one server."""
    command = [sys.executable, __file__, "--serve", name, *(["--uvloop"] if options.uvloop else [])]
    quiet = subprocess.DEVNULL  # what frameworks say about clients that leave
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=quiet, text=True) as process:  # noqa: S603 - ourselves
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            return asyncio.run(load(port, process.pid, options))
        finally:
            process.terminate()


def pin(core: int) -> None:
    """Keep this process on one core, where that can be done."""
    if hasattr(os, "sched_setaffinity"):
        cores = range(os.cpu_count() or 1)
        os.sched_setaffinity(0, {cores[core]})


def report(results: dict[str, list[tuple[float, float, float]]]) -> None:
    """Medians, and their ratios to the first server's."""
    medians = {
        name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in results.items()
    }
    base_rate, base_micros, _ = next(iter(medians.values()))
    print(f"{'server':12} {'echoes/s':>10} {'ratio':>6} {'cpu µs':>8} {'ratio':>6} {'load':>6}")
    for name, (rate, micros, busy) in medians.items():
        ratios = rate / base_rate, base_micros / micros
        warning = "  the load was the limit" if busy > 0.9 else ""
        print(f"{name:12} {rate:10,.0f} {ratios[0]:6.2f} {micros:8.2f} {ratios[1]:6.2f} {busy:6.2f}{warning}")


def main() -> None:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("servers", nargs="*", help=f"of {', '.join(SERVERS)}; the first is what others are compared to")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--in-flight", type=int, default=20)
    parser.add_argument("--uvloop", action="store_true", help="run the servers on uvloop")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        pin(0)
        serve(options.serve, uvloop=options.uvloop)
        return
    pin(-1)
    results: dict[str, list[tuple[float, float, float]]] = {name: [] for name in options.servers or ("raw", "eio")}
    for _ in range(options.rounds):
        for name, rows in results.items():
            rows.append(measure(name, options))
    report(results)


if __name__ == "__main__":
    main()
