"""The loop of one target: wait for the tick, fetch, read, append; every failure becomes a row of markers and a status.

The loop decides little. When to scrape is `schedule`'s, what a failure means `failure`'s, what becomes of samples
`series`'. A page's own fault never ends the loop; only cancellation does, and the owner then ends the series.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from pyscrape.exposition.errors import ParseError
from pyscrape.exposition.negotiation import ContentTypeError
from pyscrape.exposition.page import PageReader, Row
from pyscrape.model.labels import Labels
from pyscrape.net.errors import ExchangeError
from pyscrape.net.fetch import Body, Fetcher
from pyscrape.scrape.failure import (
    ScrapeFailure,
    ScrapeRefusedError,
    advice_for,
    failure_of_exchange,
    failure_of_status,
)
from pyscrape.scrape.interfaces import ExemplarSink
from pyscrape.scrape.job import Job
from pyscrape.scrape.metadata import MetadataCache
from pyscrape.scrape.report import Report
from pyscrape.scrape.schedule import first_delay_s, next_tick, sample_time_ms
from pyscrape.scrape.series import NO_TIME, Accounting, TargetSeries
from pyscrape.scrape.stats import LATENESS_BOUNDS_S, ScrapeStats
from pyscrape.scrape.status import DOWN, UP, TargetStatus
from pyscrape.targets.target import Target

logger = logging.getLogger("pyscrape.scrape")

# A first page of this size is read in a thread: it has no layout to compare with and would hold up other targets.
READ_ASIDE_BYTES = 1 << 20

# Failures of a page that could be read: the series before the one that was refused are on it.
REFUSED_SERIES = frozenset(("limit", "invalid_series"))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all loops share. `clock`: unix seconds; `seed`: spreads replicas (see `schedule.offset_seed`)."""

    stats: ScrapeStats
    clock: Callable[[], float]
    seed: int = 0
    exemplars: ExemplarSink | None = None


