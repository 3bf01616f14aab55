"""An httpx transport for bodies that are read while they arrive: HTTP/1.1 straight to the server, on httptools.

httpx's own transport handles every chunk of a chunked body as an event of a state machine in Python; a Kubernetes
watch is one chunk per object. Here all chunks that one read of the socket brings become one piece. Requests that go
through a proxy take httpx's own transport. Benchmark: `benchmarks/kubernetes.py`; the tests of the fake API server
run over both.
"""

import asyncio
import os
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import cast

import httptools
import httpx

from pyscrape.net.errors import ExchangeError
from pyscrape.net.tls_errors import tls_error

# A reader that falls behind stops the connection at this, and goes on at a quarter of it.
MOST_BUFFERED = 4 << 20
MOST_IDLE = 8


class _Connection(asyncio.Protocol):
    """One connection; answers one request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.lost = False
        self._renew()

    def _renew(self) -> None:
        """Be ready for the next answer."""
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: deque[bytes] = deque()
        self._buffered = 0
        self._arrived = asyncio.Event()
        self._error: Exception | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.head_complete = False
        self.complete = False
        self.keep_alive = False
        self.status = 0

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no asyncio.Transport, but do as much.
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(httpx.RemoteProtocolError(f"malformed HTTP response: {error}"))
            self.close()
        self._arrived.set()
        if self._buffered > MOST_BUFFERED and self.transport is not None:
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if not self.complete:
            # A body without a length ends with its connection; any other is cut off.
            if self.head_complete and exc is None and not self._has_length():
                self.complete = True
            else:
                self._fail(httpx.ReadError(str(exc) if exc else "connection closed by the server"))
        self._arrived.set()

    def _has_length(self) -> bool:
        return any(name.lower() in {b"content-length", b"transfer-encoding"} for name, _ in self.headers)

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error

    # httptools' callbacks

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self.head_complete = True

    def on_body(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._buffered += len(piece)

    def on_message_complete(self) -> None:
        if self.status < 200:  # 100 Continue and its like precede the answer
            self.headers, self.head_complete = [], False
            return
        self.keep_alive = self._parser.should_keep_alive()
        self.complete = True

    # for the transport

    async def request(self, head: bytes) -> None:
        """Send a request and wait for the head of its answer."""
        self._renew()
        assert self.transport is not None
        self.transport.write(head)
        while not self.head_complete:
            await self._more()

    async def read(self) -> bytes:
        """What has arrived of the body, at least one byte; empty at its end."""
        while not self._pieces:
            if self.complete:
                return b""
            await self._more()
        piece = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._buffered = 0
        if self.transport is not None and not self.lost:
            self.transport.resume_reading()
        return piece

    async def _more(self) -> None:
        """Wait until something has arrived; what had arrived before an error is read first."""
        self._raise_error()
        self._arrived.clear()
        if self.lost:
            raise httpx.ReadError("connection closed by the server")
        await self._arrived.wait()
        if not self._pieces and not self.complete:
            self._raise_error()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    @property
    def reusable(self) -> bool:
        return self.complete and self.keep_alive and not self.lost and not self._pieces

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class _Body(httpx.AsyncByteStream):
    """An answer's body, with a time limit between two pieces."""

    def __init__(self, connection: _Connection, silence_s: float | None, release: Callable[[], None]) -> None:
        self._connection = connection
        self._silence_s = silence_s
        self._release = release

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            try:
                async with asyncio.timeout(self._silence_s):
                    piece = await self._connection.read()
            except TimeoutError:
                raise httpx.ReadTimeout(f"nothing came for {self._silence_s:g} s") from None
            if not piece:
                return
            yield piece

    async def aclose(self) -> None:
        self._release()


class StreamTransport(httpx.AsyncBaseTransport):
    """GET over kept connections. `tls` gives the context for a new connection.

    `through` takes the requests that `direct` refuses (proxies), and everything but GET.
    """

    def __init__(
        self,
        *,
        tls: Callable[[], ssl.SSLContext],
        server_name: str = "",
        direct: Callable[[str], bool] = lambda _url: True,
        through: httpx.AsyncBaseTransport,
    ) -> None:
        self._tls = tls
        self._server_name = server_name
        self._direct = direct
        self._through = through
        self._idle: dict[
            tuple[bytes, bytes, int | None], list[tuple[ssl.SSLContext | None, _Connection]]
        ] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "GET" or not self._direct(str(request.url)):
            return await self._through.handle_async_request(request)
        limits = request.extensions.get("timeout", {})
        head = _head(request)
        while True:
            context, connection, fresh = await self._connection(request, limits.get("connect"))
            try:
                async with asyncio.timeout(limits.get("read")):
                    await connection.request(head)
                break
            except TimeoutError:
                connection.close()
                raise httpx.ReadTimeout(f"no answer for {limits.get('read'):g} s", request=request) from None
            except httpx.TransportError:
                connection.close()
                if fresh or connection.head_complete:
                    raise
                # The server had closed it while it was idle: nothing was asked yet.
            except BaseException:
                connection.close()
                raise
        origin = _origin(request)
        body = _Body(connection, limits.get("read"), lambda: self._release(origin, context, connection))
        extensions = {"abort": connection.close}
        return httpx.Response(
            connection.status, headers=connection.headers, stream=body, extensions=extensions
        )

    async def _connection(
        self, request: httpx.Request, timeout_s: float | None
    ) -> tuple[ssl.SSLContext | None, _Connection, bool]:
        """An idle connection or a new one, and whether it is new."""
        url = request.url
        try:
            context = self._tls() if url.scheme == "https" else None
        except ExchangeError as error:
            raise httpx.ConnectError(error.text, request=request) from error
        idle = self._idle.get(_origin(request), [])
        while idle:
            made_with, connection = idle.pop()
            if made_with is context and not connection.lost:
                return context, connection, False
            connection.close()
        port = url.port or (443 if context else 80)
        name = (self._server_name or url.host) if context else None
        try:
            async with asyncio.timeout(timeout_s):
                _, connection = await asyncio.get_running_loop().create_connection(
                    _Connection, url.host, port, ssl=context, server_hostname=name
                )
        except TimeoutError:
            raise httpx.ConnectTimeout(
                f"connecting took longer than {timeout_s:g} s", request=request
            ) from None
        except ssl.SSLError as error:
            raise httpx.ConnectError(tls_error(error).text, request=request) from error
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            text = f"cannot connect to {url.host}:{port}: {reason}"
            raise httpx.ConnectError(text, request=request) from error
        return context, connection, True

    def _release(
        self, origin: tuple[bytes, bytes, int | None], context: ssl.SSLContext | None, connection: _Connection
    ) -> None:
        idle = self._idle.setdefault(origin, [])
        if connection.reusable and len(idle) < MOST_IDLE:
            idle.append((context, connection))
        else:
            connection.close()

    async def aclose(self) -> None:
        for idle in self._idle.values():
            for _, connection in idle:
                connection.close()
        self._idle.clear()
        await self._through.aclose()


def _origin(request: httpx.Request) -> tuple[bytes, bytes, int | None]:
    return (request.url.raw_scheme, request.url.raw_host, request.url.port)


def _head(request: httpx.Request) -> bytes:
    lines = [b"GET " + request.url.raw_path + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in request.headers.raw]
    return b"\r\n".join((*lines, b"", b""))
