"""An echo on trio: the same AsyncServer, on another event loop.

::

    pip install eio-asgi "hypercorn[trio]"
    python trio_server.py 8000
"""

import signal
import sys
from typing import Any

import trio
from eio_asgi import ASGIApp, AsyncServer
from hypercorn.config import Config
from hypercorn.trio import serve

eio = AsyncServer()
app: Any = ASGIApp(eio)  # hypercorn has types of its own for the events of ASGI


@eio.on("message")
async def message(sid: str, data: Any) -> None:
    if data == "later":
        await trio.sleep(1)  # handlers are trio's, so they use what is trio's
    await eio.send(sid, data)


async def main(port: int) -> None:
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    # hypercorn's command does this for us; on trio a program that calls serve() catches signals itself.
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:

        async def stop() -> None:
            await anext(signals)

        await serve(app, config, mode="asgi", shutdown_trigger=stop)


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]))
