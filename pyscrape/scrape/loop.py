"""The loop of one target: at each tick ask, read, append; every failure becomes a row of markers and a status.

There are two ways through a scrape. The plain one is a coroutine: connect, follow redirects, read files, bind the
series of a new page in slices. The short one serves a target that answers as it did before: the request goes out on
the kept connection straight from the agenda's wake-up, and the page is appended straight from the read, with no task
and no future in between (benchmarks/scrape_loop.py; tests/scrape/test_ways.py holds one to the other). Whatever is
not ordinary about a scrape goes the plain way.

When to scrape is decided in `schedule`, what a failure means in `failure`, what becomes of samples in `series`. A
page's own fault never ends the loop.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field

from pyscrape.exposition.errors import ParseError
from pyscrape.exposition.negotiation import ContentTypeError
from pyscrape.exposition.page import Row
from pyscrape.net.connection import Connection, Reply
from pyscrape.net.errors import ExchangeError
from pyscrape.net.fetch import REDIRECTS, Fetcher
from pyscrape.net.transport import expire
from pyscrape.scrape.agenda import Agenda
from pyscrape.scrape.failure import (
    ScrapeFailure,
    ScrapeRefusedError,
    advice_for,
    failure_of_exchange,
    failure_of_status,
)
from pyscrape.scrape.intake import Intake
from pyscrape.scrape.interfaces import ExemplarSink
from pyscrape.scrape.job import Job
from pyscrape.scrape.metadata import MetadataCache
from pyscrape.scrape.report import Report
from pyscrape.scrape.schedule import first_delay_s, next_tick, sample_time_ms
from pyscrape.scrape.series import TargetSeries
from pyscrape.scrape.stats import ScrapeStats
from pyscrape.scrape.status import DOWN, UP, TargetStatus
from pyscrape.targets.target import Target

logger = logging.getLogger("pyscrape.scrape")

# A first page of this size is read in a thread: it has no layout to compare with and would hold up other targets.
READ_ASIDE_BYTES = 1 << 20
# So is every page of this size after one that had to be read token by token, for its form or its mistakes.
READ_PLAIN_ASIDE_BYTES = 1 << 16

# Pages with so many new series take turns: what is made of their labels on the way would be in memory for all targets
# of a start at once, and leave holes there (5 MB of 112 with 20 targets of 5,000 series). Fewer are bound in one step;
# who waited for more might miss a scrape.
TAKES_TURNS = range(4_097, 50_001)

# Failures of a page that could be read, at least in part: the series before the mistake are on it.
REFUSED_SERIES = frozenset(("parse", "limit", "invalid_series"))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all loops share. `clock`: unix seconds; `seed`: spreads replicas (see `schedule.offset_seed`)."""

    stats: ScrapeStats
    clock: Callable[[], float]
    agenda: Agenda
    tasks: asyncio.TaskGroup
    seed: int = 0
    exemplars: ExemplarSink | None = None
    turns: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True, eq=False)
class Scrape:
    """One scrape under way. `start_s` is loop time, `at_ms` the timestamp of its samples."""

    tick: int
    start_s: float
    at_ms: int
    report: Report


