"""The plan of a query: its parts as they ran, with what each gave and took."""

import pytest

from pyscrape.promql import Engine
from pyscrape.promql.explain import PlanNode, plan_of
from pyscrape.store import Store

TIMES_MS = [k * 15_000 for k in range(60)]


@pytest.fixture(scope="module")
def engine() -> Engine:
    store = Store()
    for job in "ab":
        for instance in "123":
            labels = {"__name__": "x", "job": job, "instance": instance}
            store.append(labels, TIMES_MS, [float(k) for k in range(60)])
    return Engine(store)


def plan(engine: Engine, query: str, *, ranged: bool = False) -> list[PlanNode]:
    tree = engine.parse(query)
    result = (
        engine.range(tree, 300, 600, 60, text=query, detailed=True)
        if ranged
        else engine.instant(tree, 600, text=query, detailed=True)
    )
    return plan_of(tree, result.stats, query)


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        (
            "sum by (job)\n  (rate(x[5m])) / 2",
            [
                (0, "binaryExpr", "… / 2", 2, 2),
                (1, "aggregation", "sum by (job) (…)", 2, 2),
                (2, "call", "rate(…)", 6, 6),
                (3, "matrixSelector", "x[5m]", 6, 120),
            ],
        ),
        ("-x", [(0, "unaryExpr", "-…", 6, 6), (1, "vectorSelector", "x", 6, 6)]),
        ("x and x", [(0, "binaryExpr", "… and …", 6, 6), (1, "vectorSelector", "x", 6, 6),
                     (1, "vectorSelector", "x", None, None)]),
        ('(((x{job="a"}))) or x', [(0, "binaryExpr", "(((…))) or …", 6, 6),
                                   (1, "vectorSelector", 'x{job="a"}', 3, 3), (1, "vectorSelector", "x", 6, 6)]),
        ("topk(2, x)", [(0, "aggregation", "topk(2, …)", 2, 2), (1, "vectorSelector", "x", 6, 6)]),
        (
            "max_over_time((rate(x[1m]))[5m:30s])",
            [
                (0, "call", "max_over_time(…)", 6, 6),
                (1, "subquery", "(…)[5m:30s]", 6, 60),
                (2, "call", "rate(…)", 6, 60),
                (3, "matrixSelector", "x[1m]", 6, 240),
            ],
        ),
        ("1 + 1", [(0, "binaryExpr", "1 + 1", 1, 0)]),
        ('"a"', [(0, "stringLiteral", '"a"', None, None)]),
        ("x[5m]", [(0, "matrixSelector", "x[5m]", 6, 120)]),
        ("absent(nothing)", [(0, "call", "absent(…)", 1, 1), (1, "vectorSelector", "nothing", 0, 0)]),
    ],
)  # fmt: skip
def test_the_parts(
    engine: Engine, query: str, parts: list[tuple[int, str, str, int | None, int | None]]
) -> None:
    found = plan(engine, query)
    assert [(n.depth, n.kind, n.text, n.series, n.samples) for n in found] == parts


def test_steps_labels_and_times(engine: Engine) -> None:
    top, _, rate, window = plan(engine, "sum by (job) (rate(x[5m])) / 2", ranged=True)
    assert (top.steps, rate.steps, rate.samples) == (6, 6, 36)
    assert dict(rate.label_values) == {"job": 2, "instance": 3}
    assert dict(top.label_values) == {"job": 2}
    assert window.seconds is None
    assert top.seconds is not None and rate.seconds is not None and top.own_seconds is not None
    assert top.seconds >= rate.seconds == rate.own_seconds
    assert 0 <= top.own_seconds < top.seconds


def test_what_is_the_same_at_every_step_is_remarked(engine: Engine) -> None:
    told = engine.explain("x + on () group_left () sum(x @ 300)", 300, 600, 60).splitlines()[1:]
    assert [line.rpartition(" ms")[2].strip() for line in told] == [
        "", "newest samples", "the same at every step", "the same at every step",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "query",
    [
        "max_over_time((rate(x[1m]))[5m:30s]) / on (job, instance) (x or x)",
        'sum(rate(x{job="a"}[5m])) / sum(rate(x[5m]))',
        "topk(scalar(count(x)), x) + 1 - time()",
    ],
)
def test_own_times_add_up(engine: Engine, query: str) -> None:
    tree = engine.parse(query)
    stats = engine.range(tree, 300, 600, 60, text=query, detailed=True).stats
    own = [
        node.own_seconds for node in stats.nodes.values()
    ]  # those of literals, too, which are no parts of a plan
    assert min(own) >= 0
    assert sum(own) == pytest.approx(plan_of(tree, stats, query)[0].seconds)


def test_an_ordinary_query_counts_no_labels(engine: Engine) -> None:
    stats = engine.instant("x + 1", 600).stats
    assert all(not node.label_values and not node.samples for node in stats.nodes.values())
