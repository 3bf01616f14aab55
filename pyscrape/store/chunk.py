"""Sealed rows of one layout: packed groups of neighbouring columns, with their times' bounds to skip by."""

import numpy as np
from numpy.typing import NDArray

from pyscrape.store.codec import Packed, pack
from pyscrape.store.layout import Layout
from pyscrape.store.records import Place

Times = NDArray[np.int64]
Values = NDArray[np.float64]

GROUP = 1024
"""Columns that are packed together: one slice of work when sealing, one unit when reading."""

_OVERHEAD = 300


class Chunk:
    """Rows that no longer change."""

    __slots__ = (
        "_size",
        "groups",
        "layout",
        "level",
        "max_ms",
        "min_ms",
        "places",
        "rows",
        "samples",
        "width",
    )

    def __init__(self, layout: Layout, groups: tuple[bytes, ...], width: int = GROUP) -> None:
        self.layout = layout
        self.groups = groups
        self.width = width
        times = Packed(groups[0]).times()
        self.rows = len(times)
        self.min_ms = int(times[0])
        self.max_ms = int(times[-1])
        self.samples = self.rows * len(layout)
        self.places: list[Place] | None = None
        """Where the groups lie on disk, once they do."""
        self.level = 0
        """How often it was merged from smaller ones."""
        self._size = sum(map(len, groups)) + _OVERHEAD

    @property
    def nbytes(self) -> int:
        return self._size

    def times(self, start_ms: int, end_ms: int) -> tuple[int, Times]:
        """(number of the first row, times) of the rows in (start, end]."""
        times = Packed(self.groups[0]).times()
        if start_ms < self.min_ms and end_ms >= self.max_ms:
            return 0, times
        low, high = np.searchsorted(times, (start_ms, end_ms), side="right").tolist()
        return low, times[low:high]

    def read(self, positions: NDArray[np.intp], first: int, count: int) -> Values:
        """Values of some columns, shape [rows x positions]."""
        if len(self.groups) == 1:
            return Packed(self.groups[0]).read(_all_or(positions, len(self.layout)), first, count)
        values = np.empty((count, len(positions)))
        numbers = positions // self.width
        for number in np.unique(numbers).tolist():
            where = np.flatnonzero(numbers == number)
            packed = Packed(self.groups[number])
            columns = _all_or(positions[where] - number * self.width, packed.columns)
            values[:, where] = packed.read(columns, first, count)
        return values


def _all_or(positions: NDArray[np.intp], columns: int) -> NDArray[np.intp] | None:
    """None, meaning every column in order, where that is what `positions` says."""
    if len(positions) != columns or (positions != np.arange(columns)).any():
        return positions
    return None


def sealed(layout: Layout, times: Times, values: Values) -> Chunk:
    """Rows packed at one go."""
    columns = range(0, values.shape[1], GROUP)
    return Chunk(layout, tuple(pack(times, values[:, at : at + GROUP]) for at in columns))
