"""What several scenarios share: pyscrape and Prometheus on one page that never changes, so that answers are equal."""

import http.server
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.helpers.processes import HOST, Process, free_port, prometheus, pyscrape, wait_for

PAGE = b"""\
# HELP http_requests_total Requests by code.
# TYPE http_requests_total counter
http_requests_total{code="200",method="get"} 1027
http_requests_total{code="200",method="post"} 3
http_requests_total{code="500",method="get"} 7
# HELP temperature_celsius Temperature.
# TYPE temperature_celsius gauge
temperature_celsius{room="kitchen"} 21.5
temperature_celsius{room="cellar"} -3
temperature_celsius{room="a \\"b\\" \\\\ c"} 0.000001
# TYPE rpc_seconds histogram
rpc_seconds_bucket{le="0.1"} 10
rpc_seconds_bucket{le="0.5"} 20
rpc_seconds_bucket{le="1"} 25
rpc_seconds_bucket{le="+Inf"} 30
rpc_seconds_sum 12.5
rpc_seconds_count 30
# TYPE odd gauge
odd{kind="nan"} NaN
odd{kind="inf"} +Inf
odd{kind="neg"} -Inf
odd{kind="big"} 1.5e+300
odd{kind="small"} 2.5e-09
odd{kind="zero"} 0
"""
CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: one
    static_configs: [{{targets: ['{host}:{page}'], labels: {{zone: east}}}}]
  - job_name: two
    static_configs: [{{targets: ['{host}:{page}', '{host}:1']}}]
    relabel_configs:
      - {{source_labels: [__address__], regex: '.*:1', action: drop}}
"""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *args: object) -> None:
        """Nothing: the log of a test's page is of no use."""


@contextmanager
def both_on_one_page(folder: Path) -> Iterator[tuple[Process, Process, float]]:
    """pyscrape, Prometheus, and a time at which both have all samples."""
    page = http.server.ThreadingHTTPServer((HOST, free_port()), Handler)
    threading.Thread(target=page.serve_forever, daemon=True).start()
    configs = []
    for name in ("ours", "theirs"):
        (folder / name).mkdir()
        config = folder / name / "prometheus.yml"
        config.write_text(CONFIG.format(host=HOST, page=page.server_address[1]))
        configs.append(config)
    receiver = "--web.enable-remote-write-receiver"
    with prometheus(configs[1], receiver) as theirs, pyscrape(configs[0], receiver) as ours:
        for server in (ours, theirs):
            wait_for("both jobs", lambda s=server: len(s.query("up == 1")) == 2)
        time.sleep(3)  # real programs on a real clock
        yield ours, theirs, math.floor(time.time())
    page.shutdown()
    page.server_close()


@pytest.fixture(scope="session")
def same_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, Process, float]]:
    """Both on one page, for tests that only ask."""
    with both_on_one_page(tmp_path_factory.mktemp("asked")) as both:
        yield both


@pytest.fixture(scope="module")
def own_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, Process, float]]:
    """Both on one page, for the tests of a module that write, too."""
    with both_on_one_page(tmp_path_factory.mktemp("written")) as both:
        yield both
