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

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.blocks import Block, Times, Values
from pyscrape.model.value import ABSENT_BITS, STALE_BITS

Positions = NDArray[np.int64]
Mask = NDArray[np.bool_]
Scalar = TypeVar("Scalar", bound=np.generic)

DENSE_CELLS = 4096
"""A block with fewer steps x columns than this joins the flat panel: numpy's cost per call would rule."""

SLICE_CELLS = 1 << 16
"""Kernels work on about so many cells at once: temporaries stay in the cache, and the GIL is held briefly."""


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

    def sample_count(self) -> Positions:
        """Samples seen by each step, [steps]."""
        counts = self.hi - self.lo
        total: Positions = counts * len(self.series) if self.dense else counts.sum(axis=1)
        return total

    def slices(self) -> Iterator["Panel"]:
        """The panel in pieces of some columns each, so that a kernel's temporaries stay small."""
        steps, series = self.shape
        rows = len(self.values) if self.dense else 0
        width = max(1, SLICE_CELLS // max(steps, rows, 1))
        if width >= series:
            yield self
            return
        for start in range(0, series, width):
            part = slice(start, start + width)
            if self.dense:
                yield Panel(self.series[part], self.times_ms, self.values[:, part], self.lo, self.hi)
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
                )


def build_panels(blocks: Sequence[Block], starts_ms: Times, ends_ms: Times, *, markers: bool) -> list[Panel]:
    """Panels over `blocks` for the windows (starts_ms[k], ends_ms[k]], both increasing with k.

    `markers` keeps staleness markers as samples, which only instant look-ups want; else they are skipped.
    """
    panels: list[Panel] = []
    rest: list[tuple[Block, Mask | None]] = []
    for block in blocks:
        if not len(block.times_ms) or not len(block.series):
            continue
        if len(blocks) > 1 and len(starts_ms) * len(block.series) < DENSE_CELLS:
            rest.append((block, _usable(block.values, markers)))
            continue
        usable = _usable(block.values, markers)
        if usable is None:
            panels.append(_dense(block, starts_ms, ends_ms))
            continue
        whole = np.logical_and.reduce(usable, axis=0)
        if np.count_nonzero(whole) * len(starts_ms) >= DENSE_CELLS:
            panels.append(_dense(_columns(block, whole), starts_ms, ends_ms))
            holed = ~whole
            rest.append((_columns(block, holed), usable[:, holed]))
        else:
            rest.append((block, usable))
    if rest:
        panels.append(_flat(rest, starts_ms, ends_ms))
    return panels


def panel_of_steps(
    times_ms: Times, values: Values, present: Mask | None, starts: Times, ends: Times
) -> list[Panel]:
    """Panels over the [times x series] answer of a subquery's inner expression."""
    series = np.arange(values.shape[1])
    block = Block(series, times_ms, values)
    if not len(times_ms) or not len(series):
        return []
    if present is None:
        return [_dense(block, starts, ends)]
    return [_flat([(block, present)], starts, ends)]


def _usable(values: Values, markers: bool) -> Mask | None:
    """Which cells hold a sample; None when all do."""
    bits = (
        values.view(np.uint64) if values.flags.c_contiguous else np.ascontiguousarray(values).view(np.uint64)
    )
    holes: Mask = bits == ABSENT_BITS
    if not markers:
        holes |= bits == STALE_BITS
    return ~holes if holes.any() else None


def _columns(block: Block, chosen: Mask) -> Block:
    return Block(block.series[chosen], block.times_ms, block.values[:, chosen])


def _dense(block: Block, starts_ms: Times, ends_ms: Times) -> Panel:
    times = block.times_ms
    return Panel(
        block.series,
        times,
        block.values,
        np.searchsorted(times, starts_ms, side="right"),
        np.searchsorted(times, ends_ms, side="right"),
    )


def _flat(parts: Sequence[tuple[Block, Mask | None]], starts_ms: Times, ends_ms: Times) -> Panel:
    """All series of `parts` one after the other.

    The edges of all blocks are found by one search: times of block b are moved into a range of their own.
    """
    blocks = [block for block, _ in parts]
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
    if any(usable is not None for _, usable in parts):
        good = np.concatenate([_flat_mask(block, usable) for block, usable in parts])
        before = np.zeros(len(good) + 1, dtype=np.int64)
        np.cumsum(good, out=before[1:])
        values, times = values[good], times[good]
        lo_flat, hi_flat = before[lo_flat], before[hi_flat]
    series = np.concatenate([block.series for block in blocks])
    if not len(values):  # nothing but holes: kernels still index, so give them something to index
        values, times = np.full(1, np.nan), np.zeros(1, dtype=np.int64)
    return Panel(series, times, values, lo_flat, hi_flat)


def _tiled(times_ms: Times, columns: int) -> Times:
    return times_ms if columns == 1 else np.tile(times_ms, columns)


def _flat_mask(block: Block, usable: Mask | None) -> Mask:
    if usable is None:
        return np.ones(block.values.size, dtype=np.bool_)
    return usable.T.reshape(-1)


def total_samples(blocks: Iterable[Block]) -> int:
    """Cells that a selection holds in memory."""
    return sum(block.values.size for block in blocks)
