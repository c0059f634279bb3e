"""AsyncServer: the public API.

The parameters, defaults and methods are those of python-engineio's AsyncServer, so that an application can change over;
what is new is named as such. What happens behind them is in :mod:`eio_server.runner`.
"""

from __future__ import annotations

import base64
import difflib
import itertools
import secrets
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, suppress
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, overload
from weakref import WeakValueDictionary

from eio_core import (
    ANY_ORIGIN,
    SAME_ORIGIN,
    TRANSPORTS,
    Encoded,
    OriginPolicy,
    PacketType,
    Reason,
    Request,
    SessionClosed,
    Settings,
    check_cookie,
    policy_of,
    set_cookie,
)

from . import integration as integrations
from .arguments import bound, check_grace, origins, seconds, whole
from .handlers import is_awaitable, is_its_own, takes
from .log import make_logger
from .runner import CutShortError, Runner
from .serialization import Json

if TYPE_CHECKING:
    from logging import Logger

    from .delivery import Socket
    from .integration import Exchange, Integration
    from .observing import Observer
    from .runtime import BackgroundTask

__all__ = ["AsyncServer"]

Handler = TypeVar("Handler", bound=Callable[..., Any])

_KNOWN_ELSEWHERE = frozenset(
    {
        "always_connect",
        "client_manager",
        "engineio_logger",
        "max_decode_packets",
        "namespaces",
        "serializer",
        "start_service_task",
    }
)
"""Names that python-engineio or python-socketio know: they mean nothing here, and pass without a warning."""


