"""Open rows of one layout: times and a matrix that fills from the top.

Rows that are filled never change, so a reader takes the row count first and then whatever arrays it finds: growing
copies into new arrays, appending writes below the rows that the reader will look at. No lock is held on either side.
"""

from mmap import mmap

import numpy as np
from numpy.typing import NDArray

from pyscrape.store.layout import Layout

Times = NDArray[np.int64]
Values = NDArray[np.float64]


_MAPPED_BYTES = 1 << 16


def _room(rows: int, columns: int) -> Values:
    """An uninitialised matrix; a large one in pages of its own.

    Such pages cost memory only when they are first written, and go back to the system with the matrix instead of
    leaving holes between what lives longer: the peak of a million series is a fifth lower.
    """
    size = rows * columns * 8
    if size < _MAPPED_BYTES:
        return np.empty((rows, columns), np.float64)
    return np.frombuffer(mmap(-1, size), np.float64).reshape(rows, columns)


class Segment:
    """Consecutive rows of one layout, times strictly increasing."""

    __slots__ = ("_times", "_values", "count", "layout", "max_ms", "min_ms")

    def __init__(self, layout: Layout, at_ms: int, values: Values) -> None:
        """A segment of one row; it keeps `values` until a second row comes."""
        self.layout = layout
        self.min_ms = self.max_ms = at_ms
        self._times: Times = np.array([at_ms], np.int64)
        self._values: Values = values.reshape(1, -1)
        self.count = 1

    @classmethod
    def of(cls, layout: Layout, times: Times, values: Values) -> "Segment":
        """A segment of many rows at once, shape [rows x columns]."""
        segment = cls(layout, int(times[0]), values[0])
        segment._times = times
        segment._values = values
        segment.max_ms = int(times[-1])
        segment.count = len(times)
        return segment

    @property
    def nbytes(self) -> int:
        return self._times.nbytes + self.count * len(self.layout) * 8 + 400

    def push(self, at_ms: int, values: Values, expected_rows: int) -> None:
        """One more row; `at_ms` is greater than all times before."""
        count = self.count
        if count == len(self._times):
            self._grow(min(max(expected_rows, 2 * count), 4 * count + 4))
        self._times[count] = at_ms
        self._values[count] = values
        self.max_ms = at_ms
        self.count = count + 1

    def differing(self, values: Values) -> int:
        """How many values differ, to the bit, from those of the last row."""
        last = self._values[self.count - 1].view(np.uint64)
        return int((last != values.view(np.uint64)).sum())

    def _grow(self, rows: int) -> None:
        times = np.empty(rows, np.int64)
        values = _room(rows, len(self.layout))
        times[: self.count] = self._times[: self.count]
        values[: self.count] = self._values[: self.count]
        self._times, self._values = times, values

    def rows(self) -> tuple[Times, Values]:
        """(times, values) of all rows; these never change."""
        count = self.count
        return self._times[:count], self._values[:count]

    def time_of(self, row: int) -> int:
        """The time of a row."""
        return int(self._times[row])

    def times(self, start_ms: int, end_ms: int) -> tuple[int, Times]:
        """(number of the first row, times) of the rows in (start, end]."""
        times = self._times[: self.count]
        low = 0 if start_ms < self.min_ms else int(times.searchsorted(start_ms, side="right"))
        high = len(times) if end_ms >= self.max_ms else int(times.searchsorted(end_ms, side="right"))
        return low, times[low:high]

    def read(self, positions: NDArray[np.intp], first: int, count: int) -> Values:
        """Values of some columns, shape [rows x positions]."""
        rows = self._values[first : first + count]
        if len(positions) == 1:
            column = positions.item(0)
            return rows[:, column : column + 1].copy()
        return rows.take(positions, axis=1)
