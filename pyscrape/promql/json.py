"""The syntax tree as JSON, in the shape of Prometheus' `/api/v1/parse_query`."""

from collections.abc import Callable
from typing import Any

from pyscrape.promql import ast
from pyscrape.promql.format import format_float
from pyscrape.promql.signatures import Signature

Json = dict[str, Any]


def to_json(expr: ast.Expr) -> Json:
    """One object a node; times and spans in milliseconds."""
    return ast.fold(expr, lambda node, below: _SHAPES[type(node)](node, below))


def _span(span: ast.DurationNode | None) -> Json | None:
    if span is None:
        return None
    if isinstance(span, ast.NumberLiteral):
        return {"type": "numberLiteral", "val": format_float(span.value), "duration": span.duration}
    return {
        "type": "durationExpr",
        "op": span.op,
        "lhs": _span(span.lhs),
        "rhs": _span(span.rhs),
        "wrapped": span.wrapped,
    }


def _series(selector: ast.VectorSelector) -> Json:
    return {
        "offset": selector.offset_ms,
        "offsetExpr": _span(selector.offset_expr),
        "matchers": [
            {"name": matcher.name, "value": matcher.value, "type": matcher.type.value}
            for matcher in selector.matchers
        ],
        "timestamp": selector.at_ms,
        "startOrEnd": selector.at_edge,
        "anchored": selector.anchored,
        "smoothed": selector.smoothed,
    }


def _vector(node: ast.VectorSelector, _: list[Json]) -> Json:
    return {"type": "vectorSelector", "name": node.name, **_series(node)}


def _matrix(node: ast.MatrixSelector, _: list[Json]) -> Json:
    span = {"range": node.range_ms, "rangeExpr": _span(node.range_expr)}
    return {"type": "matrixSelector", "name": node.selector.name, **span, **_series(node.selector)}


def _subquery(node: ast.SubqueryExpr, below: list[Json]) -> Json:
    return {
        "type": "subquery",
        "expr": below[0],
        "range": node.range_ms,
        "rangeExpr": _span(node.range_expr),
        "offset": node.offset_ms,
        "offsetExpr": _span(node.offset_expr),
        "step": node.step_ms,
        "stepExpr": _span(node.step_expr),
        "timestamp": node.at_ms,
        "startOrEnd": node.at_edge,
    }


def _aggregation(node: ast.AggregateExpr, below: list[Json]) -> Json:
    return {
        "type": "aggregation",
        "op": node.op,
        "expr": below[-1],
        "param": below[0] if len(below) > 1 else None,
        "grouping": list(node.grouping),
        "without": node.without,
    }


def _binary(node: ast.BinaryExpr, below: list[Json]) -> Json:
    return {
        "type": "binaryExpr",
        "op": node.op,
        "lhs": below[0],
        "rhs": below[1],
        "matching": None if node.matching is None else _matching(node.matching),
        "bool": node.return_bool,
    }


def _matching(matching: ast.VectorMatching) -> Json:
    return {
        "card": matching.card.value,
        "labels": list(matching.labels),
        "on": matching.on,
        "include": list(matching.include),
        "fillValues": {"lhs": matching.fill_left, "rhs": matching.fill_right},
    }


def _call(node: ast.Call, below: list[Json]) -> Json:
    return {"type": "call", "func": _function(node.function), "args": below}


def _function(function: Signature) -> Json:
    return {
        "name": function.name,
        "argTypes": [argument.value for argument in function.arg_types],
        "variadic": function.variadic,
        "returnType": function.return_type.value,
    }


_SHAPES: dict[type, Callable[[Any, list[Json]], Json]] = {
    ast.NumberLiteral: lambda node, _: {"type": "numberLiteral", "val": format_float(node.value)},
    ast.StringLiteral: lambda node, _: {"type": "stringLiteral", "val": node.value},
    ast.VectorSelector: _vector,
    ast.MatrixSelector: _matrix,
    ast.SubqueryExpr: _subquery,
    ast.AggregateExpr: _aggregation,
    ast.BinaryExpr: _binary,
    ast.Call: _call,
    ast.UnaryExpr: lambda node, below: {"type": "unaryExpr", "op": node.op, "expr": below[0]},
    ast.ParenExpr: lambda _, below: {"type": "parenExpr", "expr": below[0]},
}
