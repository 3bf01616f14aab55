"""The syntax tree of PromQL: small frozen values, one class a construct.

Two trees are equal when they mean the same: positions take no part in comparison or hash. `start` and `end`
are character offsets into the query (`place` makes line:column of one). Spans of time are in milliseconds;
where a query computes a span (`[5m * 2]`, `offset -step()`) the number is 0 and the field `*_expr` beside it
holds the computation, to be resolved when the query's step and range are known.

A tree is at most `parser.MAX_DEPTH` levels deep, so that plain recursion over it is safe.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, TypeVar

from pyscrape.model.matcher import Matcher
from pyscrape.promql.signatures import Signature, ValueType

T = TypeVar("T")

Edge = Literal["start", "end"]
DurationOperator = Literal["+", "-", "*", "/", "%", "^", "step", "range", "min_of", "max_of"]

COMPARISON_OPERATORS = frozenset({"==", "!=", "<", "<=", ">", ">="})
SET_OPERATORS = frozenset({"and", "or", "unless"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What all nodes share: where they stand in the text."""

    start: int = field(default=0, compare=False, repr=False)
    end: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class NumberLiteral(Node):
    """A number; `duration` when it was written as a span of time (`5m` is 300 seconds)."""

    value: float = field(compare=False)
    duration: bool = False
    # Compared in place of the value: -0 and 0 differ, NaN and NaN do not.
    _bits: bytes = field(init=False, repr=False, default=b"")

    def __post_init__(self) -> None:
        object.__setattr__(self, "_bits", struct.pack("<d", self.value))

    @property
    def type(self) -> ValueType:
        return ValueType.SCALAR


@dataclass(frozen=True, slots=True)
class StringLiteral(Node):
    """A string, unquoted."""

    value: str

    @property
    def type(self) -> ValueType:
        return ValueType.STRING


@dataclass(frozen=True, slots=True)
class DurationExpr(Node):
    """A computed span in seconds: `op` on its operands, or a function of the query (`step`, `range`).

    A unary sign has no `lhs`; `step` and `range` have neither. `wrapped`: it stood in parentheses.
    """

    op: DurationOperator
    lhs: "DurationNode | None" = None
    rhs: "DurationNode | None" = None
    wrapped: bool = False


DurationNode = NumberLiteral | DurationExpr


@dataclass(frozen=True, slots=True)
class VectorSelector(Node):
    """`name{matchers} @ t offset d`; when `name` is not empty, its matcher is the last one."""

    name: str
    matchers: tuple[Matcher, ...]
    offset_ms: int = 0
    offset_expr: DurationNode | None = None
    at_ms: int | None = None
    at_edge: Edge | None = None
    anchored: bool = False
    smoothed: bool = False

    @property
    def type(self) -> ValueType:
        return ValueType.VECTOR


@dataclass(frozen=True, slots=True)
class MatrixSelector(Node):
    """`selector[range]`; offset and @ stand in the selector."""

    selector: VectorSelector
    range_ms: int
    range_expr: DurationNode | None = None

    @property
    def type(self) -> ValueType:
        return ValueType.MATRIX


@dataclass(frozen=True, slots=True)
class SubqueryExpr(Node):
    """`expr[range:step] @ t offset d`; a step of 0 without `step_expr` means the engine's default."""

    expr: "Expr"
    range_ms: int
    step_ms: int = 0
    range_expr: DurationNode | None = None
    step_expr: DurationNode | None = None
    offset_ms: int = 0
    offset_expr: DurationNode | None = None
    at_ms: int | None = None
    at_edge: Edge | None = None

    @property
    def type(self) -> ValueType:
        return ValueType.MATRIX


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A call of a function of the table in `signatures`."""

    function: Signature
    args: tuple["Expr", ...]

    @property
    def type(self) -> ValueType:
        return self.function.return_type


@dataclass(frozen=True, slots=True)
class AggregateExpr(Node):
    """`op by|without (grouping) (param, expr)`; op in lower case; only topk and its like have a `param`."""

    op: str
    expr: "Expr"
    param: "Expr | None" = None
    grouping: tuple[str, ...] = ()
    without: bool = False

    @property
    def type(self) -> ValueType:
        return ValueType.VECTOR


class Cardinality(Enum):
    """How many series of each side a match group may have, by Prometheus' names."""

    ONE_TO_ONE = "one-to-one"
    MANY_TO_ONE = "many-to-one"  # group_left
    ONE_TO_MANY = "one-to-many"  # group_right
    MANY_TO_MANY = "many-to-many"  # set operators


