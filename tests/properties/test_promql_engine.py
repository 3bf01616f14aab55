"""The engine agrees with the slow evaluator: random expressions over random data.

Expressions come in two kinds. *Exact* ones compute with small whole numbers and so are equal to the last bit in any
order of evaluation; only they are compared, ranked, counted or rounded down. *Inexact* ones may differ in the last
places, and nothing that jumps is built upon them.
"""

import contextlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.model.value import STALE, STALE_BITS
from pyscrape.promql import Engine, QueryError, QueryParseError, parse_expr
from pyscrape.promql.cursor import MAX_DEPTH
from pyscrape.promql.result import ResultType
from pyscrape.store import Store
from tests.helpers.examples import examples
from tests.helpers.slow_engine import Failure, Labels, SlowEngine
from tests.helpers.values import is_stale

START_MS, END_MS, STEP_MS = 60_000, 420_000, 25_000
LOOKBACK_MS = 70_000
SCRAPE_MS = 15_000
RELATIVE, ABSOLUTE = 1e-9, 1e-7

SERIES = [
    {"__name__": name, "job": job, "inst": inst}
    for name in ("a", "b")
    for job, inst in (("x", "1"), ("x", "2"), ("y", "1"))
] + [{"__name__": "one", "job": "x", "extra": "e"}, {"__name__": "one", "job": "y"}]
GAP = None
WHOLE = st.sampled_from([0.0, 1.0, 2.0, 3.0, 5.0, 8.0, -1.0, -4.0, 0.5, 1e6])
ODD = st.sampled_from([math.nan, math.inf, -math.inf, -0.0])
SAMPLE = st.one_of(WHOLE, WHOLE, WHOLE, st.just(GAP), ODD, st.just(STALE))
COLUMN = st.tuples(
    st.sampled_from([0, 0, 0, 4_000]),  # a clock of its own
    st.booleans(),  # whether the values add up, as a counter's
    st.lists(SAMPLE, min_size=10, max_size=28),
)
DATA = st.lists(COLUMN, min_size=len(SERIES), max_size=len(SERIES))

# Expressions

SELECTOR = st.builds(
    lambda name, matchers, modifiers: name + matchers + modifiers,
    st.sampled_from(["a", "b"]),
    st.sampled_from(["", "", '{job="x"}', '{inst!="1"}', '{job=~"x|z"}', '{job="none"}']),
    st.sampled_from(
        ["", "", "", " offset 40s", " offset -30s", " @ 200", " @ start()", " @ end() offset 1m"]
    ),
)
SPAN = st.sampled_from(["1s", "20s", "1m", "95s", "3m"])
WINDOW = st.builds(
    lambda name, span, modifiers: f"{name}[{span}]{modifiers}",
    st.sampled_from(["a", "b", 'a{job="x"}', "one"]),
    SPAN,
    st.sampled_from(["", "", " offset 33s", " @ 250", " @ end()"]),
)
NUMBER = st.sampled_from(["0", "1", "2", "-3", "0.5", "7", "Inf", "NaN", "time()", "scalar(one{job='x'})"])
GROUPING = st.sampled_from(
    ["", " by (job)", " by (inst, none)", " without (inst)", " without (job)", " by ()"]
)
MATCHING = st.sampled_from(["", "", "on (job, inst) ", "ignoring (inst) ", "on (job) ", "on () "])
COMPARISON = st.sampled_from(["==", "!=", "<", ">=", "> bool", "== bool", "<= bool"])
EXACT_OVER_TIME = st.sampled_from(["sum", "min", "max", "count", "last", "first", "present"]).map(
    lambda name: f"{name}_over_time"
) | st.sampled_from(["changes", "resets"])
INEXACT_OVER_TIME = st.sampled_from(
    ["avg_over_time", "stddev_over_time", "stdvar_over_time", "mad_over_time"]
) | st.sampled_from(["rate", "increase", "delta", "irate", "idelta", "deriv"])


def _made(shape: str, *parts: st.SearchStrategy[str] | list[str]) -> st.SearchStrategy[str]:
    """Texts of a shape whose {} are filled by strategies or one of several words."""
    strategies = [st.sampled_from(part) if isinstance(part, list) else part for part in parts]
    return st.builds(lambda *texts: shape.format(*texts), *strategies)


