"""The server's own /metrics, under Prometheus' names where it has them.

Features keep plain counters; this module is the one place that turns them into families of prometheus-client, at the
moment when /metrics is asked for.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import accumulate

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

Samples = Iterable[tuple[Mapping[str, str], float]]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric family: its kind ("counter" or "gauge"), name, help text and (labels, value) pairs."""

    kind: str
    name: str
    help: str
    samples: Samples


@dataclass(frozen=True, slots=True)
class Summary:
    """A metric family of (labels, count, sum), without quantiles."""

    name: str
    help: str
    samples: Iterable[tuple[Mapping[str, str], int, float]]


@dataclass(frozen=True, slots=True)
class Histogram:
    """A metric family without labels: `counts` has what was at most each of `bounds`, and last what was above all."""

    name: str
    help: str
    bounds: Sequence[float]
    counts: Sequence[int]
    total: float


AnyFamily = Family | Summary | Histogram


def single(kind: str, name: str, help_text: str, value: float) -> Family:
    """A family of one sample without labels."""
    return Family(kind, name, help_text, [({}, value)])


class _Families(Collector):
    """prometheus-client's view of functions that give families."""

    def __init__(self, sources: list[Callable[[], Iterable[AnyFamily]]]) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        for source in self._sources:
            for family in source():
                yield _metric(family)

    def describe(self) -> Iterable[Metric]:
        return []


def _metric(family: AnyFamily) -> Metric:
    if isinstance(family, Histogram):
        upper = [*map(floatToGoString, family.bounds), "+Inf"]
        buckets = list(zip(upper, accumulate(map(float, family.counts)), strict=True))
        return HistogramMetricFamily(family.name, family.help, buckets=buckets, sum_value=family.total)
    if isinstance(family, Summary):
        summary = Metric(family.name, family.help, "summary")
        for labels, count, total in family.samples:
            summary.add_sample(f"{family.name}_sum", dict(labels), total)
            summary.add_sample(f"{family.name}_count", dict(labels), float(count))
        return summary
    cls = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    samples = list(family.samples)
    names = list(samples[0][0]) if samples else []
    made = cls(family.name, family.help, labels=names)
    for labels, value in samples:
        made.add_metric([labels[name] for name in names], value)
    return made


@dataclass
class OwnMetrics:
    """The registry of this server; parts add themselves as sources of families."""

    sources: list[Callable[[], Iterable[AnyFamily]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._registry.register(_Families(self.sources))

    def render(self) -> tuple[bytes, str]:
        """The page in the text format, and its media type."""
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4


def counters(stats: object, helps: Mapping[str, str]) -> list[Family]:
    """The numeric fields of a dataclass as counters (names in _total) or gauges; `helps` has the text of each."""
    found = []
    for one in fields(stats):  # type: ignore[arg-type]  # any dataclass instance
        value = getattr(stats, one.name)
        if isinstance(value, (int, float)):
            kind = "counter" if one.name.endswith("_total") else "gauge"
            found.append(single(kind, one.name, helps[one.name], float(value)))
    return found
