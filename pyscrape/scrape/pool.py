"""The targets of one job: which loops run, which end, what was dropped or failed.

`plan` is pure. Acting on it starts and cancels tasks in the task group that the pools own. The series of a target
that went are kept until one more interval and a tenth have passed, as Prometheus does: a target that comes back by
then, or under another address with the same labels, goes on in the same series without a marker.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pyscrape.discovery.groups import TargetGroup
from pyscrape.model.labels import Labels
from pyscrape.scrape.failure import ScrapeFailure, advice_for
from pyscrape.scrape.interfaces import Columns, TableStore
from pyscrape.scrape.job import Job
from pyscrape.scrape.loop import Loop, Surroundings
from pyscrape.scrape.series import TargetSeries
from pyscrape.targets.groups import BuiltGroup
from pyscrape.targets.target import Dropped, Failed, Target

logger = logging.getLogger("pyscrape.scrape")

# Targets are built in slices, so that a reload of 20,000 does not hold up the scrapes.
SLICE_S = 0.01


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to change so that the wanted targets run: by key, those to start, to stop, to leave alone."""

    start: tuple[str, ...]
    stop: tuple[str, ...]
    keep: tuple[str, ...]


def plan(running: Iterable[str], wanted: Iterable[str]) -> Plan:
    """Compare what runs with what is wanted.

    >>> plan(["a", "b"], ["b", "c"])
    Plan(start=('c',), stop=('a',), keep=('b',))
    """
    have, want = dict.fromkeys(running), dict.fromkeys(wanted)
    return Plan(
        start=tuple(key for key in want if key not in have),
        stop=tuple(key for key in have if key not in want),
        keep=tuple(key for key in want if key in have),
    )


class Pause:
    """Lets others be served when a slice of work has taken long enough."""

    __slots__ = ("_clock", "_end_s")

    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self._end_s = self._clock() + SLICE_S

    async def __call__(self) -> None:
        if self._clock() > self._end_s:
            await asyncio.sleep(0)
            self._end_s = self._clock() + SLICE_S


@dataclass(slots=True, eq=False)
class Departed:
    """A loop whose target went, waiting for its markers."""

    loop: Loop
    task: asyncio.Task[None] | None = None


