"""From tokens to a syntax tree: recursive descent, with precedence climbing for operators.

Each grammar rule is a generator run by the trampoline, so that nesting costs no stack. Errors follow Prometheus'
parser, whose words and places users know: a token that no rule expects raises `Unexpected`, and the innermost
rule that has something to say about it (a label list, a range, an aggregation) words the message. Rules that can
guess how to go on do so, to find more faults in one pass. Types are checked afterwards, and only in a query that
is otherwise sound.
"""

from dataclasses import replace
from functools import lru_cache
from types import GeneratorType
from typing import TypeVar

from pyscrape.model.matcher import Matcher
from pyscrape.model.names import quoted
from pyscrape.promql import ast
from pyscrape.promql import tokens as t
from pyscrape.promql.check import check_types
from pyscrape.promql.cursor import MAX_DEPTH, ParserOptions, Stop, Unexpected, too_deep
from pyscrape.promql.faults import QueryParseError
from pyscrape.promql.literals import unquote
from pyscrape.promql.selector_parser import POSTFIX, SelectorRules
from pyscrape.promql.signatures import FUNCTIONS, Signature, ValueType
from pyscrape.promql.tokens import Token
from pyscrape.promql.trampoline import Task, run

T = TypeVar("T")

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
_CONTEXT_CALLS = t.PREPROCESSORS
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


class _Parser(SelectorRules):
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
        plain = not isinstance(primary, GeneratorType) and self.peek().kind not in POSTFIX
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
