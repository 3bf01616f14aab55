"""From a syntax tree back to text, in Prometheus' spelling.

`format_expr` gives the one canonical line that answers and messages use; `format_query` breaks a long query into
lines, one nesting level an indent. Parsing either gives the same tree again.
"""

from collections.abc import Callable, Sequence
from typing import Any

from pyscrape.model.duration import format_duration
from pyscrape.model.matcher import Matcher, MatchType
from pyscrape.model.names import quoted, valid_label_name
from pyscrape.promql import ast
from pyscrape.promql.format import format_float, go_number
from pyscrape.promql.parser import parse_expr
from pyscrape.promql.span_parser import round_half_away
from pyscrape.promql.trampoline import Task, run

DEFAULT_WIDTH = 100
_INDENT = "  "


def format_expr(expr: ast.Expr) -> str:
    """The canonical text of an expression.

    >>> format_expr(parse_expr("sum(rate(x [1h30m]))by(job)"))
    'sum by (job) (rate(x[1h30m]))'
    """
    return ast.fold(expr, _text)


def format_query(query: str, width: int = DEFAULT_WIDTH, **options: bool) -> str:
    """A query as `format_query` of the API shows it: one line where it fits `width` bytes, else split at operators,
    calls and parentheses. `options` are those of `parse_expr`, and so are the errors.
    """
    return pretty(parse_expr(query, **options), width)


def pretty(expr: ast.Expr, width: int = DEFAULT_WIDTH) -> str:
    """The text of an expression in lines of about `width` bytes."""
    texts: dict[int, str] = {}

    def remember(node: ast.Expr, below: list[str]) -> str:
        return texts.setdefault(id(node), _text(node, below))

    ast.fold(expr, remember)
    return run(_Pretty(texts, width).lines(expr, 0))


def format_labels_list(labels: Sequence[str]) -> str:
    """Label names as they stand in `by (...)`: quoted only where they must be."""
    return ", ".join(label if valid_label_name(label, "legacy") else quoted(label) for label in labels)


def format_span(span: ast.DurationNode) -> str:
    """A span of time, computed or not."""
    if isinstance(span, ast.NumberLiteral):
        return _number(span)
    if span.op in ("step", "range"):
        text = f"{span.op}()"
    elif span.rhs is None:
        raise ValueError(f"a span of kind {span.op} needs an operand")
    elif span.lhs is None:
        text = ("-" if span.op == "-" else "") + format_span(span.rhs)
    elif span.op in ("min_of", "max_of"):
        text = f"{span.op}({format_span(span.lhs)}, {format_span(span.rhs)})"
    else:
        text = f"{format_span(span.lhs)} {span.op} {format_span(span.rhs)}"
    return f"({text})" if span.wrapped else text


def format_selector(selector: ast.VectorSelector) -> str:
    """A selector with its modifiers; matchers in alphabetical order."""
    extended = " anchored" if selector.anchored else " smoothed" if selector.smoothed else ""
    return _series(selector) + _at(selector) + extended + _offset(selector)


def _series(selector: ast.VectorSelector) -> str:
    shown = sorted(str(matcher) for matcher in selector.matchers if not _is_name(matcher, selector.name))
    return selector.name + (f"{{{','.join(shown)}}}" if shown else "")


def _is_name(matcher: Matcher, name: str) -> bool:
    return bool(name) and matcher == Matcher(MatchType.EQ, "__name__", name)


def _at(node: ast.VectorSelector | ast.SubqueryExpr) -> str:
    if node.at_ms is not None:
        return f" @ {node.at_ms / 1000:.3f}"
    return f" @ {node.at_edge}()" if node.at_edge else ""


def _offset(node: ast.VectorSelector | ast.SubqueryExpr) -> str:
    if node.offset_expr is not None:
        return f" offset {format_span(node.offset_expr)}"
    return f" offset {format_duration(node.offset_ms)}" if node.offset_ms else ""


def _number(node: ast.NumberLiteral) -> str:
    return format_duration(round_half_away(node.value * 1000)) if node.duration else format_float(node.value)


def _matrix(node: ast.MatrixSelector) -> str:
    selector = node.selector
    extended = " anchored" if selector.anchored else " smoothed" if selector.smoothed else ""
    over = format_duration(node.range_ms) if node.range_expr is None else format_span(node.range_expr)
    return f"{_series(selector)}[{over}]{extended}{_at(selector)}{_offset(selector)}"


def _subquery_suffix(node: ast.SubqueryExpr) -> str:
    over = format_duration(node.range_ms) if node.range_expr is None else format_span(node.range_expr)
    step = format_duration(node.step_ms) if node.step_ms else ""
    if node.step_expr is not None:
        step = format_span(node.step_expr)
    return f"[{over}:{step}]{_at(node)}{_offset(node)}"


