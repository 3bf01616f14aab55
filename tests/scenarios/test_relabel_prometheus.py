"""The relabel corpus through the real Prometheus: a job per case, targets from files, outcomes from the targets API."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.processes import HOST, Process, free_port, peer, started, wait_for
from tests.relabel.corpus import JOB, corpus

CASES = corpus()


def write_config(folder: Path) -> Path:
    jobs = []
    for number, case in enumerate(CASES):
        labels = dict(case["labels"])
        # Jobs need names of their own; the label is what rules see.
        group = {"targets": [labels.pop("__address__")], "labels": {"job": JOB, **labels}}
        (folder / f"{number}.json").write_text(json.dumps([group]))
        jobs.append(
            {
                "job_name": f"case-{number}",
                "scrape_interval": "1d",
                "scrape_timeout": "1s",
                "relabel_configs": case["rules"],
                "file_sd_configs": [{"files": [f"{folder}/{number}.json"]}],
            }
        )
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump({"scrape_configs": jobs}, allow_unicode=True, sort_keys=False))
    return path


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    program = peer("prometheus")
    folder = tmp_path_factory.mktemp("relabel")
    port = free_port()
    command = [
        program,
        f"--config.file={write_config(folder)}",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={HOST}:{port}",
        "--log.level=error",
    ]
    with started(command, folder, port, ready="/-/ready") as process:
        yield process


@pytest.fixture(scope="module")
def outcomes(prometheus: Process) -> dict[int, dict[str, Any] | None]:
    """Case -> its target as the API shows it, None where it was dropped."""

    def found() -> dict[int, dict[str, Any] | None]:
        data = prometheus.get("/api/v1/targets")["data"]
        here: dict[int, dict[str, Any] | None] = {}
        for target in data["droppedTargets"]:
            here[int(Path(target["discoveredLabels"]["__meta_filepath"]).stem)] = None
        for target in data["activeTargets"]:
            here[int(Path(target["discoveredLabels"]["__meta_filepath"]).stem)] = target
        return here

    wait_for("all targets", lambda: len(found()) == len(CASES))
    return found()


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda n: CASES[n]["name"])
def test_same_outcome(outcomes: dict[int, dict[str, Any] | None], number: int) -> None:
    case, target = CASES[number], outcomes[number]
    if case.get("dropped"):
        assert target is None
        return
    assert target is not None
    assert target["labels"] == case["result"]
    if "url" in case:
        assert target["scrapeUrl"] == case["url"]
