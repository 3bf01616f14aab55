"""Functions over the samples of each window: *_over_time, changes, resets, regression, smoothing.

Every kernel takes a panel, the spans of its windows and the function's scalar arguments (each [steps x 1]), and
gives [steps x series] values and a mask of where they exist. Kernels that need every sample of a window fetch the
j-th sample of all windows at once, j after j (`_each`), so that their order of operations is Prometheus'.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.blocks import Times, Values
from pyscrape.promql.errors import QueryError
from pyscrape.promql.exact import window_sums
from pyscrape.promql.panels import Mask, Panel
from pyscrape.promql.ragged import RaggedPanel
from pyscrape.promql.rate import Spans, changed, count_steps, extrapolated, fell, of_last_two
from pyscrape.promql.sums import settle, sum_first_axis, two_sum, window_extremes

Kernel = Callable[..., tuple[Values, Mask]]
Counts = NDArray[np.int64]

GATHER_CELLS = 1 << 18
"""Kernels that sort or scan whole windows gather at most about so many samples at a time."""


def _some(panel: Panel | RaggedPanel) -> Mask:
    """Where a window has any sample, in a shape that broadcasts over the panel's."""
    some: Mask = panel.spread(panel.counts > 0)
    return some


def _full(panel: Panel | RaggedPanel, per_window: Values) -> Values:
    """Numbers per window as a full [steps x series] matrix."""
    return np.broadcast_to(per_window, panel.shape).copy()


def _each(panel: Panel) -> Iterator[tuple[Values, Times, Mask]]:
    """For j = 0, 1, ...: the j-th sample of every window, its time in ms, and whether the window has one."""
    counts = panel.hi - panel.lo
    end = len(panel.values) - 1
    for number in range(int(counts.max(initial=0))):
        at = np.minimum(panel.lo + number, end)
        yield panel.values[at], panel.wide(panel.times_ms[at]), panel.wide(counts > number)


def sum_over_time(panel: Panel | RaggedPanel, _spans: Spans) -> tuple[Values, Mask]:
    return window_sums(panel), _some(panel)


def avg_over_time(panel: Panel | RaggedPanel, _spans: Spans) -> tuple[Values, Mask]:
    """The compensated sum over the count; where that overflows, the mean of the parts already divided."""
    counts = panel.spread(panel.counts)
    means = window_sums(panel)
    means /= counts
    broken = ~np.isfinite(means) & (counts > 0)
    if broken.any():
        flat = panel.flat() if isinstance(panel, RaggedPanel) else panel
        for step, series in zip(*np.nonzero(broken), strict=True):
            means[step, series] = mean_of(_window(flat, step, series))
    return means, _some(panel)


def _window(panel: Panel, step: int, series: int) -> Values:
    if panel.dense:
        return panel.values[panel.lo[step] : panel.hi[step], series]
    return panel.values[panel.lo[step, series] : panel.hi[step, series]]


def mean_of(samples: Values) -> float:
    """The mean of samples whose sum overflows or is not finite to begin with."""
    infinite = samples[~np.isfinite(samples)]
    if len(infinite):
        return float(infinite.sum())
    return float(sum_first_axis(samples / len(samples)))


def min_over_time(panel: Panel, _spans: Spans) -> tuple[Values, Mask]:
    return window_extremes(panel, np.fmin), _some(panel)


def max_over_time(panel: Panel, _spans: Spans) -> tuple[Values, Mask]:
    return window_extremes(panel, np.fmax), _some(panel)


def count_over_time(panel: Panel | RaggedPanel, _spans: Spans) -> tuple[Values, Mask]:
    return _full(panel, panel.spread(panel.counts.astype(np.float64))), _some(panel)


def present_over_time(panel: Panel | RaggedPanel, _spans: Spans) -> tuple[Values, Mask]:
    return np.ones(panel.shape), _some(panel)


def last_over_time(panel: Panel | RaggedPanel, _spans: Spans) -> tuple[Values, Mask]:
    return panel.at(panel.last()), _some(panel)


def first_over_time(panel: Panel | RaggedPanel, _spans: Spans) -> tuple[Values, Mask]:
    return panel.at(panel.first()), _some(panel)


def ts_of_last_over_time(panel: Panel, _spans: Spans) -> tuple[Values, Mask]:
    return _full(panel, panel.wide(panel.times_ms[panel.last()]) / 1000.0), _some(panel)


def ts_of_first_over_time(panel: Panel, _spans: Spans) -> tuple[Values, Mask]:
    return _full(panel, panel.wide(panel.times_ms[panel.first()]) / 1000.0), _some(panel)


def _time_of_extreme(panel: Panel, beats: Callable[[Values, Values], Mask]) -> tuple[Values, Mask]:
    """The time of the last sample that no other one beats; NaN gives way to any number."""
    best = panel.values[panel.first()]
    when = _full(panel, panel.wide(panel.times_ms[panel.first()]).astype(np.float64))
    for value, at_ms, inside in _each(panel):
        better = inside & (beats(value, best) | np.isnan(best))
        best = np.where(better, value, best)
        when = np.where(better, at_ms, when)
    return when / 1000.0, _some(panel)


