"""Engine.IO for Python's async web frameworks: the server, without any of the frameworks.

:class:`AsyncServer` is the API of applications. Mostly it is imported from the integration that is installed::

    from eio_aiohttp import AsyncServer

:mod:`eio_server.integration` is for whoever writes an integration; :mod:`eio_server.runner` is what stands between.
"""

from eio_core import Packet, PacketType

from .delivery import Socket
from .integration import register
from .observing import Counters, Observer
from .server import AsyncServer

__all__ = ["AsyncServer", "Counters", "Observer", "Packet", "PacketType", "Socket", "register"]
