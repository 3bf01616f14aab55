"""The same cluster, the same configuration, both programs: discovered labels, final labels, URLs, dropped targets.

Differences that are known are taken out: node conditions and the histogram labels, which the Prometheus at hand may
not have yet, and pods of unknown nodes where nodes are attached.
"""

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pyscrape.config import parse_config
from pyscrape.discovery.groups import TargetGroup
from pyscrape.discovery.kubernetes import Clusters, KubernetesDiscoverer
from pyscrape.scrape.settings import ScrapeConfig
from pyscrape.targets.groups import TargetBuilder
from tests.helpers.fake_kubernetes import FakeKubernetes
from tests.helpers.processes import Process, free_port, peer, started

OBJECTS = (
    Path(os.environ.get("PYSCRAPE_CONFORMANCE", Path(__file__).parents[3] / "shared/conformance")).parent
    / "k8s/objects"
)
pytestmark = pytest.mark.skipif(
    not OBJECTS.exists(), reason="no recorded cluster beside the conformance data"
)

DROP = "  relabel_configs:\n  - action: drop\n"
MAP = "  relabel_configs:\n  - action: labelmap\n    regex: __meta_kubernetes_(.+)\n"
# name, discovery, relabeling
JOBS = [
    *((role, f"role: {role}", DROP) for role in ("node", "service", "pod", "endpoints", "endpointslice", "ingress")),
    ("endpoints-node", "role: endpoints, attach_metadata: {node: true}", DROP),
    ("endpointslice-node", "role: endpointslice, attach_metadata: {node: true}", DROP),
    ("mapped", "role: pod", MAP),
    ("namespaces", "role: pod, namespaces: {names: [kube-ops, kube-system, nowhere]}", DROP),
    ("selected", 'role: pod, selectors: [{role: pod, label: "app=redis", field: "status.phase=Running"}]', DROP),
    ("hidden-pods", 'role: endpointslice, selectors: [{role: pod, label: "app=redis"}]', DROP),
    ("some-services", 'role: endpoints, selectors: [{role: service, label: "k8s-app in (kube-dns)"}]', DROP),
]  # fmt: skip


def config(url: str) -> str:
    return "global: {scrape_interval: 1h}\nscrape_configs:\n" + "".join(
        f"- job_name: {name}\n  proxy_url: http://127.0.0.1:9\n  kubernetes_sd_configs:\n"
        f"  - {{{discovery}, api_server: '{url}'}}\n{relabeling}"
        for name, discovery, relabeling in JOBS
    )


def comparable(labels: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset(
        (name, value)
        for name, value in labels.items()
        if value and "node_condition_" not in name and "_histograms" not in name
    )


Shown = dict[str, tuple[set[Any], set[Any]]]
"""Job -> active targets (labels, URL), dropped targets (discovered labels)."""


async def ours(job: ScrapeConfig, clusters: Clusters) -> tuple[set[Any], set[Any]]:
    found: dict[str, TargetGroup] = {}
    synced = asyncio.Event()

    def update(groups: Any) -> None:
        found.update((group.source, group) for group in groups)
        synced.set()

    task = asyncio.create_task(KubernetesDiscoverer(job.kubernetes_sd_configs[0], clusters).run(update))
    async with asyncio.timeout(10):
        await synced.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    built = [TargetBuilder(job).build(group) for group in found.values()]
    active = {(comparable(dict(t.labels)), t.url) for some in built for t in some.targets}
    return active, {comparable(d.discovered) for some in built for d in some.dropped}


def theirs(prometheus: Process) -> Shown:
    data = prometheus.get("/api/v1/targets")["data"]
    shown: Shown = {name: (set(), set()) for name, _, _ in JOBS}
    for target in data["activeTargets"]:
        shown[target["scrapePool"]][0].add((comparable(target["labels"]), target["scrapeUrl"]))
    for target in data["droppedTargets"]:
        shown[target["scrapePool"]][1].add(comparable(target["discoveredLabels"]))
    return shown


async def test_same_targets(tmp_path: Path) -> None:
    program = peer("prometheus")
    objects = [json.loads(path.read_bytes()) for path in sorted(OBJECTS.glob("*.json"))]
    async with FakeKubernetes(objects) as server:
        path = tmp_path / "prometheus.yml"
        path.write_text(config(server.url))
        port = free_port()
        command = [program, f"--config.file={path}", f"--storage.tsdb.path={tmp_path}/data"]
        command.append(f"--web.listen-address=127.0.0.1:{port}")
        clusters = Clusters()
        mine = {
            job.job_name: await ours(job, clusters) for job in parse_config(config(server.url)).scrape_configs
        }
        await clusters.close()
        with started(command, tmp_path, port, "/-/ready") as prometheus:
            for _ in range(15):  # it hands discoveries over in ticks of five seconds
                await asyncio.sleep(1)
                shown = await asyncio.to_thread(theirs, prometheus)
                if shown == mine:
                    break
    assert sum(len(active) + len(dropped) for active, dropped in mine.values()) > 300
    for name in mine:
        assert shown[name] == mine[name], name
