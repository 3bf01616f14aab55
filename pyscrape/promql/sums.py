"""Sums that keep what rounding throws away, over whole matrices at once.

Prometheus adds with Kahan's method in Neumaier's form. Here the same pairs (sum, lost) are added as a tree,
because a tree of matrices is log2(n) calls where a chain is n; the lost parts are carried exactly the same way,
so both agree to the last place or two. A sum that is not finite has no meaningful lost part and stands alone.
"""

import math
from collections.abc import Callable, Sequence
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.remembered import Remembered
from pyscrape.promql.panels import Panel, Positions
from pyscrape.promql.ragged import RaggedPanel

Floats = NDArray[np.float64]

_MEMBERS: Remembered[list[Callable[[list[float]], Sequence[float]]]] = Remembered(64, 1000)

NOTHING = 0.0
"""What Prometheus' sums begin with: they are never -0."""


def two_sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """a + b as rounded, and what the rounding lost (exact where everything is finite)."""
    total = a + b
    part = total - a
    lost = total - part
    np.subtract(a, lost, out=lost)
    np.subtract(b, part, out=part)
    lost += part
    return total, lost


def settle(total: Floats, lost: Floats) -> Floats:
    """The sum that a pair stands for."""
    return np.where(np.isfinite(total), total + lost, total)


def sum_first_axis(values: Floats) -> Floats:
    """Compensated sum over axis 0 of `values` (which is not changed); axis 0 must not be empty."""
    total, lost = _tree(values)
    return total + NOTHING if lost is None else settle(total, lost)


def _tree(values: Floats) -> tuple[Floats, Floats | None]:
    """The sum over axis 0 as a pair; None: nothing can be lost."""
    total, lost = values, None
    while len(total) > 1:
        half = len(total) // 2
        upper, lower, odd = total[:half], total[half : 2 * half], total[2 * half :]
        added, error = two_sum(upper, lower)
        if lost is not None:
            error += lost[:half]
            error += lost[half : 2 * half]
        if len(odd):
            tail = lost[2 * half :] if lost is not None else np.zeros_like(odd)
            added, error = np.concatenate([added, odd]), np.concatenate([error, tail])
        total, lost = added, error
    return total[0], None if lost is None else lost[0]


def few_sums(values: Floats, ids: Positions, count: int) -> Floats:
    """Sums of the columns of a small matrix [steps x series] by their groups' `ids`: [steps x count], nearly exact."""
    if count == 1:
        sums = [[_exact_sum(row)] for row in values.tolist()]
    else:
        members = _MEMBERS.of((ids,), count, lambda: _pickers(ids, count))
        sums = [[_exact_sum(pick(row)) for pick in members] for row in values.tolist()]
    return np.array(sums, dtype=np.float64).reshape(len(values), count)


def _pickers(ids: Positions, count: int) -> list[Callable[[list[float]], Sequence[float]]]:
    """For each group what takes its members' cells out of a row."""
    members: list[list[int]] = [[] for _ in range(count)]
    for place, group in enumerate(ids.tolist()):
        members[group].append(place)
    return [itemgetter(*places) if len(places) > 1 else _one_by_one(places) for places in members]


def _one_by_one(places: list[int]) -> Callable[[list[float]], Sequence[float]]:
    return lambda row: [row[place] for place in places]


def _exact_sum(cells: Sequence[float]) -> float:
    if len(cells) == 1:
        return cells[0] + NOTHING
    try:
        total = math.fsum(cells)
    except (OverflowError, ValueError):  # beyond the largest float on the way, or infinities of both signs
        return float(sum_first_axis(np.array(cells)[:, None])[0])
    return total + NOTHING


def compensated_window_sums(panel: Panel) -> Floats:
    """Compensated sum of each window, [steps x series]; an empty window sums to 0.

    No window is ever a difference of longer ones. Where `exact` can, it is three times as fast.
    """
    longest = int((panel.hi - panel.lo).max(initial=0))
    cells = panel.shape[0] * panel.shape[1]
    if cells * longest <= (panel.values.size + cells) * longest.bit_length():
        return _gathered_sums(panel, longest)
    cut = pieces(panel)
    if cut is not None:
        return _sums_of_pieces(panel, *cut)
    return _sums_of_runs(panel, longest)


