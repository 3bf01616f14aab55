"""Where a query spent its time: the expression as a tree, with the series, steps and seconds of every part.

`explain` runs the query; there is no plan that could differ from what happens.
"""

from collections.abc import Iterator

from pyscrape.promql.ast import (
    Expr,
    MatrixSelector,
    NumberLiteral,
    ParenExpr,
    StringLiteral,
    SubqueryExpr,
    VectorSelector,
    children,
)
from pyscrape.promql.printer import format_expr
from pyscrape.promql.stats import NodeStats, QueryStats
from pyscrape.promql.windows import same_at_every_step

_WIDTH = 72


def render(expr: Expr, stats: QueryStats) -> str:
    """The tree of `expr` with what `stats` knows of its parts, a line each; times include the parts below.

    sum by (job) (rate(x_total[5m]))          2 series x 241 steps   3.1 ms
      rate(x_total[5m])                    1000 series x 241 steps   2.4 ms
        x_total[5m]                        read as the function asks for it
    """
    head = (
        f"{stats.series_read} series read, {stats.samples} samples seen by {stats.steps} steps, "
        f"at most {stats.peak_samples} in memory; {stats.eval_s * 1000:.2f} ms"
    )
    lines = [head]
    for depth, node in _nodes(expr, 0):
        text = format_expr(node)
        room = _WIDTH - 2 * depth
        text = text if len(text) <= room else text[: room - 3] + "..."
        lines.append(f"{'  ' * depth}{text:<{room}}  {_cost(node, stats)}".rstrip())
    return "\n".join(lines)


def _nodes(expr: Expr, depth: int) -> Iterator[tuple[int, Expr]]:
    if isinstance(expr, ParenExpr):
        yield from _nodes(expr.expr, depth)
        return
    if isinstance(expr, NumberLiteral | StringLiteral):
        return
    yield depth, expr
    if not isinstance(expr, MatrixSelector):
        for child in children(expr):
            yield from _nodes(child, depth + 1)


def _cost(node: Expr, stats: QueryStats) -> str:
    if isinstance(node, MatrixSelector | SubqueryExpr):
        return "windows for the function above"
    known = stats.nodes.get(stats.key(node))
    if known is None:
        return "taken from an equal or a wider part"
    return _figures(known) + _remark(node, known)


def _figures(known: NodeStats) -> str:
    return f"{known.series:>6} series x {known.steps:>5} steps {known.seconds * 1000:>9.2f} ms"


def _remark(node: Expr, known: NodeStats) -> str:
    if known.steps == 1 and same_at_every_step(node):
        return "  the same at every step"
    if isinstance(node, VectorSelector):
        return "  newest samples"
    return ""