def ts_of_max_over_time(panel: Panel, _spans: Spans) -> tuple[Values, Mask]:
    return _time_of_extreme(panel, np.greater_equal)


def ts_of_min_over_time(panel: Panel, _spans: Spans) -> tuple[Values, Mask]:
    return _time_of_extreme(panel, np.less_equal)


def stdvar_over_time(panel: Panel, _spans: Spans) -> tuple[Values, Mask]:
    """Population variance in two passes over the distances to the first sample, so that equal samples give 0."""
    counts = panel.counts
    origin = panel.values[panel.first()]
    mean = _total(panel, lambda value: value - origin) / counts
    return _total(panel, lambda value: (value - origin - mean) ** 2) / counts, _some(panel)


def _total(panel: Panel, of: Callable[[Values], Values]) -> Values:
    """Compensated sum of a function of every sample in each window."""
    total, lost = np.zeros(panel.shape), np.zeros(panel.shape)
    for value, _, inside in _each(panel):
        total, error = two_sum(total, np.where(inside, of(value), 0.0))
        lost += error
    return settle(total, lost)


def stddev_over_time(panel: Panel, spans: Spans) -> tuple[Values, Mask]:
    variance, some = stdvar_over_time(panel, spans)
    return np.sqrt(variance), some


def quantile_over_time(panel: Panel, _spans: Spans, q: Values) -> tuple[Values, Mask]:
    """`q`: [steps x 1]."""
    result = np.empty(panel.shape)
    for steps, samples, counts in _sorted_windows(panel):
        result[steps] = outside_quantiles(quantile_of_sorted(samples, counts, q[steps]), q[steps])
    return result, _some(panel)


def mad_over_time(panel: Panel, _spans: Spans) -> tuple[Values, Mask]:
    """The median distance to the median; NaN when any sample is NaN."""
    result = np.empty(panel.shape)
    half = np.full((1, 1), 0.5)
    for steps, samples, counts in _sorted_windows(panel):
        broken = np.isnan(samples[0])  # NaNs stand first
        distance = np.abs(samples - quantile_of_sorted(samples, counts, half))
        outside = np.arange(len(samples))[:, None, None] >= counts
        distance[np.isnan(distance)] = -1.0  # infinitely far from an infinite median: first, as NaNs sort
        distance = np.sort(np.where(outside, np.inf, distance), axis=0)
        distance[distance < 0] = np.nan
        median = quantile_of_sorted(distance, counts, half)
        result[steps] = np.where(broken, np.nan, median)
    return result, _some(panel)


