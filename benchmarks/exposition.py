"""Exposition: PageReader on pages of one target, and `parse` beside prometheus_client's parser.

    python -m benchmarks exposition [--full]

The page is seeded and like a scrape of a Kubernetes node: about 100 bytes a line, two samples in five change.
To split both pages into lines and compare these, before any number is parsed, takes 350 ns a sample on the machine
where a like page takes 115 now, numbers and all.
"""

import random
import time
from collections.abc import Callable, Iterator

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.runner import Row
from pyscrape.exposition import PageReader, parse

SERIES = 5_000
REPEATS = 15
_NAMESPACES = ("default", "kube-system", "monitoring", "payments", "checkout-service")
_BOUNDS = ("0.005", "0.01", "0.05", "0.1", "0.5", "1", "5", "+Inf")


class FakePage:
    """A page whose numbers move.

    `churn` of its series are other ones each time; `clocked` lines have timestamps; `resizing` numbers change their
    length, half of those that move.
    """

    def __init__(
        self,
        series: int,
        *,
        churn: float = 0.0,
        clocked: bool = False,
        resizing: bool = False,
        seed: int = 1,
    ) -> None:
        self.random = random.Random(seed)
        self.resizing = resizing
        self.churn = churn
        self.clocked = clocked
        self.scrape = 0
        self.texts: list[str] = []
        self.values: list[float] = []
        kinds = (self._bucket, self._cpu, self._container, self._phase)
        while len(self.texts) < series:
            index = len(self.texts)
            self.texts.append(kinds[index * len(kinds) // series](index))
            self.values.append(self.random.choice((1.0, 7.0, 1234.0, 87.5, 123456.25)))
        self.moving = [self.random.random() < 0.4 for _ in self.texts]

    def _bucket(self, index: int) -> str:
        bound = _BOUNDS[index % len(_BOUNDS)]
        return f'http_request_duration_seconds_bucket{{handler="/api/v1/orders/{index // 8}",code="200",le="{bound}"}}'

    def _cpu(self, index: int) -> str:
        mode = ("idle", "user", "system")[index % 3]
        return f'node_cpu_seconds_total{{cpu="{index // 8}",mode="{mode}",node="n-{index}"}}'

    def _container(self, index: int) -> str:
        return (
            f'container_memory_working_set_bytes{{container="app",id="/kubepods/pod{index:08x}",'
            f'namespace="{_NAMESPACES[index % 5]}",pod="api-gateway-7f9c6d5b8-{index:05x}"}}'
        )

    def _phase(self, index: int) -> str:
        return f'kube_pod_status_phase{{namespace="{_NAMESPACES[index % 5]}",pod="batch-{index:05x}",phase="Running"}}'

    def body(self) -> bytes:
        """The next page."""
        self.scrape += 1
        replaced = int(len(self.texts) * self.churn)
        clock = f" {1_700_000_000_000 + self.scrape * 15_000}" if self.clocked else ""
        lines: list[str] = []
        family = ""
        for index, (text, value) in enumerate(zip(self.texts, self.values, strict=True)):
            name = text.partition("{")[0]
            if name != family:
                family = name
                lines += (f"# HELP {name} Of the benchmark.", f"# TYPE {name} gauge")
            if index < replaced:
                text = text.replace("/api/v1/", f"/api/v{self.scrape:05d}/")
            shown = repr(value) if self.resizing else f"{1_000_000 + value:.2f}"
            lines.append(f"{text} {shown}{clock}")
            if self.moving[index]:
                self.values[index] = value + self.random.choice((1.0, 0.5, 12.25))
        return "\n".join([*lines, ""]).encode()


def best_ns(pages: Iterator[bytes], samples: int, use: Callable[[bytes], object]) -> float:
    """CPU nanoseconds a sample, the best page."""
    found = []
    for page in pages:
        start = time.process_time_ns()
        use(page)
        found.append(time.process_time_ns() - start)
    return min(found) / samples


def pages(page: FakePage, count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield page.body()


def every_label(body: bytes) -> None:
    for entry in parse(body):
        if entry.kind == "series":
            assert entry.labels


def text_and_value(body: bytes) -> float:
    total = 0.0
    for entry in parse(body):
        if entry.kind == "series" and entry.raw:
            total += entry.value
    return total


def prometheus_client(body: bytes) -> None:
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            assert sample.labels is not None


def measure(full: bool) -> list[Row]:
    """One row a way of reading."""
    repeats = REPEATS * 3 if full else REPEATS
    rows: list[Row] = []

    def like(what: str, page: FakePage, goal: str = "", *, size: int = SERIES) -> float:
        reader = PageReader()
        reader.feed(page.body())
        figure = best_ns(pages(page, repeats), size, reader.feed)
        rows.append(Row(f"feed, {what}", figure, "ns/sample", goal))
        return figure

    first = best_ns(pages(FakePage(SERIES), repeats), SERIES, lambda body: PageReader().feed(body))
    rows.append(Row("feed, a first page", first, "ns/sample", "<= 1,500"))
    feed = like("a like page", FakePage(SERIES), "<= 150")
    like("a like page, every fifth number of another length", FakePage(SERIES, resizing=True))
    like("a like page with timestamps", FakePage(SERIES, clocked=True))
    like("10 % of the series replaced", FakePage(SERIES, churn=0.1), "<= 1,000")
    like("a like page of 200 series", FakePage(200), size=200)
    like("a like page of 200 series, other lengths", FakePage(200, resizing=True), size=200)

    layout = PageReader().feed(FakePage(SERIES).body()).layout
    labels = best_ns(iter([b""] * repeats), SERIES, lambda _: layout.label_columns(layout.births))
    rows.append(Row("labels of new series", labels, "ns/series", "<= 1,000"))

    client = best_ns(pages(FakePage(SERIES), 3), SERIES, prometheus_client)
    rows.append(Row("prometheus_client's parser", client, "ns/sample", ""))
    labelled = best_ns(pages(FakePage(SERIES), repeats), SERIES, every_label)
    plain = best_ns(pages(FakePage(SERIES), repeats), SERIES, text_and_value)
    rows.append(Row("parse, every label read: times faster", client / labelled, "x", ">= 4"))
    rows.append(Row("parse, text and value only: times faster", client / plain, "x", ">= 20"))
    rows.append(Row("PageReader on a like page: times faster", client / feed, "x", ">= 60"))
    return rows
