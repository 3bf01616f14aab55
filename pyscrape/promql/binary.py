"""Binary operators: scalars, vectors with scalars, and vectors with vectors matched as a join of integers.

Which series meet is decided once for all steps from their labels; whether both are there, and whether a match is
ambiguous, is decided per step from the presence masks, as Prometheus decides it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np

from pyscrape.model.blocks import LabelFrame, Values
from pyscrape.model.labels import METRIC_NAME, Labels
from pyscrape.model.symbols import NAME
from pyscrape.promql.ast import COMPARISON_OPERATORS, BinaryExpr, Cardinality, VectorMatching
from pyscrape.promql.errors import QueryError
from pyscrape.promql.frames import (
    Ids,
    column,
    concat,
    drop,
    drop_name,
    groups_of,
    keep,
    match_ids,
    take,
    with_label,
)
from pyscrape.promql.panels import Mask
from pyscrape.promql.values import Grid, Value, Vector, both, joined, merge_same

if TYPE_CHECKING:
    from pyscrape.promql.evaluator import Evaluator

ARITHMETIC: dict[str, Callable[[Values, Values], Values]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.float_power,  # np.power makes a square root of ^ 0.5, which is wrong for -Inf and -0
    "atan2": np.arctan2,
}
COMPARISON: dict[str, Callable[[Values, Values], Mask]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
MANY_TO_MANY = (
    "found duplicate series for the match group {} on the {} hand-side of the operation: [{}, {}];"
    "many-to-many matching not allowed: matching labels must be unique on one side"
)
NOT_EXPLICIT = "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
NOT_UNIQUE = "multiple matches for labels: grouping labels must ensure unique matches"


def evaluate(ev: "Evaluator", node: BinaryExpr, grid: Grid) -> Value:
    """The value of a binary expression at every step."""
    left, right = ev.value(node.lhs, grid), ev.value(node.rhs, grid)
    if isinstance(left, Vector) and isinstance(right, Vector):
        if node.op in _SETS:
            return _SETS[node.op](left, right, _matching(ev, node))
        return _matched(ev, node, left, right)
    if isinstance(left, Vector):
        return _with_scalar(ev, node, left, left.values, cast(Values, right)[:, None])
    if isinstance(right, Vector):
        return _with_scalar(ev, node, right, cast(Values, left)[:, None], right.values)
    values, kept = _apply(node, cast(Values, left), cast(Values, right))
    return values if kept is None else kept.astype(np.float64)


def _apply(node: BinaryExpr, left: Values, right: Values) -> tuple[Values, Mask | None]:
    """Values, and for a comparison where it holds."""
    if node.op in COMPARISON_OPERATORS:
        return left, COMPARISON[node.op](left, right)
    return ARITHMETIC[node.op](left, right), None


def _with_scalar(ev: "Evaluator", node: BinaryExpr, vector: Vector, left: Values, right: Values) -> Vector:
    values, kept = _apply(node, left, right)
    if kept is None:
        return vector.with_values(values).drop_names(ev.delayed_names)
    if node.return_bool:
        return vector.with_values(kept.astype(np.float64)).drop_names(ev.delayed_names)
    return vector.with_values(vector.values, kept).without_empty()


# --- vectors with vectors


@dataclass(frozen=True, slots=True)
class Matching:
    """VectorMatching with label names as codes."""

    card: Cardinality
    labels: tuple[int, ...]
    on: bool
    include: tuple[int, ...]

    def ids(self, left: LabelFrame, right: LabelFrame) -> tuple[Ids, Ids, int]:
        return match_ids(left, right, self.labels, on=self.on)


def _matching(ev: "Evaluator", node: BinaryExpr) -> Matching:
    rule = node.matching or VectorMatching()
    code = ev.symbols.code
    return Matching(rule.card, tuple(map(code, rule.labels)), rule.on, tuple(map(code, rule.include)))


@dataclass(frozen=True, slots=True)
class Pairs:
    """Series that meet: rows of the many and of the one side, and the match group of each pair."""

    many: Ids
    one: Ids
    group: Ids


def _matched(ev: "Evaluator", node: BinaryExpr, left: Vector, right: Vector) -> Vector:
    """Arithmetic or comparison of two vectors; errors of ambiguous matches in Prometheus' words."""
    rule = _matching(ev, node)
    swapped = rule.card is Cardinality.ONE_TO_MANY
    many, one = (right, left) if swapped else (left, right)
    fills = _fills(node)
    many_ids, one_ids, count = rule.ids(many.frame, one.frame)
    if fills is not None:
        return _filled(ev, node, rule, many, one, fills)
    _refuse_duplicates(rule, many, one, one_ids, "left" if swapped else "right")
    pairs = _join(many_ids, one_ids, count)
    present = _meet(many.present, one.present, pairs)
    frame = _labels_of_pairs(ev, node, rule, many.frame, one.frame, pairs)
    _refuse_ambiguity(rule, frame, pairs, present, len(many.values))
    many_values = many.values if _is_all(pairs.many, many.frame) else many.values[:, pairs.many]
    one_values = one.values if _is_all(pairs.one, one.frame) else one.values[:, pairs.one]
    operands = (one_values, many_values) if swapped else (many_values, one_values)
    return _finish(ev, node, frame, operands, present)


