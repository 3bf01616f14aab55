"""Remote write into the real Prometheus and VictoriaMetrics: every series and sample arrives, markers included.

pyscrape keeps what it scrapes on disk; when it has ended, its store is read as a library and held against what the
receivers have: Prometheus' by remote read, bit for bit, VictoriaMetrics' by its export. `PYSCRAPE_REMOTE_WRITE_S=300`
makes it five minutes, `PYSCRAPE_REMOTE_WRITE_TARGETS=host:port,...` adds targets.
"""

import http.server
import json
import math
import os
import struct
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import cramjam
import numpy as np
import pytest

from pyscrape.model.value import NAN_BITS, STALE_BITS
from pyscrape.remote.encode import field, varint
from pyscrape.remote.settings import PROTOBUF_V2
from pyscrape.store import Store
from tests.helpers.processes import HOST, fetch, free_port, peer, prometheus, pyscrape, started, wait_for
from tests.remote.receiver import fields

SCRAPE_S = float(os.environ.get("PYSCRAPE_REMOTE_WRITE_S", "5"))
TARGETS = [text for text in os.environ.get("PYSCRAPE_REMOTE_WRITE_TARGETS", "").split(",") if text]

Labels = tuple[tuple[str, str], ...]
Samples = Mapping[Labels, Mapping[int, int]]
"""By labels without the external one: time in ms to the bits of the value."""


class Lab(NamedTuple):
    """What pyscrape has, and where what it wrote went to."""

    samples: Samples
    exemplars: list[Any]
    prometheus_1: str
    prometheus_2: str
    victoria_metrics: str


class Churning(http.server.BaseHTTPRequestHandler):
    """A page on which series come and go at every scrape, with values of every kind."""

    scrapes = 0

    def do_GET(self) -> None:
        Churning.scrapes += 1
        now = Churning.scrapes
        lines = [
            f'odd{{k="{k}"}} {value}'
            for k, value in enumerate(("NaN", "+Inf", "-Inf", "-5", "1e-310", 1e300))
        ]
        lines += [f'born{{k="{k}",generation="{(now + k) // 3}"}} {now * k}' for k in range(30)]
        lines += [f'own_time{{k="{k}"}} {now} {time.time() - 0.5 - k % 2:.3f}' for k in range(5)]
        lines += [
            "# TYPE seen counter",
            f'seen_total{{a="b"}} {now} # {{trace="{now}"}} {now} {time.time():.3f}',
        ]
        body = "\n".join([*lines, "# EOF", ""]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/openmetrics-text; version=1.0.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Nothing: the log of a test's page is of no use."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """What pyscrape stored, and the addresses of those to which it wrote."""
    folder = tmp_path_factory.mktemp("remote")
    programs = {name: peer(name) for name in ("node_exporter", "victoria-metrics", "prometheus")}
    node, vm = free_port(), free_port()
    empty = [folder / name / "prometheus.yml" for name in ("one", "two")]
    for path in empty:
        path.parent.mkdir()
        path.write_text("scrape_configs: []\n")
    page = http.server.ThreadingHTTPServer((HOST, free_port()), Churning)
    threading.Thread(target=page.serve_forever, daemon=True).start()
    with ExitStack() as stack:
        enter = stack.enter_context
        command = [programs["node_exporter"], f"--web.listen-address={HOST}:{node}"]
        exporter = enter(started(command, folder, node, "/metrics"))
        command = [
            programs["victoria-metrics"],
            f"-storageDataPath={folder / 'vm'}",
            f"-httpListenAddr={HOST}:{vm}",
        ]
        other = enter(started(command, folder, vm, "/health", "victoria-metrics"))
        flags = ["--web.enable-remote-write-receiver", "--enable-feature=exemplar-storage"]
        one, two = (enter(prometheus(path, *flags)) for path in empty)
        config = folder / "prometheus.yml"
        targets = [f"{HOST}:{node}", f"{HOST}:{page.server_address[1]}", *TARGETS]
        soon = "queue_config: {batch_send_deadline: 500ms}"
        config.write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s, external_labels: {replica: a}}\n"
            "remote_write:\n"
            f"  - {{url: '{one.url}/api/v1/write', send_exemplars: true, {soon}}}\n"
            f"  - {{url: '{two.url}/api/v1/write', send_exemplars: true, protobuf_message: {PROTOBUF_V2}, {soon}}}\n"
            f"  - {{url: '{other.url}/api/v1/write', queue_config: {{batch_send_deadline: 500ms, min_shards: 3}}}}\n"
            f"scrape_configs: [{{job_name: node, track_timestamps_staleness: true,"
            f" static_configs: [{{targets: {targets}}}]}}]\n"
        )
        with pyscrape(config, f"--storage.tsdb.path={folder / 'data'}") as ours:
            wait_for("the first samples", lambda: len(ours.query("up == 1")) == len(targets))
            time.sleep(SCRAPE_S)  # real programs on real clocks
            exporter.popen.terminate()
            exporter.popen.wait(10)
            wait_for("the end of the exporter", lambda: ours.query("up == 0"))
            exemplars = ours.get(
                "/api/v1/query_exemplars", query="seen_total", start="0", end=str(time.time())
            )
        page.shutdown()
        page.server_close()
        yield Lab(stored(folder / "data"), exemplars["data"], one.url, two.url, other.url)


