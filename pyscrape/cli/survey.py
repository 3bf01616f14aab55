"""What a job's discoveries find right now, and what becomes of it: the common ground of `sd` and `why`.

A survey runs the very discoverers, rules and checks that a server runs, until each discoverer has answered once.
"""

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pyscrape.discovery.groups import Discoverer, TargetGroup
from pyscrape.discovery.make import make_discoverer, supported
from pyscrape.discovery.manager import Unmade, said
from pyscrape.discovery.static import static_groups
from pyscrape.targets.groups import TargetBuilder
from pyscrape.targets.target import Dropped, Failed, Target

# A refusal that comes with advice will not mend itself within the time that a person waits.
REFUSED_FOR_S = 1.0
KUBECONFIG_HELP = "ask by this kubeconfig where the configuration is meant for inside of the cluster"


@dataclass(eq=False)
class Source:
    """One discovery of the job; `groups` by source, those without targets too."""

    config: Any
    discoverer: Discoverer | None
    groups: dict[str, TargetGroup] = field(default_factory=dict)
    synced: bool = False
    broken: bool = False

    @property
    def kind(self) -> str:
        return self.discoverer.status.kind if self.discoverer is not None else "static"

    @property
    def error(self) -> str:
        return self.discoverer.status.last_error if self.discoverer is not None else ""

    @property
    def problems(self) -> Sequence[str]:
        """What failed in part, one by one."""
        return self.discoverer.status.problems if self.discoverer is not None else ()

    @property
    def advice(self) -> str:
        return self.discoverer.status.advice if self.discoverer is not None else ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one discovered target became."""

    source: Source
    group: TargetGroup
    result: Target | Dropped | Failed


def through_kubeconfig(job: Any, path: str) -> Any:
    """`job` with Kubernetes discoveries that are meant to run in the cluster asking by a kubeconfig instead."""
    found = tuple(
        one if one.api_server or one.kubeconfig_file else one.replace(kubeconfig_file=path)
        for one in job.kubernetes_sd_configs
    )
    return job.replace(kubernetes_sd_configs=found)


def made(config: Any) -> Discoverer:
    """The discoverer of a config, or what stands for one that cannot be made."""
    try:
        return make_discoverer(config)
    except Exception as error:  # plugins are anybody's code; the survey tells of it
        return Unmade(config, error)


class Survey:
    """A job's discoveries. `changed` is set whenever one of them hands something over or its state changes."""

    def __init__(self, job: Any) -> None:
        self.job = job
        self.builder = TargetBuilder(job)
        self.changed = asyncio.Event()
        static = Source(job.static_configs, None, synced=True)
        static.groups = {group.source: group for group in static_groups(job.static_configs)}
        self.sources = [static] if static.groups else []
        self.sources += [Source(config, made(config)) for config in job.discoveries() if supported(config)]
        self.skipped = [type(config).__name__ for config in job.discoveries() if not supported(config)]
        self.took_s = 0.0

    def update(self, source: Source, groups: Sequence[TargetGroup]) -> None:
        """Take what a discovery hands over."""
        source.groups.update((group.source, group) for group in groups)
        source.synced = True
        self.changed.set()

    async def run(self, source: Source, discoverer: Discoverer) -> None:
        """Run a discovery; a fault of it, or of the plugin that it is, is its last error."""
        try:
            await discoverer.run(lambda groups: self.update(source, groups))
        except Exception as error:
            discoverer.status.state, discoverer.status.last_error = "failing", said(error)
            source.broken = True
            self.changed.set()

    @property
    def complete(self) -> bool:
        """Whether every discovery has answered."""
        return all(source.synced for source in self.sources)

    async def first_sync(self, timeout_s: float) -> bool:
        """Wait until all have answered; False when time is over or what is missing is refused."""
        began_s = time.monotonic()
        refused_since_s: float | None = None
        while not self.complete:
            now_s = time.monotonic()
            missing = [source for source in self.sources if not source.synced]
            if any(isinstance(source.discoverer, Unmade) or source.broken for source in missing):
                break  # nobody will make or mend it in the meantime
            if not all(source.advice for source in missing):
                refused_since_s = None
            elif refused_since_s is None:
                refused_since_s = now_s
            elif now_s - refused_since_s > REFUSED_FOR_S:
                break
            if now_s - began_s > timeout_s:
                break
            self.changed.clear()
            try:
                async with asyncio.timeout(0.1):
                    await self.changed.wait()
            except TimeoutError:
                continue  # states change without a hand-over
        self.took_s = time.monotonic() - began_s
        return self.complete

    def outcomes(self) -> list[Outcome]:
        """Every discovered target, and what became of it."""
        found = []
        for source in self.sources:
            for group in source.groups.values():
                built = self.builder.build(group)
                results: list[Target | Dropped | Failed] = [*built.targets, *built.dropped, *built.failed]
                found += [Outcome(source, group, result) for result in results]
        return found


@asynccontextmanager
async def surveying(job: Any) -> AsyncIterator[Survey]:
    """Run a job's discoveries for as long as the block lasts. Failures are the survey's to say, not the log's."""
    logger = logging.getLogger("pyscrape")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    survey = Survey(job)
    tasks = [
        asyncio.create_task(survey.run(source, source.discoverer), name=f"discovery {source.kind}")
        for source in survey.sources
        if source.discoverer is not None
    ]
    try:
        yield survey
    finally:
        logger.setLevel(level)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if "pyscrape.discovery.kubernetes.cluster" in sys.modules:
            from pyscrape.discovery.kubernetes.cluster import shared_clusters

            await shared_clusters().close()
