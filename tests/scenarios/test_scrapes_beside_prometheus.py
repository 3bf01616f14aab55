"""Sequences of pages scraped by Prometheus and by pyscrape: after each scrape the same series, values and error.

Each target has a job of its own and gives its pages in turn, the last one for ever. What is stored is seen with the
eyes of a query at the very moment of each scrape, so that series that ended are seen to be gone.
"""

import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from tests.helpers.processes import HOST, Process, prometheus, pyscrape, wait_for

TEXT, OPENMETRICS = "text/plain; version=0.0.4", "application/openmetrics-text; version=1.0.0"
SCRAPES = 4
PLACE = re.compile(r" \(line \d+, column \d+\)$")

Answer = tuple[int, str | None, str]


def text(*pages: str) -> list[Answer]:
    return [(200, TEXT, page) for page in pages]


def openmetrics(*pages: str) -> list[Answer]:
    return [(200, OPENMETRICS, page) for page in pages]


FAILS: list[Answer] = [(500, TEXT, "")]
DROP_X = {"metric_relabel_configs": [{"regex": "x", "action": "labeldrop"}]}
LEGACY = {"metric_name_validation_scheme": "legacy", "metric_name_escaping_scheme": "underscores"}

# Fields of the job, and the answers of its target; NOW and SEC stand for the moment of the answer.
CASES: list[tuple[dict[str, Any], list[Answer]]] = [
    # A mistake on a page: what stands before it.
    ({}, text("a 1\nb 2\n", "a 1\nb x\n", "a 1\nb 2\n")),
    ({}, text("a 1\nb 2\n", "7&-\na 1\n", "b 2\n")),
    ({}, text("a 1\n", "n 1\na 1\nb x\n", "n 1\na 2\n")),
    ({}, text("a 1\nb 2\nc 3\n", "a 1\nb x\n", "a 1\nb x\n", "a 1\nb 2\n")),
    ({}, [*text("a 1\nb 2\n", "a 1\nb x\n"), *FAILS, *text("a 1\n")]),
    ({}, text("a 1\nb 2\n", "a 1\nb x\n", "b 1\n")),
    ({}, openmetrics("a 1\nb 2\n# EOF\n", "a 1\n", "a 1\nb 2\n# EOF\n")),
    ({}, openmetrics("a 1\nb 2 \n# EOF\n")),
    ({}, text('a 1\nb{x="1",x="2"} 1\nc x\n', "a 1\n")),
    (LEGACY, text('a 1\n{"a.b"} 1\n', "a 1\n")),
    # Limits.
    ({"sample_limit": 2}, text("a 1\nb 2\n", "a 1\nb 2\nc 3\n", "a 1\nb 2\n")),
    ({"sample_limit": 1}, text("a 1\nb 2\nc x\n", "a 1\n")),
    ({"sample_limit": 2}, text("a 1\na 2\nb 1\n", "a 1\na 2\nb 1\nc 1\n")),
    ({"label_limit": 4}, text("a 1\nb 1\n", 'a 1\nc{x="1",y="2"} 1\nb 1\n', "a 1\n")),
    ({"label_limit": 4}, text('a 1\nc{x="1",y="2"} 1\nb 1\n')),
    ({"body_size_limit": "8B"}, text("a 1\nb \n", "a 1\nb 1\n", "a 1\n")),
    # Times of their own.
    ({}, text("a 1 NOW-3000\nb 2\n", "a 1 NOW-3000\nb 2\n", "b 2\n")),
    ({"track_timestamps_staleness": True}, text("a 1 NOW-3000\nb 2\n", "b 2\n")),
    ({"honor_timestamps": False}, text("a 1 NOW-3000\nb 2\n", "b 2\n")),
    ({}, text("a 1\nb 2\n", "a 1 NOW-500\nb 2\n", "b 2\n")),
    ({"track_timestamps_staleness": True}, text("a 1\nb 2\n", "a 1 NOW-500\nb 2\n", "b 2\n")),
    ({}, text("a 1 NOW-500\nb 2\n", "a 1\nb 2\n", "b 2\n")),
    ({}, text("b 2\n", "a 1 NOW+3600000\nb 2\n", "b 2\n")),
    ({}, text("a 1 NOW-1000\na 2 NOW-500\n", "b 1\n")),
    ({}, text("a 2 NOW-500\na 1\n", "b 1\n")),
    ({}, openmetrics("a 1 SEC\nb 2\n# EOF\n", "b 2\n# EOF\n")),
    # Series that are equal, that come and go.
    ({}, text("a 1\na 2\nb 1\n", "a 1\na 2\nb 1\n", "a 3\nb 1\n")),
    (DROP_X, text('a{x="1"} 1\na{x="2"} 2\n', 'a{x="1"} 3\na{x="2"} 4\n', "b 1\n")),
    ({}, text("a 1\nb 1\n", "a 1\n", "b 1\na 1\n", "")),
    ({}, text("a 1\n", "", "# nothing\n", "a 1\n")),
    ({}, text("# TYPE h histogram\n" + 'h_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_count 2\nh_sum 3\n')),
    ({}, text('a{x=""} 1\nb{own="mine",job="theirs"} 2\n', 'b{own="",job=""} 2\n')),
    ({"honor_labels": True}, text('a{instance=""} 1\nb{instance="theirs"} 2\n', "b 2\n")),
    # Answers that are no page.
    ({}, [*text("a 1\n"), (200, "text/html", "a 1\n"), (200, None, "a 1\n"), *text("a 1\n")]),
    (
        {"fallback_scrape_protocol": "PrometheusText0.0.4"},
        [*text("a 1\n"), (200, "text/html", "a 2\n"), (200, None, "a 3\n"), (200, "x y", "a 4\n")],
    ),
    ({}, [*text("a 1\n"), *FAILS, (404, TEXT, ""), (302, TEXT, "")]),
]


