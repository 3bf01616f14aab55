"""One question to a JSON API, for the command line."""

from collections.abc import Sequence
from typing import Any

import httpx

from pyscrape.net.client import open_client
from pyscrape.net.settings import HTTPClientConfig


async def get_json(
    url: str,
    params: Sequence[tuple[str, str]],
    headers: Sequence[tuple[str, str]] = (),
    timeout_s: float = 30.0,
) -> Any:
    """The decoded JSON of a GET, also of an answer with an error status.

    Raises:
        OSError: the server cannot be reached, or answers with something that is not JSON.
    """
    async with open_client(HTTPClientConfig(), timeout_s=timeout_s) as client:
        try:
            response = await client.get(url, params=list(params), headers=list(headers))
            return response.json()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise OSError(f"{url}: {error or type(error).__name__}") from error
        except ValueError as error:
            start = response.text[:80].replace("\n", " ")
            raise OSError(f"{url}: HTTP {response.status_code}, not JSON: {start!r}") from error
