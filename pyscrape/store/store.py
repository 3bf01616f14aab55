"""The store: tables of rows going in, columns coming out.

Writers (the event loop) own tables and the index; readers (worker threads) take a table's tuple of parts as it is at
that moment and need nothing else of it. Only changes of the index and passes over it take the lock.
"""

from collections.abc import Iterable, Mapping, Sequence
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.blocks import Selection
from pyscrape.model.labels import Labels
from pyscrape.model.matcher import Matcher
from pyscrape.model.value import NAN_BITS, STALE_BITS
from pyscrape.store.homes import Homes
from pyscrape.store.index import SeriesIndex
from pyscrape.store.read import Part, find
from pyscrape.store.selection import blocks_of, columns_of
from pyscrape.store.stats import StoreStats
from pyscrape.store.symbols import StoreSymbols
from pyscrape.store.table import NEVER, AppendResult, Table

Ids = NDArray[np.int32]

DEFAULT_RETENTION_MS = 24 * 3_600_000
SEAL_ROWS = 48


class Store:
    """Samples in memory.

    >>> store = Store()
    >>> _ = store.append({"__name__": "up", "job": "a"}, [1000, 2000], [1.0, 0.0])
    >>> store.label_values("job")
    ['a']
    """

    def __init__(
        self,
        *,
        retention_ms: int = DEFAULT_RETENTION_MS,
        out_of_order_window_ms: int = 0,
        seal_rows: int = SEAL_ROWS,
    ) -> None:
        self.index = SeriesIndex()
        self.homes = Homes()
        self.retention_ms = retention_ms
        self.out_of_order_window_ms = out_of_order_window_ms
        self.seal_rows = seal_rows
        self._lock = self.index.lock
        self._names: dict[str, Table] = {}
        self._tables: dict[int, Table] = {}
        self._numbers = 0
        self._place = np.zeros(0, np.int32)
        self.refused = AppendResult(0)
        self._dropped_samples = 0
        self._due: list[Table] = []

    def __repr__(self) -> str:
        return f"Store({self.index.series} series, {len(self._tables)} tables)"

    @property
    def symbols(self) -> StoreSymbols:
        """Label names and values as codes."""
        return self.index.symbols

    # --- writing ---

    def table(self, name: str) -> Table:
        """The table of that name, made now if there is none."""
        table = self._names.get(name)
        if table is None:
            with self._lock:
                self._numbers += 1
                table = self._names[name] = self._tables[self._numbers] = Table(self, self._numbers, name)
        table.closed = False
        return table

    def append(
        self, labels: Mapping[str, str], times_ms: Iterable[int], values: Iterable[float]
    ) -> AppendResult:
        """Samples of one series, for use as a library: times ascending, any iterables of equal length."""
        times = np.fromiter(times_ms, np.int64)
        samples = normalised(np.fromiter(values, np.float64))
        if len(times) != len(samples):
            raise ValueError(f"{len(times)} times and {len(samples)} values")
        [column] = self.index.ids([labels]).tolist()
        table = self.table(f"series/{column}")
        columns = table.add_columns([labels])
        result = AppendResult(0)
        for k, at_ms in enumerate(times.tolist()):
            result += table.append(at_ms, columns, samples[k : k + 1])
        return result

    def own(self, table: Table, ids: Ids) -> None:
        """`table` writes these series now."""
        with self._lock:
            self.homes.add(table.number, ids, self.index.capacity)

    def disown(self, table: Table, ids: Ids) -> None:
        """`table` writes these series no more."""
        with self._lock:
            self.homes.retire(table.number, ids)
            table.retired.append((table.last_ms, ids))

    def close_table(self, table: Table) -> None:
        """Retire everything that `table` writes."""
        with self._lock:
            table.closed = True
            self.disown(table, self.homes.live_in(table.number))

    def first_of_each(self, columns: Ids) -> NDArray[np.intp] | None:
        """Places of the first occurrence of every column, None when all are distinct."""
        if len(self._place) < self.index.capacity:
            self._place = np.zeros(self.index.capacity * 5 // 4 + 64, np.int32)
        places = np.arange(len(columns), dtype=np.int32)
        self._place[columns[::-1]] = places[::-1]
        firsts = self._place[columns]
        return None if (firsts == places).all() else np.flatnonzero(firsts == places)

    # --- reading ---

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Selection:
        """The series that all matchers choose and that have samples in (start, end], with those samples."""
        ids, homes, others, parts = self._chosen(matchers)
        columns = columns_of(parts, ids, homes, others, start_ms, end_ms)
        ids, blocks = blocks_of(columns)
        return Selection(self.index.frame(ids), blocks)

    def _chosen(
        self, matchers: Sequence[Matcher]
    ) -> tuple[Ids, NDArray[np.int32], Mapping[int, Sequence[int]], Mapping[int, Sequence[Part]]]:
        """Ids that match, their tables, and those tables' parts as they are now."""
        ids = self.index.match(matchers)
        with self._lock:
            homes = self.homes.first(ids)
            others: dict[int, Sequence[int]] = {}
            if self.homes.others:
                chosen = set(ids.tolist()) & self.homes.others.keys()
                others = {one: sorted(self.homes.others[one]) for one in sorted(chosen)}
            numbers = set(np.unique(homes).tolist()).union(*others.values())
            parts = {number: self._tables[number].parts for number in numbers if number in self._tables}
        return ids, homes, others, parts

    def _present(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Ids:
        """Ids of matching series with samples in (start, end], judged without reading values."""
        ids, homes, others, parts = self._chosen(matchers)
        present = np.zeros(len(ids), np.bool_)
        for number, some in parts.items():
            mine = homes == number
            if others:
                mine |= np.array([number in others.get(one, ()) for one in ids.tolist()], np.bool_)
            where = np.flatnonzero(mine)
            for one in find(some, ids[where], start_ms, end_ms):
                present[where if one.there is None else where[one.there]] = True
        return ids[present]

    def series(
        self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int, limit: int = 0
    ) -> list[Labels]:
        """Labels of the series that any of the sets chooses, with samples in the range; sorted; 0 = no limit."""
        ids = self._union(matcher_sets, start_ms, end_ms)
        labels = sorted(self.index.labels(ids.tolist()))
        return labels[:limit] if limit else labels

    def label_names(self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int) -> list[str]:
        """Label names among the series that any of the sets chooses; all series when there is no set."""
        return self.index.label_names(self._union(matcher_sets or [[]], start_ms, end_ms))

    def label_values(
        self,
        name: str,
        matcher_sets: Sequence[Sequence[Matcher]] = (),
        start_ms: int = NEVER,
        end_ms: int = 2**63 - 1,
    ) -> list[str]:
        """Values of a label among the series that any of the sets chooses; all series when there is no set."""
        return self.index.label_values(name, self._union(matcher_sets or [[]], start_ms, end_ms))

    def _union(self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int) -> Ids:
        found = [self._present(matchers, start_ms, end_ms) for matchers in matcher_sets]
        return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int32)

    # --- upkeep ---

    def maintain(self, now_ms: int, budget_s: float = 0.02) -> bool:
        """One slice of upkeep; True when there is more to do. Call it often, from the thread that appends."""
        floor_ms = now_ms - self.retention_ms
        end = perf_counter() + budget_s
        while self._due:
            self._drop_before(self._due.pop(), floor_ms)
            if perf_counter() > end:
                return True
        self._due = list(self._tables.values())
        return False

    def _drop_before(self, table: Table, floor_ms: int) -> None:
        if any(part.max_ms < floor_ms for part in table.parts):
            table.drop_before(floor_ms)
        gone = [ids for at_ms, ids in table.retired if at_ms < floor_ms]
        if gone:
            with self._lock:
                table.retired = [entry for entry in table.retired if entry[0] >= floor_ms]
                for ids in gone:
                    left = self.homes.leave(table.number, np.unique(ids))
                    self.index.remove(left)
        if table.closed and not table.parts and not table.retired:
            with self._lock:
                del self._tables[table.number]
                if self._names.get(table.name) is table:
                    del self._names[table.name]

    def stats(self) -> StoreStats:
        """Counts, times and sizes."""
        tables = list(self._tables.values())
        parts = [part for table in tables for part in table.parts]
        return StoreStats(
            series=self.index.series,
            tables=len(tables),
            chunks=len(parts),
            samples_appended=self._dropped_samples + sum(table.samples for table in tables),
            out_of_order=self.refused.out_of_order,
            duplicates=self.refused.duplicates,
            too_old=self.refused.too_old,
            min_ms=min((part.min_ms for part in parts), default=None),
            max_ms=max((part.max_ms for part in parts), default=None),
        )


def normalised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values with every NaN but the staleness marker made the ordinary one; the same array when there is none."""
    nan = np.isnan(values)
    if not nan.any():
        return values
    bits = values.view(np.uint64).copy()
    bits[nan & (bits != np.uint64(STALE_BITS))] = np.uint64(NAN_BITS)
    return bits.view(np.float64)
