"""The runner: it brings events to the core and carries out its effects.

One for each server. It owns the engine, the runtime with its one timer, and the registry of sockets; everything about a
request that is the same in every framework is here, once:

- :meth:`Runner.serve` takes a request from an integration to its response, or to the offer of a WebSocket;
- :meth:`Runner.settle` carries out effects and keeps the timer armed, after every call into the core;
- :mod:`~eio_server.websocket` writes and reads WebSockets, :mod:`~eio_server.delivery` calls the handlers.

For a message there is no task, no queue, no timeout, no log call and no clock read here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from eio_core import (
    Abort,
    Closed,
    Drained,
    ErrorCode,
    Handshake,
    Life,
    Poll,
    Post,
    Refusal,
    Response,
    Session,
    Settings,
    Upgraded,
    Write,
    compressed,
    own_origins,
)
from eio_core.http import refusal

from .asyncio_runtime import AsyncioRuntime
from .delivery import Socket
from .handlers import Handlers, is_awaitable, is_its_own
from .integration import BodyTooLarge, Disconnected
from .log import Notices
from .observing import ObservableEngine
from .websocket import SocketOffer

if TYPE_CHECKING:
    import logging

    from .integration import Exchange
    from .runtime import Event, Runtime, Scope
    from .server import AsyncServer

__all__ = ["Runner"]

CLOSED = Life.CLOSED  # bound once, as in the core

REST = 0.01
"""Seconds between two times that the timer fires: thousands of sessions, each with its own heartbeat, are seen to in
batches, and no deadline is later for it than that."""
THREAD_ABOVE = 64 * 1024
"""Bodies over this many bytes are compressed in a thread (row HD-13)."""


class _Nowhere:
    """The runtime before there is one."""

    def is_here(self) -> bool:
        return False


NOWHERE: Any = _Nowhere()


class Runner:
    """What stands between the core and the integrations."""

    def __init__(self, server: AsyncServer, settings: Settings, logger: logging.Logger) -> None:
        self._server = server
        self.engine = ObservableEngine(settings, logger)
        self.logger = logger
        self.notices = Notices(logger)
        self.handlers = Handlers(logger)
        self.sockets: dict[str, Socket] = {}
        self.async_handlers = True
        self.max_pending_messages = 128
        self.websocket_compression = False
        self.incoming: Any = _unchanged
        self.runtime: Runtime = NOWHERE
        """The runtime of the event loop; an attribute, for it is asked for all the time. See :attr:`runtime_here`."""
        self._armed: float | None = None
        self._rests_until = 0.0
        self._settling = False
        self._context = copy_context()
        self._emptied: list[Event] = []
        self._deciding: set[Scope] = set()
        """The application's code that decides about a request, and may take its time."""
        self._decided: Event | None = None
        self.decide_origin: Callable[[str, Exchange], Awaitable[bool]] | None = None
        """Set where the application decides about origins itself (row HD-1)."""

    # --------------------------------------------------------------------------------------------------------- tasks

    @property
    def runtime_here(self) -> Runtime:
        """The runtime of the event loop that runs now, made when it is first needed: at the beginning of things.

        Another loop than before is another start, for not every framework tells of it: Tornado does not, nor does a
        web server that knows no lifespan (row SD-4).
        """
        if not self.runtime.is_here():
            self.startup()
        return self.runtime

    @property
    def primitives(self) -> type[AsyncioRuntime] | Runtime:
        """Who makes queues and events: the runtime, or asyncio's where no event loop runs yet (row AP-13)."""
        try:
            return self.runtime_here
        except RuntimeError:
            return AsyncioRuntime

    def startup(self) -> None:
        """The framework starts (again): accept handshakes, in the event loop that runs now."""
        if not self.runtime.is_here():  # else clients that came before it keep theirs
            self.runtime = self._server.integration.make_runtime()
            self._armed = None
        self.engine.reopen()

    async def started(self, *_: object) -> None:
        """For a framework to call when it starts, with whatever it has to say."""
        self.startup()

    async def stopping(self, *_: object) -> None:
        """For a framework to call before it closes connections."""
        await self._server.shutdown()

    def spawn(self, coroutine: Coroutine[Any, Any, object]) -> Any:
        """Run something in a task of the server's own, in the context of its construction."""
        return self.runtime.spawn(coroutine, context=self._context.copy())

    def start(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """The same for what nobody cancels: it begins as soon as the event loop goes on."""
        self.runtime.start(coroutine, later=self._context.copy())

    # -------------------------------------------------------------------------------------------------------- effects

    def settle(self) -> None:
        """Carry out what lies in ``engine.effects``, in order, and what that brings about."""
        if self._settling or not self.engine.effects:
            return
        self._settling = True
        try:
            while self.engine.effects:
                effects, self.engine.effects = self.engine.effects, []
                for effect in effects:
                    if isinstance(effect, Write):
                        if effect.connection.handle is not None:
                            effect.connection.handle.flush()
                    elif isinstance(effect, Closed):
                        socket: Socket = effect.session.handle
                        self.engine.observers.tell("closed", socket.sid, effect.reason)
                        socket.closed_with(effect.reason)
                    elif isinstance(effect, Drained):
                        effect.session.handle.drained()
                    elif isinstance(effect, Upgraded):
                        self.engine.observers.tell("upgraded", effect.session.sid)
                    elif isinstance(effect, Abort) and effect.connection.handle is not None:
                        effect.connection.handle.abort()
        finally:
            self._settling = False
        if self._emptied and not self.engine.sessions:
            for event in self._emptied:
                event.set()
            self._emptied.clear()
        self.rearm()

    def rearm(self) -> None:
        """Have the timer fire for the next deadline; a later one than it is armed for can wait until it has fired."""
        deadline = self.engine.next_deadline()
        if deadline is None:
            return
        deadline = max(deadline, self._rests_until)
        if self._armed is None or deadline < self._armed:
            self._armed = deadline
            self.runtime.set_timer(deadline, self._expire)

    def _expire(self) -> None:
        self._armed = None
        now = self.runtime.now()
        self._rests_until = now + REST
        self.engine.expire(now)
        self.settle()
        self.rearm()

    # ------------------------------------------------------------------------------------------------------- requests

    async def serve(
        self, exchange: Exchange, shield: Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]] | None = None
    ) -> SocketOffer | None:
        """Take a request to its end.

        :param shield: where the framework cancels its handler as soon as the client is gone: how a handshake is awaited
            all the same, for a connect handler is to finish (row HS-26). Nothing else here waits for a handler.
        :returns: None when it was answered, or the client is gone; an offer if it is to become a WebSocket now.
        """
        request = exchange.request
        engine = self.engine
        if self.decide_origin is not None and (origin := request.headers.get("origin")) is not None:
            request.origin_allowed = await self.decide_origin(origin, exchange)
        answer = engine.receive_request(request, self.runtime_here.now())
        if engine.effects:
            self.settle()
        if isinstance(answer, Response):
            await (self._refuse(exchange, answer) if isinstance(answer, Refusal) else self._respond(exchange, answer))
            return None
        try:
            if isinstance(answer, Post):
                await self._serve_post(exchange, answer)
            elif isinstance(answer, Poll):
                await self._serve_poll(exchange, answer)
            elif isinstance(answer, Handshake):
                handshake = self._serve_handshake(exchange, answer)
                offer: SocketOffer | None = await (handshake if shield is None else shield(handshake))
                return offer
            else:
                return SocketOffer(self, answer.cors, upgrade=answer)
        except Exception:  # row ER-9: a defect of ours or of an integration, before anything was answered
            self.logger.exception("a request failed, and with it its session")
            if isinstance(answer, Poll | Post):
                engine.connection_lost(answer)
            self.settle()
            await self._respond(exchange, refusal(ErrorCode.BAD_REQUEST, request, answer.cors, name="INTERNAL_ERROR"))
        return None

    async def _serve_poll(self, exchange: Exchange, poll: Poll, *, cookie: tuple[str, str] | None = None) -> None:
        """Write the response of a poll, composed at the last moment."""
        if not poll.ready:
            await self._park(exchange, poll)
            if poll.session is None and poll.response is None:  # the client is gone
                return
        engine, session = self.engine, poll.session
        response = engine.take_response(poll)
        if cookie is not None:
            response.headers.append(cookie)
        socket: Socket | None = None if session is None else session.handle
        if engine.effects:
            self.settle()
        written = False
        try:
            done, rest = self.runtime.step(self._respond(exchange, response))
            written = rest if done else await self._write_slowly(socket, poll, rest)
        except Disconnected:
            pass
        finally:
            if written:
                engine.written(poll)
            else:
                engine.connection_lost(poll)
            if engine.effects:
                self.settle()

    async def _write_slowly(self, socket: Socket | None, poll: Poll, rest: Awaitable[bool]) -> bool:
        """Wait until a client has taken its response. One whose session is over has five seconds (row CL-18)."""
        with self.runtime.scope() as scope:
            poll.handle = Answer(scope)
            if socket is not None:
                socket.answering = (*socket.answering, poll)
            try:
                if poll.session is None or poll.session.life is CLOSED:
                    self.engine.begin_hangup(poll, self.runtime.now())
                    self.settle()
                    self.rearm()
                return await rest
            finally:
                poll.handle = None
                if socket is not None:
                    socket.answering = tuple(one for one in socket.answering if one is not poll)
        return False

    async def _park(self, exchange: Exchange, poll: Poll) -> None:
        """Wait until a poll has its response, or its client is gone."""
        engine = self.engine
        parked = poll.handle = ParkedPoll(self.runtime.event())
        self.rearm()

        def lost() -> None:
            engine.connection_lost(poll)
            parked.flush()
            self.settle()

        try:
            async with exchange.watch(lost):
                await parked.event.wait()
        except BaseException:  # cancelled: some frameworks say so that the client is gone (IN-7)
            engine.connection_lost(poll)
            self.settle()
            raise
        finally:
            poll.handle = None

    async def _serve_post(self, exchange: Exchange, post: Post) -> None:
        engine = self.engine
        if post.session is not None and post.response is None:
            socket: Socket = post.session.handle
            try:
                body = await self._read_body(exchange, post)
                if body is not None:
                    messages = engine.receive_body(post, body, self.runtime.now())
                    socket.receive_all(messages)
                    if engine.effects:
                        self.settle()
                    if socket.crowded and not socket.closed:
                        await socket.room()
            except Disconnected:
                engine.connection_lost(post)
                self.settle()
                return
            except BaseException:
                engine.connection_lost(post)
                self.settle()
                raise
        response = engine.take_response(post)
        if engine.effects:
            self.settle()
        await (self._refuse(exchange, response) if isinstance(response, Refusal) else self._respond(exchange, response))

    async def _read_body(self, exchange: Exchange, post: Post) -> bytes | None:
        """The body; None when the response is fixed already, and the rest need not be read."""
        body: bytes | None = None
        try:
            done, rest = self.runtime.step(exchange.read(post.limit))
            if done:
                body = rest
            else:
                self.rearm()
                with self.runtime.scope() as scope:
                    post.handle = Interruption(scope)
                    body = await rest
        except BodyTooLarge:
            self.engine.receive_oversize(post)
        finally:
            post.handle = None
        if self.engine.effects:
            self.settle()
        return body if post.response is None else None

    async def _serve_handshake(self, exchange: Exchange, handshake: Handshake) -> SocketOffer | None:
        engine = self.engine
        session = await self._open(handshake)
        if isinstance(session, Refusal):
            await self._refuse(exchange, session)
            return None
        cookie = None
        if handshake.transport == "polling":
            try:
                cookie = self._server.make_cookie(session.sid, handshake.request)
            except Exception:  # of the application's value: nobody has heard of the session yet (row ER-9)
                self.logger.exception("an attribute of the cookie could not be made")
                engine.reject(session)
                await self._refuse(exchange, engine.refuse(handshake))
                return None
        socket = session.handle = Socket(self, session)
        self.sockets[session.sid] = socket
        client = Client()
        try:
            rejection = await self._ask(exchange, session.sid, client)
        except CutShortError:
            engine.reject(session)
            self.forget(socket)
            await self._refuse(exchange, engine.refuse(handshake))
            return None
        except BaseException:  # cancelled: nobody will ever hear of this session (row AP-24)
            engine.reject(session)
            self.forget(socket)
            raise
        if rejection is not None:
            unauthorized = engine.reject(session, rejection)
            self.forget(socket)
            self.notices.tell("UNAUTHORIZED", "the connect handler rejected %r", session.sid)
            await self._respond(exchange, unauthorized)
            return None

        connection = engine.accept(session, self.runtime.now())
        engine.observers.tell("opened", session.sid, handshake.transport)
        offer = None
        if isinstance(connection, Refusal):
            self.settle()
            await self._refuse(exchange, connection)
        elif client.gone:  # row HS-26
            engine.connection_lost(connection, error=True)
        elif isinstance(connection, Poll):
            self.rearm()
            await self._serve_poll(exchange, connection, cookie=cookie)
        else:
            offer = SocketOffer(self, handshake.cors, link=connection)
        self.settle()
        self.rearm()
        return offer

    async def _open(self, handshake: Handshake) -> Session | Refusal:
        """Make a session with a new id (rows HS-3 to HS-6)."""
        try:
            sid = self._server.generate_id()
            if is_awaitable(sid):
                sid = await self.decide(sid)
        except CutShortError:
            return self.engine.refuse(handshake)
        except BaseException as error:
            if not is_its_own(error):
                raise
            self.logger.exception("generate_id failed")
            return self.engine.refuse(handshake)
        if not isinstance(sid, str):
            self.logger.error("generate_id made %r: a session id is a str", sid)
            return self.engine.refuse(handshake)
        if sid in self.sockets:  # the core has forgotten it, but its disconnect handler still runs (row HS-23)
            return self.engine.refuse(handshake)
        return self.engine.open(handshake, sid)

    async def _ask(self, exchange: Exchange, sid: str, client: Client) -> bytes | None:
        """Ask the connect handler: None to accept, else the JSON body of the rejection (rows ER-10, AP-4)."""
        handler = self.handlers.connect
        if handler is None:
            return None
        try:
            verdict = handler(sid, exchange.environ())
            if is_awaitable(verdict):
                async with exchange.watch(client.lost):
                    verdict = await self.decide(verdict)
        except CutShortError:
            raise
        except BaseException as error:
            if not is_its_own(error):
                raise
            self.logger.exception("connect handler failed for %s", sid)
            verdict = False
        if verdict is None or verdict is True:
            return None
        return self._server.rejection(verdict)

    async def decide(self, deciding: Awaitable[Any]) -> Any:
        """Await the application's word on a request; a shutdown does not wait for it for ever (row SD-1).

        :raises CutShortError: it did not come in time.
        """
        with self.runtime_here.scope() as scope:
            self._deciding.add(scope)
            try:
                return await deciding
            finally:
                self._deciding.discard(scope)
                if self._decided is not None and not self._deciding:
                    self._decided.set()
        raise CutShortError

    async def _cut_short(self) -> None:
        """Wait for what is being decided; when the runtime is stopped, end it."""
        try:
            while self._deciding:
                self._decided = self.runtime.event()
                await self._decided.wait()
        finally:
            for scope in self._deciding:
                scope.cancel()

    async def _respond(self, exchange: Exchange, response: Response) -> bool:
        """Send the response; False: it could not be, and the client counts as gone (rows FD-12, IN-17)."""
        if isinstance(response, Refusal):
            self.engine.observers.tell("refused", response.status, int(response.code))
        if response.compression is not None:
            if len(response.body) < THREAD_ABOVE:
                response = compressed(response)
            else:
                response = await self.runtime.run_in_thread(compressed, response)
        try:
            await exchange.respond(response)
        except Disconnected:
            return False
        except Exception:
            self.logger.exception("a response could not be written")
            return False
        return True

    async def _refuse(self, exchange: Exchange, refusal: Refusal) -> None:
        """Log a refusal, and send it."""
        request, settings = exchange.request, self.engine.settings
        if self.decide_origin is not None:
            allowed = ["whom cors_allowed_origins, a callable, allows"]
        elif isinstance(settings.origins, frozenset):
            allowed = sorted(settings.origins)
        else:
            allowed = own_origins(request, trust_forwarded=settings.trust_forwarded)
        self.notices.refused(request, refusal, allowed, expected=self.engine.shutting_down)
        await self._respond(exchange, refusal)

    # ------------------------------------------------------------------------------------------------ the application

    def close(self, session: Session) -> None:
        """Close a session for the application."""
        self.engine.close(session, self.runtime.now())
        self.settle()
        self.rearm()

    def forget(self, socket: Socket) -> None:
        """The application cannot see this socket any more; it and its session let go of each other."""
        del self.sockets[socket.sid]
        socket.core.handle = None

    async def shutdown(self, timeout: float) -> None:
        """Refuse, tell, drain, cut (row SD-1)."""
        if self.runtime is NOWHERE:
            self.startup()
        runtime, engine = self.runtime, self.engine
        end = runtime.now() + timeout
        engine.shutdown(runtime.now(), timeout)
        self.settle()
        self.rearm()
        if engine.sessions:  # the deadlines of the core see to it that this ends
            emptied = runtime.event()
            self._emptied.append(emptied)  # one of several, where a signal and the framework both stop the server
            await emptied.wait()
        engine.cut()  # those whose connect handler still runs
        self.settle()
        if self._deciding:
            runtime.spawn(self._cut_short())
        try:
            await runtime.stop(max(0.0, end - runtime.now()))
        finally:
            self._armed = None
            self.rearm()  # a client that does not read its last response has its five seconds (row CL-18)


class CutShortError(Exception):
    """The server was shut down while the application was deciding about a request."""


class ParkedPoll:
    """The ``handle`` of a poll that waits."""

    __slots__ = ("event",)

    def __init__(self, event: Event) -> None:
        self.event = event

    def flush(self) -> None:
        """Its response is ready, or its client is gone."""
        self.event.set()


class Interruption:
    """The ``handle`` of a post whose body is being read."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def flush(self) -> None:
        """Its response is there already: stop reading."""
        self._scope.cancel()


class Answer:
    """The ``handle`` of a poll whose response is being written."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def flush(self) -> None:
        """It has been taken: there is nothing else to be written."""

    def abort(self) -> None:
        """The session is over, and its client does not read (row CL-18)."""
        self._scope.cancel()


class Client:
    """Whether the client of a handshake went away while the application was deciding."""

    __slots__ = ("gone",)

    def __init__(self) -> None:
        self.gone = False

    def lost(self) -> None:
        """It did."""
        self.gone = True


def _unchanged(data: str | bytes) -> Any:
    return data
