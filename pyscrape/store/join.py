"""Rows of several layouts in one matrix, to be packed together: which rows, and the matrix.

A page whose series come and go leaves a layout a row. Their places in the matrix are looked up in a vector by series
id, a gather and a scatter a row, where searching each layout for the series of all would sort it first.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pyscrape.store.layout import Layout, union
from pyscrape.store.read import Part, Times, Values, absent, find, unite
from pyscrape.store.segment import Segment

_SPARSE = 2
"""A chunk may have so many times the cells of its samples: what is absent costs time, more layouts memory."""
_ALWAYS = (-(2**63), 2**63 - 1)


class Joiner:
    """Joins the parts of one table at a time.

    `capacity`, everywhere: every series id is smaller.
    """

    __slots__ = ("_marks", "_serial")

    def __init__(self) -> None:
        self._marks: NDArray[np.int32] = np.zeros(0, np.int32)
        """By id: its column where it is 0 or more, else the serial number of the batch that has it."""
        self._serial = 0

    def batches(self, parts: list[Part], capacity: int) -> list[list[Part]]:
        """Parts by the chunk that they are sealed to, so that most cells of each would hold a sample."""
        if len(parts) < 2 or all(part.layout is parts[0].layout for part in parts):
            return [parts] if parts else []
        if not _follow(parts):
            return halves(parts)
        self._fit(capacity)
        rows = [len(part.times(*_ALWAYS)[1]) for part in parts]
        cells = sum(count * len(part.layout) for part, count in zip(parts, rows, strict=True))
        if sum(rows) * len(one_layout(parts)) <= _SPARSE * cells:
            return [parts]
        return self._runs(parts, rows)

    def _runs(self, parts: list[Part], rows: list[int]) -> list[list[Part]]:
        """Each as long as it stays full enough."""
        batches: list[list[Part]] = []
        height = width = cells = 0
        for part, count in zip(parts, rows, strict=True):
            columns = part.layout.columns
            marks = self._marks[columns]
            more = int(np.count_nonzero(marks != self._serial)) if batches else len(columns)
            height, width, cells = height + count, width + more, cells + count * len(columns)
            if not batches or height * width > _SPARSE * cells:
                self._next_serial()
                batches.append([])
                height, width, cells = count, len(columns), count * len(columns)
            batches[-1].append(part)
            self._marks[columns] = self._serial
        return batches

    def _next_serial(self) -> None:
        self._serial -= 1
        if self._serial < -(2**31):
            self._marks[:] = 0
            self._serial = -1

    def joined(self, parts: Sequence[Part], capacity: int) -> tuple[Layout, Times, Values]:
        """The series of all parts, their times, and the matrix [times x series]."""
        layout = one_layout(parts)
        segments = [part for part in parts if isinstance(part, Segment)]
        if layout is parts[0].layout or len(segments) < len(parts) or not _follow(parts):
            return layout, *unite(find(parts, layout.columns, *_ALWAYS), len(layout))
        self._fit(capacity)
        marks = self._marks
        marks[layout.columns] = np.arange(len(layout), dtype=np.int32)
        rows = [segment.rows() for segment in segments]
        times = np.concatenate([some for some, _ in rows])
        out = absent(len(times), len(layout))
        row = 0
        for segment, (some, values) in zip(segments, rows, strict=True):
            where = marks[segment.layout.columns]
            if len(some) == 1:
                out[row][where] = values[0]
            else:
                out[row : row + len(some), where] = values
            row += len(some)
        return layout, times, out

    def rest(self) -> None:
        """Give back the room of the last seals; the next take it anew."""
        self._marks, self._serial = np.zeros(0, np.int32), 0

    def _fit(self, capacity: int) -> None:
        if not capacity <= len(self._marks) <= 4 * capacity:
            self._marks = np.zeros(
                capacity * 5 // 4 + 1, np.int32
            )  # pages that nothing is written to cost nothing


def halves(parts: list[Part]) -> list[list[Part]]:
    """The batches of parts whose times overlap: halved until they are full enough."""
    if len(parts) < 2 or all(part.layout is parts[0].layout for part in parts):
        return [parts]
    times = [part.times(*_ALWAYS)[1] for part in parts]
    cells = sum(len(some) * len(part.layout) for part, some in zip(parts, times, strict=True))
    rows = len(np.unique(np.concatenate(times)))
    if rows * len(one_layout(parts)) <= _SPARSE * cells:
        return [parts]
    middle = len(parts) // 2
    return [*halves(parts[:middle]), *halves(parts[middle:])]


def one_layout(parts: Sequence[Part]) -> Layout:
    """The layout that all parts share, or a new one with all their series."""
    first = parts[0].layout
    if all(part.layout is first for part in parts):
        return first
    return Layout(union([part.layout.columns for part in parts]))


def _follow(parts: Sequence[Part]) -> bool:
    return all(before.max_ms < after.min_ms for before, after in pairwise(parts))
