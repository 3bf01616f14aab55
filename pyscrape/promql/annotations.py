"""Warnings and infos that a query gathers: Prometheus' texts, each once, with the place of its expression."""

from datetime import UTC, datetime

from pyscrape.model.names import quoted
from pyscrape.promql.ast import Call, Expr, Node, bare, place, walk
from pyscrape.promql.format import go_number
from pyscrape.promql.windows import same_at_every_step

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


def blamed(call: Call, arg: Expr) -> Expr:
    """An argument as annotations place it: without parentheses, unless it alone is the same at every step."""
    if same_at_every_step(arg) and not same_at_every_step(call):
        return arg
    return bare(arg)


class Annotations:
    """The annotations of one query, in the order of their first appearance.

    Each text is told once, with the last place that gave cause for it.
    """

    __slots__ = ("_infos", "_query", "_warnings")

    def __init__(self, query: str) -> None:
        self._query = query
        self._warnings: dict[str, dict[int, Node]] = {}
        self._infos: dict[str, dict[int, Node]] = {}

    @property
    def warnings(self) -> list[str]:
        return self._told("warning", self._warnings)

    @property
    def infos(self) -> list[str]:
        return self._told("info", self._infos)

    def _told(self, kind: str, causes: dict[str, dict[int, Node]]) -> list[str]:
        last = ((text, next(reversed(nodes.values()))) for text, nodes in causes.items())
        return [f"PromQL {kind}: {text} ({place(self._query, node.start)})" for text, node in last]

    def text_of(self, node: Node) -> str:
        """An expression as it was written."""
        return self._query[node.start : node.end]

    def warn(self, node: Node, text: str) -> None:
        """`PromQL warning: <text> (line:column of node)`."""
        _put_last(self._warnings.setdefault(text, {}), node)

    def info(self, node: Node, text: str) -> None:
        """`PromQL info: <text> (line:column of node)`."""
        _put_last(self._infos.setdefault(text, {}), node)

    def again(self, first: Expr, second: Expr) -> None:
        """`second`, of the same shape, takes the value found for `first`: what was told of one is told of both."""
        if not (self._warnings or self._infos):
            return
        twins = {id(a): b for a, b in zip(walk(first), walk(second), strict=True)}
        for nodes in (*self._warnings.values(), *self._infos.values()):
            for node in [twins[known] for known in nodes if known in twins]:
                _put_last(nodes, node)


def _put_last(nodes: dict[int, Node], node: Node) -> None:
    nodes.pop(id(node), None)
    nodes[id(node)] = node
