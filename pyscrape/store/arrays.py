"""Arrays that grow at the end, for facts that are kept per series instead of an object per series.

Growing makes a new array and leaves the old one as it was, so a reader that took `data` keeps a true picture of
everything that existed then.
"""

import mmap
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_FIRST = 64
_PAGED_BYTES = 64 * 1024
_LETS_GO = (
    sys.platform == "linux"
)  # elsewhere the advice leaves memory as it is, or what is read there is not zero

Stretches = list[tuple[int, int]]
"""Ranges (start, stop) of places."""


class Growing:
    """A vector with a length and room behind it.

    >>> grown = Growing(np.int32)
    >>> grown.extend(np.array([3, 4], np.int32)); grown.view.tolist()
    [3, 4]
    """

    __slots__ = ("data", "size")

    def __init__(self, dtype: DTypeLike) -> None:
        self.data: NDArray[Any] = np.zeros(_FIRST, dtype)
        self.size = 0

    @property
    def view(self) -> NDArray[Any]:
        """The filled part; not a copy."""
        return self.data[: self.size]

    @property
    def nbytes(self) -> int:
        return self.data.nbytes

    def resize(self, size: int) -> None:
        """Make the vector `size` long; new entries are zero."""
        if size > len(self.data):
            self._move(max(size, len(self.data) * 3 // 2), self.size)
        self.size = size

    def cut(self, size: int) -> None:
        """Give back what is behind the first `size` entries."""
        self._move(size, size)
        self.size = size

    def _move(self, room: int, kept: int) -> None:
        """Take room for so many entries, with the first `kept` of those that are."""
        data = self._zeros(room)
        data[:kept] = self.data[:kept]
        self.data = data

    def _zeros(self, room: int) -> NDArray[Any]:
        return np.zeros(room, self.data.dtype)

    def extend(self, values: NDArray[Any]) -> None:
        start = self.size
        self.resize(start + len(values))
        self.data[start : self.size] = values


class ById(Growing):
    """A vector by series id: stretches of ids that are not in use can be given back, and read as zero from then on.

    Ids are not renumbered, and after days of churn the series that live on lie among many that are gone.
    """

    __slots__ = ("_gone_bytes", "_pages")

    def __init__(self, dtype: DTypeLike) -> None:
        super().__init__(dtype)
        self._gone_bytes = 0
        self._pages: mmap.mmap | None = None  # the memory of `data`, where that is large

    @property
    def nbytes(self) -> int:
        """Without what the last `release` gave back; some of that may have come again with series since."""
        return self.data.nbytes - self._gone_bytes

    def _zeros(self, room: int) -> NDArray[Any]:
        self._gone_bytes = 0  # what is copied to the new room is there
        size = room * self.data.itemsize
        if not _LETS_GO or size < _PAGED_BYTES:
            self._pages = None
            return super()._zeros(room)
        self._pages = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        return np.frombuffer(self._pages, self.data.dtype)

    def release(self, stretches: Iterable[tuple[int, int]]) -> None:
        """Make entries zero, those that fill whole pages by giving these back to the system.

        `stretches` are all that are not in use: of those of an earlier call some may be in use again.
        """
        width, pages = self.data.itemsize, self._pages
        self._gone_bytes = 0
        for start, stop in stretches:
            first, last = -(-start * width // mmap.PAGESIZE), stop * width // mmap.PAGESIZE
            if pages is None or first >= last:
                self.data[start:stop] = 0
                continue
            first, last = first * mmap.PAGESIZE, last * mmap.PAGESIZE
            pages.madvise(mmap.MADV_DONTNEED, first, last - first)
            self._gone_bytes += last - first
            self.data[start : first // width] = 0
            self.data[last // width : stop] = 0


def stretches_of(free: NDArray[np.bool_], least: int) -> Stretches:
    """Runs of at least `least` true values.

    >>> stretches_of(np.array([True, True, False, True]), 2)
    [(0, 2)]
    """
    edges = np.flatnonzero(np.diff(free, prepend=False, append=False))
    starts, stops = edges[::2], edges[1::2]
    long = stops - starts >= least
    return list(zip(starts[long].tolist(), stops[long].tolist(), strict=True))


class GrowingColumns:
    """A matrix of `rows` vectors that grow together: shape [rows x size], each row contiguous."""

    __slots__ = ("data", "size")

    def __init__(self, rows: int, dtype: DTypeLike) -> None:
        self.data: NDArray[Any] = np.zeros((rows, 4), dtype)
        self.size = 0

    @property
    def view(self) -> NDArray[Any]:
        return self.data[:, : self.size]

    @property
    def nbytes(self) -> int:
        return self.data.nbytes

    def resize(self, size: int) -> None:
        """Make every vector `size` long; new entries are zero."""
        capacity = self.data.shape[1]
        if size > capacity:
            data = np.zeros((len(self.data), max(size, capacity * 3 // 2)), self.data.dtype)
            data[:, : self.size] = self.data[:, : self.size]
            self.data = data
        self.size = size
