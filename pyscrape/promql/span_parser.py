"""Spans of time: `5m`, `2 * 1h`, `-step()`, `max_of(range(), 1m)`; they stand in brackets and after `offset`."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

from pyscrape.promql import ast
from pyscrape.promql import tokens as t
from pyscrape.promql.cursor import Cursor, Unexpected
from pyscrape.promql.tokens import Token
from pyscrape.promql.trampoline import Task

_UNARY = _POWER = 6
_PRECEDENCE = {"+": 4, "-": 4, "*": 5, "/": 5, "%": 5, "^": _POWER}
_OPERATORS: Mapping[str, ast.DurationOperator] = {name: name for name in get_args(ast.DurationOperator)}
# Go counts nanoseconds in a signed 64-bit integer.
_MAX_SECONDS = 2**63 / 1e9


class SpanRules(Cursor):
    """The grammar rules of spans."""

    def positive_span(self) -> Task[ast.DurationNode]:
        span: ast.DurationNode = yield self.span(0)
        if isinstance(span, ast.NumberLiteral) and span.value <= 0:
            self.fault(span, "duration must be greater than 0")
        return span

    def offset_span(self) -> Task[ast.DurationNode]:
        """A span after `offset`: `a offset 5m * 2` multiplies the result, `a offset (5m) * 2` the span."""
        first = self.peek()
        signed = first.kind in ("-", "+")
        if first.kind == "(" or (signed and self.tokens[self.at + 1].kind == "("):
            computed: ast.DurationNode = yield self.span(0)
            return computed
        if not signed:
            span: ast.DurationNode = yield self.span_operand()
            return span
        sign = self.take()
        if self.peek().kind in ("-", "+"):
            self.deeper()
            inner: ast.DurationNode = yield self.offset_span()
            self.depth -= 1
            return self.signed_span(sign, inner)
        operand: ast.DurationNode = yield self.span_operand()
        if isinstance(operand, ast.DurationExpr) and not operand.wrapped:
            op = _OPERATORS[sign.kind]
            return ast.DurationExpr(op, None, operand, start=sign.start, end=operand.end)
        return self.signed_span(sign, operand)

    def span(self, minimum: int) -> Task[ast.DurationNode]:
        depth = self.depth
        sign = self.accept("-") or self.accept("+")
        self.deeper()
        if sign is None:
            left: ast.DurationNode = yield self.span_operand()
        else:
            left = self.signed_span(sign, (yield self.span(_UNARY)))
        while (precedence := _PRECEDENCE.get(self.peek().kind, 0)) >= max(minimum, 1):
            operator = self.take()
            self.deeper()
            right: ast.DurationNode = yield self.span(precedence if precedence == _POWER else precedence + 1)
            left = self.span_operation(left, operator, right)
        self.depth = depth
        return left

    def signed_span(self, sign: Token, span: ast.DurationNode) -> ast.DurationNode:
        if isinstance(span, ast.NumberLiteral):
            value = -span.value if sign.kind == "-" else span.value
            return replace(span, value=value, start=sign.start)
        if sign.kind == "+":
            return span
        return ast.DurationExpr("-", None, span, start=sign.start, end=span.end)

    def span_operation(
        self, left: ast.DurationNode, operator: Token, right: ast.DurationNode
    ) -> ast.DurationNode:
        if operator.kind in "/%" and isinstance(right, ast.NumberLiteral) and right.value == 0:
            name = "division" if operator.kind == "/" else "modulo"
            self.fault(operator, f"{name} by zero")
            return ast.NumberLiteral(0.0)
        return ast.DurationExpr(_OPERATORS[operator.kind], left, right, start=left.start, end=right.end)

    def span_operand(self) -> Task[ast.DurationNode]:
        token = self.peek()
        word = token.text.lower()
        if token.kind in (t.NUMBER, t.DURATION):
            return self.limited_span(self.number_literal())
        if token.kind == "(":
            wrapped: ast.DurationExpr = yield self.wrapped_span()
            return wrapped
        if token.kind in ("step", "range"):
            self.at += 1
            self.expect("(")
            self.expect(")")
            op = _OPERATORS[token.kind]
            return ast.DurationExpr(op, start=token.start, end=self.last_end)
        if token.kind == t.IDENTIFIER and word in ("min_of", "max_of"):
            chosen: ast.DurationExpr = yield self.chosen_span(self.take())
            return chosen
        raise Unexpected

    def limited_span(self, literal: ast.NumberLiteral) -> ast.NumberLiteral:
        if not abs(literal.value) <= _MAX_SECONDS:  # NaN is no span either
            self.fault(literal, "duration out of range")
            return ast.NumberLiteral(0.0)
        return literal

    def wrapped_span(self) -> Task[ast.DurationExpr]:
        opening = self.take()
        self.deeper()
        inner: ast.DurationNode = yield self.span(0)
        closing = self.expect(")")
        self.depth -= 1
        if isinstance(inner, ast.DurationExpr):
            return replace(inner, wrapped=True)
        return ast.DurationExpr("+", None, inner, wrapped=True, start=opening.start, end=closing.end)

    def chosen_span(self, word: Token) -> Task[ast.DurationExpr]:
        self.expect("(")
        self.deeper()
        first: ast.DurationNode = yield self.span(0)
        self.expect(",")
        second: ast.DurationNode = yield self.span(0)
        closing = self.expect(")")
        self.depth -= 1
        return ast.DurationExpr(
            _OPERATORS[word.text.lower()], first, second, start=word.start, end=closing.end
        )


def milliseconds(seconds: float) -> int:
    """Whole milliseconds, the way Prometheus gets there: rounded to nanoseconds, then cut."""
    nanoseconds = round_half_away(seconds * 1e9)
    return nanoseconds // 1_000_000 if nanoseconds >= 0 else -(-nanoseconds // 1_000_000)


def round_half_away(value: float) -> int:
    """The nearest whole number, halves away from zero as Go's math.Round has it."""
    whole = math.floor(abs(value))
    nearest = whole + (abs(value) - whole >= 0.5)
    return -nearest if value < 0 else nearest


def split(span: ast.DurationNode) -> tuple[int, ast.DurationExpr | None]:
    """A span as the tree keeps it: its milliseconds, or 0 and how to compute it."""
    if isinstance(span, ast.NumberLiteral):
        return milliseconds(span.value), None
    return 0, span
