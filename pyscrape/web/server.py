"""Listening: uvicorn as a task of our own loop, on sockets that were bound before anything else began."""

import asyncio
import contextlib
import errno
import os
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
        headers = [*default_headers, *self.answer.raw_headers(), *self.headers]
        lines = b"".join([b"%s: %s\r\n" % header for header in headers])
        return b"%s%s\r\n" % (STATUS_LINE[self.answer.status], lines)


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


class GuardedProtocol(HttpToolsProtocol):
    """HTTP/1.1 with a limit on how long, and how large, the head of a request may be.

    uvicorn bounds idle time between requests; a client that never finishes its first line would stay for ever.
    """

    admits: Admits | None = None
    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _knows_at_once = False
    _answered = False
    """Whether a request of the data at hand was answered at once; the next ones wait for their turn of the loop."""

    def data_received(self, data: bytes) -> None:
        waiting = self.cycle is None or self.cycle.response_complete
        if waiting and self._head_timer is None:
            self._arm()
        self._answered = False
        super().data_received(data)
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
        super().on_response_complete()

    def on_headers_complete(self) -> None:
        self._disarm()
        if not self._answered and self._is_plain_get():
            self._answered = self._answer_at_once()
            if self._answered:
                return
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        if self.cycle is not None:  # None: no request went the ordinary way yet
            super().on_message_complete()

    def _is_plain_get(self) -> bool:
        """Whether what came is a GET without a body, on a connection that is kept and has nothing else to do."""
        parser = self.parser
        most = self.limit_concurrency
        return (
            self._knows_at_once
            and parser.get_method() == b"GET"
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and (self.cycle is None or self.cycle.response_complete)
            and not self.flow.write_paused
            and (most is None or max(len(self.connections), len(self.tasks)) < most)
            and not parser.should_upgrade()
            and not any(name in _OF_A_BODY for name, _ in self.headers)
        )

    def _answer_at_once(self) -> bool:
        """Answer here what needs no waiting: a task, and uvicorn's turns of it, cost more than a small answer does."""
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope = cast("dict[str, Any]", self.scope)
        scope |= {"method": "GET", "path": unquote(path) if "%" in path else path}
        scope |= {"raw_path": url.path, "query_string": url.query or b""}
        reply = cast("AtOnce", self.config.app).at_once(scope)
        if reply is None:
            return False
        self.transport.write(reply.head(self.server_state.default_headers))
        self.transport.write(reply.answer.body)
        self.on_response_complete()
        return True

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