def _operator(node: ast.BinaryExpr) -> str:
    """The operator with everything that stands behind it: `/ on (a) group_left (b)`."""
    text = node.op + (" bool" if node.return_bool else "")
    matching = node.matching
    if matching is None:
        return text
    grouped = matching.card in (ast.Cardinality.MANY_TO_ONE, ast.Cardinality.ONE_TO_MANY)
    if matching.labels or matching.on or grouped:
        text += f" {'on' if matching.on else 'ignoring'} ({format_labels_list(matching.labels)})"
    if grouped:
        side = "left" if matching.card is ast.Cardinality.MANY_TO_ONE else "right"
        text += f" group_{side} ({format_labels_list(matching.include)})"
    if matching.fill_left is not None and matching.fill_left == matching.fill_right:
        return f"{text} fill ({go_number(matching.fill_left)})"
    if matching.fill_left is not None:
        text += f" fill_left ({go_number(matching.fill_left)})"
    if matching.fill_right is not None:
        text += f" fill_right ({go_number(matching.fill_right)})"
    return text


def _aggregation(node: ast.AggregateExpr) -> str:
    """The operator with its grouping, up to the parenthesis."""
    if node.without:
        return f"{node.op} without ({format_labels_list(node.grouping)}) "
    return f"{node.op} by ({format_labels_list(node.grouping)}) " if node.grouping else node.op


def _text(node: ast.Expr, below: list[str]) -> str:
    return _TEXTS[type(node)](node, below)


_TEXTS: dict[type, Callable[[Any, list[str]], str]] = {
    ast.NumberLiteral: lambda node, _: _number(node),
    ast.StringLiteral: lambda node, _: quoted(node.value),
    ast.VectorSelector: lambda node, _: format_selector(node),
    ast.MatrixSelector: lambda node, _: _matrix(node),
    ast.SubqueryExpr: lambda node, below: below[0] + _subquery_suffix(node),
    ast.Call: lambda node, below: f"{node.function.name}({', '.join(below)})",
    ast.AggregateExpr: lambda node, below: f"{_aggregation(node)}({', '.join(below)})",
    ast.BinaryExpr: lambda node, below: f"{below[0]} {_operator(node)} {below[1]}",
    ast.UnaryExpr: lambda node, below: node.op + below[0],
    ast.ParenExpr: lambda _, below: f"({below[0]})",
}


class _Pretty:
    """Splits what does not fit; `texts` has the one-line text of every node by its identity."""

    def __init__(self, texts: dict[int, str], width: int) -> None:
        self.texts = texts
        self.width = width

    def lines(self, node: ast.Expr, level: int) -> Task[str]:
        """The node's text, every line indented for `level` at least."""
        text = self.texts[id(node)]
        rule = _SPLITS.get(type(node))
        indent = _INDENT * level
        if isinstance(node, ast.UnaryExpr):
            inner: str = yield self.lines(node.expr, level)
            return f"{indent}{node.op}{inner.strip()}"
        if rule is None or len(text.encode(errors="replace")) <= self.width:
            # Prometheus forgets the indent of a subquery, and is the reference.
            return text if isinstance(node, ast.SubqueryExpr) else indent + text
        split: str = yield rule(self, node, level)
        return split

    def enclosed(self, head: str, inner: Sequence[ast.Expr], level: int) -> Task[str]:
        """`head(`, the inner expressions a level deeper, and the closing parenthesis."""
        parts: list[str] = []
        for expr in inner:
            parts.append((yield self.lines(expr, level + 1)))  # noqa: PERF401 - no yield in a comprehension
        indent = _INDENT * level
        return f"{indent}{head}(\n" + ",\n".join(parts) + f"\n{indent})"

    def aggregation(self, node: ast.AggregateExpr, level: int) -> Task[str]:
        return self.enclosed(_aggregation(node), ast.children(node), level)

    def call(self, node: ast.Call, level: int) -> Task[str]:
        return self.enclosed(node.function.name, node.args, level)

    def paren(self, node: ast.ParenExpr, level: int) -> Task[str]:
        return self.enclosed("", (node.expr,), level)

    def binary(self, node: ast.BinaryExpr, level: int) -> Task[str]:
        left: str = yield self.lines(node.lhs, level + 1)
        right: str = yield self.lines(node.rhs, level + 1)
        return f"{left}\n{_INDENT * level}{_operator(node)}\n{right}"

    def subquery(self, node: ast.SubqueryExpr, level: int) -> Task[str]:
        inner: str = yield self.lines(node.expr, level)
        return inner + _subquery_suffix(node)


_SPLITS: dict[type, Callable[[_Pretty, Any, int], Task[str]]] = {
    ast.AggregateExpr: _Pretty.aggregation,
    ast.Call: _Pretty.call,
    ast.ParenExpr: _Pretty.paren,
    ast.BinaryExpr: _Pretty.binary,
    ast.SubqueryExpr: _Pretty.subquery,
}


def extract_selectors(expr: ast.Expr) -> list[tuple[Matcher, ...]]:
    """The matchers of every selector in the query, left to right."""
    return [node.matchers for node in ast.walk(expr) if isinstance(node, ast.VectorSelector)]
