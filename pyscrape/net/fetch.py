"""Fetching a page: one `JobClient` per job holds what its targets share, one `Fetcher` per target asks.

The way is the scrape transport's `exchange` with a request that was built once. A proxy, or a transport that a test
put in its place, goes through the same steps over the httpx interface. Redirects are followed here, because what
may be carried to another host is decided here.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import httpx

from pyscrape.model.names import quoted
from pyscrape.net.client import USER_AGENT, ConfiguredTransport, configured_proxy, make_credentials
from pyscrape.net.connection import REFUSAL_BYTES, Answered, Connection, Origin, Reply
from pyscrape.net.errors import ExchangeError
from pyscrape.net.inflate import Inflater
from pyscrape.net.settings import HTTPClientConfig, TLSConfig
from pyscrape.net.tls import TLSSource
from pyscrape.net.transport import (
    DEADLINE_TEXT,
    DEFAULT_PORTS,
    Resolve,
    ScrapeTransport,
    resolve_host,
)

MAX_REDIRECTS = 10
REDIRECTS = frozenset((301, 302, 303, 307, 308))
# Not carried to another host, as Go's client decides it.
SENSITIVE = frozenset(("authorization", "www-authenticate", "cookie", "cookie2"))

Header = tuple[str, str]
MakeTransport = Callable[[], httpx.AsyncBaseTransport]
"""Makes the transport of a target."""


@dataclass(frozen=True, slots=True)
class Body:
    """What came back. `content` is inflated; of an answer that is not 200 only its beginning."""

    status: int
    phrase: str
    content: bytes
    content_type: str | None
    wire_bytes: int
    headers: Sequence[tuple[bytes, bytes]]
    url: str


class JobClient:
    """What the targets of one job share: TLS, credentials, headers.

    `headers`: sent with each request besides Host, User-Agent and credentials. `transport`: makes the transport of
    a target, for tests and other networks; by default a `ScrapeTransport`, and httpx's own where a proxy is asked for.
    """

    def __init__(
        self,
        config: HTTPClientConfig,
        headers: Sequence[Header] = (),
        *,
        transport: MakeTransport | None = None,
        resolve: Resolve = resolve_host,
    ) -> None:
        self.config = config
        self.headers = tuple(headers)
        self.tls = TLSSource(config.tls_config or TLSConfig())
        self.credentials = make_credentials(config)
        self._resolve = resolve
        self._make_transport = transport
        # The proxy's connections are shared: they all lead to one place.
        proxied = transport is None and (config.proxy_url or config.proxy_from_environment)
        self._shared = ConfiguredTransport(config) if proxied else None

    def transport(self) -> httpx.AsyncBaseTransport:
        """A transport for one target."""
        if self._make_transport is not None:
            return self._make_transport()
        return ScrapeTransport(tls=self.tls.current, server_name=self.tls.server_name, resolve=self._resolve)

    def proxied(self, url: str) -> ConfiguredTransport | None:
        """What a request for `url` goes through instead of the target's own transport, where a proxy is to be asked."""
        shared = self._shared
        return shared if shared is not None and configured_proxy(self.config, url) else None

    async def aclose(self) -> None:
        """Close what the targets share; fetchers are closed by whoever holds them."""
        await self.credentials.aclose()
        if self._shared is not None:
            await self._shared.aclose()

    def fetcher(self, url: str, unix_socket: str = "", headers: Sequence[Header] = ()) -> "Fetcher":
        """What fetches one URL again and again; `headers` are the target's own."""
        return Fetcher(self, url, unix_socket, (*self.headers, *headers))


class Fetcher:
    """Fetches one URL. Calls must not overlap."""

    __slots__ = ("_context", "_headers", "_job", "_origin", "_request", "_transport", "_unix_socket", "url")

    def __init__(self, job: JobClient, url: str, unix_socket: str, headers: Sequence[Header]) -> None:
        self.url = url
        self._job = job
        self._headers = tuple(headers)
        self._unix_socket = unix_socket
        self._transport = job.transport()
        self._origin: Origin | None = None
        self._request: bytes | None = None
        self._context: object = None

    async def fetch(self, deadline: float, body_limit: int = 0) -> Body:
        """The page, complete before `deadline` (loop time), redirects included.

        Raises ExchangeError. An answer that is not 200 is returned like one.
        """
        url, own_headers, before = self.url, True, ""
        for _ in range(MAX_REDIRECTS + 1):
            reply = await self._get(url, own_headers, before, deadline, body_limit)
            location = reply.header(b"location")
            if reply.status not in REDIRECTS or not location or not self._job.config.follow_redirects:
                return Body(
                    reply.status,
                    reply.phrase,
                    reply.body,
                    reply.header(b"content-type"),
                    reply.wire_bytes,
                    reply.headers,
                    url,
                )
            before, url = url, _redirected(url, location)
            own_headers = own_headers and _same_site(self.url, url)
        raise ExchangeError("redirect", "stopped after 10 redirects")

    def begin(self, body_limit: int, answered: Answered) -> Connection | None:
        """Ask on the kept connection with the request as it was last time; None where that cannot be.

        Redirects are not followed here. `answered` is told once; `finish` takes the connection back afterwards.
        """
        request, transport, origin = self._request, self._transport, self._origin
        if request is None or origin is None or not isinstance(transport, ScrapeTransport):
            return None
        if origin.scheme == "https" and not self._same_context():
            return None
        return transport.begin(origin, request, body_limit, answered)

    def finish(self, connection: Connection) -> None:
        """Keep the connection of an exchange that `begin` began."""
        assert isinstance(self._transport, ScrapeTransport)
        self._transport.keep(connection)

    def _same_context(self) -> bool:
        try:
            return self._job.tls.current() is self._context
        except ExchangeError:
            return False  # `fetch` says what is wrong with the files

    async def _get(self, url: str, own_headers: bool, before: str, deadline: float, body_limit: int) -> Reply:
        job = self._job
        transport = job.proxied(url) or self._transport
        request = self._request if url is self.url else None
        if request is None:
            headers = [*self._headers, *(await job.credentials.headers())]
            if not own_headers:
                headers = [pair for pair in headers if pair[0].lower() not in SENSITIVE]
            if before and not (before.startswith("https:") and url.startswith("http:")):
                headers.append(("Referer", before))
            if not isinstance(transport, ScrapeTransport):
                return await _get_through_httpx(transport, url, headers, deadline, body_limit)
            request = request_bytes(url, headers)
            if url is self.url and job.credentials.static:
                self._request = request
        assert isinstance(transport, ScrapeTransport)
        if url is self.url:
            origin = self._origin = self._origin or origin_of(url, self._unix_socket)
        else:
            origin = origin_of(url, "")
        if origin.scheme == "https":
            context = job.tls.current()
            if context is not self._context:
                transport.close()
                self._context = context
        return await transport.exchange(origin, request, deadline=deadline, body_limit=body_limit)

    def close(self) -> None:
        """Close the connection."""
        if isinstance(self._transport, ScrapeTransport):
            self._transport.close()