def _finish(
    ev: "Evaluator",
    node: BinaryExpr,
    frame: LabelFrame,
    operands: tuple[Values, Values],
    present: Mask | None,
) -> Vector:
    values, kept = _apply(node, *operands)
    unnamed = None
    if kept is not None and node.return_bool:
        values, kept = kept.astype(np.float64), None
        unnamed = np.ones(len(frame), dtype=np.bool_) if ev.delayed_names else None
    return merge_same(Vector(frame, values, both(present, kept), unnamed).without_empty())


def _is_all(rows: Ids, frame: LabelFrame) -> bool:
    return len(rows) == len(frame) and bool((rows == np.arange(len(rows))).all())


def _join(many_ids: Ids, one_ids: Ids, count: int) -> Pairs:
    """Every pair of equal ids, in the order of the many side."""
    order = np.argsort(one_ids, kind="stable")
    starts = np.searchsorted(one_ids[order], np.arange(count + 1))
    partners = (starts[1:] - starts[:-1])[many_ids]
    many = np.repeat(np.arange(len(many_ids)), partners)
    number = np.arange(len(many)) - np.repeat(np.cumsum(partners) - partners, partners)
    one = order[starts[many_ids[many]] + number]
    return Pairs(many, one, many_ids[many])


def _meet(many: Mask | None, one: Mask | None, pairs: Pairs) -> Mask | None:
    return both(None if many is None else many[:, pairs.many], None if one is None else one[:, pairs.one])


def _labels_of_pairs(
    ev: "Evaluator", node: BinaryExpr, rule: Matching, many: LabelFrame, one: LabelFrame, pairs: Pairs
) -> LabelFrame:
    """The labels of the result: those of the many side, less the name, with what `include` copies."""
    frame = many if _is_all(pairs.many, many) else take(many, pairs.many)
    if node.op not in COMPARISON_OPERATORS or (node.return_bool and not ev.delayed_names):
        frame = drop_name(frame)  # arithmetic drops it at once, delayed or not
    if rule.card is Cardinality.ONE_TO_ONE:
        frame = keep(frame, rule.labels) if rule.on else drop(frame, rule.labels)
    for name in rule.include:
        frame = with_label(frame, name, column(one, name)[pairs.one])
    return frame


def _crowded(ids: Ids, present: Mask | None, steps: int) -> Mask:
    """[steps x ids]: whether more than one of the columns with an id is present."""
    count = int(ids.max(initial=-1)) + 1
    if present is None:
        return np.broadcast_to(np.bincount(ids, minlength=count) > 1, (steps, count))
    order = np.argsort(ids, kind="stable")
    used, starts = np.unique(ids[order], return_index=True)
    crowd = np.zeros((steps, count), dtype=np.bool_)
    if len(used):
        crowd[:, used] = np.add.reduceat(present[:, order], starts, axis=1, dtype=np.int64) > 1
    return crowd


def _refuse_duplicates(rule: Matching, many: Vector, one: Vector, one_ids: Ids, side: str) -> None:
    """QueryError when, at a step where both sides have series, the one side has two of a match group."""
    if len(np.unique(one_ids)) == len(one_ids) or not len(many.frame):
        return
    steps = len(one.values)
    crowd = _crowded(one_ids, one.present, steps)
    if many.present is not None:
        crowd = crowd & np.logical_or.reduce(many.present, axis=1)[:, None]
    where = np.argwhere(crowd)
    if not len(where):
        return
    step, group = where[0]
    members = np.flatnonzero(one_ids == group)
    if one.present is not None:
        members = members[one.present[step, members]]
    first, second = sorted((one.frame.labels(member) for member in members[:2].tolist()), key=repr)
    text = one.frame.symbols.text
    names = {text(name) for name in rule.labels}
    group_labels = Labels(
        (name, value)
        for name, value in second.items()
        if (name in names) == rule.on and (rule.on or name != METRIC_NAME)
    )
    raise QueryError(MANY_TO_MANY.format(repr(group_labels), side, repr(first), repr(second)))


