"""Which series topk chooses when values tie: the values a heap would keep, the first of equals."""

import heapq
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.promql.grouping import Groups
from pyscrape.promql.topk import ranks

VALUES = st.sampled_from((1.0, 1.0, 2.0, 3.0, math.nan))


class Worst:
    """An element of Go's heap for topk: NaN goes first, then the greatest key."""

    def __init__(self, key: float, series: int) -> None:
        self.key, self.series = key, series

    def __lt__(self, other: "Worst") -> bool:
        return math.isnan(self.key) or self.key > other.key


@given(st.lists(st.one_of(st.none(), VALUES), min_size=1, max_size=12), st.integers(1, 5))
def test_the_chosen_values_are_the_k_best(cells: list[float | None], k: int) -> None:
    keys = np.array([[math.nan if cell is None else cell for cell in cells]])
    present = np.array([[cell is not None for cell in cells]])
    groups = Groups(np.zeros(len(cells), dtype=np.int64), 1)
    rank = ranks(keys, present, groups, np.array([float(k)]), ordered=True)[0]
    chosen = [
        (cells[s], s) for s in np.argsort(rank, kind="stable").tolist() if rank[s] < k and present[0, s]
    ]
    there = [cell for cell in cells if cell is not None]
    best = sorted(there, key=lambda v: (math.isnan(v), v))[:k]
    assert [str(value) for value, _ in chosen] == [str(value) for value in best]


@given(st.lists(VALUES.filter(lambda v: not math.isnan(v)), min_size=1, max_size=10))
def test_one_of_equals_is_the_first(cells: list[float]) -> None:
    groups = Groups(np.zeros(len(cells), dtype=np.int64), 1)
    rank = ranks(np.array([cells]), None, groups, np.array([1.0]), ordered=True)[0]
    assert cells.index(min(cells)) == int(np.argmin(rank))


@given(st.lists(VALUES, min_size=2, max_size=9), st.integers(2, 4))
def test_a_heap_chooses_the_same_values(cells: list[float], k: int) -> None:
    heap: list[Worst] = []
    for series, key in enumerate(cells):
        if len(heap) < k:
            heapq.heappush(heap, Worst(key, series))
        elif heap[0].key > key or (math.isnan(heap[0].key) and not math.isnan(key)):
            heapq.heapreplace(heap, Worst(key, series))
    groups = Groups(np.zeros(len(cells), dtype=np.int64), 1)
    rank = ranks(np.array([cells]), None, groups, np.array([float(k)]), ordered=False)[0]
    values = sorted(str(cells[s]) for s in range(len(cells)) if rank[s] < k)
    assert values == sorted(str(one.key) for one in heap)
