"""info(v, {selector}?): labels of info metrics added to the series that have the same instance and job.

Which info series is the newest may change from step to step, and with it the labels of the answer: each base series
becomes one series per distinct choice, present at the steps where that choice holds.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pyscrape.model.blocks import LabelFrame, Values
from pyscrape.model.labels import METRIC_NAME
from pyscrape.model.matcher import Matcher, MatchType
from pyscrape.model.symbols import NAME
from pyscrape.promql.ast import (
    Call,
    Expr,
    MatrixSelector,
    SubqueryExpr,
    VectorSelector,
    bare,
    children,
)
from pyscrape.promql.errors import QueryError
from pyscrape.promql.frames import Ids, column, columns, groups_of
from pyscrape.promql.panels import Mask
from pyscrape.promql.selectors import times_of_latest
from pyscrape.promql.signatures import ValueType
from pyscrape.promql.values import Grid, Vector, merge_same

if TYPE_CHECKING:
    from pyscrape.promql.evaluator import Evaluator

IDENTIFYING = ("instance", "job")
DEFAULT = Matcher(MatchType.EQ, METRIC_NAME, "target_info")


class Wanted(NamedTuple):
    """The second argument of info: which metrics are info metrics, and which of their labels are asked for."""

    names: tuple[Matcher, ...]
    labels: tuple[Matcher, ...]


def wanted(call: Call) -> Wanted:
    """What a call of info asks for."""
    given = call.args[1].matchers if len(call.args) > 1 and isinstance(call.args[1], VectorSelector) else ()
    names = tuple(matcher for matcher in given if matcher.name == METRIC_NAME)
    return Wanted(names or (DEFAULT,), tuple(matcher for matcher in given if matcher.name != METRIC_NAME))


def info_selector(call: Call) -> VectorSelector:
    """The info series that a call reads: looked up at the times that its base is of, where all of it is of the same
    ones, else at those of the query."""
    asked = wanted(call)
    base = set(_times_of(call.args[0]))
    one = base.pop() if len(base) == 1 else _QUERY_TIMES
    return replace(one, matchers=(*asked.names, *asked.labels), start=call.start, end=call.end)


_QUERY_TIMES = VectorSelector("", ())
"""A selector of nothing that stands for the times it looks at: those of the query, without @ and offset."""


def _times_of(expr: Expr) -> Iterator[VectorSelector]:
    """The times of everything that makes vectors in an expression, as selectors of nothing."""
    match bare(expr):
        case VectorSelector() as selector:
            yield _times(selector)
        case MatrixSelector() as ranged:
            yield _times(ranged.selector)
        case SubqueryExpr() as subquery:
            yield _times(subquery)
            yield from _times_of(subquery.expr)
        case Call() as call:
            vectors = [arg for arg in call.args if arg.type in (ValueType.VECTOR, ValueType.MATRIX)]
            for arg in vectors[:1]:  # the second of info is no vector but names labels
                yield from _times_of(arg)
            if not vectors and call.type is ValueType.VECTOR:
                yield _QUERY_TIMES
        case other:
            for part in children(other):
                if part.type is ValueType.VECTOR:
                    yield from _times_of(part)


def _times(node: VectorSelector | SubqueryExpr) -> VectorSelector:
    """Where a selector or subquery looks; `@ 180 offset 1m` is `@ 120`."""
    at_ms, offset_ms = node.at_ms, node.offset_ms
    if at_ms is not None and node.offset_expr is None:
        at_ms, offset_ms = at_ms - offset_ms, 0
    return replace(
        _QUERY_TIMES, at_ms=at_ms, at_edge=node.at_edge, offset_ms=offset_ms, offset_expr=node.offset_expr
    )


def info(ev: "Evaluator", call: Call, grid: Grid) -> Vector:
    """The base series with the labels of their info series."""
    base = ev.vector(call.args[0], grid)
    asked = wanted(call)
    newest = ev.looked_up(info_selector(call), grid, times_of_latest)
    frame = base.frame
    are_infos = _match_names(frame, asked.names)
    ids = _identities(ev, frame, newest.frame)
    required = any(not matcher.matches_empty for matcher in asked.labels)
    answer = _Answer()
    mask = base.mask()
    only = {ev.symbols.code(matcher.name) for matcher in asked.labels}
    for series in range(len(frame)):
        if are_infos[series]:
            answer.add(series, {}, mask[:, series])
            continue
        choices, choice = _choices(newest, np.flatnonzero(ids[1] == ids[0][series]), base.values.shape[0])
        for number, infos in enumerate(choices):
            there = mask[:, series] & (choice == number)
            if there.any() and (infos or not required):
                answer.add(series, _labels(frame, series, newest.frame, infos, only), there)
    return merge_same(answer.vector(base).without_empty())


class _Answer:
    """Series of the answer: base series, labels to set, steps."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.labels: list[dict[int, int]] = []
        self.present: list[Mask] = []

    def add(self, series: int, labels: dict[int, int], present: Mask) -> None:
        self.rows.append(series)
        self.labels.append(labels)
        self.present.append(present)

    def vector(self, base: Vector) -> Vector:
        if not self.rows:
            return base.take(np.zeros(0, dtype=np.int64))
        names = tuple(dict.fromkeys((*base.frame.names, *(name for added in self.labels for name in added))))
        codes = columns(base.frame, names)[self.rows]
        for row, added in enumerate(self.labels):
            for name, value in added.items():
                codes[row, names.index(name)] = value
        frame = LabelFrame(names, codes, base.frame.symbols)
        return Vector(frame, base.values[:, self.rows], np.stack(self.present, axis=1))


