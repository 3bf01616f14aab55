"""Listening: uvicorn as a task of our own loop, on sockets that were bound before anything else began."""

import asyncio
import contextlib
import errno
import os
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast, runtime_checkable
from urllib.parse import unquote

import httptools
import uvicorn
from starlette.types import ASGIApp, Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from pyscrape.web.answers import Answer

BACKLOG = 1024
HEAD_S = 20.0
DATE_S = 1.0
MOST_HEAD_BYTES = 1 << 17
LONG_BYTES = 1 << 16
_PLAIN_TARGET = re.compile(rb"""/(?:[!"$-.0-~][!"$-~]*)?""")
"""A path with or without a query, which every reader of URLs takes apart in the same way."""
_OF_A_BODY = {b"content-length", b"transfer-encoding", b"expect"}


Admits = Callable[[Mapping[str, object] | None], bool]
"""Whether a client may connect that showed this certificate, in the form of `ssl.SSLSocket.getpeercert`, or none."""


class ListenError(OSError):
    """An address cannot be listened on; the text names it and says why."""


def bind(addresses: Sequence[tuple[str, int]]) -> list[socket.socket]:
    """Listening sockets for (host, port) pairs; an empty host is every address, IPv6 included where there is any.

    Raises:
        ListenError: an address is in use or not of this machine.
    """
    sockets: list[socket.socket] = []
    for host, port in addresses:
        every = host in {"", "::"} and socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if every or ":" in host else socket.AF_INET
        try:
            sockets.append(
                socket.create_server(
                    ("" if every else host, port), family=family, backlog=BACKLOG, dualstack_ipv6=every
                )
            )
        except OSError as error:
            for opened in sockets:
                opened.close()
            advice = "; another program listens there" if error.errno == errno.EADDRINUSE else ""
            unnamed = error.errno is None or isinstance(error, socket.gaierror)
            reason = error.strerror or str(error) if unnamed else os.strerror(error.errno or 0)
            raise ListenError(f"cannot listen on {host}:{port}: {reason}{advice}") from error
    return sockets


