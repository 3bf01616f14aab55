"""A target on a real socket that answers as a script says: whole pages, or bytes and silences of one's choice."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Handler = Callable[["Exchange"], Awaitable[None]]


class Exchange:
    """One request and the means to answer it badly."""

    def __init__(self, request: bytes, writer: asyncio.StreamWriter, number: int) -> None:
        self.request = request
        self.number = number
        self._writer = writer

    @property
    def path(self) -> str:
        return self.request.split(b" ", 2)[1].decode()

    def header(self, name: str) -> str | None:
        """A request header's value, None where it was not sent."""
        for line in self.request.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.decode().lower() == name.lower():
                return value.strip().decode()
        return None

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def page(
        self,
        body: bytes,
        *,
        status: str = "200 OK",
        content_type: str | None = "text/plain; version=0.0.4",
        compress: bool = False,
        headers: tuple[str, ...] = (),
    ) -> None:
        """A whole answer with a Content-Length."""
        if compress:
            body = gzip.compress(body)
            headers = (*headers, "Content-Encoding: gzip")
        if content_type is not None:
            headers = (*headers, f"Content-Type: {content_type}")
        lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
        await self.send("\r\n".join(lines).encode() + body)

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        """Close with a RST."""
        self._writer.transport.abort()


class FakeTarget:
    """A listening target. `requests` are all heads received, `connections` how many connections came."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/metrics"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: each request is given to the handler until it closes."""
        self.connections += 1
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(request)
                await self.handler(Exchange(request, writer, len(self.requests)))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the scraper went, or the test ended
        finally:
            writer.close()


@asynccontextmanager
async def fake_target(handler: Handler, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[FakeTarget]:
    """A `FakeTarget` on a free port of the loopback; its open connections end with the block."""
    target = FakeTarget(handler)
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(target.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls, limit=1 << 20)
    target.port = server.sockets[0].getsockname()[1]
    target.scheme = "https" if tls else "http"
    try:
        yield target
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answering(body: bytes, **page: object) -> Handler:
    """A handler that always serves the same page."""

    async def handler(exchange: Exchange) -> None:
        await exchange.page(body, **page)  # type: ignore[arg-type]

    return handler
