"""Selectors and what may follow an operand: matchers, ranges, subqueries, `offset`, `@`, `anchored`; label lists."""

import math
from collections.abc import Callable
from dataclasses import replace

from pyscrape.model.matcher import Matcher, MatchType
from pyscrape.model.names import quoted, valid_label_name
from pyscrape.model.regex import RegexError
from pyscrape.promql import ast
from pyscrape.promql import tokens as t
from pyscrape.promql.cursor import Unexpected
from pyscrape.promql.format import format_float
from pyscrape.promql.literals import unquote
from pyscrape.promql.span_parser import SpanRules, milliseconds, round_half_away, split
from pyscrape.promql.tokens import Token
from pyscrape.promql.trampoline import Task

POSTFIX = frozenset({"offset", "@", "[", "anchored", "smoothed"})
_METRIC_NAME = "__name__"
# What may follow an expression: where the parser goes on after a fault in a modifier.
_AFTER_EXPRESSION = t.OPERATORS - {"=~", "!~"} | POSTFIX | {")", ",", t.END}
_STARTS = frozenset({t.NUMBER, t.DURATION, t.STRING, t.IDENTIFIER, t.METRIC_IDENTIFIER, "(", "{", "+", "-"})
_SPAN_EXPECTED = "number, duration, step(), or range()"