class Pool:
    """One job's loops."""

    def __init__(self, job: Job, store: TableStore, around: Surroundings) -> None:
        self.job = job
        self.loops: dict[str, Loop] = {}
        self.dropped: tuple[Dropped, ...] = ()
        self.dropped_count = 0
        self.failed: tuple[Failed, ...] = ()
        self.duplicates = 0
        self._store = store
        self._around = around
        self._built: dict[int, tuple[TargetGroup, BuiltGroup]] = {}
        self._departed: dict[Labels, Departed] = {}
        self._over_limit = False

    def __repr__(self) -> str:
        return f"Pool({self.job.name}, {len(self.loops)} targets)"

    @property
    def targets(self) -> list[Target]:
        """The targets that are scraped."""
        return [loop.target for loop in self.loops.values()]

    async def sync(self, groups: Sequence[TargetGroup]) -> None:
        """Make the loops those of the job's groups; a group object seen before is not built again."""
        built = await self._build(groups)
        wanted: dict[str, Target] = {}
        total = 0
        for group in built:
            total += len(group.targets)
            for target in group.targets:
                wanted.setdefault(target.key, target)
        self.duplicates = total - len(wanted)
        self._keep_rejected(built)
        await self._act(wanted)
        self._force_errors()
        self._around.stats.prometheus_target_scrape_pool_sync_total[self.job.name] += 1

    async def reload(self, job: Job, groups: Sequence[TargetGroup] | None) -> None:
        """Go on under changed settings: every loop starts anew, in its old series."""
        before, self.job = self.job, job
        self._around.tasks.create_task(before.client.aclose(), name=f"close {job.name}")
        keep_page = job.same_series(before)
        if groups is None:
            groups = [group for group, _ in self._built.values()]
        self._built = {}
        for key, loop in list(self.loops.items()):
            loop.stop()
            self.loops[key] = self._continue(loop, loop.target, keep_page=keep_page)
        await self.sync(groups)
        for loop in self.loops.values():
            if not loop.started:
                loop.start()

    def close(self, *, mark: bool) -> None:
        """Stop everything; with `mark` the series end by markers, without (shutdown) they just stop."""
        for loop in self.loops.values():
            loop.stop()
            if mark:
                self._depart(loop)
        self.loops = {}
        if mark:
            self._around.tasks.create_task(self.job.client.aclose(), name=f"close {self.job.name}")
        else:
            for departed in self._departed.values():
                if departed.task is not None:
                    departed.task.cancel()
            self._departed = {}

    # Building.

    async def _build(self, groups: Sequence[TargetGroup]) -> list[BuiltGroup]:
        pause = Pause()
        built: dict[int, tuple[TargetGroup, BuiltGroup]] = {}
        for group in groups:
            known = self._built.get(id(group))
            if known is None:
                steps = self.job.builder.steps(group)
                while True:
                    try:
                        next(steps)
                    except StopIteration as end:
                        known = (group, end.value)
                        break
                    await pause()
                self._log_failed(known[1].failed)
                await pause()
            built[id(group)] = known
        self._built = built
        return [made for _, made in built.values()]

    def _log_failed(self, failed: Sequence[Failed]) -> None:
        for target in failed:
            self._around.stats.prometheus_target_sync_failed_total[self.job.name] += 1
            logger.error("job %s: Creating target failed: %s", self.job.name, target)

    def _keep_rejected(self, built: Sequence[BuiltGroup]) -> None:
        limit = self.job.config.keep_dropped_targets
        dropped = [target for group in built for target in group.dropped]
        self.dropped_count = len(dropped)
        self.dropped = tuple(dropped[:limit] if limit else dropped)
        self.failed = tuple(target for group in built for target in group.failed)

    # Acting.

    async def _act(self, wanted: Mapping[str, Target]) -> None:
        decided = plan(self.loops, wanted)
        pause = Pause()
        for key in decided.stop:
            loop = self.loops.pop(key)
            loop.stop()
            self._depart(loop)
        for key in decided.keep:
            self._refresh(key, wanted[key])
        for key in decided.start:
            await pause()
            target = wanted[key]
            departed = self._departed.pop(target.labels, None)
            if departed is None:
                table = self._store.table(f"{self.job.name}/{target.key}")
                series = TargetSeries(
                    table, target.labels, self.job.rules_for(target), self.job.options_for(target)
                )
                loop = Loop(self.job, target, series, self._around)
            else:
                if departed.task is not None:
                    departed.task.cancel()
                loop = self._continue(
                    departed.loop, target, keep_page=departed.loop.job.same_series(self.job)
                )
            self.loops[key] = loop
            loop.start()

    def _refresh(self, key: str, target: Target) -> None:
        loop = self.loops[key]
        before, loop.target = loop.target, target
        if (before.interval, before.timeout) != (target.interval, target.timeout):
            loop.stop()
            self.loops[key] = self._continue(loop, target, keep_page=True)
            self.loops[key].start()

    def _continue(self, before: Loop, target: Target, *, keep_page: bool) -> Loop:
        """A loop for `target` that goes on in another's series."""
        before.series.rebase(
            self.job.rules_for(target), self.job.options_for(target), forget_page=not keep_page
        )
        return Loop(self.job, target, before.series, self._around, before=before, keep_page=keep_page)

    def _force_errors(self) -> None:
        limit, count = self.job.config.target_limit, len(self.loops)
        failure = None
        if limit and count > limit:
            self._around.stats.prometheus_target_scrape_pool_exceeded_target_limit_total += 1
            text = f"target_limit exceeded (number of targets: {count}, limit: {limit})"
            failure = ScrapeFailure(
                "target_limit", text, advice_for("target_limit", job=self.job.name, timeout="")
            )
        if failure is not None and not self._over_limit:
            logger.warning("job %s: %s; %s", self.job.name, failure.text, failure.advice)
        self._over_limit = failure is not None
        for loop in self.loops.values():
            loop.forced_error = failure

    # Departing.

    def _depart(self, loop: Loop) -> None:
        earlier = self._departed.pop(loop.target.labels, None)
        if earlier is not None and earlier.task is not None:
            # Two loops with equal labels: the one that went first ends now, in what the other does not have.
            earlier.task.cancel()
            earlier.loop.series.end(round(self._around.clock() * 1000), loop.series.columns)
        departed = self._departed[loop.target.labels] = Departed(loop)
        departed.task = self._around.tasks.create_task(
            self._end_series(departed), name=f"end {self.job.name} {loop.target.url}"
        )

    async def _end_series(self, departed: Departed) -> None:
        """Wait until a target that came back would have been scraped, then write the markers."""
        clock = asyncio.get_running_loop()
        loop = departed.loop
        interval_s = loop.target.interval.seconds
        tick_s = loop.next_tick_s
        stale_ms = round((self._around.clock() + tick_s - clock.time()) * 1000)
        await asyncio.sleep(tick_s - clock.time() + 1.1 * interval_s)
        if self._departed.get(loop.target.labels) is departed:
            del self._departed[loop.target.labels]
        loop.series.end(stale_ms, self._columns_of(loop.target.labels))

    def _columns_of(self, labels: Labels) -> Columns:
        """The columns that targets with these labels write now."""
        found = [loop.series.columns for loop in self.loops.values() if loop.target.labels == labels]
        return np.concatenate(found) if found else np.empty(0, np.int32)
