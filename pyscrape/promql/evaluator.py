"""The evaluator: every expression over all steps at once, one short method per kind of node.

It owns what the whole query shares: what was read from the store, values of repeated parts, limits, annotations,
statistics. Functions, aggregations and operators live in modules of their own and are handed this object.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple, cast

import numpy as np

from pyscrape.model.blocks import LabelFrame, Newest, Selection, Times, Values
from pyscrape.model.symbols import LocalSymbols, Symbols, SymbolTable
from pyscrape.promql import aggregations, binary, functions
from pyscrape.promql.annotations import Annotations
from pyscrape.promql.ast import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    MatrixSelector,
    NumberLiteral,
    StringLiteral,
    SubqueryExpr,
    UnaryExpr,
    VectorSelector,
    bare,
)
from pyscrape.promql.extended import Extended, boundary_values, smoothed_at
from pyscrape.promql.frames import column, empty_frame
from pyscrape.promql.limits import Limits
from pyscrape.promql.panels import (
    Mask,
    Panel,
    newest_panels,
    panels_of_steps,
    total_samples,
    whole_panels,
)
from pyscrape.promql.plan import Matchers, Plan, Read, reads
from pyscrape.promql.ragged import RaggedPanel, all_panels
from pyscrape.promql.rate import Spans
from pyscrape.promql.selectors import latest, of_newest
from pyscrape.promql.stats import QueryStats
from pyscrape.promql.storage import Storage
from pyscrape.promql.values import Grid, Ranges, Value, Vector
from pyscrape.promql.windows import Look, Scope, instant_look, range_look, same_at_every_step, subquery_grid

PanelKernel = Callable[[Panel], tuple[Values, Mask]]
RaggedKernel = Callable[[RaggedPanel], tuple[Values, Mask]]


class _Had(NamedTuple):
    """What was read for a selector in a span of time; `newest`: its newest samples alone."""

    read: Read
    selection: Selection
    newest: Newest | None


class Evaluator:
    """One run of one query; not to be used twice."""

    def __init__(
        self,
        plan: Plan,
        query: str,
        scope: Scope,
        storage: Storage,
        limits: Limits,
        stats: QueryStats,
        *,
        delayed_names: bool = False,
    ) -> None:
        self.expr = plan.expr
        self.scope: Scope = scope
        self.limits = limits
        self.notes = Annotations(query)
        self.stats = stats
        self.delayed_names = delayed_names
        self.symbols: SymbolTable = Symbols()
        self._storage = storage
        self._plan = plan
        # Time of what was computed within the current computation, wherever it stands in the tree.
        self._inner_s = 0.0
        self._values: dict[tuple[Expr, Grid], tuple[Value, Expr]] = {}
        self._had: dict[Matchers, list[_Had]] = {}

    def run(self) -> Value | Ranges:
        """The value of the whole expression, Ranges for a range vector; raises QueryError."""
        begin = time.perf_counter()
        self.read()
        self.stats.read_s = time.perf_counter() - begin
        grid = self.scope.grid
        expr = bare(self.expr)
        if isinstance(expr, MatrixSelector) and (expr.selector.anchored or expr.selector.smoothed):
            return self._extended_samples(expr, grid)
        if isinstance(expr, MatrixSelector | SubqueryExpr):
            return self.ranges(expr, grid)
        return self.value(expr, grid)

    def read(self) -> None:
        """Ask the store for everything that the query needs, each span of each distinct selector once."""
        for matchers, spans in reads(self._plan, self.scope).items():
            for read in spans:
                self.limits.check()
                had = self._read(matchers, read)
                self._had.setdefault(matchers, []).append(had)

    def _read(self, matchers: Matchers, read: Read) -> "_Had":
        if read.newest:
            newest = self._storage.newest(matchers, read.start_ms, read.end_ms)
            self.limits.hold(len(newest.values))
            return _Had(read, Selection(self._read_frame(newest.frame), ()), newest)
        selection = self._storage.select(
            matchers, read.start_ms, read.end_ms, self.limits.room(), ragged=True
        )
        self.limits.hold(total_samples(selection))
        return _Had(read, replace(selection, frame=self._read_frame(selection.frame)), None)

    def _read_frame(self, frame: LabelFrame) -> LabelFrame:
        """Labels that were read, on the symbols of this query."""
        self.stats.series_read += len(frame)
        if not self._had:
            self.symbols = LocalSymbols(frame.symbols)
        return LabelFrame(frame.names, frame.codes, self.symbols)

    def value(self, expr: Expr, grid: Grid) -> Value:
        """The value of a scalar, string or instant vector expression at every step of `grid`."""
        expr = bare(expr)
        if self._plan.pinned and grid.count > 1 and same_at_every_step(expr):
            return _at_all_steps(self.value(expr, grid.first), grid.count)
        if not self._plan.shares:
            return self._compute(expr, grid)
        narrowing = self._plan.narrowed.get(expr)
        if narrowing is not None and grid in (self.scope.grid, self.scope.grid.first):
            wide = self.vector(narrowing.wide, grid)
            begin = time.perf_counter()
            chosen = self._chosen_from(wide, narrowing.extra)
            if len(chosen.frame):
                self.notes.again(narrowing.wide, expr)
            seconds = time.perf_counter() - begin
            self._inner_s += seconds
            self._note(expr, grid, chosen, seconds, seconds)
            return chosen
        if expr not in self._plan.repeated:
            return self._compute(expr, grid)
        known = self._values.get((expr, grid))
        if known is not None:
            self.notes.again(known[1], expr)
            return known[0]
        value = self._compute(expr, grid)
        self._values[expr, grid] = value, expr
        return value

    def _chosen_from(self, wide: Vector, extra: Matchers) -> Vector:
        """The series that further matchers choose, each distinct value looked at once."""
        chosen = np.ones(len(wide.frame), dtype=np.bool_)
        for matcher in extra:
            codes, place = np.unique(column(wide.frame, self.symbols.code(matcher.name)), return_inverse=True)
            verdicts = [matcher.matches(self.symbols.text(code)) for code in codes.tolist()]
            chosen &= np.array(verdicts, dtype=np.bool_)[place.reshape(-1)]
        return wide.take(chosen).without_empty()

    def scalar(self, expr: Expr, grid: Grid) -> Values:
        """A scalar expression, [steps]."""
        return cast(Values, self.value(expr, grid))

    def vector(self, expr: Expr, grid: Grid) -> Vector:
        """An instant vector expression."""
        return cast(Vector, self.value(expr, grid))

    def string(self, expr: Expr) -> str:
        """A string literal's text."""
        return cast(StringLiteral, bare(expr)).value

    def _compute(self, expr: Expr, grid: Grid) -> Value:
        self.limits.check()
        begin, around_s = time.perf_counter(), self._inner_s
        self._inner_s = 0.0
        value = _EVALUATE[type(expr)](self, expr, grid)
        seconds = time.perf_counter() - begin
        self._note(expr, grid, value, seconds, seconds - self._inner_s)
        self._inner_s = around_s + seconds
        if isinstance(value, Vector):
            self.limits.room_for(value.values.size)
        return value

    def _note(self, expr: Expr, grid: Grid, value: Value, seconds: float, own_seconds: float) -> None:
        """Count a computation."""
        entry = self.stats.node(expr)
        if not isinstance(value, Vector):
            entry.add((grid.count, 1), seconds, own_seconds)
            return
        entry.add(value.values.shape, seconds, own_seconds)
        if self.stats.detailed:
            there = value.values.size if value.present is None else int(np.count_nonzero(value.present))
            entry.describe(value.frame, there)

    # --- selectors

    def _seen_by(self, matchers: Matchers, start_ms: int, end_ms: int) -> "_Had":
        """What the store has for a selector in (start_ms, end_ms], and maybe beyond."""
        return next(had for had in self._had[matchers] if had.read.serves(start_ms, end_ms))

    def looked_up(self, node: VectorSelector, grid: Grid, kernel: PanelKernel = latest) -> Vector:
        """An instant selector: `kernel` applied to the lookback windows, markers included."""
        had = self._had[node.matchers]
        if len(had) > 1 or had[0].newest is None:
            look = instant_look(node, grid, self.scope)
            had = [self._seen_by(node.matchers, look.first_ms, look.last_ms)]
        # else every selector with these matchers asks for the same
        _, selection, newest = had[0]
        if newest is not None and kernel is latest:
            self.limits.room_for(len(newest.values))
            fresh = of_newest(newest, selection.frame)
            self._saw(grid, len(fresh.frame))
            return fresh
        panels: Iterable[Panel | RaggedPanel] = (
            all_panels(selection, look.starts_ms, look.ends_ms, markers=True)
            if newest is None
            else newest_panels(newest)
        )
        of_ragged = latest if kernel is latest else None
        vector = self.assemble(selection.frame, panels, grid.count, kernel, of_ragged=of_ragged)
        self._saw(grid, vector.mask().sum(axis=1))
        return vector.without_empty()

    def ranges(self, node: MatrixSelector | SubqueryExpr, grid: Grid) -> Ranges:
        """A range vector: the windows of every step over the samples of the store or of a subquery."""
        look = range_look(node, grid, self.scope)
        spans = Spans(grid.times_ms, look.starts_ms, look.ends_ms, look.range_ms / 1000.0)
        if isinstance(node, SubqueryExpr):
            return self._subquery(node, look, spans, grid)
        selection = self._seen_by(node.selector.matchers, look.first_ms, look.last_ms).selection
        panels = all_panels(selection, look.starts_ms, look.ends_ms, markers=False)
        return Ranges(selection.frame, self._seen(panels, grid, node, selection.frame), spans)

    def _seen(
        self, panels: Iterable[Panel | RaggedPanel], grid: Grid, node: Expr, frame: LabelFrame
    ) -> Iterator[Panel | RaggedPanel]:
        """Panels as they come, their samples counted when it is the query's own steps that see them."""
        if self.stats.detailed:
            entry = self.stats.node(node)
            entry.add((grid.count, len(frame)), 0.0, 0.0)
            entry.describe(frame, 0)
        for panel in panels:
            seen = panel.sample_count()
            self._saw(grid, seen)
            if self.stats.detailed:
                entry.samples += int(seen.sum())
            yield panel

    def _saw(self, grid: Grid, samples: Times | int) -> None:
        """Count samples per step (a number: so many at each).

        What a subquery's own steps see is counted when the subquery's windows see it.
        """
        if grid == self.scope.grid:
            self.stats.saw(samples)
        elif grid == self.scope.grid.first:
            at_each = samples if isinstance(samples, int) else int(samples[0])
            self.stats.saw(at_each)

    def _subquery(self, node: SubqueryExpr, look: Look, spans: Spans, grid: Grid) -> Ranges:
        inner = subquery_grid(node, look, self.scope)
        if not inner.count:
            return Ranges(empty_frame(self.symbols), (), spans)
        value = self.value(node.expr, inner)
        if not isinstance(value, Vector):
            value = Vector(empty_frame(self.symbols, 1), cast(Values, value)[:, None])
        panels = panels_of_steps(inner.times_ms, value.values, value.present, look.starts_ms, look.ends_ms)
        return Ranges(value.frame, self._seen(panels, grid, node, value.frame), spans, value.unnamed)

    def assemble(
        self,
        frame: LabelFrame,
        panels: Iterable[Panel | RaggedPanel],
        steps: int,
        kernel: PanelKernel,
        *,
        of_ragged: RaggedKernel | None = None,
        whole: bool = False,
    ) -> Vector:
        """`kernel` over all panels as one vector; series without a panel are absent.

        Slice by slice, unless the kernel needs the panels as they are (`whole`). `of_ragged` is the kernel for ragged
        panels, which else are made flat.
        """
        size = steps * len(frame)
        self.limits.room_for(size)
        values = np.empty((steps, len(frame)))
        present = np.zeros((steps, len(frame)), dtype=np.bool_)
        for part in _parts(panels, ragged=of_ragged is not None, whole=whole):
            self.limits.check()
            if isinstance(part, Panel):
                got, there = kernel(part)
            else:
                assert of_ragged is not None
                got, there = of_ragged(part)
            where = _as_slice(part.series)
            values[:, where] = got
            present[:, where] = there
        return Vector(frame, values, None if present.all() else present)

    def _extended_samples(self, node: MatrixSelector, grid: Grid) -> Ranges:
        """An anchored or smoothed range as it is: its own samples between the values at its edges; one step."""
        frame, windows, spans = self.extended(node, grid)
        panels: list[Panel] = []
        for extended in windows:
            first, last, some = extended.edges(spans)
            left, right = boundary_values(extended, spans, first, last, counter=False)
            series = np.flatnonzero(np.broadcast_to(some, left.shape)[0]).tolist()
            panels.extend(_framed(extended, spans, k, (left[0, k], right[0, k])) for k in series)
        return Ranges(frame, tuple(panels), spans)

    # --- nodes without a module of their own

    def _number(self, node: NumberLiteral, grid: Grid) -> Value:
        return np.full(grid.count, node.value)

    def _text(self, node: StringLiteral, _grid: Grid) -> Value:
        return node.value

    def _selector(self, node: VectorSelector, grid: Grid) -> Value:
        return self._smoothed(node, grid) if node.smoothed else self.looked_up(node, grid)

    def _smoothed(self, node: VectorSelector, grid: Grid) -> Vector:
        look = instant_look(node, grid, self.scope)
        selection = self._seen_by(
            node.matchers, look.first_ms, look.last_ms + self.scope.lookback_ms
        ).selection
        at_ms = look.ends_ms
        ahead = at_ms + self.scope.lookback_ms
        blocks = selection.plain()
        wide = list(whole_panels(blocks, look.starts_ms, ahead))
        halves = whole_panels(blocks, look.starts_ms, at_ms - 1)
        from_now = {id(panel): half.hi for panel, half in zip(wide, halves, strict=True)}
        return self.assemble(
            selection.frame,
            wide,
            grid.count,
            lambda panel: smoothed_at(panel, from_now[id(panel)], at_ms),
            whole=True,
        ).without_empty()

    def extended(self, node: MatrixSelector, grid: Grid) -> tuple[LabelFrame, list[Extended], Spans]:
        """An anchored or smoothed range: the windows widened by the lookback."""
        look = range_look(node, grid, self.scope)
        spans = Spans(grid.times_ms, look.starts_ms, look.ends_ms, look.range_ms / 1000.0)
        back = look.starts_ms - self.scope.lookback_ms
        ahead = look.ends_ms + (self.scope.lookback_ms if node.selector.smoothed else 0)
        _, selection, _ = self._seen_by(node.selector.matchers, int(back[0]), int(ahead[-1]))
        blocks = selection.plain()
        wide = whole_panels(blocks, back, ahead)
        inner = whole_panels(blocks, look.starts_ms, look.ends_ms - 1)
        found = [
            Extended(panel, half.lo, half.hi, node.selector.smoothed)
            for panel, half in zip(wide, inner, strict=True)
        ]
        return selection.frame, found, spans

    def _call(self, node: Call, grid: Grid) -> Value:
        return functions.IMPLEMENTATIONS[node.function.name](self, node, grid)

    def _aggregate(self, node: AggregateExpr, grid: Grid) -> Value:
        return aggregations.aggregate(self, node, grid)

    def _binary(self, node: BinaryExpr, grid: Grid) -> Value:
        return binary.evaluate(self, node, grid)

    def _unary(self, node: UnaryExpr, grid: Grid) -> Value:
        value = self.value(node.expr, grid)
        if node.op == "+":
            return value
        if isinstance(value, Vector):
            return value.with_values(-value.values).drop_names(self.delayed_names, strict=True)
        return -cast(Values, value)


