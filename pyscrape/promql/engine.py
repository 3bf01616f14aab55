"""The engine: a query's text in, its answer out. Safe to share between threads; every query has a state of its own."""

import math
import time
from collections.abc import Callable
from threading import Lock

import numpy as np

from pyscrape.model.blocks import LabelFrame
from pyscrape.model.regex import RegexTimeout
from pyscrape.model.symbols import LocalSymbols
from pyscrape.promql.aggregations import FOLDS, folded
from pyscrape.promql.ast import AggregateExpr, Expr, VectorSelector
from pyscrape.promql.errors import QueryError, SpanError
from pyscrape.promql.evaluator import Evaluator
from pyscrape.promql.explain import render
from pyscrape.promql.frames import empty_frame, label_order, take
from pyscrape.promql.limits import Limits
from pyscrape.promql.parser import parse_expr
from pyscrape.promql.plan import Plan, is_plain
from pyscrape.promql.ragged import flat_panels
from pyscrape.promql.result import Result, ResultType, SeriesSamples
from pyscrape.promql.selectors import of_newest
from pyscrape.promql.signatures import ValueType
from pyscrape.promql.stats import QueryStats
from pyscrape.promql.storage import Storage
from pyscrape.promql.values import SAME_LABELSET, Grid, Ranges, Value, Vector
from pyscrape.promql.windows import Scope

MAX_STEPS = 11_000
"""Points per series that the API allows; the engine itself has no such limit."""

KEPT_TREES = 256
KEPT_LENGTH = 4_096
"""Parsed queries that an engine keeps: so many, none of them longer."""


