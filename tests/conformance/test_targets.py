"""targets.json: labels, URLs, groups and offsets of targets."""

import base64
from collections import Counter
from typing import Any

import pytest

from pyscrape.config import parse_config
from pyscrape.discovery.groups import TargetGroup
from pyscrape.model.labels import Labels
from pyscrape.scrape.schedule import first_delay_s
from pyscrape.targets.groups import TargetBuilder, identity, targets_from_group
from pyscrape.targets.populate import TargetError, discovered_labels, job_defaults, populate_labels
from pyscrape.targets.settings import job_settings
from pyscrape.targets.url import target_url
from tests.conformance.scrape_cases import cases_of


def text(value: Any) -> str:
    if isinstance(value, dict):
        return base64.b64decode(value["base64"]).decode("utf-8", "surrogateescape")
    return str(value)


def labels_of(mapping: dict[str, Any]) -> dict[str, str]:
    return {name: text(value) for name, value in mapping.items()}


def without_empty(labels: dict[str, str] | None) -> dict[str, str]:
    return {name: value for name, value in (labels or {}).items() if value}


@pytest.mark.parametrize("case", cases_of("targets.json", "populate_labels"))
def test_populate_labels(case: dict[str, Any]) -> None:
    labels, config = labels_of(case["target_labels"]), case["scrape_config"]
    if "error" in case:
        with pytest.raises(TargetError) as caught:
            populate_labels(labels, config)
        assert str(caught.value) == case["error"]
        return
    assert without_empty(populate_labels(labels, config)) == without_empty(case["labels"])
    if "discovered_labels" in case:
        found = discovered_labels(labels, {}, job_defaults(job_settings(config)))
        assert found == without_empty(labels_of(case["discovered_labels"]))


@pytest.mark.parametrize("case", cases_of("targets.json", "target_url"))
def test_target_url(case: dict[str, Any]) -> None:
    assert target_url(labels_of(case["labels"]), case["scrape_config"].get("params", {})) == case["url"]


@pytest.mark.parametrize("case", cases_of("targets.json", "public_labels"))
def test_public_labels(case: dict[str, Any]) -> None:
    found = {name: value for name, value in case["labels"].items() if not name.startswith("__")}
    assert Labels(found) == Labels(case["public_labels"])


@pytest.mark.parametrize("case", cases_of("targets.json", "targets_from_group"))
def test_targets_from_group(case: dict[str, Any]) -> None:
    if "config_yaml" in case:
        config: Any = parse_config(case["config_yaml"]).scrape_configs[0]
    else:
        config = case["scrape_config"]
    given = case["group"]
    targets = tuple(labels_of(target) for target in given["targets"])
    group = TargetGroup(given.get("source", ""), targets, labels_of(given.get("labels") or {}))
    built = targets_from_group(group, config)
    assert len(built.targets) == case["target_count"]
    assert [str(failed) for failed in built.failed] == (case.get("errors") or [])


@pytest.mark.parametrize("case", cases_of("targets.json", "property"))
def test_offsets_are_spread(case: dict[str, Any]) -> None:
    interval_s, count = 10.0, 10_000
    delays = []
    for number in range(count):
        key = identity({"label": str(number)}, "http://localhost:9090/metrics")
        delays.append(first_delay_s(int(key, 16), 0, interval_s, 1_700_000_003.25))
    assert all(0 <= delay <= interval_s for delay in delays)
    buckets = Counter(int(delay) for delay in delays)
    average = count / interval_s
    assert all(abs(size - average) <= 0.15 * average for size in buckets.values())


def test_a_builder_serves_many_groups() -> None:
    builder = TargetBuilder({"job_name": "j"})
    built = builder.build(TargetGroup("s", ({"__address__": "a:1"}, {"__address__": "a/b"}), {"zone": "x"}))
    assert [target.labels for target in built.targets] == [
        Labels({"job": "j", "instance": "a:1", "zone": "x"})
    ]
    assert [str(failed) for failed in built.failed] == [
        'instance 1 in group s: "a/b" is not a valid hostname'
    ]
