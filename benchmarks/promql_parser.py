"""The PromQL parser: an ordinary query, and 100 KB of hostile text, which must not take a second."""

from collections.abc import Callable
from itertools import count

from benchmarks.runner import Row, cpu_s
from pyscrape.promql.faults import QueryParseError
from pyscrape.promql.parser import parse_expr

QUERY = 'sum by (pod_name)(rate(container_cpu_usage_seconds_total{image!="",pod_name!=""}[1m])) > 0'
HOSTILE = ("(", "{", "[", "a[", '"', "a+", "1 ", "-", "a{b='c',", "sum(", "by(")
COUNT = 200
_numbers = count()


def refused(query: str) -> Callable[[], None]:
    """A call that parses a query which is none."""

    def parse() -> None:
        try:
            parse_expr(query)
        except QueryParseError:
            return
        raise AssertionError(query[:20])

    return parse


def ordinary() -> None:
    # Each text is new: the parser remembers short queries.
    for _ in range(COUNT):
        parse_expr(f"{QUERY}{next(_numbers)}")


def measure(full: bool) -> list[Row]:
    worst = max((cpu_s(refused(text * (100_000 // len(text))), 3 if full else 1), text) for text in HOSTILE)
    return [
        Row("an ordinary query of 90 characters", cpu_s(ordinary) / COUNT * 1e3, "ms"),
        Row(f"100 KB of {worst[1]!r}, the worst of {len(HOSTILE)}", worst[0], "s", "under 1"),
    ]
