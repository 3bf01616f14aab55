"""Targets from an HTTP endpoint that answers a JSON list of groups (Prometheus' documentation, "HTTP SD")."""

import asyncio
import re
from collections.abc import Iterable

from pyscrape.discovery.groups import TargetGroup, UpdateGroups
from pyscrape.discovery.network_settings import HTTPSDConfig
from pyscrape.discovery.refresh import LookError, RefreshDiscoverer, sleep
from pyscrape.discovery.target_lists import TargetListError, as_groups, read_json
from pyscrape.model.names import quoted
from pyscrape.net.ask import Asker, AskError

LABEL = "__meta_url"
LONG_BYTES = 1 << 17
"""Longer lists are read in a thread."""
_JSON = re.compile(r"application/json(;\s*charset=(\"utf-8\"|utf-8))?", re.ASCII | re.IGNORECASE)


class HTTPLooker:
    """Asks the endpoint."""

    kind = "http"

    def __init__(self, config: HTTPSDConfig, asker: Asker | None = None) -> None:
        self._url = config.url
        self.interval_s = config.refresh_interval.seconds
        interval = f"{self.interval_s:.9f}".rstrip("0").rstrip(".")
        headers = [("Accept", "application/json"), ("X-Prometheus-Refresh-Interval-Seconds", interval)]
        self._asker = asker or Asker(config.http, headers=headers, timeout_s=self.interval_s)

    async def look(self) -> Iterable[TargetGroup]:
        try:
            answer = await self._asker.get(self._url)
        except AskError as error:
            raise LookError(str(error)) from error
        if answer.status != 200:
            raise LookError(f"server returned HTTP status {answer.status} {answer.reason}")
        if not _JSON.fullmatch(answer.content_type.strip()):
            raise LookError(f"unsupported content type {quoted(answer.content_type)}")
        try:
            if len(answer.body) < LONG_BYTES:
                return self._groups(answer.body)
            return await asyncio.to_thread(self._groups, answer.body)
        except TargetListError as error:
            raise LookError(str(error)) from error

    def _groups(self, body: bytes) -> Iterable[TargetGroup]:
        return as_groups(read_json(body), self._url, LABEL)

    async def wait(self, seconds: float) -> None:
        await sleep(seconds)

    async def close(self) -> None:
        """Close the connections to the endpoint."""
        await self._asker.close()


class HTTPDiscoverer(RefreshDiscoverer):
    """The discoverer of `http_sd_configs`."""

    def __init__(self, config: HTTPSDConfig, asker: Asker | None = None) -> None:
        self._endpoint = HTTPLooker(config, asker)
        super().__init__(self._endpoint)

    async def run(self, update: UpdateGroups) -> None:
        try:
            await super().run(update)
        except asyncio.CancelledError:
            # Only the end of a discoverer comes this way: after a fault it is run again, over the same client.
            await self._endpoint.close()
            raise
