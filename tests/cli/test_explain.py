import json
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from pyscrape.cli.main import main

CONFIG = r"""
scrape_configs:
  - job_name: pods
    kubernetes_sd_configs: [{role: pod}]
    relabel_configs:
      - {source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scrape], action: keep, regex: true}
      - source_labels: [__address__, __meta_kubernetes_pod_annotation_prometheus_io_port]
        regex: '([^:]+)(?::\d+)?;(\d+)'
        replacement: $1:$2
        target_label: __address__
      - {source_labels: [__meta_kubernetes_namespace], target_label: namespace}
  - job_name: static
    static_configs: [{targets: ["a:1", "b:2"], labels: {zone: eu}}]
    relabel_configs: [{source_labels: [__address__], regex: "b:.*", action: drop}]
    metric_relabel_configs:
      - {source_labels: [__name__], regex: go_.*, action: drop}
      - {regex: path, action: labeldrop}
  - job_name: broken
    static_configs: [{targets: ["a:1"]}]
    relabel_configs: [{target_label: __address__, replacement: ""}]
"""
POD = """
apiVersion: v1
kind: Pod
metadata:
  name: web-0
  namespace: shop
  creationTimestamp: 2024-05-01T10:00:00Z
  annotations: {prometheus.io/scrape: "true", prometheus.io/port: "9102"}
spec: {containers: [{name: web, image: web, ports: [{containerPort: 8080}]}]}
status: {podIP: 10.1.0.5, phase: Running}
"""
PAGE = """\
# TYPE http_requests_total counter
http_requests_total{path="/a"} 1
http_requests_total{path="/b"} 2
go_goroutines 5
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "prometheus.yml").write_text(CONFIG)
    (tmp_path / "pod.yml").write_text(POD)
    (tmp_path / "page.txt").write_text(PAGE)
    return tmp_path


def explain(folder: Path, *arguments: str) -> int:
    return main(["explain", str(folder / "prometheus.yml"), *arguments])


def test_an_object_goes_through_discovery_and_rules(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(folder, "--job=pods", f"--object={folder}/pod.yml") == 0
    text = capsys.readouterr().out
    assert "target http://10.1.0.5:9102/metrics".replace("target ", "target: ") in text
    assert '    namespace="shop"' in text
    assert f"({folder}/prometheus.yml:6)" in text
    assert 'so __address__ becomes "10.1.0.5:9102"' in text


@pytest.mark.parametrize(
    "labels", ['{"__address__": "x:1"}', "{__address__: 'x:1', port: 80}", "__address__=x:1,a=b"]
)
def test_labels_in_three_forms(folder: Path, capsys: pytest.CaptureFixture[str], labels: str) -> None:
    assert explain(folder, "--job=static", f"--labels={labels}", "--format=json") == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert report["url"] == "http://x:1/metrics"
    assert report["labels_final"]["instance"] == "x:1"


def test_static_targets_by_default(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(folder, "--job=static", "--format=json") == 0
    kept, dropped = json.loads(capsys.readouterr().out)
    assert kept["labels_final"] == {"instance": "a:1", "job": "static", "zone": "eu"}
    assert dropped["dropped"] is True
    assert dropped["steps"][0]["outcome"] == "dropped"


def test_a_target_that_cannot_be_built(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(folder, "--job=broken") == 0
    assert "no target: no address" in capsys.readouterr().out


def test_a_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(folder, "--job=static", f"--metrics={folder}/page.txt") == 0
    text = capsys.readouterr().out
    assert "series: 3 -> 2" in text
    assert "  kept 2, dropped 1, changed 0, renamed 0" in text
    assert 'collision: 2 series become http_requests_total{job="static"}' in text


class _Exporter(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/metrics" else 404)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("path", "code", "said"), [("/metrics", 0, "series: 3 -> 2"), ("/", 2, "status 404")]
)
def test_a_page_from_a_target(
    folder: Path, capsys: pytest.CaptureFixture[str], path: str, code: int, said: str
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Exporter) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}{path}"
        assert explain(folder, "--job=static", f"--metrics={url}") == code
        server.shutdown()
    assert said in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--job=pod"], "no job 'pod'"),
        (["--job=pods"], "has no static targets"),
        (["--job=static", "--object={}/pod.yml"], "has no kubernetes_sd_configs"),
        (["--job=pods", "--object={}/nothing.yml"], "nothing.yml"),
        (["--job=pods", "--object={}/page.txt"], "expected a mapping"),
        (["--job=pods", "--labels=x"], "labels are a mapping"),
        (["--job=static", "--metrics={}/pod.yml"], "the page does not parse"),
        (["--job=static", "--labels=a=b", "--object=x"], "--object goes with neither"),
        (["--job=static", "--metrics=http://127.0.0.1:1/metrics"], "cannot read http://127.0.0.1:1/metrics"),
    ],
)
def test_wrong_usage(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: Sequence[str], message: str
) -> None:
    assert explain(folder, *[argument.format(folder) for argument in arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_configuration_with_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "prometheus.yml").write_text("scrape_configs:\n  - {jobname: x}\n")
    assert explain(tmp_path, "--job=x") == 2
    assert "jobname" in capsys.readouterr().err


def test_objects_that_are_no_text_are_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "no-text.yml").write_bytes(b"\xff\xfe\x01")
    assert explain(folder, "--job", "pods", "--object", str(folder / "no-text.yml")) == 2
    assert "no-text.yml is no text in UTF-8" in capsys.readouterr().err
