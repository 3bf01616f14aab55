"""Folding the series of each group into one, for all steps at once.

Groups differ in size, matrices do not: groups of about the same size (up to twice) are gathered side by side as
[size x steps x groups], the smaller ones filled up with a neutral value, and folded over the first axis together.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.blocks import Values
from pyscrape.promql.frames import Ids
from pyscrape.promql.panels import Mask, Scalar

Fold = Callable[[Values], Values]

FOLD_CELLS = 1 << 18
"""Cells that are gathered and folded at a time: a bound on memory, and on how long the GIL is held."""


def steps_of(cells: NDArray[np.generic]) -> Iterator[slice]:
    """Steps of a matrix [steps x series] in groups of about FOLD_CELLS cells."""
    stride = max(1, FOLD_CELLS // max(1, cells.shape[1]))
    for start in range(0, len(cells), stride):
        yield slice(start, start + stride)


@dataclass(frozen=True, slots=True)
class Cohort:
    """Groups of similar size: `groups` [n], `members` [largest x n] as series numbers, -1 where a group has fewer."""

    groups: Ids
    members: Ids

    def gather(self, values: NDArray[Scalar], filler: float) -> NDArray[Scalar]:
        """The members' columns as [largest x steps x n]."""
        missing = self.members < 0
        # take per row of members keeps the last axis contiguous, and one pass over memory
        gathered = values[:, self.members].transpose(1, 0, 2)
        if missing.any():
            gathered = np.where(missing[:, None, :], values.dtype.type(filler), gathered)
        return gathered


@dataclass(frozen=True, slots=True)
class Groups:
    """A partition of series: `ids` [series] are group numbers below `count`, every group has a member."""

    ids: Ids
    count: int

    def sizes(self) -> Ids:
        return np.bincount(self.ids, minlength=self.count)

    def in_order(self) -> tuple[Ids | None, Ids]:
        """(the series group by group, None where they stand so; where in that order each group begins)."""
        order = None if (self.ids[1:] >= self.ids[:-1]).all() else np.argsort(self.ids, kind="stable")
        sizes = self.sizes()
        return order, np.cumsum(sizes) - sizes

    def cohorts(self) -> Iterator[Cohort]:
        """All groups, those of similar size together; members in the order of the series."""
        sizes = self.sizes()
        order = np.argsort(self.ids, kind="stable")
        starts = np.cumsum(sizes) - sizes
        scale = np.frexp(sizes.astype(np.float64) - 0.5)[1]
        for power in np.unique(scale):
            groups = np.flatnonzero(scale == power)
            largest = int(sizes[groups].max())
            number = np.arange(largest)[:, None]
            inside = number < sizes[groups]
            at = np.where(inside, starts[groups] + number, 0)
            yield Cohort(groups, np.where(inside, order[at], -1))

    def fold(self, values: Values, filler: float, fold: Fold) -> Values:
        """`fold` ([size x steps x n] -> [steps x n]) over every group: [steps x groups]."""
        result = np.empty((len(values), self.count))
        cohorts = tuple(self.cohorts())
        for steps in steps_of(values):
            part = values[steps]
            for cohort in cohorts:
                result[steps, cohort.groups] = fold(cohort.gather(part, filler))
        return result

    def reduce(self, values: Values, better: np.ufunc) -> Values:
        """A reduction that no order changes, over every group: [steps x groups]."""
        order, starts = self.in_order()
        result = np.empty((len(values), self.count))
        for steps in steps_of(values):
            part = values[steps]
            better.reduceat(
                part if order is None else part.take(order, axis=1), starts, axis=1, out=result[steps]
            )
        return result

    def counts(self, present: Mask | None, steps: int) -> Ids:
        """How many members of each group are present, [steps x groups]."""
        if present is None:
            return np.broadcast_to(self.sizes(), (steps, self.count))
        order, starts = self.in_order()
        counts: Ids = np.empty((steps, self.count), dtype=np.int64)
        for some in steps_of(present):
            part = present[some]
            np.add.reduceat(
                part if order is None else part[:, order], starts, axis=1, dtype=np.int64, out=counts[some]
            )
        return counts