class AsyncServer:
    """An Engine.IO v4 server.

    :param async_mode: ``"aiohttp"``, ``"sanic"``, ``"tornado"``, ``"asgi"``, or the name of any other integration
        that is installed. None: the first of them that is.
    :param ping_interval: seconds from one ping to the next; or a tuple with a grace period that is added to what
        clients are told (row HB-13). Positive.
    :param ping_timeout: seconds from a ping to the last moment for its pong. Positive.
    :param max_http_buffer_size: the longest POST body or WebSocket message to accept, in bytes (rows PL-12 to PL-16).
    :param allow_upgrades: whether a session on polling may move to WebSocket.
    :param http_compression: whether to compress polling responses for clients that accept it.
    :param compression_threshold: bytes from which on they are compressed.
    :param cookie: None: no cookie. A name: a cookie of that name with the session id. A dict: ``name`` and any
        attributes; a value is a string, a callable without arguments that returns one, True for a bare flag or False.
    :param cors_allowed_origins: None: only pages of this server. ``"*"``: all. An origin, such as
        ``"https://example.com"``, or a list of them. ``[]``: no CORS handling at all. Or a callable with the origin, or
        with the origin and the environ, sync or async (HD-1).
    :param cors_credentials: whether pages may send credentials.
    :param logger: True: log INFO and up. False: errors only. Or a logger to use.
    :param json: anything with ``dumps`` and ``loads`` instead of the standard library's json.
    :param async_handlers: True: each message handler runs in a task of its own, started in order. False: a session's
        messages are handled strictly one after the other.
    :param monitor_clients: False: pings are sent, but a missing pong closes nobody.
    :param transports: ``"polling"``, ``"websocket"`` or a list of them. None: both.
    :param upgrade_timeout: seconds for an upgrade to finish; else it is dropped and polling goes on.
    :param close_timeout: the longest a closing session waits for its client to fetch the rest, in seconds.
    :param max_buffered_bytes: the bound of a session's outbox; a send that finds it reached closes the session (FD-8).
        None: no bound.
    :param max_pending_messages: messages of one session received and not yet handled, or handlers running; beyond it
        nothing more is read from that client.
    :param max_packets_per_payload: the most packets in a POST; None: any number (row PL-10).
    :param max_packets_per_poll: the most packets in the answer to a GET; None: any number (row PL-11).
    :param trust_forwarded: whether X-Forwarded-Proto and -Host may name this server's own origin (row HD-1).
    :param decode_json: whether text that is a JSON object or array reaches the handler decoded (row PL-3).
    :param websocket_compression: whether to negotiate permessage-deflate where the framework can (row WS-15).
    :param kwargs: anything else is ignored, with one warning that names it.
    :raises ValueError: an async_mode that is not installed, no valid transport, a time that is not positive, a limit
        that is not a whole number from 1, a cookie name or attribute that would break the header.
    :raises TypeError: a cookie, a logger or origins of another type.
    """

    reason = Reason
    """The reasons that a disconnect handler may get (row AP-18)."""

    default_async_mode: ClassVar[str | None] = None
    """The one async_mode of a subclass that belongs to an integration."""

    _counter: ClassVar[Iterator[int]] = itertools.count(secrets.randbits(24))
    _attached: ClassVar[WeakValueDictionary[tuple[int, str], Any]] = WeakValueDictionary()
    """The applications that servers are attached to, by identity and path."""

    def __init__(
        self,
        async_mode: str | None = None,
        ping_interval: float | tuple[float, float] = 25,
        ping_timeout: float = 20,
        max_http_buffer_size: int = 1_000_000,
        allow_upgrades: bool = True,
        http_compression: bool = True,
        compression_threshold: int = 1024,
        cookie: str | Mapping[str, Any] | None = None,
        cors_allowed_origins: str | Iterable[str] | Callable[..., Any] | None = None,
        cors_credentials: bool = True,
        logger: bool | Logger = False,
        json: Any = None,
        async_handlers: bool = True,
        monitor_clients: bool | None = None,
        transports: str | Iterable[str] | None = None,
        *,
        upgrade_timeout: float = 10,
        close_timeout: float = 30,
        max_buffered_bytes: int | None = 16 * 1024 * 1024,
        max_pending_messages: int = 128,
        max_packets_per_payload: int | None = None,
        max_packets_per_poll: int | None = 16,
        trust_forwarded: bool = True,
        decode_json: bool = True,
        websocket_compression: bool = False,
        **kwargs: Any,
    ) -> None:
        self.integration: Integration = integrations.find(self._wanted(async_mode))
        self.logger = make_logger(logger)
        self._settings = Settings(
            max_http_buffer_size=whole("max_http_buffer_size", max_http_buffer_size),
            allow_upgrades=allow_upgrades,
            http_compression=http_compression,
            compression_threshold=whole("compression_threshold", compression_threshold, least=0),
            cors_credentials=cors_credentials,
            monitor_clients=monitor_clients is not False,
            transports=_transports(transports),
            upgrade_timeout=seconds("upgrade_timeout", upgrade_timeout),
            close_timeout=seconds("close_timeout", close_timeout),
            max_buffered_bytes=bound("max_buffered_bytes", max_buffered_bytes),
            max_packets_per_payload=bound("max_packets_per_payload", max_packets_per_payload),
            max_packets_per_poll=bound("max_packets_per_poll", max_packets_per_poll),
            trust_forwarded=trust_forwarded,
        )
        self.ping_interval = ping_interval
        self.ping_timeout = ping_timeout
        self._cookie = _cookie(cookie)
        self._cookie_secure_over_tls = isinstance(cookie, str)
        self._json = Json(json)
        self.runner = Runner(self, self._settings, self.logger)
        """What integrations hand their requests to."""
        self.runner.max_pending_messages = whole("max_pending_messages", max_pending_messages)
        self.runner.websocket_compression = websocket_compression
        self.async_handlers = async_handlers
        if decode_json:
            self.runner.incoming = self._json.incoming
        self.cors_allowed_origins = cors_allowed_origins
        if kwargs:
            _warn_of_unknown(kwargs)

    # -------------------------------------------------------------------------------------------------- settings

    @property
    def async_mode(self) -> str:
        """The name of the integration in use."""
        return self.integration.name

    @property
    def ping_interval(self) -> float:
        """Seconds from one ping to the next. A tuple may be assigned; not positive: ValueError."""
        return self._settings.ping_interval

    @ping_interval.setter
    def ping_interval(self, value: float | tuple[float, float]) -> None:
        grace = self._settings.ping_grace
        interval, grace = value if isinstance(value, tuple) and len(value) == 2 else (value, grace)
        check_grace(grace)
        self._settings.ping_interval, self._settings.ping_grace = seconds("ping_interval", interval), grace

    @property
    def ping_timeout(self) -> float:
        """Seconds from a ping to the last moment for its pong; not positive: ValueError."""
        return self._settings.ping_timeout

    @ping_timeout.setter
    def ping_timeout(self, value: float) -> None:
        self._settings.ping_timeout = seconds("ping_timeout", value)

    @property
    def max_http_buffer_size(self) -> int:
        """The longest POST body or WebSocket message to accept, in bytes; not a whole number from 1: ValueError."""
        return self._settings.max_http_buffer_size

    @max_http_buffer_size.setter
    def max_http_buffer_size(self, value: int) -> None:
        self._settings.max_http_buffer_size = whole("max_http_buffer_size", value)

    @property
    def async_handlers(self) -> bool:
        """Whether each message handler runs in a task of its own."""
        return self.runner.async_handlers

    @async_handlers.setter
    def async_handlers(self, value: bool) -> None:
        self.runner.async_handlers = value

    @property
    def cors_credentials(self) -> bool:
        """Whether pages of other origins may send credentials."""
        return self._settings.cors_credentials

    @cors_credentials.setter
    def cors_credentials(self, value: bool) -> None:
        self._settings.cors_credentials = value

    @property
    def cors_allowed_origins(self) -> str | Iterable[str] | Callable[..., Any] | None:
        """Who may connect from a browser, as it was given."""
        return self._cors_allowed_origins

    @cors_allowed_origins.setter
    def cors_allowed_origins(self, value: str | Iterable[str] | Callable[..., Any] | None) -> None:
        if not callable(value) and value is not None and not isinstance(value, str):
            value = origins(value)
        self._cors_allowed_origins = value
        self.runner.decide_origin = self._decide_origin if callable(value) else None
        policy: OriginPolicy
        if value is None or callable(value):
            policy = SAME_ORIGIN
        else:
            policy = policy_of([value] if isinstance(value, str) else value)
        if policy is ANY_ORIGIN and self.cors_credentials:
            self.logger.info(
                "cors_allowed_origins='*' with cors_credentials=True: any site may act with the user's cookies"
            )
        self._settings.origins = policy

    # -------------------------------------------------------------------------------------------------- handlers

    @overload
    def on(self, event: str, handler: None = None) -> Callable[[Handler], Handler]: ...
    @overload
    def on(self, event: str, handler: Handler) -> Handler: ...
    def on(self, event: str, handler: Callable[..., Any] | None = None) -> Callable[..., Any]:
        """Register an event handler, as a method or as a decorator.

        ``connect(sid, environ)``: None or True accepts; False, any other value or an exception rejects the client
        with a 401, whose JSON body the value is (row ER-10). ``message(sid, data)``: ``str``, ``bytes``, or decoded
        JSON. ``disconnect(sid, reason)``, or with the sid alone. All may be sync or async.

        :raises ValueError: not one of these three events.
        :raises TypeError: not a handler that can be called.
        :returns: the handler; without one, a decorator.
        """
        if handler is None:

            def decorator(function: Handler) -> Handler:
                self.runner.handlers.register(event, function)
                return function

            self.runner.handlers.check(event)
            return decorator
        self.runner.handlers.register(event, handler)
        return handler

    # --------------------------------------------------------------------------------------------------- clients

    @property
    def sockets(self) -> Mapping[str, Socket]:
        """The clients by session id, from just before the connect handler until the disconnect handler returned."""
        return MappingProxyType(self.runner.sockets)

    async def send(self, sid: str, data: Any) -> None:
        """Send a message; returns when it is in the session's outbox.

        It is appended before the first suspension, so that sends keep the order of their calls. Nothing waits for a
        slow client: see ``max_buffered_bytes`` and :meth:`drain`. To a session that is closing or closed nothing is
        sent.

        :param data: ``str``; ``bytes``, ``bytearray`` or ``memoryview``; ``dict`` or ``list``, sent as JSON.
        :raises TypeError: data of another type (row PL-17).
        :raises ValueError: text that UTF-8 cannot carry, or text with U+001E to a client on polling (PL-8, PL-20).
        """
        socket = self.runner.sockets.get(sid)
        if socket is None:
            self.logger.warning("cannot send to %r: no such session", sid)
            return
        if self._append(socket, data):
            await self.runner.runtime.turn()

    async def send_packet(self, sid: str, pkt: Any) -> None:
        """Send a packet: ours, or any object with ``packet_type`` and ``data``, such as python-engineio's.

        What :meth:`send` would raise for the data is logged here, and the packet dropped: callers of this method seldom
        look at the outcome.

        :raises ValueError: its type is not MESSAGE (row AP-9).
        """
        if int(pkt.packet_type) != PacketType.MESSAGE:
            raise ValueError(f"only a packet of type MESSAGE (4) can be sent, not {pkt.packet_type!r}")
        try:
            await self.send(sid, pkt.data)
        except (TypeError, ValueError) as error:
            self.logger.error("packet to %s dropped: %s", sid, error)  # noqa: TRY400 - its message says it all

    def broadcast(self, sids: Iterable[str], data: Any) -> None:
        """Send one message to many clients: encoded once, appended to all, then written. Never suspends.

        Unknown, closing and closed sids are skipped.

        :raises TypeError: as :meth:`send`, or one session id in place of several.
        :raises ValueError: as :meth:`send`; those before the client on polling that cannot get it have got it.
        """
        if isinstance(sids, str):  # which is iterable, but no letter of it is a client
            raise TypeError(f"broadcast() wants several session ids, not one: [{sids!r}], or send()")
        message = Encoded(self._json.outgoing(data))
        sockets, engine = self.runner.sockets, self.runner.engine
        dirty = []
        try:
            for sid in sids:
                socket = sockets.get(sid)
                if socket is None:
                    continue
                try:
                    connection = engine.send(socket.core, message)
                except SessionClosed:
                    continue
                if connection is not None:
                    dirty.append(connection)
                elif socket.core.reason is not None:
                    self._slow_consumer(socket)
        finally:
            for connection in dirty:
                if connection.handle is not None:  # None: lost in the meantime, or not there to be written yet
                    connection.handle.flush()
            self.runner.settle()

    def buffered(self, sid: str) -> int:
        """Bytes in a client's outbox, 64 added for each packet.

        :raises KeyError: no such session.
        """
        return self._socket(sid).buffered

    async def drain(self, sid: str) -> None:
        """Wait until a client's outbox is below low water (256 KiB, or a quarter of the bound), or it is gone.

        :raises KeyError: no such session.
        """
        await self._socket(sid).wait_drained()

    async def get_session(self, sid: str) -> dict[str, Any]:
        """The application's data about a client: the live dict.

        :raises KeyError: no such session.
        """
        return self._socket(sid).session

    async def save_session(self, sid: str, session: dict[str, Any]) -> None:
        """Replace the application's data about a client.

        :raises KeyError: no such session.
        """
        self._socket(sid).session = session

    def session(self, sid: str) -> UserSession:
        """``with`` or ``async with``: the application's data about a client, saved at the end.

        :raises KeyError: no such session when it is entered. One that vanished meanwhile is ignored.
        """
        return UserSession(self, sid)

    def transport(self, sid: str) -> str:
        """``polling`` or ``websocket``; ``polling`` until an upgrade is complete.

        :raises KeyError: no such session.
        """
        socket = self.runner.sockets.get(sid)
        if socket is None:
            raise KeyError("Session not found")
        return socket.transport

    async def disconnect(self, sid: str | None = None) -> None:
        """Disconnect a client, or all. What is buffered for it is still delivered; an unknown sid is ignored.

        Does not wait for the disconnect handler, which comes in its turn.
        """
        if sid is not None:
            socket = self.runner.sockets.get(sid)
            if socket is not None:
                self.runner.close(socket.core)
            return
        for socket in list(self.runner.sockets.values()):
            self.runner.close(socket.core)

    async def shutdown(self, timeout: float = 5.0) -> None:
        """Stop serving: refuse new clients, tell all others, let unsent data drain, end the server's own tasks (SD-1).

        A second call does no harm. The framework's next startup serves again.

        :param timeout: seconds until what is left is cut.
        """
        await self.runner.shutdown(timeout)

    # --------------------------------------------------------------------------------------------------- observers

    def observe(self, observer: Observer) -> None:
        """Have an observer told of packets, bytes, sessions and refusals from now on; a second time does nothing.

        ``eio_server.Counters`` is one that counts. It costs only while somebody observes. A request or a WebSocket that
        is under way just then may go on unseen.
        """
        self.runner.engine.observe(observer)

    def unobserve(self, observer: Observer) -> None:
        """Tell an observer no more; one that was told nothing is ignored."""
        self.runner.engine.unobserve(observer)

    # ----------------------------------------------------------------------------------------------- integrations

    def attach(self, app: Any, engineio_path: str = "engine.io") -> None:
        """Serve at ``/engineio_path/`` of a web application; not for ASGI, see ``eio_asgi.ASGIApp``.

        :param engineio_path: slashes at its ends do not matter.
        :raises TypeError: not an application of this framework.
        :raises ValueError: a server is attached there already; frameworks would mostly serve the first one, and say
            nothing of the second.
        """
        path = engineio_path.strip("/")
        if self._attached.get((id(app), path)) is not None:
            raise ValueError(f"{app!r} has an Engine.IO server at /{path} already: another engineio_path is free")
        self.integration.attach(self, app, path)
        with suppress(TypeError):  # an application that knows no weak references
            self._attached[id(app), path] = app

    async def handle_request(self, *args: Any, **kwargs: Any) -> Any:
        """Handle what the framework hands a handler: aiohttp and sanic a request, tornado a handler, ASGI its three.

        :returns: the framework's response, where it has one.
        """
        return await self.integration.handle_request(self, *args, **kwargs)

    def generate_id(self) -> Any:
        """A new session id: 20 characters, unguessable (row HS-3). May be overridden, also by a coroutine function."""
        number = next(AsyncServer._counter) & 0xFFFFFF
        return base64.urlsafe_b64encode(secrets.token_bytes(12) + number.to_bytes(3, "big")).decode()

    def rejection(self, verdict: Any) -> bytes:
        """The JSON body for what a connect handler rejected a client with (row ER-10)."""
        try:
            if verdict:
                return self._json.dumps(verdict).encode()
        except Exception:  # of the application's value, or of its JSON module
            self.logger.exception("a connect handler rejected with what JSON cannot carry")
        return b'"Unauthorized"'

    def make_cookie(self, sid: str, request: Request) -> tuple[str, str] | None:
        """The Set-Cookie header of a handshake, if there is to be one (rows HD-8, HD-9)."""
        if self._cookie is None:
            return None
        name, attributes = self._cookie
        values: dict[str, str | bool] = {}
        for key, value in attributes.items():
            values[key] = value() if callable(value) else value
        if self._cookie_secure_over_tls and _is_secure(request, trust_forwarded=self._settings.trust_forwarded):
            values["Secure"] = True
        return set_cookie(name, sid, values)

    # ------------------------------------------------------------------------------------------------- conveniences

    def start_background_task(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> BackgroundTask:
        """Run a function or coroutine function in the background; its exception is logged.

        :returns: an ``asyncio.Task`` on asyncio; on trio an object that can be awaited, with ``cancel()`` and
            ``done()``.
        :raises TypeError: not a function: a coroutine, for instance.
        """
        if not callable(target):
            raise TypeError(f"start_background_task() wants a function and its arguments, not {target!r}")
        return self.runner.runtime_here.start_background_task(target, *args, **kwargs)

    async def sleep(self, seconds: float = 0) -> None:
        """Sleep."""
        await self.runner.runtime_here.sleep(seconds)

    def create_queue(self, *args: Any, **kwargs: Any) -> Any:
        """An ``asyncio.Queue``, or on trio something with its methods."""
        return self.runner.primitives.create_queue(*args, **kwargs)

    def get_queue_empty_exception(self) -> type[Exception]:
        """What ``get_nowait()`` of such a queue raises."""
        return self.runner.primitives.queue_empty()

    def create_event(self, *args: Any, **kwargs: Any) -> Any:
        """An ``asyncio.Event``, or on trio something with its methods."""
        return self.runner.primitives.create_event()

    # ------------------------------------------------------------------------------------------------------ inside

    def _wanted(self, async_mode: str | None) -> str | None:
        fixed = self.default_async_mode
        if fixed is not None and async_mode not in (None, fixed):
            raise ValueError(
                f"Invalid async_mode specified: {async_mode!r}, where {type(self).__module__}.AsyncServer is for "
                f"{fixed!r} only; use eio_server.AsyncServer(async_mode={async_mode!r})"
            )
        return fixed or async_mode

    def _socket(self, sid: str) -> Socket:
        socket = self.runner.sockets.get(sid)
        if socket is None:
            raise KeyError(sid)
        return socket

    def _append(self, socket: Socket, data: Any) -> bool:
        """Append to the outbox and have it written; True if it is above low water after that."""
        if type(data) is not str and isinstance(data, dict | list):
            data = self._json.dumps(data)
        engine = self.runner.engine
        try:
            connection = engine.send(socket.core, data)
        except SessionClosed:
            return False
        if connection is not None:
            if connection.handle is not None:  # as in broadcast()
                connection.handle.flush()
        elif socket.core.reason is not None:
            self._slow_consumer(socket)
        if engine.effects:
            self.runner.settle()
        return socket.core.above_low_water

    def _slow_consumer(self, socket: Socket) -> None:
        self.runner.notices.tell(
            "SLOW_CONSUMER",
            "%r closed: its outbox reached max_buffered_bytes (%r); see drain() and buffered()",
            socket.sid,
            self._settings.max_buffered_bytes,
        )

    async def _decide_origin(self, origin: str, exchange: Exchange) -> bool:
        decide = self._cors_allowed_origins
        assert callable(decide), "set only together with a callable"
        try:
            verdict = decide(origin, exchange.environ()) if takes(decide, 2) else decide(origin)
            if is_awaitable(verdict):
                verdict = await self.runner.decide(verdict)
        except CutShortError:
            return False
        except BaseException as error:
            if not is_its_own(error):
                raise
            self.logger.exception("cors_allowed_origins failed for %r", origin)
            return False
        return bool(verdict)


class UserSession(AbstractContextManager[dict[str, Any]], AbstractAsyncContextManager[dict[str, Any]]):
    """What :meth:`AsyncServer.session` returns."""

    def __init__(self, server: AsyncServer, sid: str) -> None:
        self._server = server
        self._sid = sid
        self._session: dict[str, Any] = {}

    def __enter__(self) -> dict[str, Any]:
        self._session = self._server._socket(self._sid).session  # noqa: SLF001 - one class in two
        return self._session

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        socket = self._server.sockets.get(self._sid)
        if socket is not None:  # else it vanished meanwhile (row AP-10)
            socket.session = self._session

    async def __aenter__(self) -> dict[str, Any]:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)


