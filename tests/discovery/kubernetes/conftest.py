"""A discovery that runs against the fake API server, and what it has handed over."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from pyscrape.discovery.groups import TargetGroup
from pyscrape.discovery.kubernetes import backoff, pulse, reflector
from pyscrape.discovery.kubernetes.cluster import Clusters
from pyscrape.discovery.kubernetes.discoverer import KubernetesDiscoverer
from pyscrape.discovery.settings import KubernetesSDConfig
from pyscrape.model.settings import from_mapping


@dataclass
class Found:
    """What one discovery has handed over so far."""

    discovery: KubernetesDiscoverer
    clusters: Clusters
    groups: dict[str, TargetGroup] = field(default_factory=dict)
    updates: list[tuple[str, ...]] = field(default_factory=list)

    def update(self, groups: Sequence[TargetGroup]) -> None:
        self.updates.append(tuple(group.source for group in groups))
        for group in groups:
            if group.targets:
                self.groups[group.source] = group
            else:
                self.groups.pop(group.source, None)

    @property
    def synced(self) -> bool:
        return bool(self.updates)

    @property
    def names(self) -> set[str]:
        """The sources, without what comes before the name."""
        return {source.rpartition("/")[2] for source in self.groups}

    @property
    def targets(self) -> list[Mapping[str, str]]:
        return [{**group.labels, **target} for group in self.groups.values() for target in group.targets]


async def eventually(condition: Callable[[], bool], within_s: float = 5.0) -> float:
    """Wait until `condition` holds; the seconds it took."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    while not condition():
        assert loop.time() - began_s < within_s, "did not happen in time"
        await asyncio.sleep(0.005)
    return loop.time() - began_s


@asynccontextmanager
async def discovering(url: str, clusters: Clusters | None = None, **config: Any) -> AsyncIterator[Found]:
    """Run a discovery of `config` (role pod unless it says so) against the API server at `url`."""
    own = clusters or Clusters()
    settings = from_mapping(KubernetesSDConfig, {"role": "pod", "api_server": url, **config})
    found = Found(KubernetesDiscoverer(settings, own), own)
    task = asyncio.create_task(found.discovery.run(found.update))
    try:
        yield found
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if clusters is None:
            await own.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter waits: what is tested here is their order, `test_watch` tests their length."""
    for module, name, shorter_s in (
        (backoff, "FIRST_S", 0.025),
        (backoff, "LONGEST_S", 0.3),
        (backoff, "LONGEST_REFUSED_S", 1.0),
        (pulse, "EVERY_S", 0.5),
        (pulse, "EVERY_WHILE_AWAY_S", 0.15),
        (pulse, "ANSWER_S", 0.5),
        (reflector, "LIST_SILENCE_S", 0.4),
        (reflector, "ANSWER_S", 0.4),
        (reflector, "WATCH_SILENCE_S", 8.0),
    ):
        monkeypatch.setattr(module, name, shorter_s)
