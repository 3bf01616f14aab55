"""One request to a remote write endpoint, again until it is taken or refused for good.

Source: the Prometheus Remote-Write 1.0 specification, "Retries & Backoff": network errors and 5xx are retried, 429
where asked for, Retry-After is honoured; any other status drops the request.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from pyscrape.net.ask import Asker, AskError, Reply
from pyscrape.net.urls import redacted_url
from pyscrape.remote.protocol import HEADERS
from pyscrape.remote.settings import RemoteWriteConfig
from pyscrape.remote.waves import Request

logger = logging.getLogger("pyscrape.remote")

# However long a receiver asks to be left alone: its operator would not want a typing error to last for days.
LONGEST_WAIT_S = 3600.0
MOST_CAUSES = 100


@dataclass(slots=True)
class SendStats:
    """Counts since the start, named as Prometheus' metrics without their prefix."""

    samples_total: int = 0
    samples_failed_total: int = 0
    samples_retried_total: int = 0
    samples_dropped_total: int = 0
    exemplars_total: int = 0
    exemplars_failed_total: int = 0
    exemplars_retried_total: int = 0
    exemplars_dropped_total: int = 0
    metadata_total: int = 0
    metadata_failed_total: int = 0
    bytes_total: int = 0
    requests_total: int = 0
    last_error: str = ""
    refused: Counter[str] = field(default_factory=Counter)


def retry_after_s(text: str, now_s: float) -> float:
    """Seconds of a Retry-After header, 0 where it says nothing: a number, or a date.

    >>> retry_after_s("3", 0.0), retry_after_s("soon", 0.0)
    (3.0, 0.0)
    """
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_WAIT_S)
    try:
        return min(max(0.0, parsedate_to_datetime(text).timestamp() - now_s), LONGEST_WAIT_S)
    except (ValueError, OverflowError):
        return 0.0


class Written(NamedTuple):
    """How much of a request a receiver has written; `taken`: it answered with 2xx."""

    taken: bool
    samples: int
    exemplars: int


NOTHING = Written(False, 0, 0)


def written_of(reply: Reply, request: Request) -> Written:
    """What the headers of a 2.0 response say; a header that is absent, or no number, means none.

    More than was asked for cannot have been written of it.
    """

    def count(kind: str, most: int) -> int:
        text = reply.headers.get(f"x-prometheus-remote-write-{kind}-written", "")
        return min(int(text), most) if text.isascii() and text.isdigit() and len(text) < 20 else 0

    taken = reply.status // 100 == 2
    return Written(taken, count("samples", request.samples), count("exemplars", request.exemplars))


class Endpoint:
    """Sends requests to one endpoint."""

    def __init__(
        self,
        config: RemoteWriteConfig,
        stats: SendStats,
        clock: Callable[[], float],
        asker: Asker | None = None,
    ) -> None:
        self._config = config
        self._queue = config.queue_config
        self._stats = stats
        self._clock = clock
        # Whether the last request could not be sent and is tried again.
        self.away = False
        self._url = redacted_url(config.url)
        headers = list(config.headers.items())
        self._asker = asker or Asker(config.http, headers=headers, timeout_s=config.remote_timeout.seconds)

    async def send(self, request: Request, stale: Callable[[], bool] = bool) -> Written | None:
        """Send a request until it is taken or refused for good; what the receiver wrote of it.

        `stale` is asked before each attempt whether it has become too old; None when it has.
        """
        backoff_s = self._queue.min_backoff.seconds
        attempt = 0
        while not stale():
            wait_s = 0.0
            try:
                reply = await self._asker.post(
                    self._config.url, request.body, attempt, HEADERS[request.version]
                )
            except AskError as error:
                problem = str(error).replace(self._config.url, self._url)
            else:
                if reply.status // 100 == 2:
                    self._stats.requests_total += 1
                    self._stats.bytes_total += len(request.body)
                    self._recovered()
                    return self._accepted(request, reply)
                problem = _describe(reply)
                if not self._worth_another(reply.status):
                    self.away = False
                    written = written_of(reply, request) if request.version == 2 else NOTHING
                    self._refused(problem, request.samples - written.samples)
                    return written
                wait_s = retry_after_s(reply.headers.get("retry-after", ""), self._clock())
            self._failed(problem, request)
            attempt += 1
            wait_s = wait_s or backoff_s
            await asyncio.sleep(wait_s)
            backoff_s = min(2 * wait_s, self._queue.max_backoff.seconds)
        return None

    def _accepted(self, request: Request, reply: Reply) -> Written:
        """What was written of a request that is answered with 2xx; 2.0 wants it said in headers."""
        if request.version == 1:
            return Written(True, request.samples, request.exemplars)
        written = written_of(reply, request)
        if request.samples and not written.samples and not written.exemplars:
            problem = (
                f"sent v2 request with {request.samples} samples; got {reply.status}, but the response's headers say "
                "that nothing was written: the target may know prometheus.WriteRequest only"
            )
            self._refused(problem, request.samples)
        return written

    def _failed(self, problem: str, request: Request) -> None:
        every = self._config.failed_request_logging
        if every or not self.away or self._stats.last_error != problem:
            extra = {"remote": self._config.name, "url": self._url, "err": problem}
            logger.warning("Failed to send batch, retrying", extra=extra)
        self.away = True
        self._stats.last_error = problem
        self._stats.samples_retried_total += request.samples
        self._stats.exemplars_retried_total += request.exemplars

    def _recovered(self) -> None:
        if self.away:
            logger.info(
                "Sending to remote storage again", extra={"remote": self._config.name, "url": self._url}
            )
        self.away = False
        self._stats.last_error = ""

    def _worth_another(self, status: int) -> bool:
        return status // 100 == 5 or (status == 429 and self._queue.retry_on_http_429)

    def _refused(self, problem: str, samples: int) -> None:
        self._stats.last_error = problem
        known = problem in self._stats.refused
        # A receiver that never says the same twice would fill the log, and memory.
        counted = known or len(self._stats.refused) < MOST_CAUSES
        if self._config.failed_request_logging or (counted and not known):
            extra = {"remote": self._config.name, "url": self._url, "count": samples, "err": problem}
            logger.error("non-recoverable error", extra=extra)
        if counted:
            self._stats.refused[problem] += samples

    async def close(self) -> None:
        await self._asker.close()


def _describe(reply: Reply) -> str:
    text = reply.body[:256].decode(errors="replace").split("\n", 1)[0]
    return f"server returned HTTP status {reply.status} {reply.reason}: {text}"
