"""All jobs: one pool each, kept over reloads as long as its settings are the same.

`apply` takes a new list of scrape configs, `update` what discovery found for one job. Both are carried out one after
the other by `run`, which owns every task of the scraper; nothing is scraped before it runs or after it ended.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from pyscrape.discovery.groups import TargetGroup
from pyscrape.net.fetch import MakeTransport
from pyscrape.scrape.agenda import Agenda
from pyscrape.scrape.failure_log import FailureLog
from pyscrape.scrape.interfaces import ExemplarSink, TableStore
from pyscrape.scrape.job import Job
from pyscrape.scrape.loop import Loop, Surroundings
from pyscrape.scrape.pool import Pool
from pyscrape.scrape.schedule import offset_seed
from pyscrape.scrape.settings import ScrapeConfig
from pyscrape.scrape.stats import ScrapeStats


class ScrapePools:
    """The scraper. All methods belong to the event loop's thread.

    `store` gives tables; `clock` unix seconds. `transport` replaces the network in tests.
    """

    def __init__(
        self,
        store: TableStore,
        *,
        stats: ScrapeStats | None = None,
        exemplars: ExemplarSink | None = None,
        clock: Callable[[], float] = time.time,
        transport: MakeTransport | None = None,
    ) -> None:
        self.stats = stats or ScrapeStats()
        self.pools: dict[str, Pool] = {}
        self._store = store
        self._exemplars = exemplars
        self._clock = clock
        self._transport = transport
        self._around: Surroundings | None = None
        self._seed_labels: Mapping[str, str] | None = None
        self._updates: dict[str, Sequence[TargetGroup]] = {}
        self._wake = asyncio.Event()
        self._lock = asyncio.Lock()
        self._logs: dict[str, FailureLog] = {}
        self._started = asyncio.Event()

    @property
    def loops(self) -> Iterable[Loop]:
        """Every running loop, job by job."""
        return (loop for pool in self.pools.values() for loop in pool.loops.values())

    async def run(self) -> None:
        """Scrape until cancelled. A target's failure never ends this; a fault of the program does."""
        async with asyncio.TaskGroup() as tasks:
            agenda = Agenda()
            self._around = Surroundings(self.stats, self._clock, agenda, tasks, 0, self._exemplars)
            self._started.set()
            try:
                while True:
                    await self._wake.wait()
                    self._wake.clear()
                    while self._updates:
                        job = next(iter(self._updates))
                        groups = self._updates.pop(job)
                        async with self._lock:
                            if job in self.pools:
                                await self.pools[job].sync(groups)
            finally:
                agenda.close()
                for pool in self.pools.values():
                    pool.close(mark=False)
                    await pool.job.client.aclose()
                for log in self._logs.values():
                    log.close()

    async def apply(
        self,
        configs: Sequence[ScrapeConfig],
        groups: Mapping[str, Sequence[TargetGroup]] | None = None,
        *,
        external_labels: Mapping[str, str] | None = None,
    ) -> None:
        """Make the pools those of `configs`; unchanged ones go on untouched. Waits until `run` has started.

        `groups`: targets by job where they are known already; a kept pool without an entry keeps its targets.
        """
        await self._started.wait()
        for log in self._logs.values():
            log.reopen()
        wanted = {config.job_name: config for config in configs}
        async with self._lock:
            around = self._with_seed(external_labels or {})
            # All of them before anything changes: one that cannot be made leaves everything as it was.
            jobs = {
                name: self._make_job(config)
                for name, config in wanted.items()
                if name not in self.pools or self.pools[name].job.config != config
            }
            for name in [name for name in self.pools if name not in wanted]:
                self.pools.pop(name).close(mark=True)
            for name in wanted:
                given = (groups or {}).get(name)
                pool = self.pools.get(name)
                if pool is None:
                    pool = self.pools[name] = Pool(jobs[name], self._store, around)
                    self.stats.prometheus_target_scrape_pools_total += 1
                    if given is not None:
                        await pool.sync(given)
                elif name in jobs:
                    self.stats.prometheus_target_scrape_pool_reloads_total += 1
                    await pool.reload(jobs[name], given)
                elif given is not None:
                    await pool.sync(given)
            self._close_unused_logs()

    def update(self, job: str, groups: Sequence[TargetGroup]) -> None:
        """Note what discovery found for a job (all of its groups); `run` acts on it."""
        self._updates[job] = groups
        self._wake.set()

    def _make_job(self, config: ScrapeConfig) -> Job:
        job = Job(config, transport=self._transport)
        path = config.scrape_failure_log_file
        if path:
            if path not in self._logs:
                self._logs[path] = FailureLog(path)
            job.failure_log = self._logs[path]
        return job

    def _close_unused_logs(self) -> None:
        used = {pool.job.config.scrape_failure_log_file for pool in self.pools.values()}
        for path in [path for path in self._logs if path not in used]:
            self._logs.pop(path).close()

    def _with_seed(self, labels: Mapping[str, str]) -> Surroundings:
        """What loops share; new external labels move first scrapes of the pools that are made from now on."""
        assert self._around is not None
        if self._seed_labels is None or dict(labels) != dict(self._seed_labels):
            self._seed_labels = dict(labels)
            self._around = replace(self._around, seed=offset_seed(labels))
        return self._around
