"""What a rule can hope to find: the table of labels covers everything that discoveries really give."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pyscrape.discovery.meta_labels import known_labels
from pyscrape.model.settings import from_mapping
from pyscrape.scrape.settings import ScrapeConfig

FOLDER = Path(
    os.environ.get("PYSCRAPE_CONFORMANCE", Path(__file__).parents[2].parent / "shared" / "conformance")
)


def job(**fields: Any) -> ScrapeConfig:
    return from_mapping(ScrapeConfig, {"job_name": "a", **fields})


def cases() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for path in sorted((FOLDER / "k8s_sd").glob("*.json")):
        found += [(case["name"], case) for case in json.loads(path.read_text())["cases"]]
    return found


@pytest.mark.skipif(not (FOLDER / "k8s_sd").is_dir(), reason=f"no conformance corpus at {FOLDER}")
def test_kubernetes_gives_nothing_else() -> None:
    checked = 0
    for name, case in cases():
        known = known_labels(job(kubernetes_sd_configs=[case["sd_config"]]))
        for group in case["expected_groups"].values():
            for labels in (group.get("labels") or {}, *(group.get("targets") or ())):
                for label in labels:
                    assert known.has(label), f"{name}: {label}"
                    checked += 1
    assert checked > 500


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no conformance corpus at {FOLDER}")
def test_consul_and_dns_give_nothing_else() -> None:
    all_cases = json.loads((FOLDER / "dns_consul_file_http_sd.json").read_text())["cases"]
    checked = 0
    for case in all_cases:
        if case["kind"] not in {"dns", "consul"} or not case.get("expected_groups"):
            continue
        known = known_labels(job(**{f"{case['kind']}_sd_configs": [case["sd_config"]]}))
        for group in case["expected_groups"]:
            for labels in (group.get("labels") or {}, *(group.get("targets") or ())):
                assert all(known.has(label) for label in labels), (case["name"], labels)
                checked += len(labels)
    assert checked > 10


@pytest.mark.parametrize(
    ("role", "label", "given"),
    [
        ("node", "__meta_kubernetes_node_label_zone", True),
        ("node", "__meta_kubernetes_node_label_", False),
        ("node", "__meta_kubernetes_namespace", False),
        ("pod", "__meta_kubernetes_node_label_zone", False),
        ("pod", "__meta_kubernetes_service_name", False),
        ("endpoints", "__meta_kubernetes_service_annotation_x", True),
        ("endpoints", "__meta_kubernetes_service_port_name", False),
        ("endpointslice", "__meta_kubernetes_pod_container_port_name", True),
        ("ingress", "__meta_kubernetes_ingress_host", True),
    ],
)
def test_roles(role: str, label: str, given: bool) -> None:
    assert known_labels(job(kubernetes_sd_configs=[{"role": role}])).has(label) is given


def test_what_must_be_asked_for() -> None:
    attached = {"node": True, "namespace": True, "deployment": True}
    known = known_labels(job(kubernetes_sd_configs=[{"role": "pod", "attach_metadata": attached}]))
    assert known.has("__meta_kubernetes_node_label_zone")
    assert known.has("__meta_kubernetes_namespace_label_team")
    assert known.has("__meta_kubernetes_pod_deployment_name")
    assert not known.has("__meta_kubernetes_pod_job_name")


def test_other_discoveries() -> None:
    assert known_labels(job(ec2_sd_configs=[{"region": "a"}])).has("__meta_ec2_tag_x")
    assert known_labels(job(static_configs=[{"targets": [], "labels": {"__meta_x": "y"}}])).has("__meta_x")
    assert known_labels(job(http_sd_configs=[{"url": "http://a"}])).open
    assert not known_labels(job(dns_sd_configs=[{"names": ["a"]}])).open
