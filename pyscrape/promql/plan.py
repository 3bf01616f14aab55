"""Before a query runs: what it will read, and which of its parts are worth keeping.

`reads` lists every distinct selector with the widest span of time that any of its uses needs, so that each is
asked of the store once; `repeated` lists the expressions that stand in the query more than once.
"""

from collections import Counter
from collections.abc import Iterator

from pyscrape.model.matcher import Matcher
from pyscrape.promql.ast import (
    Call,
    Expr,
    MatrixSelector,
    NumberLiteral,
    StringLiteral,
    SubqueryExpr,
    VectorSelector,
    walk,
)
from pyscrape.promql.ast import children as parts
from pyscrape.promql.infos import info_selector, time_selector
from pyscrape.promql.values import Grid
from pyscrape.promql.windows import Scope, instant_look, range_look, same_at_every_step, subquery_grid

Matchers = tuple[Matcher, ...]


def reads(expr: Expr, scope: Scope) -> dict[Matchers, tuple[int, int]]:
    """For each distinct set of matchers: (start_ms, end_ms], open at the start, that the query reads."""
    spans: dict[Matchers, tuple[int, int]] = {}
    for matchers, start, end in _uses(expr, scope.grid, scope):
        old = spans.get(matchers, (start, end))
        spans[matchers] = min(start, old[0]), max(end, old[1])
    return spans


def _uses(expr: Expr, grid: Grid, scope: Scope) -> Iterator[tuple[Matchers, int, int]]:
    if not grid.count:
        return
    if grid.count > 1 and same_at_every_step(expr):
        grid = grid.first
    match expr:
        case VectorSelector():
            look = instant_look(expr, grid, scope)
            ahead = scope.lookback_ms if expr.smoothed else 0
            yield expr.matchers, int(look.starts_ms[0]), int(look.ends_ms[-1]) + ahead
        case MatrixSelector():
            look = range_look(expr, grid, scope)
            back = scope.lookback_ms if expr.selector.anchored or expr.selector.smoothed else 0
            ahead = scope.lookback_ms if expr.selector.smoothed else 0
            yield expr.selector.matchers, int(look.starts_ms[0]) - back, int(look.ends_ms[-1]) + ahead
        case SubqueryExpr():
            yield from _uses(expr.expr, subquery_grid(expr, range_look(expr, grid, scope), scope), scope)
        case Call() if expr.function.name == "info":
            yield from _uses(time_selector(expr), grid, scope)
            yield from _uses(info_selector(expr), grid, scope)
            yield from _uses(expr.args[0], grid, scope)
        case _:
            for part in parts(expr):
                yield from _uses(part, grid, scope)


def repeated(expr: Expr) -> frozenset[Expr]:
    """Expressions that occur more than once, literals aside: their values are kept while the query runs."""
    counts = Counter(node for node in walk(expr) if not isinstance(node, NumberLiteral | StringLiteral))
    return frozenset(node for node, count in counts.items() if count > 1)
