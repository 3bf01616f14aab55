"""Ragged panels: the windows of many small groups of series, each group with times of its own.

The third form of a panel, for what a store hands over as `Ragged`: where windows begin and end is found once for a
group, in one search for all groups, and what depends on times alone is computed for [steps x groups]; only samples are
fetched for [steps x series]. Matrices lie series by series in memory, so that fetching goes along each series' samples.
Kernels that do not know this form get the same windows as flat panels, the plain way that this must agree with.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.blocks import Facts, Ragged, Selection, Times, Values
from pyscrape.promql.panels import (
    FLAT_SAMPLES,
    SLICE_CELLS,
    SLICE_SAMPLES,
    Panel,
    Positions,
    Scalar,
    build_panels,
)

MOST_SPAN_MS = 2**62
"""The ranges of all groups one behind the other, with any `start_ms` before them, stay within 64 bits."""


@dataclass(frozen=True, slots=True)
class RaggedPanel:
    """`lo` and `hi`: [steps x groups], rows of `samples.times_ms`; a window is the half-open range."""

    samples: Ragged
    lo: Positions
    hi: Positions

    @property
    def series(self) -> NDArray[np.int64]:
        """Rows in the selection's frame."""
        return self.samples.series

    @property
    def facts(self) -> Facts:
        return self.samples.facts

    @property
    def shape(self) -> tuple[int, int]:
        """(steps, series) of everything a kernel returns."""
        return len(self.lo), len(self.samples.series)

    @property
    def counts(self) -> Positions:
        """Samples per window, [steps x groups]."""
        counts: Positions = self.hi - self.lo
        return counts

    def spread(self, per_window: NDArray[Scalar]) -> NDArray[Scalar]:
        """[steps x groups] as [steps x series]."""
        if len(self.samples.owner) == len(self.samples.times_ms):
            return per_window
        spread: NDArray[Scalar] = per_window.T.take(self.samples.owner, axis=0).T
        return spread

    def first(self) -> Positions:
        """Row of each window's first sample; some valid row where the window is empty."""
        rows: int = self.samples.times_ms.shape[1]
        found: Positions = np.minimum(self.lo, rows - 1)
        return found

    def last(self) -> Positions:
        """Row of each window's last sample; some valid row where the window is empty."""
        return np.maximum(self.hi - 1, 0)

    def at(self, rows: Positions) -> Values:
        """The samples in some rows, [steps x series]."""
        values = self.samples.values
        start = np.arange(len(values)) * values.shape[1] + self.samples.first
        where = self.spread(rows).T + start[:, None]
        found: Values = values.reshape(-1).take(where).T
        return found

    def times_at(self, rows: Positions) -> Times:
        """The times of some rows, [steps x groups]."""
        times = self.samples.times_ms
        start = np.arange(len(times)) * times.shape[1]
        found: Times = times.reshape(-1).take(rows.T + start[:, None]).T
        return found

    def rows_seen(self) -> Values:
        """The samples of all rows that are in any window, [series x rows]; some that are in none among them."""
        first = self.samples.first
        return self.samples.values[:, first + int(self.lo.min()) : first + int(self.hi.max())]

    def inside(self) -> Values:
        """Series by series the samples of all rows that are in any window, and 0 where a series has none in any;
        [series * rows + 1], a 0 at the end. `positions` tells where windows lie in it.
        """
        one = self.samples
        begin, end = self.lo[0], self.hi[-1]
        low, high = int(begin.min()), int(end.max())
        seen = np.zeros(len(one.series) * (high - low) + 1)
        matrix = seen[:-1].reshape(len(one.series), -1)
        matrix[:] = one.values[:, one.first + low : one.first + high]
        # Groups begin and end at other rows, but not many.
        for first, last in ((low, int(begin.max())), (int(end.min()), high)):
            rows = np.arange(first, last)
            outside = (rows < begin[:, None]) | (rows >= end[:, None])
            matrix[:, first - low : last - low][outside.take(one.owner, axis=0)] = 0.0
        return seen

    def positions(self, edges: Positions) -> Positions:
        """Rows, [any x groups], as places in `inside`, [any x series]."""
        low, high = int(self.lo.min()), int(self.hi.max())
        start = np.arange(len(self.samples.series)) * (high - low) - low
        places: Positions = (self.spread(edges).T + start[:, None]).T
        return places

    def sample_count(self) -> Positions:
        """Samples seen by each step, [steps]."""
        sizes = np.bincount(self.samples.owner, minlength=len(self.samples.times_ms))
        seen: Positions = self.counts @ sizes
        return seen

    def _groups(self, start: int, end: int) -> "RaggedPanel":
        one = self.samples
        low, high = np.searchsorted(one.owner, (start, end)).tolist()
        samples = Ragged(
            one.series[low:high],
            one.owner[low:high] - start,
            one.times_ms[start:end],
            one.values[low:high],
            one.first,
            one.start_ms,
            one.end_ms,
            one.facts,
        )
        return RaggedPanel(samples, self.lo[:, start:end], self.hi[:, start:end])

    def slices(self) -> Iterator["RaggedPanel"]:
        """The panel in pieces of some groups each, so that a kernel's temporaries stay small."""
        steps, series = self.shape
        groups, rows = self.samples.times_ms.shape
        pieces = max(-(-steps * series // SLICE_CELLS), -(-rows * series // SLICE_SAMPLES))
        if pieces < 2:
            yield self
            return
        width = max(1, groups // pieces)
        for start in range(0, groups, width):
            yield self._groups(start, min(start + width, groups))

    def flat(self, columns: NDArray[np.int64] | slice = slice(None)) -> Panel:
        """Some series as a flat panel."""
        one = self.samples
        owner = one.owner[columns]
        rows = one.times_ms.shape[1]
        times = one.times_ms.take(owner, axis=0).reshape(-1)
        values = one.values[columns, one.first : one.first + rows]
        behind = self.hi[-1].take(owner)[:, None] <= np.arange(rows)
        if (
            behind.any()
        ):  # what stands there need not be finite, which kernels that work on all samples would have to ask
            values = np.where(behind, 0.0, values)
        values = values.reshape(-1)
        start = (np.arange(len(owner)) * rows)[:, None]
        lo, hi = ((edges.T.take(owner, axis=0) + start).T for edges in (self.lo, self.hi))
        return Panel(one.series[columns], times, values, lo, hi, one.facts)

    def panels(self) -> Iterator[Panel]:
        """All series as flat panels of bounded size."""
        series, rows = len(self.series), self.samples.times_ms.shape[1]
        width = max(1, FLAT_SAMPLES // rows)
        for start in range(0, series, width):
            yield self.flat(slice(start, start + width))


def _span_ms(samples: Ragged) -> int:
    """How many moments the times of a group may stand for, the two beyond the selection included."""
    return samples.end_ms - samples.start_ms + 2


def ragged_panel(samples: Ragged, starts_ms: Times, ends_ms: Times) -> RaggedPanel | None:
    """The windows (starts_ms[k], ends_ms[k]], both increasing with k, over samples; None where there are none.

    One search, since the times of group g are moved into a range of their own; all ranges together are at most
    `MOST_SPAN_MS` long.
    """
    groups, rows = samples.times_ms.shape
    if not rows or not groups:
        return None
    span = _span_ms(samples)
    shift = (np.arange(groups) * span - samples.start_ms)[:, None]
    edges, apart = _edges(starts_ms, ends_ms)
    wanted = edges.clip(samples.start_ms, samples.end_ms) + shift
    found = np.searchsorted((samples.times_ms + shift).reshape(-1), wanted.reshape(-1), side="right")
    found = found.reshape(wanted.shape) - (np.arange(groups) * rows)[:, None]
    steps = len(starts_ms)
    return RaggedPanel(samples, found[:, :steps].T, found[:, apart : apart + steps].T)


def all_panels(
    selection: Selection, starts_ms: Times, ends_ms: Times, *, markers: bool
) -> Iterator[Panel | RaggedPanel]:
    """Panels over all that was selected; see `build_panels`."""
    yield from build_panels(selection.blocks, starts_ms, ends_ms, markers=markers)
    ragged = selection.ragged
    if ragged is None:
        return
    if _span_ms(ragged) > MOST_SPAN_MS // len(ragged.times_ms):
        yield from build_panels(tuple(ragged.blocks()), starts_ms, ends_ms, markers=markers)
        return
    panel = ragged_panel(ragged, starts_ms, ends_ms)
    if panel is not None:
        yield panel


def flat_panels(panels: Iterable[Panel | RaggedPanel]) -> Iterator[Panel]:
    """Panels for who does not know the ragged form."""
    for panel in panels:
        if isinstance(panel, RaggedPanel):
            yield from panel.panels()
        else:
            yield panel


def _edges(starts_ms: Times, ends_ms: Times) -> tuple[Times, int]:
    """(edges, n): starts are the first ones, ends those from the n-th on. Where windows are a whole number of
    steps long, most of them are both.
    """
    steps = len(starts_ms)
    apart = int(starts_ms.searchsorted(ends_ms[0]))
    if apart < steps and (starts_ms[apart:] == ends_ms[: steps - apart]).all():
        return np.concatenate([starts_ms, ends_ms[steps - apart :]]), apart
    return np.concatenate([starts_ms, ends_ms]), steps
