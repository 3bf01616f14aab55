"""Panels: the samples of many series, and for every step of a query the window of them that the step sees.

One strategy for every range function: where each window begins and ends is found once by `searchsorted`, for
all steps; a kernel then works on axis 0 of `values`, the sample axis, and never on one series. A panel has one
of two forms, and kernels need not know which:

- dense: all its series share one time axis and have a sample in every row. `values` is [rows x series], `lo`
  and `hi` are [steps].
- flat: series with gaps or clocks of their own, one after the other. `values` is [samples], `lo` and `hi` are
  [steps x series] positions in it.

In both, `values[lo]` is [steps x series]. A dense panel costs a row copy where a flat one costs a gather, so
columns without gaps of a large block stay dense and everything else shares one flat panel, however many
blocks it came from.
"""

import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.blocks import UNKNOWN, Block, Facts, Newest, Selection, Times, Values
from pyscrape.model.value import ABSENT_BITS, STALE_BITS

Positions = NDArray[np.int64]
Mask = NDArray[np.bool_]
Scalar = TypeVar("Scalar", bound=np.generic)

DENSE_CELLS = 4096
"""A block with fewer steps x columns than this joins the flat panel: numpy's cost per call would rule."""

DENSE_SAMPLES = 1 << 15
"""But not one with so many samples, which the flat panel would have to copy."""

FLAT_SAMPLES = 1 << 18
"""A flat panel copies its samples: no more than so many at a time, so that memory stays bounded."""

SLICE_CELLS = 1 << 16
"""Kernels make about so many cells at once: temporaries stay in the cache, and the GIL is held briefly."""