def _sums_of_runs(panel: Panel, longest: int) -> Floats:
    """Any windows; the plain way, which the others must agree with.

    Every window is cut into runs of 1, 2, 4, ... samples by the bits of its length, and the sums of all runs of
    one length are made from those of half the length.
    """
    run = panel.values
    position = panel.lo.copy()
    left = panel.hi - panel.lo
    total = np.full(panel.shape, NOTHING)
    lost = np.zeros(panel.shape)
    run_lost: Floats | None = None
    size = 1
    while size <= longest:
        having = (left & size).astype(bool)
        if having.any():
            chosen = slice(None) if having.all() else having
            where = position[chosen]
            added, error = two_sum(total[chosen], run[where])
            error += lost[chosen]
            if run_lost is not None:
                error += run_lost[where]
            total[chosen], lost[chosen] = added, error
            position[chosen] += size
        if 2 * size <= longest:
            added, error = two_sum(run[:-size], run[size:])
            if run_lost is not None:
                error += run_lost[:-size]
                error += run_lost[size:]
            run, run_lost = added, error
        size *= 2
    return settle(total, lost)


def pieces(panel: Panel | RaggedPanel) -> tuple[Positions, int] | None:
    """Where a range is a whole number of steps: the edges of what lies between two of them, and how many pieces every
    window consists of. None where that is not so, or where a step sees hardly more than a sample.
    """
    lo, hi = panel.lo, panel.hi
    steps = len(lo)
    begin, end = (lo[:, 0], hi[:, 0]) if lo.ndim == 2 else (lo, hi)
    from_front = int(begin.searchsorted(end[0]))
    from_back = steps - 1 - int(end.searchsorted(begin[-1]))
    for number in {from_front, from_back}:
        if not 2 <= number < steps or not (lo[number:] == hi[:-number]).all():
            continue
        edges = np.concatenate([lo, hi[-number:]])
        counts = np.diff(edges, axis=0)
        samples = int(counts.sum())
        if 2 * samples >= 3 * counts.size and int(counts.max()) * counts.size <= 4 * samples:
            return edges, number
    return None


def _sums_of_pieces(panel: Panel, edges: Positions, number: int) -> Floats:
    """Windows of `number` pieces each: every piece is summed once, and runs of 1, 2, 4, ... pieces as above."""
    counts = edges[1:] - edges[:-1]
    most = int(counts.max())
    if panel.dense and int(counts.min()) == most:
        inside = panel.values[edges[0] : edges[-1]]
        samples = inside.reshape(len(counts), most, -1).swapaxes(0, 1)
    else:
        at = edges[:-1] + np.arange(most).reshape(-1, *[1] * edges.ndim)
        samples = panel.values[np.minimum(at, len(panel.values) - 1)]
        samples[at >= edges[1:]] = NOTHING
    run, run_lost = _tree(samples)
    if run_lost is None:
        run_lost = np.zeros_like(run)
    steps = len(panel.lo)
    total, lost = np.full(panel.shape, NOTHING), np.zeros(panel.shape)
    first, size = 0, 1
    while size <= number:
        if number & size:
            total, error = two_sum(total, run[first : first + steps])
            lost += error
            lost += run_lost[first : first + steps]
            first += size
        if 2 * size <= number:
            added, error = two_sum(run[:-size], run[size:])
            error += run_lost[:-size]
            error += run_lost[size:]
            run, run_lost = added, error
        size *= 2
    return settle(total, lost)


def _gathered_sums(panel: Panel, longest: int) -> Floats:
    """Windows that hardly overlap: every sample is fetched once per window and the samples are added as one tree."""
    if not longest:
        return np.full(panel.shape, NOTHING)
    if len(panel.lo) == 1 and panel.dense:
        return sum_first_axis(panel.values[panel.lo[0] : panel.hi[0]])[None, :]
    at = panel.lo + np.arange(longest).reshape(-1, *[1] * panel.lo.ndim)
    inside = at < panel.hi
    samples = panel.values[np.minimum(at, len(panel.values) - 1)]
    samples[~inside] = NOTHING
    return sum_first_axis(samples)


def window_extremes(panel: Panel, better: Callable[[Floats, Floats], Floats]) -> Floats:
    """`better` (np.fmin or np.fmax) folded over each window that is not empty, [steps x series].

    Two overlapping runs of a power of two cover any window, and a value seen twice changes no extreme.
    """
    counts = panel.hi - panel.lo
    first = panel.first()
    result = panel.values[first]
    run = panel.values
    size = 1
    longest = int(counts.max(initial=0))
    while size <= longest:
        chosen = (counts >= size) & (counts < 2 * size)
        if chosen.any():
            result[chosen] = better(run[panel.lo[chosen]], run[panel.hi[chosen] - size])
        if 2 * size <= longest:
            run = better(run[:-size], run[size:])
        size *= 2
    return result
