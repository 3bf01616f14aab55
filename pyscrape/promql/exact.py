"""Sums that lose nothing to rounding, by plain additions: where that can be proven, which is almost always.

Every number is cut in two (the extraction of Rump, Ogita and Oishi, "Accurate floating-point summation"). For up to n
numbers, let sigma be a power of two that is at least n + 2 times as large as any of them. Then

    high = (sigma + x) - sigma      x rounded to a multiple of sigma / 2**53
    low  = x - high                 what that left over, at most sigma / 2**53 and exact

and any sum of up to n high parts is exact in any order. Low parts are so small that what rounding takes from their sum
is below half a last place of the whole, unless the whole is next to nothing beside its parts; then, and for numbers
that are not finite, the answer is None, and the compensated sums of `sums` are the way, which these must agree with.
Two plain additions a number are a third of what a compensated one needs, and numpy has them in one call for a group.
`benchmarks/promql.py` measures it.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pyscrape.promql.grouping import Groups
from pyscrape.promql.panels import Panel, Positions
from pyscrape.promql.ragged import RaggedPanel
from pyscrape.promql.sums import NOTHING, compensated_window_sums, pieces, sum_first_axis

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

CHUNK_CELLS = 1 << 15
"""Cells that are cut and added at a time: with both parts, 750 KB, which stays in the second cache of a core."""
NO_TIMES: Numbers = np.zeros(0, dtype=np.int64)
"""Sums do not look at when samples were taken."""
_HALF_PLACE = 2.0**-53
"""How far a rounded number may be from what it stands for, beside its own size."""


def sums_by_group(values: Floats, groups: Groups) -> Floats:
    """The sum of each group's columns, [steps x groups]."""
    order, starts = groups.in_order()
    sizes = groups.sizes()
    steps, series = values.shape
    result = np.empty((steps, groups.count))
    stride = max(1, CHUNK_CELLS // max(1, series))
    for start in range(0, steps, stride):
        part = values[start : start + stride]
        found = _sums_of_columns(part if order is None else part.take(order, axis=1), starts, sizes)
        if found is None:
            found = groups.fold(part, NOTHING, sum_first_axis)
        result[start : start + stride] = found
    return result


def _sums_of_columns(values: Floats, starts: Numbers, sizes: Numbers) -> Floats | None:
    """The sums of runs of columns, which begin at `starts` and are `sizes` long; None where not proven."""
    least = np.minimum.reduceat(values.min(axis=0), starts)
    most = np.maximum.reduceat(values.max(axis=0), starts)
    sigma = _sigma(least, most, sizes)
    if sigma is None:
        return None
    high, low = _cut(values, np.repeat(sigma, sizes))
    result: Floats = np.add.reduceat(high, starts, axis=1)
    result += np.add.reduceat(low, starts, axis=1)
    unsure = _unsure(result, sigma, sizes, least)
    return None if unsure.any() and low.any() else result


def _sigma(least: Floats, most: Floats, counts: Numbers) -> Floats | None:
    """The power of two for sums of up to so many numbers between two; None where there is none."""
    size = np.maximum(most, -least)
    if not np.isfinite(size).all():
        return None
    sigma: Floats = np.ldexp(1.0, np.frexp(size)[1] + np.frexp(counts + 1.0)[1])
    return sigma if np.isfinite(sigma).all() else None


def _cut(values: Floats, sigma: Floats) -> tuple[Floats, Floats]:
    """The high and the low part of every number."""
    high = values + sigma
    high -= sigma
    return high, values - high


def _unsure(sums: Floats, sigma: Floats, counts: Numbers | int, least: Floats) -> NDArray[np.bool_]:
    """Where a sum may be off: adding n low parts may lose n * n * sigma / 2**106; nothing plus nothing is nothing."""
    lost = sigma * (np.square(counts) * (2 * _HALF_PLACE))
    unsure: NDArray[np.bool_] = np.abs(sums) < lost
    if unsure.any():
        unsure &= (sums != 0) | (least < 0)
    return unsure


def window_sums(panel: Panel | RaggedPanel) -> Floats:
    """The sum of each window, [steps x series]; an empty window sums to 0. No window is a difference of longer ones."""
    if isinstance(panel, RaggedPanel):
        found = _exact_sums_of_ragged(panel)
        return compensated_window_sums(panel.flat()) if found is None else found
    found = _exact_window_sums(panel)
    return compensated_window_sums(panel) if found is None else found


def _exact_sums_of_ragged(panel: RaggedPanel) -> Floats | None:
    """The same by plain additions, without the samples' times; None where not proven."""
    counts = panel.counts
    longest = int(counts.max(initial=0))
    if not longest:
        return np.full(panel.shape, NOTHING)
    seen = panel.inside()
    matrix = seen[:-1].reshape(len(panel.series), -1)
    least = matrix.min(axis=1)
    sigma = _sigma(least, matrix.max(axis=1), np.array(longest))
    if sigma is None:
        return None
    high = seen.copy()
    part = high[:-1].reshape(matrix.shape)
    part += sigma[:, None]
    part -= sigma[:, None]
    added = _adder(panel, longest)
    result = added(high)
    if (high != seen).any():
        result += added(seen - high)
        if (_unsure(result, sigma, longest, least) & (panel.spread(counts) > 0)).any():
            return None
    return result


def _adder(panel: RaggedPanel, longest: int) -> Callable[[Floats], Floats]:
    """What makes of parts of numbers, laid as `RaggedPanel.inside` lays them, their sums by windows: as `_added`,
    [series * rows + 1] -> [steps x series].
    """
    cut = pieces(panel)
    if cut is None:
        lo, hi = panel.positions(panel.lo), panel.positions(panel.hi)
        return lambda values: _added(Panel(panel.series, NO_TIMES, values, lo, hi), longest)
    edges, number = cut
    places, steps = panel.positions(edges), len(panel.lo)
    return lambda values: _sums_of_runs(_sums_from_to(values, places), number, steps)


def _exact_window_sums(panel: Panel) -> Floats | None:
    """The same by plain additions; None where not proven."""
    counts = panel.hi - panel.lo
    longest = int(counts.max(initial=0))
    if not longest:
        return np.full(panel.shape, NOTHING)
    first, end = int(panel.lo.min()), int(panel.hi.max())
    seen = panel.values[first:end]
    lo, hi = panel.lo - first, panel.hi - first
    if panel.dense:
        least, most = seen.min(axis=0), seen.max(axis=0)
    else:
        # Series by series, without what lies between their windows; the last edge may point behind all samples.
        seen = np.append(seen, NOTHING)
        edges = np.stack([lo[0], hi[-1]], axis=1).reshape(-1)
        least, most = (of.reduceat(seen, edges)[::2] for of in (np.minimum, np.maximum))
    sigma = _sigma(least, most, np.array(longest))
    if sigma is None:
        return None
    wide = sigma if panel.dense else np.repeat(sigma, np.diff(lo[0], append=len(seen)))
    seen_panel = replace(panel, lo=lo, hi=hi)
    high, low = _cut(seen, wide)
    result = _added(replace(seen_panel, values=high), longest)
    if low.any():
        result += _added(replace(seen_panel, values=low), longest)
        if (_unsure(result, sigma, longest, least) & (panel.wide(counts) > 0)).any():
            return None
    return result


def _added(panel: Panel, longest: int) -> Floats:
    """Each window's sum as rounded, from sums of what lies between two edges, or of runs of 1, 2, 4, ... samples."""
    cut = pieces(panel)
    if cut is not None:
        edges, number = cut
        return _sums_of_runs(_sums_between(panel, edges), number, len(panel.lo))
    if (panel.lo[1:] >= panel.hi[:-1]).all():
        edges = np.stack([panel.lo, panel.hi], axis=1).reshape(-1, *panel.lo.shape[1:])
        return _sums_between(panel, edges)[::2]
    left, position = panel.hi - panel.lo, panel.lo.copy()
    run, size = panel.values, 1
    total = np.full(panel.shape, NOTHING)
    while size <= longest:
        having = (left & size).astype(bool)
        if having.any():
            chosen = slice(None) if having.all() else having
            total[chosen] += run[position[chosen]]
            position[chosen] += size
        if 2 * size <= longest:
            run = run[:-size] + run[size:]
        size *= 2
    return total


def _sums_between(panel: Panel, edges: Positions) -> Floats:
    """The sums of the samples from each edge to the next, [edges - 1 x series]."""
    counts = edges[1:] - edges[:-1]
    values = panel.values
    most = int(counts.max())
    if panel.dense and int(counts.min()) == most:
        inside = values[edges[0] : edges[-1]].reshape(len(counts), most, -1)
        whole: Floats = inside.sum(axis=1)
        return whole
    # Behind the last sample stands a nothing, so that every edge is a place.
    values = np.concatenate([values, np.zeros_like(values[:1])])
    if not panel.dense:
        return _sums_from_to(values, edges)
    sums = np.add.reduceat(values, edges, axis=0)[:-1]
    sums[counts == 0] = NOTHING
    return sums


def _sums_from_to(values: Floats, edges: Positions) -> Floats:
    """The sums of flat samples [samples] from each edge to the next; `edges` [edges x series] are places of samples."""
    sums: Floats = np.add.reduceat(values, edges.T.reshape(-1)).reshape(edges.shape[::-1]).T[:-1]
    sums[edges[1:] == edges[:-1]] = NOTHING
    return sums


def _sums_of_runs(piece: Floats, number: int, steps: int) -> Floats:
    """The sums of `number` pieces from each of the first `steps` on: those of runs of 1, 2, 4, ... pieces, added."""
    total: Floats | None = None
    first, size, run = 0, 1, piece
    while size <= number:
        if number & size:
            part = run[first : first + steps]
            total = part.copy() if total is None else total + part
            first += size
        if 2 * size <= number:
            run = run[:-size] + run[size:]
        size *= 2
    assert total is not None
    return total
