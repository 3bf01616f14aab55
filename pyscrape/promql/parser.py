"""From tokens to a syntax tree: recursive descent, with precedence climbing for operators.

Each grammar rule is a generator run by the trampoline, so that nesting costs no stack. Errors follow Prometheus'
parser, whose words and places users know: a token that no rule expects raises `Unexpected`, and the innermost
rule that has something to say about it (a label list, a range, an aggregation) words the message. Rules that can
guess how to go on do so, to find more faults in one pass. Types are checked afterwards, and only in a query that
is otherwise sound.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from types import GeneratorType
from typing import TypeVar

from pyscrape.model.matcher import Matcher, MatchType
from pyscrape.model.names import quoted, valid_label_name
from pyscrape.model.regex import RegexError
from pyscrape.promql import ast
from pyscrape.promql import tokens as t
from pyscrape.promql.check import check_types
from pyscrape.promql.cursor import MAX_DEPTH, ParserOptions, Stop, Unexpected, too_deep
from pyscrape.promql.faults import QueryParseError
from pyscrape.promql.format import format_float
from pyscrape.promql.literals import unquote
from pyscrape.promql.signatures import FUNCTIONS, Signature, ValueType
from pyscrape.promql.span_parser import SpanRules, milliseconds, round_half_away, split
from pyscrape.promql.tokens import Token
from pyscrape.promql.trampoline import Task, run

T = TypeVar("T")

_METRIC_NAME = "__name__"
_LONGEST_REMEMBERED = 4_096
_UNARY = 6  # a sign binds like a factor, and so less than a power
_POWER = 6
_PRECEDENCE = {
    "or": 1,
    **dict.fromkeys(("and", "unless"), 2),
    **dict.fromkeys(ast.COMPARISON_OPERATORS, 3),
    **dict.fromkeys(("+", "-"), 4),
    **dict.fromkeys(("*", "/", "%", "atan2"), 5),
    "^": _POWER,
}
_BINARY_MODIFIERS = t.CONTEXTUAL | {"bool", "on", "ignoring"}
_PLAIN_MATCHING = ast.VectorMatching()
_POSTFIX = frozenset({"offset", "@", "[", "anchored", "smoothed"})
# What may follow an expression: where the parser goes on after a fault in a modifier.
_AFTER_EXPRESSION = frozenset(_PRECEDENCE) | _POSTFIX | {")", ",", t.END}
_STARTS = frozenset({t.NUMBER, t.DURATION, t.STRING, t.IDENTIFIER, t.METRIC_IDENTIFIER, "(", "{", "+", "-"})
_CONTEXT_CALLS = t.PREPROCESSORS
_SPAN_EXPECTED = "number, duration, step(), or range()"
_UNKNOWN = Signature("", (), 0, ValueType.VECTOR)


def parse_expr(
    query: str,
    *,
    experimental: bool = False,
    extended_ranges: bool | None = None,
    fill: bool | None = None,
) -> ast.Expr:
    """The syntax tree of a query; QueryParseError with all faults when it is none.

    `experimental` allows experimental functions, and is what the other experiments are where they are not given:
    `extended_ranges` (anchored, smoothed) and `fill` (fill, fill_left, fill_right).

    >>> parse_expr("up offset 5m").offset_ms
    300000
    """
    options = ParserOptions(
        experimental,
        experimental if extended_ranges is None else extended_ranges,
        experimental if fill is None else fill,
    )
    return _remembered(query, options) if len(query) <= _LONGEST_REMEMBERED else _parse(query, options)


def _parse(query: str, options: ParserOptions) -> ast.Expr:
    parser = _Parser(query, options)
    tree = parser.parse(parser.whole_expression())
    if parser.faults or tree is None:
        raise QueryParseError(query, parser.faults)
    checked, faults = check_types(query, tree)
    if faults:
        raise QueryParseError(query, faults)
    _limit_depth(query, checked)
    return checked


# Dashboards and rules ask the same few queries again and again, and trees do not change: 0.2 ms against 1 us.
_remembered = lru_cache(maxsize=512)(_parse)


def parse_metric_selector(text: str) -> tuple[Matcher, ...]:
    """The matchers of a selector alone, as `match[]` gives it: `up{job="a"}`; QueryParseError when it is none.

    Whether at least one of them refuses an empty value is for the caller to check.
    """
    parser = _Parser(text, ParserOptions())
    selector = parser.parse(parser.whole_selector())
    if parser.faults or selector is None:
        raise QueryParseError(text, parser.faults)
    return selector.matchers


def _limit_depth(query: str, tree: ast.Expr) -> None:
    level: list[ast.Expr] = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.children(node)]
        if not level:
            return
    raise QueryParseError(query, [too_deep(level[0].start, level[0].end)])


class _Parser(SpanRules):
    def parse(self, task: Task[T]) -> T | None:
        try:
            return run(task)
        except Unexpected:
            self.unexpected()
        except Stop:
            pass
        return None

    # Whole inputs

    def whole_expression(self) -> Task[ast.Expr]:
        if self.peek().kind == t.END:
            self.fault_at(0, 0, "no expression found in input")
            raise Stop
        tree: ast.Expr = yield self.expression(0)
        self.expect(t.END)
        return tree

    def whole_selector(self) -> Task[ast.VectorSelector]:
        selector: ast.VectorSelector = yield self.vector_selector()
        self.expect(t.END)
        return selector

    # Operators

    def expression(self, minimum: int) -> Task[ast.Expr]:
        """Operands joined by operators that bind at least as strongly as `minimum`."""
        first: ast.Expr = yield self.operand()
        joined: ast.Expr = yield self.join(first, minimum)
        return joined

    def join(self, left: ast.Expr, minimum: int) -> "Task[ast.Expr] | ast.Expr":
        """`left` with the operators behind it, as far as they bind strongly enough."""
        return self.joined(left, minimum) if self.precedence() >= max(minimum, 1) else left

    def joined(self, left: ast.Expr, minimum: int) -> Task[ast.Expr]:
        """`left` with at least one operator behind it."""
        while (precedence := self.precedence()) >= max(minimum, 1):
            operator = self.take()
            matching, return_bool = self.binary_modifiers()
            operand: ast.Expr = yield self.operand()
            right: ast.Expr = yield self.join(operand, precedence if precedence == _POWER else precedence + 1)
            left = ast.BinaryExpr(
                operator.kind, left, right, matching, return_bool, start=left.start, end=right.end
            )
            if not self.options.fill and (matching.fill_left is not None or matching.fill_right is not None):
                self.fault(left, "binop fill modifiers are experimental and not enabled")
        return left

    def precedence(self) -> int:
        """How strongly the operator that comes next binds; 0 when none does."""
        return _PRECEDENCE.get(self.peek().kind, 0)

    def operand(self) -> "Task[ast.Expr] | ast.Expr":
        kind = self.peek().kind
        if kind in ("-", "+"):
            return self.signed()
        primary = self.primary()
        plain = not isinstance(primary, GeneratorType) and self.peek().kind not in _POSTFIX
        return primary if plain else self.extended_operand(primary)

    def signed(self) -> Task[ast.Expr]:
        sign = self.take()
        self.deeper()
        expr: ast.Expr = yield self.expression(_UNARY)
        self.depth -= 1
        if isinstance(expr, ast.NumberLiteral):
            value = -expr.value if sign.kind == "-" else expr.value
            return replace(expr, value=value, start=sign.start)
        return ast.UnaryExpr("-" if sign.kind == "-" else "+", expr, start=sign.start, end=expr.end)

    def extended_operand(self, primary: "Task[ast.Expr] | ast.Expr") -> Task[ast.Expr]:
        base: ast.Expr = yield primary
        extended: ast.Expr = yield self.postfix(base)
        return extended

    def binary_modifiers(self) -> tuple[ast.VectorMatching, bool]:
        if self.peek().kind not in _BINARY_MODIFIERS:
            return _PLAIN_MATCHING, False
        return_bool = self.accept("bool") is not None
        matching = _PLAIN_MATCHING
        how = self.accept("on") or self.accept("ignoring")
        if how is not None:
            matching = replace(matching, on=how.kind == "on", labels=self.label_list())
            group = self.accept("group_left") or self.accept("group_right")
            if group is not None:
                left = group.kind == "group_left"
                card = ast.Cardinality.MANY_TO_ONE if left else ast.Cardinality.ONE_TO_MANY
                kind = self.peek().kind
                bare = kind != "(" and (kind in t.CONTEXTUAL or self.starts_expression())
                include = () if bare else self.label_list()
                matching = replace(matching, card=card, include=include)
        if self.accept("fill"):
            value = self.fill_value()
            return replace(matching, fill_left=value, fill_right=value), return_bool
        for _ in range(2):
            if matching.fill_left is None and self.accept("fill_left"):
                matching = replace(matching, fill_left=self.fill_value())
            elif matching.fill_right is None and self.accept("fill_right"):
                matching = replace(matching, fill_right=self.fill_value())
        return matching, return_bool

    def fill_value(self) -> float:
        self.expect("(")
        value = self.signed_number()
        self.expect(")")
        return value

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

    # Operands

    def primary(self) -> "Task[ast.Expr] | ast.Expr":
        token = self.peek()
        kind = token.kind
        following = self.tokens[min(self.at + 1, len(self.tokens) - 1)].kind
        if kind in (t.NUMBER, t.DURATION):
            return self.number_literal()
        if kind == t.STRING:
            self.at += 1
            return ast.StringLiteral(unquote(token.text), start=token.start, end=token.end)
        if kind == "(":
            return self.parenthesized()
        if kind in t.AGGREGATORS and following in ("(", "by", "without"):
            return self.aggregation()
        if (kind == t.IDENTIFIER or kind in _CONTEXT_CALLS) and following == "(":
            return self.call()
        return self.vector_selector()

    def parenthesized(self) -> Task[ast.Expr]:
        opening = self.take()
        self.deeper()
        inner = yield self.expression(0)
        closing = self.expect(")")
        self.depth -= 1
        return ast.ParenExpr(inner, start=opening.start, end=closing.end)

    def call(self) -> Task[ast.Expr]:
        name = self.take()
        args = yield self.arguments()
        function = FUNCTIONS.get(name.text if name.kind == t.IDENTIFIER else name.kind)
        if function is None:
            self.fault(name, f"unknown function with name {quoted(name.text)}")
        elif function.experimental and not self.options.experimental:
            self.fault(name, f"function {quoted(name.text)} is not enabled")
        return ast.Call(function or _UNKNOWN, args, start=name.start, end=self.last_end)

    def arguments(self) -> Task[tuple[ast.Expr, ...]]:
        self.expect("(")
        self.deeper()
        args: list[ast.Expr] = []
        if not self.accept(")"):
            args.append((yield self.expression(0)))
            while comma := self.accept(","):
                if not self.starts_expression():
                    self.fault(comma, "trailing commas not allowed in function call args")
                    break
                args.append((yield self.expression(0)))
            self.expect(")")
        self.depth -= 1
        return tuple(args)

    def starts_expression(self) -> bool:
        kind = self.peek().kind
        return kind in _STARTS or kind in t.METRIC_WORDS

    def aggregation(self) -> Task[ast.Expr]:
        operator = self.take()
        try:
            grouping, without, grouped = self.grouping()
            args: tuple[ast.Expr, ...] = yield self.arguments()
        except Unexpected:
            self.unexpected("aggregation")
            self.fault_at(operator.start, 0, "no arguments for aggregate expression provided")
            raise Stop from None
        if not grouped:
            grouping, without, grouped = self.grouping()
        return self.aggregate_expr(operator, args, grouping, without)

    def grouping(self) -> tuple[tuple[str, ...], bool, bool]:
        """The labels of `by (...)` or `without (...)`, which of the two, and whether there was one."""
        word = self.accept("by") or self.accept("without")
        if word is None:
            return (), False, False
        return self.label_list(), word.kind == "without", True

    def aggregate_expr(
        self, operator: Token, args: tuple[ast.Expr, ...], grouping: tuple[str, ...], without: bool
    ) -> ast.Expr:
        op, end = operator.kind, self.last_end
        wanted = 2 if op in t.PARAMETER_AGGREGATORS else 1
        message = ""
        if not args:
            message = "no arguments for aggregate expression provided"
        elif op in t.EXPERIMENTAL_AGGREGATORS and not self.options.experimental:
            message = f"{op}() is experimental and must be enabled with --enable-feature=promql-experimental-functions"
        elif len(args) != wanted:
            message = f"wrong number of arguments for aggregate expression provided, expected {wanted}, got {len(args)}"
        if message:
            self.fault_at(operator.start, end, message)
            args = args[:1] or (ast.NumberLiteral(0.0),)
        param = args[0] if wanted == len(args) == 2 else None
        return ast.AggregateExpr(op, args[-1], param, grouping, without, start=operator.start, end=end)

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
        while (kind := self.peek().kind) in _POSTFIX:
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
_MODIFIERS: dict[str, tuple[Callable[[_Parser, ast.Expr], Task[ast.Expr] | ast.Expr], str, str]] = {
    "offset": (_Parser.offset, "offset", _SPAN_EXPECTED),
    "@": (_Parser.at_modifier, "@", "timestamp"),
    "[": (_Parser.brackets, "subquery or range selector", _SPAN_EXPECTED),
}


def _with_selector(expr: ast.Expr, target: "ast.VectorSelector | ast.SubqueryExpr", end: int) -> ast.Expr:
    """`expr` with its selector (itself, or the one inside a range) replaced, and grown to `end`."""
    if isinstance(expr, ast.MatrixSelector) and isinstance(target, ast.VectorSelector):
        return replace(expr, selector=target, end=end)
    return replace(target, end=end)
