"""`pyscrape sd` and `pyscrape why` against a cluster: what is found, and why something is not."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pyscrape.cli import survey
from pyscrape.cli.main import main
from pyscrape.cli.sd import differences
from pyscrape.config import parse_config
from pyscrape.discovery.groups import DiscoveryStatus, UpdateGroups
from pyscrape.discovery.kubernetes.lookup import Wanted, parse_wanted
from tests.discovery.kubernetes import manifests as make
from tests.helpers.fake_kubernetes import FakeKubernetes
from tests.helpers.threaded_server import in_thread

USER = "system:serviceaccount:kube-ops:pyscrape"
CONFIG = """\
scrape_configs:
  - job_name: pods
    kubernetes_sd_configs: [{role: pod, api_server: URL, authorization: {credentials: open}}]
    relabel_configs:
      - {source_labels: [__meta_kubernetes_pod_label_scrape], regex: "true", action: keep}
      - {source_labels: [__meta_kubernetes_pod_label_stage], regex: "test", action: drop}
      - {source_labels: [__meta_kubernetes_pod_label_alias], regex: "(.+)", target_label: __address__}
  - job_name: shop
    kubernetes_sd_configs:
      - {role: pod, api_server: URL, authorization: {credentials: open}, namespaces: {names: [shop]}}
  - job_name: selected
    kubernetes_sd_configs:
      - role: pod
        api_server: URL
        authorization: {credentials: open}
        selectors: [{role: pod, label: "scrape=true"}]
  - job_name: few
    target_limit: 2
    kubernetes_sd_configs: [{role: pod, api_server: URL, authorization: {credentials: open}}]
  - job_name: services
    kubernetes_sd_configs: [{role: service, api_server: URL, authorization: {credentials: open}}]
  - job_name: nodes
    kubernetes_sd_configs: [{role: node, api_server: URL, authorization: {credentials: open}}]
  - job_name: endpoints
    kubernetes_sd_configs: [{role: endpoints, api_server: URL, authorization: {credentials: open}}]
  - job_name: forbidden
    kubernetes_sd_configs: [{role: ingress, api_server: URL, authorization: {credentials: open}}]
  - job_name: stranger
    kubernetes_sd_configs: [{role: pod, api_server: URL, authorization: {credentials: wrong}}]
  - job_name: static
    static_configs: [{targets: ["a:1", "b:2"]}]
    relabel_configs: [{source_labels: [__address__], regex: "b:.*", action: drop}]
