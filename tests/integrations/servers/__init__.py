"""The servers that the suite runs against: each is started on a free port, in the event loop of the test.

A further integration is one file here (how an application is made of an ``AsyncServer``, how it is served and stopped,
which gaps it has) and its name in ``ALL``. Frameworks are imported when they are used: where one wheel is tested alone
(``EIO_SUITE=aiohttp``, ``EIO_SUITE=asgi``) the others are not even installed. With ``EIO_SERVERS=few`` there is one for
each integration, on asyncio and on trio.
"""

from __future__ import annotations

import os

from . import aiohttp, custom, daphne, granian, hypercorn, sanic, tornado, uvicorn
from .server import THREADED, Gap, Server, listen

__all__ = ["ALL", "SERVERS", "THREADED", "Gap", "Server", "listen"]

ALL = (
    *aiohttp.SERVERS,
    *uvicorn.SERVERS,
    *hypercorn.SERVERS,
    *granian.SERVERS,
    *daphne.SERVERS,
    *sanic.SERVERS,
    *tornado.SERVERS,
    *custom.SERVERS,
)

SUITE = os.environ.get("EIO_SUITE")
FEW = {(server.integration, server.backend): server for server in reversed(ALL)}
SERVERS = tuple(
    server
    for server in (ALL if os.environ.get("EIO_SERVERS") != "few" else reversed(FEW.values()))
    if SUITE in {None, "", server.integration}
)