_EVALUATE: dict[type, Callable[..., Value]] = {
    NumberLiteral: Evaluator._number,
    StringLiteral: Evaluator._text,
    VectorSelector: Evaluator._selector,
    Call: Evaluator._call,
    AggregateExpr: Evaluator._aggregate,
    BinaryExpr: Evaluator._binary,
    UnaryExpr: Evaluator._unary,
}


def _framed(extended: Extended, spans: Spans, series: int, edges: tuple[float, float]) -> Panel:
    """One series of an extended range at one step: the samples strictly inside, and the two edges."""
    panel = extended.wide
    if panel.dense:
        lo, hi = int(extended.after_start[0]), int(extended.from_end[0])
        times, values = panel.times_ms[lo:hi], panel.values[lo:hi, series]
    else:
        lo, hi = int(extended.after_start[0, series]), int(extended.from_end[0, series])
        times, values = panel.times_ms[lo:hi], panel.values[lo:hi]
    times = np.concatenate([spans.starts_ms, times, spans.ends_ms])
    values = np.concatenate([[edges[0]], values, [edges[1]]])[:, None]
    return Panel(panel.series[series : series + 1], times, values, np.array([0]), np.array([len(times)]))


def _parts(
    panels: Iterable[Panel | RaggedPanel], *, ragged: bool, whole: bool
) -> Iterator[Panel | RaggedPanel]:
    """Panels as a kernel takes them: ragged ones or not, in slices or whole."""
    for panel in panels:
        if isinstance(panel, RaggedPanel) and not ragged:
            for flat in panel.panels():
                yield from (flat,) if whole else flat.slices()
        else:
            yield from (panel,) if whole else panel.slices()


def _at_all_steps(value: Value, steps: int) -> Value:
    """A value of one step, repeated without copying."""
    if isinstance(value, str):
        return value
    if not isinstance(value, Vector):
        return np.broadcast_to(value, steps)
    shape = (steps, value.values.shape[1])
    present = None if value.present is None else np.broadcast_to(value.present, shape)
    return Vector(value.frame, np.broadcast_to(value.values, shape), present, value.unnamed)


def _as_slice(
    rows: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
) -> slice | np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Consecutive row numbers as a slice, which numpy copies many times faster."""
    first, last = int(rows[0]), int(rows[-1])
    if last - first + 1 == len(rows) and (np.diff(rows) == 1).all():
        return slice(first, last + 1)
    return rows
