"""rate, increase, delta and their instant forms, over panels.

Extrapolation follows Prometheus: the growth between a window's first and last sample is stretched to the window's
edges when the samples come near enough to them, and never below a counter's zero.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.blocks import Times, Values
from pyscrape.promql.panels import Mask, Panel, Positions
from pyscrape.promql.ragged import RaggedPanel

NEAR_EDGE = 1.1
"""A gap to the window's edge of up to so many mean sample intervals is taken for a series that goes on."""


@dataclass(frozen=True, slots=True)
class Spans:
    """The windows of a query's steps: (starts_ms[k], ends_ms[k]], seen at at_ms[k]; all increasing."""

    at_ms: Times
    starts_ms: Times
    ends_ms: Times
    range_s: float


def extrapolated(
    panel: Panel | RaggedPanel, spans: Spans, *, counter: bool, per_second: bool
) -> tuple[Values, Mask]:
    """rate (counter, per second), increase (counter) or delta: [steps x series] values and where they exist."""
    counts = panel.counts
    first_at, last_at = panel.first(), panel.last()
    first = panel.at(first_at)
    growth = panel.at(last_at) - first
    if counter:
        _add_resets(panel, growth)
    first_ms, last_ms = panel.times_at(first_at), panel.times_at(last_at)
    sampled_s = (last_ms - first_ms) / 1000.0
    mean_s = sampled_s / (counts - 1)
    to_start_s = (first_ms - spans.starts_ms[:, None]) / 1000.0
    to_end_s = (spans.ends_ms[:, None] - last_ms) / 1000.0
    near = mean_s * NEAR_EDGE
    to_start_s = np.where(to_start_s >= near, mean_s / 2, to_start_s)
    to_end_s = np.where(to_end_s >= near, mean_s / 2, to_end_s)
    factor = (sampled_s + to_start_s + to_end_s) / sampled_s
    if per_second:
        factor = factor / spans.range_s
    enough, factor = panel.spread(counts >= 2), panel.spread(factor)
    if not counter:
        growth *= factor
        return growth, enough
    # a counter that would have been below 0 at the window's start was 0 some time after it
    young = first < growth * panel.spread(to_start_s / sampled_s)
    if young.any() and (young := young & (first >= 0)).any():
        young_first, young_growth = first[young], growth[young]
        sampled, to_end = (
            np.broadcast_to(panel.spread(part), growth.shape)[young] for part in (sampled_s, to_end_s)
        )
        to_zero = sampled * (young_first / young_growth)
        growth *= factor
        growth[young] = young_growth * (
            (sampled + to_zero + to_end) / sampled / (spans.range_s if per_second else 1.0)
        )
    else:
        growth *= factor
    return growth, enough


def _add_resets(panel: Panel | RaggedPanel, growth: Values) -> None:
    """Add to `growth` the value before every drop inside each window, in the order of time."""
    if panel.facts.rising:
        return
    if isinstance(panel, RaggedPanel):
        seen = panel.rows_seen()
        columns = np.flatnonzero(np.logical_or.reduce(np.less(seen[:, 1:], seen[:, :-1]), axis=1))
        if len(columns):
            some = growth[:, columns]
            _add_resets(panel.flat(columns), some)
            growth[:, columns] = some
        return
    lowest, highest = int(panel.lo.min()), int(panel.hi.max())
    if highest - lowest < 2:
        return
    seen = panel.values[lowest:highest]
    drops = fell(seen)
    if not panel.dense and len(drops):
        # What follows the last sample of any window of a series is in none: it is the next series' as a rule.
        after = panel.hi[-1] - lowest - 1
        drops[after[(after >= 0) & (after < len(drops))]] = False
    if not drops.any():
        return
    if panel.dense:
        # events column by column; reset j of column c has number base[c] + j
        columns = np.flatnonzero(np.logical_or.reduce(drops, axis=0))
        events = drops[:, columns].T
        lost = seen[:-1, columns].T[events]
        upto = np.zeros((len(columns), len(seen)), dtype=np.int64)
        np.cumsum(events, axis=1, out=upto[:, 1:])
        base = np.cumsum(upto[:, -1]) - upto[:, -1]
        begin = (upto[:, _inside(panel.first() - lowest, seen)] + base[:, None]).T
        end = (upto[:, _inside(panel.last() - lowest, seen)] + base[:, None]).T
        growth[:, columns] = _with_events(growth[:, columns], lost, begin, end)
        return
    upto_flat = np.zeros(len(seen), dtype=np.int64)
    np.cumsum(drops, out=upto_flat[1:])
    begin = upto_flat[_inside(panel.first() - lowest, seen)]
    end = upto_flat[_inside(panel.last() - lowest, seen)]
    columns = np.flatnonzero((end > begin).any(axis=0))
    if len(columns):
        growth[:, columns] = _with_events(
            growth[:, columns], seen[:-1][drops], begin[:, columns], end[:, columns]
        )


def _inside(positions: Positions, seen: Values) -> Positions:
    """Positions of empty windows moved to where indexing is allowed; nobody reads what they give."""
    return np.clip(positions, 0, len(seen) - 1)


def _with_events(growth: Values, lost: Values, begin: Positions, end: Positions) -> Values:
    """`growth` plus the events begin..end of each window, one after the other as Prometheus adds them."""
    most = int((end - begin).max(initial=0))
    for number in range(most):
        at = begin + number
        growth = np.where(at < end, growth + lost[np.minimum(at, len(lost) - 1)], growth)
    return growth


def of_last_two(panel: Panel, *, counter: bool, per_second: bool) -> tuple[Values, Mask]:
    """irate (counter, per second) or idelta: the change between a window's last two samples."""
    last_at = panel.last()
    before_at = np.maximum(last_at - 1, 0)
    enough = panel.counts >= 2
    last, before = panel.values[last_at], panel.values[before_at]
    change = last - before
    if counter:
        change = np.where(last < before, last, change)
    if per_second:
        change /= panel.wide(panel.times_ms[last_at] - panel.times_ms[before_at]) / 1000.0
    return change, enough


def fell(values: Values) -> Mask:
    """Where a sample lies below the one before it: a counter's reset."""
    return np.less(values[1:], values[:-1])


def changed(values: Values) -> Mask:
    """Where a sample differs from the one before it; NaN after NaN is no change."""
    after, before = values[1:], values[:-1]
    return np.not_equal(after, before) & ~(np.isnan(after) & np.isnan(before))


def count_steps(panel: Panel, happened: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How many of the changes between neighbours lie in each window; `happened[i]` is the change from i to i+1."""
    upto = np.zeros((len(happened) + 1, *happened.shape[1:]), dtype=np.int64)
    np.cumsum(happened, axis=0, out=upto[1:])
    counts: NDArray[np.int64] = upto[panel.last()] - upto[panel.first()]
    return counts.astype(np.float64)
