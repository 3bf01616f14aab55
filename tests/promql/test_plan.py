"""What a query will read: the short way of instant queries and the windows of the selectors agree."""

from dataclasses import replace

import pytest
from hypothesis import example, given

from pyscrape.promql import Engine
from pyscrape.promql.parser import parse_expr
from pyscrape.promql.plan import Plan, reads
from pyscrape.promql.values import Grid
from pyscrape.promql.windows import Scope
from tests.helpers.examples import examples
from tests.promql.memory_storage import MemoryStorage
from tests.promql.test_against_slow import vectors

INSTANT = Scope(Grid(900_000, 1, 1), 900_000, 0, 300_000, 60_000)


@examples(100)
@given(vectors(2))
@example("sum(a_total) / on (job) b")
@example('b{job="x"} + b{job="x"}')
@example('a_total{code="1"} / a_total')  # the first is chosen from the second, and not read
@example('timestamp(a_total{code="1"}) + a_total')
def test_reads_at_once_are_those_of_the_windows(query: str) -> None:
    plan = Plan.of(parse_expr(query))
    assert reads(plan, INSTANT) == reads(replace(plan, at_once=None), INSTANT)


@pytest.mark.parametrize(
    ("query", "at_once"),
    [
        ("sum(a)", True),
        ("a + on (x) b", True),
        ("timestamp(a)", True),
        ("vector(1)", True),
        ("a offset 1m", False),
        ("a @ 3", False),
        ("a @ end()", False),
        ("rate(a[5m])", False),
        ("max_over_time(a[5m:1m])", False),
        ("a + a offset 5m", False),
        ("info(a)", False),
    ],
)
def test_which_queries_read_at_once(query: str, at_once: bool) -> None:
    expr = parse_expr(query, experimental=True)
    assert (Plan.of(expr).at_once is not None) == at_once


def test_a_range_query_reads_more_than_its_first_step() -> None:
    storage = MemoryStorage(None)
    storage.append({"__name__": "a"}, [0, 600_000], [1.0, 2.0])
    result = Engine(storage).range("sum(a)", 0, 600, 600)
    assert result.series(0).values.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("query", "pinned"),
    [
        ("x", False),
        ("x offset 1m", False),
        ("x @ 10", True),
        ("x @ end()", True),
        ("y + rate(x[5m:1m] @ 0)", True),
    ],
)
def test_what_has_an_at_is_pinned(query: str, pinned: bool) -> None:
    assert Plan.of(parse_expr(query)).pinned is pinned
