"""A table: one clock, a column per series, a row per scrape.

Appending a row of the layout that the table had before is writing it below the last one. A new layout starts a new
segment; nothing that was written is touched. What is older than the newest sample of its series is looked at per
column: refused and counted, or kept when the out-of-order window allows it. When enough rows have come they are cut
off, and the store's upkeep seals them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.label_columns import LabelColumns, by_names
from pyscrape.store.chunk import Chunk
from pyscrape.store.layout import Columns, Layout
from pyscrape.store.read import ABSENT_WORD, Part, find, unite
from pyscrape.store.segment import Segment

if TYPE_CHECKING:
    from pyscrape.store.clocks import Clocks
    from pyscrape.store.store import Store

Times = NDArray[np.int64]
Values = NDArray[np.float64]

NEVER = -(2**63)
_MOST_OPEN_PARTS = 1024


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

    @property
    def refused(self) -> int:
        """Samples that were not appended."""
        return self.out_of_order + self.duplicates + self.too_old


class Table:
    """Rows of one scrape target, or of one group of series that come together."""

    __slots__ = (
        "_active",
        "_clocks",
        "_columns",
        "_layout",
        "_open",
        "_open_parts",
        "_rows",
        "_rows_to_cut",
        "_store",
        "autonomous",
        "closed",
        "cut",
        "last_ms",
        "name",
        "number",
        "parent",
        "parts",
        "retired",
        "samples",
    )

    def __init__(self, store: "Store", number: int, name: str) -> None:
        self._store = store
        self.number = number
        self.name = name
        self.parts: tuple[Part, ...] = ()
        """Everything there is, by the order of its first row; replaced and never changed."""
        self.cut: list[Part] = []
        """Parts that wait to be sealed."""
        self.last_ms = NEVER
        self.samples = 0
        self.closed = False
        self.autonomous = False
        """Nobody will close it: it ends when nothing comes any more (tracks, the library)."""
        self.parent: Table | None = None
        """The table to which the series were announced, of a track behind it."""
        self.retired: list[tuple[int, Columns]] = []
        self._active: tuple[int, int] | None = (
            None  # samples that upkeep saw, and when it saw that many first
        )
        self._clocks: Clocks | None = None
        self._open: Segment | None = None
        self._columns: Columns | None = None  # the columns of the last row, known by identity
        self._layout: Layout | None = None
        self._rows = 0  # since the last cut
        self._open_parts = 0  # likewise
        self._rows_to_cut = store.first_cut(number)

    def __repr__(self) -> str:
        return f"Table({self.name!r}, {len(self.parts)} parts, {self.samples} samples)"

    # --- columns ---

    def add_columns(self, labels: Sequence[Mapping[str, str]]) -> Columns:
        """Columns for new series; labels that are live in this table already give that column again."""
        return self.add_columns_by_name(by_names(labels), len(labels))

    def add_columns_by_name(self, labels: Sequence[LabelColumns], size: int) -> Columns:
        """As `add_columns`, for label sets by name whose places are 0 to `size`, each once."""
        columns = self._store.index.ids_of(labels, size)
        self._store.own(self, columns)
        return columns

    def retire(self, columns: Columns) -> None:
        """No more samples will come for these columns; they are given back when retention has passed them."""
        if self._clocks is not None:
            self._clocks.retire(columns)
        self._store.disown(self, columns)

    def close(self) -> None:
        """The target is gone. What was appended stays until retention takes it."""
        if self._clocks is not None:
            self._clocks.close()
            self._clocks = None
        self._store.close_table(self)

    # --- rows ---

    def append(self, at_ms: int, columns: Columns, values: Values, *, distinct: bool = False) -> AppendResult:
        """One row: `values[k]` is the sample of `columns[k]` at `at_ms`.

        Both arrays now belong to the table. Handing over the same `columns` object while nothing changed makes this
        independent of the number of columns but for one copy. Of a column that stands twice the first value counts;
        `distinct` says that none does.
        """
        if columns is not self._columns or at_ms <= self.last_ms:
            return self._append_other(at_ms, columns, values, distinct=distinct)
        if self._rows >= self._rows_to_cut:
            self.cut_rows()
        assert self._layout is not None
        if self._open is None:
            self._begin(Segment(self._layout, at_ms, values))
        else:
            self._open.push(at_ms, values, self._rows_to_cut - self._rows)
        self._store.latest.put(self._layout.place, at_ms, values)
        if self._store.journal is not None:
            self._store.journal.row(self, at_ms, columns, values)
        count = len(values)
        self._appended(at_ms, 1, count)
        return AppendResult(count)

    def append_clocked(self, times_ms: Times, columns: Columns, values: Values) -> AppendResult:
        """Samples with times of their own: `values[k]` is the sample of `columns[k]` at `times_ms[k]`.

        Columns whose times go together are kept together, in tables of their own behind this one.
        """
        if self._clocks is None:
            self._clocks = self._store.clocks(self.name, self)
        return self._clocks.append(times_ms, columns, values)

    def append_rows(self, times_ms: Times, columns: Columns, values: Values) -> AppendResult:
        """Several rows of one layout, shape [times x columns]; times ascending."""
        if len(times_ms) > 1 and self._follow(int(times_ms[0]), columns):
            return self._append_block(times_ms, columns, values)
        result = AppendResult(0)
        for k, at_ms in enumerate(times_ms.tolist()):
            result += self.append(at_ms, columns, values[k])
        return result

    def _follow(self, first_ms: int, columns: Columns) -> bool:
        """Whether a block of rows from `first_ms` on is newer than every sample of its columns; no column twice."""
        if columns is not self._columns and self._store.first_of_each(columns) is not None:
            return False
        return first_ms > self.last_ms or not self._newest_after(columns, first_ms)

    def _newest_after(self, columns: Columns, at_ms: int) -> bool:
        """Whether any column has a sample at `at_ms` or later."""
        found = find(self.parts, columns, at_ms - 1, self.last_ms)
        return any((one.values().view(np.uint64) != ABSENT_WORD).any() for one in found)

    def _append_block(self, times_ms: Times, columns: Columns, values: Values) -> AppendResult:
        """Rows that no older row has to be held against."""
        rows, width = values.shape
        last_ms = int(times_ms[-1])
        newer = int((times_ms > self.last_ms).sum())
        if newer == rows:
            self._cut_if_full()
        known = self._layout if columns is self._columns else None
        if known is None:
            self._store.own_missing(self, columns)
        layout = known or Layout(columns)
        self._add_part(Segment.of(layout, times_ms, values))
        self._store.latest.put(layout.place, last_ms, values[-1])
        self._open = None
        if self._store.journal is not None:
            self._store.journal.block(self, times_ms, columns, values)
        if newer:
            self._columns, self._layout = columns, layout
        self._appended(max(last_ms, self.last_ms), newer, rows * width)
        return AppendResult(rows * width)

    def _append_other(self, at_ms: int, columns: Columns, values: Values, *, distinct: bool) -> AppendResult:
        """A row of a new layout, or one that is not newer than the last."""
        if not len(columns):
            return AppendResult(0)
        repeats = 0
        if columns is self._columns:
            if at_ms == self.last_ms and self._open is not None and self._open.max_ms == at_ms:
                return self._append_again(values, self._open)
        else:
            self._store.own_missing(self, columns)
            first = None if distinct else self._store.first_of_each(columns)
            if first is not None:
                repeats = len(columns) - len(first)
                columns, values = columns[first], values[first]
        if at_ms <= self.last_ms:
            result = self._append_late(at_ms, columns, values)
        else:
            self._cut_if_full()
            self._columns, self._layout = columns, Layout(columns)
            self._begin(Segment(self._layout, at_ms, values))
            self._store.latest.put(self._layout.place, at_ms, values)
            if self._store.journal is not None:
                self._store.journal.row(self, at_ms, columns, values)
            self._appended(at_ms, 1, len(columns))
            result = AppendResult(len(columns))
        if repeats:
            result += AppendResult(0, duplicates=repeats)
        self._store.count_refused(result)
        return result

    def _append_again(self, values: Values, segment: Segment) -> AppendResult:
        """The last row once more: pages with timestamps repeat themselves until something new was measured."""
        result = AppendResult(0, duplicates=segment.differing(values))
        self._store.count_refused(result)
        return result

    def _append_late(self, at_ms: int, columns: Columns, values: Values) -> AppendResult:
        """A row at a time that the table has reached: each column is judged by its own newest sample."""
        window_ms = self._store.out_of_order_window_ms
        newest, at_same = self._newest(columns, at_ms)
        words = at_same.view(np.uint64)
        taken = words != ABSENT_WORD
        late = (newest > at_ms) & ~taken
        refused = late & (newest - window_ms > at_ms) if window_ms else late
        good = np.flatnonzero(~taken & ~refused)
        if len(good):
            whole = len(good) == len(columns)
            layout = Layout(columns if whole else columns[good])
            kept = values if whole else values[good]
            self._add_part(Segment(layout, at_ms, kept))
            self._store.latest.put_late(layout.columns, at_ms, kept)
            if self._store.journal is not None:
                self._store.journal.row(self, at_ms, layout.columns, kept)
            self._appended(self.last_ms, 0, len(good))
        count = int(refused.sum())
        return AppendResult(
            len(good),
            out_of_order=0 if window_ms else count,
            too_old=count if window_ms else 0,
            duplicates=int((taken & (words != values.view(np.uint64))).sum()),
        )

    def _newest(self, columns: Columns, at_ms: int) -> tuple[Times, Values]:
        """By column: time of its newest sample if that is not before `at_ms` (else NEVER), and its value then."""
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

    # --- parts ---

    def _begin(self, segment: Segment) -> None:
        """Rows now go to this segment."""
        self._open = segment
        self._add_part(segment)

    def _add_part(self, part: Part) -> None:
        with self._store.lock:
            self.parts = (*self.parts, part)
        self._open_parts += 1

    def _appended(self, last_ms: int, rows: int, samples: int) -> None:
        self.last_ms = max(self.last_ms, last_ms)
        self.samples += samples
        self._rows += rows
        if self._open_parts >= _MOST_OPEN_PARTS:
            self.cut_rows()

    def _cut_if_full(self) -> None:
        """Cut before the clock goes on, so that what comes in several appends at one time stays together."""
        if self._rows >= self._rows_to_cut:
            self.cut_rows()

    def has_samples(self, columns: Columns) -> NDArray[np.bool_]:
        """Which of these have a place in any part, whether or not there is a sample in it."""
        there = np.zeros(len(columns), np.bool_)
        for one in find(self.parts, columns, NEVER, 2**63 - 1):
            there[slice(None) if one.there is None else one.there] = True
        return there

    def quiet_ms(self, now_ms: int) -> int:
        """For how long upkeep, which asks now, has seen nothing come: by its clock, as old samples may be sent now."""
        if self._active is None or self._active[0] != self.samples:
            self._active = (self.samples, now_ms)
        return now_ms - self._active[1]

    def cut_rows(self) -> None:
        """Let the open rows be sealed; the next row starts a new segment."""
        with self._store.lock:
            waiting = set(map(id, self.cut))
            cut = [part for part in self.parts if not isinstance(part, Chunk) and id(part) not in waiting]
            self._open = None
            self._rows = self._open_parts = 0
            if cut:
                self.cut += cut
                self._rows_to_cut = self._store.rows_to_cut(max(len(part.layout) for part in cut))
                self._store.wait_for_seal(self)

    def replace(self, old: Sequence[Part], new: Sequence[Part]) -> bool:
        """Put other parts in the place of some; False, and nothing done, where those are not all there any more."""
        with self._store.lock:
            gone = set(map(id, old))
            if not gone <= set(map(id, self.parts)):
                return False
            place = next(k for k, part in enumerate(self.parts) if id(part) in gone)
            kept = [part for part in self.parts if id(part) not in gone]
            kept[place:place] = new
            self.parts = tuple(kept)
            waiting = len(self.cut)
            self.cut = [part for part in self.cut if id(part) not in gone]
            if waiting > len(self.cut):
                self.cut += [part for part in new if not isinstance(part, Chunk)]
            if self._open is not None and id(self._open) in gone:
                self._open = None
            return True

    def restore(self, chunk: Chunk) -> None:
        """A chunk that was read from disk."""
        self.parts = (*self.parts, chunk)
        self.last_ms = max(self.last_ms, chunk.max_ms)

    def drop(self, gone: Sequence[Chunk]) -> None:
        """Let go of chunks."""
        with self._store.lock:
            names = set(map(id, gone))
            self.parts = tuple(part for part in self.parts if id(part) not in names)

    @property
    def oldest_ms(self) -> int:
        """Time of the oldest sample that may be kept; far in the future when there is none."""
        return min((part.min_ms for part in self.parts), default=2**63 - 1)
