"""Random expressions over random series: the engine and the slow evaluator agree."""

import math
import re

from hypothesis import given
from hypothesis import strategies as st

from pyscrape.model.labels import Labels
from pyscrape.model.value import STALE
from pyscrape.promql import Engine, QueryError
from pyscrape.promql.values import SAME_LABELSET
from tests.helpers.examples import examples
from tests.helpers.slow_engine import AGGREGATIONS, COMPARE, OVER_TIME, RATES, Failure, SlowEngine
from tests.promql.memory_storage import MemoryStorage

STEP_MS = 30_000
START_MS, END_MS = 600_000, 1_200_000

NUMBERS = st.one_of(
    st.integers(-20, 20).map(float),
    st.floats(-1e6, 1e6).map(lambda v: round(v, 3)),
    st.sampled_from((math.nan, math.inf, -math.inf, 0.0, STALE)),
)


@st.composite
def series(draw: st.DrawFn) -> MemoryStorage:
    storage = MemoryStorage(draw(st.sampled_from(("job", "code", None))))
    labels = [
        {"__name__": name, "job": job, "code": code}
        for name in ("a_total", "b")
        for job in "xy"
        for code in ("1", "2")
    ]
    for one in draw(st.lists(st.sampled_from(labels), min_size=1, max_size=6, unique_by=str)):
        shift = draw(st.sampled_from((0, 0, 7_001)))
        missing = draw(st.sets(st.integers(0, 40), max_size=25))
        times = [k * STEP_MS + shift for k in range(41) if k not in missing]
        pool = draw(st.lists(NUMBERS, min_size=1, max_size=8))
        rising = draw(st.booleans())
        values = [pool[k % len(pool)] + (k * 3 if rising else 0) for k in range(len(times))]
        storage.append(one, times, values)
    return storage


SPANS = st.sampled_from(("30s", "1m", "2m", "5m", "11s"))
MODIFIERS = st.sampled_from(
    ("", "", "", " offset 1m", " offset -2m", " @ 700", " @ start()", " @ end() offset 30s")
)
SELECTORS = st.sampled_from(
    ("a_total", "b", '{job="x"}', 'a_total{code!="1"}', '{__name__=~"a.*|b",code="2"}')
)
GROUPINGS = st.sampled_from(
    ("", " by (job)", " by (code, nope)", " without (code)", " by (__name__)", " without ()")
)
MATCHINGS = st.sampled_from((
    *("", "", " on (job, code)", " ignoring (code)", " on (job)", " on ()"),
    *(" on (job) group_left ()", " ignoring (code) group_left (code)", " on (job) group_right (code)"),
))  # fmt: skip


RANGE_FUNCTIONS = sorted(
    {*OVER_TIME, *RATES}
    - {
        "quantile_over_time",
        "mad_over_time",
        "first_over_time",
        "predict_linear",
        "double_exponential_smoothing",
    }
)
ELEMENTWISE = ("abs", "ceil", "floor", "sgn", "sqrt")
WHOLE_RANGE = re.compile(r"-\(")


def vectors(depth: int) -> st.SearchStrategy[str]:
    selector = st.builds("{}{}".format, SELECTORS, MODIFIERS)
    if depth == 0:
        return selector
    inner = vectors(depth - 1)
    plain_ranges = st.builds("{}[{}]{}".format, SELECTORS, SPANS, MODIFIERS)
    subqueries = st.builds(
        "({})[{}:{}]{}".format, inner, SPANS, st.sampled_from(("", "20s", "1m")), MODIFIERS
    )
    ranges = st.one_of(plain_ranges, plain_ranges, subqueries)
    binops = sorted({"+", "-", "*", "/", "%", *COMPARE, *(f"{op} bool" for op in COMPARE)})
    scalars = st.one_of(
        st.sampled_from(("2", "0", "-1.5", "NaN", "time()")), st.builds("scalar({})".format, inner)
    )
    return st.one_of(
        selector,
        st.builds("{}({})".format, st.sampled_from(RANGE_FUNCTIONS), ranges),
        st.builds("quantile_over_time({}, {})".format, st.sampled_from(("0.3", "1", "2", "NaN")), ranges),
        st.builds("{}{}({})".format, st.sampled_from(sorted(AGGREGATIONS)), GROUPINGS, inner),
        st.builds("quantile{}({}, {})".format, GROUPINGS, st.sampled_from(("0.5", "-1", "0.9")), inner),
        st.builds("{}({})".format, st.sampled_from(ELEMENTWISE), inner),
        st.builds("-({})".format, inner),
        st.builds("({}) {} {}".format, inner, st.sampled_from(binops), scalars),
        st.builds("{} {} ({})".format, scalars, st.sampled_from(binops), inner),
        st.builds("({}) {}{} ({})".format, inner, st.sampled_from(binops), MATCHINGS, inner),
        st.builds("({}) {} ({})".format, inner, st.sampled_from(("and", "or", "unless")), inner),
        st.builds("({}) {} on (job) ({})".format, inner, st.sampled_from(("and", "or", "unless")), inner),
        st.builds("vector({})".format, scalars),
    )


def close(a: float, b: float) -> bool:
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-6)


@examples(150)
@given(series(), vectors(2))
def test_random_expressions_agree(storage: MemoryStorage, query: str) -> None:
    slow = SlowEngine([(dict(labels), sorted(samples.items())) for labels, samples in storage.series.items()])
    try:
        expected: dict[Labels, dict[int, float]] | None = {
            Labels(labels): points for labels, points in slow.range(query, START_MS, END_MS, 40_000).items()
        }
    except Failure:
        expected = None
    try:
        result = Engine(storage).range(query, START_MS / 1000, END_MS / 1000, 40)
    except QueryError as error:
        # a sign refuses series that differ in their name alone, even at different steps
        whole_range = str(error) == SAME_LABELSET and WHOLE_RANGE.search(query)
        assert expected is None or whole_range, f"{query}: refused: {error}"
        return
    if expected is None:
        raise AssertionError(f"{query}: should have been refused, but gave {result.to_prometheus()}")
    got = {}
    for k in range(len(result)):
        samples = result.series(k)
        got[result.frame.labels(k)] = dict(
            zip(samples.times_ms.tolist(), samples.values.tolist(), strict=True)
        )
    assert got.keys() == expected.keys(), f"{query}: {list(got)} against {list(expected)}"
    for labels, points in expected.items():
        assert got[labels].keys() == points.keys(), f"{query}: {labels}: times differ"
        for at, value in points.items():
            assert close(got[labels][at], value), (
                f"{query}: {labels} at {at}: {got[labels][at]} against {value}"
            )
