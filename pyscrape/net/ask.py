"""Questions to HTTP APIs that are no scrapes: small answers, read whole, with one error for all that can go wrong."""

import asyncio
import json
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from pyscrape.net.client import open_client
from pyscrape.net.settings import DEFAULT_HTTP, HTTPClientConfig
from pyscrape.net.urls import redacted_url

Pairs = Sequence[tuple[str, str]]


class AskError(OSError):
    """The server cannot be reached, or ends the answer before its end; the text names the URL and the reason."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer; `headers` have lower-case names."""

    status: int
    reason: str
    headers: dict[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")


class Asker:
    """Asks one API by a config's HTTP settings, over connections that are kept."""

    def __init__(
        self,
        config: HTTPClientConfig,
        *,
        headers: Pairs = (),
        timeout_s: float = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._client = open_client(config, timeout_s=timeout_s, transport=transport)
        self._headers = list(headers)
        self._timeout_s = timeout_s

    async def get(self, url: str, params: Pairs = (), *, timeout_s: float | None = None) -> Reply:
        """The answer to a GET, whatever its status; the time is for all of it, down to the last byte.

        Raises:
            AskError: there is none.
        """
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        asking = self._client.get(url, params=list(params) or None, headers=self._headers, timeout=limit_s)
        return await _within(limit_s, f'Get "{redacted_url(url)}"', asking)

    async def post(self, url: str, body: bytes, attempt: int = 0, own: Pairs = ()) -> Reply:
        """The answer to a POST, whatever its status; the time is for all of it, as with `get`.

        `attempt` counts from 0 and is told to the server, `own` are headers of this request alone.

        Raises:
            AskError: there is none.
        """
        headers = [*own, *self._headers]
        if attempt:
            headers.append(("Retry-Attempt", str(attempt)))
        asking = self._client.post(url, content=body, headers=headers)
        return await _within(self._timeout_s, f'Post "{redacted_url(url)}"', asking)

    async def close(self) -> None:
        await self._client.aclose()


async def _within(limit_s: float, what: str, asking: Awaitable[httpx.Response]) -> Reply:
    """The answer that `asking` gives in time; AskError, whose text begins with `what`, when there is none."""
    try:
        async with asyncio.timeout(limit_s):
            return _reply(await asking)
    except (TimeoutError, httpx.TimeoutException) as error:
        raise AskError(f"{what}: context deadline exceeded after {limit_s:g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise AskError(f"{what}: {error or type(error).__name__}") from error


def _reply(response: httpx.Response) -> Reply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    # The stream refers to its response: taken out, all of it, the request's body included, is freed at once.
    response.stream = httpx.ByteStream(b"")
    return Reply(response.status_code, response.reason_phrase, headers, response.content)


async def get_json(url: str, params: Pairs, headers: Pairs = (), timeout_s: float = 30.0) -> Any:
    """The decoded JSON of a GET, also of an answer with an error status.

    Raises:
        AskError: the server cannot be reached, or answers with something that is not JSON.
    """
    asker = Asker(DEFAULT_HTTP, headers=headers, timeout_s=timeout_s)
    try:
        reply = await asker.get(url, params)
        return json.loads(reply.body)
    except ValueError as error:
        start = reply.body[:80].decode(errors="replace").replace("\n", " ")
        raise AskError(f"{redacted_url(url)}: HTTP {reply.status}, not JSON: {start!r}") from error
    finally:
        await asker.close()