def _match_names(frame: LabelFrame, matchers: tuple[Matcher, ...]) -> Mask:
    text = frame.symbols.text
    codes, place = np.unique(column(frame, NAME), return_inverse=True)
    matches = [all(matcher.matches(text(code)) for matcher in matchers) for code in codes.tolist()]
    return np.array(matches, dtype=np.bool_)[place]


def _identities(ev: "Evaluator", base: LabelFrame, infos: LabelFrame) -> tuple[Ids, Ids]:
    """Equal numbers for equal instance and job; -1 for base series that have neither."""
    names = [ev.symbols.code(name) for name in IDENTIFYING]
    left, right = columns(base, names), columns(infos, names)
    ids, _ = groups_of(np.concatenate([left, right]))
    nameless = ~left.any(axis=1)
    return np.where(nameless, -1, ids[: len(left)]), ids[len(left) :]


def _choices(newest: Vector, candidates: Ids, steps: int) -> tuple[list[tuple[int, ...]], Ids]:
    """The distinct sets of info series, one per info metric, that hold at some step; which set holds at each step."""
    if not len(candidates):
        return [()], np.zeros(steps, dtype=np.int64)
    names = column(newest.frame, NAME)[candidates]
    winners = np.full((steps, len(candidates)), -1, dtype=np.int64)
    for place, name in enumerate(np.unique(names).tolist()):
        rivals = candidates[names == name]
        times = np.where(newest.mask()[:, rivals], newest.values[:, rivals], -np.inf)
        best = times.max(axis=1)
        tied = (times == best[:, None]).sum(axis=1) > 1
        found = best > -np.inf
        if (tied & found).any():
            _refuse_duplicates(newest, rivals, times, int(np.flatnonzero(tied & found)[0]))
        winners[:, place] = np.where(found, rivals[np.argmax(times, axis=1)], -1)
    distinct, choice = np.unique(winners, axis=0, return_inverse=True)
    return [tuple(k for k in row if k >= 0) for row in distinct.tolist()], choice.reshape(-1)


def _refuse_duplicates(newest: Vector, rivals: Ids, times: Values, step: int) -> None:
    first, second = rivals[np.flatnonzero(times[step] == times[step].max())][:2].tolist()
    at_ms = round(float(times[step].max()) * 1000)
    raise QueryError(
        f"found duplicate series for info metric: existing {newest.frame.labels(first)} @ {at_ms}, "
        f"new {newest.frame.labels(second)} @ {at_ms}"
    )


def _labels(
    base: LabelFrame, series: int, frame: LabelFrame, infos: tuple[int, ...], only: set[int]
) -> dict[int, int]:
    """Labels that the info series add to a base series; its own labels stay as they are."""
    own = {name for name, code in zip(base.names, base.codes[series].tolist(), strict=True) if code}
    added: dict[int, int] = {}
    for row in infos:
        for name, code in zip(frame.names, frame.codes[row].tolist(), strict=True):
            if not code or name == NAME or (only and name not in only):
                continue
            if added.get(name, code) != code:
                raise QueryError(f"conflicting label: {frame.symbols.text(name)}")
            if name not in own:
                added[name] = code
    return added
