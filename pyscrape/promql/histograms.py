"""Quantiles and fractions of classic histograms, for all steps and all histograms at once.

Histograms of one shape are laid side by side as columns [buckets x cells], a cell being one histogram at one step.
Cells in which the same buckets are present are computed together, so that a histogram with a missing bucket takes
the same way as a whole one. The store holds no native histograms; functions of those alone find nothing to do.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pyscrape.model.blocks import Codes, LabelFrame, Values
from pyscrape.model.labels import BUCKET_LABEL, METRIC_NAME
from pyscrape.model.symbols import NAME
from pyscrape.promql import annotations
from pyscrape.promql.annotations import blamed
from pyscrape.promql.ast import Call, Expr
from pyscrape.promql.format import go_number
from pyscrape.promql.frames import Ids, column, drop, groups_of, take, with_label
from pyscrape.promql.over_time import outside_quantiles
from pyscrape.promql.panels import Mask
from pyscrape.promql.values import Grid, Vector, joined, merge_same

if TYPE_CHECKING:
    from pyscrape.promql.evaluator import Evaluator

SMALL_DELTA = 1e-12
"""Counts that differ by less, relative to their sum, are taken for equal: rounding of rates, not real."""

_SMALLEST_NORMAL = 2.2250738585072014e-308

Bounds = Values
Kernel = Callable[["Cells"], Values]


@dataclass(frozen=True, slots=True)
class Histograms:
    """The classic histograms of a vector: labels without le, per histogram its series by ascending bound."""

    frame: LabelFrame
    series: tuple[Ids, ...]
    bounds: tuple[Bounds, ...]
    vector: Vector


@dataclass(frozen=True, slots=True)
class Cells:
    """Histograms at single steps: bounds and cumulative counts as [buckets x cells], the step of each cell."""

    bounds: Bounds
    counts: Values
    steps: Ids


@dataclass(slots=True)
class Repair:
    """Cells whose counts had to be made monotonic: between which bounds, by how much at most, when, how many."""

    low: float = math.inf
    high: float = -math.inf
    most: float = 0.0
    first_step: int = -1
    last_step: int = -1
    cells: int = 0


class Repairs:
    """The repairs of one call of histogram_quantile, by metric name."""

    def __init__(self, q: Values, *, named: bool) -> None:
        self._q = q
        self._named = named
        self.found: dict[str, Repair] = {}

    def note(
        self, frame: LabelFrame, names: Codes, cells: "Cells", monotonic: Values, lowered: Values
    ) -> None:
        """Remember which buckets lay below the one before; `lowered` is by how much, NaN elsewhere.

        Cells that have no quantile for other reasons are not worth a word.
        """
        q = self._q[cells.steps]
        told = (q >= 0) & (q <= 1) & np.isposinf(cells.bounds[-1]) & (monotonic[-1] != 0)
        told &= ~np.isnan(lowered).all(axis=0)
        for cell in np.flatnonzero(told).tolist():
            buckets = np.flatnonzero(~np.isnan(lowered[:, cell]))
            name = frame.symbols.text(int(names[cell])) if self._named else ""
            repair = self.found.setdefault(name, Repair())
            repair.low = min(repair.low, float(cells.bounds[buckets[0], cell]))
            repair.high = max(repair.high, float(cells.bounds[buckets[-1], cell]))
            repair.most = max(repair.most, float(lowered[buckets, cell].max()))
            step = int(cells.steps[cell])
            repair.first_step = step if repair.first_step < 0 else min(repair.first_step, step)
            repair.last_step = max(repair.last_step, step)
            repair.cells += 1


def quantile(ev: "Evaluator", call: Call, grid: Grid) -> Vector:
    """histogram_quantile(q, v)."""
    q_arg, arg = (blamed(call, arg) for arg in call.args)
    histograms = _histograms(ev, arg, grid)
    return _quantile(ev, q_arg, arg, histograms, grid)


def quantiles(ev: "Evaluator", call: Call, grid: Grid) -> Vector:
    """histogram_quantiles(v, "label", q...): one series per histogram and q, q in the label."""
    arg, label_arg, *q_args = (blamed(call, arg) for arg in call.args)
    histograms = _histograms(ev, arg, grid)
    label = ev.symbols.code(ev.string(label_arg))
    answer: Vector | None = None
    for q_arg in q_args:
        part = _quantile(ev, q_arg, arg, histograms, grid)
        q = ev.scalar(q_arg, grid)
        for value in np.unique(q).tolist():
            text = ev.symbols.code(openmetrics_float(value))
            frame = with_label(part.frame, label, np.full(len(part.frame), text, dtype=np.int32))
            here = np.broadcast_to((q == value)[:, None], part.values.shape)
            labelled = Vector(frame, part.values, part.mask() & here, part.unnamed)
            answer = labelled if answer is None else joined(answer, labelled)
    assert answer is not None
    return merge_same(answer.without_empty())


def openmetrics_float(value: float) -> str:
    """A float that always shows that it is one: `1` is `1.0`."""
    text = go_number(value)
    return text if not text.lstrip("-").isdigit() else text + ".0"


def _quantile(ev: "Evaluator", q_arg: Expr, arg: Expr, histograms: Histograms, grid: Grid) -> Vector:
    q = ev.scalar(q_arg, grid)
    doubt_quantiles(ev, q_arg, q)
    repairs = Repairs(q, named=ev.delayed_names)
    vector = _over(
        ev,
        histograms,
        lambda cells: bucket_quantile(q[cells.steps], cells.bounds, cells.counts),
        grid,
        repairs,
    )
    times = grid.times_ms
    for name, repair in repairs.found.items():
        span = int(times[repair.first_step]), int(times[repair.last_step])
        changed = (repair.low, repair.high, repair.most)
        ev.notes.info(arg, annotations.forced_monotonicity(name, changed, repair.cells, span))
    return vector


def doubt_quantiles(ev: "Evaluator", q_arg: Expr, q: Values) -> None:
    """Warn of every quantile outside 0..1."""
    for bad in np.unique(q[~((q >= 0) & (q <= 1))]).tolist():
        ev.notes.warn(q_arg, annotations.QUANTILE_RANGE.format(go_number(bad)))


def fraction(ev: "Evaluator", call: Call, grid: Grid) -> Vector:
    """histogram_fraction(lower, upper, v)."""
    lower, upper = (ev.scalar(arg, grid) for arg in call.args[:2])
    histograms = _histograms(ev, blamed(call, call.args[2]), grid)

    return _over(
        ev,
        histograms,
        lambda cells: bucket_fraction(lower[cells.steps], upper[cells.steps], cells.bounds, cells.counts),
        grid,
    )


def of_native(ev: "Evaluator", call: Call, grid: Grid) -> Vector:
    """histogram_count and its like look at native histograms alone, and the store holds none."""
    vector = ev.vector(call.args[0], grid)
    return vector.take(np.zeros(len(vector.frame), dtype=np.bool_))


# --- from series to histograms


def _histograms(ev: "Evaluator", arg: Expr, grid: Grid) -> Histograms:
    vector = ev.vector(arg, grid)
    text = ev.symbols.text
    le = column(vector.frame, ev.symbols.code(BUCKET_LABEL))
    codes, place = np.unique(le, return_inverse=True)
    bounds = np.array([_bound(text(code)) for code in codes.tolist()], dtype=np.float64)[place]
    bad = np.isnan(bounds)
    for series in np.flatnonzero(bad).tolist():
        labels = vector.frame.labels(series)
        name = labels.get(METRIC_NAME, "")
        ev.notes.warn(arg, annotations.bad_bucket(name, labels.get(BUCKET_LABEL, "")))
    good = np.flatnonzero(~bad)
    rest = take(drop(vector.frame, (ev.symbols.code(BUCKET_LABEL),)), good)
    ids, first = groups_of(rest.codes)
    order = np.lexsort((bounds[good], ids))
    cuts = np.searchsorted(ids[order], np.arange(1, len(first)))
    members = tuple(np.split(good[order], cuts)) if len(first) else ()
    return Histograms(take(rest, first), members, tuple(bounds[rows] for rows in members), vector)


def _bound(text: str) -> float:
    """An upper bound; NaN where `text` is none, and for NaN itself."""
    if not text or text != text.strip() or "_" in text:
        return math.nan
    try:
        return float(text)
    except ValueError:
        return math.nan


def _over(
    ev: "Evaluator", histograms: Histograms, kernel: Kernel, grid: Grid, repairs: Repairs | None = None
) -> Vector:
    """`kernel` over all histograms at all steps; `repairs`: over counts that never fall, what that took noted there."""
    count = len(histograms.series)
    values = np.full((grid.count, count), np.nan)
    present = np.zeros((grid.count, count), dtype=np.bool_)
    names = column(histograms.frame, NAME)
    sizes = np.array([len(rows) for rows in histograms.series], dtype=np.int64)
    for size in np.unique(sizes).tolist():
        chosen = np.flatnonzero(sizes == size)
        ev.limits.check()
        for cells, which in _cells(histograms, chosen):
            if repairs is not None:
                monotonic, lowered = make_monotonic(cells.counts)
                if lowered is not None:
                    repairs.note(histograms.frame, names[which], cells, monotonic, lowered)
                cells = Cells(cells.bounds, monotonic, cells.steps)
            values[cells.steps, which] = kernel(cells)
            present[cells.steps, which] = True
    vector = Vector(histograms.frame, values, present).without_empty()
    return vector.drop_names(ev.delayed_names)


def _cells(histograms: Histograms, chosen: Ids) -> Iterator[tuple[Cells, Ids]]:
    """The cells of histograms that all have as many buckets, and the histogram of each cell."""
    rows = np.stack([histograms.series[k] for k in chosen.tolist()], axis=1)  # [buckets x histograms]
    bounds = np.stack([histograms.bounds[k] for k in chosen.tolist()], axis=1)
    vector = histograms.vector
    counts = vector.values[:, rows].transpose(1, 0, 2)  # [buckets x steps x histograms]
    there = np.ones(counts.shape, dtype=np.bool_)
    if vector.present is not None:
        there = vector.present[:, rows].transpose(1, 0, 2)
    for buckets, cells in _patterns(there):
        step, histogram = cells // len(chosen), cells % len(chosen)
        flat = counts[buckets].reshape(len(buckets), -1)[:, cells]
        yield Cells(*coalesce(bounds[buckets][:, histogram], flat), step), chosen[histogram]


def _patterns(there: Mask) -> Iterator[tuple[Ids, Ids]]:
    """Cells in which the same buckets are present: (buckets, flat cell numbers), cells without any left out."""
    size = len(there)
    flat = there.reshape(size, -1)
    if flat.all():
        yield np.arange(size), np.arange(flat.shape[1])
        return
    packed = np.packbits(flat, axis=0)
    ids, first = groups_of(packed.T.astype(np.int32))
    for number, cell in enumerate(first.tolist()):
        buckets = np.flatnonzero(flat[:, cell])
        if len(buckets):
            yield buckets, np.flatnonzero(ids == number)


# --- cells: bounds and cumulative counts as [buckets x cells], ascending


def coalesce(bounds: Bounds, counts: Values) -> tuple[Bounds, Values]:
    """Buckets with equal bounds (le="1" and le="1.0") as one, their counts added.

    Only cells of histograms with such bounds change; the place that is left over becomes a copy of its neighbour,
    which no rank falls into.
    """
    same = bounds[1:] == bounds[:-1]
    if not same.any():
        return bounds, counts
    counts = counts.copy()
    for k in range(len(same) - 1, -1, -1):
        counts[k] = np.where(same[k], counts[k] + counts[k + 1], counts[k])
    for k in range(len(same)):
        counts[k + 1] = np.where(same[k], counts[k], counts[k + 1])
    return bounds, counts


def make_monotonic(counts: Values) -> tuple[Values, Values | None]:
    """Counts that never fall, and by how much each bucket lay below the one before (NaN: did not); None: none did."""
    if len(counts) < 2 or bool(
        (counts[1:] >= counts[:-1]).all() and not _close(counts[:-1], counts[1:]).any()
    ):
        return counts, None
    fixed = counts.copy()
    lowered = np.full(counts.shape, np.nan)
    for k in range(1, len(counts)):
        before, here = fixed[k - 1], counts[k]
        alike = (before == here) | _close(before, here)
        below = (here < before) & ~alike
        lowered[k] = np.where(below, before - here, np.nan)
        fixed[k] = np.where(alike | below, before, here)
    return fixed, None if np.isnan(lowered).all() else lowered


def _close(a: Values, b: Values) -> Mask:
    """Unequal but within SMALL_DELTA of each other, relative to their sum."""
    total = np.abs(a) + np.abs(b)
    difference = np.abs(a - b)
    tiny = (a == 0) | (b == 0) | (total < _SMALLEST_NORMAL)
    limit = np.where(tiny, SMALL_DELTA * _SMALLEST_NORMAL, SMALL_DELTA * total)
    close: Mask = (difference < limit) & (a != b)
    return close


def bucket_quantile(q: Values, bounds: Bounds, counts: Values) -> Values:
    """The q-quantile of each cell, interpolated linearly within its bucket; `q`: [cells]."""
    cells = np.arange(bounds.shape[1])
    last = len(bounds) - 1
    unusable = ~np.isposinf(bounds[last])
    if last < 1:
        result = np.full(len(cells), np.nan)
    else:
        total = counts[last]
        rank = q * total
        reached = counts[:last] >= rank
        bucket = np.where(reached.any(axis=0), np.argmax(reached, axis=0), last)
        below = np.maximum(bucket - 1, 0)
        start = np.where(bucket > 0, bounds[below, cells], 0.0)
        lower = np.where(bucket > 0, counts[below, cells], 0.0)
        end, upper = bounds[bucket, cells], counts[bucket, cells]
        result = start + (end - start) * ((rank - lower) / (upper - lower))
        result = np.where((bucket == 0) & (bounds[0] <= 0), bounds[0], result)
        result = np.where(bucket == last, bounds[last - 1], result)
        unusable |= (total == 0) | (_distinct(bounds) < 2)
    return outside_quantiles(np.where(unusable, np.nan, result), q)


def _distinct(bounds: Bounds) -> Ids:
    distinct: Ids = 1 + np.count_nonzero(bounds[1:] != bounds[:-1], axis=0)
    return distinct


def bucket_fraction(lower: Values, upper: Values, bounds: Bounds, counts: Values) -> Values:
    """The share of observations between `lower` and `upper` ([cells] each) of each cell."""
    total = counts[-1]
    low, high = (_rank_of(edge, bounds, counts) for edge in (lower, upper))
    share = np.where(lower >= upper, 0.0, (high - low) / total)
    unusable = ~np.isposinf(bounds[-1]) | (total == 0) | np.isnan(lower) | np.isnan(upper)
    return np.where(unusable, np.nan, share)


def _rank_of(edge: Values, bounds: Bounds, counts: Values) -> Values:
    """How many observations lie below `edge`, interpolated; at most all of them."""
    rank = np.full(len(edge), np.nan)
    before = np.zeros(len(edge))
    bound_before = np.where(bounds[0] > 0, 0.0, -np.inf)
    for bound, count in zip(bounds, counts, strict=True):
        unset = np.isnan(rank)
        inside = before + (count - before) * (edge - bound_before) / (bound - bound_before)
        rank = np.where(unset & (bound_before >= edge), before, rank)
        rank = np.where(unset & (bound_before < edge) & (bound > edge), inside, rank)
        before, bound_before = count, bound
    total = counts[-1]
    return np.where(np.isnan(rank) | (rank > total), total, rank)