"""


def objects() -> Iterator[dict[str, Any]]:
    yield make.pod("cart-0", "10.0.0.1", scrape="true")
    yield make.pod("cart-1", "10.0.0.2", scrape="tru")
    yield make.pod("cart-2", "10.0.0.3", scrape="true", stage="test")
    yield make.pod("bad", "10.0.0.4", scrape="true", alias="no/host")
    yield make.pod("pending", "", scrape="true")
    yield make.pod("twin-a", "10.0.0.5", scrape="true", alias="one:80")
    yield make.pod("twin-b", "10.0.0.6", scrape="true", alias="one:80")
    yield make.pod("till", "10.0.0.7", namespace="shop")
    yield make.service("cart")
    without_ports = make.service("silent")
    del without_ports["spec"]["ports"]
    yield without_ports
    yield make.endpoints("cart", "cart-0")
    yield make.endpoints("empty")
    yield make.node("n1", "10.1.0.1")
    lost = make.node("lost")
    lost["status"]["addresses"] = []
    yield lost


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = FakeKubernetes(objects())
    server.tokens = {"open": USER}
    readable = ["pods", "services", "endpoints", "nodes"]
    server.rules = {USER: [{"apiGroups": [""], "resources": readable, "verbs": ["list", "watch"]}]}
    with in_thread(server):
        path = tmp_path_factory.mktemp("sd") / "prometheus.yml"
        path.write_text(CONFIG.replace("URL", server.url))
        yield str(path)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "REFUSED_FOR_S", 0.1)


WHY = [
    # job, name, exit code, cause, words of the answer
    ("pods", "pod/default/cart-0", 0, "target", "http://10.0.0.1:80/metrics"),
    ("pods", "10.0.0.1:80", 0, "target", "pod/default/cart-0"),
    ("pods", "cart-1", 1, "dropped", '"tru"'),
    ("pods", "cart-2", 1, "dropped", "rule 2"),
    ("pods", "default/bad", 1, "failed", '"no/host" is not a valid hostname'),
    ("pods", "pending", 1, "no-target", "has no IP address"),
    ("pods", "twin-b", 0, "duplicate", "pod/default/twin-a"),
    ("pods", "cart-9", 1, "not-found", "did you mean"),
    ("pods", "svc/cart", 1, "wrong-role", "does not look at services"),
    (
        "shop",
        "cart-0",
        1,
        "excluded",
        "namespace default is not among the namespaces of the configuration (shop)",
    ),
    ("selected", "cart-1", 1, "excluded", "label selector 'scrape=true'"),
    ("few", "cart-0", 1, "over-limit", "target_limit exceeded (number of targets: 7, limit: 2)"),
    ("services", "svc/default/silent", 1, "no-target", "has no ports"),
    ("nodes", "lost", 1, "no-target", "no address"),
    ("nodes", "node/n1", 0, "target", "10.1.0.1:10250"),
    ("endpoints", "pod/cart-1", 1, "not-behind", "no endpoints object refers to it"),
    ("endpoints", "endpoints/empty", 1, "no-target", "no addresses behind it"),
    ("endpoints", "svc/cart", 0, "target", "http://10.0.0.1:80/metrics"),
    ("forbidden", "web", 1, "forbidden", 'resources: ["ingresses"]'),
    ("stranger", "cart-0", 1, "discovery-failed", "does not know these credentials"),
    ("static", "a:1", 0, "target", "http://a:1/metrics"),
    ("static", "b:2", 1, "dropped", "rule 1"),
]


@pytest.mark.parametrize(("job", "name", "code", "cause", "words"), WHY, ids=lambda value: str(value)[:20])
def test_why(
    config: str, capsys: pytest.CaptureFixture[str], job: str, name: str, code: int, cause: str, words: str
) -> None:
    assert main(["why", config, "--job", job, name]) == code
    assert words in capsys.readouterr().out
    assert main(["why", config, "--job", job, name, "--format", "json"]) == code
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert cause in {finding["cause"] for finding in findings}


def test_sd_shows_all_that_becomes_of_targets(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sd", config, "--job", "pods"]) == 0
    shown = capsys.readouterr().out
    counted = "3 active (2 to scrape, others are the same again), 3 dropped, 1 failed"
    assert shown.startswith(f"job pods: 7 discovered, {counted}")
    assert "http://10.0.0.1:80/metrics  pod/default/cart-0" in shown
    assert '10.0.0.4:80  pod/default/bad  "no/host" is not a valid hostname' in shown
    assert "dropped by relabel_configs[1]" in shown


def test_sd_says_which_are_one_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "prometheus.yml"
    rule = (
        "{source_labels: [__address__], regex: '([^:]+):.*', target_label: __address__, replacement: '$1:9'}"
    )
    statics = "[{targets: ['a:1', 'a:2', 'b:1']}]"
    path.write_text(
        f"scrape_configs: [{{job_name: j, static_configs: {statics}, relabel_configs: [{rule}]}}]\n"
    )
    assert main(["sd", str(path), "--job", "j"]) == 0
    counted = "job j: 3 discovered, 3 active (2 to scrape, others are the same again), 0 dropped, 0 failed ("
    assert capsys.readouterr().out.startswith(counted)


@pytest.mark.timeout(60)  # far below the time it may wait
def test_sd_as_data_as_soon_as_all_is_known(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sd", config, "--job", "pods", "--format", "json", "--timeout", "3600"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["complete"] and 0 < found["seconds"] < 3600
    by_state = {
        state: [t for t in found["targets"] if t["state"] == state]
        for state in ("active", "dropped", "failed")
    }
    assert {target["rule"] for target in by_state["dropped"]} == {0, 1}
    assert {target["url"] for target in by_state["active"]} == {
        "http://10.0.0.1:80/metrics",
        "http://one:80/metrics",
    }
    assert by_state["active"][0]["discoveredLabels"]["__meta_kubernetes_pod_name"] == "cart-0"


def test_sd_tells_of_files_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.json").write_text("[{}]x")
    (tmp_path / "b.yml").write_text("- null\n")
    (tmp_path / "c.yml").write_text("- targets: ['c:1']\n")
    files = tmp_path / "prometheus.yml"
    files.write_text("scrape_configs: [{job_name: f, file_sd_configs: [{files: ['?.json', '?.yml']}]}]")
    assert main(["sd", str(files), "--job", "f"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[1:3] == [
        f"file: {tmp_path}/a.json: json: Extra data: line 1 column 5 (char 4)",
        f"file: {tmp_path}/b.yml: line 1: nil target group item found",
    ]
    assert "  http://c:1/metrics" in shown[5]


def test_a_discovery_that_cannot_be_made_is_told_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "prometheus.yml"
    file.write_text("scrape_configs: [{job_name: c, consul_sd_configs: [{server: 'ftp://c:1'}]}]")
    assert main(["sd", str(file), "--job", "c", "--timeout", "3600"]) == 1
    assert "consul: no answer yet: ValueError: Unknown protocol scheme: ftp" in capsys.readouterr().out
    assert main(["why", str(file), "--job", "c", "web", "--timeout", "3600"]) == 1
    assert "consul discovery fails: ValueError: Unknown protocol scheme: ftp" in capsys.readouterr().out


def test_a_list_that_sd_writes_makes_the_same_targets(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sd", config, "--job", "pods", "--format", "targets"]) == 0
    (tmp_path / "frozen.json").write_text(capsys.readouterr().out)
    rules = yaml.safe_load(Path(config).read_text())["scrape_configs"][0]["relabel_configs"]
    job = {"job_name": "pods", "file_sd_configs": [{"files": ["*.json"]}], "relabel_configs": rules}
    frozen = tmp_path / "prometheus.yml"
    frozen.write_text(yaml.safe_dump({"scrape_configs": [job]}))

    def targets(file: str) -> list[tuple[str, str, str]]:
        assert main(["sd", file, "--job", "pods", "--format", "json"]) == 0
        found = json.loads(capsys.readouterr().out)["targets"]
        return sorted((t["state"], t["url"], str(t["labels"]) + t["reason"]) for t in found)

    assert targets(str(frozen)) == targets(config)
    assert main(["sd", config, "--job", "pods", "--format", "targets", "--watch"]) == 2


def test_sd_names_the_missing_right(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sd", config, "--job", "forbidden"]) == 1
    shown = capsys.readouterr().out
    assert "no answer yet: ingresses: 403 Forbidden" in shown
    assert '- apiGroups: ["networking.k8s.io"]' in shown


def config_map(folder: Path, text: str) -> str:
    path = folder / "configmap.yml"
    data = {"other.yml": "a: 1", "prometheus.yml": text}
    path.write_text(yaml.dump({"apiVersion": "v1", "kind": "ConfigMap", "data": data}))
    return str(path)


@pytest.mark.parametrize("command", [["sd"], ["why", "pod/default/cart-0"]], ids=str)
def test_a_config_map_is_tried_from_outside_of_the_cluster(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    inside = config_map(tmp_path, "scrape_configs: [{job_name: pods, kubernetes_sd_configs: [{role: pod}]}]")
    server = yaml.safe_load(Path(config).read_text())["scrape_configs"][0]["kubernetes_sd_configs"][0][
        "api_server"
    ]
    kubeconfig = tmp_path / "kubeconfig"
    parts = {
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "open"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    }
    kubeconfig.write_text(yaml.dump({"apiVersion": "v1", "kind": "Config", "current-context": "x", **parts}))
    assert main([command[0], inside, *command[1:], "--job=pods", f"--kubeconfig={kubeconfig}"]) == 0
    assert "http://10.0.0.1:80/metrics" in capsys.readouterr().out


def test_outside_of_a_cluster_sd_says_so_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    inside = config_map(tmp_path, "scrape_configs: [{job_name: pods, kubernetes_sd_configs: [{role: pod}]}]")
    assert main(["sd", inside, "--job", "pods", "--timeout", "3600"]) == 1
    shown = capsys.readouterr().out
    assert "unable to load in-cluster configuration" in shown
    assert "`pyscrape help kubernetes` says how" in shown


def test_mistakes_inside_of_a_config_map_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inside = config_map(tmp_path, "scrape_configs: [{job_name: pods, scrape_interval: 5x}]")
    assert main(["sd", inside, "--job", "pods"]) == 2
    assert 'unknown unit "x" in duration "5x"' in capsys.readouterr().err


@pytest.mark.parametrize("command", [["sd"], ["why", "x"]])
def test_unknown_job(config: str, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    assert main([command[0], config, *command[1:], "--job", "podz"]) == 2
    assert "did you mean 'pods'?" in capsys.readouterr().err


def test_no_such_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sd", str(tmp_path / "none.yml"), "--job", "x"]) == 2
    assert "none.yml" in capsys.readouterr().err


def test_watching_prints_what_came_and_went() -> None:
    job = parse_config("scrape_configs: [{job_name: j, static_configs: [{targets: [a, b]}]}]").scrape_configs[
        0
    ]
    before = survey.Survey(job).outcomes()
    after = [outcome for outcome in before if "a" not in outcome.result.discovered["__address__"]]
    assert list(differences(before, after)) == ["- active  http://a/metrics  0"]
    assert list(differences(after, before)) == ["+ active  http://a/metrics  0"]
    assert list(differences(before, before)) == []


def test_names_are_read_as_people_write_them() -> None:
    assert parse_wanted("svc/shop/cart") == Wanted("services", "shop", "cart")
    assert parse_wanted("shop/cart") == Wanted("", "shop", "cart")
    assert parse_wanted("node/n1") == Wanted("nodes", "", "n1")
    assert parse_wanted("10.0.0.1") == Wanted("", "", "10.0.0.1")


class Faulty:
    """A discoverer that falls over, as a plugin may."""

    def __init__(self) -> None:
        self.status = DiscoveryStatus("dns")

    async def run(self, update: UpdateGroups) -> None:
        raise ExceptionGroup("tasks", [ValueError("no such zone")])


def test_a_discovery_that_falls_over_says_so_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(survey, "make_discoverer", lambda config: Faulty())
    path = tmp_path / "prometheus.yml"
    path.write_text("scrape_configs: [{job_name: a, dns_sd_configs: [{names: [b.example.]}]}]")
    assert main(["sd", str(path), "--job", "a", "--timeout", "3600"]) == 1
    assert "dns: no answer yet: ValueError: no such zone" in capsys.readouterr().out
