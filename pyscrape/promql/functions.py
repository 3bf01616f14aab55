"""The functions of PromQL: one row each, from a call to its value over all steps.

A row is a callable (evaluator, call, grid) -> value. Most are made by a builder from a plain numpy function:
`elementwise` for functions of a value, `over_windows` for functions of a range, `dated` for dates.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from pyscrape.model.blocks import Values
from pyscrape.model.labels import METRIC_NAME
from pyscrape.model.matcher import Matcher, MatchType
from pyscrape.model.symbols import NAME
from pyscrape.promql import annotations, histograms, infos, labelling
from pyscrape.promql.annotations import blamed
from pyscrape.promql.ast import Call, Expr, MatrixSelector, SubqueryExpr, VectorSelector, bare
from pyscrape.promql.dates import DATES
from pyscrape.promql.errors import QueryError
from pyscrape.promql.extended import ANCHORED, SMOOTHED, counted, growth
from pyscrape.promql.frames import columns, empty_frame, label_order, with_label
from pyscrape.promql.over_time import KERNELS, OF_RAGGED
from pyscrape.promql.panels import Mask, Panel
from pyscrape.promql.selectors import times_of_latest
from pyscrape.promql.values import Grid, Value, Vector

if TYPE_CHECKING:
    from pyscrape.promql.evaluator import Evaluator

Implementation = Callable[["Evaluator", Call, Grid], Value]

KEEPS_NAME = frozenset({"last_over_time", "first_over_time"})
"""Functions of a range that give back one of its samples."""

COUNTERS = frozenset({"rate", "increase"})
"""Functions that make sense of counters alone, and say so."""

COUNTER_TYPES = ("counter", "histogram")
COUNTER_SUFFIXES = ("_total", "_sum", "_count", "_bucket")


# --- builders


def elementwise(function: Callable[..., Values]) -> Implementation:
    """A function of a vector's values, and of scalars if the call has more arguments."""

    def implementation(ev: "Evaluator", call: Call, grid: Grid) -> Vector:
        vector = ev.vector(call.args[0], grid)
        scalars = [ev.scalar(arg, grid)[:, None] for arg in call.args[1:]]
        return vector.with_values(function(vector.values, *scalars)).drop_names(ev.delayed_names)

    return implementation


def of_scalars(function: Callable[..., Values]) -> Implementation:
    """A function of scalars alone."""

    def implementation(ev: "Evaluator", call: Call, grid: Grid) -> Values:
        return np.asarray(function(*(ev.scalar(arg, grid) for arg in call.args)), dtype=np.float64)

    return implementation


def of_grid(function: Callable[["Evaluator", Grid], Values | float]) -> Implementation:
    """A function of the query and the step alone."""

    def implementation(ev: "Evaluator", _call: Call, grid: Grid) -> Values:
        return np.broadcast_to(np.asarray(function(ev, grid), dtype=np.float64), grid.count)

    return implementation


def dated(function: Callable[[Values], "np.ndarray[tuple[int, ...], np.dtype[np.int64]]"]) -> Implementation:
    """A part of a date: of the vector's values, or of the evaluation time without an argument."""

    def implementation(ev: "Evaluator", call: Call, grid: Grid) -> Vector:
        if not call.args:
            return _unlabelled(ev, function(grid.times_ms / 1000.0).astype(np.float64))
        vector = ev.vector(call.args[0], grid)
        parts = np.where(np.isnan(vector.values), np.nan, function(vector.values))
        return vector.with_values(parts).drop_names(ev.delayed_names)

    return implementation


