"""Runs the discoverers that a configuration asks for and merges what they find, per job.

Jobs with equal discovery configs share one discoverer, and a reload keeps every discoverer whose config is still
asked for, with all it knows. Groups are merged per (discoverer, source); a discoverer that fails keeps its groups,
until what it first hands over when it runs again takes their place.
One that cannot be made, or whose `run` raises, is reported as failing and tried again after `RESTART_S`: neither ends
the others, the reload or the process.
Changes are handed over per job and coalesced: the first change of a quiet job goes out after `QUIET_DELAY_S`, a job
that changes all the time at most once in `BUSY_INTERVAL_S`.

What is decided (`plan`) is a pure function of what runs and what is wanted; the rest owns tasks.
"""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pyscrape.discovery.groups import Discoverer, DiscoveryStatus, TargetGroup, UpdateGroups

logger = logging.getLogger("pyscrape.discovery")

QUIET_DELAY_S = 0.02
BUSY_INTERVAL_S = 0.5
RESTART_S = 5.0

DeliverGroups = Callable[[str, Sequence[TargetGroup]], None]
"""Called with a job's name and all of its groups; an empty sequence means: nothing found (any more)."""


class JobDiscovery(Protocol):
    """What a job asks of discovery: its groups that never change, and the configs of its discoverers."""

    @property
    def static(self) -> Sequence[TargetGroup]: ...

    @property
    def configs(self) -> Sequence[object]: ...


@dataclass(frozen=True, slots=True)
class WantedJob:
    """The plain `JobDiscovery`."""

    static: tuple[TargetGroup, ...]
    configs: tuple[object, ...]


class Unmade:
    """Stands for a discoverer that could not be made (a plugin raises, a CA file is missing): it only has a status."""

    def __init__(self, config: object, error: Exception) -> None:
        kind = type(config).__name__.removesuffix("SDConfig").lower()
        self.status = DiscoveryStatus(kind, "failing", last_error=said(error))

    async def run(self, update: UpdateGroups) -> None:
        """Nothing: the manager makes another one later."""


def said(error: BaseException) -> str:
    """An exception in words; of a group that of its first, whichever level it stands on."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


@dataclass(eq=False, slots=True)
class Provider:
    """One running discoverer, the groups it has given and the jobs that use it."""

    config: object
    discoverer: Discoverer
    groups: dict[str, TargetGroup] = field(default_factory=dict)
    jobs: tuple[str, ...] = ()
    synced: bool = False
    begins: bool = True
    """Whether the next groups are the first of a run, and therefore all that there are."""
    task: asyncio.Task[None] | None = None

    def merge(self, groups: Sequence[TargetGroup]) -> bool:
        """Take groups over; whether anything differs from before."""
        changed = not self.synced
        self.synced = True
        if self.begins:
            self.begins = False
            named = {group.source for group in groups}
            gone = [source for source in self.groups if source not in named]
            changed |= bool(gone)
            for source in gone:
                del self.groups[source]
        for group in groups:
            if not group.targets:
                changed |= self.groups.pop(group.source, None) is not None
            elif self.groups.get(group.source) != group:
                self.groups[group.source] = group
                changed = True
        return changed


@dataclass(slots=True)
class Leftover:
    """A job's groups of discoverers that a reload replaced, kept until the new ones that are awaited have answered."""

    groups: list[TargetGroup]
    awaited: list[Provider]


@dataclass(frozen=True, slots=True)
class Plan:
    """Which providers go on, which end, and which configs (with their jobs) start anew."""

    keep: tuple[tuple[Provider, tuple[str, ...]], ...]
    stop: tuple[Provider, ...]
    start: tuple[tuple[object, tuple[str, ...]], ...]


def bucket(config: object) -> tuple[type, int]:
    """Equal configs have equal buckets; those of others are nearly always different."""
    try:
        return type(config), hash(config)
    except TypeError:  # it holds a mapping
        return type(config), 0