class Loop:
    """Scrapes one target until it is cancelled."""

    __slots__ = (
        "_around",
        "_fetcher",
        "_first_s",
        "_first_wall_s",
        "_reader",
        "_reading_aside",
        "_warned",
        "forced_error",
        "job",
        "metadata",
        "series",
        "status",
        "target",
        "task",
    )

    _reader: PageReader
    _reading_aside: bool
    metadata: MetadataCache
    status: TargetStatus

    def __init__(
        self,
        job: Job,
        target: Target,
        series: TargetSeries,
        around: Surroundings,
        *,
        before: "Loop | None" = None,
        keep_page: bool = False,
    ) -> None:
        self.job = job
        self.target = target
        self.series = series
        self.task: asyncio.Task[None] | None = None
        # Set by the pool: every scrape fails with it and nothing is asked of the target.
        self.forced_error: ScrapeFailure | None = None
        self._around = around
        self._fetcher: Fetcher = job.fetcher(target)
        self._first_s = 0.0
        self._first_wall_s = 0.0
        self._warned = ""
        # A reader that a thread still works on cannot be taken over.
        kept = before is not None and keep_page and not before._reading_aside
        self._reader = before._reader if before is not None and kept else PageReader()
        self._reading_aside = False
        self.metadata = before.metadata if before is not None else MetadataCache()
        self.status = before.status if before is not None else TargetStatus()

    def __repr__(self) -> str:
        return f"Loop({self.job.name}, {self.target.url}, {self.status.health})"

    @property
    def next_tick_s(self) -> float:
        """Loop time of the next scrape, were the loop to go on."""
        interval_s = self.target.interval.seconds
        now_s = asyncio.get_running_loop().time()
        if not self._first_s:
            return now_s
        return self._first_s + (int((now_s - self._first_s) // interval_s) + 1) * interval_s

    async def run(self) -> None:
        """Scrape on schedule, for ever."""
        loop = asyncio.get_running_loop()
        interval_s = self.target.interval.seconds
        wall_s = self._around.clock()
        delay_s = first_delay_s(self.target.hash, self._around.seed, interval_s, wall_s)
        first_s = self._first_s = loop.time() + delay_s
        self._first_wall_s = wall_s + delay_s
        tick = 0
        try:
            while True:
                due_s = first_s + tick * interval_s
                if (wait_s := due_s - loop.time()) > 0:
                    await asyncio.sleep(wait_s)
                await self._scrape(due_s, tick)
                following = next_tick(tick, first_s, interval_s, loop.time())
                self._around.stats.pyscrape_scrapes_missed_total += following - tick - 1
                tick = following
        finally:
            self._fetcher.close()

    async def _scrape(self, due_s: float, tick: int) -> None:
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        late_s = start_s - due_s
        interval_s = self.target.interval.seconds
        aligned_s = self._first_wall_s + tick * interval_s
        at_ms = sample_time_ms(aligned_s, aligned_s + late_s, interval_s)
        self._count_lateness(late_s)
        report = Report(up=False)
        failure = self.forced_error
        if failure is None:
            failure = await self._attempt(start_s, at_ms, report)
        if failure is not None:
            report.up = False
            report.duration_s = loop.time() - start_s
            report.body_bytes = -1 if failure.reason == "body_limit" else 0
            if failure.reason in REFUSED_SERIES:
                self.series.append_refused(at_ms, report)
            else:
                self.series.append_without_page(at_ms, report)
        self._note(failure, report, at_ms / 1000)

    async def _attempt(self, start_s: float, at_ms: int, report: Report) -> ScrapeFailure | None:
        """Fetch, read and append one page; the failure where that did not come about."""
        job, target = self.job, self.target
        timeout = str(target.timeout)
        try:
            body = await self._fetcher.fetch(start_s + target.timeout.seconds, job.body_limit)
        except ExchangeError as error:
            return failure_of_exchange(error, target.url, job=job.name, timeout=timeout)
        refusal = failure_of_status(body, job=job.name, timeout=timeout)
        if refusal is not None:
            return refusal
        try:
            await self._take(body, start_s, at_ms, report)
        except ContentTypeError as error:
            reason, text = "content_type", str(error)
        except ParseError as error:
            reason, text = "parse", str(error)
            report.scraped = count_samples(body.content, error.position)
        except ScrapeRefusedError as error:
            reason, text = error.reason, error.text
        except Exception as error:
            logger.exception("job %s, target %s: cannot take the page", job.name, target.url)
            reason, text = "internal", f"{type(error).__name__}: {error}"
        else:
            return None
        return ScrapeFailure(reason, text, advice_for(reason, job=job.name, timeout=timeout))

    async def _take(self, body: Body, start_s: float, at_ms: int, report: Report) -> None:
        """Read a page and append it. Raises what a page can be refused by."""
        loop = asyncio.get_running_loop()
        content = body.content
        content_type = self.job.format_of(body.content_type)
        report.body_bytes = len(content)
        report.up = True
        if not content:
            # Prometheus takes an empty page for a good scrape after which nothing is there.
            report.duration_s = loop.time() - start_s
            self.series.append_without_page(at_ms, report)
            return
        if len(content) >= READ_ASIDE_BYTES and not self.series.live:
            self._reading_aside = True
            row = await loop.run_in_executor(None, self._reader.feed, content, content_type)
            self._reading_aside = False
        else:
            row = self._reader.feed(content, content_type)
        for _ in self.series.bind(row.layout):
            await asyncio.sleep(0)
        report.duration_s = loop.time() - start_s
        found = self.series.ingest(row, at_ms, report)
        if found.duplicates or found.out_of_order or found.out_of_bounds or self._warned:
            self._note_lost(found)
        self.metadata.update(row.metadata)
        if row.exemplars:
            self._keep_exemplars(row, at_ms)
        stats = self._around.stats
        stats.pyscrape_scrape_samples_total += report.kept
        stats.pyscrape_scrape_body_bytes_total += len(content)

    # Bookkeeping.

    def _count_lateness(self, late_s: float) -> None:
        stats = self._around.stats
        stats.pyscrape_scrapes_total += 1
        stats.pyscrape_scrape_lateness_seconds_sum += late_s
        place = 0
        for bound in LATENESS_BOUNDS_S:
            if late_s <= bound:
                break
            place += 1
        stats.pyscrape_scrape_lateness_buckets[place] += 1

    def _note(self, failure: ScrapeFailure | None, report: Report, at_s: float) -> None:
        status = self.status
        status.last_scrape_s = at_s
        status.last_duration_s = report.duration_s
        status.scraped, status.kept, status.added = report.scraped, report.kept, report.added
        status.body_bytes = report.body_bytes
        status.series = self.series.live
        status.scrapes += 1
        if failure is None:
            if status.health == DOWN:
                logger.info("job %s, target %s: up again", self.job.name, self.target.url)
            status.health, status.last_error, status.reason, status.advice = UP, "", "", ""
            return
        changed = status.health != DOWN or status.reason != failure.reason
        status.health, status.last_error = DOWN, failure.text
        status.reason, status.advice = failure.reason, failure.advice
        status.failures += 1
        stats = self._around.stats
        stats.pyscrape_scrape_failures_total[failure.reason] += 1
        if failure.reason == "body_limit":
            stats.prometheus_target_scrapes_exceeded_body_size_limit_total += 1
        elif failure.text == "sample limit exceeded":
            stats.prometheus_target_scrapes_exceeded_sample_limit_total += 1
        elif failure.reason == "limit":
            stats.prometheus_target_scrape_pool_exceeded_label_limits_total += 1
        if changed:
            logger.warning(
                "job %s, target %s: scrape failed (%s): %s%s",
                self.job.name,
                self.target.url,
                failure.reason,
                failure.text,
                f"; {failure.advice}" if failure.advice else "",
            )
        if self.job.failure_log is not None:
            self.job.failure_log.write(
                job=self.job.name,
                target=self.target.url,
                reason=failure.reason,
                error=failure.text,
                at_s=self._around.clock(),
            )

    def _note_lost(self, found: Accounting) -> None:
        stats = self._around.stats
        stats.prometheus_target_scrapes_sample_duplicate_timestamp_total += found.duplicates
        stats.prometheus_target_scrapes_sample_out_of_order_total += found.out_of_order
        stats.prometheus_target_scrapes_sample_out_of_bounds_total += found.out_of_bounds
        texts = [
            (found.out_of_order, "Error on ingesting out-of-order samples"),
            (found.duplicates, "Error on ingesting samples with different value but same timestamp"),
            (
                found.out_of_bounds,
                "Error on ingesting samples that are too old or are too far into the future",
            ),
        ]
        kinds = "".join("x" if count else "-" for count, _ in texts)
        if kinds != self._warned:
            for count, text in texts:
                if count:
                    logger.warning(
                        "job %s, target %s: %s, num_dropped=%d", self.job.name, self.target.url, text, count
                    )
        self._warned = kinds.replace("-", "") and kinds

    def _keep_exemplars(self, row: Row, at_ms: int) -> None:
        sink = self._around.exemplars
        if sink is None:
            return
        stats = self._around.stats
        for sample, exemplar in row.exemplars:
            labels = self.series.stored_labels(sample)
            if labels is None:
                continue
            own_ms = exemplar.timestamp_ms
            if own_ms is None:
                own_ms = at_ms
                if row.times_ms is not None and row.times_ms[sample] != NO_TIME:
                    own_ms = int(row.times_ms[sample])
            kept = sink.add(
                Labels(labels), exemplar.labels, exemplar.value, own_ms, exemplar.timestamp_ms is not None
            )
            if not kept:
                stats.prometheus_target_scrapes_exemplar_out_of_order_total += 1


def count_samples(body: bytes, position: int) -> int:
    """How many samples a page has before the line that `position` is in."""
    start = body.rfind(b"\n", 0, position) + 1
    lines = body[:start].split(b"\n")
    return sum(1 for line in lines if (text := line.strip()) and not text.startswith(b"#"))
