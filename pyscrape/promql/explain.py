"""Where a query spent its time: the expression as a tree, with the series, steps, samples and seconds of every part.

The query runs for it; there is no plan that could differ from what happens.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

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
    children,
)
from pyscrape.promql.printer import format_expr
from pyscrape.promql.stats import NodeStats, QueryStats
from pyscrape.promql.windows import same_at_every_step

_WIDTH = 72

KINDS: dict[type, str] = {
    AggregateExpr: "aggregation",
    BinaryExpr: "binaryExpr",
    Call: "call",
    MatrixSelector: "matrixSelector",
    SubqueryExpr: "subquery",
    UnaryExpr: "unaryExpr",
    VectorSelector: "vectorSelector",
    NumberLiteral: "numberLiteral",
    StringLiteral: "stringLiteral",
}
"""The names of `parse_query`. Parentheses are no part of a plan."""


@dataclass(frozen=True, slots=True)
class PlanNode:
    """One part of a query as it ran.

    `text` is the part with an ellipsis for each part below it. `series`, `samples` and `seconds` are None where the
    part was not computed by itself; `note` says why. `seconds` include all that was computed for the part, also a wider
    part elsewhere that others are chosen from; `own_seconds` do not. What a function reads of a range is its own time.
    """

    depth: int
    kind: str
    text: str
    expr: Expr
    steps: int = 0
    series: int | None = None
    samples: int | None = None
    seconds: float | None = None
    own_seconds: float | None = None
    label_values: Mapping[str, int] = field(default_factory=dict)
    note: str = ""


def plan_of(expr: Expr, stats: QueryStats, query: str) -> list[PlanNode]:
    """The parts of a query that ran `detailed`, each before the parts below it; a single literal is one part."""
    top = bare(expr)
    if isinstance(top, NumberLiteral | StringLiteral):
        return [PlanNode(0, KINDS[type(top)], query.strip(), top)]
    return [_node(node, depth, stats, query) for depth, node in _nodes(top, 0)]


def render(expr: Expr, stats: QueryStats, query: str) -> str:
    """The tree of `expr` with what `stats` knows of its parts, a line each; times include the parts below.

    sum by (job) (rate(x_total[5m]))          2 series x 241 steps   3.1 ms
      rate(x_total[5m])                    1000 series x 241 steps   2.4 ms
        x_total[5m]                        windows for the function above
    """
    head = (
        f"{stats.series_read} series read in {stats.read_s * 1000:.2f} ms, {stats.samples} samples seen by "
        f"{stats.steps} steps, at most {stats.peak_samples} in memory; {stats.eval_s * 1000:.2f} ms"
    )
    lines = [head]
    for node in plan_of(expr, stats, query):
        text = format_expr(node.expr)
        room = _WIDTH - 2 * node.depth
        text = text if len(text) <= room else text[: room - 3] + "..."
        lines.append(f"{'  ' * node.depth}{text:<{room}}  {_figures(node)}".rstrip())
    return "\n".join(lines)


def _figures(node: PlanNode) -> str:
    if node.seconds is None:
        return node.note
    figures = f"{node.series:>6} series x {node.steps:>5} steps {node.seconds * 1000:>9.2f} ms"
    return f"{figures}  {node.note}" if node.note else figures


def _below(expr: Expr) -> tuple[Expr, ...]:
    """The parts below a part; a range's selector is the range itself, and literals stay in the text."""
    if isinstance(expr, MatrixSelector):
        return ()
    parts = (bare(child) for child in children(expr))
    return tuple(part for part in parts if not isinstance(part, NumberLiteral | StringLiteral))


def _nodes(expr: Expr, depth: int) -> Iterator[tuple[int, Expr]]:
    yield depth, expr
    for part in _below(expr):
        yield from _nodes(part, depth + 1)


def _node(node: Expr, depth: int, stats: QueryStats, query: str) -> PlanNode:
    kind, text = KINDS[type(node)], _with_ellipses(node, query)
    known = stats.nodes.get(stats.key(node))
    windows = isinstance(node, MatrixSelector | SubqueryExpr)
    if known is None:
        note = "read with an equal or a wider part" if windows else "taken from an equal part"
        return PlanNode(depth, kind, text, node, note=note)
    told = {"steps": known.steps, "series": known.series, "samples": known.samples}
    if windows:
        note = "windows for the function above"
        return PlanNode(depth, kind, text, node, **told, label_values=known.label_values, note=note)
    return PlanNode(
        depth,
        kind,
        text,
        node,
        **told,
        seconds=known.seconds,
        own_seconds=known.own_seconds,
        label_values=known.label_values,
        note=_remark(node, known),
    )


def _with_ellipses(node: Expr, query: str) -> str:
    """The part as it was written, in one line, an ellipsis for each part below.

    >>> from pyscrape.promql.parser import parse_expr
    >>> query = "sum by (job) (rate(x[5m])) / 2"
    >>> _with_ellipses(parse_expr(query), query)
    '… / 2'
    """
    pieces, at = [], node.start
    for part in sorted(_below(node), key=lambda part: part.start):
        pieces += [query[at : part.start], "…"]
        at = part.end
    return re.sub(r"\s+", " ", "".join([*pieces, query[at : node.end]])).strip()


def _remark(node: Expr, known: NodeStats) -> str:
    if known.steps == 1 and same_at_every_step(node):
        return "the same at every step"
    if isinstance(node, VectorSelector):
        return "newest samples"
    return ""
