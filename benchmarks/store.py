"""The store: appending, sealing, reading, choosing among many series, memory a series, churn.

The pages have the mix of a node_exporter: two thirds constant, counters with small and large steps, decimals, a few
floats of full length. `PYSCRAPE_PAGES=a.rec,b.rec` adds recorded pages (int64 ms, uint32 length, zlib per page).
"""

import os
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.runner import Row, cpu_s
from pyscrape.model.matcher import Matcher, MatchType
from pyscrape.model.value import ABSENT_BITS
from pyscrape.store import Store
from pyscrape.store.codec import Packed, pack


def page_rows(rows: int, columns: int, seed: int = 1) -> NDArray[np.float64]:
    """Values of a page over time, shape [rows x columns]."""
    random = np.random.default_rng(seed)
    kinds = random.choice(5, columns, p=[0.6, 0.15, 0.1, 0.1, 0.05])
    out = np.repeat(random.integers(0, 1000, columns).astype(np.float64)[None], rows, axis=0)
    for kind, step, scale in ((1, 20, 1.0), (2, 40_000, 1.0), (3, 300, 100.0)):
        where = np.flatnonzero(kinds == kind)
        out[:, where] += np.cumsum(random.integers(0, step, (rows, len(where))), axis=0) / scale
        out[:, where] = np.round(out[:, where], 2)
    where = np.flatnonzero(kinds == 4)
    out[:, where] = random.normal(0, 1, (rows, len(where)))
    return out


def pages(path: Path) -> Iterator[tuple[int, dict[str, float]]]:
    """(time in ms, value by series as the page writes it) of recorded pages."""
    data = path.read_bytes()
    at = 0
    while at + 12 <= len(data):
        at_ms, size = struct.unpack_from("<qI", data, at)
        if at + 12 + size > len(data):
            break
        page = {}
        for line in zlib.decompress(data[at + 12 : at + 12 + size]).decode().splitlines():
            if line and line[0] != "#":
                name, _, value = line.rpartition(" ")
                page[name] = float(value)
        yield at_ms, page
        at += 12 + size


def recorded(path: Path) -> NDArray[np.float64]:
    """The samples of recorded pages, shape [pages x series]."""
    columns: dict[str, int] = {}
    rows = []
    for _, page in pages(path):
        rows.append({columns.setdefault(name, len(columns)): value for name, value in page.items()})
    bits = np.full((len(rows), len(columns)), ABSENT_BITS, np.uint64)
    values = bits.view(np.float64)
    for row, cells in enumerate(rows):
        values[row, list(cells)] = list(cells.values())
    return values


def measure_replay(paths: list[Path]) -> list[Row]:
    """Recorded pages through a store at their own times, series coming and going, then everything sealed."""
    store = Store()
    spent = time.process_time()
    for path in paths:
        table = store.table(path.stem)
        names: list[str] = []
        columns = table.add_columns([])
        for at_ms, page in pages(path):
            if list(page) != names:
                names = list(page)
                columns = table.add_columns([{"__name__": "line", "text": name} for name in names])
            table.append(at_ms, columns, np.array(list(page.values())))
            store.maintain(at_ms, 1)
        table.cut_rows()
        store.maintain(at_ms, 60)
    spent = time.process_time() - spent
    stats = store.stats()
    size = stats.bytes["chunks"] / stats.samples_appended
    what = f"{' and '.join(path.stem for path in paths)}, {stats.samples_appended:,} samples of {stats.series:,} series"
    return [
        Row(f"{what}: sealed", size, "B/sample", "2.0"),
        Row(f"{what}: parsed by hand, appended, sealed", spent / stats.samples_appended * 1e9, "ns/sample"),
    ]


