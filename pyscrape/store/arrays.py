"""Arrays that grow at the end, for facts that are kept per series instead of an object per series.

Growing makes a new array and leaves the old one as it was, so a reader that took `data` keeps a true picture of
everything that existed then.
"""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_FIRST = 64


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
            data = np.zeros(max(size, len(self.data) * 3 // 2), self.data.dtype)
            data[: self.size] = self.data[: self.size]
            self.data = data
        self.size = size

    def cut(self, size: int) -> None:
        """Give back what is behind the first `size` entries."""
        self.data = self.data[:size].copy()
        self.size = size

    def extend(self, values: NDArray[Any]) -> None:
        start = self.size
        self.resize(start + len(values))
        self.data[start : self.size] = values


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