def _transports(wish: str | Iterable[str] | None) -> tuple[str, ...]:
    if wish is None:
        return TRANSPORTS
    names = {wish} if isinstance(wish, str) else set(wish)
    found = tuple(name for name in TRANSPORTS if name in names)
    if not found:
        raise ValueError(f"No valid transports provided: {sorted(names)!r} has none of {', '.join(TRANSPORTS)}")
    return found


def _cookie(wish: str | Mapping[str, Any] | None) -> tuple[str, Mapping[str, Any]] | None:
    if wish is None:
        return None
    if isinstance(wish, str):
        wish = {"name": wish, "path": "/", "SameSite": "Lax", "HttpOnly": True}
    if not isinstance(wish, Mapping):
        raise TypeError(f"cookie is a name, a dict with a 'name', or None, not {wish!r}")
    attributes = {key: value for key, value in wish.items() if key != "name"}
    name = wish.get("name")
    if not isinstance(name, str):
        raise ValueError(  # noqa: TRY004 - its value is wrong, not its type
            "a cookie given as a dict needs a 'name', which is the cookie's name"
        )
    check_cookie(name, attributes)
    return name, attributes


def _is_secure(request: Request, *, trust_forwarded: bool) -> bool:
    if request.scheme == "https":
        return True
    return trust_forwarded and request.headers.get("x-forwarded-proto", "").partition(",")[0].strip() == "https"


def _warn_of_unknown(kwargs: Mapping[str, Any]) -> None:
    known = [name for name in AsyncServer.__init__.__annotations__ if name not in ("kwargs", "return")]
    hints = []
    for name in kwargs.keys() - _KNOWN_ELSEWHERE:
        near = difflib.get_close_matches(name, known, 1)
        hints.append(f"{name!r} (did you mean {near[0]!r}?)" if near else f"{name!r}")
    if hints:
        warnings.warn(f"AsyncServer ignores unknown arguments: {', '.join(sorted(hints))}", stacklevel=3)