def measure_codec(what: str, values: NDArray[np.float64], rows: int) -> list[Row]:
    """Bytes and time of sealing all rows in pieces of `rows`."""
    times = np.arange(len(values)) * 1000
    pieces = [
        (times[at : at + rows], values[at : at + rows]) for at in range(0, len(values) - rows + 1, rows)
    ]
    samples = sum(piece.size for _, piece in pieces)
    packed = [pack(*piece) for piece in pieces]
    size = sum(map(len, packed)) / samples
    sealing = cpu_s(lambda: [pack(*piece) for piece in pieces], 3) / samples
    reading = cpu_s(lambda: [Packed(data).read() for data in packed], 3) / samples
    one = np.array([values.shape[1] // 2])
    often = packed * (1 + 200 // len(packed))
    column = cpu_s(lambda: [Packed(data).read(one) for data in often]) / len(often)
    name = f"{what}, {rows} rows x {values.shape[1]:,}"
    return [
        Row(f"{name}: sealed", size, "B/sample", "2.0"),
        Row(f"{name}: sealing", sealing * 1e9, "ns/sample", ""),
        Row(f"{name}: reading all", reading * 1e9, "ns/sample", "5"),
        Row(f"{name}: reading one series", column * 1e6, "us/chunk", ""),
    ]


def label_sets(count: int, targets: int) -> list[dict[str, str]]:
    """Series of many targets: few metrics with thousands of series, many with hundreds; two targets are node-2, node-3
    of job a."""
    per_target = count // targets
    return [
        {
            "__name__": f"metric_{k % 1000}_total",
            "job": "a" if target // 2 % 2 else "b",
            "instance": f"node-{target}:9100" if target < 10 else f"box-{target}:9100",
            "code": str(200 + k % 7),
            "mode": f"m{k // 1000}",
            "id": f"i{(target * per_target + k) % 100_000}",
        }
        for target in range(targets)
        for k in range(per_target)
    ]


def measure_index(count: int) -> list[Row]:
    """Label sets in, matchers, label values."""
    targets = max(count // 5000, 2)
    sets = label_sets(count, targets)
    store = Store()
    tables = [store.table(str(k)) for k in range(targets)]
    each = len(sets) // targets
    start = time.process_time()
    for k, table in enumerate(tables):
        columns = table.add_columns(sets[k * each : (k + 1) * each])
        table.append(1000, columns, np.zeros(len(columns)))
    adding = (time.process_time() - start) / len(sets)
    name = [Matcher(MatchType.EQ, "__name__", "metric_7_total")]
    nodes = [Matcher(MatchType.EQ, "job", "a"), Matcher(MatchType.RE, "instance", "node-(1|2|3).*")]
    rows = [Row(f"{len(sets):,} series: adding labels", adding * 1e6, "us/series", "2")]
    for what, matchers, goal in (("name", name, "5"), ("job and regex", nodes, "20")):
        start = time.process_time()
        found = len(store.index.match(matchers))
        took = time.process_time() - start
        rows.append(Row(f"{len(sets):,} series: {what} -> {found:,}, the first time", took * 1e3, "ms", goal))
        took = cpu_s(partial(store.index.match, matchers))
        rows.append(Row(f"{len(sets):,} series: {what} -> {found:,}", took * 1e3, "ms", goal))
        took = cpu_s(partial(store.select, matchers, 0, 5000))
        rows.append(Row(f"{len(sets):,} series: {what}, selected", took * 1e3, "ms", ""))
    values = len(store.label_values("id"))
    took = cpu_s(lambda: store.label_values("id"))
    rows.append(Row(f"{len(sets):,} series: label values -> {values:,}", took * 1e3, "ms", "50"))
    size = store.index.nbytes + store.homes.nbytes + store.symbols.nbytes
    rows.append(Row(f"{len(sets):,} series: index", size / len(sets), "B/series", ""))
    return rows


def rss_bytes() -> int:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def fill(count: int, targets: int, scrapes: int) -> None:
    """Print RSS figures of a store that takes `scrapes` rows of `targets` tables (run in a process of its own)."""
    before = rss_bytes()
    each = count // targets
    store = Store()
    tables, columns = [], []
    for target in range(targets):
        sets = [
            {
                "__name__": f"m_{k % 500}_total",
                "job": "bench",
                "instance": f"10.0.0.{target}:80",
                "k": f"v{k // 500}",
            }
            for k in range(each)
        ]
        tables.append(store.table(str(target)))
        columns.append(tables[-1].add_columns(sets))
    peak = after_index = rss_bytes()
    rows = page_rows(scrapes, each)
    base = rss_bytes() - after_index
    spent = time.process_time()
    for scrape in range(scrapes):
        for target, table in enumerate(tables):
            table.append(scrape * 15_000 + target, columns[target], rows[scrape] + target)
        while store.maintain(scrape * 15_000, 0.02):
            peak = max(peak, rss_bytes() - base)
        peak = max(peak, rss_bytes() - base)
    spent = time.process_time() - spent
    print((after_index - before) / count, (peak - before) / count, (rss_bytes() - base - before) / count)
    print(spent / scrapes / count * 1e9, store.stats().total_bytes / count)


def measure_memory(count: int, targets: int, scrapes: int) -> list[Row]:
    code = f"from benchmarks.store import fill; fill({count}, {targets}, {scrapes})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    index, peak, end, cost, accounted = map(float, run.stdout.split())
    name = f"{count:,} series, {targets} tables, {scrapes} scrapes"
    return [
        Row(f"{name}: RSS, labels", index, "B/series", ""),
        Row(f"{name}: RSS, peak", peak, "B/series", "1,000"),
        Row(f"{name}: RSS, end", end, "B/series", ""),
        Row(f"{name}: accounted", accounted, "B/series", ""),
        Row(f"{name}: append, seal, merge", cost, "ns/sample", ""),
    ]


def measure(full: bool) -> list[Row]:
    rows = measure_codec("pages", page_rows(96, 5000), 32) + measure_codec("pages", page_rows(512, 1000), 256)
    paths = [Path(path) for path in os.environ.get("PYSCRAPE_PAGES", "").split(",") if path]
    if paths:
        rows += measure_replay(paths)
    for path in paths:
        for length in (32, 256):
            rows += measure_codec(path.stem, recorded(path), length)
    rows += measure_index(1_000_000 if full else 100_000)
    rows += measure_memory(1_000_000, 200, 100) if full else measure_memory(50_000, 10, 100)
    return rows