def _subquery(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return _made(
        "({}){}", inner, ["[1m:15s]", "[2m:]", "[100s:20s] offset 10s", "[1m:30s] @ 200", "[95s:7s] @ end()"]
    )


def _exact(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        _made("({})", inner),
        _made("-({})", inner),
        _made("{}({})", ["abs", "ceil", "floor", "sgn", "timestamp", "sort"], inner),
        _made("clamp({}, -2, 3)", inner),
        _made("{}({}, 2)", ["clamp_min", "clamp_max", "round"], inner),
        _made("({}) {} {}", inner, ["+", "-", "*", "==", ">", "!= bool"], NUMBER),
        _made("{} {} ({})", NUMBER, ["+", "-", "<", ">= bool"], inner),
        _made("({}) {} {}({})", inner, COMPARISON, MATCHING, inner),
        _made("({}) {} {}({})", inner, ["+", "-"], MATCHING, inner),
        _made("({}) {} {}({})", inner, ["and", "or", "unless"], MATCHING, inner),
        _made("({}) * on (job) group_left (extra) one", inner),
        _made("one - on (job) group_right (extra) ({})", inner),
        _made("{}{} ({})", ["sum", "min", "max", "count", "group"], GROUPING, inner),
        # which of several equal series topk keeps is not promised, what they add up to is
        _made("sum ({}{} ({}, {}))", ["topk", "bottomk"], GROUPING, ["0", "1", "2", "9"], inner),
        _made('count_values{} ("{}", {})', GROUPING, ["value", "inst"], inner),
        _made("label_replace({}, 'job', '$1-new', 'inst', '(.)')", inner),
        _made("absent({})", inner),
        _made("vector(scalar({}))", inner),
        _made("{}({})", EXACT_OVER_TIME, WINDOW | _subquery(inner)),
    )


EXACT = st.recursive(SELECTOR | st.just("one"), _exact, max_leaves=5)
INEXACT_LEAF = st.one_of(
    _made("{}({})", INEXACT_OVER_TIME, WINDOW | _subquery(EXACT)),
    _made("quantile_over_time({}, {})", ["0", "0.3", "1", "-1"], WINDOW),
    _made("predict_linear({}, 60)", WINDOW),
    _made("double_exponential_smoothing({}, 0.3, 0.6)", WINDOW),
    _made("{}{} ({})", ["avg", "stddev", "stdvar"], GROUPING, EXACT),
    _made("quantile{} (0.4, {})", GROUPING, EXACT),
    _made("({}) {} {}({})", EXACT, ["/", "%", "^", "atan2", "*"], MATCHING, EXACT),
    _made("({}) {} {}", EXACT, ["/", "%", "^", "atan2"], NUMBER),
    _made("{}({})", ["exp", "ln", "log2", "log10", "sqrt", "deg", "atan", "tanh"], EXACT),
)


def _inexact(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        _made("-({})", inner),
        _made("({}) {} ({})", inner, ["+", "-", "and", "or"], inner),
        _made("{}{} ({})", ["sum", "max", "avg"], GROUPING, inner),
        _made("abs({})", inner),
    )


EXPRESSION = EXACT | st.recursive(INEXACT_LEAF, _inexact, max_leaves=3)

Columns = list[tuple[int, bool, list[float | None]]]


def samples_of(column: tuple[int, bool, list[float | None]]) -> list[tuple[int, float]]:
    shift, counts, values = column
    samples, running = [], 0.0
    for k, value in enumerate(values):
        if value is None:
            continue
        if counts and not is_stale(value) and math.isfinite(value):
            running = 0.0 if value < 0 else running + value
            value = running
        samples.append((k * SCRAPE_MS + shift, value))
    return samples


def filled(columns: Columns) -> tuple[Engine, SlowEngine]:
    """Both evaluators over the same samples."""
    store = Store()
    series = [(labels, samples_of(column)) for labels, column in zip(SERIES, columns, strict=True)]
    for labels, samples in series:
        bits = np.array(
            [STALE_BITS if is_stale(v) else np.float64(v).view(np.uint64) for _, v in samples], np.uint64
        )
        store.append(labels, np.array([at for at, _ in samples], np.int64), bits.view(np.float64))
    return Engine(store, experimental=True, delayed_names=False, lookback_ms=LOOKBACK_MS), SlowEngine(
        series, LOOKBACK_MS
    )


def fast_answer(engine: Engine, query: str) -> dict[Labels, dict[int, float]]:
    result = engine.range(query, START_MS / 1000, END_MS / 1000, STEP_MS / 1000)
    answer = {}
    for k in range(len(result)):
        samples = result.series(k)
        points = dict(zip(samples.times_ms.tolist(), samples.values.tolist(), strict=True))
        answer[tuple(sorted(result.frame.labels(k).items()))] = points
    return answer


def close(wanted: float, got: float) -> bool:
    if math.isnan(wanted) or math.isnan(got):
        return math.isnan(wanted) and math.isnan(got)
    return wanted == got or math.isclose(wanted, got, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


@given(EXPRESSION, DATA)
@examples(120)
def test_the_engine_agrees_with_the_slow_one(query: str, columns: Columns) -> None:
    fast, slow = filled(columns)
    try:
        wanted = slow.range(query, START_MS, END_MS, STEP_MS)
    except Failure:
        with pytest.raises(QueryError):
            fast_answer(fast, query)
        return
    got = fast_answer(fast, query)
    assert set(got) == set(wanted)
    for labels, points in wanted.items():
        assert set(got[labels]) == set(points), labels
        wrong = {at: (v, got[labels][at]) for at, v in points.items() if not close(v, got[labels][at])}
        assert not wrong, (labels, wrong)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("(", ")"),
        ("-abs(", ")"),
        ("sum(", ")"),
        ("topk(1, ", ")"),
        ("histogram_quantile(0.5, ", ")"),
        ("label_replace(", ", 'b', 'c', 'd', 'e')"),
        ("(a and ", ")"),
        ("a + (", ")"),
        ("a or ", ""),
        ("vector(scalar(", "))"),
        ("sum_over_time((", ")[1s:1s])"),
    ],
)
def test_the_deepest_query_is_answered(before: str, after: str) -> None:
    """What the parser lets through, recursion can evaluate."""
    store = Store()
    store.append({"__name__": "a"}, [0, 15_000], [1.0, 2.0])
    nested = 0
    with contextlib.suppress(QueryParseError):
        while parse_expr(f"{before * (nested + 1)}a{after * (nested + 1)}"):
            nested += 1
    assert nested > MAX_DEPTH // 4
    assert Engine(store).range(f"{before * nested}a{after * nested}", 0, 30, 15).type is ResultType.MATRIX
