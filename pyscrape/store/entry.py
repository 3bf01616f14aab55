"""What was read of some series, kept unpacked and followed: the rows that have come since are put below.

Parts of a table are never changed, only replaced, and open rows only grow: an entry remembers which parts it was made
of and how many rows each had. What has come since is put below the last row where it is newer than all of it; where it
is not (sealed, merged, deleted, late samples), the entry is made anew. `unite` is the plain way that this must agree
with.
"""

import math
import operator
import threading
from collections.abc import Callable, Sequence

import numpy as np

from pyscrape.model.blocks import UNKNOWN, Facts, Room
from pyscrape.store.layout import Columns
from pyscrape.store.read import Part, Times, Values, find, reads_of, unite
from pyscrape.store.segment import Segment

_ENTRY_BYTES, _PART_BYTES = 1200, 120


class Entry:
    """Samples of some series that live in the same tables, in (start_ms, end_ms]; used under its lock."""

    __slots__ = (
        "_facts",
        "_growing",
        "_rows",
        "_seen",
        "_unseen",
        "end_ms",
        "idle_since_ms",
        "ids",
        "lock",
        "parts",
        "start_ms",
        "times",
        "values",
    )

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.idle_since_ms: int | None = None
        self.parts: Sequence[Part] = ()
        self.ids = np.zeros(0, np.int32)
        """Those of the asked series that have a place in any of the parts."""
        self.times: Times = np.zeros(0, np.int64)
        self.values: Values = np.zeros((0, 0))
        self.start_ms = self.end_ms = 0
        self._rows = 0
        self._facts = UNKNOWN
        self._unseen = 0  # rows at the end that `facts` has not looked at
        self._seen: set[int] = set()
        self._growing: list[tuple[Segment, int]] = []

    @property
    def nbytes(self) -> int:
        return self.values.nbytes + self.times.nbytes + _ENTRY_BYTES + _PART_BYTES * len(self._seen)

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return self._rows

    def whole_from(self, row: int) -> bool:
        """Whether all cells from a row on are samples that are numbers."""
        values = self.values[row : self._rows]
        return not values.size or not math.isnan(values.min())

    def facts(self) -> Facts:
        """What is known of all cells; what has come since this was asked is looked at."""
        if self._unseen:
            new = self.values[max(0, self._rows - self._unseen - 1) : self._rows]
            whole, rising = self._facts if self._unseen < self._rows else (True, True)
            whole = whole and not (new.size and math.isnan(new.min()))
            self._facts = Facts(whole, whole and rising and not np.less(new[1:], new[:-1]).any())
            self._unseen = 0
        return self._facts

    def copy(self) -> "Entry":
        """Another entry of the same rows, to be followed by itself."""
        other = Entry()
        with self.lock:
            for name in self.__slots__:
                if name != "lock":
                    setattr(other, name, getattr(self, name))
        return other

    def move(self, times: Times, values: Values, rows: int, start_ms: int) -> None:
        """Stand in other arrays, which hold the last `rows` rows, those later than `start_ms`."""
        self.times, self.values, self._rows, self.start_ms = times, values, rows, start_ms

    def view(self, start_ms: int, end_ms: int) -> tuple[Columns, Times, Values]:
        """(series, times, values) of the rows in (start_ms, end_ms]."""
        rows = self._rows
        times = self.times[:rows]
        low = int(times.searchsorted(start_ms, side="right"))
        to_the_end = not rows or end_ms >= times.item(-1)  # as a rule
        high = rows if to_the_end else int(times.searchsorted(end_ms, side="right"))
        values = self.values[low:high]
        values.flags.writeable = False
        return self.ids, times[low:high], values

    def make(self, parts: Sequence[Part], asked: Columns, start_ms: int, end_ms: int, room: Room) -> None:
        """Read everything from the parts."""
        growing = _open_rows(parts)  # counted first: rows that come while others are read are seen next time
        ids, found = reads_of(parts, asked, start_ms, end_ms)
        if found:
            times, values = unite(found, len(ids), room)
        else:
            times, values = np.zeros(0, np.int64), np.zeros((0, len(ids)))
        self.ids, self.times, self.values = ids, times, values
        self._rows = self._unseen = len(self.times)
        self.start_ms, self.end_ms = start_ms, end_ms
        self._remember(parts, growing)

    def has(self, parts: Sequence[Part], start_ms: int, end_ms: int) -> bool:
        """Whether nothing has come since, and (start_ms, end_ms] is in what was read."""
        if start_ms < self.start_ms or end_ms > self.end_ms or not self._rows:
            return False
        # A loop: queries over many small tables come here for each.
        for part, rows in self._growing:
            if part.count != rows:
                return False
        return _same(parts, self.parts)

    def follow(self, parts: Sequence[Part], asked: Columns, start_ms: int, end_ms: int) -> bool:
        """Take in what has come since, as far as (start_ms, end_ms] needs it; False where that is not enough."""
        if start_ms < self.start_ms or not self._rows:
            return False
        end_ms = max(end_ms, self.end_ms)
        last_ms = int(self.times[self._rows - 1])
        growing = _open_rows(parts)
        if not self._only_newer(parts, asked, last_ms):
            return False
        ids, found = reads_of(parts, asked, last_ms, end_ms)
        if found:
            if len(self.ids) != len(asked) and not np.isin(ids, self.ids, assume_unique=True).all():
                return False
            if sum(len(one.times) for one in found) >= self._rows:
                return False  # as much again: `make` asks whether there is room for it
            if len(ids) != len(self.ids):
                found = find(parts, self.ids, last_ms, end_ms)
            self._put_below(*unite(found, len(self.ids)), start_ms)
        self.end_ms = end_ms
        self._remember(parts, growing)
        return True

    def outdated(self, tables: tuple[int, ...], parts_of: Callable[[int], Sequence[Part]]) -> bool:
        """Whether the entry keeps parts alive that its tables let go of: sealed, merged, dropped."""
        if len(tables) == 1 and parts_of(tables[0]) is self.parts:
            return False
        there = {id(part) for table in tables for part in parts_of(table)}
        return any(id(part) not in there for part in self.parts)

    def _remember(self, parts: Sequence[Part], growing: list[tuple[Segment, int]]) -> None:
        """What the rows up to `end_ms` were made of."""
        self.parts = parts
        self._growing = growing
        self._seen = {
            id(part) for part in parts if part.min_ms <= self.end_ms and part.max_ms > self.start_ms
        }

    def _only_newer(self, parts: Sequence[Part], asked: Columns, last_ms: int) -> bool:
        """Whether all that was taken in still is there, and nothing that is not newer has come beside it.

        Parts that are still held cannot be mistaken for others: `parts` keeps them alive.
        """
        known = sum(id(part) in self._seen for part in parts)
        if known != len(self._seen):
            return False
        for segment, rows in self._growing:
            if segment.count > rows and id(segment) in self._seen and segment.time_of(rows) <= last_ms:
                return False
        for part in parts:
            if part.max_ms <= self.start_ms or part.min_ms > last_ms or id(part) in self._seen:
                continue
            if len(part.times(self.start_ms, last_ms)[1]) and (part.layout.positions(asked) >= 0).any():
                return False
        return True

    def _put_below(self, times: Times, values: Values, start_ms: int) -> None:
        """Rows newer than all others; readers of a view never see them."""
        rows = self._rows + len(times)
        if rows > len(self.times):
            first = int(np.searchsorted(self.times[: self._rows], start_ms, side="right"))
            rows -= first
            room = rows + max(16, rows // 8)
            old_times, old_values = self.times[first : self._rows], self.values[first : self._rows]
            self.times, self.values = np.empty(room, np.int64), np.empty((room, len(self.ids)))
            self._rows -= first
            self.times[: self._rows], self.values[: self._rows] = old_times, old_values
            self.start_ms = max(self.start_ms, start_ms) if first else self.start_ms
        self.times[self._rows : rows] = times
        self.values[self._rows : rows] = values
        self._unseen += len(times)
        self._rows = rows


def _same(parts: Sequence[Part], known: Sequence[Part]) -> bool:
    return parts is known or (len(parts) == len(known) and all(map(operator.is_, parts, known)))


def _open_rows(parts: Sequence[Part]) -> list[tuple[Segment, int]]:
    """The parts that may still grow, with their rows."""
    return [(part, part.count) for part in parts if isinstance(part, Segment)]