def over_windows(name: str) -> Implementation:
    """A function of each window of a range vector, and of scalars."""
    kernel, of_ragged = KERNELS[name], OF_RAGGED.get(name)

    def implementation(ev: "Evaluator", call: Call, grid: Grid) -> Vector:
        arg, node = _range_argument(call)
        scalars = [ev.scalar(other, grid)[:, None] for other in call.args if other is not arg]
        if isinstance(node, MatrixSelector) and (node.selector.anchored or node.selector.smoothed):
            vector = _over_extended(ev, name, node, grid)
        else:
            ranges = ev.ranges(node, grid)
            vector = ev.assemble(
                ranges.frame,
                ranges.panels,
                grid.count,
                lambda panel: kernel(panel, ranges.spans, *scalars),
                of_ragged=of_ragged and (lambda panel: of_ragged(panel, ranges.spans)),
            )
        vector = vector.without_empty()
        if name == "quantile_over_time" and len(vector.frame):
            histograms.doubt_quantiles(ev, blamed(call, call.args[0]), scalars[0][:, 0])
        if name in COUNTERS:
            _doubt_counters(ev, call, vector)
        if name in KEEPS_NAME:
            return vector
        return vector.drop_names(ev.delayed_names)

    return implementation


def _over_extended(ev: "Evaluator", name: str, node: MatrixSelector, grid: Grid) -> Vector:
    """A function of an anchored or smoothed range; QueryError where the function has no meaning on one."""
    word, allowed = ("anchored", ANCHORED) if node.selector.anchored else ("smoothed", SMOOTHED)
    if name not in allowed:
        raise QueryError(f"{word} modifier can only be used with: {', '.join(allowed)} - not with {name}")
    frame, windows, spans = ev.extended(node, grid)
    by_panel = {id(extended.wide): extended for extended in windows}

    def kernel(panel: Panel) -> tuple[Values, Mask]:
        if name in ("changes", "resets"):
            return counted(by_panel[id(panel)], name)
        return growth(by_panel[id(panel)], spans, counter=name != "delta", per_second=name == "rate")

    return ev.assemble(frame, [extended.wide for extended in windows], grid.count, kernel, whole=True)


def _range_argument(call: Call) -> tuple[Expr, MatrixSelector | SubqueryExpr]:
    """The argument that is a range vector: as it stands in the call, and without parentheses."""
    for arg in call.args:
        inner = bare(arg)
        if isinstance(inner, MatrixSelector | SubqueryExpr):
            return arg, inner
    raise AssertionError(f"the parser let {call.function.name} through without a range vector")


def _doubt_counters(ev: "Evaluator", call: Call, vector: Vector) -> None:
    """An info per metric whose name (or type label, where there is one) does not say that it is a counter."""
    text = ev.symbols.text
    arg = blamed(call, call.args[0])
    kinds = columns(vector.frame, (NAME, ev.symbols.code("__type__")))
    distinct = kinds[:1] if (kinds == kinds[:1]).all() else np.unique(kinds, axis=0)
    for name_code, type_code in distinct.tolist():
        name, kind = text(name_code), text(type_code)
        if not name:
            continue
        if kind and kind not in COUNTER_TYPES:
            ev.notes.info(arg, annotations.not_counter_type(kind, name))
        if not kind and not name.endswith(COUNTER_SUFFIXES):
            ev.notes.info(arg, annotations.not_counter_name(name))


def _unlabelled(ev: "Evaluator", values: Values, present: Mask | None = None) -> Vector:
    """One series without labels."""
    return Vector(empty_frame(ev.symbols, 1), values[:, None], None if present is None else present[:, None])


# --- values


def _round(values: Values, nearest: Values | float = 1.0) -> Values:
    inverse = 1.0 / nearest  # fewer inaccuracies than dividing by `nearest`, and what Prometheus does
    return np.floor(values * inverse + 0.5) / inverse


def go_max(a: Values, b: Values) -> Values:
    """The greater of two; +Inf beats even NaN, as in Go."""
    return np.where(np.isposinf(a) | np.isposinf(b), np.inf, np.maximum(a, b))


def go_min(a: Values, b: Values) -> Values:
    """The smaller of two; -Inf beats even NaN, as in Go."""
    return np.where(np.isneginf(a) | np.isneginf(b), -np.inf, np.minimum(a, b))