class Engine:
    """Answers PromQL over a store.

    `experimental` allows experimental functions, and is what the other experiments are where they are not given:
    `extended_ranges` (anchored, smoothed), `fill_modifiers` (fill, fill_left, fill_right) and `delayed_names` (metric
    names are removed at the end of a query rather than operator by operator). `lookback_ms` is how old a sample may be
    to count as current, `subquery_step_ms` the step of `[1h:]`. A query that would hold more than `max_samples` in
    memory, or run longer than `timeout_s`, fails with a QueryError.
    """

    def __init__(
        self,
        store: Storage,
        *,
        experimental: bool = False,
        lookback_ms: int = 300_000,
        max_samples: int = 50_000_000,
        timeout_s: float | None = 120.0,
        subquery_step_ms: int = 60_000,
        delayed_names: bool | None = None,
        extended_ranges: bool | None = None,
        fill_modifiers: bool | None = None,
    ) -> None:
        self._store = store
        self._lookback_ms = lookback_ms
        self._subquery_step_ms = subquery_step_ms
        self._delayed_names = experimental if delayed_names is None else delayed_names
        self._max_samples = max_samples
        self._timeout_s = timeout_s
        self._lock = Lock()
        self._plans: dict[str, Plan] = {}
        self._of_tree: dict[int, tuple[str, Plan]] = {}
        self._syntax = {
            "experimental": experimental,
            "extended_ranges": experimental if extended_ranges is None else extended_ranges,
            "fill": experimental if fill_modifiers is None else fill_modifiers,
        }

    def parse(self, query: str) -> Expr:
        """The query's tree by this engine's options; raises QueryParseError.

        Dashboards ask the same again and again: trees of late are kept, with their plans and the text that annotations
        need.
        """
        plan = self._plans.get(query)
        if plan is None:
            plan = Plan.of(parse_expr(query, **self._syntax))
            if len(query) <= KEPT_LENGTH:
                self._keep(query, plan)
        return plan.expr

    def _keep(self, query: str, plan: Plan) -> None:
        with self._lock:
            if query in self._plans:  # another thread was quicker; what this one made is used once
                return
            while len(self._plans) >= KEPT_TREES:
                oldest = next(iter(self._plans))
                self._of_tree.pop(id(self._plans.pop(oldest).expr), None)
            self._plans[query] = plan
            self._of_tree[id(plan.expr)] = (query, plan)

    def instant(
        self,
        query: str | Expr,
        at: float,
        *,
        timeout_s: float | None = None,
        max_samples: int | None = None,
        lookback_ms: int | None = None,
        cancelled: Callable[[], bool] | None = None,
        text: str = "",
        detailed: bool = False,
    ) -> Result:
        """The value at `at`, in seconds since 1970.

        A query may be given as a tree; its `text`, if known, lets annotations tell places. `timeout_s` and
        `max_samples` may be less than the engine's, not more. `detailed` counts the samples and labels of every part
        of the query, for `explain.plan_of`. `cancelled` is asked now and then; when it says True, the query ends.

        Raises:
            QueryParseError: the text is no query.
            QueryError: it cannot be answered, or would take more time or memory than it may.

        >>> from pyscrape.store import Store
        >>> Engine(Store()).instant("1 + 1", at=60.0).to_prometheus()
        {'resultType': 'scalar', 'result': [60, '2']}
        """
        at_ms = _milliseconds(at)
        scope = self._scope(Grid(at_ms, 1, 1), at_ms, 0, lookback_ms)
        limits = self._limits(max_samples, timeout_s, cancelled)
        return self._run(query, text, scope, limits, ranged=False, detailed=detailed)

    def range(
        self,
        query: str | Expr,
        start: float,
        end: float,
        step: float,
        *,
        timeout_s: float | None = None,
        max_samples: int | None = None,
        lookback_ms: int | None = None,
        cancelled: Callable[[], bool] | None = None,
        text: str = "",
        detailed: bool = False,
    ) -> Result:
        """The values at start, start + step, ... up to `end`; all in seconds. The rest, errors too, as of `instant`."""
        start_ms, end_ms, step_ms = _milliseconds(start), _milliseconds(end), _milliseconds(step)
        if end_ms < start_ms:
            raise QueryError("end timestamp must not be before start time")
        if step_ms <= 0:
            raise QueryError(
                "zero or negative query resolution step widths are not accepted. Try a positive integer"
            )
        grid = Grid(start_ms, step_ms, (end_ms - start_ms) // step_ms + 1)
        scope = self._scope(grid, end_ms, step_ms, lookback_ms)
        limits = self._limits(max_samples, timeout_s, cancelled)
        return self._run(query, text, scope, limits, ranged=True, detailed=detailed)

    def explain(self, query: str, start: float, end: float | None = None, step: float | None = None) -> str:
        """Run a query, instant (`start` alone) or ranged, and tell where the time went: a line per expression."""
        expr = self.parse(query)
        if end is None or step is None:
            result = self.instant(expr, start, text=query, detailed=True)
        else:
            result = self.range(expr, start, end, step, text=query, detailed=True)
        return render(expr, result.stats, query)

    def _scope(self, grid: Grid, end_ms: int, step_ms: int, lookback_ms: int | None) -> Scope:
        lookback = self._lookback_ms if lookback_ms is None else lookback_ms
        return Scope(grid, end_ms, step_ms, lookback, self._subquery_step_ms)

    def _run(
        self,
        query: str | Expr,
        text: str,
        scope: Scope,
        limits: Limits,
        *,
        ranged: bool,
        detailed: bool,
    ) -> Result:
        begin = time.perf_counter()
        expr = self.parse(query) if isinstance(query, str) else query
        known_text, plan = self._of_tree.get(id(expr)) or ("", Plan.of(expr))
        text = query if isinstance(query, str) else text or known_text
        if ranged and expr.type not in (ValueType.SCALAR, ValueType.VECTOR):
            raise QueryError(
                f'invalid expression type "{expr.type.documented}" for range query, must be Scalar or instant Vector'
            )
        grid = scope.grid
        stats = QueryStats(detailed=detailed, steps=grid.count, per_step=np.zeros(grid.count, dtype=np.int64))
        selector = None if ranged or detailed else _of_newest_alone(expr)
        stats.prepare_s = time.perf_counter() - begin
        begin = time.perf_counter()
        try:
            with np.errstate(all="ignore"):
                if selector is not None:
                    return self._newest(expr, selector, scope, limits, stats)
                evaluator = Evaluator(
                    plan, text, scope, self._store, limits, stats, delayed_names=self._delayed_names
                )
                value = evaluator.run()
                evaluated = time.perf_counter()
                result = _result(evaluator, value, grid, ranged=ranged)
                stats.eval_s, stats.sort_s = evaluated - begin, time.perf_counter() - evaluated
        except (QueryError, RegexTimeout) as error:
            stats.eval_s, stats.peak_samples = time.perf_counter() - begin, limits.peak
            told = _told(error, text)
            told.stats = stats
            raise told from (None if told is error else error)
        stats.peak_samples = limits.peak
        return result.told(evaluator.notes.warnings, evaluator.notes.infos, stats)

    def _newest(
        self, expr: Expr, selector: VectorSelector, scope: Scope, limits: Limits, stats: QueryStats
    ) -> Result:
        """An instant query that is a selector or the fold of one, without an evaluator: its answer, and its counts."""
        at_ms = scope.grid.start_ms
        limits.check()
        begin = time.perf_counter()
        newest = self._store.newest(selector.matchers, at_ms - scope.lookback_ms, at_ms)
        stats.read_s = time.perf_counter() - begin
        limits.hold(len(newest.values))
        limits.room_for(len(newest.values))  # the evaluator holds what was read, and makes as much of it
        vector = of_newest(newest, newest.frame)
        stats.series_read = len(newest.frame)
        stats.saw(len(vector.frame))
        stats.peak_samples = limits.peak
        if isinstance(expr, AggregateExpr):
            symbols = LocalSymbols(newest.frame.symbols)
            frame = LabelFrame(vector.frame.names, vector.frame.codes, symbols)
            vector = folded(symbols, expr, Vector(frame, vector.values, vector.present))
        stats.eval_s = time.perf_counter() - begin
        result = Result(ResultType.VECTOR, vector.frame, scope.grid.times_ms, vector.values)
        return result.told([], [], stats)

    def _limits(
        self, max_samples: int | None, timeout_s: float | None, cancelled: Callable[[], bool] | None
    ) -> Limits:
        most = self._max_samples if max_samples is None else min(max_samples, self._max_samples)
        return Limits(most, self._shorter(timeout_s), cancelled)

    def _shorter(self, timeout_s: float | None) -> float | None:
        if timeout_s is None or self._timeout_s is None:
            return self._timeout_s if timeout_s is None else timeout_s
        return min(timeout_s, self._timeout_s)


def _told(error: QueryError | RegexTimeout, text: str) -> QueryError:
    """What a query that failed says, with the place in its text where the error has one."""
    if isinstance(error, RegexTimeout):
        return QueryError(str(error))
    return error.placed(text) if isinstance(error, SpanError) else error


def _of_newest_alone(expr: Expr) -> VectorSelector | None:
    """The selector of a query that is one of what is newest, or one of `FOLDS` over that; None for any other."""
    if isinstance(expr, AggregateExpr) and expr.op in FOLDS:
        expr = expr.expr
    return expr if isinstance(expr, VectorSelector) and is_plain(expr) else None


def _milliseconds(seconds: float) -> int:
    if not math.isfinite(seconds):
        raise QueryError(f"cannot parse {seconds} to a valid timestamp")
    return round(seconds * 1000)


def _result(evaluator: Evaluator, value: Value | Ranges, grid: Grid, *, ranged: bool) -> Result:
    times = grid.times_ms
    nothing = empty_frame(evaluator.symbols)
    if isinstance(value, str):
        return Result(ResultType.STRING, nothing, times, np.zeros((0, 0)), text=value)
    if isinstance(value, Ranges):
        return _matrix_of_ranges(value, times)
    if not isinstance(value, Vector):
        if not ranged:
            return Result(ResultType.SCALAR, nothing, times, value.reshape(1, 1))
        return Result(ResultType.MATRIX, empty_frame(evaluator.symbols, 1), times, value[:, None])
    vector = value.settle_names().without_empty()
    if not ranged:
        return Result(ResultType.VECTOR, vector.frame, times, vector.values)
    vector = vector.take(label_order(vector.frame))
    return Result(ResultType.MATRIX, vector.frame, times, vector.values, vector.present)


def _matrix_of_ranges(ranges: Ranges, times: "np.ndarray[tuple[int, ...], np.dtype[np.int64]]") -> Result:
    """A range vector as it is: every series with the samples in its window."""
    found: dict[int, SeriesSamples] = {}
    for panel in flat_panels(ranges.panels):
        for k, series in enumerate(panel.series.tolist()):
            lo, hi = (panel.lo[0], panel.hi[0]) if panel.dense else (panel.lo[0, k], panel.hi[0, k])
            if hi > lo:
                values = panel.values[lo:hi, k] if panel.dense else panel.values[lo:hi]
                found[series] = SeriesSamples(panel.times_ms[lo:hi], values)
    frame = ranges.frame
    if ranges.unnamed is not None:
        vector = Vector(frame, np.zeros((1, len(frame))), None, ranges.unnamed).settle_names()
        if len(vector.frame) != len(frame):
            raise QueryError(SAME_LABELSET)
        frame = vector.frame
    rows = np.array(sorted(found), dtype=np.int64)
    rows = rows[label_order(take(frame, rows))]
    samples = tuple(found[row] for row in rows.tolist())
    return Result(ResultType.MATRIX, take(frame, rows), times, np.zeros((0, 0)), samples=samples)
