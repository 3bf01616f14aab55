"""The engine on small stores: one line a case, answers written out by hand."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.model.blocks import Selection
from pyscrape.model.matcher import Matcher
from pyscrape.model.value import STALE
from pyscrape.promql import Engine, QueryError
from pyscrape.promql.plan import Read
from pyscrape.store import Store
from tests.promql.memory_storage import MemoryStorage


def store() -> MemoryStorage:
    storage = MemoryStorage()
    times = range(0, 3_600_000, 15_000)
    for k, (job, code) in enumerate([("a", "200"), ("a", "500"), ("b", "200")]):
        labels = {"__name__": "requests_total", "job": job, "code": code}
        storage.append(labels, times, [(k + 1.0) * n for n in range(240)])
    storage.append({"__name__": "up", "job": "a"}, times, [1.0] * 240)
    return storage


def answer(query: str, at: float = 1800.0) -> dict[str, float]:
    data = Engine(store(), experimental=True).instant(query, at).to_prometheus()
    result = data["result"]
    assert isinstance(result, list)
    if data["resultType"] != "vector":
        return {"": float(result[1])}
    return {",".join(f"{k}={v}" for k, v in row["metric"].items()): float(row["value"][1]) for row in result}


CASES: list[tuple[str, dict[str, float]]] = [
    ("1 + 2 * 3 ^ 2", {"": 19.0}),
    ("up", {"__name__=up,job=a": 1.0}),
    ("up offset 1h", {}),
    ('requests_total{code="500"}', {"__name__=requests_total,code=500,job=a": 240.0}),
    ("sum by (job) (requests_total)", {"job=a": 360.0, "job=b": 360.0}),
    ("sum without (code) (requests_total)", {"job=a": 360.0, "job=b": 360.0}),
    ("avg(requests_total)", {"": 240.0}),
    ("count by (job) (requests_total)", {"job=a": 2.0, "job=b": 1.0}),
    ("max by (code) (requests_total)", {"code=200": 360.0, "code=500": 240.0}),
    ("min(requests_total)", {"": 120.0}),
    ("sum by (job) (rate(requests_total[5m])) * 15", {"job=a": 3.0, "job=b": 3.0}),
    ("sum(increase(requests_total[1m]))", {"": 24.0}),
    ('irate(requests_total{code="500"}[1m])', {"code=500,job=a": 2 / 15}),
    ("up + on (job) group_right requests_total", {"code=200,job=a": 121.0, "code=500,job=a": 241.0}),
    ("requests_total > 200 < 300", {"__name__=requests_total,code=500,job=a": 240.0}),
    ("sum(requests_total) > bool 1e9", {"": 0.0}),
    ("count_over_time(up[1m])", {"job=a": 4.0}),
    ("max_over_time(sum(requests_total)[1m:30s])", {"": 720.0}),
    ("1 / sum(vector(-0.0))", {"": math.inf}),  # sums begin with 0 and are never -0
    ("1 / avg(vector(-0.0))", {"": math.inf}),
    ("1 / sum_over_time(vector(-0.0)[1m:1m])", {"": math.inf}),
    ("1 / avg_over_time(vector(-0.0)[5m:1m])", {"": math.inf}),
    ("requests_total @ 0 == 0 unless on (job) up", {"__name__=requests_total,code=200,job=b": 0.0}),
]


@pytest.mark.parametrize(("query", "expected"), CASES, ids=[query for query, _ in CASES])
def test_answers(query: str, expected: dict[str, float]) -> None:
    got = answer(query)
    assert got.keys() == expected.keys()
    for labels, value in expected.items():
        assert got[labels] == pytest.approx(value, rel=1e-12)


ERRORS = [
    (
        "up * on (job) requests_total",
        'found duplicate series for the match group {job="a"} on the right hand-side',
    ),
    ("requests_total * on (job) up", "multiple matches for labels: many-to-one matching must be explicit"),
    ('-{__name__=~"up|requests_total",job="a",code=""} or label_replace(up, "__name__", "x", "", "")', ""),
    ('{__name__=~".+",job="b"} * 1 + label_replace(up, "a", "$1", "job", "(")', "invalid regular expression"),
    (
        'label_replace(requests_total, "code", "", "", "")',
        "vector cannot contain metrics with the same labelset",
    ),
]


@pytest.mark.parametrize(("query", "message"), [case for case in ERRORS if case[1]])
def test_errors(query: str, message: str) -> None:
    with pytest.raises(QueryError) as raised:
        answer(query)
    assert str(raised.value).startswith(message)


def test_a_range_query_is_a_matrix_sorted_by_labels() -> None:
    result = Engine(store()).range("rate(requests_total[1m])", 600, 660, 15)
    data = result.to_prometheus()
    assert data["resultType"] == "matrix"
    metrics = [row["metric"] for row in data["result"]]  # type: ignore[attr-defined]
    assert metrics == sorted(metrics, key=lambda m: sorted(m.items()))
    assert data["result"][0]["values"][0][0] == 600  # type: ignore[index]
    assert all(len(result.series(k).times_ms) == 5 for k in range(3))


def test_a_range_vector_keeps_its_own_times() -> None:
    data = Engine(store()).instant("up[45s]", 100).to_prometheus()
    assert data["result"] == [
        {"metric": {"__name__": "up", "job": "a"}, "values": [[60, "1"], [75, "1"], [90, "1"]]}
    ]


def test_a_range_vector_has_no_series_without_a_sample() -> None:
    storage = MemoryStorage()
    for k in range(3):
        storage.append({"__name__": "x", "job": "j", "k": str(k)}, [60_000 + k], [1.0])
    storage.append({"__name__": "x", "job": "j", "k": "gone"}, [10_000], [1.0])
    storage.append({"__name__": "x", "job": "j", "k": "ended"}, [10_000, 60_000], [1.0, STALE])
    data = Engine(storage).instant("x[45s]", 100).to_prometheus()
    assert [row["metric"]["k"] for row in data["result"]] == ["0", "1", "2"]  # type: ignore[attr-defined]


def test_names_that_go_at_the_end_go_from_range_vectors_too() -> None:
    storage = store()
    storage.append({"__name__": "down", "job": "a"}, range(0, 120_000, 15_000), [0.0] * 8)
    delayed = Engine(storage, delayed_names=True)
    data = delayed.instant("rate(up[1m])[30s:15s]", 100).to_prometheus()
    assert [row["metric"] for row in data["result"]] == [{"job": "a"}]  # type: ignore[attr-defined]
    with pytest.raises(QueryError, match="same labelset"):
        delayed.instant('rate({__name__=~"up|down"}[1m])[30s:15s]', 100)


def test_limits() -> None:
    with pytest.raises(QueryError, match="too many samples"):
        Engine(store(), max_samples=100).instant("sum(rate(requests_total[1h]))", 3600)
    with pytest.raises(QueryError, match="timed out"):
        Engine(store(), timeout_s=0.0).instant("up", 3600)
    unlimited = Engine(store(), timeout_s=None)
    assert len(unlimited.instant("up", 3600, timeout_s=5.0)) == len(unlimited.instant("up", 3600))
    with pytest.raises(QueryError, match="timed out"):
        unlimited.instant("up", 3600, timeout_s=0.0)
    with pytest.raises(QueryError, match="canceled"):
        Engine(store()).instant("up", 3600, cancelled=lambda: True)
    with pytest.raises(QueryError, match="end timestamp must not be before start time"):
        Engine(store()).range("up", 10, 0, 1)
    with pytest.raises(QueryError, match="zero or negative query resolution step"):
        Engine(store()).range("up", 0, 10, 0)


def test_a_staleness_marker_ends_a_series() -> None:
    from pyscrape.model.value import STALE

    storage = MemoryStorage()
    storage.append({"__name__": "x"}, [0, 15_000, 30_000, 60_000], [1, 2, STALE, 4])
    engine = Engine(storage)
    assert [len(engine.instant("x", at)) for at in (15, 29.999, 30, 59, 60, 359, 360)] == [
        1,
        1,
        0,
        0,
        1,
        1,
        0,
    ]
    assert engine.instant("count_over_time(x[1m])", 60).values[0, 0] == 3 - 1 + 0
    assert math.isclose(engine.instant("sum_over_time(x[2m])", 60).values[0, 0], 7)


def test_a_tree_keeps_its_text_for_annotations() -> None:
    engine = Engine(store())
    tree = engine.parse("rate(up[5m])")
    assert engine.parse("rate(up[5m])") is tree
    assert [text[-6:] for text in engine.instant(tree, 1800).infos] == [" (1:6)"]
    for number in range(300):
        engine.parse(f"up + {number}")
    assert engine.instant(tree, 1800).infos[0].endswith("(unknown position)")
    assert engine.instant(tree, 1800, text="rate(up[5m])").infos[0].endswith(" (1:6)")


def test_a_limit_keeps_the_first_series() -> None:
    engine = Engine(store(), experimental=True)
    for query in ("requests_total", "requests_total > 200", "rate(requests_total[5m])"):
        for result in (engine.instant(query, 1800.0), engine.range(query, 1500.0, 1800.0, 60.0)):
            whole = result.to_prometheus()["result"]
            assert isinstance(whole, list)
            short = result.limited(1)
            assert short.to_prometheus()["result"] == whole[:1]
            assert (len(short), short.warnings) == (1, ["results truncated due to limit"])
            assert result.limited(0) is result.limited(len(whole)) is result


SAMPLE_VALUES = [1.0, -0.5, math.nan, STALE, math.inf]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 9), st.sampled_from(SAMPLE_VALUES)), max_size=20),
    st.integers(0, 12),
    st.sampled_from([None, 0, 1, 3, 5, 6]),
    st.sampled_from(
        [
            *("m", "sum(m)", "avg by (k) (m)", "count without (k) (m)", "stddev by (g, no) (m)", "max(m)"),
            *("min by (__name__, g) (m)", "group by (g) (m)", "stdvar without () (m)"),
        ]
    ),
)
def test_what_asks_for_the_newest_alone_is_answered_as_by_the_evaluator(
    samples: list[tuple[int, int, float]], at: int, most: int | None, query: str
) -> None:
    filled = Store(out_of_order_window_ms=9000)
    for k, at_s, value in samples:
        filled.append({"__name__": "m", "k": str(k), "g": str(k % 2)}, [at_s * 1000], [value])
    engine = Engine(filled, lookback_ms=4000)

    def said(query: str, *, detailed: bool = False) -> object:
        try:
            result = engine.instant(query, at, max_samples=most, detailed=detailed)
        except QueryError as error:
            return str(error)
        stats = result.stats
        counts = (stats.samples, stats.peak_samples, stats.series_read, stats.steps, stats.per_step.tolist())
        return repr(result.to_prometheus()), counts, result.warnings, result.infos

    assert said(query) == said(f"({query})") == said(query, detailed=True)


@given(
    st.lists(st.lists(st.sampled_from([None, 1.0, 1.0, 2.0, 0.1, -3.0, math.nan]), min_size=4, max_size=4)),
    st.sampled_from(
        ["topk(2, m)", "bottomk by (g) (1, m)", "sum(m)", "max by (g) (m)", "count by (g) (m)", "avg(m > 0)"]
    ),
)
def test_aggregations_are_the_same_some_steps_at_a_time(rows: list[list[float | None]], query: str) -> None:
    filled = Store()
    for k, row in enumerate(rows):
        samples = [(at * 1000, value) for at, value in enumerate(row) if value is not None]
        labels = {"__name__": "m", "k": str(k), "g": str(k % 2)}
        filled.append(labels, [at for at, _ in samples], [value for _, value in samples])
    engine = Engine(filled, lookback_ms=1000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pyscrape.promql.aggregations.FEW_CELLS", 0)
        whole = engine.range(query, 0, 4, 1).to_prometheus()
        patch.setattr("pyscrape.promql.grouping.FOLD_CELLS", 3)
        assert repr(engine.range(query, 0, 4, 1).to_prometheus()) == repr(whole)


@pytest.mark.parametrize(
    ("query", "spans"),
    [
        ("x - x offset 1w", [(-604_860, -604_500), (-60, 300)]),
        ("x - x offset 10m", [(-660, 300)]),
        ("rate(x[2m] offset 1w) + rate(x[3m])", [(-604_920, -604_500), (-180, 300)]),
        ("x - (x offset 1w) / (x offset 6d)", [(-604_860, -604_500), (-518_460, -518_100), (-60, 300)]),
        ("x @ 2000000 - x @ end()", [(-60, -0), (240, 300)]),
        ("sum_over_time(x[1w]) - x offset 3d", [(-604_800, 300)]),
        (
            "max_over_time(x[5m:1m] offset 1w) - x",
            [(-605_120, -604_520), (-60, 300)],
        ),  # multiples of a minute
    ],
)
def test_what_lies_between_distant_spans_is_not_read(
    query: str, spans: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = 2_000_000
    storage = MemoryStorage()
    times = range((start - 700_000) * 1000, (start + 301) * 1000, 30_000)
    storage.append({"__name__": "x", "job": "a"}, times, [at / 30_000 % 1000 for at in times])
    asked: list[tuple[int, int]] = []
    select = storage.select

    def noting(
        matchers: Sequence[Matcher], start_ms: int, end_ms: int, *rest: Any, **named: Any
    ) -> Selection:
        asked.append((start_ms // 1000 - start, end_ms // 1000 - start))
        return select(matchers, start_ms, end_ms, *rest, **named)

    with monkeypatch.context() as patched:
        patched.setattr(storage, "select", noting)
        found = Engine(storage, lookback_ms=60_000).range(query, start, start + 300, 60)
    assert asked == spans
    with monkeypatch.context() as patched:
        patched.setattr(Read, "near", lambda *_: True)
        assert found.to_prometheus() == (
            Engine(storage, lookback_ms=60_000).range(query, start, start + 300, 60).to_prometheus()
        )
    assert len(found) == 1
