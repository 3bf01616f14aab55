"""What Prometheus itself discovered in a recorded cluster: every variant, label by label.

Not compared is what differs between the recording's version and the one that is matched: node conditions, the
histogram labels of targets, and pods of unknown nodes under attach_metadata.node.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from pyscrape.discovery.kubernetes import target_groups

CORPUS = Path(os.environ.get("PYSCRAPE_CONFORMANCE", Path(__file__).parents[3] / "shared/conformance"))
CLUSTER = CORPUS.parent / "k8s"
GOLDENS = sorted((CLUSTER / "golden").glob("*.json"))

pytestmark = pytest.mark.skipif(not GOLDENS, reason="no recorded cluster beside the conformance data")

# Added by the scrape job, not by discovery.
OF_THE_JOB = {"job", "__metrics_path__", "__scheme__", "__scrape_interval__", "__scrape_timeout__"}
LATER = ("__meta_kubernetes_node_condition_",)


def comparable(labels: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """The labels that both versions have, of discovery alone."""
    return frozenset(
        (name, value)
        for name, value in labels.items()
        if value and name not in OF_THE_JOB and not name.startswith(LATER) and "_histograms" not in name
    )


def cluster_objects() -> list[dict[str, object]]:
    """Everything in the recorded cluster, as one list of lists."""
    return [json.loads(path.read_bytes()) for path in sorted((CLUSTER / "objects").glob("*.json"))]


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_discovered_labels(path: Path) -> None:
    golden = json.loads(path.read_bytes())
    config = yaml.safe_load(golden["config"])[0]["kubernetes_sd_configs"][0]
    shown = golden["activeTargets"] + golden["droppedTargets"]
    expected = {comparable(target["discoveredLabels"]) for target in shown}
    found = {
        comparable({**group.labels, **target})
        for group in target_groups(config["role"], cluster_objects(), config.get("attach_metadata"))
        for target in group.targets
    }
    assert len(expected) > 1
    assert not expected - found
    # With relabeling, targets that become equal are shown once; without it every single one is listed.
    if path.stem.endswith("-all"):
        assert not found - expected