@dataclass(frozen=True, slots=True)
class VectorMatching:
    """How series of two vectors meet: `on`/`ignoring` labels, group_left/right labels, fill values."""

    card: Cardinality = Cardinality.ONE_TO_ONE
    labels: tuple[str, ...] = ()
    on: bool = False
    include: tuple[str, ...] = ()
    fill_left: float | None = None
    fill_right: float | None = None


@dataclass(frozen=True, slots=True)
class BinaryExpr(Node):
    """`lhs op rhs`; op in lower case; `matching` only where both sides are vectors."""

    op: str
    lhs: "Expr"
    rhs: "Expr"
    matching: VectorMatching | None = None
    return_bool: bool = False

    type: ValueType = field(init=False, compare=False, repr=False, default=ValueType.VECTOR)

    def __post_init__(self) -> None:
        if self.lhs.type is ValueType.SCALAR and self.rhs.type is ValueType.SCALAR:
            object.__setattr__(self, "type", ValueType.SCALAR)


@dataclass(frozen=True, slots=True)
class UnaryExpr(Node):
    """`+expr` or `-expr`; the parser has already folded signs into number literals."""

    op: Literal["+", "-"]
    expr: "Expr"
    type: ValueType = field(init=False, compare=False, repr=False, default=ValueType.VECTOR)

    def __post_init__(self) -> None:
        object.__setattr__(self, "type", self.expr.type)


@dataclass(frozen=True, slots=True)
class ParenExpr(Node):
    """`(expr)`: kept for printing and for positions."""

    expr: "Expr"
    type: ValueType = field(init=False, compare=False, repr=False, default=ValueType.VECTOR)

    def __post_init__(self) -> None:
        object.__setattr__(self, "type", self.expr.type)


Expr = (
    NumberLiteral
    | StringLiteral
    | VectorSelector
    | MatrixSelector
    | SubqueryExpr
    | Call
    | AggregateExpr
    | BinaryExpr
    | UnaryExpr
    | ParenExpr
)


def children(expr: Expr) -> tuple[Expr, ...]:
    """The expressions that `expr` is made of; an aggregation's parameter comes before its vector."""
    match expr:
        case MatrixSelector():
            return (expr.selector,)
        case SubqueryExpr() | UnaryExpr() | ParenExpr():
            return (expr.expr,)
        case Call():
            return expr.args
        case AggregateExpr():
            return (expr.expr,) if expr.param is None else (expr.param, expr.expr)
        case BinaryExpr():
            return (expr.lhs, expr.rhs)
        case _:
            return ()


def walk(expr: Expr) -> Iterator[Expr]:
    """Every expression in the tree, a node before its children, left to right."""
    stack = [expr]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(children(node)))


def bare(expr: Expr) -> Expr:
    """An expression without the parentheses around it."""
    while isinstance(expr, ParenExpr):
        expr = expr.expr
    return expr


def fold(tree: Expr, combine: Callable[[Expr, list[T]], T]) -> T:
    """The result of `combine(node, results of its children)` at the root, for every node from the leaves up."""
    stack: list[tuple[Expr, bool]] = [(tree, False)]
    results: list[T] = []
    while stack:
        node, ready = stack.pop()
        below = children(node)
        if below and not ready:
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(below))
            continue
        cut = len(results) - len(below)
        results[cut:] = [combine(node, results[cut:])]
    return results[0]


def byte_length(text: str) -> int:
    """How long the text is in UTF-8; a surrogate stands for one byte that was none."""
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def place(query: str, position: int) -> str:
    """`line:column` of a character offset, both from 1; columns count bytes, as Prometheus' do.

    >>> place("up +\\n  down", 7)
    '2:3'
    """
    if not query:
        return "unknown position"
    line_start = query.rfind("\n", 0, position) + 1
    return f"{query.count(chr(10), 0, position) + 1}:{byte_length(query[line_start:position]) + 1}"
