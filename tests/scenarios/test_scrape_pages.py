"""Real exporters' pages, each captured once and served to Prometheus and to pyscrape: equal series, equal values."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.helpers.processes import HOST, Process, free_port, peer, prometheus, pyscrape, started, wait_for

# Program, its flags with its port filled in, and what tells that it is ready.
EXPORTERS: dict[str, tuple[list[str], str]] = {
    "node_exporter": (["--web.listen-address={at}"], "/metrics"),
    "redis_exporter": (["--web.listen-address={at}"], "/metrics"),
    "blackbox_exporter": (["--web.listen-address={at}", "--config.file={folder}/blackbox.yml"], "/metrics"),
    "pushgateway": (["--web.listen-address={at}"], "/metrics"),
    "alertmanager": (
        [
            "--web.listen-address={at}",
            "--cluster.listen-address=",
            "--config.file={folder}/alertmanager.yml",
            "--storage.path={folder}/alerts",
        ],
        "/-/ready",
    ),
    "prometheus": (
        [
            "--web.listen-address={at}",
            "--config.file={folder}/empty.yml",
            "--storage.tsdb.path={folder}/own",
        ],
        "/-/ready",
    ),
    "victoria-metrics": (["-httpListenAddr={at}", "-storageDataPath={folder}/vm"], "/metrics"),
}
ACCEPTED = {
    "text": "text/plain;version=0.0.4",
    "openmetrics": "application/openmetrics-text;version=1.0.0",
}
# Their values are of the moment, not of the page.
OF_THE_SCRAPE = {"scrape_duration_seconds"}

Page = tuple[bytes, str]


def with_its_files(name: str) -> list[str]:
    """The command of a program; one that was unpacked and not installed sees what its package has under /usr/share."""
    program = peer(name)
    share = Path(program).parents[1] / "root" / f"prometheus-{name}" / "usr" / "share"
    if not (share / "prometheus").is_dir() or Path("/usr/share/prometheus", name).exists():
        return [program]
    mount = 'mount -t overlay overlay -o lowerdir=$0:/usr/share /usr/share && exec "$@"'
    return ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(share), program]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Page]:
    """Page and Content-Type of every exporter that is there, in both formats."""
    folder = tmp_path_factory.mktemp("exporters")
    (folder / "blackbox.yml").write_text("modules: {tcp: {prober: tcp}}\n")
    (folder / "empty.yml").write_text("")
    (folder / "alertmanager.yml").write_text("{route: {receiver: none}, receivers: [{name: none}]}\n")
    found: dict[str, Page] = {}
    for name, (flags, ready) in EXPORTERS.items():
        port = free_port()
        command = [
            *with_its_files(name),
            *(flag.format(at=f"{HOST}:{port}", folder=folder) for flag in flags),
        ]
        with started(command, folder, port, ready) as process:
            for form, accept in ACCEPTED.items():
                request = Request(f"{process.url}/metrics", headers={"Accept": accept})
                with urlopen(request, timeout=10) as response:
                    found[f"{name}-{form}"] = (response.read(), response.headers["Content-Type"])
    assert found
    return found


@contextmanager
def served(pages: dict[str, Page]) -> Iterator[int]:
    """The port of a server that answers `/<name>` with the page of that name."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body, content_type = pages[self.path.strip("/")]
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def config_of(names: list[str], port: int) -> str:
    jobs = "".join(
        f"  - job_name: {name}\n    metrics_path: /{name}\n"
        f"    static_configs: [{{targets: ['{HOST}:{port}']}}]\n"
        for name in names
    )
    return f"global: {{scrape_interval: 1s}}\nscrape_configs:\n{jobs}"


def stored(process: Process, job: str) -> dict[str, str]:
    """Every series of a job with its value."""
    found = {}
    for one in process.query(f'{{job="{job}"}}'):
        metric = one["metric"]
        if metric["__name__"] not in OF_THE_SCRAPE and "value" in one:
            found[str(sorted(metric.items()))] = one["value"][1]
    return found


def ready(process: Process, names: list[str]) -> bool:
    """Whether every job was scraped twice, so that no series counts as added any more."""
    up = process.query("count(up) == count(scrape_series_added == 0)")
    return bool(up) and float(up[0]["value"][1]) == len(names)


def test_the_same_page_gives_the_same_series(pages: dict[str, Page], tmp_path: Path) -> None:
    names = sorted(pages)
    with ExitStack() as stack:
        port = stack.enter_context(served(pages))
        config = tmp_path / "prometheus.yml"
        config.write_text(config_of(names, port))
        theirs = stack.enter_context(prometheus(config))
        ours = stack.enter_context(pyscrape(config))
        for process in (theirs, ours):
            wait_for("two scrapes of every page", partial(ready, process, names), 60)
        for name in names:
            expected, found = stored(theirs, name), stored(ours, name)
            assert len(expected) > 5, name
            assert found == expected, name
