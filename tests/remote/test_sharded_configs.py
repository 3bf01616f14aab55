"""The shipped sharded set-up: checks without a finding, and every target has exactly one shard."""

import os
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from pyscrape.config import check_text, parse_config
from pyscrape.relabel.plans import compile_rules

FOLDER = Path(__file__).parents[2] / "configs/sharded"
VARIANTS = sorted(FOLDER.glob("configmap-*.yml"))
STATEFUL_SET = next(yaml.safe_load_all((FOLDER / "statefulset.yml").read_text()))


def template(path: Path) -> str:
    text: str = yaml.safe_load(path.read_text())["data"]["prometheus.yml"]
    return text


def of_shard(text: str, ordinal: int, shards: int, folder: Path) -> str:
    """What the init container makes of the template; its own command, with other paths."""
    [init] = STATEFUL_SET["spec"]["template"]["spec"]["initContainers"]
    command = [
        word.replace("/template", f"{folder}/template").replace("> /etc/prometheus", f"> {folder}")
        for word in init["command"]
    ]
    (folder / "template").mkdir(exist_ok=True)
    (folder / "template" / "prometheus.yml").write_text(text)
    environment = os.environ | {"POD_NAME": f"pyscrape-{ordinal}", "SHARDS": str(shards)}
    subprocess.run(command, check=True, env=environment, timeout=30)
    return (folder / "prometheus.yml").read_text()


@pytest.mark.parametrize("path", VARIANTS, ids=lambda path: path.stem)
def test_template_and_every_shard_check_without_a_finding(path: Path, tmp_path: Path) -> None:
    texts = {path.name: path.read_text()}
    for ordinal in (0, 1, 10):
        texts[f"shard {ordinal}"] = of_shard(template(path), ordinal, 11, tmp_path)
    for name, text in texts.items():
        found = check_text(text, filename=name, base_dir=str(FOLDER))
        assert [problem for problem in found if problem.severity != "info"] == [], name


def test_the_number_of_shards_is_that_of_replicas() -> None:
    [init] = STATEFUL_SET["spec"]["template"]["spec"]["initContainers"]
    environment = {one["name"]: one.get("value") for one in init["env"]}
    assert environment["SHARDS"] == str(STATEFUL_SET["spec"]["replicas"])


def slots(ordinal: int, shards: int, folder: Path) -> set[int]:
    return {int(text) for text in of_shard("SLOTS", ordinal, shards, folder).split("|")}


def test_every_slot_has_one_shard_and_a_further_shard_takes_only_its_share(tmp_path: Path) -> None:
    before = [set(range(64))]
    for shards in (2, 3, 4, 6, 16):
        parts = [slots(ordinal, shards, tmp_path) for ordinal in range(shards)]
        assert sorted(slot for part in parts for slot in part) == list(range(64))
        sizes = [len(part) for part in parts]
        assert max(sizes) - min(sizes) <= 1
        for ordinal, old in enumerate(before):
            assert parts[ordinal] <= old, "nothing moves to a shard that there was"
        moved = sum(len(part) for part in parts[len(before) :])
        assert moved == sum(sizes[len(before) :])
        before = parts


def kept(text: str, addresses: list[str]) -> dict[str, set[str]]:
    """By job, the addresses whose targets a configuration keeps."""
    meta: dict[str, Any] = {
        "__meta_kubernetes_pod_annotation_prometheus_io_scrape": "true",
        "__meta_kubernetes_pod_phase": "Running",
    }
    return {
        job.job_name: {
            address
            for address in addresses
            if compile_rules(job.relabel_configs, "utf8").apply({"__address__": address} | meta) is not None
        }
        for job in parse_config(text).scrape_configs
        if job.job_name != "prometheus"
    }


@pytest.mark.parametrize("shards", [1, 2, 3, 4, 12])
@pytest.mark.parametrize("path", VARIANTS, ids=lambda path: path.stem)
def test_every_target_has_exactly_one_shard(path: Path, shards: int, tmp_path: Path) -> None:
    addresses = [f"10.0.{n // 50}.{n % 50}:10250" for n in range(200)]
    parts = [kept(of_shard(template(path), k, shards, tmp_path), addresses) for k in range(shards)]
    for job in parts[0]:
        owners = Counter(address for part in parts for address in part[job])
        assert owners == Counter(addresses)
        assert min(len(part[job]) for part in parts) >= 200 / shards / 3


@pytest.mark.parametrize(("before", "after"), [(2, 3), (2, 4), (3, 4)])
def test_a_further_shard_moves_only_its_share(before: int, after: int, tmp_path: Path) -> None:
    addresses = [f"10.0.{n // 50}.{n % 50}:10250" for n in range(200)]
    old, new = (
        [kept(of_shard(template(VARIANTS[0]), k, shards, tmp_path), addresses) for k in range(shards)]
        for shards in (before, after)
    )
    for job in old[0]:
        for k in range(before):
            assert new[k][job] <= old[k][job]
        moved = sum(len(part[job]) for part in new[before:])
        share = 200 * (after - before) / after
        assert 0.6 * share <= moved <= 1.4 * share
