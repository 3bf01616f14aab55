"""Warnings and infos that a query gathers: Prometheus' texts, each once, with the place of its expression."""

from datetime import UTC, datetime

from pyscrape.model.names import quoted
from pyscrape.promql.ast import Node, place
from pyscrape.promql.format import go_number

QUANTILE_RANGE = "quantile value should be between 0 and 1, got {}"
RATIO_RANGE = "ratio value should be between -1 and 1, got {}, capping to {}"
SORT_IN_RANGE = "sort is ineffective for range queries since results are always ordered by labels"

_BAD_BUCKET = 'bucket label "le" is missing or has a malformed value of {}'
_MONOTONICITY = (
    "input to histogram_quantile needed to be fixed for monotonicity "
    "(see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)"
)


def bad_bucket(name: str, le: str) -> str:
    """The text about a bucket without a usable bound."""
    return _named(_BAD_BUCKET.format(quoted(le)), name)


def not_counter_name(name: str) -> str:
    """The text about rate of a metric that is not named as a counter."""
    return f"metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {quoted(name)}"


def not_counter_type(kind: str, name: str) -> str:
    """The text about rate of a metric whose type label says that it is no counter."""
    expected = '__type__ label is not set to "counter" or "histogram"'
    return f"metric might not be a counter, {expected}, got {quoted(kind)}: {quoted(name)}"


def forced_monotonicity(
    name: str, change: tuple[float, float, float], samples: int, span_ms: tuple[int, int]
) -> str:
    """The text about repaired buckets; `change`: lowest and highest repaired bound, greatest difference."""
    low, high, most = change
    start, end = (
        datetime.fromtimestamp(int(at_ms / 1000), UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for at_ms in span_ms
    )
    return (
        f"{_named(_MONOTONICITY, name)}, from buckets {go_number(low)} to {go_number(high)}, "
        f"with a max diff of {most:.2g}, over {samples} samples from {start} to {end}"
    )


def _named(text: str, name: str) -> str:
    return f"{text} for metric name {quoted(name)}" if name else text


class Annotations:
    """The annotations of one query, in the order of their first appearance.

    Each text is told once, with the last place that gave cause for it.
    """

    __slots__ = ("_infos", "_query", "_warnings")

    def __init__(self, query: str) -> None:
        self._query = query
        self._warnings: dict[str, str] = {}
        self._infos: dict[str, str] = {}

    @property
    def warnings(self) -> list[str]:
        return [f"PromQL warning: {text} ({where})" for text, where in self._warnings.items()]

    @property
    def infos(self) -> list[str]:
        return [f"PromQL info: {text} ({where})" for text, where in self._infos.items()]

    def text_of(self, node: Node) -> str:
        """An expression as it was written."""
        return self._query[node.start : node.end]

    def warn(self, node: Node, text: str) -> None:
        """`PromQL warning: <text> (line:column of node)`."""
        self._warnings[text] = place(self._query, node.start)

    def info(self, node: Node, text: str) -> None:
        """`PromQL info: <text> (line:column of node)`."""
        self._infos[text] = place(self._query, node.start)
