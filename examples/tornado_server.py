"""An echo on Tornado, that stops as it should.

::

    pip install eio-tornado
    python tornado_server.py 8000
"""

import asyncio
import signal
import sys
from typing import Any

from eio_tornado import AsyncServer
from tornado.web import Application

eio = AsyncServer()
app = Application()
eio.attach(app)


@eio.on("message")
async def message(sid: str, data: Any) -> None:
    await eio.send(sid, data)


async def main(port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = app.listen(port, address="127.0.0.1")
    await stop.wait()
    # Tornado tells nobody that it stops, so the program does: no new connections, goodbye to all clients, and the end.
    server.stop()
    await eio.shutdown()
    await server.close_all_connections()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
