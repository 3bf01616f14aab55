"""A day in the life, shortened: 50 targets x 1,000 series, dashboards that poll, targets that die, reloads.

    python -m benchmarks.soak [--minutes 30] [--interval 5]

Runs `pyscrape run` as a process of its own and prints once a minute the least, the median and the greatest of sixty
looks at its memory, dashboards asking all the time. The medians of the tenth and of the last minute make the result
(goal: at most 1.05); then come the log's lines by level and message, and all above WARN.
Not part of `python -m benchmarks`: it takes as long as it is told to.
"""

import argparse
import asyncio
import json
import random
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections import Counter
from pathlib import Path

TARGETS, SERIES = 50, 1000
QUERIES = (
    "up",
    "sum by (job) (rate(requests_total[1m]))",
    "topk(5, requests_total)",
    "histogram_quantile(0.9, sum by (le) (rate(latency_seconds_bucket[2m])))",
    "max_over_time(temperature[5m])",
)


class Exporter:
    """All targets on one port: target n under /t/n; some are down at any time, some series come and go."""

    def __init__(self) -> None:
        self._random = random.Random(1)
        self._down: set[int] = set()
        self._generation = 0

    def change(self) -> None:
        self._down = {self._random.randrange(TARGETS) for _ in range(3)}
        self._generation += 1

    def page(self, target: int) -> bytes:
        now = int(time.time())
        lines = ["# TYPE requests_total counter", "# TYPE temperature gauge"]
        for k in range(SERIES - 60):
            pod = f"p{k}-{self._generation}" if k % 50 == 0 else f"p{k}"
            lines.append(f'requests_total{{pod="{pod}",code="{200 + k % 5}"}} {now * (k % 7) + k}')
        lines += [f'temperature{{room="r{k}"}} {self._random.random() * 30:.3f}' for k in range(48)]
        lines += [f'latency_seconds_bucket{{le="{2**k}"}} {now * k}' for k in range(12)]
        return ("\n".join(lines) + "\n").encode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                target = int(re.search(rb"/t/(\d+)", request)[1])  # type: ignore[index]
                status, body = (
                    ("500 Gone Wrong", b"") if target in self._down else ("200 OK", self.page(target))
                )
                head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\n"
                writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            writer.close()


def config(port: int, interval_s: int, generation: int) -> str:
    targets = "".join(
        f"      - targets: ['127.0.0.1:{port}']\n        labels: {{__metrics_path__: /t/{n}, instance: t{n}}}\n"
        for n in range(TARGETS - generation % 3)
    )
    return (
        f"global: {{scrape_interval: {interval_s}s, scrape_timeout: {interval_s}s}}\n"
        f"scrape_configs:\n  - job_name: soak\n    static_configs:\n{targets}"
    )


def rss_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]) / 1024


def ask(base: str, path: str, data: bytes | None = None) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(base + path, data=data), timeout=30) as answer:
        return bytes(answer.read())


async def poll(base: str, end: float, asked: Counter[str]) -> None:
    """A dashboard: five panels, again and again."""
    while time.time() < end:
        for query in QUERIES:
            now = time.time()
            window = f"&start={now - 900}&end={now}&step=15"
            path = f"/api/v1/query_range?query={urllib.parse.quote(query)}{window}"
            try:
                asked[json.loads(await asyncio.to_thread(ask, base, path))["status"]] += 1
            except OSError as error:
                asked[str(error)] += 1
        await asyncio.sleep(5)


async def minute(pid: int) -> list[float]:
    """Sixty looks at the memory of a process, in MiB; ascending."""
    sizes = []
    for _ in range(60):
        await asyncio.sleep(1)
        sizes.append(rss_mib(pid))
    return sorted(sizes)


async def soak(minutes: float, interval_s: int) -> None:
    exporter = Exporter()
    server = await asyncio.start_server(exporter.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "prometheus.yml")
        path.write_text(config(port, interval_s, 0))
        log = Path(folder, "log")
        own = port + 1 if port < 65000 else port - 1
        command = [sys.executable, "-m", "pyscrape", "run", f"--config.file={path}", "--web.enable-lifecycle"]
        command += [f"--web.listen-address=127.0.0.1:{own}", "--storage.tsdb.retention.time=5m"]
        with log.open("wb") as output:
            process = subprocess.Popen(command, stderr=output)
        base = f"http://127.0.0.1:{own}"
        await asyncio.sleep(4)
        end = time.time() + minutes * 60
        asked: Counter[str] = Counter()
        pollers = [asyncio.create_task(poll(base, end, asked)) for _ in range(3)]
        minutes_seen: list[list[float]] = []
        while time.time() < end - 60:
            sizes = await minute(process.pid)
            minutes_seen.append(sizes)
            print(
                f"{len(minutes_seen):3d} min  {sizes[0]:6.1f} {sizes[30]:6.1f} {sizes[-1]:6.1f} MiB  "
                f"answers {dict(asked)}",
                flush=True,
            )
            exporter.change()
            path.write_text(config(port, interval_s, len(minutes_seen)))
            await asyncio.to_thread(ask, base, "/-/reload", b"")
        early, late = minutes_seen[min(9, len(minutes_seen) // 3)], minutes_seen[-1]
        print(
            f"memory at the end / after ten minutes: {late[30] / early[30]:.3f} (goal: at most 1.05); "
            f"least {late[0] / early[0]:.3f}, greatest {late[-1] / early[-1]:.3f}",
            flush=True,
        )
        await asyncio.gather(*pollers)
        process.terminate()
        process.wait(20)
        lines = re.findall(r'level=(\w+) .*?msg=("[^"]*"|\S+)', log.read_text())
        kinds = Counter((level, re.sub(r"\d+", "N", message)) for level, message in lines)
        for (level, message), count in kinds.most_common():
            print(f"{count:5d} {level} {message}")
        for line in log.read_text().splitlines():
            if "level=ERROR" in line:
                print(line[:300])
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--interval", type=int, default=5, help="seconds between scrapes")
    args = parser.parse_args()
    asyncio.run(soak(args.minutes, args.interval))


if __name__ == "__main__":
    main()
