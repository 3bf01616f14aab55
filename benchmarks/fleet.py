"""Many small targets: is every scrape on time? Taken from when the requests reach the exporters.

    python -m benchmarks.fleet [--targets 10000] [--series 20] [--interval 15] [--seconds 180]

Runs `pyscrape run` on one core and the exporters, four processes, on the others. Prints how late scrapes came, how many
were missed, and CPU and memory of the server. A target's schedule is the one that fits its earliest arrival, so a
scrape's lateness is by how much it came later than the most punctual one of the same target.
Not part of `python -m benchmarks`: it takes as long as it is told to.
"""

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.request import urlopen

import numpy as np

EXPORTERS = 4
WARM_UP_INTERVALS = 2
HOST = "127.0.0.1"


class Exporter(asyncio.Protocol):
    """Answers every request on its connection with a page whose numbers move, and notes when it came."""

    arrivals: "dict[int, list[float]]" = {}  # noqa: RUF012 - one process is one exporter
    series = 20

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.page = ""

    def data_received(self, data: bytes) -> None:
        now_s = time.time()
        target = int(data.split(b" ", 2)[1].rpartition(b"/")[2])
        seen = self.arrivals.setdefault(target, [])
        seen.append(now_s)
        count = len(seen)
        if not self.page:
            lines = [
                f'requests_total{{handler="/api/{k}",shard="{target}"}} %d\n'
                if k % 2
                else f'temperature{{place="{k}"}} {k}.5\n'
                for k in range(self.series)
            ]
            self.page = "# TYPE requests_total counter\n# TYPE temperature gauge\n" + "".join(lines)
        body = (self.page % tuple(count * 7 + k for k in range(1, self.series, 2))).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)  # type: ignore[attr-defined]


async def export(series: int) -> None:
    """One exporter process: prints its port, serves until its input ends, prints what came when."""
    Exporter.series = series
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Exporter, HOST, 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print(json.dumps(Exporter.arrivals), flush=True)


def raise_file_limit() -> None:
    """As many open files as may be."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def usage(pid: int) -> tuple[float, float, int]:
    """CPU seconds, resident MiB and open files of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    cpu_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    memory_mib = int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    return cpu_s, memory_mib, len(list(Path(f"/proc/{pid}/fd").iterdir()))


def write_config(folder: Path, ports: Sequence[int], targets: int, interval_s: int) -> Path:
    """A configuration whose targets are spread over the exporters."""
    groups = [
        {
            "targets": [f"{HOST}:{ports[number % len(ports)]}"],
            "labels": {"__metrics_path__": f"/t/{number}", "instance": f"target-{number}"},
        }
        for number in range(targets)
    ]
    (folder / "targets.json").write_text(json.dumps(groups))
    config = folder / "prometheus.yml"
    config.write_text(
        f"global: {{scrape_interval: {interval_s}s, scrape_timeout: {interval_s}s}}\n"
        "scrape_configs: [{job_name: fleet, file_sd_configs: [{files: [targets.json]}]}]\n"
    )
    return config


def lateness(
    arrivals: Mapping[str, Sequence[float]], interval_s: float, from_s: float, until_s: float
) -> tuple["np.ndarray[tuple[int], np.dtype[np.float64]]", int]:
    """How late each scrape of the window came, in seconds, and how many did not come."""
    late: list[float] = []
    missed = 0
    for times in arrivals.values():
        seen = np.array([at for at in times if from_s <= at < until_s])
        if not len(seen):
            missed += int((until_s - from_s) // interval_s)
            continue
        ticks = np.round((seen - seen[0]) / interval_s)
        offsets = seen - ticks * interval_s
        late += (offsets - offsets.min()).tolist()
        missed += int(ticks[-1] + 1) - len(seen) + int((until_s - seen[-1]) // interval_s)
    return np.array(late), missed


def watch(args: argparse.Namespace) -> None:
    raise_file_limit()
    cores = sorted(os.sched_getaffinity(0))
    exporters = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.fleet", "--export", f"--series={args.series}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(EXPORTERS)
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        ports = [int(one.stdout.readline()) for one in exporters if one.stdout is not None]
        for one in exporters:
            os.sched_setaffinity(one.pid, cores[1:] or cores)
        config = write_config(Path(name), ports, args.targets, args.interval)
        server = subprocess.Popen(
            [
                sys.executable, "-m", "pyscrape", "run", f"--config.file={config}",
                f"--web.listen-address={HOST}:{args.port}", "--log.level=warn",
            ],
            cwd=name, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )  # fmt: skip
        os.sched_setaffinity(server.pid, cores[:1])
        try:
            time.sleep(WARM_UP_INTERVALS * args.interval + 3)
            begin_s, (cpu_s, memory_mib, files) = time.time(), usage(server.pid)
            print(f"after the warm-up: {memory_mib:.0f} MiB, {files} open files", flush=True)
            time.sleep(args.seconds)
            end_s, (cpu_end_s, memory_end_mib, files_end) = time.time(), usage(server.pid)
            with urlopen(f"http://{HOST}:{args.port}/api/v1/query?query=sum(up)", timeout=60) as response:
                up = json.load(response)["data"]["result"][0]["value"][1]
        finally:
            server.terminate()
            server.wait(30)
            arrivals: dict[str, list[float]] = {}
            for one in exporters:
                arrivals |= json.loads(one.communicate("")[0])
    late, missed = lateness(arrivals, args.interval, begin_s, end_s)
    samples = len(late) * args.series
    print(f"{args.targets} targets x {args.series} series every {args.interval} s, {end_s - begin_s:.0f} s")
    print(f"{len(late)} scrapes of {len(arrivals)} targets, {missed} missed, sum(up) = {up}")
    p50, p99, p999 = (1000 * np.quantile(late, [0.5, 0.99, 0.999])).tolist()
    print(
        f"late by: median {p50:.1f} ms, p99 {p99:.1f} ms, p99.9 {p999:.1f} ms, most {1000 * late.max():.1f} ms"
    )
    used_s = cpu_end_s - cpu_s
    print(
        f"CPU {used_s:.1f} s = {used_s / (end_s - begin_s):.1%} of a core, {used_s / samples * 1e6:.2f} us a sample, "
        f"{used_s / len(late) * 1e6:.0f} us a scrape"
    )
    print(f"memory {memory_mib:.0f} -> {memory_end_mib:.0f} MiB, open files {files} -> {files_end}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet")
    parser.add_argument("--targets", type=int, default=10_000)
    parser.add_argument("--series", type=int, default=20)
    parser.add_argument("--interval", type=int, default=15, help="seconds between scrapes")
    parser.add_argument("--seconds", type=float, default=180.0, help="how long to look")
    parser.add_argument("--port", type=int, default=19_411)
    parser.add_argument("--export", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.export:
        raise_file_limit()
        asyncio.run(export(args.series))
    else:
        watch(args)


if __name__ == "__main__":
    main()
