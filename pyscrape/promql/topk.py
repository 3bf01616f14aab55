"""Which k series of each group topk and bottomk choose, and in which order.

Sorting answers that for all steps at once, unless equal values stand at the border: then the choice depends on how
Prometheus' heap of k elements moves while it reads the series, and those cells are replayed on such a heap.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.blocks import Values
from pyscrape.promql.frames import Ids
from pyscrape.promql.grouping import Groups
from pyscrape.promql.panels import Mask

NUMBER, NAN, ABSENT = 0, 1, 2
Kinds = NDArray[np.int8]
Less = Callable[[int, int], bool]


def ranks(keys: Values, present: Mask | None, groups: Groups, k: Values, *, ordered: bool) -> Ids:
    """The place of every cell in its group, [steps x series]: 0 is chosen first; below `k` ([steps]) is chosen.

    Small keys come first, NaN after all numbers, absent cells last. `ordered`: ties among the chosen matter too.
    """
    kinds = np.isnan(keys).astype(np.int8)
    if present is not None:
        kinds[~present] = ABSENT
    places = np.empty(keys.shape, dtype=np.int64)
    for cohort in groups.cohorts():
        cells = np.ascontiguousarray(cohort.gather(keys, np.nan))
        kind = cohort.gather(kinds, ABSENT)
        order = np.lexsort((cells, kind), axis=0)
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(len(order))[:, None, None], axis=0)
        for step, group in _tied(cells, kind, order, k, ordered=ordered):
            _replay(cells[:, step, group], kind[:, step, group], rank[:, step, group], int(k[step]))
        real = cohort.members >= 0
        places[:, cohort.members[real]] = rank.transpose(1, 0, 2)[:, real]
    return places


def _tied(cells: Values, kind: Kinds, order: Ids, k: Values, *, ordered: bool) -> Iterator[tuple[int, int]]:
    """(step, group) of cells whose ties the heap decides."""
    size = len(order)
    if size < 2:
        return
    value = np.take_along_axis(cells, order, axis=0)
    what = np.take_along_axis(kind, order, axis=0)
    same = (what[1:] == what[:-1]) & (what[1:] != ABSENT) & ((value[1:] == value[:-1]) | (what[1:] == NAN))
    number = np.arange(1, size)[:, None, None]
    limit = k[None, :, None]
    decided = same & (number <= limit if ordered else number == limit) & (limit > 1)
    here = np.maximum(np.count_nonzero(what != ABSENT, axis=0) - 1, 0)
    last = np.take_along_axis(value, here[None], axis=0)[0]
    alike = (what[0] == NUMBER) & (
        value[0] == last
    )  # nothing moves in a heap of equal numbers: first come first
    yield from zip(*(found.tolist() for found in np.nonzero(decided.any(axis=0) & ~alike)), strict=True)


def _replay(cells: Values, kind: Kinds, rank: Ids, k: int) -> None:
    """Set `rank` ([series], changed in place) to what a heap of `k` elements makes of the present cells."""
    heap: list[int] = []  # series numbers; the one that must go first is at 0
    keys, nan = cells.tolist(), (kind == NAN).tolist()

    def less(i: int, j: int) -> bool:
        return bool(nan[heap[i]] or keys[heap[i]] > keys[heap[j]])

    for series in np.flatnonzero(kind != ABSENT).tolist():
        if len(heap) < k:
            heap.append(series)
            _up(heap, len(heap) - 1, less)
        elif keys[heap[0]] > keys[series] or (nan[heap[0]] and not nan[series]):
            heap[0] = series
            _down(heap, less)
    for end in range(1, len(heap)):  # an insertion sort, best first, ties as they lie in the heap
        at = end
        while at > 0 and less(at - 1, at):
            heap[at - 1], heap[at] = heap[at], heap[at - 1]
            at -= 1
    rank[:] = len(keys)
    rank[heap] = np.arange(len(heap))


def _up(heap: list[int], at: int, less: Less) -> None:
    while at > 0 and less(at, parent := (at - 1) // 2):
        heap[at], heap[parent] = heap[parent], heap[at]
        at = parent


def _down(heap: list[int], less: Less) -> None:
    at = 0
    while (child := 2 * at + 1) < len(heap):
        if child + 1 < len(heap) and less(child + 1, child):
            child += 1
        if not less(child, at):
            return
        heap[at], heap[child] = heap[child], heap[at]
        at = child
