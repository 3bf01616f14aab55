"""Every function and aggregation has an implementation; formats and small parts by example."""

import math
from typing import Any

import pytest

from pyscrape.model.blocks import Selection
from pyscrape.promql import Engine, QueryError, parse_expr
from pyscrape.promql.aggregations import OPERATORS
from pyscrape.promql.format import format_float, format_sample, go_number
from pyscrape.promql.functions import IMPLEMENTATIONS
from pyscrape.promql.histograms import openmetrics_float
from pyscrape.promql.labelling import natural_compare
from pyscrape.promql.signatures import FUNCTIONS
from pyscrape.promql.tokens import AGGREGATORS
from pyscrape.promql.xxhash import xxhash64
from tests.promql.memory_storage import MemoryStorage


def test_the_tables_are_complete() -> None:
    assert set(IMPLEMENTATIONS) == set(FUNCTIONS)
    assert set(OPERATORS) == set(AGGREGATORS)


@pytest.mark.parametrize(
    ("value", "plain", "sample", "message"),
    [
        (0.1, "0.1", "0.1", "0.1"),
        (1e21, "1000000000000000000000", "1e+21", "1e+21"),
        (123456789.0, "123456789", "123456789", "1.23456789e+08"),
        (1.2e7, "12000000", "12000000", "1.2e+07"),
        (1e7, "10000000", "10000000", "1e+07"),
        (1e-7, "0.0000001", "1e-07", "1e-07"),
        (1e-5, "0.00001", "0.00001", "1e-05"),
        (-0.0, "-0", "-0", "-0"),
        (math.inf, "+Inf", "+Inf", "+Inf"),
        (math.nan, "NaN", "NaN", "NaN"),
        (1e100, "1" + "0" * 100, "1e+100", "1e+100"),
    ],
)
def test_numbers_print_as_prometheus_prints_them(value: float, plain: str, sample: str, message: str) -> None:
    assert (format_float(value), format_sample(value), go_number(value)) == (plain, sample, message)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", 0xEF46DB3751D8E999),
        (b"a", 0xD24EC4F1A98C6E5B),
        (b"as", 0x1C330FB2D66BE179),
        (b"asd", 0x631C37CE72A97393),
        (b"asdf", 0x415872F599CEA71E),
        (bytes(range(32)), 0xCBF59C5116FF32B4),
        (b"Call me Ishmael. Some years ago--never mind how long precisely-", 0x02A2E85470D6FD96),
    ],
)
def test_xxhash(text: bytes, expected: int) -> None:
    assert xxhash64(text) == expected


@pytest.mark.parametrize(
    ("a", "b"), [("a2", "a10"), ("", "a"), ("4m5", "4m600"), ("1.2.3", "1.11.3"), ("x", "x1")]
)
def test_natural_order(a: str, b: str) -> None:
    assert natural_compare(a, b) < 0 < natural_compare(b, a)


def engine() -> Engine:
    storage = MemoryStorage()
    for job, value in (("a", 1.0), ("b", 2.0)):
        storage.append({"__name__": "x", "job": job}, [0, 60_000], [value, value * 2])
    storage.append({"__name__": "target_info", "job": "a", "version": "1"}, [0], [1])
    storage.append({"__name__": "target_info", "job": "a", "version": "2"}, [60_000], [1])
    storage.append({"__name__": "y", "job": "b"}, [0, 60_000], [10, 10])
    return Engine(storage, experimental=True)


