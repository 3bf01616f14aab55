"""Aggregations: one row per operator, from present cells and groups to values per group.

Sums are compensated; NaN behaves as in Prometheus: min and max pass over it, topk and bottomk put it last,
quantile takes it for the smallest value.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.blocks import Values
from pyscrape.model.symbols import NAME, SymbolTable
from pyscrape.promql import annotations
from pyscrape.promql.ast import AggregateExpr, bare
from pyscrape.promql.errors import QueryError
from pyscrape.promql.exact import sums_by_group
from pyscrape.promql.format import format_float, go_number
from pyscrape.promql.frames import Ids, drop, empty_frame, group_series, keep, take, with_label
from pyscrape.promql.grouping import Groups, steps_of
from pyscrape.promql.histograms import doubt_quantiles
from pyscrape.promql.labelling import valid_target
from pyscrape.promql.over_time import mean_of, outside_quantiles, quantile_of_sorted
from pyscrape.promql.panels import Mask
from pyscrape.promql.sums import NOTHING, few_sums
from pyscrape.promql.topk import ranks
from pyscrape.promql.values import Grid, Vector
from pyscrape.promql.xxhash import xxhash64

if TYPE_CHECKING:
    from pyscrape.promql.evaluator import Evaluator

Fold = Callable[[Values, Mask | None, Groups], Values]

COUNTED_CELLS = 1 << 20
"""Cells that count_values looks at together."""


FEW_CELLS = 512
"""So many are added one by one in less time than numpy needs to begin."""


def aggregate(ev: "Evaluator", node: AggregateExpr, grid: Grid) -> Vector:
    """The value of an aggregation at every step."""
    special = _WITH_PARAMETER.get(node.op)
    if special is not None:
        return special(ev, node, grid)
    return folded(ev.symbols, node, ev.vector(node.expr, grid))


def folded(symbols: SymbolTable, node: AggregateExpr, vector: Vector) -> Vector:
    """The value of an aggregation without a parameter, one of `FOLDS`, over the value of its expression."""
    return _folded(symbols, node, vector, _FOLDS[node.op])


def _folded(symbols: SymbolTable, node: AggregateExpr, vector: Vector, fold: Fold) -> Vector:
    names = [symbols.code(name) for name in node.grouping]
    if not len(vector.frame):
        return Vector(empty_frame(symbols), np.zeros((len(vector.values), 0)))
    frame, ids = group_series(vector.frame, names, without=node.without)
    groups = Groups(ids, len(frame))
    values = fold(vector.values, vector.present, groups)
    present = None
    if vector.present is not None:
        there = groups.counts(vector.present, len(vector.values)) > 0
        present = None if there.all() else there
    unnamed = None
    if vector.unnamed is not None:
        unnamed = np.zeros(len(frame), dtype=np.bool_)
        unnamed[ids[::-1]] = vector.unnamed[::-1]  # that of each group's first member
    return Vector(frame, values, present, unnamed).without_empty()


def _filled(values: Values, present: Mask | None, filler: float) -> Values:
    return values if present is None else np.where(present, values, filler)


def _sum(values: Values, present: Mask | None, groups: Groups) -> Values:
    if values.size <= FEW_CELLS:
        return few_sums(_filled(values, present, NOTHING), groups.ids, groups.count)
    return sums_by_group(_filled(values, present, NOTHING), groups)


def _avg(values: Values, present: Mask | None, groups: Groups) -> Values:
    counts = groups.counts(present, len(values))
    means = _sum(values, present, groups) / counts
    broken = ~np.isfinite(means) & (counts > 0)
    for step, group in zip(*np.nonzero(broken), strict=True):
        members = groups.ids == group
        if present is not None:
            members = members & present[step]
        means[step, group] = mean_of(values[step, members])
    return means


def _extreme(better: np.ufunc) -> Fold:
    def fold(values: Values, present: Mask | None, groups: Groups) -> Values:
        return groups.reduce(_filled(values, present, np.nan), better)

    return fold


def _count(values: Values, present: Mask | None, groups: Groups) -> Values:
    return groups.counts(present, len(values)).astype(np.float64)


def _group(values: Values, _present: Mask | None, groups: Groups) -> Values:
    return np.ones((len(values), groups.count))


def _stdvar(values: Values, present: Mask | None, groups: Groups) -> Values:
    """Population variance of the distances to each group's first present member, so that equal values give 0."""
    counts = groups.counts(present, len(values))
    distance = values - _first_member(values, present, groups)[:, groups.ids]
    means = _sum(distance, present, groups) / counts
    return _sum((distance - means[:, groups.ids]) ** 2, present, groups) / counts


def _first_member(values: Values, present: Mask | None, groups: Groups) -> Values:
    first = np.empty((len(values), groups.count))
    if present is None:
        first[:, groups.ids[::-1]] = values[:, ::-1]
        return first
    for cohort in groups.cohorts():
        which = np.argmax(cohort.gather(present, False), axis=0)
        first[:, cohort.groups] = np.take_along_axis(cohort.gather(values, np.nan), which[None], axis=0)[0]
    return first