class Loop:
    """Scrapes one target from `start` to `stop`."""

    __slots__ = (
        "_around",
        "_aside",
        "_clock",
        "_connection",
        "_fetcher",
        "_first_s",
        "_first_wall_s",
        "_interval_s",
        "_scrape",
        "_stopped",
        "_task",
        "_timeout_s",
        "forced_error",
        "intake",
        "job",
        "started",
        "status",
        "target",
    )

    intake: Intake
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
        # Set by the pool: every scrape fails with it and nothing is asked of the target.
        self.forced_error: ScrapeFailure | None = None
        self.started = False
        self._around = around
        self._clock = asyncio.get_running_loop().time
        self._interval_s = target.interval.seconds
        self._timeout_s = target.timeout.seconds
        self._fetcher: Fetcher = job.fetcher(target)
        self._first_s = 0.0
        self._first_wall_s = 0.0
        self._stopped = False
        self._scrape: Scrape | None = None
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None
        # Whether a thread reads a page: its reader cannot be taken over then.
        self._aside = False
        name = f"job {job.name}, target {target.url}"
        if before is None:
            self.intake = Intake(name, series, around.stats, around.exemplars)
            self.status = TargetStatus()
        else:
            self.intake = before.intake.continued(name, keep_page=keep_page and not before._aside)
            self.status = before.status

    def __repr__(self) -> str:
        return f"Loop({self.job.name}, {self.target.url}, {self.status.health})"

    @property
    def series(self) -> TargetSeries:
        """The target's series."""
        return self.intake.series

    @property
    def metadata(self) -> MetadataCache:
        """What the target's pages say about their families."""
        return self.intake.metadata

    @property
    def next_tick_s(self) -> float:
        """Loop time of the next scrape, were the loop to go on."""
        now_s = self._clock()
        if not self.started:
            return now_s
        return self._first_s + (int((now_s - self._first_s) // self._interval_s) + 1) * self._interval_s

    def start(self) -> None:
        """Begin at the target's place in the interval."""
        wall_s = self._around.clock()
        delay_s = first_delay_s(self.target.hash, self._around.seed, self._interval_s, wall_s)
        self._first_s = self._clock() + delay_s
        self._first_wall_s = wall_s + delay_s
        self.started = True
        self._around.agenda.add(self._first_s, self, 0)

    def stop(self) -> None:
        """Scrape no more; a scrape under way is given up, and nothing of it is stored."""
        self._stopped = True
        self._scrape = None
        if self._task is not None:
            self._task.cancel()
        if self._connection is not None:
            self._connection.close()
        self._fetcher.close()

    # The agenda's side: even tokens are ticks, odd ones deadlines.

    def wants(self, token: int) -> bool:
        """Whether a tick or a deadline still matters."""
        if token & 1:
            return (
                self._connection is not None and self._scrape is not None and self._scrape.tick == token >> 1
            )
        return not self._stopped

    def due(self, token: int, at_s: float) -> None:
        """A tick begins a scrape, a deadline ends one."""
        if token & 1:
            assert self._connection is not None
            expire(self._connection)
        else:
            self._begin(token >> 1, at_s)

    # One scrape.

    def _begin(self, tick: int, due_s: float) -> None:
        now_s = self._clock()
        late_s = now_s - due_s
        aligned_s = self._first_wall_s + tick * self._interval_s
        at_ms = sample_time_ms(aligned_s, aligned_s + late_s, self._interval_s)
        self._around.stats.pyscrape_scrapes_total += 1
        self._around.stats.pyscrape_scrape_lateness_seconds.count(late_s)
        scrape = self._scrape = Scrape(tick, now_s, at_ms, Report(False))
        if self.forced_error is not None:
            self._end(scrape, self.forced_error)
            return
        self._connection = self._fetcher.begin(self.job.body_limit, self._answered)
        if self._connection is None:
            self._go_plainly(scrape)
        else:
            self._around.agenda.add(now_s + self._timeout_s, self, tick << 1 | 1)

    def _go_plainly(self, scrape: Scrape) -> None:
        self._spawn(self._fetch_and_take(scrape))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        name = f"scrape {self.job.name} {self.target.url}"
        self._task = self._around.tasks.create_task(work, name=name)

    def _answered(self, reply: Reply | None, error: ExchangeError | None) -> None:
        """The short way: the kept connection gave an answer, or failed."""
        connection, self._connection = self._connection, None
        scrape = self._scrape
        if scrape is None or connection is None:
            return  # stopped meanwhile
        if reply is not None:
            self._fetcher.finish(connection)
            if reply.status == 200:
                self._take_at_once(scrape, reply)
                return
        if (reply is not None and reply.status in REDIRECTS) or (error is not None and error.retry):
            self._go_plainly(scrape)
        else:
            self._end(scrape, self._failure(reply, error))

    def _failure(self, reply: Reply | None, error: ExchangeError | None) -> ScrapeFailure | None:
        job, timeout = self.job.name, str(self.target.timeout)
        if error is not None:
            return failure_of_exchange(error, self.target.url, job=job, timeout=timeout)
        assert reply is not None
        return failure_of_status(reply.status, reply.phrase, reply.body, job=job, timeout=timeout)

    def _take_at_once(self, scrape: Scrape, reply: Reply) -> None:
        content_type, content = reply.header(b"content-type"), reply.body
        if self._reads_aside(content):
            self._spawn(self._take_slowly(scrape, content, content_type))
            return
        try:
            row = self._read(scrape, content, content_type)
            if row is not None and not self.series.bound(row.layout):
                steps = self.intake.bind(row)
                if len(row.layout.births) in TAKES_TURNS or next(steps, self) is None:
                    self._spawn(self._bind_slowly(scrape, row, steps))
                    return
            self._append(scrape, row)
        except Exception as error:
            self._end(scrape, self._refusal(scrape, error))
        else:
            self._end(scrape, None)

    def _reads_aside(self, content: bytes) -> bool:
        """Whether reading this page would hold up other targets for longer than a thread costs."""
        if len(content) < READ_PLAIN_ASIDE_BYTES:
            return False
        if self.intake.reader.plain:
            return True
        return len(content) >= READ_ASIDE_BYTES and not self.series.live

    async def _fetch_and_take(self, scrape: Scrape) -> None:
        """The plain way."""
        try:
            deadline_s = scrape.start_s + self._timeout_s
            body = await self._fetcher.fetch(deadline_s, self.job.body_limit)
        except ExchangeError as error:
            self._end(scrape, self._failure(None, error))
            return
        except Exception as error:
            self._end(scrape, self._refusal(scrape, error))
            return
        timeout = str(self.target.timeout)
        failure = failure_of_status(
            body.status, body.phrase, body.content, job=self.job.name, timeout=timeout
        )
        if failure is not None:
            self._end(scrape, failure)
        else:
            await self._take_slowly(scrape, body.content, body.content_type)

    async def _take_slowly(self, scrape: Scrape, content: bytes, content_type: str | None) -> None:
        try:
            if self._reads_aside(content):
                self._aside = True
                row = await asyncio.to_thread(self._read, scrape, content, content_type)
                self._aside = False
            else:
                row = self._read(scrape, content, content_type)
        except Exception as error:
            self._aside = False
            self._end(scrape, self._refusal(scrape, error))
            return
        await self._bind_slowly(scrape, row, iter(()) if row is None else self.intake.bind(row))

    async def _bind_slowly(self, scrape: Scrape, row: Row | None, steps: Iterator[None]) -> None:
        waits = row is not None and len(row.layout.births) in TAKES_TURNS
        try:
            async with self._around.turns if waits else nullcontext():
                for _ in steps:
                    await asyncio.sleep(0)
                self._append(scrape, row)
        except Exception as error:
            self._end(scrape, self._refusal(scrape, error))
        else:
            self._end(scrape, None)

    def _read(self, scrape: Scrape, content: bytes, content_type: str | None) -> Row | None:
        """The page as a row, None for an empty one."""
        canonical = self.job.format_of(content_type)
        scrape.report.body_bytes = len(content)
        return self.intake.reader.feed(content, canonical) if content else None

    def _append(self, scrape: Scrape, row: Row | None) -> None:
        report = scrape.report
        report.up = True
        report.duration_s = self._clock() - scrape.start_s
        if row is None:
            # Prometheus takes an empty page for a good scrape after which nothing is there.
            self.series.append_without_page(scrape.at_ms, report)
        else:
            self.intake.append(row, scrape.at_ms, report)

    def _refusal(self, scrape: Scrape, error: Exception) -> ScrapeFailure:
        """What an exception means for the scrape; one that is no fault of the target or its page is logged whole."""
        if isinstance(error, ParseError):
            earlier = self.intake.judge(scrape.report)
            error = error if earlier is None else earlier
        if isinstance(error, ContentTypeError):
            reason, text = "content_type", str(error)
        elif isinstance(error, ParseError):
            reason, text = "parse", str(error)
        elif isinstance(error, ScrapeRefusedError):
            reason, text = error.reason, error.text
        else:
            logger.error(
                "job %s, target %s: a scrape met a fault of pyscrape",
                self.job.name,
                self.target.url,
                exc_info=error,
            )
            reason, text = "internal", f"{type(error).__name__}: {error}"
        advice = advice_for(reason, job=self.job.name, timeout=str(self.target.timeout))
        return ScrapeFailure(reason, text, advice)

    def _end(self, scrape: Scrape, failure: ScrapeFailure | None) -> None:
        """Store what a failure leaves, note how it went, wait for the next tick."""
        report = scrape.report
        if failure is not None:
            report.up = False
            report.duration_s = self._clock() - scrape.start_s
            report.body_bytes = -1 if failure.reason == "body_limit" else 0
            if failure.reason in REFUSED_SERIES:
                self.series.append_refused(scrape.at_ms, report)
            else:
                self.series.append_without_page(scrape.at_ms, report)
        self._note(failure, report, scrape.at_ms / 1000)
        self._scrape = self._task = None
        if self._stopped:
            return
        following = next_tick(scrape.tick, self._first_s, self._interval_s, self._clock())
        self._around.stats.pyscrape_scrapes_missed_total += following - scrape.tick - 1
        self._around.agenda.add(self._first_s + following * self._interval_s, self, following << 1)

    # Bookkeeping.

    def _note(self, failure: ScrapeFailure | None, report: Report, at_s: float) -> None:
        status = self.status
        status.last_scrape_s = at_s
        status.last_duration_s = report.duration_s
        status.scraped, status.kept, status.added = report.scraped, report.kept, report.added
        status.body_bytes = report.body_bytes
        status.series = self.series.live
        status.scrapes += 1
        if failure is None:
            if status.health != UP:
                if status.health == DOWN and status.reason != "target_limit":
                    logger.info("job %s, target %s: up again", self.job.name, self.target.url)
                status.health, status.last_error, status.reason, status.advice = UP, "", "", ""
            return
        changed = status.health != DOWN or status.reason != failure.reason
        status.health, status.last_error = DOWN, failure.text
        status.reason, status.advice = failure.reason, failure.advice
        status.failures += 1
        self._around.stats.count_failure(failure)
        if changed and failure is not self.forced_error:  # the pool says that once for all
            advice = f"; {failure.advice}" if failure.advice else ""
            logger.warning(
                "job %s, target %s: scrape failed (%s): %s%s",
                self.job.name, self.target.url, failure.reason, failure.text, advice,
            )  # fmt: skip
        if self.job.failure_log is not None:
            self.job.failure_log.write(
                job=self.job.name,
                target=self.target.url,
                reason=failure.reason,
                error=failure.text,
                at_s=self._around.clock(),
            )
