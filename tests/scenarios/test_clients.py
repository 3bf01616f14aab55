"""Programs that take pyscrape for Prometheus: vmalert, a federating Prometheus, one that writes to it."""

import time
from pathlib import Path

from tests.helpers.processes import HOST, Process, free_port, peer, prometheus, started, wait_for

RULES = """\
groups:
  - name: g
    interval: 1s
    rules:
      - record: job:up:sum
        expr: sum by (job) (up)
      - alert: Cold
        expr: temperature_celsius{room="cellar"} < 0
        labels: {severity: page}
"""


def test_vmalert_evaluates_and_writes_back(own_page: tuple[Process, Process, float], tmp_path: Path) -> None:
    ours, _, _ = own_page
    (tmp_path / "rules.yml").write_text(RULES)
    port = free_port()
    command = [
        peer("vmalert"),
        "-rule=rules.yml",
        f"-datasource.url={ours.url}",
        f"-remoteWrite.url={ours.url}",
        "-remoteWrite.flushInterval=1s",
        "-notifier.blackhole",
        "-rule.evalDelay=0s",
        f"-httpListenAddr={HOST}:{port}",
    ]
    with started(command, tmp_path, port, "/health", "vmalert") as vmalert:
        wait_for("the recorded series", lambda: len(ours.query("job:up:sum")) == 2)
        values = {row["metric"]["job"]: row["value"][1] for row in ours.query("job:up:sum")}
        assert values == {"one": "1", "two": "1"}
        wait_for(
            "the alert", lambda: ours.query('ALERTS{alertname="Cold",alertstate="firing",severity="page"}')
        )
        assert "error" not in vmalert.logged().lower(), vmalert.logged()


def test_prometheus_federates(own_page: tuple[Process, Process, float], tmp_path: Path) -> None:
    ours, _, _ = own_page
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n  - job_name: federate\n"
        "    honor_labels: true\n    metrics_path: /federate\n"
        "    params: {'match[]': ['{job=\"one\"}']}\n"
        f"    static_configs: [{{targets: ['{HOST}:{ours.port}']}}]\n"
    )
    expression = 'temperature_celsius{job="one"}'
    with prometheus(config) as federating:
        wait_for("federated series", lambda: len(federating.query(expression)) == 3)

        def values(server: Process) -> dict[str, str]:
            return {str(sorted(row["metric"].items())): row["value"][1] for row in server.query(expression)}

        assert values(federating) == values(ours)
        assert federating.query('up{job="federate"} == 1')


def test_prometheus_writes(own_page: tuple[Process, Process, float], tmp_path: Path) -> None:
    ours, theirs, _ = own_page
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s, external_labels: {from: writer}}\n"
        f"remote_write: [{{url: '{ours.url}/api/v1/write', queue_config: {{batch_send_deadline: 200ms}}}}]\n"
        "scrape_configs:\n  - job_name: written\n"
        f"    static_configs: [{{targets: ['{HOST}:{theirs.port}']}}]\n"
    )
    with prometheus(config) as writer:
        wait_for("written series", lambda: ours.query('up{job="written",from="writer"}'))
        time.sleep(3)  # real programs on a real clock: some samples more
        at_s = time.time() - 2
        selector = '{job="written",__name__=~"prometheus_tsdb_head.*|go_info|up"}'

        def answer(server: Process) -> dict[str, str]:
            rows = server.query(selector, at_s)
            return {
                str(sorted((k, v) for k, v in row["metric"].items() if k != "from")): row["value"][1]
                for row in rows
            }

        wait_for("equal answers", lambda: answer(ours) == answer(writer) and len(answer(ours)) >= 10, 15)