def _clamp(ev: "Evaluator", call: Call, grid: Grid) -> Vector:
    vector = ev.vector(call.args[0], grid)
    low, high = (ev.scalar(arg, grid)[:, None] for arg in call.args[1:])
    values = go_max(low, go_min(high, vector.values))
    sensible = np.broadcast_to(~(high < low), values.shape)
    narrowed = vector.with_values(values, None if sensible.all() else sensible)
    return narrowed.without_empty().drop_names(ev.delayed_names)


def _timestamp(ev: "Evaluator", call: Call, grid: Grid) -> Vector:
    """The time of each sample for a selector, the evaluation time for anything that was computed."""
    inner = bare(call.args[0])
    if isinstance(inner, VectorSelector):
        return ev.looked_up(inner, grid, times_of_latest).drop_names(ev.delayed_names)
    vector = ev.vector(inner, grid)
    times = np.broadcast_to(grid.times_ms[:, None] / 1000.0, vector.values.shape)
    return vector.with_values(times).drop_names(ev.delayed_names)


def _start_timestamp(ev: "Evaluator", call: Call, grid: Grid) -> Vector:
    """Nothing: the store keeps no start timestamps, which is what Prometheus answers without its feature flag."""
    vector = ev.vector(call.args[0], grid)
    return vector.take(np.zeros(len(vector.frame), dtype=np.bool_))


# --- types


def _scalar(ev: "Evaluator", call: Call, grid: Grid) -> Values:
    vector = ev.vector(call.args[0], grid)
    mask = vector.mask()
    alone = mask.sum(axis=1) == 1
    only = np.argmax(mask, axis=1) if mask.shape[1] else np.zeros(grid.count, dtype=np.int64)
    values = np.full(grid.count, np.nan)
    values[alone] = vector.values[alone, only[alone]]
    return values


def _vector(ev: "Evaluator", call: Call, grid: Grid) -> Vector:
    return _unlabelled(ev, ev.scalar(call.args[0], grid))


def _absent(ev: "Evaluator", call: Call, grid: Grid) -> Vector:
    vector = ev.vector(call.args[0], grid)
    return _absence(ev, call.args[0], ~np.logical_or.reduce(vector.mask(), axis=1))


def _absent_over_time(ev: "Evaluator", call: Call, grid: Grid) -> Vector:
    arg, node = _range_argument(call)
    ranges = ev.ranges(node, grid)
    seen = np.zeros(grid.count, dtype=np.bool_)
    for panel in ranges.panels:
        seen |= panel.sample_count() > 0
    return _absence(ev, arg, ~seen)


def _absence(ev: "Evaluator", arg: Expr, absent: Mask) -> Vector:
    """1 where there is nothing, labelled by what the selector says about itself."""
    vector = _unlabelled(ev, np.ones(len(absent)), absent)
    frame = vector.frame
    for name, value in _labels_of_absence(bare(arg)).items():
        frame = with_label(frame, ev.symbols.code(name), np.array([ev.symbols.code(value)]))
    return Vector(frame, vector.values, vector.present).without_empty()


def _labels_of_absence(node: Expr) -> dict[str, str]:
    """Labels that an `=` matcher pins, unless a later matcher speaks of the same label.

    Later, as Prometheus' storage sorts them: negations that match the empty value, too, come last.
    """
    selector = node.selector if isinstance(node, MatrixSelector) else node
    if not isinstance(selector, VectorSelector):
        return {}
    labels: dict[str, str] = {}
    spoken: set[str] = set()
    for matcher in sorted(selector.matchers, key=_excludes):
        if matcher.name == METRIC_NAME:
            continue
        if matcher.type is MatchType.EQ and matcher.name not in spoken:
            labels[matcher.name] = matcher.value
            spoken.add(matcher.name)
        else:
            labels.pop(matcher.name, None)
    return labels


def _excludes(matcher: Matcher) -> bool:
    return matcher.type.negative and matcher.matches_empty