class SelectorRules(SpanRules):
    """The grammar rules of selectors, of the modifiers behind an operand, and of lists of labels."""

    def starts_expression(self) -> bool:
        kind = self.peek().kind
        return kind in _STARTS or kind in t.METRIC_WORDS

    def label_list(self) -> tuple[str, ...]:
        """`(a, "b", c)`; a fault in one label does not hide those in the others."""
        if self.peek().kind != "(":
            self.unexpected("grouping opts", '"("')
            self.skip_to(_AFTER_EXPRESSION)
            return ()
        self.take()
        labels: list[str] = []
        if self.accept(")"):
            return ()
        while True:
            labels.append(self.grouping_label())
            if self.peek().kind not in (",", ")"):
                self.unexpected("grouping opts", '"," or ")"')
                self.skip_to({",", ")"})
            if self.take().kind == ")" or self.accept(")"):
                return tuple(labels)

    def grouping_label(self) -> str:
        token = self.peek()
        if token.kind == t.STRING:
            label = unquote(token.text)
        elif token.kind in (t.IDENTIFIER, t.METRIC_IDENTIFIER) or token.kind in t.LABEL_WORDS:
            label = token.text
        else:
            self.unexpected("grouping opts", "label")
            self.skip_to({",", ")"})
            return ""
        self.at += 1
        if not valid_label_name(label, "utf8"):
            self.fault(token, f"invalid label name for grouping: {quoted(label)}")
        return label

    # Selectors

    def vector_selector(self) -> ast.VectorSelector:
        token = self.peek()
        name = ""
        if token.kind in (t.IDENTIFIER, t.METRIC_IDENTIFIER) or token.kind in t.METRIC_WORDS:
            name = self.take().text
        elif token.kind != "{":
            raise Unexpected
        matchers = self.matchers() if self.peek().kind == "{" else []
        if name:
            matchers.append(Matcher(MatchType.EQ, _METRIC_NAME, name))
        return ast.VectorSelector(name, tuple(matchers), start=token.start, end=self.last_end)

    def matchers(self) -> list[Matcher]:
        self.take()
        found: list[Matcher] = []
        if self.accept("}"):
            return found
        while True:
            matcher = self.matcher()
            if matcher is not None:
                found.append(matcher)
            if self.peek().kind not in (",", "}"):
                self.unexpected("label matching", '"," or "}"')
                self.skip_to({",", "}"})
            if self.take().kind == "}" or self.accept("}"):
                return found

    def matcher(self) -> Matcher | None:
        """One matcher, or a metric's name in quotes; None after a fault."""
        name = self.peek()
        expected = 'identifier or "}"'
        if name.kind in (t.IDENTIFIER, t.STRING):
            self.at += 1
            label = unquote(name.text) if name.kind == t.STRING else name.text
            operator = self.peek()
            expected = "label matching operator"
            if operator.kind in _MATCH_TYPES:
                self.at += 1
                expected = "string"
                if value := self.accept(t.STRING):
                    return self.new_matcher(name, _MATCH_TYPES[operator.kind], label, value)
            elif name.kind == t.STRING:
                return Matcher(MatchType.EQ, _METRIC_NAME, label)
        self.unexpected("label matching", expected)
        self.skip_to({",", "}"})
        return None

    def new_matcher(self, name: Token, match_type: MatchType, label: str, value: Token) -> Matcher | None:
        try:
            return Matcher(match_type, label, unquote(value.text))
        except RegexError as error:
            self.fault_at(name.start, value.end, str(error))
            return None

    # What may follow an operand

    def postfix(self, expr: ast.Expr) -> Task[ast.Expr]:
        while (kind := self.peek().kind) in POSTFIX:
            if kind in ("anchored", "smoothed"):
                expr = self.extended(expr, self.take().kind)
                continue
            rule, context, expected = _MODIFIERS[kind]
            try:
                expr = yield rule(self, expr)
            except Unexpected:
                self.unexpected(context, expected)
                self.skip_to(_AFTER_EXPRESSION)
        return expr

    def offset(self, expr: ast.Expr) -> Task[ast.Expr]:
        self.take()
        span: ast.DurationNode = yield self.offset_span()
        end = self.last_end
        target = expr.selector if isinstance(expr, ast.MatrixSelector) else expr
        if not isinstance(target, ast.VectorSelector | ast.SubqueryExpr):
            self.fault(
                expr,
                "offset modifier must be preceded by an instant vector selector or range vector selector"
                " or a subquery",
            )
            return expr
        if target.offset_ms or target.offset_expr is not None:
            self.fault(expr, "offset may not be set multiple times")
        if isinstance(span, ast.NumberLiteral):
            return _with_selector(expr, replace(target, offset_ms=milliseconds(span.value)), end)
        return _with_selector(expr, replace(target, offset_expr=span), end)

    def at_modifier(self, expr: ast.Expr) -> ast.Expr:
        self.take()
        at_ms: int | None = None
        edge: ast.Edge | None = None
        word = self.accept("start") or self.accept("end")
        if word is not None:
            self.expect("(")
            self.expect(")")
            edge = "start" if word.kind == "start" else "end"
        else:
            at_ms = self.timestamp(expr)
        target = expr.selector if isinstance(expr, ast.MatrixSelector) else expr
        if not isinstance(target, ast.VectorSelector | ast.SubqueryExpr):
            self.fault(
                expr,
                "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery",
            )
            return expr
        if target.at_ms is not None or target.at_edge is not None:
            self.fault(expr, "@ <timestamp> may not be set multiple times")
            return expr
        return _with_selector(expr, replace(target, at_ms=at_ms, at_edge=edge), self.last_end)

    def timestamp(self, expr: ast.Expr) -> int:
        seconds = self.signed_number()
        if not -(2.0**63) < seconds < 2.0**63:
            shown = f"{seconds:f}" if math.isfinite(seconds) else format_float(seconds)
            self.fault(expr, f"timestamp out of bounds for @ modifier: {shown}")
            return 0
        return round_half_away(seconds * 1000)

    def extended(self, expr: ast.Expr, word: str) -> ast.Expr:
        target = expr.selector if isinstance(expr, ast.MatrixSelector) else expr
        if not self.options.extended_ranges:
            self.fault(expr, f"{word} modifier is experimental and not enabled")
        elif isinstance(target, ast.VectorSelector):
            anchored, smoothed = target.anchored or word == "anchored", target.smoothed or word == "smoothed"
            if anchored and smoothed:
                self.fault(expr, "anchored and smoothed modifiers cannot be used together")
            return _with_selector(expr, replace(target, anchored=anchored, smoothed=smoothed), expr.end)
        elif isinstance(target, ast.SubqueryExpr):
            self.fault(expr, f"{word} modifier is not supported for subqueries")
        else:
            self.fault(expr, f"{word} modifier not implemented")
        return expr

    def brackets(self, expr: ast.Expr) -> Task[ast.Expr]:
        """`[range]` or `[range:step]` after an expression."""
        opening = self.take()
        over: ast.DurationNode = yield self.positive_span()
        over_ms, over_expr = split(over)
        if self.accept("]"):
            return self.matrix_selector(expr, opening, over_ms, over_expr)
        if not self.accept(":"):
            self.unexpected("subquery or range", '":" or "]"')
            self.skip_to(_AFTER_EXPRESSION)
            return expr
        step_ms: int = 0
        step_expr: ast.DurationExpr | None = None
        if self.peek().kind != "]":
            try:
                step: ast.DurationNode = yield self.positive_span()
            except Unexpected:
                self.unexpected("subquery selector", 'number, duration, step(), range(), or "]"')
                self.skip_to(_AFTER_EXPRESSION)
                return expr
            step_ms, step_expr = split(step)
        if not self.accept("]"):
            self.unexpected("subquery selector", '"]"')
            self.skip_to(_AFTER_EXPRESSION)
            return expr
        return ast.SubqueryExpr(
            expr, over_ms, step_ms, over_expr, step_expr, start=expr.start, end=self.last_end
        )

    def matrix_selector(
        self, expr: ast.Expr, opening: Token, over_ms: int, over_expr: ast.DurationExpr | None
    ) -> ast.MatrixSelector:
        end = self.last_end
        message = ""
        if not isinstance(expr, ast.VectorSelector):
            message = "ranges only allowed for vector selectors"
            expr = ast.VectorSelector("", (), start=expr.start, end=expr.end)
        elif expr.offset_ms:
            message = "no offset modifiers allowed before range"
        elif expr.at_ms is not None or expr.at_edge is not None:
            message = "no @ modifiers allowed before range"
        if message:
            self.fault_at(opening.start, end, message)
        return ast.MatrixSelector(expr, over_ms, over_expr, start=expr.start, end=end)


_MATCH_TYPES = {match_type.value: match_type for match_type in MatchType}
# By the modifier's first token: its rule, and the words for a token that it does not expect.
_MODIFIERS: dict[str, tuple[Callable[[SelectorRules, ast.Expr], Task[ast.Expr] | ast.Expr], str, str]] = {
    "offset": (SelectorRules.offset, "offset", _SPAN_EXPECTED),
    "@": (SelectorRules.at_modifier, "@", "timestamp"),
    "[": (SelectorRules.brackets, "subquery or range selector", _SPAN_EXPECTED),
}


def _with_selector(expr: ast.Expr, target: "ast.VectorSelector | ast.SubqueryExpr", end: int) -> ast.Expr:
    """`expr` with its selector (itself, or the one inside a range) replaced, and grown to `end`."""
    if isinstance(expr, ast.MatrixSelector) and isinstance(target, ast.VectorSelector):
        return replace(expr, selector=target, end=end)
    return replace(target, end=end)
