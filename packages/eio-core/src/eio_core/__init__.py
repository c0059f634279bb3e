"""Engine.IO v4, the server's side of the protocol, without I/O.

Events go in as method calls, effects come out as values; frames are pulled by whoever writes a connection; time is an
argument. There is no socket, task, callback, logger or clock in this package, and nothing that a client sends makes it
raise. So the whole protocol can be embedded anywhere and tested in milliseconds.

.. rubric:: The contract with an integrator

1. **One engine, one thread.** Make one :class:`Engine` for each server, and call it from one thread (or event loop)
   only. It never calls you, so it is never re-entered. Wherever a method takes ``now``, pass the seconds of a
   monotonic clock.

2. **Requests.** Make a :class:`Request` of what arrived (only the headers in :data:`REQUEST_HEADERS` are looked at;
   :func:`headers_from_wire` picks them) and pass it to :meth:`Engine.receive_request`. What comes back says what to do;
   its docstring has the list. Every request gets exactly one response: a :class:`Refusal` or :class:`Response` as it
   is, a :class:`Poll` or :class:`Post` by :meth:`Engine.take_response` once it is ``ready``.

3. **Handshakes.** :meth:`Engine.open` with a new session id, ask the application, then :meth:`Engine.accept` or
   :meth:`Engine.reject`. Put what you need to find your side of a session or connection again into its ``handle``.

4. **WebSockets.** Check first, accept (101) then. For each message call :meth:`Engine.receive_frame`; if it returns
   one, it is the application's. Write by *pulling*: one writer at a time for each link takes
   :meth:`Engine.take_frames` until the list is empty, then looks at ``link.closing``; if that is a code, call
   :meth:`Engine.begin_hangup` and close the WebSocket with it. Do so after the link was opened, after a
   ``receive_frame`` that returned None, when a call returns the link, and on its ``Write``. If its writer is stuck in a
   write then, call ``begin_hangup`` all the same: the peer's five seconds run from there, however often it is called.

5. **Effects.** After *every* call take what lies in ``engine.effects``, in order, after the messages which that call
   returned: :class:`Write` a connection, :class:`Abort` one, tell the application that a session :class:`Closed`.

6. **Losses.** Report every connection that is gone, once, with :meth:`Engine.connection_lost`, a WebSocket with its
   close code; and a poll whose response went out with :meth:`Engine.written`. What comes later about a session that has
   closed is a silent no-op. If a session is over while the response of its poll is still being written, call
   :meth:`Engine.begin_hangup` for the poll: its ``Abort`` says when to give up a client that reads nothing.

7. **Time.** Keep one timer for :meth:`Engine.next_deadline` and call :meth:`Engine.expire` then. Look again after every
   call that took ``now``, and after an effect ``Write``.

:mod:`eio_core.driver` does all of this for servers that work with callbacks; :mod:`eio_core.testing` has a network on
top of it, and a client and a clock, without a socket.

Where things stand: :mod:`~eio_core.states` has the states and the table of legal packets, :mod:`~eio_core.packets` and
:mod:`~eio_core.payloads` the encoding, :mod:`~eio_core.admission` the checks of a request, :mod:`~eio_core.polling`,
:mod:`~eio_core.websocket`, :mod:`~eio_core.upgrade`, :mod:`~eio_core.heartbeat` and :mod:`~eio_core.closing` what their
names say.
"""

from .compression import compressed
from .cookies import check_cookie, set_cookie
from .effects import Abort, Closed, Drained, Effect, Upgraded, Write
from .engine import Engine
from .errors import EioError, ErrorCode, LocalProtocolError, SessionClosed
from .http import (
    REQUEST_HEADERS,
    Headers,
    Refusal,
    Request,
    Response,
    headers_from_text,
    headers_from_wire,
    headers_to_wire,
)
from .origins import ANY_ORIGIN, NO_CORS, SAME_ORIGIN, OriginPolicy, own_origins, policy_of
from .packets import Encoded, Packet, PacketType
from .payloads import decode_payload, encode_payload
from .session import Handshake, Link, Poll, Post, Session, Upgrade
from .settings import TRANSPORTS, Settings
from .states import LEGAL, Action, Channel, Life, Reason, Route

__all__ = [
    "ANY_ORIGIN",
    "LEGAL",
    "NO_CORS",
    "REQUEST_HEADERS",
    "SAME_ORIGIN",
    "TRANSPORTS",
    "Abort",
    "Action",
    "Channel",
    "Closed",
    "Drained",
    "Effect",
    "EioError",
    "Encoded",
    "Engine",
    "ErrorCode",
    "Handshake",
    "Headers",
    "Life",
    "Link",
    "LocalProtocolError",
    "OriginPolicy",
    "Packet",
    "PacketType",
    "Poll",
    "Post",
    "Reason",
    "Refusal",
    "Request",
    "Response",
    "Route",
    "Session",
    "SessionClosed",
    "Settings",
    "Upgrade",
    "Upgraded",
    "Write",
    "check_cookie",
    "compressed",
    "decode_payload",
    "encode_payload",
    "headers_from_text",
    "headers_from_wire",
    "headers_to_wire",
    "own_origins",
    "policy_of",
    "set_cookie",
]
