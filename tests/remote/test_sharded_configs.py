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


def template(path: Path, shards: int) -> str:
    text: str = yaml.safe_load(path.read_text())["data"]["prometheus.yml"]
    return text.replace("modulus: 2\n", f"modulus: {shards}\n")


def of_shard(text: str, ordinal: int, folder: Path) -> str:
    """What the init container makes of the template; its own command, with other paths."""
    [init] = STATEFUL_SET["spec"]["template"]["spec"]["initContainers"]
    command = [
        word.replace("/template", f"{folder}/template").replace("> /etc/prometheus", f"> {folder}")
        for word in init["command"]
    ]
    (folder / "template").mkdir(exist_ok=True)
    (folder / "template" / "prometheus.yml").write_text(text)
    subprocess.run(command, check=True, env=os.environ | {"POD_NAME": f"pyscrape-{ordinal}"}, timeout=30)
    return (folder / "prometheus.yml").read_text()


@pytest.mark.parametrize("path", VARIANTS, ids=lambda path: path.stem)
def test_template_and_every_shard_check_without_a_finding(path: Path, tmp_path: Path) -> None:
    texts = {path.name: path.read_text()}
    for ordinal in (0, 1, 10):
        texts[f"shard {ordinal}"] = of_shard(template(path, 11), ordinal, tmp_path)
    for name, text in texts.items():
        found = check_text(text, filename=name, base_dir=str(FOLDER))
        assert [problem for problem in found if problem.severity != "info"] == [], name


def test_the_modulus_is_the_number_of_replicas() -> None:
    replicas = STATEFUL_SET["spec"]["replicas"]
    for path in VARIANTS:
        assert path.read_text().count(f"modulus: {replicas}\n") == path.read_text().count("modulus: ") == 2


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


@pytest.mark.parametrize("shards", [1, 2, 4, 12])
@pytest.mark.parametrize("path", VARIANTS, ids=lambda path: path.stem)
def test_every_target_has_exactly_one_shard(path: Path, shards: int, tmp_path: Path) -> None:
    addresses = [f"10.0.{n // 50}.{n % 50}:10250" for n in range(200)]
    text = template(path, shards)
    parts = [kept(of_shard(text, ordinal, tmp_path), addresses) for ordinal in range(shards)]
    for job in parts[0]:
        owners = Counter(address for part in parts for address in part[job])
        assert owners == Counter(addresses)
        assert min(len(part[job]) for part in parts) >= 200 / shards / 3


def test_doubling_moves_half_of_each_shard(tmp_path: Path) -> None:
    addresses = [f"10.0.{n // 50}.{n % 50}:10250" for n in range(200)]
    two = [kept(of_shard(template(VARIANTS[0], 2), k, tmp_path), addresses) for k in range(2)]
    four = [kept(of_shard(template(VARIANTS[0], 4), k, tmp_path), addresses) for k in range(4)]
    for job in two[0]:
        for k in range(2):
            assert four[k][job] | four[k + 2][job] == two[k][job]
