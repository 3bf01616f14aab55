"""Sets of table columns, by one scratch array of places instead of by sorting.

numpy's set functions sort or hash, 60 to 250 us for a page of 1,000 series; writing each column's place into a vector
that has room for every column and looking it up again takes 5 (benchmarks/scrape_loop.py, churn). The scratch is
shared: the scraper runs on one thread, and no call leaves anything in it that another one trusts.
"""

import numpy as np
from numpy.typing import NDArray

from pyscrape.scrape.interfaces import Columns

Mask = NDArray[np.bool_]

_places: NDArray[np.int32] = np.zeros(1024, np.int32)


def _room_for(columns: Columns) -> NDArray[np.int32]:
    global _places
    top = int(columns.max()) + 1
    if top > len(_places):
        _places = np.zeros(top * 5 // 4, np.int32)
    return _places


def members(columns: Columns, others: Columns) -> Mask:
    """Which of `columns` are among `others`; all are 0 or more.

    >>> members(np.array([3, 1, 9], np.int32), np.array([1, 2, 3], np.int32)).tolist()
    [True, True, False]
    """
    if not len(columns) or not len(others):
        return np.zeros(len(columns), np.bool_)
    _room_for(columns)
    places = _room_for(others)
    places[others] = np.arange(len(others), dtype=np.int32)
    found = places[columns]
    # A place that an earlier call left may point anywhere; the comparison tells.
    found[found >= len(others)] = 0
    mask: Mask = others[found] == columns
    return mask


def without(columns: Columns, others: Columns) -> Columns:
    """`columns` that are not among `others`, in their order.

    >>> without(np.array([3, 1, 9], np.int32), np.array([1, 2], np.int32)).tolist()
    [3, 9]
    """
    return columns[~members(columns, others)] if len(others) else columns


def firsts(columns: Columns) -> Mask | None:
    """Which entries have a column that no earlier entry has; None when all have.

    >>> firsts(np.array([3, 1, 3], np.int32)).tolist()
    [True, True, False]
    """
    if not len(columns):
        return None
    places = _room_for(columns)
    order = np.arange(len(columns), dtype=np.int32)
    places[columns[::-1]] = order[::-1]
    mask: Mask = places[columns] == order
    return None if mask.all() else mask
