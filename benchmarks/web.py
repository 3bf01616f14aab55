"""The HTTP API: a matrix as JSON, lists of labels; and `python -m benchmarks.web`, a server under many clients.

    python -m benchmarks.web [--clients 200] [--seconds 60] [--series 200000] [--interval 2]

The second starts `pyscrape run` on targets of its own and shows, first for clients that ask `up` once a second each,
then for one client that asks for everything the server has: errors, latencies, how late the scrapes came, and how
long `/-/healthy`, which is answered on the loop that scrapes, had to wait.
"""

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.runner import Row, cpu_s
from pyscrape.promql.engine import Engine
from pyscrape.store import Store
from pyscrape.web.answers import success_of
from pyscrape.web.encode import metric_objects, result_data

HOST = "127.0.0.1"
SERIES, POINTS, STEP_MS = 1000, 240, 15_000
TARGETS = 20


def filled_store() -> Store:
    """SERIES gauges with seven digits and seven labels each, as container metrics have."""
    store = Store()
    random = np.random.default_rng(1)
    times = [k * STEP_MS for k in range(1, POINTS + 1)]
    for k in range(SERIES):
        labels = {
            "__name__": "container_memory_working_set_bytes",
            "container": f"c{k % 7}",
            "instance": f"node-{k % 50}:10250",
            "job": "kubelet",
            "namespace": f"ns{k % 6}",
            "node": f"node-{k % 50}",
            "pod": f"api-gateway-7f9c6d5b8-{k:05x}",
        }
        store.append(labels, times, random.uniform(1e6, 9e6, POINTS).round(1).tolist())
    return store


def measure(full: bool) -> list[Row]:  # one size
    store = filled_store()
    result = Engine(store).range("container_memory_working_set_bytes", 15, POINTS * 15, 15)
    assert result.values.shape == (POINTS, SERIES)
    encoding = cpu_s(lambda: success_of(result_data(result)))
    labels = cpu_s(lambda: metric_objects(result.frame))
    return [
        Row("matrix of 1,000 series x 240 points as JSON", encoding * 1e3, "ms CPU", "60"),
        Row("labels of 1,000 series as JSON", labels * 1e3, "ms CPU"),
    ]


