"""A table: one clock, a column per series, a row per scrape.

Appending a row of the layout that the table had before is writing it below the last one. A new layout starts a new
segment; nothing that was written is touched. What is older than the newest sample of its series is looked at per
column: refused and counted, or kept when the out-of-order window allows it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pyscrape.store.layout import Columns, Layout
from pyscrape.store.read import ABSENT_WORD, Part, find, unite
from pyscrape.store.segment import Segment

if TYPE_CHECKING:
    from pyscrape.store.store import Store

Times = NDArray[np.int64]
Values = NDArray[np.float64]

NEVER = -(2**63)


@dataclass(frozen=True, slots=True)
class AppendResult:
    """What became of a row's samples; what was not appended is counted by its reason."""

    appended: int
    out_of_order: int = 0
    duplicates: int = 0
    too_old: int = 0

    def __add__(self, other: "AppendResult") -> "AppendResult":
        return AppendResult(
            self.appended + other.appended,
            self.out_of_order + other.out_of_order,
            self.duplicates + other.duplicates,
            self.too_old + other.too_old,
        )


class Table:
    """Rows of one scrape target, or of one group of series that come together."""

    __slots__ = (
        "_last_columns",
        "_open",
        "_store",
        "closed",
        "last_ms",
        "name",
        "number",
        "parts",
        "retired",
        "samples",
    )

    def __init__(self, store: "Store", number: int, name: str) -> None:
        self._store = store
        self.number = number
        self.name = name
        self.parts: tuple[Part, ...] = ()
        self.last_ms = NEVER
        self.samples = 0
        self.closed = False
        self.retired: list[tuple[int, Columns]] = []
        self._open: Segment | None = None
        self._last_columns: Columns | None = None

    def __repr__(self) -> str:
        return f"Table({self.name!r}, {len(self.parts)} parts, {self.samples} samples)"

    # --- columns ---

    def add_columns(self, labels: Sequence[Mapping[str, str]]) -> Columns:
        """Columns for new series; labels that are live in this table already give that column again."""
        columns = self._store.index.ids(labels)
        self._store.own(self, columns)
        return columns

    def retire(self, columns: Columns) -> None:
        """No more samples will come for these columns; they are given back when retention has passed them."""
        self._store.disown(self, columns)

    def close(self) -> None:
        """The target is gone. What was appended stays until retention takes it."""
        self._store.close_table(self)

    # --- rows ---

    def append(self, at_ms: int, columns: Columns, values: Values) -> AppendResult:
        """One row: `values[k]` is the sample of `columns[k]` at `at_ms`.

        Both arrays now belong to the table. Handing over the same `columns` object while nothing changed makes this
        independent of the number of columns but for one copy. Of a column that stands twice the first value counts.
        """
        if columns is self._last_columns and at_ms > self.last_ms:
            assert self._open is not None
            self._open.push(at_ms, values, self._store.seal_rows)
            self.last_ms = at_ms
            count = len(values)
            self.samples += count
            return AppendResult(count)
        return self._append_other(at_ms, columns, values)

    def _append_other(self, at_ms: int, columns: Columns, values: Values) -> AppendResult:
        """A row of a new layout, or one that is not newer than the last."""
        if not len(columns):
            return AppendResult(0)
        first = self._store.first_of_each(columns)
        repeats = 0
        if first is not None:
            repeats = len(columns) - len(first)
            columns, values = columns[first], values[first]
        if at_ms <= self.last_ms:
            result = self._append_late(at_ms, columns, values)
        else:
            segment = Segment(Layout(columns), at_ms, values)
            self.parts = (*self.parts, segment)
            self._open = segment
            self._last_columns = columns
            self.last_ms = at_ms
            result = AppendResult(len(columns))
        self.samples += result.appended
        if repeats:
            result += AppendResult(0, duplicates=repeats)
        self._store.refused += result
        return result

    def _append_late(self, at_ms: int, columns: Columns, values: Values) -> AppendResult:
        """A row at a time that the table has reached: each column is judged by its own newest sample."""
        window_ms = self._store.out_of_order_window_ms
        newest, at_same = self._newest(columns, at_ms)
        same = (at_same.view(np.uint64) == values.view(np.uint64)) & (newest >= at_ms)
        taken = at_same.view(np.uint64) != ABSENT_WORD
        late = (newest > at_ms) & ~taken
        too_old = late & (newest - window_ms > at_ms) if window_ms else late
        good = np.flatnonzero(~taken & ~too_old)
        if len(good):
            whole = len(good) == len(columns)
            kept = columns if whole else columns[good]
            segment = Segment(Layout(kept), at_ms, values if whole else values[good])
            self.parts = (*self.parts, segment)
        return AppendResult(
            len(good),
            out_of_order=0 if window_ms else int(too_old.sum()),
            too_old=int(too_old.sum()) if window_ms else 0,
            duplicates=int((taken & ~same).sum()),
        )

    def _newest(self, columns: Columns, at_ms: int) -> tuple[Times, Values]:
        """By column: time of its newest sample if that is not before `at_ms` (else NEVER), and its value at `at_ms`."""
        newest = np.full(len(columns), NEVER, np.int64)
        at_same = np.full(len(columns), ABSENT_WORD, np.uint64).view(np.float64)
        found = find(self.parts, columns, at_ms - 1, self.last_ms)
        if found:
            times, values = unite(found, len(columns))
            there = values.view(np.uint64) != ABSENT_WORD
            has = there.any(axis=0)
            last = len(times) - 1 - there[::-1].argmax(axis=0)
            newest[has] = times[last[has]]
            if times[0] == at_ms:
                at_same = values[0]
        return newest, at_same

    def drop_before(self, floor_ms: int) -> None:
        """Let go of parts that ended before `floor_ms`."""
        self.parts = tuple(part for part in self.parts if part.max_ms >= floor_ms)
        if self._open is not None and self._open not in self.parts:
            self._open = self._last_columns = None
