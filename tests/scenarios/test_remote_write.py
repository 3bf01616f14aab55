"""Remote write into the real Prometheus and VictoriaMetrics: every series and sample arrives, markers included."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.helpers.processes import (
    HOST,
    Process,
    fetch,
    free_port,
    peer,
    prometheus,
    pyscrape,
    started,
    wait_for,
)

SCRAPE_S = 10.0


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, Process, Process, float, float]]:
    """pyscrape that writes to both, and a time range in which all three have everything."""
    folder = tmp_path_factory.mktemp("remote")
    programs = {name: peer(name) for name in ("node_exporter", "victoria-metrics", "prometheus")}
    node, vm = free_port(), free_port()
    (folder / "receiver").mkdir()
    empty = folder / "receiver" / "prometheus.yml"
    empty.write_text("scrape_configs: []\n")
    with ExitStack() as stack:
        enter = stack.enter_context
        exporter = enter(
            started(
                [programs["node_exporter"], f"--web.listen-address={HOST}:{node}"], folder, node, "/metrics"
            )
        )
        victoria = [
            programs["victoria-metrics"],
            f"-storageDataPath={folder / 'vm'}",
            f"-httpListenAddr={HOST}:{vm}",
        ]
        other = enter(started(victoria, folder, vm, "/health", "victoria-metrics"))
        receiver = enter(prometheus(empty, "--web.enable-remote-write-receiver"))
        config = folder / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s, external_labels: {replica: a}}\n"
            "remote_write:\n"
            f"  - {{url: '{receiver.url}/api/v1/write', queue_config: {{batch_send_deadline: 500ms}}}}\n"
            f"  - {{url: '{other.url}/api/v1/write', queue_config: {{batch_send_deadline: 500ms, min_shards: 3}}}}\n"
            f"scrape_configs: [{{job_name: node, static_configs: [{{targets: ['{HOST}:{node}']}}]}}]\n"
        )
        ours = enter(pyscrape(config))
        wait_for("the first sample", lambda: ours.query('up{job="node"} == 1'))
        begin_s = time.time()
        time.sleep(SCRAPE_S)  # real programs on real clocks
        exporter.popen.terminate()
        exporter.popen.wait(10)
        wait_for("the end of the exporter", lambda: ours.query('up{job="node"} == 0'))
        time.sleep(2)
        # What came within the batch's deadline may still be on its way.
        yield ours, receiver, other, begin_s, time.time() - 1


def samples(server: Process, begin_s: float, end_s: float) -> dict[str, list[list[object]]]:
    """Every sample of the job by series, without external labels."""
    answer = server.get(
        "/api/v1/query", query=f'{{job="node"}}[{int(end_s - begin_s) + 1}s]', time=str(end_s)
    )
    assert answer["status"] == "success", answer
    return {
        json.dumps({k: v for k, v in row["metric"].items() if k != "replica"}, sort_keys=True): row["values"]
        for row in answer["data"]["result"]
    }


def test_every_sample_is_in_prometheus(lab: tuple[Process, Process, Process, float, float]) -> None:
    ours, receiver, _, begin_s, end_s = lab
    expected = samples(ours, begin_s, end_s)
    assert len(expected) > 300
    wait_for("all series", lambda: samples(receiver, begin_s, end_s).keys() == expected.keys())
    found = samples(receiver, begin_s, end_s)
    assert found == expected
    assert receiver.query('node_load1{job="node"}') == [], "ended by a marker"
    assert receiver.query('up{job="node",replica="a"} == 0')


def test_every_sample_is_in_victoria_metrics(lab: tuple[Process, Process, Process, float, float]) -> None:
    ours, _, other, begin_s, end_s = lab
    expected = samples(ours, begin_s, end_s)

    def exported() -> dict[str, list[list[object]]]:
        query = f'/api/v1/export?match[]={{job="node"}}&start={begin_s}&end={end_s}&reduce_mem_usage=1'
        found: dict[str, list[list[object]]] = {}
        for line in fetch(other.url + query.replace("{", "%7B").replace("}", "%7D").replace('"', "%22"))[
            1
        ].splitlines():
            row = json.loads(line)
            labels = json.dumps({k: v for k, v in row["metric"].items() if k != "replica"}, sort_keys=True)
            pairs = zip(row["timestamps"], row["values"], strict=True)
            found.setdefault(labels, []).extend([at_ms, value] for at_ms, value in pairs)
        return found

    def missing() -> dict[str, set[int]]:
        found = exported()
        wanted = {
            labels: {round(float(str(at)) * 1000) for at, _ in rows} for labels, rows in expected.items()
        }
        held = {labels: {at_ms for at_ms, _ in rows} for labels, rows in found.items()}
        return {labels: lost for labels, times in wanted.items() if (lost := times - held.get(labels, set()))}

    # What was written is seen there after some seconds.
    wait_for("every sample", lambda: not missing(), 20, 1.0)
