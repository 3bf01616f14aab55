"""Which tables hold samples of a series, and where it is still being written.

Nearly every series has one home, kept in two vectors by id. A target that moved, honor_labels or remote write give a
series several; those stand in a dict beside them.
"""

import numpy as np
from numpy.typing import NDArray

from pyscrape.store.arrays import ById, Stretches

Ids = NDArray[np.int32]

NOWHERE = 0
"""Table numbers start at 1, so that a new id has no home."""


class Homes:
    """Tables of every series. Not locked; the store's lock covers it."""

    __slots__ = ("_live", "_table", "others")

    def __init__(self) -> None:
        self._table = ById(np.int32)
        self._live = ById(np.bool_)
        self.others: dict[int, dict[int, bool]] = {}  # id -> {table: live} beyond the first home

    @property
    def nbytes(self) -> int:
        return self._table.nbytes + self._live.nbytes + 400 * len(self.others)

    def first(self, ids: Ids) -> NDArray[np.int32]:
        """The first home of every id."""
        homes: NDArray[np.int32] = self._table.data[ids]
        return homes

    def fit(self, capacity: int) -> None:
        """Make room for ids below `capacity`, and give back what is above it."""
        for column in (self._table, self._live):
            if capacity > column.size:
                column.resize(capacity)
            elif capacity < column.size:
                column.cut(capacity)

    def renew(self, ids: Ids) -> None:
        """Ids that go to new series; `leave` has left nothing of the old ones."""

    def release(self, stretches: Stretches) -> None:
        """No series has these ids."""
        for column in (self._table, self._live):
            column.release(stretches)

    def add(self, table: int, ids: Ids) -> None:
        """These series are now written in `table`."""
        homes = self._table.data[ids]
        new = homes == NOWHERE
        if new.all():
            self._table.data[ids] = table
            self._live.data[ids] = True
            return
        self._table.data[ids[new]] = table
        self._live.data[ids[new | (homes == table)]] = True
        for one in ids[~new & (homes != table)].tolist():
            self.others.setdefault(one, {})[table] = True

    def has(self, table: int, ids: Ids) -> NDArray[np.bool_]:
        """Which of the series have `table` among their homes."""
        found: NDArray[np.bool_] = self._table.data[ids] == table
        if self.others:
            for place in np.flatnonzero(~found).tolist():
                found[place] = table in self.others.get(int(ids[place]), ())
        return found

    def move(self, ids: Ids, old: int, new: int) -> None:
        """These series are written in `new` and have nothing in `old`."""
        mine = self._table.data[ids] == old
        self._table.data[ids[mine]] = new
        self._live.data[ids[mine]] = True
        for one, first in zip(ids.tolist(), mine.tolist(), strict=True):
            tables = self.others.get(one)
            if tables is not None:
                tables.pop(new if first else old, None)
                if not tables:
                    del self.others[one]

    def written(self, ids: Ids) -> NDArray[np.int32]:
        """The first home of every id if it is written there, else NOWHERE; ids may be newer than any home."""
        if len(ids) and (capacity := int(ids.max()) + 1) > self._table.size:
            self._table.resize(capacity)
            self._live.resize(capacity)
        homes: NDArray[np.int32] = np.where(self._live.data[ids], self._table.data[ids], NOWHERE)
        return homes

    def retire(self, table: int, ids: Ids) -> None:
        """These series are no longer written in `table`."""
        mine = self._table.data[ids] == table
        self._live.data[ids[mine]] = False
        for one in ids[~mine].tolist():
            tables = self.others.get(one)
            if tables is not None and table in tables:
                tables[table] = False

    def live_in(self, table: int) -> Ids:
        """The series that are written in `table`."""
        ids = np.flatnonzero((self._table.view == table) & self._live.view).astype(np.int32)
        more = [one for one, tables in self.others.items() if tables.get(table)]
        return np.concatenate([ids, np.array(more, np.int32)]) if more else ids

    def live(self) -> dict[int, Ids]:
        """`live_in` of all tables, by number."""
        ids = np.flatnonzero(self._live.view).astype(np.int32)
        ids = ids[np.argsort(self._table.data[ids], kind="stable")]
        numbers, starts = np.unique(self._table.data[ids], return_index=True)
        found = dict(zip(numbers.tolist(), np.split(ids, starts[1:]), strict=True)) if len(ids) else {}
        for one, tables in self.others.items():
            for number in (number for number, live in tables.items() if live):
                found[number] = np.append(found.get(number, np.zeros(0, np.int32)), np.int32(one))
        return found

    def leave(self, table: int, ids: Ids) -> Ids:
        """`table` no longer has samples of these (unless written again); returns the ids without any home left."""
        mine = self._table.data[ids] == table
        gone: Ids = ids[mine & ~self._live.data[ids]]
        for one in ids[~mine].tolist():
            tables = self.others.get(one)
            if tables is not None and tables.get(table) is False:
                del tables[table]
                if not tables:
                    del self.others[one]
        if self.others:
            moved = [one for one in gone.tolist() if one in self.others]
            for one in moved:
                tables = self.others[one]
                home, live = next(iter(tables.items()))
                self._table.data[one] = home
                self._live.data[one] = live
                del tables[home]
                if not tables:
                    del self.others[one]
            gone = gone[~np.isin(gone, moved)]
        self._table.data[gone] = NOWHERE
        return gone
