"""The cases of Prometheus' own discovery tests: objects, what happens to them, and the groups at the end.

Each runs against the fake API server over a socket, as a whole discovery: the last update per source counts.
"""

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pyscrape.discovery.groups import TargetGroup
from pyscrape.discovery.kubernetes.cluster import Clusters
from pyscrape.discovery.kubernetes.discoverer import KubernetesDiscoverer
from pyscrape.discovery.settings import KubernetesSDConfig
from pyscrape.model.settings import from_mapping
from tests.helpers.fake_kubernetes import FakeKubernetes
from tests.helpers.kubernetes_access import plain_streams

CORPUS = Path(os.environ.get("PYSCRAPE_CONFORMANCE", Path(__file__).parents[3] / "shared/conformance"))
CASES = [
    pytest.param(case, id=case["name"])
    for path in sorted((CORPUS / "k8s_sd").glob("*.json"))
    for case in json.loads(path.read_bytes())["cases"]
]

pytestmark = pytest.mark.skipif(not CASES, reason="no conformance data")

Comparable = tuple[list[tuple[tuple[str, str], ...]], tuple[tuple[str, str], ...]]


def comparable_labels(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value) for name, value in labels.items() if value))


def comparable(targets: Any, labels: Mapping[str, str]) -> Comparable:
    return sorted(comparable_labels(target) for target in targets), comparable_labels(labels)


@pytest.mark.parametrize("case", CASES)
async def test_groups(case: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "namespace").write_text(case.get("own_namespace") or "own-ns")
    expected = {
        source: comparable(group.get("targets") or (), group.get("labels") or {})
        for source, group in case["expected_groups"].items()
    }
    found: dict[str, TargetGroup] = {}
    synced = asyncio.Event()

    def update(groups: Any) -> None:
        found.update((group.source, group) for group in groups)
        synced.set()

    def as_expected() -> bool:
        return {
            source: comparable(group.targets, group.labels) for source, group in found.items()
        } == expected

    async with FakeKubernetes(case["initial"]) as server:
        # The API server's address and the own namespace exclude each other in a file, not here.
        config = from_mapping(KubernetesSDConfig, case["sd_config"])
        clusters = Clusters(
            service_account=tmp_path,
            environment={"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.port)},
            open_streams=plain_streams,
        )
        task = asyncio.create_task(KubernetesDiscoverer(config, clusters).run(update))
        async with asyncio.timeout(5):
            await synced.wait()
        for action in case["actions"]:
            if action["op"] == "delete":
                ref = action["ref"]
                server.delete(ref["kind"], ref["name"], ref.get("namespace", ""))
            else:
                server.apply(action["object"])
        # Right at once or a moment later; and then still right.
        for _ in range(200):
            if as_expected():
                break
            await asyncio.sleep(0.01)
        if case["actions"]:
            await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await clusters.close()
    assert {source: comparable(group.targets, group.labels) for source, group in found.items()} == expected
