"""Before a query runs: what it will read, and which of its parts are worth keeping.

`reads` lists every distinct selector with the spans of time that its uses need, those that lie together as one, so
that each is asked of the store once; `repeated` lists the expressions that stand in the query more than once;
`narrowed` those whose series are some of another one's, as in `sum(rate(x{code="500"}[5m])) / sum(rate(x[5m]))`: they
are chosen from its value.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import NamedTuple

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
from pyscrape.promql.frames import RESERVED
from pyscrape.promql.infos import info_selector
from pyscrape.promql.over_time import KERNELS
from pyscrape.promql.values import Grid
from pyscrape.promql.windows import Scope, instant_look, range_look, same_at_every_step, subquery_grid

Matchers = tuple[Matcher, ...]

PER_SERIES = frozenset({*KERNELS})
"""Functions of a range that make one series of each, whatever the others are."""


class Narrowing(NamedTuple):
    """An expression whose series are those of `wide` that `extra` chooses."""

    wide: Expr
    extra: Matchers


class Read(NamedTuple):
    """What is read of some series: (start_ms, end_ms], open at the start; `newest`: no more than the last sample."""

    start_ms: int
    end_ms: int
    newest: bool

    def __or__(self, other: "Read") -> "Read":
        """What serves both."""
        if self == other:
            return self
        return Read(min(self.start_ms, other.start_ms), max(self.end_ms, other.end_ms), False)

    def serves(self, start_ms: int, end_ms: int) -> bool:
        """Whether all of (start_ms, end_ms] is in it."""
        return self.start_ms <= start_ms and end_ms <= self.end_ms

    def near(self, later: "Read") -> bool:
        """Whether both are to be read as one: where that is no more than twice what they need."""
        return (later.start_ms - self.end_ms) <= (self.end_ms - self.start_ms) + (
            later.end_ms - later.start_ms
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known of an expression whatever the times: what `narrowed` and `repeated` say of it."""

    expr: Expr
    narrowed: Mapping[Expr, Narrowing]
    repeated: frozenset[Expr]
    """Wide parts of `narrowed` included."""
    pinned: bool
    """Whether any part has an @, and so may be the same at every step although it reads samples."""
    at_once: tuple[Matchers, ...] | None
    """The matchers of an expression whose selectors all ask for the newest samples at the time of each step; None
    where any of them looks elsewhere. An instant query of such reads them without working out windows."""

    @classmethod
    def of(cls, expr: Expr) -> "Plan":
        """The plan for an expression."""
        chosen = narrowed(expr)
        wide = {narrowing.wide for narrowing in chosen.values()}
        pinned = any(
            node.at_ms is not None or node.at_edge is not None
            for node in walk(expr)
            if isinstance(node, VectorSelector | SubqueryExpr)
        )
        return cls(expr, chosen, repeated(expr) | wide, pinned, _at_once(expr, chosen.keys()))

    @property
    def shares(self) -> bool:
        """Whether any part's value serves more than once."""
        return bool(self.repeated)


def reads(plan: Plan, scope: Scope) -> dict[Matchers, list[Read]]:
    """For each distinct set of matchers what the query reads, in the order of time.

    Spans far from each other, as in `x - x offset 1w`, are read one by one: what lies between them is nobody's.
    """
    if plan.at_once is not None and scope.grid.count == 1:
        at_ms = scope.grid.start_ms
        return {matchers: [Read(at_ms - scope.lookback_ms, at_ms, True)] for matchers in plan.at_once}
    uses: dict[Matchers, set[Read]] = {}
    for matchers, read in _uses(plan.expr, scope.grid, scope, plan.narrowed.keys(), pinned=plan.pinned):
        uses.setdefault(matchers, set()).add(read)
    return {matchers: _together(sorted(spans)) for matchers, spans in uses.items()}


def is_plain(selector: VectorSelector) -> bool:
    """Whether a selector asks for what is newest at the time of the step."""
    return (
        selector.at_ms is None
        and selector.at_edge is None
        and selector.offset_expr is None
        and not (selector.offset_ms or selector.anchored or selector.smoothed)
    )


def _at_once(expr: Expr, unread: Set[Expr]) -> tuple[Matchers, ...] | None:
    """See `Plan.at_once`."""
    for node in walk(expr):
        if isinstance(node, MatrixSelector | SubqueryExpr) or (
            isinstance(node, VectorSelector) and not is_plain(node)
        ):
            return None
        if isinstance(node, Call) and node.function.name == "info":
            return None  # asks for more than it says
    scope = Scope(Grid(0, 1, 1), 0, 0, 1, 1)  # which series does not depend on when
    return tuple(
        dict.fromkeys(matchers for matchers, _ in _uses(expr, scope.grid, scope, unread, pinned=False))
    )


