"""Memory under churn: a fifth of all series replaced every minute, for half an hour of virtual time.

    python -m benchmarks churn [--full]

Pages go through reader, series and store as in the server, in a process of its own, at virtual times; another one
makes the pages, as an exporter would. Afterwards everything stays as it is until retention, and the time after which
strings are given back, have passed. The same pages without churn are what memory is held against (goal: at most 1.2
times).
"""

import gc
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.runner import Row
from pyscrape.app.memory import give_back, limit_arenas, prepare_environment
from pyscrape.exposition.page import PageReader
from pyscrape.scrape.report import Report
from pyscrape.scrape.samples import SampleRules
from pyscrape.scrape.series import SeriesOptions, TargetSeries
from pyscrape.store import Store

INTERVAL_S = 15
CHURN = 0.2
CHURN_MINUTES = 30
RETENTION_MINUTES = 10
# Strings go up to a quarter of an hour after the last series that has them.
CALM_MINUTES = RETENTION_MINUTES + 25
SCRAPES = (CHURN_MINUTES + CALM_MINUTES) * 60 // INTERVAL_S


def rss_bytes() -> int:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class ChurningPage:
    """Pods that come and go on a page that otherwise stays: a share of them is replaced every minute, in turn."""

    def __init__(self, target: int, series: int, churn: float) -> None:
        self.target = target
        self.series = series
        self.replaced = int(series * churn)
        self.generation = [0] * series
        self.next = 0

    def replace(self) -> None:
        """A minute has passed."""
        for k in range(self.next, self.next + self.replaced):
            self.generation[k % self.series] += 1
        self.next += self.replaced

    def body(self, scrape: int) -> bytes:
        lines = ["# TYPE container_memory_rss gauge"]
        for k, generation in enumerate(self.generation):
            pod = f"api-{self.target}-{k // 4:05x}-{generation * 7919 + k // 4:08x}"
            text = f'container_memory_rss{{namespace="ns-{k % 6}",pod="{pod}",container="c{k % 4}"}}'
            lines.append(f"{text} {1_000_000 + (k * 31 + scrape * (k % 3) * 17) % 1_000_000}")
        return ("\n".join(lines) + "\n").encode()


def serve(targets: int, series: int, churn: float) -> None:
    """Write all pages, each with its length before it."""
    pages = [ChurningPage(target, series, churn) for target in range(targets)]
    for scrape in range(SCRAPES):
        minute, begins = divmod(scrape * INTERVAL_S, 60)
        for page in pages:
            if not begins and 0 < minute <= CHURN_MINUTES:
                page.replace()
            body = page.body(scrape)
            sys.stdout.buffer.write(struct.pack("<I", len(body)) + body)
    sys.stdout.buffer.flush()


def run(targets: int) -> Store:
    """Take what `serve` writes; print MiB at the end of the churn and of all, CPU seconds, and the number of series."""
    limit_arenas()
    store = Store(retention_ms=RETENTION_MINUTES * 60_000)
    readers = [PageReader() for _ in range(targets)]
    taken = []
    for target in range(targets):
        labels = {"job": "bench", "instance": f"node-{target}:9100"}
        taken.append(TargetSeries(store.table(str(target)), labels, SampleRules(labels), SeriesOptions()))
    spent = 0.0
    after_churn = 0.0
    for scrape in range(SCRAPES):
        at_ms = scrape * INTERVAL_S * 1000
        for reader, one in zip(readers, taken, strict=True):
            [size] = struct.unpack("<I", sys.stdin.buffer.read(4))
            body = sys.stdin.buffer.read(size)
            begin = time.process_time()
            row = reader.feed(body)
            for _ in one.bind(row.layout):
                pass
            one.ingest(row, at_ms, Report(up=True))
            spent += time.process_time() - begin
        begin = time.process_time()
        while store.maintain(at_ms):
            pass
        spent += time.process_time() - begin
        if scrape == CHURN_MINUTES * 60 // INTERVAL_S:
            give_back()
            after_churn = rss_bytes() / 2**20
    gc.collect()
    give_back()
    stats = store.stats()
    print(after_churn, rss_bytes() / 2**20, spent, stats.series)
    print({name: round(size / 2**20, 2) for name, size in stats.bytes.items()}, file=sys.stderr)
    return store


def measured(targets: int, series: int, churn: float) -> list[float]:
    """`serve` and `run` in processes of their own."""
    prepare_environment()
    python = [sys.executable, "-c"]
    served = f"from benchmarks.churn import serve; serve({targets}, {series}, {churn})"
    ran = f"from benchmarks.churn import run; run({targets})"
    with subprocess.Popen([*python, served], stdout=subprocess.PIPE) as exporter:
        done = subprocess.run(
            [*python, ran], stdin=exporter.stdout, stdout=subprocess.PIPE, text=True, check=True
        )
    return [float(word) for word in done.stdout.split()]


def measure(full: bool) -> list[Row]:
    targets, series = (50, 2000) if full else (10, 1000)
    _, calm, calm_s, _ = measured(targets, series, 0.0)
    peak, end, churn_s, left = measured(targets, series, CHURN)
    births = targets * series * CHURN * CHURN_MINUTES
    name = f"{targets} x {series}, {CHURN:.0%} replaced a minute for {CHURN_MINUTES} minutes"
    return [
        Row(f"{name}: RSS after the churn", peak, "MiB"),
        Row(f"{name}: RSS after retention", end, "MiB"),
        Row(f"{name}: the same without churn", calm, "MiB"),
        Row(f"{name}: ratio", end / calm, "x", "<= 1.2"),
        Row(f"{name}: series left", left, ""),
        Row(f"{name}: a birth and its death", (churn_s - calm_s) / births * 1e6, "us", "<= 10"),
    ]