class Reply(NamedTuple):
    """An answer, and headers beside its own."""

    answer: Answer
    headers: list[tuple[bytes, bytes]]

    def head(self, default_headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        """Status line and headers, as uvicorn writes them."""
        lines = [STATUS_LINE[self.answer.status]]
        lines += [b"%b: %b\r\n" % header for header in default_headers]
        lines += [b"%b: %b\r\n" % header for header in self.answer.raw_headers()]
        lines += [b"%b: %b\r\n" % header for header in self.headers]
        lines.append(b"\r\n")
        return b"".join(lines)


@runtime_checkable
class AtOnce(Protocol):
    """An ASGI application that knows some answers without waiting."""

    def at_once(self, scope: Scope) -> Reply | None:
        """The answer to a GET without a body where it can be had in a millisecond or two: what a call would send. None
        where it cannot; then the application is called with the same scope.
        """


class Together:
    """A transport that sends what is written in one turn of the loop in one go.

    uvicorn writes head and body of an answer one after the other: two system calls, two packets, and a client that
    wakes up twice. What is long is not copied for it.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting.append(data)

    def send(self, head: bytes, body: bytes) -> None:
        """Write head and body of an answer, and send them now."""
        self._waiting += (head, body)
        self.flush()

    def flush(self) -> None:
        """Send what waits."""
        waiting, self._waiting = self._waiting, []
        if sum(map(len, waiting)) <= LONG_BYTES:
            waiting = [b"".join(waiting)]
        if not self._transport.is_closing():
            for data in filter(None, waiting):
                self._transport.write(data)

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def get_extra_info(self, name: str) -> object:
        return self._transport.get_extra_info(name)


class Again(NamedTuple):
    """A request that was answered at once, but for its target: clients send the same head with each of theirs."""

    rest: bytes
    """What came behind the target."""
    scope: Scope
    """What uvicorn says of it; path and query belong to the target."""

    @classmethod
    def of(cls, data: bytes, scope: Scope) -> "Again | None":
        """From the bytes of a whole request; None where its target is not a plain one."""
        line, version, rest = data.partition(b" HTTP/1.1\r\n")
        plain = line.startswith(b"GET ") and _PLAIN_TARGET.fullmatch(line, 4)
        return cls(version + rest, scope) if plain and rest.endswith(b"\r\n\r\n") else None

    def scope_of(self, data: bytes) -> Scope | None:
        """The scope of another request that is the same but for its target; None where that is not what came."""
        if not data.startswith(b"GET /") or not data.endswith(self.rest):
            return None
        target = data[4 : -len(self.rest)]
        if _PLAIN_TARGET.fullmatch(target) is None:
            return None
        path, _, query = target.partition(b"?")
        return {**self.scope, **_target(path, query)}


def _target(path: bytes, query: bytes) -> dict[str, object]:
    """What a scope says of a request's target."""
    text = path.decode("ascii")
    return {"path": unquote(text) if "%" in text else text, "raw_path": path, "query_string": query}


class GuardedProtocol(HttpToolsProtocol):
    """HTTP/1.1 with a limit on how long, and how large, the head of a request may be.

    uvicorn bounds idle time between requests; a client that never finishes its first line would stay for ever.
    Answers that are at hand are written where their request is read (`AtOnce`); a head that is the same as the one
    before, but for its target, is not parsed again.
    """

    admits: Admits | None = None
    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _knows_at_once = False
    _answered = False
    """Whether a request of the data at hand was answered at once; the next ones wait for their turn of the loop."""
    _begun = 0
    """Requests that began in the data at hand."""
    _open = False
    """Whether a request has begun and not ended."""
    _again: Again | None = None
    _unasked: Scope | None = None
    """The scope of the request that was answered at once, as it was before the application saw it."""
    _asked: Scope | None = None
    """The scope of the request at hand, where the application was asked already and has nothing at once."""
    _active_at = 0.0

    def data_received(self, data: bytes) -> None:
        if self._again is not None and self._answer_again(self._again, data):
            return
        waiting = self.cycle is None or self.cycle.response_complete
        if waiting and self._head_timer is None:
            self._arm()
        whole = not self._open
        self._answered = False
        self._begun = 0
        super().data_received(data)
        self._asked = None
        if self._answered:
            alone = whole and self._begun == 1 and not self._open
            assert self._unasked is not None
            self._again = Again.of(data, self._unasked) if alone else None
        # Still waiting for the end of the head: what came may hold none of the body.
        if self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self._refuse(b"431 Request Header Fields Too Large")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        # asyncio does this only where the socket names its protocol, which accepted ones do not. Head and body of an
        # answer are two writes: without it the second waits 40 ms for the client's delayed acknowledgement.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        shown = transport.get_extra_info("ssl_object")
        if self.admits is not None and shown is not None and not self.admits(shown.getpeercert()):
            transport.abort()
            return
        self.transport = Together(transport, self.loop)  # type: ignore[assignment]  # as much of one as uvicorn uses
        self._knows_at_once = isinstance(cast("object", self.config.app), AtOnce)
        self._arm()

    def on_response_complete(self) -> None:
        self.transport.flush()  # type: ignore[attr-defined]
        self._active_at = self.loop.time()
        super().on_response_complete()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection; answers that were given at once moved its timer by no more than a note."""
        left_s = self._active_at + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left_s, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def on_message_begin(self) -> None:
        self._begun += 1
        self._open = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._disarm()
        if not self._answered and self._is_plain_get():
            self._answered = self._answer_at_once()
            if self._answered:
                return
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._open = False
        if self.cycle is not None:  # None: no request went the ordinary way yet
            super().on_message_complete()

    def _is_plain_get(self) -> bool:
        """Whether what came is a GET without a body, on a connection that is kept and has nothing else to do."""
        parser = self.parser
        return (
            self._knows_at_once
            and parser.get_method() == b"GET"
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and self._is_free()
            and not parser.should_upgrade()
            and not any(name in _OF_A_BODY for name, _ in self.headers)
        )

    def _is_free(self) -> bool:
        """Whether nothing of this connection waits, and the server is not full."""
        most = self.limit_concurrency
        return (
            (self.cycle is None or self.cycle.response_complete)
            and not self.flow.write_paused
            and (most is None or (len(self.connections) < most and len(self.tasks) < most))
        )

    def _answer_at_once(self) -> bool:
        """Answer here what needs no waiting: a task, and uvicorn's turns of it, cost more than a small answer does."""
        if self._asked is not None:
            cast("dict[str, Any]", self.scope).update(self._asked)
            return False
        url = httptools.parse_url(self.url)
        scope = cast("dict[str, Any]", self.scope)
        scope["method"] = "GET"
        self._unasked = scope.copy()
        scope |= _target(url.path, url.query or b"")
        reply = cast("AtOnce", self.config.app).at_once(scope)
        if reply is None:
            return False
        self._send(reply)
        self.on_response_complete()
        return True

    def _answer_again(self, again: Again, data: bytes) -> bool:
        """Answer a request whose head is known, without parsing it; else the parser has to see it."""
        begun = self._open or self._head_timer is not None  # by an empty line, maybe
        if begun or not self._is_free() or self.transport.is_closing():
            return False
        scope = again.scope_of(data)
        if scope is None:
            return False
        reply = cast("AtOnce", self.config.app).at_once(scope)
        if reply is None:
            self._asked = scope
            return False
        self._send(reply)
        self.server_state.total_requests += 1
        self._active_at = self.loop.time()
        return True

    def _send(self, reply: Reply) -> None:
        head = reply.head(self.server_state.default_headers)
        cast("Together", self.transport).send(head, reply.answer.body)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def _arm(self) -> None:
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(HEAD_S, self._refuse, b"408 Request Timeout")

    def _disarm(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, status: bytes) -> None:
        self._disarm()
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" % status)
            self.transport.close()


class _Embedded(uvicorn.Server):
    """uvicorn without its own handling of signals: the application owns those."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        """Until `end`. uvicorn looks for its end ten times a second, which is most of what an idle process costs."""
        while not await self.on_tick(0):  # renews the Date header
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), DATE_S)

    def end(self) -> None:
        """Finish the requests that run and end."""
        self.should_exit = True
        self._told.set()


class WebServer:
    """Serves an ASGI application on bound sockets until `stop`."""

    def __init__(
        self,
        app: ASGIApp,
        sockets: Sequence[socket.socket],
        *,
        idle_s: float,
        most_connections: int,
        tls: ssl.SSLContext | None = None,
        admits: Admits | None = None,
    ) -> None:
        class Connected(GuardedProtocol):
            """uvicorn makes one a connection, and hands it nothing of ours."""

        if admits is not None:
            Connected.admits = staticmethod(admits)
        config = uvicorn.Config(
            app,
            lifespan="off",
            http=Connected,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # as Prometheus: the client is who is connected, whatever its headers say
            ws="none",
            timeout_keep_alive=int(idle_s),
            timeout_graceful_shutdown=5,
            limit_concurrency=most_connections + 1,
        )
        if tls is not None:
            config.load()
            config.ssl = tls
        self._server = _Embedded(config)
        self._sockets = list(sockets)

    async def serve(self) -> None:
        """Answer requests; returns after `stop`."""
        await self._server.serve(sockets=self._sockets)

    async def started(self) -> None:
        """Wait until requests are answered."""
        while not self._server.started:  # noqa: ASYNC110  # uvicorn has a flag, no event
            await asyncio.sleep(0.005)

    def stop(self) -> None:
        """Finish the requests that run and end."""
        self._server.end()