SLICE_SAMPLES = 1 << 18
"""And they look at so many samples for it."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Windows over samples; see the module for the two forms.

    `series`: shape [series], rows in the selection's frame. `times_ms`: [rows] or [samples], increasing within
    a window. Window k of series s is the half-open range lo..hi of axis 0, empty where lo == hi.
    """

    series: NDArray[np.int64]
    times_ms: Times
    values: Values
    lo: Positions
    hi: Positions
    facts: Facts = UNKNOWN

    @property
    def dense(self) -> bool:
        return self.values.ndim == 2

    @property
    def shape(self) -> tuple[int, int]:
        """(steps, series) of everything a kernel returns."""
        return len(self.lo), len(self.series)

    @property
    def counts(self) -> Positions:
        """Samples per window, [steps x 1] or [steps x series]."""
        return self.wide(self.hi - self.lo)

    def wide(self, per_window: NDArray[Scalar]) -> NDArray[Scalar]:
        """`lo`-shaped numbers in a shape that broadcasts over [steps x series]."""
        return per_window[:, None] if self.values.ndim == 2 else per_window

    def first(self) -> Positions:
        """Position of each window's first sample; some valid position where the window is empty."""
        return np.minimum(self.lo, len(self.values) - 1)

    def last(self) -> Positions:
        """Position of each window's last sample; some valid position where the window is empty."""
        return np.maximum(self.hi - 1, 0)

    def at(self, positions: Positions) -> Values:
        """The samples at some positions, [steps x series]; not to be written, since it may be a view.

        Steps of a range query usually are whole samples apart: their rows are a slice, and nothing is copied.
        """
        if self.dense and len(positions) > 1:
            first, second, last = positions.item(0), positions.item(1), positions.item(-1)
            apart = second - first
            if (
                apart > 0
                and last - first == apart * (len(positions) - 1)
                and (np.diff(positions) == apart).all()
            ):
                return self.values[first : last + 1 : apart]
        return self.values[positions]

    def times_at(self, positions: Positions) -> Times:
        """The times of samples, in a shape that broadcasts over [steps x series]."""
        return self.wide(self.times_ms[positions])

    @staticmethod
    def spread(per_window: NDArray[Scalar]) -> NDArray[Scalar]:
        """What `counts` and `times_at` gave rise to, in a shape that broadcasts over [steps x series]."""
        return per_window

    def sample_count(self) -> Positions:
        """Samples seen by each step, [steps]."""
        counts = self.hi - self.lo
        total: Positions = counts * len(self.series) if self.dense else counts.sum(axis=1)
        return total

    def slices(self) -> Iterator["Panel"]:
        """The panel in pieces of some columns each, so that a kernel's temporaries stay small."""
        steps, series = self.shape
        rows = len(self.values) if self.dense else len(self.values) // series
        width = max(1, min(SLICE_CELLS // max(steps, 1), SLICE_SAMPLES // max(rows, 1)))
        if width >= series:
            yield self
            return
        for start in range(0, series, width):
            part = slice(start, start + width)
            if self.dense:
                yield replace(self, series=self.series[part], values=self.values[:, part])
            else:
                lo, hi = self.lo[:, part], self.hi[:, part]
                begin = min(int(lo.min()), len(self.values) - 1)
                end = max(int(hi.max()), begin + 1)
                yield Panel(
                    self.series[part],
                    self.times_ms[begin:end],
                    self.values[begin:end],
                    lo - begin,
                    hi - begin,
                    self.facts,
                )


def build_panels(
    blocks: Sequence[Block], starts_ms: Times, ends_ms: Times, *, markers: bool
) -> Iterator[Panel]:
    """Panels over `blocks` for the windows (starts_ms[k], ends_ms[k]], both increasing with k.

    `markers` keeps staleness markers as samples, which only instant look-ups want; else they are skipped.
    Panels are made one after the other, so that a large selection is not in memory twice.
    """
    rest: list[Block] = []
    waiting = 0
    for block in blocks:
        if not len(block.times_ms) or not len(block.series):
            continue
        for part in _parts(block, starts_ms, ends_ms, markers, alone=len(blocks) == 1):
            if isinstance(part, Panel):
                yield part
                continue
            if waiting + part.values.size > FLAT_SAMPLES and rest:
                yield _flat(rest, starts_ms, ends_ms, markers)
                rest, waiting = [], 0
            rest.append(part)
            waiting += part.values.size
    if rest:
        yield _flat(rest, starts_ms, ends_ms, markers)


def whole_panels(blocks: Sequence[Block], starts_ms: Times, ends_ms: Times) -> Iterator[Panel]:
    """Flat panels block by block, markers skipped: for the same blocks always over the same samples.

    Two calls with different windows give panels whose positions mean the same.
    """
    for block in blocks:
        if len(block.times_ms) and len(block.series):
            yield _flat([block], starts_ms, ends_ms, markers=False)


def _parts(
    block: Block, starts_ms: Times, ends_ms: Times, markers: bool, *, alone: bool
) -> Iterator[Panel | Block]:
    """A dense panel of the columns that have no gap, and what is left for the flat one in blocks of bounded size."""
    few = len(starts_ms) * len(block.series) < DENSE_CELLS
    if not alone and few and block.values.size < DENSE_SAMPLES:
        yield block
        return
    low, high = np.searchsorted(block.times_ms, (starts_ms[0], ends_ms[-1]), side="right").tolist()
    if low == high:
        return
    block = Block(block.series, block.times_ms[low:high], block.values[low:high], block.facts)
    usable = None if block.facts.whole else _usable(block.values, markers)
    if usable is None:
        yield _dense(block, starts_ms, ends_ms)
        return
    whole = np.logical_and.reduce(usable, axis=0)
    if np.count_nonzero(whole) * len(starts_ms) >= DENSE_CELLS:
        yield _dense(_columns(block, whole), starts_ms, ends_ms)
        block = _columns(block, ~whole)
    width = max(1, FLAT_SAMPLES // len(block.times_ms))
    for start in range(0, len(block.series), width):
        part = slice(start, start + width)
        yield Block(block.series[part], block.times_ms, block.values[:, part], block.facts)


def panels_of_steps(
    times_ms: Times, values: Values, present: Mask | None, starts: Times, ends: Times
) -> Iterator[Panel]:
    """Panels over the [times x series] answer of a subquery's inner expression."""
    if not len(times_ms) or not values.shape[1]:
        return
    series = np.arange(values.shape[1])
    if present is None:
        yield _dense(Block(series, times_ms, values), starts, ends)
        return
    width = max(1, FLAT_SAMPLES // len(times_ms))
    for start in range(0, len(series), width):
        part = slice(start, start + width)
        block = Block(series[part], times_ms, values[:, part])
        yield _flat([block], starts, ends, markers=False, good=present[:, part].T.reshape(-1))


def _usable(values: Values, markers: bool) -> Mask | None:
    """Which cells hold a sample; None when all do. [rows x columns] or [samples]."""
    # What is no sample is a NaN; so one pass tells that there is none. The minimum hands NaN on.
    if values.size and not math.isnan(values.min()):
        return None
    bits = values.view(np.uint64)
    holes: Mask = bits == ABSENT_BITS
    if not markers:
        holes |= bits == STALE_BITS
    return ~holes if holes.any() else None


def _columns(block: Block, chosen: Mask) -> Block:
    return Block(block.series[chosen], block.times_ms, block.values[:, chosen], block.facts)


def _dense(block: Block, starts_ms: Times, ends_ms: Times) -> Panel:
    times = block.times_ms
    return Panel(
        block.series,
        times,
        block.values,
        np.searchsorted(times, starts_ms, side="right"),
        np.searchsorted(times, ends_ms, side="right"),
        block.facts,
    )


def _flat(
    blocks: Sequence[Block], starts_ms: Times, ends_ms: Times, markers: bool, good: Mask | None = None
) -> Panel:
    """All series of `blocks` one after the other; `good` tells which cells are samples, else their bits do.

    The edges of all blocks are found by one search: times of block b are moved into a range of their own.
    """
    rows = np.array([len(block.times_ms) for block in blocks])
    columns = np.array([len(block.series) for block in blocks])
    owner = np.repeat(np.arange(len(blocks)), columns)
    axis = np.concatenate([block.times_ms for block in blocks])
    axis_start = np.cumsum(rows) - rows
    low, high = int(starts_ms[0]), int(ends_ms[-1])
    span = max(high, int(axis.max())) - min(low, int(axis.min())) + 2
    shift = np.arange(len(blocks)) * span
    shifted = axis + np.repeat(shift, rows)
    lo = np.searchsorted(shifted, starts_ms[:, None] + shift, side="right") - axis_start
    hi = np.searchsorted(shifted, ends_ms[:, None] + shift, side="right") - axis_start
    sizes = rows[owner]
    start = np.cumsum(sizes) - sizes
    lo_flat = lo[:, owner] + start
    hi_flat = hi[:, owner] + start
    values = np.concatenate([block.values.T.reshape(-1) for block in blocks])
    times = np.concatenate([_tiled(block.times_ms, len(block.series)) for block in blocks])
    facts = reduce(operator.and_, (block.facts for block in blocks))
    good = _usable(values, markers) if good is None and not facts.whole else good
    if good is not None:
        before = np.zeros(len(good) + 1, dtype=np.int64)
        before[1:] = np.cumsum(good, dtype=np.int32)  # five times as fast as summing into 64 bits
        values, times = values[good], times[good]
        lo_flat, hi_flat = before[lo_flat], before[hi_flat]
    series = np.concatenate([block.series for block in blocks])
    if not len(values):  # nothing but holes: kernels still index, so give them something to index
        values, times = np.full(1, np.nan), np.zeros(1, dtype=np.int64)
    return Panel(series, times, values, lo_flat, hi_flat, facts)


def _tiled(times_ms: Times, columns: int) -> Times:
    return times_ms if columns == 1 else np.tile(times_ms, columns)


def newest_panels(newest: Newest) -> tuple[Panel, ...]:
    """One step that sees the newest sample of every series."""
    place = np.arange(len(newest.values), dtype=np.int64)
    whole = Panel(place, newest.times_ms, newest.values, place[None], place[None] + 1)
    return (whole,) if len(place) else ()


def total_samples(selection: Selection) -> int:
    """Cells that a selection holds in memory."""
    ragged = 0 if selection.ragged is None else selection.ragged.cells
    return ragged + sum(block.values.size for block in selection.blocks)
