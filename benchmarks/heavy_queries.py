"""Queries that are too large, and twenty large ones at once: what a server of its own makes of them.

    python -m benchmarks.heavy_queries [--series 10000] [--rows 5200]

A store of ten thousand series with 52 million samples is laid out on disk and served by `pyscrape run`, which scrapes
40 targets once a second meanwhile. Each phase tells the answers, the growth of its memory while it lasts, and how late
requests came at the targets against their own rhythm (goal: 99 of 100 within 250 ms, one query within 1 GB).
Not part of `python -m benchmarks`: it takes two minutes.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from pathlib import Path

import numpy as np

from pyscrape.store import Store

TARGETS = 40
STEP_S = 15
BLOCK_ROWS = 260
PAGE = "".join(f'requests_total{{code="{200 + k}"}} {k}\n' for k in range(100)).encode()


def lay_out(path: Path, series: int, rows: int) -> int:
    """Counters of twenty jobs that end now, written as a store; returns the time of the last sample in seconds."""
    end_s = int(time.time()) // STEP_S * STEP_S
    store = Store()
    store.open(path)
    random = np.random.default_rng(1)
    jobs = 20
    for job in range(jobs):
        table = store.table(f"job{job}")
        columns = table.add_columns(
            [{"__name__": "big_total", "job": f"j{job}", "n": str(k)} for k in range(series // jobs)]
        )
        total = np.zeros(len(columns))
        for first in range(0, rows, BLOCK_ROWS):
            count = min(BLOCK_ROWS, rows - first)
            values = total + np.cumsum(random.integers(0, 50, (count, len(columns))), axis=0)
            total = values[-1]
            times_ms = (end_s - STEP_S * (rows - 1 - first - np.arange(count))) * 1000 + job
            table.append_rows(times_ms.astype(np.int64), columns, values.astype(np.float64))
            store.commit().result()
            while store.maintain(end_s * 1000):
                pass
    store.close()
    return end_s


class Targets:
    """Forty exporters on one port, which note when they are asked."""

    def __init__(self) -> None:
        self.asked: dict[bytes, list[float]] = {}
        self.port = 0
        threading.Thread(target=self._run, daemon=True).start()
        while not self.port:
            time.sleep(0.01)

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %d\r\n\r\n"
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                self.asked.setdefault(request.split(b" ", 2)[1], []).append(time.monotonic())
                writer.write(head % len(PAGE) + PAGE)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def lateness_s(self, since: float, until: float, rhythm: tuple[float, float]) -> list[float]:
        """How late requests came in a time, against each target's usual place in the second (of `rhythm`)."""
        late = []
        for times in self.asked.values():
            usual = [at for at in times if rhythm[0] <= at < rhythm[1]]
            if not usual:
                continue
            anchor = statistics.median((at - usual[0] + 0.5) % 1 for at in usual) - 0.5 + usual[0]
            late += [(at - anchor + 0.5) % 1 - 0.5 for at in times if since <= at < until]
            missed = int(until - since) - sum(since <= at < until for at in times)
            late += [1.0] * max(0, missed - 1)
        return sorted(late)


class Server:
    """`pyscrape run` over the store."""

    def __init__(self, folder: Path, targets: Targets) -> None:
        listed = f"'127.0.0.1:{targets.port}'"
        jobs = "".join(
            f"  - job_name: t{k}\n    metrics_path: /t/{k}\n    static_configs: [{{targets: [{listed}]}}]\n"
            for k in range(TARGETS)
        )
        config = folder / "prometheus.yml"
        config.write_text(
            f"global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{jobs}", encoding="utf-8"
        )
        self.port = targets.port + 1
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "pyscrape", "run", f"--config.file={config}"),
                *(f"--web.listen-address=127.0.0.1:{self.port}", f"--storage.tsdb.path={folder / 'data'}"),
            ],
            stderr=subprocess.DEVNULL,
        )
        for _ in range(600):
            try:
                with urllib.request.urlopen(self.url("/-/ready")):
                    break
            except OSError:
                time.sleep(0.1)
        self.most_bytes = 0
        threading.Thread(target=self._watch, daemon=True).start()

    def url(self, path: str, **params: object) -> str:
        return f"http://127.0.0.1:{self.port}{path}?{urllib.parse.urlencode(params)}"

    def resident_bytes(self) -> int:
        pages = Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * 4096

    def _watch(self) -> None:
        while self._process.poll() is None:
            try:
                self.most_bytes = max(self.most_bytes, self.resident_bytes())
            except (OSError, IndexError):
                return
            time.sleep(0.02)

    def ask(self, **params: object) -> str:
        """What came of a range query, in words."""
        begin = time.monotonic()
        try:
            with urllib.request.urlopen(self.url("/api/v1/query_range", **params), timeout=300) as answer:
                found = json.load(answer)["data"]["result"]
                words = f"200, {len(found)} series"
        except urllib.error.HTTPError as error:
            words = f"{error.code}, {json.load(error)['error']}"
        return f"{words} ({time.monotonic() - begin:.1f} s)"

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)


def phase(
    name: str, server: Server, targets: Targets, rhythm: tuple[float, float], asks: list[dict[str, object]]
) -> None:
    """Ask everything at once and tell what came of it."""
    time.sleep(12)  # memory that was freed is given back every ten seconds
    before = server.resident_bytes()
    server.most_bytes = 0
    answers: list[str] = []
    threads = [threading.Thread(target=lambda ask=ask: answers.append(server.ask(**ask))) for ask in asks]
    since = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until = max(time.monotonic(), since + 3)
    time.sleep(max(0.0, until - time.monotonic()))
    late = targets.lateness_s(since, until, rhythm)
    at = late[min(len(late) - 1, int(len(late) * 0.99))] if late else float("nan")
    print(
        f"{name}: {until - since:.1f} s, memory {before >> 20} -> at most {server.most_bytes >> 20} MiB "
        f"(+{(server.most_bytes - before) >> 20}), {len(late)} scrapes, 99 of 100 within {at * 1000:.0f} ms, "
        f"the latest {late[-1] * 1000 if late else 0:.0f} ms"
    )
    for text, count in Counter(answer.split(" (")[0] for answer in answers).most_common():
        print(f"    {count} x {text}")
    print(
        f"    slowest of them: {max(answers, key=lambda text: float(text.rsplit('(', 1)[1].split()[0]))}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=5_200)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        end_s = lay_out(folder / "data", args.series, args.rows)
        targets = Targets()
        server = Server(folder, targets)
        try:
            time.sleep(8)
            rhythm = (time.monotonic() - 6, time.monotonic())
            start_s = end_s - STEP_S * args.rows
            whole = {"start": start_s + 300, "end": end_s, "step": 120}
            query = "sum by (job) (rate(big_total[5m]))"
            phase("one query of all samples", server, targets, rhythm, [{"query": query, **whole}])
            most = {"query": 'sum by (job) (rate(big_total{n!~"4[0-9]."}[5m]))', **whole}
            phase("one query just below the limit", server, targets, rhythm, [most])
            heavy = [
                {"query": f'sum(rate(big_total{{job=~"j[0-9]"}}[5m])) + {k}', **whole} for k in range(20)
            ]
            phase("twenty of half the samples at once", server, targets, rhythm, heavy)
            phase(
                "nothing",
                server,
                targets,
                rhythm,
                [{"query": "up", "start": end_s, "end": end_s, "step": 60}],
            )
        finally:
            server.stop()


if __name__ == "__main__":
    main()
