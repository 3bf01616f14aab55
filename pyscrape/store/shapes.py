"""Series with the same label names share a shape: one vector of value codes per name.

Label values of a million series are then a handful of contiguous integer vectors. "Which series have job=api" is one
pass over one of them (a third of a nanosecond a series), so there are no postings lists to build, keep or merge; and a
series costs four bytes a label.
"""

import numpy as np
from numpy.typing import NDArray

from pyscrape.store.arrays import Growing, GrowingColumns

Codes = NDArray[np.int32]

FREE = -1
"""Series id of a row that holds no series."""
NO_SHAPE = 0
"""Number of a shape that is no series' own, for ids that are not in use: what is given back reads as zero."""

_METRIC_FACTOR = 0x9E3779B97F4A7C15
_SPREAD = (0xD1B54A32D192ED03, 0xBF58476D1CE4E5B9)
_WORD = 2**64


def _factor(name: int) -> int:
    """An odd number without a pattern for a label name's code."""
    mixed = (name + 1) * _SPREAD[0] % _WORD
    mixed = (mixed ^ mixed >> 31) * _SPREAD[1] % _WORD
    return (mixed ^ mixed >> 29) | 1


class Shape:
    """All series whose labels, `__name__` aside, have exactly these names.

    `factors`: uint64[1 + names], what the codes of the metric name and of each label count in a key.
    """

    __slots__ = ("_free", "factors", "names", "number", "place", "series", "values")

    def __init__(self, number: int, names: tuple[int, ...]) -> None:
        self.number = number
        self.names = names
        self.place = {name: k for k, name in enumerate(names)}
        self.factors = np.array([_METRIC_FACTOR, *map(_factor, names)], np.uint64)
        self.values = GrowingColumns(len(names), np.int32)
        self.series = Growing(np.int32)
        self._free: Codes = np.zeros(0, np.int32)

    @property
    def nbytes(self) -> int:
        return self.values.nbytes + self.series.nbytes + self._free.nbytes + 600

    def add(self, values: Codes, series: Codes) -> Codes:
        """Rows for new series; `values` has shape [names x series]."""
        count = len(series)
        start = self.series.size
        if not len(self._free):
            self.values.resize(start + count)
            self.series.resize(start + count)
            self.values.data[:, start : start + count] = values
            self.series.data[start : start + count] = series
            return np.arange(start, start + count, dtype=np.int32)
        reused, self._free = self._free[:count], self._free[count:]
        fresh = count - len(reused)
        self.values.resize(start + fresh)
        self.series.resize(start + fresh)
        rows = reused
        if fresh:
            rows = np.concatenate((reused, np.arange(start, start + fresh, dtype=np.int32)))
        self.values.data[:, rows] = values
        self.series.data[rows] = series
        return rows

    def compacted(self) -> Codes | None:
        """Close the gaps if many rows are free; the series of the rows 0, 1, ... then, None when nothing moved."""
        if len(self._free) * 3 <= self.series.size or self.series.size < 64:
            return None
        used = np.flatnonzero(self.series.view != FREE)
        values, series = self.values.view[:, used], self.series.view[used]
        self.values = GrowingColumns(len(self.names), np.int32)
        self.series = Growing(np.int32)
        self._free = self._free[:0].copy()
        self.add(values, series)
        return series

    def remove(self, rows: Codes) -> None:
        """Free the rows of series that are gone."""
        self.series.data[rows] = FREE
        self.values.data[:, rows] = 0
        self._free = np.concatenate((self._free, rows))
