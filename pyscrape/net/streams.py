"""GET requests whose answers are read while they arrive: lists of any size, watches that stay open for minutes.

Everything that goes wrong on the way is one error, `StreamError`; what the server answers, whatever its status, is
an `Answer`. Silence is watched per read: a peer that has gone without a word looks like one that has nothing to say.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import httpx

from pyscrape.net.client import ConfiguredTransport, configured_proxy, open_client
from pyscrape.net.settings import HTTPClientConfig, TLSConfig
from pyscrape.net.stream_transport import StreamTransport
from pyscrape.net.tls import TLSSource

CONNECT_TIMEOUT_S = 5.0

ExtraHeaders = Callable[[], Awaitable[Mapping[str, str]]]
"""Headers that are asked for before each request, such as a token that a plugin renews; may raise StreamError."""


class StreamError(Exception):
    """A connection that could not be made, broke, or fell silent (`silent`)."""

    def __init__(self, text: str, *, silent: bool = False) -> None:
        super().__init__(text)
        self.silent = silent


class Answer:
    """A response whose body has not been read yet."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.status = response.status_code

    def header(self, name: str) -> str:
        """The value of a header, empty if it is not there."""
        return str(self._response.headers.get(name, ""))

    def abort(self) -> None:
        """End the answer from outside: whoever reads it gets a StreamError. Through a proxy, nothing happens."""
        abort = self._response.extensions.get("abort")
        if abort is not None:
            abort()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body in the pieces in which it comes, inflated; ends quietly with the body.

        Raises:
            StreamError: the connection broke or nothing came for too long.
        """
        try:
            async for chunk in self._response.aiter_bytes():
                yield chunk
        except httpx.HTTPError as error:
            raise _translated(error) from error

    async def read(self) -> bytes:
        """The whole body."""
        return b"".join([chunk async for chunk in self.chunks()])


def _translated(error: httpx.HTTPError) -> StreamError:
    text = str(error) or type(error).__name__
    return StreamError(text, silent=isinstance(error, httpx.ReadTimeout))


class Streams:
    """Requests to one server through `client`, which brings address, TLS and credentials."""

    def __init__(self, client: httpx.AsyncClient, extra_headers: ExtraHeaders | None = None) -> None:
        self._client = client
        self._extra_headers = extra_headers

    @asynccontextmanager
    async def get(
        self,
        path: str,
        params: Mapping[str, str],
        *,
        answer_s: float,
        silence_s: float,
        accept: str = "application/json",
    ) -> AsyncIterator[Answer]:
        """Ask for `path`; the connection is given back, or closed when the body was not read to its end.

        The server may take `answer_s` until it begins to answer, and `silence_s` between two pieces of the body.

        Raises:
            StreamError: no answer came.
        """
        headers = {"Accept": accept}
        if self._extra_headers is not None:
            headers.update(await self._extra_headers())
        timeout = httpx.Timeout(silence_s, connect=CONNECT_TIMEOUT_S)
        request = self._client.build_request(
            "GET", path, params=dict(params), headers=headers, timeout=timeout
        )
        try:
            async with asyncio.timeout(answer_s):
                response = await self._client.send(request, stream=True)
        except TimeoutError:
            raise StreamError(f"no answer for {answer_s:g} s", silent=True) from None
        except httpx.HTTPError as error:
            raise _translated(error) from error
        try:
            yield Answer(response)
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()


def open_streams(
    base_url: str, config: HTTPClientConfig, extra_headers: ExtraHeaders | None = None
) -> Streams:
    """Requests to one server by a client config: its credentials, TLS files and proxies are heeded."""
    tls = TLSSource(config.tls_config or TLSConfig())
    transport = StreamTransport(
        tls=tls.current,
        server_name=tls.server_name,
        direct=lambda url: configured_proxy(config, url) is None,
        through=ConfiguredTransport(config),
    )
    return Streams(open_client(config, timeout_s=None, base_url=base_url, transport=transport), extra_headers)