class Targets:
    """Some targets on one port, each with the same page; notes when it was asked."""

    def __init__(self, series: int, interval_s: float) -> None:
        self._interval_s = interval_s
        body = b"".join(
            b'm%d{pod="p%d",zone="z%d"} %d\n' % (k % 50, k, k % 3, k) for k in range(series // TARGETS)
        )
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %d\r\n\r\n"
        self._answer = head % len(body) + body
        self.asked: dict[bytes, list[float]] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                self.asked.setdefault(request.split(b" ")[1], []).append(time.monotonic())
                writer.write(self._answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            writer.close()

    def lateness_s(self, since: float) -> list[float]:
        """By how much each pause between two scrapes of a target missed the interval."""
        late = []
        for moments in self.asked.values():
            kept = [moment for moment in moments if moment >= since]
            late += [abs(after - before - self._interval_s) for before, after in pairwise(kept)]
        return late


class Client:
    """One connection that is kept."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str, method: str = "GET") -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(HOST, self._port, limit=1 << 20)
        reader, writer = self._streams
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        size = int(head.split(b"content-length:")[1].split(b"\r\n")[0]) if b"content-length" in head else 0
        return int(head.split(b" ")[1]), await reader.readexactly(size)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()


def spread(values: list[float]) -> str:
    """Median, 99th percentile and greatest, in ms."""
    ordered = sorted(values)
    if not ordered:
        return "none"
    chosen = (ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)], ordered[-1])
    return "median {:.1f}, 99 % {:.1f}, greatest {:.1f} ms".format(*(value * 1e3 for value in chosen))


async def poll(port: int, first: float, end: float, found: list[float], errors: list[str]) -> None:
    """Ask `up` once a second until `end`."""
    client = Client(port)
    at = first
    while at < end:
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        begin = time.monotonic()
        try:
            status, body = await client.get("/api/v1/query?query=up")
            if status != 200 or len(json.loads(body)["data"]["result"]) != TARGETS:
                errors.append(f"{status} {body[:80]!r}")
        except (OSError, asyncio.IncompleteReadError) as error:
            errors.append(repr(error))
            client = Client(port)
        found.append(time.monotonic() - begin)
        at += 1
    client.close()


async def watch_loop(port: int, found: list[float]) -> None:
    """How long `/-/healthy` takes, fifty times a second until cancelled."""
    client = Client(port)
    while True:
        begin = time.monotonic()
        await client.get("/-/healthy")
        found.append(time.monotonic() - begin)
        await asyncio.sleep(0.02)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


async def during(
    name: str,
    work: Callable[[], Awaitable[str]],
    port: int,
    targets: Targets,
    pid: int,
    interval_s: float,
) -> None:
    """Print what `work` did to the loop and the scrapes."""
    healthy: list[float] = []
    watcher = asyncio.create_task(watch_loop(port, healthy))
    since, cpu = time.monotonic(), cpu_seconds(pid)
    said = await work()
    seconds = time.monotonic() - since
    await asyncio.sleep(2 * interval_s)
    watcher.cancel()
    print(f"{name}: {said}; {seconds:.1f} s, {cpu_seconds(pid) - cpu:.2f} s CPU")
    print(f"    healthy: {spread(healthy)}; scrapes off by: {spread(targets.lateness_s(since))}", flush=True)


async def many_clients(port: int, clients: int, seconds: float) -> str:
    found: list[float] = []
    errors: list[str] = []
    now = time.monotonic()
    tasks = [poll(port, now + k / clients, now + seconds, found, errors) for k in range(clients)]
    await asyncio.gather(*tasks)
    return f"{len(found)} answers, {len(errors)} errors {errors[:3]}, {spread(found)}"


async def all_of_it(port: int, path: str, times: int) -> str:
    client = Client(port)
    sizes = []
    for _ in range(times):
        status, body = await client.get(path, "POST" if "/admin/" in path else "GET")
        sizes.append(len(body))
        if status not in {200, 204}:
            return f"status {status}: {body[:200]!r}"
    client.close()
    return f"{times} x {max(sizes) / 1e6:.1f} MB"


EVERY = "match[]=%7Bjob=%22load%22%7D"
HEAVY = (
    "/metrics",
    f"/federate?{EVERY}",
    f"/api/v1/series?{EVERY}",
    "/api/v1/query?query=%7Bjob=%22load%22%7D",
    "/api/v1/query?query=count%20by%20(zone)%20(%7Bjob=%22load%22%7D)",
    "/api/v1/labels",
    f"/api/v1/labels?{EVERY}",
    "/api/v1/label/__name__/values",
    "/api/v1/label/pod/values",
    f"/api/v1/label/pod/values?{EVERY}",
    "/api/v1/label/pod/values?match[]=%7Bpod=~%22p.*7%22%7D",
    "/api/v1/status/tsdb?limit=1000",
    "/api/v1/targets",
    "/api/v1/admin/tsdb/delete_series?match[]=m1",
    f"/api/v1/admin/tsdb/delete_series?{EVERY}&end=2000000000",
)


async def with_server(
    series: int, interval_s: float, work: Callable[[int, Targets, int], Awaitable[None]]
) -> None:
    """`work` beside a server that scrapes `series` series from TARGETS targets."""
    targets = Targets(series, interval_s)
    exporter = await asyncio.start_server(targets.serve, HOST, 0)
    port = exporter.sockets[0].getsockname()[1]
    with socket.create_server((HOST, 0)) as free:
        own = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "prometheus.yml")
        listed = "".join(
            f"      - targets: ['{HOST}:{port}']\n        labels: {{__metrics_path__: /t/{n}, n: '{n}'}}\n"
            for n in range(TARGETS)
        )
        path.write_text(
            f"global: {{scrape_interval: {interval_s}s, scrape_timeout: {interval_s}s}}\n"
            f"scrape_configs:\n  - job_name: load\n    static_configs:\n{listed}"
        )
        command = [sys.executable, "-m", "pyscrape", "run", f"--config.file={path}"]
        command += [f"--web.listen-address={HOST}:{own}", "--web.enable-admin-api"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            await asyncio.sleep(5 * interval_s)
            print(f"{series} series")
            await work(own, targets, process.pid)
        finally:
            process.terminate()
            process.wait(20)
            exporter.close()


async def under_load(clients: int, seconds: float, series: int, interval_s: float) -> None:
    async def many(port: int, targets: Targets, pid: int) -> None:
        work = partial(many_clients, port, clients, seconds)
        await during(f"{clients} clients", work, port, targets, pid, interval_s)

    async def heavy(port: int, targets: Targets, pid: int) -> None:
        for path in HEAVY:
            await during(path, partial(all_of_it, port, path, 3), port, targets, pid, interval_s)

    if clients:
        await with_server(50 * TARGETS, interval_s, many)
    if series:
        await with_server(series, interval_s, heavy)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--series", type=int, default=200_000)
    parser.add_argument("--interval", type=int, default=2, help="seconds between scrapes")
    args = parser.parse_args()
    asyncio.run(under_load(args.clients, args.seconds, args.series, args.interval))


if __name__ == "__main__":
    main()