def _sort(descending: bool) -> Implementation:
    def implementation(ev: "Evaluator", call: Call, grid: Grid) -> Vector:
        vector = ev.vector(call.args[0], grid)
        if grid.count > 1 or ev.scope.range_ms > 0:
            ev.notes.warn(call, annotations.SORT_IN_RANGE)
            return vector
        keys = -vector.values[0] if descending else vector.values[0]
        return vector.take(np.argsort(keys, kind="stable"))  # numpy, too, puts NaN last

    return implementation


def _sort_by_label(descending: bool) -> Implementation:
    def implementation(ev: "Evaluator", call: Call, grid: Grid) -> Vector:
        vector = ev.vector(call.args[0], grid)
        if grid.count > 1 or ev.scope.range_ms > 0:
            ev.notes.warn(call, annotations.SORT_IN_RANGE)
            return vector
        names = [ev.symbols.code(ev.string(arg)) for arg in call.args[1:]]
        order = labelling.natural_order(vector.frame, names, label_order(vector.frame))
        return vector.take(order[::-1] if descending else order)

    return implementation


IMPLEMENTATIONS: dict[str, Implementation] = {
    **{name: over_windows(name) for name in KERNELS},
    **{name: dated(function) for name, function in DATES.items()},
    "abs": elementwise(np.abs),
    "ceil": elementwise(np.ceil),
    "floor": elementwise(np.floor),
    "exp": elementwise(np.exp),
    "ln": elementwise(np.log),
    "log2": elementwise(np.log2),
    "log10": elementwise(np.log10),
    "sqrt": elementwise(np.sqrt),
    "sgn": elementwise(np.sign),
    "round": elementwise(_round),
    "clamp": _clamp,
    "clamp_min": elementwise(go_max),
    "clamp_max": elementwise(go_min),
    "deg": elementwise(lambda values: values * 180 / np.pi),
    "rad": elementwise(lambda values: values * np.pi / 180),
    "sin": elementwise(np.sin),
    "cos": elementwise(np.cos),
    "tan": elementwise(np.tan),
    "asin": elementwise(np.arcsin),
    "acos": elementwise(np.arccos),
    "atan": elementwise(np.arctan),
    "sinh": elementwise(np.sinh),
    "cosh": elementwise(np.cosh),
    "tanh": elementwise(np.tanh),
    "asinh": elementwise(np.arcsinh),
    "acosh": elementwise(np.arccosh),
    "atanh": elementwise(np.arctanh),
    "pi": of_grid(lambda _ev, _grid: np.pi),
    "time": of_grid(lambda _ev, grid: grid.times_ms / 1000.0),
    "start": of_grid(lambda ev, _grid: ev.scope.grid.start_ms / 1000.0),
    "end": of_grid(lambda ev, _grid: ev.scope.end_ms / 1000.0),
    "step": of_grid(lambda ev, _grid: ev.scope.step_ms / 1000.0),
    "range": of_grid(lambda ev, _grid: ev.scope.range_ms / 1000.0),
    "max_of": of_scalars(go_max),
    "min_of": of_scalars(go_min),
    "timestamp": _timestamp,
    "start_timestamp": _start_timestamp,
    "scalar": _scalar,
    "vector": _vector,
    "absent": _absent,
    "absent_over_time": _absent_over_time,
    "sort": _sort(descending=False),
    "sort_desc": _sort(descending=True),
    "sort_by_label": _sort_by_label(descending=False),
    "sort_by_label_desc": _sort_by_label(descending=True),
    "label_replace": labelling.label_replace,
    "label_join": labelling.label_join,
    "info": infos.info,
    "histogram_quantile": histograms.quantile,
    "histogram_quantiles": histograms.quantiles,
    "histogram_fraction": histograms.fraction,
    **{f"histogram_{part}": histograms.of_native for part in ("count", "sum", "avg", "stddev", "stdvar")},
}
"""Every function of `signatures.FUNCTIONS`; a test holds the two tables together."""