def origin_of(url: str, unix_socket: str) -> Origin:
    """Where to connect to for `url`; raises ExchangeError for a URL that has no such place."""
    parts = urlsplit(url)
    try:
        port = parts.port or DEFAULT_PORTS[parts.scheme]
    except ValueError:
        raise ExchangeError("protocol", f"invalid port in {parts.netloc}") from None
    except KeyError:
        raise ExchangeError("protocol", f'unsupported protocol scheme "{parts.scheme}"') from None
    if not parts.hostname and not unix_socket:
        raise ExchangeError("protocol", "http: no Host in request URL")
    return Origin(parts.scheme, parts.hostname or "", port, unix_socket)


def request_bytes(url: str, headers: Sequence[Header]) -> bytes:
    """A GET request for `url`."""
    parts = urlsplit(url)
    target = parts.path or "/"
    if parts.query:
        target += "?" + parts.query
    netloc = parts.netloc.rpartition("@")[2]
    lines = [f"GET {target} HTTP/1.1", f"Host: {netloc}", f"User-Agent: {USER_AGENT}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")


def _redirected(url: str, location: str) -> str:
    """Where a Location leads to; raises ExchangeError (`redirect`) where it is no place to ask."""
    try:
        target = urljoin(url, location)
        origin_of(target, "")
    except ExchangeError as error:
        raise ExchangeError("redirect", error.text) from None
    except ValueError as error:
        raise ExchangeError(
            "redirect", f"failed to parse Location header {quoted(location)}: {error}"
        ) from None
    return target


def _same_site(first: str, then: str) -> bool:
    """Whether credentials for `first` may go to `then`: the same host or one below it."""
    start, end = urlsplit(first).hostname or "", urlsplit(then).hostname or ""
    return end == start or end.endswith("." + start)


async def _get_through_httpx(
    transport: httpx.AsyncBaseTransport, url: str, headers: Sequence[Header], deadline: float, limit: int
) -> Reply:
    """The same exchange over any httpx transport."""
    request = httpx.Request("GET", url, headers=[("User-Agent", USER_AGENT), *headers])
    answered = False
    try:
        async with asyncio.timeout_at(deadline):
            response = await transport.handle_async_request(request)
            answered = True
            try:
                return await _read(response, limit)
            finally:
                await response.aclose()
    except (TimeoutError, httpx.TimeoutException):
        raise ExchangeError("timeout", DEADLINE_TEXT, while_reading=answered) from None
    except httpx.ProxyError as error:
        raise ExchangeError("proxy", f"proxyconnect tcp: {error}") from None
    except httpx.ConnectError as error:
        raise ExchangeError("refused", str(error)) from None
    except httpx.HTTPError as error:
        raise ExchangeError("protocol", str(error), while_reading=answered) from None


async def _read(response: httpx.Response, limit: int) -> Reply:
    good = response.status_code == 200
    packed = response.headers.get("content-encoding", "").strip().lower() == "gzip"
    inflater = Inflater(limit) if good and packed else None
    pieces: list[bytes] = []
    size = 0
    async for piece in response.aiter_raw():
        if inflater is not None:
            inflater.feed(piece)
        elif good and limit and size + len(piece) >= limit:
            raise ExchangeError("body_limit", "body size limit exceeded", while_reading=True)
        elif good or size < REFUSAL_BYTES:
            pieces.append(piece if good else piece[:REFUSAL_BYTES])
        size += len(piece)
    body = inflater.finish() if inflater is not None else b"".join(pieces)
    headers = [(name.lower(), value) for name, value in response.headers.raw]
    return Reply(response.status_code, response.reason_phrase, headers, body, size)
