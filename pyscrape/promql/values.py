"""What an expression is worth, for all steps of a query at once.

A scalar is float64[steps]; a string is a str; an instant vector is a Vector. A range vector is no value of its own:
the function that takes one asks for panels.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from pyscrape.model.blocks import Codes, LabelFrame, Times, Values
from pyscrape.promql.errors import QueryError
from pyscrape.promql.frames import column, concat, drop, groups_of, reserved, take
from pyscrape.promql.panels import Mask, Panel
from pyscrape.promql.ragged import RaggedPanel
from pyscrape.promql.rate import Spans

SAME_LABELSET = "vector cannot contain metrics with the same labelset"


@dataclass(frozen=True, slots=True)
class Grid:
    """The evaluation times of an expression: start_ms + k * step_ms for k < count."""

    start_ms: int
    step_ms: int
    count: int

    @property
    def end_ms(self) -> int:
        return self.start_ms + (self.count - 1) * self.step_ms

    @property
    def times_ms(self) -> Times:
        if self.count == 1:
            return np.array([self.start_ms])
        return self.start_ms + self.step_ms * np.arange(self.count, dtype=np.int64)

    @property
    def first(self) -> "Grid":
        """The first step alone, for what is the same at every step."""
        return Grid(self.start_ms, 1, 1)


@dataclass(frozen=True, slots=True)
class Vector:
    """An instant vector over all steps.

    `values`: [steps x series]; `present`: same shape, or None when every series is there at every step. Cells that
    are not present hold anything. `unnamed`: [series], whose name goes away at the end of the query (None: no one's).
    Only a query with delayed name removal has such; otherwise names are dropped at once.
    """

    frame: LabelFrame
    values: Values
    present: Mask | None = None
    unnamed: Mask | None = None

    def mask(self) -> Mask:
        """`present` as a matrix."""
        return np.ones(self.values.shape, dtype=np.bool_) if self.present is None else self.present

    def take(self, series: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> "Vector":
        """Some of the series, by index or mask."""
        return Vector(
            take(self.frame, series),
            self.values[:, series],
            None if self.present is None else self.present[:, series],
            None if self.unnamed is None else self.unnamed[series],
        )

    def without_empty(self) -> "Vector":
        """Only series that are present at some step."""
        if self.present is None:
            return self
        alive = np.logical_or.reduce(self.present, axis=0)
        if alive.all():
            return Vector(self.frame, self.values, None, self.unnamed) if self.present.all() else self
        return self.take(alive)

    def with_values(self, values: Values, present: Mask | None = None) -> "Vector":
        """Same series, other values; `present` narrows where they exist."""
        return Vector(self.frame, values, both(self.present, present), self.unnamed)

    def drop_names(self, delayed: bool, *, strict: bool = False) -> "Vector":
        """The same vector after an operation that makes a name untrue.

        Series that differ in their name alone become one, unless a step has two of them; `strict`: unless the
        query has two of them at all.
        """
        if delayed:
            return replace(self, unnamed=np.ones(len(self.frame), dtype=np.bool_))
        gone = reserved(self.frame)
        if not gone:
            return self
        frame = drop(self.frame, gone)
        if all(_is_one(column(self.frame, name)) for name in gone):
            return replace(self, frame=frame)  # series that differ, differ in what is left
        return merge_same(replace(self, frame=frame), strict=strict)

    def settle_names(self) -> "Vector":
        """Delayed name removal carried out."""
        if self.unnamed is None:
            return self
        if not self.unnamed.any():
            return replace(self, unnamed=None)
        codes = self.frame.codes.copy()
        for name in reserved(self.frame):
            codes[self.unnamed, self.frame.names.index(name)] = 0
        frame = LabelFrame(self.frame.names, codes, self.frame.symbols)
        return merge_same(replace(self, frame=frame, unnamed=None))


def _is_one(codes: Codes) -> bool:
    return not len(codes) or bool((codes == codes[0]).all())


def both(a: Mask | None, b: Mask | None) -> Mask | None:
    """Where two presences agree; None means everywhere."""
    if a is None or b is None:
        return b if a is None else a
    return a & b


def merge_same(vector: Vector, *, strict: bool = False) -> Vector:
    """Series with equal labels as one: QueryError when a step has two of them, or (`strict`) two have any sample."""
    ids, first = groups_of(vector.frame.codes)
    if len(first) == len(ids):
        return vector
    if strict:
        vector = vector.without_empty()
        ids, first = groups_of(vector.frame.codes)
        if len(first) == len(ids):
            return vector
        raise QueryError(SAME_LABELSET)
    present = vector.mask()
    order = np.argsort(ids, kind="stable")
    starts = np.searchsorted(ids[order], np.arange(len(first)))
    crowd = np.add.reduceat(present[:, order], starts, axis=1, dtype=np.int64)
    if (crowd > 1).any():
        raise QueryError(SAME_LABELSET)
    values = np.add.reduceat(np.where(present, vector.values, -0.0)[:, order], starts, axis=1)
    # adding -0.0 keeps every number; NaN payloads are nobody's business after the selector
    unnamed = None if vector.unnamed is None else vector.unnamed[first]
    return Vector(take(vector.frame, first), values, crowd > 0, unnamed)


def joined(first: Vector, second: Vector) -> Vector:
    """The series of both vectors."""
    unnamed = None
    if first.unnamed is not None or second.unnamed is not None:
        unnamed = np.concatenate(
            [
                np.zeros(len(part.frame), dtype=np.bool_) if part.unnamed is None else part.unnamed
                for part in (first, second)
            ]
        )
    present = None
    if first.present is not None or second.present is not None:
        present = np.concatenate([first.mask(), second.mask()], axis=1)
    return Vector(
        concat([first.frame, second.frame], first.frame.symbols),
        np.concatenate([first.values, second.values], axis=1),
        present,
        unnamed,
    )


@dataclass(frozen=True, slots=True)
class Ranges:
    """A range vector over all steps: its series' labels, their samples as panels (read once), the windows' times."""

    frame: LabelFrame
    panels: Iterable[Panel | RaggedPanel]
    spans: Spans
    unnamed: Mask | None = None


Value = Values | str | Vector
"""What the evaluator gives for an expression: scalar, string or instant vector over all steps."""
