"""Clients for everything that is not a scrape: discoveries, OAuth2 tokens, remote write.

`open_client` gives an httpx client by a config's HTTP settings. Files are read again per request: credentials by
the client's auth, TLS files by the transport, which goes on with a new connection pool when one has changed.
"""

import os
import socket
import ssl
from collections.abc import AsyncGenerator, Mapping

import httpx

from pyscrape import __version__
from pyscrape.net.auth import Credentials
from pyscrape.net.errors import ExchangeError
from pyscrape.net.proxy import proxy_for
from pyscrape.net.settings import HTTPClientConfig, OAuth2, TLSConfig
from pyscrape.net.tls import TLSSource
from pyscrape.net.transport import DEFAULT_PORTS

USER_AGENT = f"Prometheus/3.14.0 pyscrape/{__version__}"
# Prometheus keeps idle connections for five minutes; httpx would close them after five seconds.
KEEPALIVE_S = 300.0


def open_client(
    config: HTTPClientConfig,
    *,
    timeout_s: float | None = 30.0,
    base_url: str = "",
    transport: httpx.AsyncBaseTransport | None = None,
) -> httpx.AsyncClient:
    """A client that talks to one server or API by `config`; close it with `aclose`.

    `timeout_s`: for connecting and for each read, None = none (a watch sets its own). `transport` replaces the
    network in tests. A file that cannot be read surfaces as httpx.TransportError of the request.
    """
    return httpx.AsyncClient(
        base_url=base_url,
        transport=transport or ConfiguredTransport(config),
        auth=CredentialsAuth(config),
        follow_redirects=config.follow_redirects,
        headers={"User-Agent": USER_AGENT},
        timeout=httpx.Timeout(timeout_s),
        trust_env=False,
    )


class CredentialsAuth(httpx.Auth):
    """A config's credentials on each request to the host that was asked first: a redirect does not carry them."""

    def __init__(self, config: HTTPClientConfig) -> None:
        self._credentials = make_credentials(config)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        try:
            headers = await self._credentials.headers()
        except ExchangeError as error:
            raise httpx.TransportError(error.text, request=request) from error
        own = [(name.encode(), value.encode()) for name, value in headers]  # a header may have several values
        names = {name.lower() for name, _ in own}
        kept = [pair for pair in request.headers.raw if pair[0].lower() not in names]
        request.headers = httpx.Headers([*kept, *own])
        yield request


def make_credentials(config: HTTPClientConfig) -> Credentials:
    """The config's credentials, able to ask for OAuth2 tokens where it wants them."""
    if config.oauth2 is None:
        return Credentials(config)
    oauth2 = config.oauth2
    client = httpx.AsyncClient(
        transport=ConfiguredTransport(oauth2), headers={"User-Agent": USER_AGENT}, trust_env=False
    )

    async def post_form(url: str, fields: Mapping[str, str], headers: Mapping[str, str]) -> httpx.Response:
        return await client.post(url, data=dict(fields), headers=dict(headers))

    return Credentials(config, post_form, client.aclose)


def configured_proxy(config: HTTPClientConfig | OAuth2, url: str) -> str | None:
    """The proxy that a config wants for `url`, None for a direct connection."""
    return proxy_for(
        url,
        proxy_url=config.proxy_url,
        no_proxy=config.no_proxy,
        from_environment=config.proxy_from_environment,
    )


def connect_text(error: BaseException, host: str, port: int) -> str:
    """Why a connection failed, in Go's words: the reason of the system stands at the bottom of httpx's error."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, BaseExceptionGroup):
            seen = seen.exceptions[0]
        if isinstance(seen, socket.gaierror):
            return f"dial tcp: lookup {host}: no such host"
        if isinstance(seen, OSError) and seen.errno:
            return f"dial tcp {host}:{port}: connect: {os.strerror(seen.errno).lower()}"
        seen = seen.__cause__ or seen.__context__
    return str(error)


class ConfiguredTransport(httpx.AsyncBaseTransport):
    """httpx's own transport under a config's TLS and proxy settings, renewed when a TLS file changes."""

    def __init__(self, config: HTTPClientConfig | OAuth2) -> None:
        settings = getattr(config, "tls_config", None) or TLSConfig()
        self._config = config
        self._tls = TLSSource(settings)
        # By proxy, and whether TLS is spoken through it.
        self._inner: dict[tuple[str | None, bool], httpx.AsyncHTTPTransport] = {}
        self._context: ssl.SSLContext | None = None
        # Pools of the context before: what was asked then may still be read. They are closed at the next change.
        self._retired: list[httpx.AsyncHTTPTransport] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        proxy = configured_proxy(self._config, str(request.url))
        try:
            context = self._tls.current()
        except ExchangeError as error:
            raise httpx.TransportError(error.text, request=request) from error
        if context is not self._context:
            ended, self._retired = self._retired, list(self._inner.values())
            self._inner, self._context = {}, context
            for old in ended:
                await old.aclose()
        encrypted = request.url.scheme == "https"
        inner = self._inner.get((proxy, encrypted))
        if inner is None:
            inner = self._inner[proxy, encrypted] = self._open(proxy, encrypted, context)
        if self._tls.server_name and request.url.scheme == "https":
            request.extensions = {**request.extensions, "sni_hostname": self._tls.server_name}
        try:
            return await inner.handle_async_request(request)
        except httpx.ConnectError as error:
            where = httpx.URL(proxy or str(request.url))
            text = connect_text(error, where.host, where.port or DEFAULT_PORTS.get(where.scheme, 0))
            kind = httpx.ProxyError if proxy else httpx.ConnectError
            raise kind(text, request=request) from error

    def _open(self, proxy: str | None, encrypted: bool, context: ssl.SSLContext) -> httpx.AsyncHTTPTransport:
        # They belong to CONNECT, which only TLS needs.
        connect = (encrypted and getattr(self._config, "proxy_connect_header", None)) or {}
        headers = [(name, secret.reveal()) for name, secrets in connect.items() for secret in secrets]
        try:
            return httpx.AsyncHTTPTransport(
                verify=context,
                trust_env=False,
                proxy=httpx.Proxy(proxy, headers=headers) if proxy else None,
                limits=httpx.Limits(
                    max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEEPALIVE_S
                ),
            )
        except ImportError:
            raise httpx.ProxyError(
                "SOCKS proxies need the extra `socks` (pip install 'httpx[socks]')"
            ) from None
        except (ValueError, httpx.InvalidURL) as error:
            raise httpx.ProxyError(f"invalid proxy: {error}") from None

    async def aclose(self) -> None:
        for transport in [*self._retired, *self._inner.values()]:
            await transport.aclose()
