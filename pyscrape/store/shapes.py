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


class Shape:
    """All series whose labels, `__name__` aside, have exactly these names."""

    __slots__ = ("_free", "names", "number", "place", "series", "values")

    def __init__(self, number: int, names: tuple[int, ...]) -> None:
        self.number = number
        self.names = names
        self.place = {name: k for k, name in enumerate(names)}
        self.values = GrowingColumns(len(names), np.int32)
        self.series = Growing(np.int32)
        self._free: list[int] = []

    @property
    def nbytes(self) -> int:
        return self.values.nbytes + self.series.nbytes + 8 * len(self._free) + 600

    def add(self, values: Codes, series: Codes) -> Codes:
        """Rows for new series; `values` has shape [names x series]."""
        count = len(series)
        reused = [self._free.pop() for _ in range(min(count, len(self._free)))]
        start = self.series.size
        fresh = count - len(reused)
        self.values.resize(start + fresh)
        self.series.resize(start + fresh)
        rows = np.arange(start, start + fresh, dtype=np.int32)
        if reused:
            rows = np.concatenate([np.array(reused, np.int32), rows])
        self.values.data[:, rows] = values
        self.series.data[rows] = series
        return rows

    def compacted(self) -> Codes | None:
        """Close the gaps if most rows are free; the series of the rows 0, 1, ... then, None when nothing moved."""
        if len(self._free) * 2 <= self.series.size or self.series.size < 64:
            return None
        used = np.flatnonzero(self.series.view != FREE)
        values, series = self.values.view[:, used], self.series.view[used]
        self.values = GrowingColumns(len(self.names), np.int32)
        self.series = Growing(np.int32)
        self._free = []
        self.add(values, series)
        return series

    def remove(self, rows: Codes) -> None:
        """Free the rows of series that are gone."""
        self.series.data[rows] = FREE
        self.values.data[:, rows] = 0
        self._free.extend(rows.tolist())