def plan(running: Sequence[Provider], wanted: Mapping[str, JobDiscovery]) -> Plan:
    """Compare what runs with what is wanted; equal configs of several jobs become one provider."""
    asked: list[tuple[object, list[str]]] = []
    alike: dict[tuple[type, int], list[tuple[object, list[str]]]] = {}
    for job, discovery in wanted.items():
        for config in discovery.configs:
            found = alike.setdefault(bucket(config), [])
            jobs = next((jobs for known, jobs in found if known == config), None)
            if jobs is None:
                found.append((config, [job]))
                asked.append(found[-1])
            elif job not in jobs:
                jobs.append(job)
    keep: list[tuple[Provider, tuple[str, ...]]] = []
    start: list[tuple[object, tuple[str, ...]]] = []
    left: dict[tuple[type, int], list[Provider]] = {}
    for provider in running:
        left.setdefault(bucket(provider.config), []).append(provider)
    for config, jobs in asked:
        candidates = left.get(bucket(config), [])
        match = next((p for p in candidates if p.config == config), None)
        if match is None:
            start.append((config, tuple(jobs)))
        else:
            candidates.remove(match)
            keep.append((match, tuple(jobs)))
    stop = tuple(provider for provider in running if provider in left[bucket(provider.config)])
    return Plan(tuple(keep), stop, tuple(start))


def add(
    status: DiscoveryStatus, counts: Counter[tuple[str, str]], seconds: defaultdict[tuple[str, str], float]
) -> None:
    """Add what a discoverer has counted."""
    for what, number in status.counts.items():
        counts[status.kind, what] += number
    for what, spent_s in status.seconds.items():
        seconds[status.kind, what] += spent_s