def stored(folder: Path) -> Samples:
    """Everything in pyscrape's store."""
    store = Store()
    store.open(folder)
    found = {
        tuple(sorted(labels.items())): dict(zip(times.tolist(), values.view(np.uint64).tolist(), strict=True))
        for labels, times, values in store.samples([])
    }
    store.close()
    return found


def remote_read(url: str) -> Samples:
    """Everything in Prometheus with an instance, by its remote read."""
    matcher = b"\x08\x01" + field(0x12, b"instance")  # instance != ""
    query = b"\x08\x00\x10" + varint(2**62) + field(0x1A, matcher)
    body = bytes(cramjam.snappy.compress_raw(field(0x0A, query)))
    request = urllib.request.Request(url + "/api/v1/read", data=body, method="POST")
    request.add_header("Content-Encoding", "snappy")
    with urllib.request.urlopen(request, timeout=120) as answer:
        message = bytes(cramjam.snappy.decompress_raw(answer.read()))
    found: dict[Labels, dict[int, int]] = {}
    for _, result in fields(message):
        for _, series in fields(result):
            parts = list(fields(series))
            pairs = {
                (p[1].decode(), p[2].decode()) for k, part in parts if k == 1 for p in [dict(fields(part))]
            }
            samples = [dict(fields(part)) for k, part in parts if k == 2]
            found[tuple(sorted(pairs - {("replica", "a")}))] = {
                one[2]: int.from_bytes(one.get(1, b"\0" * 8), "little") for one in samples
            }
    return found


def exported(url: str) -> dict[Labels, dict[int, float | None]]:
    """Everything in VictoriaMetrics with an instance; None for a NaN or a marker."""
    _, body = fetch(
        url + "/api/v1/export?match%5B%5D=%7Binstance!%3D%22%22%7D&reduce_mem_usage=1", timeout_s=120
    )
    found: dict[Labels, dict[int, float | None]] = {}
    for line in body.splitlines():
        row = json.loads(line)
        labels = tuple(sorted((k, v) for k, v in row["metric"].items() if k != "replica"))
        values = [float(v.replace("Infinity", "inf")) if isinstance(v, str) else v for v in row["values"]]
        found.setdefault(labels, {}).update(zip(row["timestamps"], values, strict=True))
    return found


def as_float(bits: int) -> float:
    return float(struct.unpack("<d", struct.pack("<Q", bits))[0])


def test_what_was_stored_is_what_was_scraped(lab: Lab) -> None:
    expected = lab.samples
    count = sum(map(len, expected.values()))
    markers = sum(bits == STALE_BITS for samples in expected.values() for bits in samples.values())
    print(f"{len(expected)} series, {count} samples, {markers} of them markers")
    assert len(expected) > 300
    assert count > 300 * SCRAPE_S
    assert markers > 300


@pytest.mark.parametrize("protocol", ["1.0", "2.0"])
def test_every_sample_is_in_prometheus(lab: Lab, protocol: str) -> None:
    url = lab.prometheus_1 if protocol == "1.0" else lab.prometheus_2
    expected, found = lab.samples, remote_read(url)
    assert sorted(found.keys() ^ expected.keys()) == []
    assert [labels for labels, samples in expected.items() if samples != found[labels]] == []


def test_every_exemplar_is_in_prometheus(lab: Lab) -> None:
    [ours] = lab.exemplars
    # The last may have come after the last sample that was sent.
    expected = ours["exemplars"][:-1]
    assert len(expected) > SCRAPE_S / 2
    for url in (lab.prometheus_1, lab.prometheus_2):
        _, body = fetch(f"{url}/api/v1/query_exemplars?query=seen_total&start=0&end={time.time()}")
        [theirs] = json.loads(body)["data"]
        assert theirs["seriesLabels"] == ours["seriesLabels"] | {"replica": "a"}
        assert theirs["exemplars"][: len(expected)] == expected


def test_every_sample_is_in_victoria_metrics(lab: Lab) -> None:
    stored_here, url = lab.samples, lab.victoria_metrics
    # It keeps no NaN that is no marker.
    expected = {
        labels: {at_ms: bits for at_ms, bits in samples.items() if bits != NAN_BITS}
        for labels, samples in stored_here.items()
        if set(samples.values()) != {NAN_BITS}
    }

    def differing() -> list[object]:
        found = exported(url)
        if found.keys() != expected.keys():
            return sorted(found.keys() ^ expected.keys())
        return [
            (labels, at_ms, as_float(bits), found[labels].get(at_ms, "absent"))
            for labels, samples in expected.items()
            for at_ms, bits in samples.items()
            if not alike(as_float(bits), found[labels].get(at_ms, "absent"))
        ]

    # What was written is seen there after some seconds.
    def same() -> bool:
        assert differing()[:3] == []
        return True

    wait_for("every sample", same, 20, 1.0)


def alike(ours: float, theirs: object) -> bool:
    """VictoriaMetrics keeps decimal numbers: the last digits may differ, and the smallest numbers are 0."""
    if theirs is None:
        return math.isnan(ours)
    return isinstance(theirs, float | int) and (
        ours == theirs or math.isclose(ours, theirs, rel_tol=1e-12, abs_tol=1e-300)
    )