def rows(query: str, at: float = 60) -> list[tuple[str, str]]:
    data = engine().instant(query, at).to_prometheus()["result"]
    assert isinstance(data, list)
    return [(",".join(f"{k}={v}" for k, v in row["metric"].items()), row["value"][1]) for row in data]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("info(x)", [("__name__=x,job=a,version=2", "2"), ("__name__=x,job=b", "4")]),
        ('info(x, {version="1"})', [("__name__=x,job=a,version=1", "2")]),
        ('info(x, {version=~".+"})', [("__name__=x,job=a,version=2", "2")]),
        ("info(x offset 1m)", [("__name__=x,job=a,version=1", "1"), ("__name__=x,job=b", "2")]),
        ("info(x @ 0)", [("__name__=x,job=a,version=1", "1"), ("__name__=x,job=b", "2")]),
        ("info(x @ 60 offset 1m + x @ 0)", [("job=a,version=1", "2"), ("job=b", "4")]),
        ("info(x @ 0 + x)", [("job=a,version=2", "3"), ("job=b", "6")]),  # of no one time: the query's
        ("info(scalar(y @ 0) * x)", [("__name__=x,job=a,version=2", "20"), ("__name__=x,job=b", "40")]),
        (
            "info(vector(1) or x @ 0)",
            [("", "1"), ("__name__=x,job=a,version=2", "1"), ("__name__=x,job=b", "2")],
        ),
        ("info(max_over_time(x[1m] @ 0))", [("__name__=x,job=a,version=1", "1"), ("__name__=x,job=b", "2")]),
        ("x + fill(0) y", [("job=a", "2"), ("job=b", "14")]),
        ("x + fill_right(100) y", [("job=a", "102"), ("job=b", "14")]),
        ("y + fill_left(1) x", [("job=b", "14"), ("job=a", "3")]),
        ("increase(x[30s] anchored)", [("job=a", "1"), ("job=b", "2")]),
        ("increase(x[30s] smoothed)", [("job=a", "0.5"), ("job=b", "1")]),
        ("x smoothed", [("__name__=x,job=a", "2"), ("__name__=x,job=b", "4")]),
        ("topk(-Inf, x)", []),
        ("bottomk(0.9, x)", []),
        ("bottomk(9223372036854774784, x)", [("__name__=x,job=a", "2"), ("__name__=x,job=b", "4")]),
        ("limitk(1, x)", [("__name__=x,job=a", "2")]),
        ("limit_ratio(1, x)", [("__name__=x,job=a", "2"), ("__name__=x,job=b", "4")]),
        (
            "label_replace(rate(x[2m]), '__name__', 'kept', '', '')",
            [("__name__=kept,job=a", "0.016666666666666666")],
        ),
        ("max_over_time(x[1m:1s])", [("job=a", "2"), ("job=b", "4")]),
        ('count_values without (job) ("job", x)', [("", "2")]),
        ('count_values without () ("__name__", x)', [("job=a", "1"), ("job=b", "1")]),
        ('count_values by (job) ("job", x)', [("job=2", "1"), ("job=4", "1")]),
        ('absent(nope{a="1",b!="2",b="3"})', [("a=1", "1")]),  # negations come last
        ('absent(nope{a="1",b=~"2|3",b="3"})', [("a=1,b=3", "1")]),
    ],
)
def test_answers(query: str, expected: list[tuple[str, str]]) -> None:
    got = rows(query)
    assert got[: len(expected)] == expected
    assert len(got) == len(expected) or "label_replace" in query


def test_two_buckets_that_fall_are_mended() -> None:
    storage = MemoryStorage()
    for bound, count in (("1", 5), ("+Inf", 3)):
        storage.append({"__name__": "h_bucket", "le": bound}, [0], [count])
    result = Engine(storage).instant("histogram_quantile(0.5, h_bucket)", 0)
    assert result.to_prometheus()["result"] == [{"metric": {}, "value": [0, "0.5"]}]
    assert "needed to be fixed for monotonicity" in result.infos[0]


def test_buckets_that_fall_by_a_rounding_error_are_equal_and_not_told() -> None:
    storage = MemoryStorage()
    for bound, count in (("1", 1e6), ("2", 1e6 * (1 - 1e-13)), ("+Inf", 1e6)):
        storage.append({"__name__": "h_bucket", "le": bound}, [0], [count])
    assert Engine(storage).instant("histogram_quantile(0.5, h_bucket)", 0).infos == []


@pytest.mark.parametrize("bound", ["", " 1", "1 ", "1_0", "one"])
def test_a_bucket_whose_bound_is_no_number_is_told_and_left_out(bound: str) -> None:
    storage = MemoryStorage()
    for text, count in ((bound, 100), ("2", 5), ("+Inf", 5)):
        storage.append({"__name__": "h_bucket", "le": text}, [0], [count])
    result = Engine(storage).instant("histogram_quantile(1, h_bucket)", 0)
    assert result.to_prometheus()["result"] == [{"metric": {}, "value": [0, "2"]}]
    assert any("bucket label" in told for told in result.warnings)


