"""Windows and kernels: panels in both forms see the same samples, sums keep what rounding loses."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.model.blocks import Block
from pyscrape.model.value import ABSENT, ABSENT_BITS, STALE
from pyscrape.promql import exact as exact_module
from pyscrape.promql import sums as sums_module
from pyscrape.promql.exact import sums_by_group, window_sums
from pyscrape.promql.grouping import Groups
from pyscrape.promql.over_time import KERNELS
from pyscrape.promql.panels import Panel, build_panels
from pyscrape.promql.rate import Spans
from pyscrape.promql.sums import compensated_window_sums, few_sums, sum_first_axis, window_extremes
from tests.helpers.examples import examples

NUMBERS = st.one_of(
    st.floats(-1e9, 1e9), st.sampled_from((0.0, -0.0, 1e100, -1e100, math.inf, -math.inf, math.nan))
)


def exact(values: list[float]) -> float:
    """What a compensated sum must be close to."""
    return math.fsum(values) if all(map(math.isfinite, values)) else sum(values)


def close(a: float, b: float, size: float) -> bool:
    if math.isnan(b):
        return math.isnan(a)
    return a == b or math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-15 * size)


@given(st.lists(NUMBERS, min_size=1, max_size=40))
def test_sums_keep_what_rounding_loses(values: list[float]) -> None:
    with np.errstate(all="ignore"):
        got = float(sum_first_axis(np.array(values)[:, None])[0])
    size = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    assert close(got, exact(values), size * 1e-16)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.one_of(NUMBERS, st.just(-0.0))), min_size=1, max_size=20),
    st.sampled_from([1, 3]),
)
def test_few_sums_are_those_of_many(drawn: list[tuple[int, float]], count: int) -> None:
    members = [(min(group, count - 1), value) for group, value in drawn]
    groups = [group for group, _ in members]
    with np.errstate(all="ignore"):
        got = few_sums(np.array([[value for _, value in members]]), np.array(groups), count)[0].tolist()
        for group in set(groups):
            cells = np.array([value for of, value in members if of == group])
            size = float(np.abs(cells[np.isfinite(cells)]).max(initial=0.0))
            wanted = float(sum_first_axis(cells[:, None])[0])
            assert close(got[group], wanted, size * 1e-16)
            assert got[group] != 0 or math.copysign(1, got[group]) == 1  # as Prometheus begins with 0


@given(
    st.lists(st.lists(NUMBERS, min_size=6, max_size=6), min_size=1, max_size=5),
    st.lists(st.integers(0, 2), min_size=6, max_size=6),
)
def test_sums_by_group_are_those_of_each_group(rows: list[list[float]], members: list[int]) -> None:
    names, ids = np.unique(members, return_inverse=True)
    values, groups = np.array(rows), Groups(ids.reshape(-1), len(names))
    with np.errstate(all="ignore"):
        got, plain = sums_by_group(values, groups), groups.fold(values, 0.0, sum_first_axis)
    for step, row in enumerate(rows):
        for group in range(len(names)):
            cells = [value for value, of in zip(row, ids.tolist(), strict=True) if of == group]
            size = max((abs(v) for v in cells if math.isfinite(v)), default=0.0)
            for sums in (got, plain):
                assert close(float(sums[step, group]), exact(cells), size * 1e-16)
                assert sums[step, group] != 0 or math.copysign(1, sums[step, group]) == 1


@given(
    st.lists(st.floats(1, 1e6), min_size=90, max_size=90),
    st.sampled_from((1.0, 1e-30, 1e12)),
    st.booleans(),
    st.integers(1, 3),
    st.lists(st.integers(0, 3), min_size=2, max_size=9),
)
def test_sums_without_rounding_are_used(
    numbers: list[float], size: float, dense: bool, columns: int, apart: list[int]
) -> None:
    """Of numbers in life, in windows of all forms: plain additions are proven, and right to the last place."""
    values = np.array(numbers[: 90 // columns * columns]).reshape(-1, columns)
    values *= size ** np.arange(columns)  # each series in its own size
    lo = np.minimum(np.cumsum(apart), len(values))
    hi = np.minimum(lo + max(apart), len(values))
    seen = panel(values.tolist(), lo.tolist(), hi.tolist())
    if not dense:
        shift = np.arange(columns) * len(values)
        flat = values.T.reshape(-1)
        times = np.tile(seen.times_ms, columns)
        seen = Panel(seen.series, times, flat, seen.lo[:, None] + shift, seen.hi[:, None] + shift)
    found = exact_module._exact_window_sums(seen)
    assert found is not None
    for k, (start, end) in enumerate(zip(lo, hi, strict=True)):
        for column in range(columns):
            wanted = math.fsum(values[start:end, column].tolist())
            assert math.isclose(found[k, column], wanted, rel_tol=3e-16)


def panel(values: list[list[float]], lo: list[int], hi: list[int]) -> Panel:
    matrix = np.array(values, dtype=np.float64)
    return Panel(
        np.arange(matrix.shape[1]),
        np.arange(len(matrix)) * 1000,
        matrix,
        np.array(lo, np.int64),
        np.array(hi, np.int64),
    )


WINDOWS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=12)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=31, max_size=31), WINDOWS)
def test_window_sums_and_extremes(rows: list[tuple[float, float]], windows: list[tuple[int, int]]) -> None:
    lo, hi = [min(w) for w in windows], [max(w) for w in windows]
    seen = panel([list(row) for row in rows], lo, hi)
    with np.errstate(all="ignore"):
        ways = window_sums(seen), compensated_window_sums(seen)
        least = window_extremes(seen, np.fmin)
    for k, (start, end) in enumerate(zip(lo, hi, strict=True)):
        for column in (0, 1):
            cells = [row[column] for row in rows[start:end]]
            size = max((abs(v) for v in cells if math.isfinite(v)), default=0.0)
            for sums in ways:
                assert close(float(sums[k, column]), exact(cells) if cells else -0.0, size * 1e-16)
            numbers = [v for v in cells if not math.isnan(v)]
            if cells:
                assert close(float(least[k, column]), min(numbers) if numbers else math.nan, 0)


@examples(100)
@given(
    st.lists(st.integers(1, 3), min_size=5, max_size=12),
    st.integers(2, 4),
    st.booleans(),
    st.booleans(),
    st.lists(st.tuples(NUMBERS, NUMBERS), min_size=36, max_size=36),
)
def test_windows_of_whole_pieces(
    sizes: list[int], number: int, even: bool, dense: bool, rows: list[tuple[float, float]]
) -> None:
    """Ranges of a whole number of steps take the sums of what lies between two steps."""
    edges = np.cumsum([0, *([2] * len(sizes) if even else [max(2, sizes[0]), *sizes[1:]])])
    lo, hi = edges[:-number].tolist(), edges[number:].tolist()
    seen = panel([list(row) for row in rows], lo, hi)
    if not dense:
        flat = seen.values.T.reshape(-1)
        shift = np.array([0, len(rows)])
        seen = Panel(
            seen.series, np.tile(seen.times_ms, 2), flat, seen.lo[:, None] + shift, seen.hi[:, None] + shift
        )
    with np.errstate(all="ignore"):
        answers = [window_sums(seen), compensated_window_sums(seen)]
        answers.append(sums_module._sums_of_runs(seen, int((seen.hi - seen.lo).max())))
        pieces = sums_module.pieces(seen)
        assert pieces is not None or len(lo) <= number or 2 * edges[-1] < 3 * len(sizes)
        if pieces is not None:
            answers.append(sums_module._sums_of_pieces(seen, *pieces))
    for k, (start, end) in enumerate(zip(lo, hi, strict=True)):
        for column in (0, 1):
            cells = [row[column] for row in rows[start:end]]
            size = max((abs(v) for v in cells if math.isfinite(v)), default=0.0)
            for got in (float(answer[k, column]) for answer in answers):
                assert close(got, exact(cells), size * 1e-16)
                assert got != 0 or math.copysign(1, got) == 1


def block(gaps: set[tuple[int, int]], rows: int = 40, columns: int = 4) -> Block:
    values = np.cumsum(np.arange(rows * columns, dtype=np.float64).reshape(rows, columns) % 7, axis=0)
    values[25] = 3  # a reset
    bits = values.view(np.uint64)
    for row, column in gaps:
        bits[row % rows, column % columns] = ABSENT_BITS
    return Block(np.arange(columns), np.arange(rows, dtype=np.int64) * 15_000, values)


WITHOUT_SCALARS = sorted(
    set(KERNELS) - {"predict_linear", "quantile_over_time", "double_exponential_smoothing"}
)
GAPS = st.sets(st.tuples(st.integers(0, 39), st.integers(0, 3)), max_size=60)


@examples(60)
@given(
    GAPS,
    st.sampled_from(
        sorted(set(KERNELS) - {"predict_linear", "quantile_over_time", "double_exponential_smoothing"})
    ),
)
def test_one_block_or_one_per_series_is_the_same(gaps: set[tuple[int, int]], name: str) -> None:
    at_ms = np.arange(60_000, 660_000, 7_000, dtype=np.int64)
    spans = Spans(at_ms, at_ms - 100_000, at_ms, 100.0)
    whole = block(gaps)
    answers = []
    for blocks in (
        [whole],
        [Block(whole.series[k : k + 1], whole.times_ms, whole.values[:, k : k + 1]) for k in range(4)],
    ):
        values, present = np.zeros((len(at_ms), 4)), np.zeros((len(at_ms), 4), dtype=bool)
        with np.errstate(all="ignore"):
            for one in build_panels(blocks, spans.starts_ms, spans.ends_ms, markers=False):
                for part in one.slices():
                    got, there = KERNELS[name](part, spans)
                    values[:, part.series], present[:, part.series] = got, there
        answers.append((np.where(present, values, 0), present))
    (a, b), (c, d) = answers
    assert (b == d).all()
    assert np.allclose(a, c, rtol=1e-12, equal_nan=True)


def test_markers_are_samples_only_for_look_ups() -> None:
    values = np.array([[1.0], [STALE], [ABSENT], [2.0]])
    one = Block(np.array([0]), np.array([1, 2, 3, 4], dtype=np.int64), values)
    edges = np.array([0], dtype=np.int64), np.array([4], dtype=np.int64)
    [kept] = build_panels([one], *edges, markers=True)
    [skipped] = build_panels([one], *edges, markers=False)
    assert kept.counts.tolist() == [[3]]
    assert skipped.counts.tolist() == [[2]]


def test_nothing_but_gaps_is_no_error() -> None:
    one = Block(np.array([0]), np.array([1], dtype=np.int64), np.array([[ABSENT]]))
    edges = np.array([0, 1], dtype=np.int64), np.array([1, 2], dtype=np.int64)
    for panel_ in build_panels([one], *edges, markers=False):
        with np.errstate(all="ignore"):
            for name in (
                "rate",
                "sum_over_time",
                "max_over_time",
                "last_over_time",
                "stddev_over_time",
                "deriv",
            ):
                _, present = KERNELS[name](panel_, Spans(edges[1], *edges, 1.0))
                assert not np.broadcast_to(present, (2, 1)).any(), name


@pytest.mark.parametrize("step", [1, 3, 50])
def test_counter_resets_by_hand(step: int) -> None:
    values = [1.0, 3.0, 2.0, 5.0, 0.0, 4.0]
    one = Block(np.array([0]), np.arange(6, dtype=np.int64) * 10_000, np.array(values)[:, None])
    ends = np.arange(50_000, 50_000 + step, dtype=np.int64)[:1]
    [seen] = build_panels([one], ends - 60_000, ends, markers=False)
    got, _ = KERNELS["increase"](seen, Spans(ends, ends - 60_000, ends, 60.0))
    growth = 4 - 1 + 3 + 5
    to_start = min(10.0, 50 * (1 / growth))
    assert float(got[0, 0]) == pytest.approx(growth * (50 + to_start) / 50, rel=1e-15)
