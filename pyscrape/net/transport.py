"""The scrape transport: one origin, one kept connection, a deadline over the whole exchange.

It is an httpx transport, so that tests and users can put their own in its place and an httpx client can sit on top;
the scrape loop calls `exchange` directly with prebuilt bytes, which costs a tenth of the way through a client.
A connection that the server closed while it was idle is replaced and the request sent once more, as Go does.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address

import httpx

from pyscrape.net.connection import Answered, Connection, Origin, Reply
from pyscrape.net.errors import ExchangeError, Reason
from pyscrape.net.tls_errors import tls_error

Address = tuple[int, tuple[object, ...]]
"""An address family and the address to connect to."""

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
"""Host and port to addresses, in the order to try; raises OSError."""

DEFAULT_PORTS = {"http": 80, "https": 443}
DEADLINE_TEXT = "context deadline exceeded"


async def resolve_host(host: str, port: int) -> Sequence[Address]:
    """The system's resolver; IP addresses are taken as they are."""
    try:
        address = ip_address(host)
    except ValueError:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [(family, sockaddr) for family, _, _, _, sockaddr in found]
    return [(socket.AF_INET if address.version == 4 else socket.AF_INET6, (host, port))]


class ScrapeTransport(httpx.AsyncBaseTransport):
    """HTTP/1.1 to one origin at a time over at most one idle connection.

    `tls`: gives the context for a new connection, None for plain HTTP only. `server_name`: what to ask for and
    verify instead of the host. Exchanges on one transport must not overlap; a second one gets its own connection.
    """

    def __init__(
        self,
        *,
        tls: Callable[[], ssl.SSLContext] | None = None,
        server_name: str = "",
        resolve: Resolve = resolve_host,
    ) -> None:
        self._tls = tls
        self._server_name = server_name
        self._resolve = resolve
        self._idle: Connection | None = None
        self._idle_origin: Origin | None = None

    async def exchange(
        self, origin: Origin, request: bytes, *, deadline: float, body_limit: int = 0, inflate: bool = True
    ) -> Reply:
        """Send `request` and read the whole answer before `deadline` (loop time).

        Raises ExchangeError. With `inflate`, a gzip body comes inflated; `body_limit` counts inflated bytes and
        refuses a body of that size or more (0 = none).
        """
        connection, self._idle = self._idle, None
        if connection is not None and (self._idle_origin != origin or not connection.reusable):
            connection.close()
            connection = None
        if connection is None:
            connection = await self._connect(origin, deadline)
        try:
            reply = await self._ask(connection, request, deadline, body_limit, inflate)
        except ExchangeError as error:
            if not error.retry:
                raise
            connection = await self._connect(origin, deadline)
            reply = await self._ask(connection, request, deadline, body_limit, inflate)
        if connection.reusable:
            self._idle, self._idle_origin = connection, origin
        return reply

    def begin(self, origin: Origin, request: bytes, body_limit: int, answered: Answered) -> Connection | None:
        """Send `request` on the kept connection; None where there is none, and nothing was done.

        The caller watches the deadline, and gives the connection back by `keep`.
        """
        connection = self._idle
        if connection is None or self._idle_origin != origin or not connection.reusable:
            return None
        self._idle = None
        connection.begin(request, body_limit, answered)
        return connection

    def keep(self, connection: Connection) -> None:
        """Take a connection back after an exchange that `begin` began."""
        if connection.reusable:
            self._idle = connection

    async def _ask(
        self, connection: Connection, request: bytes, deadline: float, limit: int, inflate: bool
    ) -> Reply:
        loop = asyncio.get_running_loop()
        timer = loop.call_at(deadline, expire, connection)
        try:
            return await connection.exchange(request, limit=limit, inflate=inflate)
        except asyncio.CancelledError:
            connection.close()
            raise
        finally:
            timer.cancel()

    async def _connect(self, origin: Origin, deadline: float) -> Connection:
        try:
            async with asyncio.timeout_at(deadline):
                return await self._dial(origin)
        except TimeoutError:
            raise ExchangeError("timeout", DEADLINE_TEXT) from None

    async def _dial(self, origin: Origin) -> Connection:
        loop = asyncio.get_running_loop()
        context = name = None
        reset: Reason = "tls" if origin.scheme == "https" else "reset"
        if origin.scheme == "https":
            assert self._tls is not None, "a transport without TLS was given an https URL"
            context, name = self._tls(), self._server_name or origin.host
        if origin.unix_socket:
            return await self._open(
                loop.create_unix_connection(
                    Connection, origin.unix_socket, ssl=context, server_hostname=name
                ),
                f"dial unix {origin.unix_socket}",
                reset,
            )
        try:
            addresses = await self._resolve(origin.host, origin.port)
        except OSError as error:
            raise _lookup_error(origin.host, error) from None
        failure: ExchangeError | None = None
        for family, address in addresses:
            where = f"dial tcp {_show(address)}"
            try:
                return await self._open(
                    loop.create_connection(
                        Connection,
                        str(address[0]),
                        int(str(address[1])),
                        family=family,
                        flags=socket.AI_NUMERICHOST,
                        ssl=context,
                        server_hostname=name,
                    ),
                    where,
                    reset,
                )
            except ExchangeError as error:
                failure = failure or error
                if error.reason not in ("refused", "unreachable"):
                    raise
        raise failure or ExchangeError("dns", f"dial tcp: lookup {origin.host}: no such host")

    async def _open(
        self, opening: Awaitable[tuple[asyncio.BaseTransport, Connection]], where: str, reason: Reason
    ) -> Connection:
        try:
            _, connection = await opening
        except ssl.SSLError as error:
            raise tls_error(error) from None
        except ConnectionResetError:
            # asyncio says so, too, when the peer closes during the handshake
            raise ExchangeError(reason, "EOF") from None
        except OSError as error:
            raise _dial_error(where, error) from None
        return connection

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """httpx's entrance: the body as sent (httpx inflates it), errors as httpx's own."""
        body = await request.aread()
        url = request.url
        origin = Origin(url.scheme, url.host, url.port or DEFAULT_PORTS[url.scheme])
        head = [b"%s %s HTTP/1.1\r\n" % (request.method.encode(), url.raw_path)]
        head += [b"%s: %s\r\n" % pair for pair in request.headers.raw]
        timeouts = request.extensions.get("timeout", {})
        seconds = [value for value in timeouts.values() if value is not None]
        deadline = asyncio.get_running_loop().time() + (max(seconds) if seconds else 86_400.0)
        try:
            reply = await self.exchange(
                origin, b"".join(head) + b"\r\n" + body, deadline=deadline, inflate=False
            )
        except ExchangeError as error:
            if error.reason == "timeout":
                raise httpx.ReadTimeout(error.text, request=request) from error
            raise httpx.TransportError(error.text, request=request) from error
        headers = [pair for pair in reply.headers if pair[0] != b"transfer-encoding"]
        return httpx.Response(
            reply.status, headers=headers, stream=httpx.ByteStream(reply.body), request=request
        )

    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the idle connection."""
        if self._idle is not None:
            self._idle.close()
            self._idle = None


def expire(connection: Connection) -> None:
    """End a running exchange because its deadline has come."""
    connection.abort(ExchangeError("timeout", DEADLINE_TEXT, while_reading=connection.head_arrived))


def _show(address: tuple[object, ...]) -> str:
    host = f"[{address[0]}]" if ":" in str(address[0]) else address[0]
    return f"{host}:{address[1]}"


def _lookup_error(host: str, error: OSError) -> ExchangeError:
    known = {
        socket.EAI_NONAME: "no such host",
        getattr(socket, "EAI_NODATA", socket.EAI_NONAME): "no such host",
        socket.EAI_AGAIN: "server misbehaving",
    }
    reason = known.get(error.errno or 0, str(error)) if isinstance(error, socket.gaierror) else str(error)
    return ExchangeError("dns", f"dial tcp: lookup {host}: {reason}")


def _dial_error(where: str, error: OSError) -> ExchangeError:
    reason: Reason = "refused" if isinstance(error, ConnectionRefusedError) else "unreachable"
    words = _WORDS.get(type(error)) or (error.strerror or str(error)).lower()
    return ExchangeError(reason, f"{where}: connect: {words}")


_WORDS: dict[type[OSError], str] = {
    ConnectionRefusedError: "connection refused",
    FileNotFoundError: "no such file or directory",
    PermissionError: "permission denied",
    TimeoutError: "connection timed out",
}
