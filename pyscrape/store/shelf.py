"""Shelves: entries of many small tables, each with times of its own, side by side in one matrix.

A query over fifty targets with a few series each would spend its time on calls, not on samples, if it looked at one
table after the other. So what a selector has read of such tables is laid out as one matrix, series by series, and
stays what it was: entries that are followed one by one (see `inflated`), which write their new rows into their place.
Tables with gaps within a row, with many series or with few rows compared to others are not taken in. `blocks` of what
is given here must agree with what the entries give.
"""

import math
import operator
import threading
from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np

from pyscrape.model.blocks import WHOLE, Ragged, Room
from pyscrape.store.entry import Entry
from pyscrape.store.layout import Columns
from pyscrape.store.read import Part, Times, Values

FEWEST_GROUPS = 6
"""Less is read as fast one by one."""
MOST_COLUMNS = 40
"""A table with more series of one selector is a matrix of its own.

By what both ways cost for the 200 to 400 steps of a dashboard's panel: a table by itself some 50 calls of numpy (0.1 to
0.15 ms), in a shelf each cell of [steps x series] a gather by index instead of a part of a row's copy (10 ns more).
They meet between 30 and 60 series: of 30 tables of 72 series each, queries took 16 ms alone and 24 on a shelf."""
_EVER, _NEVER = -(2**62), 2**62
_ROWS_AHEAD = 1 / 8

Group = tuple[tuple[int, ...], Columns]
"""(tables that are read as one, series of them)."""
PartsOf = Callable[[tuple[int, ...]], Sequence[Part]]


class Shelf:
    """What one selector has of many tables; `rest` are the groups that are not taken in."""

    __slots__ = (
        "_buffer",
        "_earliest",
        "_facts",
        "_in_order",
        "_latest",
        "_lock",
        "_owner",
        "_size",
        "_times",
        "entries",
        "groups",
        "idle_since_ms",
        "ids",
        "rest",
    )

    def __init__(self, groups: Sequence[Group], entries: Sequence[Entry], rest: Sequence[Group]) -> None:
        self.groups = groups
        self.entries = entries
        self.rest = rest
        self.ids = np.concatenate([entry.ids for entry in entries])
        self.idle_since_ms: int | None = None
        self._lock = threading.Lock()
        self._in_order = True  # all entries stand in the matrix
        columns = [len(entry.ids) for entry in entries]
        self._owner = np.repeat(np.arange(len(entries)), columns)
        self._times: Times
        self._buffer: Values
        self._earliest: Times  # of each row of the matrix, over all groups
        self._latest: Times
        self._facts = WHOLE
        self._size = 0
        self._lay_out(_EVER)

    @property
    def start_ms(self) -> int:
        """Behind what time it was read, about."""
        return self.entries[0].start_ms

    @property
    def nbytes(self) -> int:
        return self._size

    def _lay_out(self, start_ms: int) -> None:
        """All rows after a time into a new matrix."""
        kept = []
        for entry in self.entries:
            _, times, values = entry.view(start_ms, _NEVER)
            kept.append((times, values))
        rows = max(len(times) for times, _ in kept)
        stride = rows + max(16, int(rows * _ROWS_AHEAD))
        self._times = np.full((len(kept), stride), _NEVER)
        # Infinities behind the last sample: no counter has fallen there.
        self._buffer = np.full((len(self.ids), stride), math.inf)
        column = 0
        for group, (entry, (times, values)) in enumerate(zip(self.entries, kept, strict=True)):
            place = self._buffer[column : column + values.shape[1]].T
            place[: len(times)] = values
            self._times[group, : len(times)] = times
            entry.move(self._times[group], place, len(times), max(entry.start_ms, start_ms))
            column += values.shape[1]
        self._earliest, self._latest = self._times.min(axis=0), self._times.max(axis=0)
        self._note(stride)

    def _note(self, first: int) -> None:
        """Its size, and what is known of its samples, after rows have come from row `first` on."""
        self._times[:, first:].min(axis=0, out=self._earliest[first:])
        self._times[:, first:].max(axis=0, out=self._latest[first:])
        own = sum(entry.nbytes - entry.values.nbytes - entry.times.nbytes for entry in self.entries)
        edges = self._earliest.nbytes + self._latest.nbytes
        self._size = self._buffer.nbytes + self._times.nbytes + edges + self.ids.nbytes + own
        self._facts = reduce(operator.and_, [entry.facts() for entry in self.entries])

    def read(self, parts_of: PartsOf, start_ms: int, end_ms: int, room: Room) -> Ragged | None:
        """The samples in (start, end]; `series` are places in `ids`. None: the entries have to be read anew."""
        told = 0

        def more(samples: int) -> None:
            nonlocal told
            told += samples
            room(samples)

        with self._lock:
            if not self._in_order:
                return None
            self.idle_since_ms = None
            # Where this ends before its time, by a limit or an entry that does not fit, some entry may stand elsewhere.
            self._in_order = False
            grown = made = False
            changed = self._times.shape[1]
            for (tables, ids), entry in zip(self.groups, self.entries, strict=True):
                parts = parts_of(tables)
                if entry.has(parts, start_ms, end_ms):
                    continue
                rows = entry.rows
                if entry.follow(parts, ids, start_ms, end_ms):
                    # Asks about what is new. Old rows may have gone, so no number of rows says where that begins.
                    good = entry.facts().whole
                    grown |= entry.values.base is not self._buffer
                    changed = min(changed, rows)
                else:
                    entry.make(parts, ids, start_ms, end_ms, more)
                    good = len(entry.ids) == len(ids) and entry.whole_from(0)
                    made = True
                if not good:
                    return None
            if grown or made:
                self._lay_out(start_ms if grown else _EVER)
                rows_of = [entry.rows for entry in self.entries]
                if 2 * min(rows_of) < max(rows_of):
                    return None
            elif changed < self._times.shape[1]:
                self._note(changed)
            self._in_order = True
            # rows in which any time may be in the range
            low = int(self._latest.searchsorted(start_ms, side="right"))
            high = max(low, int(self._earliest.searchsorted(end_ms, side="right")))
            room(max(0, (high - low) * len(self.ids) - told))
            times = self._times[:, low:high].clip(start_ms, end_ms + 1)
            return Ragged(
                np.arange(len(self.ids)), self._owner, times, self._buffer, low, start_ms, end_ms, self._facts
            )

    def outdated(self, parts_of: Callable[[int], Sequence[Part]]) -> bool:
        """Whether any entry is."""
        return any(
            entry.outdated(tables, parts_of)
            for (tables, _), entry in zip(self.groups, self.entries, strict=True)
        )


def shelvable(entry: Entry, group: Group, most_rows: int) -> bool:
    """Whether a table's entry can stand beside others."""
    return (
        len(group[1]) <= MOST_COLUMNS
        and len(entry.ids) == len(group[1])
        and 2 * entry.rows >= most_rows
        and entry.whole_from(0)
    )
