"""Anchored and smoothed selectors: windows that also look at the samples just outside them.

An anchored range begins with the value that held at its start: the last sample at or before it. A smoothed one begins
and ends with values interpolated at its edges. Both look one lookback further than the range itself.
"""

from dataclasses import dataclass, replace

import numpy as np

from pyscrape.model.blocks import Times, Values
from pyscrape.promql.panels import Mask, Panel, Positions
from pyscrape.promql.rate import Spans, changed, count_steps, fell

ANCHORED = ("changes", "delta", "increase", "rate", "resets")
SMOOTHED = ("delta", "increase", "rate")


@dataclass(frozen=True, slots=True)
class Extended:
    """Windows widened by the lookback, and where in them the range itself lies.

    `wide`: the panel over the widened windows. `after_start`: position of each window's first sample later than the
    range's start; `from_end`: of its first sample at or after the range's end; shaped like the panel's `lo`.
    """

    wide: Panel
    after_start: Positions
    from_end: Positions
    smoothed: bool

    def edges(self, spans: Spans) -> tuple[Positions, Positions, Mask]:
        """First and last sample that matter to each window, and whether there is anything to say about it."""
        panel = self.wide
        end = np.maximum(panel.hi - 1, 0)
        first = np.maximum(panel.lo, np.minimum(self.after_start, end) - 1)
        first = np.minimum(first, len(panel.values) - 1)
        last = np.maximum(np.minimum(self.from_end, end), 0) if self.smoothed else end
        some: Mask = panel.wide(panel.hi > panel.lo)
        some = some & (panel.wide(panel.times_ms[last]) > spans.starts_ms[:, None])
        if self.smoothed:
            some = some & (panel.wide(panel.times_ms[first]) <= spans.ends_ms[:, None])
        return first, last, some


def interpolate(panel: Panel, before: Positions, at_ms: Times, *, counter: bool) -> Values:
    """The value at `at_ms` ([steps x 1]) on the line from sample `before` to the next one."""
    after = np.minimum(before + 1, len(panel.values) - 1)
    low, high = panel.values[before], panel.values[after]
    if counter:
        low = np.where(high < low, 0.0, low)  # after a reset, the counter began at 0
    low_ms, high_ms = panel.wide(panel.times_ms[before]), panel.wide(panel.times_ms[after])
    return low + (high - low) * (at_ms - low_ms).astype(np.float64) / (high_ms - low_ms)


def boundary_values(
    extended: Extended, spans: Spans, first: Positions, last: Positions, *, counter: bool
) -> tuple[Values, Values]:
    """The values at the start and the end of each range."""
    panel = extended.wide
    left, right = panel.values[first], panel.values[last]
    if extended.smoothed:
        starts, ends = spans.starts_ms[:, None], spans.ends_ms[:, None]
        early = panel.wide(panel.times_ms[first]) < starts
        left = np.where(early, interpolate(panel, first, starts, counter=counter), left)
        late = (panel.wide(panel.times_ms[last]) > ends) & (panel.wide(last - panel.lo) > 0)
        before = np.maximum(last - 1, 0)
        right = np.where(late, interpolate(panel, before, ends, counter=counter), right)
    return left, right


def growth(extended: Extended, spans: Spans, *, counter: bool, per_second: bool) -> tuple[Values, Mask]:
    """rate, increase or delta between the edges of each range, without extrapolation."""
    panel = extended.wide
    first, last, some = extended.edges(spans)
    left, right = boundary_values(extended, spans, first, last, counter=counter)
    result = right - left
    if counter:
        start = first + (_times_like(panel, first) <= _like(panel, spans.starts_ms))
        stop = last - (_times_like(panel, last) >= _like(panel, spans.ends_ms))
        lost = np.zeros(panel.shape)
        before = left
        for number in range(int((stop - start).max(initial=-1)) + 1):
            inside = panel.wide(start + number <= stop)
            here = panel.values[np.minimum(start + number, len(panel.values) - 1)]
            lost += np.where(inside & (here < before), before, 0.0)
            before = np.where(inside, here, before)
        lost += np.where(right < before, before, 0.0)
        result = result + lost
    return (result / spans.range_s if per_second else result), some


def _times_like(panel: Panel, positions: Positions) -> Times:
    return panel.times_ms[positions]


def _like(panel: Panel, per_step: Times) -> Times:
    """Numbers per step in a shape that broadcasts over the panel's positions."""
    return per_step if panel.dense else per_step[:, None]


def counted(extended: Extended, name: str) -> tuple[Values, Mask]:
    """changes or resets of anchored ranges: from the last sample at or before the start on."""
    panel = extended.wide
    anchor = np.maximum(panel.lo, extended.after_start - 1)
    some: Mask = panel.wide(extended.after_start < panel.hi)
    happened = fell(panel.values) if name == "resets" else changed(panel.values)
    return count_steps(replace(panel, lo=anchor), happened), some


def smoothed_at(wide: Panel, from_now: Positions, at_ms: Times) -> tuple[Values, Mask]:
    """A smoothed instant selector: exact, between its neighbours, or carried forward when no later sample is known."""
    now = np.minimum(from_now, len(wide.values) - 1)
    later = wide.wide(from_now < wide.hi)
    earlier = wide.wide(from_now > wide.lo)
    exact = later & (wide.wide(wide.times_ms[now]) == at_ms[:, None])
    before = np.maximum(from_now - 1, 0)
    between = interpolate(wide, before, at_ms[:, None], counter=False)
    values = np.where(exact, wide.values[now], np.where(later, between, wide.values[before]))
    return values, exact | earlier