class DiscoveryManager:
    """Owns the discoverers' tasks. All methods belong to the event loop's thread."""

    def __init__(self, make: Callable[[object], Discoverer], deliver: DeliverGroups) -> None:
        self._make = make
        self._deliver = deliver
        self._wanted: dict[str, JobDiscovery] = {}
        self._delivered_at: dict[str, float] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._leftover: dict[str, Leftover] = {}
        self._of_job: dict[str, list[Provider]] = {}
        self.providers: list[Provider] = []
        self.received_updates = 0
        self.sent_updates = 0
        # What discoverers that have ended counted and how long they took.
        self._ended_counts: Counter[tuple[str, str]] = Counter()
        self._ended_seconds: defaultdict[tuple[str, str], float] = defaultdict(float)

    def apply(self, wanted: Mapping[str, JobDiscovery]) -> None:
        """Make the running discoverers those of `wanted` (job name -> what it asks for).

        Every job gets at once what is known for it: its static groups, those of discoverers that go on, and those of
        the ones that are replaced, until their successors have answered.
        """
        decided = plan(self.providers, wanted)
        self._wanted = dict(wanted)
        starting = {job for _, jobs in decided.start for job in jobs}
        replaced: dict[str, list[TargetGroup]] = {}
        for provider in decided.stop:
            add(provider.discoverer.status, self._ended_counts, self._ended_seconds)
            if provider.task is not None:
                provider.task.cancel()
            for job in starting.intersection(provider.jobs):
                replaced.setdefault(job, []).extend(provider.groups.values())
        for provider, jobs in decided.keep:
            provider.jobs = jobs
        kept = [provider for provider, _ in decided.keep]
        started = [self._begin(config, jobs) for config, jobs in decided.start]
        self.providers = kept + started
        self._of_job = {}
        for provider in self.providers:
            for job in provider.jobs:
                self._of_job.setdefault(job, []).append(provider)
        self._leave_over(replaced, started)
        for job in list(self._timers):
            if job not in wanted:
                self._timers.pop(job).cancel()
        for job in wanted:
            self._hand_over(job)

    def _leave_over(self, replaced: Mapping[str, list[TargetGroup]], started: Sequence[Provider]) -> None:
        """Note the groups of discoverers that were replaced by those that have just started."""
        for job, groups in replaced.items():
            self._leftover.setdefault(job, Leftover([], [])).groups += groups
        for job, left in list(self._leftover.items()):
            of_job = self._of_job.get(job, ())
            left.awaited = [
                provider for provider in of_job if provider in started or provider in left.awaited
            ]
            if not left.awaited:
                del self._leftover[job]

    def groups(self, job: str) -> list[TargetGroup]:
        """All groups of a job: static ones first, then each discoverer's in the order of its config."""
        wanted = self._wanted.get(job)
        if wanted is None:
            return []
        found = list(wanted.static)
        for provider in dict.fromkeys(self._provider_of(job, config) for config in wanted.configs):
            found.extend(provider.groups.values())
        left = self._leftover.get(job)
        if left is not None:
            if all(provider.synced for provider in left.awaited):
                del self._leftover[job]
            else:
                found.extend(left.groups)
        return found

    def _provider_of(self, job: str, config: object) -> Provider:
        return next(
            provider
            for provider in self._of_job[job]
            if type(provider.config) is type(config) and provider.config == config
        )

    def status(self) -> list[tuple[tuple[str, ...], DiscoveryStatus, int]]:
        """For each discoverer: the jobs that use it, how it is doing, and how many targets it has."""
        return [
            (p.jobs, p.discoverer.status, sum(len(group.targets) for group in p.groups.values()))
            for p in self.providers
        ]

    def discovered(self) -> dict[str, int]:
        """How many targets each job has before relabeling, static ones included."""
        return {job: sum(len(group.targets) for group in self.groups(job)) for job in self._wanted}

    def totals(self) -> tuple[Counter[tuple[str, str]], dict[tuple[str, str], float]]:
        """How often things happened and how many seconds they took since the start, by (kind, what)."""
        counts, seconds = self._ended_counts.copy(), self._ended_seconds.copy()
        for provider in self.providers:
            add(provider.discoverer.status, counts, seconds)
        return counts, seconds

    def failed_configs(self) -> int:
        """How many discoverers could not be made."""
        return sum(isinstance(provider.discoverer, Unmade) for provider in self.providers)

    def synced(self, job: str) -> bool:
        """Whether every discoverer of the job has answered at least once."""
        return all(provider.synced for provider in self._of_job.get(job, ()))

    async def stop(self) -> None:
        """End all discoverers and wait for them."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        tasks = [provider.task for provider in self.providers if provider.task is not None]
        self.providers = []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, config: object, jobs: tuple[str, ...]) -> Provider:
        provider = Provider(config, self._made(config), jobs=jobs)
        name = f"discovery {provider.discoverer.status.kind} for {jobs[0]}"
        provider.task = asyncio.create_task(self._keep_running(provider), name=name)
        return provider

    def _made(self, config: object, before: DiscoveryStatus | None = None) -> Discoverer:
        """The discoverer of a config; `before` is the status of an attempt that failed, which is not told twice."""
        try:
            return self._make(config)
        except Exception as error:  # plugins are anybody's code
            if before is None or before.last_error != said(error):
                kind = type(config).__name__
                logger.error("Cannot create service discovery", extra={"discovery": kind, "err": said(error)})
            return Unmade(config, error)

    async def _keep_running(self, provider: Provider) -> None:
        """Run a provider's discoverer; one that raises keeps its groups, says so and is run again."""
        while True:
            discoverer = provider.discoverer
            provider.begins = True
            try:
                await discoverer.run(lambda groups: self._update(provider, groups))
                if not isinstance(discoverer, Unmade):
                    return  # it has found all that it will
            except Exception as error:
                # A discoverer retries what can be retried itself; this is a fault of the program or of a plugin.
                extra = {"discovery": discoverer.status.kind, "jobs": ",".join(provider.jobs)}
                logger.exception("Discovery failed, it starts again", extra=extra)
                discoverer.status.state, discoverer.status.last_error = "failing", said(error)
            await asyncio.sleep(RESTART_S)
            if isinstance(discoverer, Unmade):
                provider.discoverer = self._made(provider.config, discoverer.status)

    def _update(self, provider: Provider, groups: Sequence[TargetGroup]) -> None:
        if provider not in self.providers:
            return
        self.received_updates += 1
        if not provider.merge(groups):
            return
        for job in provider.jobs:
            self._schedule(job)

    def _schedule(self, job: str) -> None:
        if job in self._timers:
            return
        loop = asyncio.get_running_loop()
        earliest = self._delivered_at.get(job, float("-inf")) + BUSY_INTERVAL_S
        delay_s = max(QUIET_DELAY_S, earliest - loop.time())
        self._timers[job] = loop.call_later(delay_s, self._hand_over_change, job)

    def _hand_over_change(self, job: str) -> None:
        self._delivered_at[job] = asyncio.get_running_loop().time()
        self._hand_over(job)

    def _hand_over(self, job: str) -> None:
        timer = self._timers.pop(job, None)
        if timer is not None:
            timer.cancel()
        self.sent_updates += 1
        self._deliver(job, self.groups(job))