def _stddev(values: Values, present: Mask | None, groups: Groups) -> Values:
    return np.sqrt(_stdvar(values, present, groups))


_FOLDS: dict[str, Fold] = {
    "sum": _sum,
    "avg": _avg,
    "min": _extreme(np.fmin),
    "max": _extreme(np.fmax),
    "count": _count,
    "group": _group,
    "stdvar": _stdvar,
    "stddev": _stddev,
}


# --- aggregations with a parameter


def _quantile(ev: "Evaluator", node: AggregateExpr, grid: Grid) -> Vector:
    assert node.param is not None
    q = ev.scalar(node.param, grid)
    vector = ev.vector(node.expr, grid)
    # the greatest of those above 1, the smallest of those below 0, and NaN if there is any
    nan = np.nan if np.isnan(q).any() else 0.5
    worst = np.array([np.fmax(np.fmax.reduce(q), 0.5), np.fmin(np.fmin.reduce(q), 0.5), nan])
    doubt_quantiles(ev, bare(node.param), worst)

    def fold(values: Values, present: Mask | None, groups: Groups) -> Values:
        counts = groups.counts(present, len(values))
        result = np.empty((len(values), groups.count))
        filled = _filled(values, present, np.inf)
        for cohort in groups.cohorts():
            # descending with NaN last, then turned round: NaN first, what is missing last
            cells = -np.sort(-cohort.gather(filled, np.inf), axis=0)[::-1]
            quantiles = quantile_of_sorted(cells, counts[:, cohort.groups], q[:, None])
            result[:, cohort.groups] = outside_quantiles(quantiles, q[:, None])
        return result

    return _folded(ev.symbols, node, vector, fold)


def _limit(ev: "Evaluator", node: AggregateExpr, grid: Grid) -> Values:
    """k of topk and its like as whole numbers, [steps]."""
    assert node.param is not None
    k = ev.scalar(node.param, grid)
    if (k < 1).all():
        return np.zeros(grid.count)  # nothing is chosen, whatever the numbers
    if np.isnan(k).any():
        raise QueryError("Parameter value is NaN")
    for bad in k[(k >= 2.0**63) | (k < -(2.0**63))].tolist():
        word = "overflows" if bad > 0 else "underflows"
        raise QueryError(f"Scalar value {go_number(bad)} {word} int64")
    return np.clip(np.trunc(k), 0, None)


def _top(sign: float) -> Callable[["Evaluator", AggregateExpr, Grid], Vector]:
    """topk (sign -1: the greatest come first) or bottomk (sign 1)."""

    def choose(ev: "Evaluator", node: AggregateExpr, grid: Grid) -> Vector:
        k = _limit(ev, node, grid)
        vector = ev.vector(node.expr, grid)
        groups = _partition(ev, node, vector)
        within = np.empty(vector.values.shape, dtype=np.bool_)
        rank = np.zeros((0, 0), dtype=np.int64)
        # Some steps at a time: sorting takes eight times the memory of what is sorted.
        for steps in steps_of(vector.values):
            ev.limits.check()
            present = None if vector.present is None else vector.present[steps]
            rank = ranks(sign * vector.values[steps], present, groups, k[steps], ordered=grid.count == 1)
            within[steps] = rank < k[steps, None]
        chosen = _chosen(vector, within)
        if grid.count > 1:
            return chosen.without_empty()
        series = np.flatnonzero(chosen.mask()[0])
        ordered = series[np.lexsort((rank[0, series], groups.ids[series]))]
        return chosen.take(ordered)

    return choose


def _limitk(ev: "Evaluator", node: AggregateExpr, grid: Grid) -> Vector:
    k = _limit(ev, node, grid)
    vector = ev.vector(node.expr, grid)
    groups = _partition(ev, node, vector)
    rank = np.zeros(vector.values.shape, dtype=np.int64)
    mask = vector.mask()
    for cohort in groups.cohorts():
        seen = np.cumsum(cohort.gather(mask, False), axis=0) - 1
        real = cohort.members >= 0
        rank[:, cohort.members[real]] = seen.transpose(1, 0, 2)[:, real]
    return _chosen(vector, rank < k[:, None]).without_empty()


def _limit_ratio(ev: "Evaluator", node: AggregateExpr, grid: Grid) -> Vector:
    assert node.param is not None
    ratio = ev.scalar(node.param, grid)
    if np.isnan(ratio).any():
        raise QueryError("Ratio value is NaN")
    vector = ev.vector(node.expr, grid)
    for worst, cap in ((float(ratio.max()), 1.0), (float(ratio.min()), -1.0)):
        if abs(worst) > 1 and worst * cap > 0:
            told = annotations.RATIO_RANGE.format(go_number(worst), go_number(cap))
            ev.notes.warn(bare(node.param), told)
    ratio = np.clip(ratio, -1, 1)[:, None]
    offset = np.array([_hash_offset(vector.frame.labels(i).pairs) for i in range(len(vector.frame))])
    inside = np.where(ratio >= 0, offset < ratio, offset >= 1.0 + ratio)
    return _chosen(vector, inside).without_empty()