def test_sorting_the_two_steps_of_a_subquery_is_told_to_be_in_vain() -> None:
    storage = MemoryStorage()
    for name, values in (("a", [1.0, 2.0]), ("b", [2.0, 1.0])):
        storage.append({"__name__": "x", "job": name}, [0, 60_000], values)
    for query in ("sort(x)[2m:1m]", "sum_over_time(sort(x)[2m:1m])"):
        assert "sort is ineffective" in Engine(storage).instant(query, 60).warnings[0]
    assert Engine(storage).instant("sort(x)", 60).warnings == []


OF_TWO_OR_THREE = [
    ("deriv(x[2m])", [0, 60], [0, 6], 60, "0.1"),
    # What lies below 0 is not extrapolated to where it was 0, as a young counter is: (3 - -1) * (30 + 7.5) / 30.
    ("increase(x[1m])", [0, 15, 30], [-1, 1, 3], 30, "5"),
    # Between equal samples a counter stands still; it was not reset.
    ("increase(x[30s] smoothed)", [0, 30, 60], [5, 5, 5], 45, "0"),
]


@pytest.mark.parametrize(("query", "times_s", "values", "at", "expected"), OF_TWO_OR_THREE)
def test_of_two_or_three_samples(
    query: str, times_s: list[int], values: list[float], at: float, expected: str
) -> None:
    storage = MemoryStorage()
    storage.append({"__name__": "x"}, [1000 * time for time in times_s], values)
    [row] = Engine(storage, experimental=True).instant(query, at).to_prometheus()["result"]  # type: ignore[attr-defined]
    assert row["value"] == [at, expected]


@pytest.mark.parametrize(
    ("q", "told"), [("0", True), ("1", True), ("-0.1", False), ("1.1", False), ("NaN", False)]
)
def test_mended_buckets_are_told_where_they_gave_an_answer(q: str, told: bool) -> None:
    storage = MemoryStorage()
    for bound, count in (("1", 5), ("2", 3), ("+Inf", 6)):
        storage.append({"__name__": "h_bucket", "le": bound}, [0], [count])
    infos = Engine(storage).instant(f"histogram_quantile({q}, h_bucket)", 0).infos
    assert any("needed to be fixed for monotonicity" in info for info in infos) is told


def test_the_times_of_mended_buckets_begin_with_the_first() -> None:
    storage = MemoryStorage()
    for bound, count in (("1", 5), ("2", 3), ("+Inf", 6)):
        storage.append({"__name__": "h_bucket", "le": bound}, [0, 60_000, 120_000], [count] * 3)
    [info] = Engine(storage).range("histogram_quantile(0.5, h_bucket)", 0, 120, 60).infos
    assert "over 3 samples from 1970-01-01T00:00:00Z to 1970-01-01T00:02:00Z" in info


@pytest.mark.parametrize(
    ("ratio", "told"),
    [("1", ""), ("-1", ""), ("1.5", "got 1.5, capping to 1 "), ("-1.5", "got -1.5, capping to -1 ")],
)
def test_a_ratio_beyond_one_is_told(ratio: str, told: str) -> None:
    warnings = engine().instant(f"limit_ratio({ratio}, x)", 60).warnings
    assert [told in warning for warning in warnings] == ([True] if told else [])


def test_of_many_ratios_the_worst_are_told() -> None:
    warnings = engine().range("limit_ratio((time() - 60) / 20, x)", 0, 120, 20).warnings
    assert [warning.split("got ")[1] for warning in warnings] == [
        "3, capping to 1 (1:13)",
        "-3, capping to -1 (1:13)",
    ]


def test_of_many_quantiles_an_aggregation_tells_the_worst() -> None:
    def told(query: str) -> list[str]:
        return [warning.split("got ")[1] for warning in engine().range(query, 0, 60, 20).warnings]

    assert told("quantile((time() - 20) / 10, x)") == ["-2 (1:10)", "4 (1:10)"]
    assert told("quantile(time() + 2, x)") == ["62 (1:10)"]
    assert told("quantile((time() - 20) / (time() - 20), x)") == ["NaN (1:10)"]
    assert len(told("quantile_over_time(time(), x[1m])")) == 3  # a function tells all