def _together(spans: Sequence[Read]) -> list[Read]:
    """Those that lie near each other as one; `spans` begin one after the other."""
    found = [spans[0]]
    for span in spans[1:]:
        if found[-1].near(span):
            found[-1] |= span
        else:
            found.append(span)
    return found


def _uses(
    expr: Expr, grid: Grid, scope: Scope, unread: Set[Expr] = frozenset(), *, pinned: bool
) -> Iterator[tuple[Matchers, Read]]:
    if not grid.count or (unread and expr in unread):
        return
    if pinned and grid.count > 1 and same_at_every_step(expr):
        grid = grid.first
    match expr:
        case VectorSelector():
            look = instant_look(expr, grid, scope)
            ahead = scope.lookback_ms if expr.smoothed else 0
            newest = grid.count == 1 and not expr.smoothed
            yield expr.matchers, Read(int(look.starts_ms[0]), int(look.ends_ms[-1]) + ahead, newest)
        case MatrixSelector():
            look = range_look(expr, grid, scope)
            back = scope.lookback_ms if expr.selector.anchored or expr.selector.smoothed else 0
            ahead = scope.lookback_ms if expr.selector.smoothed else 0
            start, end = int(look.starts_ms[0]) - back, int(look.ends_ms[-1]) + ahead
            yield expr.selector.matchers, Read(start, end, newest=False)
        case SubqueryExpr():
            inner = subquery_grid(expr, range_look(expr, grid, scope), scope)
            yield from _uses(expr.expr, inner, scope, pinned=pinned)
        case Call() if expr.function.name == "info":
            yield from _uses(info_selector(expr), grid, scope, pinned=pinned)
            yield from _uses(expr.args[0], grid, scope, unread, pinned=pinned)
        case Call() if expr.function.name == "timestamp":
            yield from _uses(expr.args[0], grid, scope, pinned=pinned)  # looks at the samples themselves
        case _:
            for part in parts(expr):
                yield from _uses(part, grid, scope, unread, pinned=pinned)


def repeated(expr: Expr) -> frozenset[Expr]:
    """Expressions that occur more than once, literals aside: their values are kept while the query runs."""
    counts = Counter(node for node in walk(expr) if not isinstance(node, NumberLiteral | StringLiteral))
    return frozenset(node for node, count in counts.items() if count > 1)


def narrowed(expr: Expr) -> dict[Expr, Narrowing]:
    """Expressions outside subqueries that differ from another one by further matchers alone.

    Only selectors and functions of each series by itself; after a function, labels that it removes choose no more.
    """
    families: dict[Expr, list[Expr]] = {}
    for choosable in dict.fromkeys(_choosable(expr)):
        families.setdefault(_with_matchers(choosable, ()), []).append(choosable)
    found: dict[Expr, Narrowing] = {}
    for family in families.values():
        family.sort(key=lambda node: len(_matchers(node)))
        for place, node in enumerate(family):
            for wide in family[:place]:
                extra = tuple(matcher for matcher in _matchers(node) if matcher not in _matchers(wide))
                removed = isinstance(node, Call) and any(matcher.name in RESERVED for matcher in extra)
                if wide not in found and set(_matchers(wide)) < set(_matchers(node)) and not removed:
                    found[node] = Narrowing(wide, extra)
                    break
    return found


def _choosable(expr: Expr) -> Iterator[VectorSelector | Call]:
    match expr:
        case VectorSelector():
            yield expr
        case SubqueryExpr() | MatrixSelector():
            return
        case Call() if expr.function.name in PER_SERIES and any(_is_range(arg) for arg in expr.args):
            yield expr
        case Call() if expr.function.name in ("info", "timestamp"):
            return
        case _:
            for part in parts(expr):
                yield from _choosable(part)


def _is_range(arg: Expr) -> bool:
    return isinstance(arg, MatrixSelector)


def _matchers(node: Expr) -> Matchers:
    if isinstance(node, VectorSelector):
        return node.matchers
    assert isinstance(node, Call)
    return next(arg for arg in node.args if isinstance(arg, MatrixSelector)).selector.matchers


def _with_matchers(node: VectorSelector | Call, matchers: Matchers) -> Expr:
    """The same expression over other series."""
    if isinstance(node, VectorSelector):
        return replace(node, name="", matchers=matchers)
    args = (
        replace(arg, selector=replace(arg.selector, name="", matchers=matchers))
        if isinstance(arg, MatrixSelector)
        else arg
        for arg in node.args
    )
    return replace(node, args=tuple(args))