def _hash_offset(pairs: tuple[tuple[str, str], ...]) -> float:
    """Where in [0, 1) a label set falls; the same on every machine and in every run."""
    text = b"".join(_sized(part) for pair in pairs for part in pair)
    return xxhash64(text) / (2.0**64 - 1)


def _sized(text: str) -> bytes:
    """A text with its length in front, as Prometheus packs labels."""
    encoded = text.encode()
    if len(encoded) < 255:
        return bytes([len(encoded)]) + encoded
    return b"\xff" + len(encoded).to_bytes(3, "little") + encoded


def _partition(ev: "Evaluator", node: AggregateExpr, vector: Vector) -> Groups:
    names = [ev.symbols.code(name) for name in node.grouping]
    frame, ids = group_series(vector.frame, names, without=node.without)
    return Groups(ids, len(frame))


def _chosen(vector: Vector, chosen: Mask) -> Vector:
    return vector.with_values(vector.values, chosen)


def _count_values(ev: "Evaluator", node: AggregateExpr, grid: Grid) -> Vector:
    """A series per group and distinct value, which stands in the label that the parameter names."""
    assert node.param is not None
    label = ev.string(node.param)
    if not valid_target(label):
        raise QueryError(f"invalid label name {ev.notes.text_of(node.param)}")
    vector = ev.vector(node.expr, grid)
    if not len(vector.frame):
        return vector
    code = ev.symbols.code(label)
    names = {ev.symbols.code(name) for name in node.grouping}
    if node.without:
        names.add(NAME)
        kept = drop(vector.frame, names | {code})
    else:
        kept = keep(vector.frame, names - {code})
    stride = _stride(vector)
    spans = [slice(start, start + stride) for start in range(0, grid.count, stride)]
    found = [_distinct_values(vector, span) for span in spans]
    distinct = np.unique(np.concatenate([bits for _, bits in found]))
    number = [series * len(distinct) + np.searchsorted(distinct, bits) for series, bits in found]
    pairs = np.unique(np.concatenate(number))
    texts = np.array(
        [ev.symbols.code(format_float(x)) for x in distinct.view(np.float64).tolist()], dtype=np.int32
    )
    frame = take(kept, pairs // len(distinct))
    if not (node.without and code in names):  # else the value's own label is among those to go without
        frame = with_label(frame, code, texts[pairs % len(distinct)])
    merged, ids = group_series(frame, frame.names, without=False)
    ev.limits.room_for(grid.count * len(merged))
    table = np.zeros((grid.count, len(merged)))
    for span in spans:
        ev.limits.check()
        steps, series, bits = _values_of(vector, span)
        pair = np.searchsorted(pairs, series * len(distinct) + np.searchsorted(distinct, bits))
        part = table[span]
        cells = steps * len(merged) + ids[pair]
        part += np.bincount(cells, minlength=part.size).reshape(part.shape)
    return Vector(merged, table, None if (table > 0).all() else table > 0)


def _stride(vector: Vector) -> int:
    """How many steps are looked at together, to bound memory."""
    return max(1, COUNTED_CELLS // max(1, len(vector.frame)))


def _distinct_values(vector: Vector, span: slice) -> tuple[Ids, NDArray[np.uint64]]:
    """Every pair of series and value bits in some steps, once."""
    _, series, bits = _values_of(vector, span)
    distinct, place = np.unique(bits, return_inverse=True)
    pairs = np.unique(series * max(1, len(distinct)) + place)
    return pairs // max(1, len(distinct)), distinct[pairs % max(1, len(distinct))]


def _values_of(vector: Vector, span: slice) -> tuple[Ids, Ids, NDArray[np.uint64]]:
    """The cells that are present in some steps: step within the span, series, and value as bits."""
    values = vector.values[span]
    present = np.ones(values.shape, dtype=np.bool_) if vector.present is None else vector.present[span]
    steps, series = np.nonzero(present)
    cells = values[steps, series]
    cells[np.isnan(cells)] = np.nan  # one NaN, whatever its bits
    return steps, series, cells.view(np.uint64)


_WITH_PARAMETER: dict[str, Callable[["Evaluator", AggregateExpr, Grid], Vector]] = {
    "quantile": _quantile,
    "topk": _top(-1.0),
    "bottomk": _top(1.0),
    "limitk": _limitk,
    "limit_ratio": _limit_ratio,
    "count_values": _count_values,
}
FOLDS = frozenset(_FOLDS)
OPERATORS = frozenset({*_FOLDS, *_WITH_PARAMETER})