def test_series_that_differ_in_their_name_alone_are_one_while_they_do_not_meet() -> None:
    storage = MemoryStorage()
    storage.append({"__name__": "old"}, [0, 30_000], [1, 2])
    storage.append({"__name__": "new"}, [90_000, 120_000], [3, 4])
    unnamed = Engine(storage, delayed_names=False)
    merged = unnamed.range('max_over_time({__name__=~"old|new"}[30s])', 0, 120, 30)
    assert [merged.series(k).values.tolist() for k in range(len(merged))] == [[1, 2, 3, 4]]
    with pytest.raises(QueryError, match="vector cannot contain metrics with the same labelset"):
        unnamed.range('max_over_time({__name__=~"old|new"}[5m])', 0, 120, 30)


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("x[1m]", [[0, "1"]]),
        ("x[1m] anchored", [[-15, "1"], [0, "1"], [45, "1"]]),
        ("x[1m] smoothed", [[-15, "1"], [0, "1"], [45, "1.75"]]),
    ],
)
def test_a_range_as_it_is(query: str, values: list[list[object]]) -> None:
    """Anchored and smoothed ones reach from edge to edge of the window."""
    data = engine().instant(query, 45).to_prometheus()["result"]
    assert isinstance(data, list)
    assert data[0] == {"metric": {"__name__": "x", "job": "a"}, "values": values}


@pytest.mark.parametrize("function", ["changes", "increase", "rate"])
@pytest.mark.parametrize(("at", "series"), [(60, 2), (89, 2), (90, 0), (100, 0)])
def test_an_anchored_range_without_a_sample_of_its_own_has_no_answer(
    function: str, at: float, series: int
) -> None:
    assert len(rows(f"{function}(x[30s] anchored)", at)) == series


def test_a_sample_later_than_the_lookback_smooths_nothing() -> None:
    storage = MemoryStorage()
    storage.append({"__name__": "x"}, [0, 400_000], [1.0, 11.0])
    data = Engine(storage, experimental=True).range("x smoothed", 0, 400, 50).to_prometheus()["result"]
    assert isinstance(data, list)
    [row] = data
    found = {at: float(value) for at, value in row["values"]}
    assert found == {0: 1.0, 50: 1.0, 100: 3.5, 150: 4.75, 200: 6.0, 250: 7.25, 400: 11.0}


def test_smoothed_between_samples() -> None:
    assert rows("x smoothed", 15) == [("__name__=x,job=a", "1.25"), ("__name__=x,job=b", "2.5")]


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("rate((x[5m]))", ["1:7"]),
        ("rate(x[1m]) + rate(x[5m])", ["1:20"]),  # the last place that gave cause
        ("rate(x[5m]) + rate(x[5m])", ["1:20"]),
        ('rate(x{job="a"}[5m]) + rate(x[5m])', ["1:29"]),
        ('rate(x[5m]) + rate(x{job="a"}[5m])', ["1:20"]),
        ('rate(x[5m]) + rate(x{job="c"}[5m])', ["1:6"]),
        ("quantile((1 + 2), x)", ["1:11"]),
        ("limit_ratio((2), x)", ["1:14"]),
        ("limit_ratio(2, limit_ratio(2, x))", ["1:13"]),  # what is outside is told after what is inside
        ("histogram_quantile((2), (y))", ["1:26", "1:20"]),  # one number for every step keeps its ( )
        ("histogram_quantile((scalar(y)), y)", ["1:28", "1:21"]),
        ("quantile_over_time((2), x[5m] @ 0)", ["1:21"]),
    ],
)
def test_places_of_annotations(query: str, places: list[str]) -> None:
    result = engine().instant(query, 60)
    assert [text.rpartition("(")[2].rstrip(")") for text in (*result.warnings, *result.infos)] == places