def _refuse_ambiguity(
    rule: Matching, frame: LabelFrame, pairs: Pairs, present: Mask | None, steps: int
) -> None:
    if rule.card is Cardinality.ONE_TO_ONE:
        ids, message = pairs.group, NOT_EXPLICIT
    else:
        codes = np.concatenate([frame.codes.astype(np.int64), pairs.group[:, None]], axis=1)
        ids, message = groups_of(codes)[0], NOT_UNIQUE
    if len(np.unique(ids)) < len(ids) and _crowded(ids, present, steps).any():
        raise QueryError(message)


# --- fill modifiers


@dataclass(frozen=True, slots=True)
class Fills:
    """What stands in for a missing partner: of the many side, of the one side; None where nothing does."""

    many: float | None
    one: float | None


def _fills(node: BinaryExpr) -> Fills | None:
    rule = node.matching
    if rule is None or (rule.fill_left is None and rule.fill_right is None):
        return None
    # Prometheus swaps the sides of group_right but not their fill values: fill_left is always the many side's.
    return Fills(rule.fill_left, rule.fill_right)


def _filled(
    ev: "Evaluator", node: BinaryExpr, rule: Matching, many: Vector, one: Vector, fills: Fills
) -> Vector:
    """Matching with stand-ins: each side is first completed by series of the fill value where it has no partner."""
    completed_one = one if fills.one is None else _complete(one, many, rule, fills.one)
    completed_many = many if fills.many is None else _complete(many, one, rule, fills.many)
    matching = replace(cast(VectorMatching, node.matching), fill_left=None, fill_right=None)
    plain = replace(node, matching=matching)
    swapped = rule.card is Cardinality.ONE_TO_MANY
    left, right = (completed_one, completed_many) if swapped else (completed_many, completed_one)
    return _matched(ev, plain, left, right)


def _complete(side: Vector, other: Vector, rule: Matching, fill: float) -> Vector:
    """`side` with, for each match group of `other`, a series of `fill` at the steps where the group has no other."""
    side_ids, other_ids, count = rule.ids(side.frame, other.frame)
    steps = len(side.values)
    has_side = _any_per_group(side_ids, side.present, steps, count)
    has_other = _any_per_group(other_ids, other.present, steps, count)
    missing = has_other & ~has_side
    groups = np.flatnonzero(missing.any(axis=0))
    if not len(groups):
        return side
    order = np.argsort(other_ids, kind="stable")
    member = order[np.searchsorted(other_ids[order], groups)]
    labels = take(other.frame, member)
    labels = keep(labels, rule.labels) if rule.on else drop(labels, {*rule.labels, NAME})
    frame = concat([side.frame, labels], side.frame.symbols)
    values = np.concatenate([side.values, np.full((steps, len(groups)), fill)], axis=1)
    present = np.concatenate([side.mask(), missing[:, groups]], axis=1)
    unnamed = None
    if side.unnamed is not None:
        unnamed = np.concatenate([side.unnamed, np.zeros(len(groups), dtype=np.bool_)])
    return Vector(frame, values, present, unnamed)


# --- set operators


def _any_per_group(ids: Ids, present: Mask | None, steps: int, count: int) -> Mask:
    """[steps x count]: whether any series of a match group is present."""
    found = np.zeros((steps, count), dtype=np.bool_)
    if not len(ids):
        return found
    if present is None:
        found[:, ids] = True
        return found
    order = np.argsort(ids, kind="stable")
    used, starts = np.unique(ids[order], return_index=True)
    found[:, used] = np.logical_or.reduceat(present[:, order], starts, axis=1)
    return found


def _and(left: Vector, right: Vector, rule: Matching) -> Vector:
    left_ids, right_ids, count = rule.ids(left.frame, right.frame)
    found = _any_per_group(right_ids, right.present, len(left.values), count)
    return left.with_values(left.values, found[:, left_ids]).without_empty()


def _unless(left: Vector, right: Vector, rule: Matching) -> Vector:
    left_ids, right_ids, count = rule.ids(left.frame, right.frame)
    found = _any_per_group(right_ids, right.present, len(left.values), count)
    return left.with_values(left.values, ~found[:, left_ids]).without_empty()


def _or(left: Vector, right: Vector, rule: Matching) -> Vector:
    left_ids, right_ids, count = rule.ids(left.frame, right.frame)
    found = _any_per_group(left_ids, left.present, len(left.values), count)
    rest = right.with_values(right.values, ~found[:, right_ids]).without_empty()
    if not len(rest.frame):
        return left
    if not len(left.frame):
        return rest
    return merge_same(joined(left, rest))


_SETS: dict[str, Callable[[Vector, Vector, Matching], Vector]] = {"and": _and, "or": _or, "unless": _unless}
