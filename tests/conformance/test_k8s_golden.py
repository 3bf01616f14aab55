"""What Prometheus itself made of a recorded cluster: discovered and final labels, scrape URLs, dropped targets.

The fake API server serves the recorded objects; the whole way from the configuration to the targets is run. Not
compared is what differs between the recording's version and the one that is matched: node conditions, the
histogram labels of targets, and pods of unknown nodes under attach_metadata.node.
"""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pyscrape.config import parse_config
from pyscrape.discovery.groups import TargetGroup
from pyscrape.discovery.kubernetes import Clusters, KubernetesDiscoverer, target_groups
from pyscrape.scrape.settings import ScrapeConfig
from pyscrape.targets.groups import TargetBuilder
from tests.helpers.fake_kubernetes import FakeKubernetes
from tests.helpers.kubernetes_access import plain_streams

CORPUS = Path(os.environ.get("PYSCRAPE_CONFORMANCE", Path(__file__).parents[3] / "shared/conformance"))
CLUSTER = CORPUS.parent / "k8s"
GOLDENS = sorted((CLUSTER / "golden").glob("*.json"))

pytestmark = pytest.mark.skipif(not GOLDENS, reason="no recorded cluster beside the conformance data")

LATER = ("__meta_kubernetes_node_condition_",)
Comparable = frozenset[tuple[str, str]]


def comparable(labels: Mapping[str, str]) -> Comparable:
    """The labels that both versions have."""
    return frozenset(
        (name, value)
        for name, value in labels.items()
        if value and not name.startswith(LATER) and "_histograms" not in name
    )


def cluster_objects() -> list[dict[str, Any]]:
    """Everything in the recorded cluster, as one list of lists."""
    return [json.loads(path.read_bytes()) for path in sorted((CLUSTER / "objects").glob("*.json"))]


async def discovered(job: ScrapeConfig) -> list[TargetGroup]:
    """The groups of the job's only discovery, from the fake server."""
    found: dict[str, TargetGroup] = {}
    synced = asyncio.Event()

    def update(groups: Sequence[TargetGroup]) -> None:
        found.update((group.source, group) for group in groups)
        synced.set()

    async with FakeKubernetes(cluster_objects()) as server:
        clusters = Clusters(
            environment={"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.port)},
            open_streams=plain_streams,
        )
        task = asyncio.create_task(KubernetesDiscoverer(job.kubernetes_sd_configs[0], clusters).run(update))
        async with asyncio.timeout(5):
            await synced.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await clusters.close()
    return list(found.values())


def read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def parse_golden(golden: Mapping[str, Any]) -> ScrapeConfig:
    """The golden's job, of the cluster that the process is in rather than of a given address."""
    lines = golden["config"].splitlines()
    access = ("    api_server:", "    authorization:", "    tls_config:")
    text = "\n".join(line for line in lines if not line.startswith(access))
    return parse_config(f"global: {{scrape_interval: 1h}}\nscrape_configs:\n{text}\n").scrape_configs[0]


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
async def test_targets(path: Path) -> None:
    golden = read(path)
    job = parse_golden(golden)
    built = [TargetBuilder(job).build(group) for group in await discovered(job)]
    targets = {target.key: target for some in built for target in some.targets}

    active = {(comparable(t["labels"]), t["scrapeUrl"]) for t in golden["activeTargets"]}
    assert {(comparable(dict(target.labels)), target.url) for target in targets.values()} == active
    dropped = {comparable(t["discoveredLabels"]) for t in golden["droppedTargets"]}
    assert {comparable(d.discovered) for some in built for d in some.dropped} == dropped
    # Of targets that relabeling makes equal one is shown, and which one is not said.
    before = {comparable(t.discovered) for some in built for t in some.targets}
    assert {comparable(t["discoveredLabels"]) for t in golden["activeTargets"]} <= before
    assert len(active) + len(dropped) > 1


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
async def test_manifests_give_what_a_server_gives(path: Path) -> None:
    """The library's `target_groups` on the same objects, without any server."""
    job = parse_golden(read(path))
    by_source = {
        group.source: group for group in target_groups(job.kubernetes_sd_configs[0].role, cluster_objects())
    }
    assert by_source == {group.source: group for group in await discovered(job)}
