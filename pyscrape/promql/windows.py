"""Where a selector or subquery looks: offset, @, range and lookback resolved to windows for each step.

The plan asks this for the time a store must be read for, the evaluator for the windows themselves.
"""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pyscrape.model.blocks import Times
from pyscrape.promql.ast import (
    BinaryExpr,
    Call,
    DurationExpr,
    DurationNode,
    Expr,
    MatrixSelector,
    NumberLiteral,
    StringLiteral,
    SubqueryExpr,
    VectorSelector,
    children,
)
from pyscrape.promql.errors import SpanError
from pyscrape.promql.values import Grid

_OF_THE_STEP = frozenset(
    {
        *("days_in_month", "day_of_month", "day_of_week", "day_of_year", "hour", "minute", "month", "year"),
        *("predict_linear", "time", "timestamp", "start", "end", "range", "step"),
    }
)
"""Functions whose answer depends on the evaluation time, whatever their arguments say."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What of the whole query its parts may refer to: the outermost grid and the settings.

    `end_ms` is the end that was asked for, which the last step may not reach; an instant query has a `step_ms` of 0.
    """

    grid: Grid
    end_ms: int
    step_ms: int
    lookback_ms: int
    subquery_step_ms: int

    @property
    def range_ms(self) -> int:
        return self.end_ms - self.grid.start_ms


@dataclass(frozen=True, slots=True)
class Look:
    """Windows in steps: (starts_ms[k], ends_ms[k]] as int64[steps]; `range_ms` is their length."""

    starts_ms: Times
    ends_ms: Times
    range_ms: int

    @property
    def first_ms(self) -> int:
        """Behind what time it looks."""
        return int(self.starts_ms[0])

    @property
    def last_ms(self) -> int:
        """Up to what time it looks."""
        return int(self.ends_ms[-1])


def evaluated_at(node: VectorSelector | SubqueryExpr, grid: Grid, scope: Scope) -> Times:
    """The time that a selector or subquery is asked for, per step: @ and offset applied."""
    if node.at_ms is not None:
        times = np.full(grid.count, node.at_ms, dtype=np.int64)
    elif node.at_edge is not None:
        edge = scope.grid.start_ms if node.at_edge == "start" else scope.end_ms
        times = np.full(grid.count, edge, dtype=np.int64)
    else:
        times = grid.times_ms
    offset_ms = span_ms(node.offset_ms, node.offset_expr, scope, signed=True)
    return times - offset_ms if offset_ms else times


def instant_look(node: VectorSelector, grid: Grid, scope: Scope) -> Look:
    """The lookback windows of an instant selector."""
    ends = evaluated_at(node, grid, scope)
    return Look(ends - scope.lookback_ms, ends, scope.lookback_ms)


def range_look(node: MatrixSelector | SubqueryExpr, grid: Grid, scope: Scope) -> Look:
    """The windows of a range selector or subquery."""
    inner = node.selector if isinstance(node, MatrixSelector) else node
    ends = evaluated_at(inner, grid, scope)
    range_ms = span_ms(node.range_ms, node.range_expr, scope)
    return Look(ends - range_ms, ends, range_ms)


def subquery_grid(node: SubqueryExpr, look: Look, scope: Scope) -> Grid:
    """The steps of a subquery: absolute multiples of its step, later than the first window's open start."""
    step_ms = span_ms(node.step_ms, node.step_expr, scope) or scope.subquery_step_ms
    first, last = int(look.starts_ms[0]), int(look.ends_ms[-1])
    start = first // step_ms * step_ms + step_ms
    return Grid(start, step_ms, max(0, (last - start) // step_ms + 1))


def span_ms(literal_ms: int, node: DurationNode | None, scope: Scope, *, signed: bool = False) -> int:
    """A span of time in ms, computed when the query has an expression in its place."""
    if node is None:
        return literal_ms
    seconds = _seconds(node, scope)
    if not math.isfinite(seconds) or abs(seconds) > 2**63 / 1e9:
        raise SpanError("duration is out of range", node.start, node.end)
    if seconds <= 0 and not signed:
        raise SpanError("duration must be greater than 0", node.start, node.end)
    return int(seconds * 1000)  # cut off, as Prometheus does


def _seconds(node: DurationNode, scope: Scope) -> float:
    if isinstance(node, NumberLiteral):
        return node.value
    if node.op == "step":
        return scope.step_ms / 1000
    if node.op == "range":
        return scope.range_ms / 1000
    right = 0.0 if node.rhs is None else _seconds(node.rhs, scope)
    if node.lhs is None:
        return -right if node.op == "-" else right
    return _apply(node, _seconds(node.lhs, scope), right)


_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": math.fmod,
    "^": math.pow,
    "min_of": min,
    "max_of": max,
}


def _apply(node: DurationExpr, left: float, right: float) -> float:
    if node.op in "/%" and right == 0:
        raise SpanError("division by zero" if node.op == "/" else "modulo by zero", node.start, node.end)
    try:
        return _ARITHMETIC[node.op](left, right)
    except OverflowError:
        return math.inf
    except ValueError:  # the root of a negative number, the rest of infinity
        return math.nan


def same_at_every_step(expr: Expr) -> bool:
    """Whether an expression is step-invariant: every selector pinned by @, no function of the evaluation time."""
    match expr:
        case NumberLiteral() | StringLiteral():
            return True
        case VectorSelector() | SubqueryExpr():
            return expr.at_ms is not None or expr.at_edge is not None
        case Call() if expr.function.name in _OF_THE_STEP:
            return False
        case BinaryExpr() | _:
            return all(same_at_every_step(child) for child in children(expr))