def _sorted_windows(panel: Panel) -> Iterator[tuple[slice, Values, Counts]]:
    """Runs of steps: their windows sorted along axis 0 [longest x steps x series], and how many samples are real.

    NaN stands first, as Prometheus sorts it; the places past a window's samples come last, as +Inf.
    """
    counts = panel.hi - panel.lo
    longest = max(1, int(counts.max(initial=0)))
    steps, series = panel.shape
    stride = max(1, GATHER_CELLS // (longest * series))
    for start in range(0, steps, stride):
        part = slice(start, start + stride)
        lo, count = panel.lo[part], counts[part]
        number = np.arange(longest).reshape(-1, *[1] * lo.ndim)
        samples = -panel.values[np.minimum(lo + number, len(panel.values) - 1)]
        outside = number >= count
        samples[outside] = -np.inf
        samples.sort(axis=0)  # of the negated: NaN last; turned round, NaN first
        yield part, -samples[::-1], panel.wide(count)


def quantile_of_sorted(samples: Values, counts: Counts, q: Values) -> Values:
    """Linear interpolation at rank q * (n - 1) of `samples`, sorted along axis 0 with NaN first.

    `counts`: how many of axis 0 are real, [steps x series] or [steps x 1]; `q`: [steps x 1]. What is outside 0..1
    gives a number without meaning (`outside_quantiles` replaces it).
    """
    rank = np.nan_to_num(np.clip(q, 0, 1)) * np.maximum(counts - 1, 0)
    lower = np.floor(rank)
    upper = np.minimum(lower + 1, np.maximum(counts - 1, 0))
    weight = rank - lower
    return _pick(samples, lower) * (1 - weight) + _pick(samples, upper) * weight


def _pick(samples: Values, position: Values) -> Values:
    where = np.broadcast_to(position.astype(np.int64), samples.shape[1:])
    picked: Values = np.take_along_axis(samples, where[None], axis=0)[0]
    return picked


def outside_quantiles(result: Values, q: Values) -> Values:
    """-Inf below 0, +Inf above 1, NaN at NaN, as every quantile of Prometheus."""
    result = np.where(q < 0, -np.inf, np.where(q > 1, np.inf, result))
    return np.where(np.isnan(q), np.nan, result)


def _regression(panel: Panel, zero_ms: Times) -> tuple[Values, Values]:
    """Least squares through each window: slope per second, and the value at `zero_ms` (broadcastable)."""
    sums = [(np.zeros(panel.shape), np.zeros(panel.shape)) for _ in range(4)]
    constant = np.ones(panel.shape, dtype=np.bool_)
    first = panel.values[panel.first()]
    for y, at_ms, inside in _each(panel):
        x = (at_ms - zero_ms) / 1000.0
        constant &= (y == first) | ~inside
        for k, term in enumerate((x, y, x * y, x * x)):
            total, error = two_sum(sums[k][0], np.where(inside, term, 0.0))
            sums[k] = total, sums[k][1] + error
    x_sum, y_sum, xy_sum, xx_sum = (settle(total, lost) for total, lost in sums)
    counts = panel.counts
    slope = (xy_sum - x_sum * y_sum / counts) / (xx_sum - x_sum * x_sum / counts)
    intercept = y_sum / counts - slope * x_sum / counts
    flat = np.where(np.isinf(first), np.nan, 0.0)
    return np.where(constant, flat, slope), np.where(constant, first + flat, intercept)


def deriv(panel: Panel, _spans: Spans) -> tuple[Values, Mask]:
    slope, _ = _regression(panel, panel.wide(panel.times_ms[panel.first()]))
    return slope, panel.counts >= 2


def predict_linear(panel: Panel, spans: Spans, ahead_s: Values) -> tuple[Values, Mask]:
    """`ahead_s`: [steps x 1]."""
    slope, now = _regression(panel, spans.at_ms[:, None])
    return slope * ahead_s + now, panel.counts >= 2


def double_exponential_smoothing(
    panel: Panel, _spans: Spans, smoothing: Values, trend: Values
) -> tuple[Values, Mask]:
    """`smoothing`, `trend`: [steps x 1], each within 0..1; QueryError where they are not."""
    some = panel.counts > 0
    for name, factor in (("smoothing", smoothing), ("trend", trend)):
        for bad in factor[~((factor > 0) & (factor < 1)) & some.any(axis=1, keepdims=True)].tolist():
            raise QueryError(f"invalid {name} factor. Expected: 0 < {name[0]}f < 1, got: {bad:f}")
    second = panel.values[np.minimum(panel.lo + 1, len(panel.values) - 1)]
    level = panel.values[panel.first()]
    before = np.zeros(panel.shape)
    slope = second - level
    for number, (value, _, inside) in enumerate(_each(panel)):
        if number == 0:
            continue
        if number > 1:
            slope = np.where(inside, trend * (level - before) + (1 - trend) * slope, slope)
        smoothed = smoothing * value + (1 - smoothing) * (level + slope)
        before, level = np.where(inside, level, before), np.where(inside, smoothed, level)
    return level, panel.counts >= 2


def changes(panel: Panel, _spans: Spans) -> tuple[Values, Mask]:
    return count_steps(panel, changed(panel.values)), _some(panel)


def resets(panel: Panel, _spans: Spans) -> tuple[Values, Mask]:
    return count_steps(panel, fell(panel.values)), _some(panel)


def rate(panel: Panel | RaggedPanel, spans: Spans) -> tuple[Values, Mask]:
    return extrapolated(panel, spans, counter=True, per_second=True)


def increase(panel: Panel | RaggedPanel, spans: Spans) -> tuple[Values, Mask]:
    return extrapolated(panel, spans, counter=True, per_second=False)


def delta(panel: Panel | RaggedPanel, spans: Spans) -> tuple[Values, Mask]:
    return extrapolated(panel, spans, counter=False, per_second=False)


def irate(panel: Panel, _spans: Spans) -> tuple[Values, Mask]:
    return of_last_two(panel, counter=True, per_second=True)


def idelta(panel: Panel, _spans: Spans) -> tuple[Values, Mask]:
    return of_last_two(panel, counter=False, per_second=False)


KERNELS: dict[str, Kernel] = {
    kernel.__name__: kernel
    for kernel in (
        *(rate, increase, delta, irate, idelta, deriv, predict_linear, changes, resets),
        *(sum_over_time, avg_over_time, min_over_time, max_over_time, count_over_time, present_over_time),
        *(
            last_over_time,
            first_over_time,
            stddev_over_time,
            stdvar_over_time,
            quantile_over_time,
            mad_over_time,
        ),
        *(ts_of_first_over_time, ts_of_last_over_time, ts_of_min_over_time, ts_of_max_over_time),
        double_exponential_smoothing,
    )
}
"""The kernel of every function of a range vector, by the function's name."""

OF_RAGGED: Mapping[str, Kernel] = {
    kernel.__name__: kernel
    for kernel in (
        *(rate, increase, delta, last_over_time, first_over_time),
        *(sum_over_time, avg_over_time, count_over_time, present_over_time),
    )
}
"""Those that take ragged panels as they are."""