@contextmanager
def served() -> Iterator[int]:
    """The port of a server that answers `/<case>` in turn, each scraper for itself."""
    seen: defaultdict[tuple[str, str], int] = defaultdict(int)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            who = (self.headers["User-Agent"], self.path)
            answers = CASES[int(self.path.strip("/"))][1]
            status, content_type, page = answers[min(seen[who], len(answers) - 1)]
            seen[who] += 1
            now_ms = round(time.time() * 1000)
            page = re.sub(r"NOW([+-]\d+)", lambda found: str(now_ms + int(found[1])), page)
            body = page.replace("SEC", f"{(now_ms - 500) / 1000:.3f}").encode()
            self.send_response(status)
            if content_type is not None:
                self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 100
        daemon_threads = True

    server = Server((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def config_of(port: int) -> str:
    jobs = [
        {
            "job_name": f"case{number}",
            "metrics_path": f"/{number}",
            "static_configs": [{"targets": [f"{HOST}:{port}"], "labels": {"own": str(number)}}],
            **fields,
        }
        for number, (fields, _) in enumerate(CASES)
    ]
    return yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": jobs})


def times_of_scrapes(process: Process, case: int) -> list[float]:
    found = process.query(f'scrape_duration_seconds{{job="case{case}"}}[1m]')
    return [at_s for series in found for at_s, _ in series["values"]][:SCRAPES]


def scraped(process: Process) -> bool:
    return all(len(times_of_scrapes(process, case)) == SCRAPES for case in range(len(CASES)))


def seen_after(process: Process, case: int, at_s: float) -> dict[str, str]:
    """The series of a case with their values at a moment."""
    found = {}
    # The job's label may have been taken over from the page: `own` of the target is always somewhere.
    for label in ("job", "exported_job"):
        for one in process.query(f'{{{label}="case{case}",__name__!="scrape_duration_seconds"}}', at_s):
            found[str(sorted(one["metric"].items()))] = one["value"][1]
    return found


def last_errors(process: Process) -> dict[str, str]:
    targets = process.get("/api/v1/targets")["data"]["activeTargets"]
    return {target["scrapePool"]: PLACE.sub("", target["lastError"]) for target in targets}


def test_each_scrape_leaves_what_prometheus_has(tmp_path: Path) -> None:
    with ExitStack() as stack:
        port = stack.enter_context(served())
        config = tmp_path / "prometheus.yml"
        config.write_text(config_of(port))
        theirs = stack.enter_context(prometheus(config))
        ours = stack.enter_context(pyscrape(config))
        for process in (theirs, ours):
            wait_for("scrapes of every target", partial(scraped, process), 30)
        for case, (fields, answers) in enumerate(CASES):
            pairs = zip(times_of_scrapes(theirs, case), times_of_scrapes(ours, case), strict=True)
            for number, (their_s, our_s) in enumerate(pairs):
                expected = seen_after(theirs, case, their_s)
                assert seen_after(ours, case, our_s) == expected, (fields, answers, number)
        assert last_errors(ours) == last_errors(theirs)