def test_fractions_are_of_the_buckets_as_they_are() -> None:
    """Only quantiles repair counts that fall."""
    storage = MemoryStorage()
    for le, value in (("-5", 7.0), ("0", 12), ("0.2", 13), ("1", 10), ("+Inf", 5)):
        storage.append({"__name__": "h", "le": le}, [0], [value])
    answers = [Engine(storage).instant(f"histogram_fraction({edges}, h)", 0) for edges in ("0.1, 2", "-4, 2")]
    assert [answer.series(0).values.tolist() for answer in answers] == [[0.0], [0.0]]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "sum_over_time(x[1m] anchored)",
            "anchored modifier can only be used with: changes, delta",
        ),
        (
            "changes(x[1m] smoothed)",
            "smoothed modifier can only be used with: delta, increase, rate - not",
        ),
        ("topk(NaN, x)", "Parameter value is NaN"),
        ("limit_ratio(NaN, x)", "Ratio value is NaN"),
        ("topk(1e20, x)", "Scalar value 1e+20 overflows int64"),
        ("topk(9223372036854775808, x)", "Scalar value 9.223372036854776e+18 overflows int64"),
        ("topk(NaN, nope)", "Parameter value is NaN"),
        (
            "count_over_time(topk(1 - (time() < bool 60) * 1e20, x)[2m:1m])",
            "Scalar value -1e+20 underflows int64",
        ),
        (
            "double_exponential_smoothing(x[5m], 0, 0.5)",
            "invalid smoothing factor. Expected: 0 < sf < 1, got: 0.0",
        ),
        ("x[5m - 5m]", "2:9: duration must be greater than 0"),
        ('{"ü"}[5m - 5m]', "7:14: duration must be greater than 0"),
        ("rate(x[1m:1s - 5s])", "10:17: duration must be greater than 0"),
        ("x offset (2^20^3)", "10:16: duration is out of range"),
        ("rate(x[step() / range()])", "7:23: division by zero"),
    ],
)
def test_errors(query: str, message: str) -> None:
    with pytest.raises(QueryError) as raised:
        engine().instant(query, 60)
    assert str(raised.value).startswith(message)


def test_an_error_in_a_tree_without_its_text_has_no_place() -> None:
    with pytest.raises(QueryError, match=r"^duration must be greater than 0$"):
        engine().instant(parse_expr("x[5m - 5m]", experimental=True), 60)


def test_explain_tells_the_parts() -> None:
    text = engine().explain("sum by (job) (rate(x[5m])) / on (job) y", 0, 600, 60)
    lines = text.splitlines()
    assert "series read" in lines[0]
    assert [line.strip().split("  ")[0] for line in lines[1:]] == [
        "sum by (job) (rate(x[5m])) / on (job) y",
        "sum by (job) (rate(x[5m]))",
        "rate(x[5m])",
        "x[5m]",
        "y",
    ]


class Counting(MemoryStorage):
    """Counts what is asked of it."""

    asked = 0

    def select(self, *args: Any, **ways: Any) -> Selection:
        self.asked += 1
        return super().select(*args)


@pytest.mark.parametrize(
    ("query", "reads"),
    [
        ('sum(rate(x{job="a"}[5m])) / sum(rate(x[5m]))', 1),
        ('x{job="a"} or x', 1),
        ('rate(x{job=~"a|b"}[5m]) + rate(x{job=~"a|b",job!="a"}[5m])', 1),
        ('rate(x{job="a"}[5m]) / rate(x[10m])', 2),
        ('x{job="a"} + x offset 1m', 2),
        ('rate(x{job="a"}[5m]) or max_over_time(rate(x[5m])[5m:1m])', 2),
        ("rate(x[5m]) / rate(x[10m])", 1),
    ],
)
def test_a_narrower_selector_is_chosen_from_a_wider_one(query: str, reads: int) -> None:
    storage = Counting()
    for job in "abc":
        storage.append({"__name__": "x", "job": job}, range(0, 900_000, 15_000), range(60))
    engine = Engine(storage)
    result = engine.range(query, 600, 800, 50)
    assert storage.asked == reads
    apart = Engine(storage).range(query.replace("x{", '{__name__=~"x",'), 600, 800, 50)
    assert result.to_prometheus() == apart.to_prometheus()


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1.0"), (-2.0, "-2.0"), (0.5, "0.5"), (1e300, "1e+300"), (math.inf, "+Inf"), (math.nan, "NaN")],
)
def test_floats_of_buckets_show_that_they_are_floats(value: float, text: str) -> None:
    assert openmetrics_float(value) == text
