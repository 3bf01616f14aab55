"""Target groups to targets: one `TargetBuilder` per job, its rules compiled once and reused for every group.

A group that did not change is never built twice: discoveries hand over the same `TargetGroup` object, which is
what the pools compare by.
"""

import hashlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

from pyscrape.discovery.groups import TargetGroup
from pyscrape.model.labels import Labels
from pyscrape.relabel.engine import RelabelTimeout
from pyscrape.targets.populate import (
    TargetError,
    check_times,
    discovered_labels,
    finish_labels,
    job_defaults,
    rules_of,
)
from pyscrape.targets.settings import JobLike, job_settings
from pyscrape.targets.target import Dropped, Failed, Target
from pyscrape.targets.url import target_url

# Targets of one slice of work: some milliseconds.
SLICE = 200


@dataclass(frozen=True, slots=True)
class BuiltGroup:
    """Everything that became of one group's targets, each list in the group's order."""

    targets: tuple[Target, ...]
    dropped: tuple[Dropped, ...]
    failed: tuple[Failed, ...]


class TargetBuilder:
    """Makes targets by one job's settings."""

    __slots__ = ("_defaults", "_job", "_params", "_rules")

    def __init__(self, scrape_config: JobLike | Mapping[str, Any]) -> None:
        settings = job_settings(scrape_config)
        self._job = settings.job_name
        self._params = settings.params
        self._rules = rules_of(settings)
        self._defaults = job_defaults(settings)

    def build(self, group: TargetGroup) -> BuiltGroup:
        """All targets of a group, sorted into scrapable, dropped and failed."""
        steps = self.steps(group)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                built: BuiltGroup = end.value
                return built

    def steps(self, group: TargetGroup) -> Generator[None, None, BuiltGroup]:
        """`build` in slices, between which others may be served."""
        targets: list[Target] = []
        dropped: list[Dropped] = []
        failed: list[Failed] = []
        for index, own in enumerate(group.targets):
            if index and not index % SLICE:
                yield
            built = self._build_one(own, group, index)
            if isinstance(built, Target):
                targets.append(built)
            elif isinstance(built, Dropped):
                dropped.append(built)
            else:
                failed.append(built)
        return BuiltGroup(tuple(targets), tuple(dropped), tuple(failed))

    def _build_one(self, own: Mapping[str, str], group: TargetGroup, index: int) -> Target | Dropped | Failed:
        discovered = discovered_labels(own, group.labels, self._defaults)
        try:
            relabeled = self._rules.apply(discovered)
            if relabeled is None:
                rule = self._rules.dropped_by(discovered)
                reason = f"dropped by relabel_configs[{rule}]"
                return Dropped(discovered, self._job, rule, reason, group.source)
        except RelabelTimeout as error:
            return Failed(discovered, str(error), self._job, group.source, index)
        try:
            final = finish_labels(relabeled)
        except TargetError as error:
            return Failed(discovered, str(error), self._job, group.source, index)
        public = Labels([pair for pair in final.items() if not pair[0].startswith("__")])
        if not public:
            return Dropped(discovered, self._job, None, "no labels are left", group.source)
        interval, timeout = check_times(final)
        url = target_url(final, self._params)
        return Target(
            job=self._job,
            labels=public,
            discovered=discovered,
            url=url,
            interval=interval,
            timeout=timeout,
            key=identity(final, url),
            source=group.source,
            unix_socket=final.get("__unix_socket__", ""),
        )


def identity(labels: Mapping[str, str], url: str) -> str:
    """16 hex digits that are equal for targets which are the same target."""
    text = "\x00".join([f"{name}\x01{value}" for name, value in sorted(labels.items())])
    return hashlib.blake2b(f"{text}\x02{url}".encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def targets_from_group(group: TargetGroup, scrape_config: JobLike | Mapping[str, Any]) -> BuiltGroup:
    """Build one group by one job's settings; pools keep a `TargetBuilder` instead."""
    return TargetBuilder(scrape_config).build(group)
