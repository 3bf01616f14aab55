"""Columns that queries have read, kept inflated: a dashboard that comes again unpacks only what is new.

An entry holds some series of one table on one time axis, as one matrix, so that a query is answered by a view
(`store/entry.py`); a shelf holds those of many small tables (`store/shelf.py`).
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

from pyscrape.model.blocks import UNKNOWN, Facts, Ragged, Room, unlimited
from pyscrape.store.entry import Entry
from pyscrape.store.layout import Columns
from pyscrape.store.read import Part, Times, Values
from pyscrape.store.shelf import FEWEST_GROUPS, Group, PartsOf, Shelf, shelvable

INFLATED_BYTES = 64_000_000
FEWEST_CELLS = 64
"""Less is read as fast as it is looked up."""
_IDLE_MS = 600_000


_EARLIER, _MOST_EARLIER = b"<", 3
"""At the end of a key, once for each later span of the same series that is kept: of `x - x offset 1w` both are, and
nothing of what lies between. The keys' other bytes are a multiple of four."""

_Key = tuple[tuple[int, ...], bytes]


class Inflated:
    """The entries used last, by table and series; safe to share between threads."""

    def __init__(self, max_bytes: int = INFLATED_BYTES) -> None:
        self.max_bytes = max_bytes
        self.nbytes = 0
        self._lock = threading.Lock()
        self._entries: OrderedDict[_Key, tuple[Entry, int]] = OrderedDict()
        self._shelves: OrderedDict[bytes, tuple[Shelf, int]] = OrderedDict()

    def read(
        self,
        tables: tuple[int, ...],
        parts: Sequence[Part],
        ids: Columns,
        start_ms: int,
        end_ms: int,
        room: Room = unlimited,
    ) -> tuple[Columns, Times, Values, Facts]:
        """(series, times, values, what is known of them) of those of `ids` that the parts of some tables may have
        in (start_ms, end_ms].
        """
        with self._lock:
            key = self._place(tables, ids, end_ms)
            known = self._entries.get(key)
            if known is not None:
                self._entries.move_to_end(key)
        if known is None:
            entry = Entry()
            entry.make(parts, ids, start_ms, end_ms, room)
            if entry.values.size >= FEWEST_CELLS and entry.nbytes <= self.max_bytes // 2:
                self._keep(key, entry)
            return *entry.view(start_ms, end_ms), UNKNOWN
        entry = known[0]
        with entry.lock:
            entry.idle_since_ms = None
            if entry.has(parts, start_ms, end_ms):
                answer = entry.view(start_ms, end_ms)
                room(answer[2].size)
                return *answer, entry.facts()
            if entry.follow(parts, ids, start_ms, end_ms):
                answer = entry.view(start_ms, end_ms)
                room(answer[2].size)
                facts = entry.facts()
            else:
                entry.make(parts, ids, start_ms, end_ms, room)
                answer = entry.view(start_ms, end_ms)
                facts = UNKNOWN
        self._keep(key, entry)
        return *answer, facts

    def _place(self, tables: tuple[int, ...], ids: Columns, end_ms: int) -> _Key:
        """Where an entry that is asked up to some time stands, or is to stand; for holders of the lock."""
        key = tables, ids.tobytes()
        while (known := self._entries.get(key)) is not None and end_ms <= known[0].start_ms:
            if len(key[1]) % 4 == _MOST_EARLIER:
                break
            key = tables, key[1] + _EARLIER
        return key

    def _shelf_place(self, key: bytes, end_ms: int) -> bytes:
        """The same for a shelf."""
        while (known := self._shelves.get(key)) is not None and end_ms <= known[0].start_ms:
            if len(key) % 4 == _MOST_EARLIER:
                break
            key += _EARLIER
        return key

    def read_shelf(
        self, key: bytes, parts_of: PartsOf, start_ms: int, end_ms: int, room: Room
    ) -> tuple[Shelf, Ragged] | None:
        """What the shelf of that name has in (start_ms, end_ms], where there is one that still is right."""
        with self._lock:
            key = self._shelf_place(key, end_ms)
            known = self._shelves.get(key)
        if known is None:
            return None
        found = known[0].read(parts_of, start_ms, end_ms, room)
        with self._lock:
            _, size = self._shelves.pop(key, (None, 0))
            self.nbytes -= size
            if found is None:
                return None
            size = known[0].nbytes + len(key)
            self._shelves[key] = known[0], size
            self.nbytes += size
            self._bound()
        return known[0], found

    def lay_on_shelf(self, key: bytes, groups: Sequence[Group], others: Sequence[Group], end_ms: int) -> None:
        """Put entries of `groups` that were just read up to some time side by side, where that can be done with enough.

        Groups that cannot be taken in go to `others`, which are read as ever.
        """
        with self._lock:
            key = self._shelf_place(key, end_ms)
            places = [self._place(tables, ids, end_ms) for tables, ids in groups]
            found = [self._entries.get(place) for place in places]
        most_rows = max((one[0].rows for one in found if one is not None), default=0)
        taken: list[tuple[Group, Entry]] = []
        rest = list(others)
        gone: list[_Key] = []
        for group, place, one in zip(groups, places, found, strict=True):
            if one is not None and shelvable(one[0], group, most_rows):
                taken.append((group, one[0].copy()))
                gone.append(place)
            else:
                rest.append(group)
        if len(taken) < FEWEST_GROUPS:
            return
        shelf = Shelf([group for group, _ in taken], [entry for _, entry in taken], rest)
        size = shelf.nbytes + len(key)
        if size > self.max_bytes // 2:
            return
        with self._lock:
            # Another thread may have laid out the same meanwhile.
            self.nbytes -= self._shelves.pop(key, (None, 0))[1]
            for place in gone:
                self.nbytes -= self._entries.pop(place, (None, 0))[1]
            self._shelves[key] = shelf, size
            self.nbytes += size
            self._bound()

    def _bound(self) -> None:
        """Let go of what was used longest ago while all is too large; for holders of the lock."""
        while self.nbytes > self.max_bytes:
            # A shelf serves many tables: entries go first.
            if self._entries:
                self.nbytes -= self._entries.popitem(last=False)[1][1]
            else:
                self.nbytes -= self._shelves.popitem(last=False)[1][1]

    def _keep(self, key: tuple[tuple[int, ...], bytes], entry: Entry) -> None:
        """Count the entry as the one used last, and let go of others while all are too large."""
        with self._lock:
            _, old = self._entries.pop(key, (entry, 0))
            self.nbytes -= old
            size = entry.nbytes + len(key[1])
            if size > self.max_bytes // 2:
                return
            self._entries[key] = (entry, size)
            self.nbytes += size
            self._bound()

    def tidy(self, now_ms: int, parts_of: Callable[[int], Sequence[Part]]) -> None:
        """Let go of what nobody has asked for in ten minutes, by the clock of the calls of this method.

        And of entries that keep alive what was sealed or dropped since: open rows are many times what is shown of them.
        """
        with self._lock:
            for key, (entry, size) in list(self._entries.items()):
                if entry.idle_since_ms is None:
                    entry.idle_since_ms = now_ms
                if now_ms - entry.idle_since_ms > _IDLE_MS or entry.outdated(key[0], parts_of):
                    del self._entries[key]
                    self.nbytes -= size
            for name, (shelf, size) in list(self._shelves.items()):
                if shelf.idle_since_ms is None:
                    shelf.idle_since_ms = now_ms
                if now_ms - shelf.idle_since_ms > _IDLE_MS or shelf.outdated(parts_of):
                    del self._shelves[name]
                    self.nbytes -= size
