"""What `configs/` offers holds: every configuration checks without a finding, here and with promtool; the examples for
CI do what they say; the dashboard asks for metrics that exist; container and unit run the program as a nobody.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pyscrape.app.flags import BY_NAME
from pyscrape.config import check_text
from pyscrape.promql import parse_expr
from pyscrape.promql.ast import VectorSelector, walk
from tests.cli.test_help import metric_names

CONFIGS = Path(__file__).parents[2] / "configs"
PLAIN = sorted(CONFIGS.glob("*.yml"))
IN_MANIFESTS = [
    path
    for path in sorted(CONFIGS.glob("*/configmap*.yml"))
    if "prometheus.yml" in next(yaml.safe_load_all(path.read_text())).get("data", {})
]
MADE_BY_SERVER = {
    "up",
    "scrape_duration_seconds",
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
}


def config_of(path: Path) -> str:
    if path in PLAIN:
        return path.read_text()
    text: str = next(yaml.safe_load_all(path.read_text()))["data"]["prometheus.yml"]
    return text


def test_there_are_examples() -> None:
    assert {path.stem for path in PLAIN} >= {"prometheus", "blackbox", "federation", "file_sd"}
    assert len(IN_MANIFESTS) >= 3


@pytest.mark.parametrize("path", PLAIN, ids=lambda path: path.stem)
def test_no_finding(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CONFIGS)
    assert path.read_text().startswith("# ")
    assert [str(problem) for problem in check_text(path.read_text(), path.name, str(CONFIGS))] == []


@pytest.mark.parametrize("path", PLAIN + IN_MANIFESTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_promtool_takes_it(path: Path, tmp_path: Path) -> None:
    folder = os.environ.get("PYSCRAPE_PEERS", str(Path.home() / ".cache" / "pyscrape-peers"))
    promtool = shutil.which("promtool", path=f"{folder}/bin") or shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is neither under $PYSCRAPE_PEERS nor on PATH")
    (tmp_path / "prometheus.yml").write_text(config_of(path))
    command = [promtool, "check", "config", "--syntax-only", "prometheus.yml"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == 0, ran.stderr


def program(folder: Path) -> dict[str, str]:
    """An environment in which `pyscrape` is the one under test."""
    script = folder / "pyscrape"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m pyscrape "$@"\n')
    script.chmod(0o755)
    return os.environ | {"PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(CONFIGS.parent)}


def run(command: str, folder: Path, environment: dict[str, str]) -> None:
    ran = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A user's repository: a configuration and the tests of its rules."""
    folder = tmp_path / "repository"
    folder.mkdir()
    shutil.copy(CONFIGS / "file_sd.yml", folder / "prometheus.yml")
    cases = (CONFIGS / "ci/rules.relabel.yml").read_text().replace("../file_sd.yml", "prometheus.yml")
    (folder / "rules.relabel.yml").write_text(cases)
    return folder


def test_the_workflow_runs(repository: Path, tmp_path: Path) -> None:
    workflow = yaml.safe_load((CONFIGS / "ci/relabel-tests.yml").read_text())
    commands = [step["run"] for step in workflow["jobs"]["check"]["steps"] if "run" in step]
    assert commands[0] == "pip install ci/pyscrape-*.whl"
    for command in commands[1:]:
        run(command, repository, program(tmp_path))
    assert "testsuite" in (repository / "results.xml").read_text()


def test_the_hooks_run(repository: Path, tmp_path: Path) -> None:
    hooks = yaml.safe_load((CONFIGS / "ci/pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    for hook in hooks:
        files = [p.name for p in repository.iterdir() if re.search(hook["files"], p.name)]
        # Rules that changed are tried, too.
        assert "prometheus.yml" in files
        passed = " ".join(files) if hook.get("pass_filenames", True) else ""
        run(f"{hook['entry']} {passed}", repository, program(tmp_path))


def test_the_shipped_cases_pass(tmp_path: Path) -> None:
    run("pyscrape test rules.relabel.yml", CONFIGS / "ci", program(tmp_path))


def test_the_dashboard_asks_for_what_there_is() -> None:
    dashboard = json.loads((CONFIGS / "grafana/pyscrape.json").read_text())
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"]) > 10
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            nodes = walk(parse_expr(target["expr"]))
            names = {node.name for node in nodes if isinstance(node, VectorSelector)}
            families = {name.removesuffix("_bucket") for name in names}
            assert families and families <= metric_names() | MADE_BY_SERVER, panel["title"]


def test_the_unit_names_flags_that_there_are() -> None:
    unit = (CONFIGS / "systemd/pyscrape.service").read_text()
    start = re.search(r"^ExecStart=(.+)$", unit, re.MULTILINE)
    assert start is not None
    flags = re.findall(r"--([a-z.-]+)", start[1])
    assert flags and set(flags) <= set(BY_NAME)
    assert "DynamicUser=yes" in unit


def test_the_container_runs_as_nobody() -> None:
    lines = (CONFIGS / "container/Dockerfile").read_text().splitlines()
    instructions = [line.split(" ", 1) for line in lines if re.match(r"[A-Z]+ ", line)]
    assert [name for name, _ in instructions if name == "FROM"] == ["FROM", "FROM"]
    last = dict(instructions)
    assert last["USER"] == "65534:65534"
    assert "HEALTHCHECK" in last and json.loads(last["ENTRYPOINT"]) == ["/opt/pyscrape/bin/pyscrape"]
    assert {word.split("=")[0].lstrip("-") for word in json.loads(last["CMD"])[1:]} <= set(BY_NAME)
