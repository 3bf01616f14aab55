"""The store as the scraper sees it when samples are forwarded: every row goes into it and to the remote writers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.label_columns import LabelColumns
from pyscrape.model.labels import Labels
from pyscrape.remote.encode import Metadata
from pyscrape.remote.writers import RemoteWriters
from pyscrape.scrape.exemplars import ExemplarStore
from pyscrape.scrape.interfaces import Appended, Columns, Times, Values
from pyscrape.scrape.pools import ScrapePools

if TYPE_CHECKING:  # an agent has no store in memory
    from pyscrape.store import Store
    from pyscrape.store.table import Table

_NEVER = np.iinfo(np.int64).min


class ForwardingTable:
    """A table whose rows are forwarded once the store has taken them.

    A receiver refuses a whole request for one sample that comes twice or late. Of a row that the store did not take
    whole only what is newer than all that was forwarded of its series goes on.
    """

    __slots__ = ("_newest_ms", "_table", "_writers")

    def __init__(self, table: "Table", writers: RemoteWriters, newest_ms: "NewestTimes") -> None:
        self._table = table
        self._writers = writers
        self._newest_ms = newest_ms

    def add_columns_by_name(self, labels: Sequence[LabelColumns], size: int) -> Columns:
        return self._table.add_columns_by_name(labels, size)

    def append(self, at_ms: int, columns: Columns, values: Values, *, distinct: bool = False) -> Appended:
        result = self._table.append(at_ms, columns, values, distinct=distinct)
        if self._writers.writers:
            if result.refused:
                self._forward_newer(np.full(len(columns), at_ms, np.int64), columns, values)
            else:
                self._newest_ms.note(at_ms, columns)
                self._writers.push(at_ms, columns, values)
        return result

    def append_clocked(self, times_ms: Times, columns: Columns, values: Values) -> Appended:
        result = self._table.append_clocked(times_ms, columns, values)
        if self._writers.writers:
            self._forward_newer(times_ms, columns, values)
        return result

    def _forward_newer(self, times_ms: Times, columns: Columns, values: Values) -> None:
        for newer in self._newest_ms.rounds(times_ms, columns):
            # All of them: the array itself goes on, its identity tells the writers that nothing changed.
            if len(newer) == len(columns):
                self._writers.push(times_ms, columns, values)
            else:
                self._writers.push(times_ms[newer], columns[newer], values[newer])

    def retire(self, columns: Columns) -> None:
        self._table.retire(columns)

    def close(self) -> None:
        self._table.close()


class NewestTimes:
    """The newest time that was forwarded of each series, by its id."""

    def __init__(self) -> None:
        self._times_ms: Times = np.full(1024, _NEVER, np.int64)

    def note(self, times_ms: int | Times, columns: Columns) -> None:
        """These were forwarded."""
        self._reach(columns)
        self._times_ms[columns] = times_ms

    def forget(self, columns: Columns) -> None:
        """These ids are given to other series, whose pages may have clocks that are behind."""
        self._reach(columns)
        self._times_ms[columns] = _NEVER

    def older_than(self, times_ms: int | Times, columns: Columns) -> NDArray[np.bool_]:
        """Where all that was forwarded is older."""
        self._reach(columns)
        return self._times_ms[columns] < times_ms

    def rounds(self, times_ms: Times, columns: Columns) -> Iterator[NDArray[np.intp]]:
        """Places of the samples that a receiver can take after what it has, noted as forwarded when they are given.

        Of a column that stands several times one at a time: a row holds a series once.
        """
        rest = np.arange(len(columns))
        while len(rest):
            _, first = np.unique(columns[rest], return_index=True)
            first.sort()
            chosen = rest[first]
            chosen = chosen[self.older_than(times_ms[chosen], columns[chosen])]
            if len(chosen):
                self.note(times_ms[chosen], columns[chosen])
                yield chosen
            rest = np.delete(rest, first)

    def _reach(self, columns: Columns) -> None:
        most = int(columns.max(initial=0))
        if most >= len(self._times_ms):
            longer = np.full(max(most + 1, len(self._times_ms) * 5 // 4), _NEVER, np.int64)
            longer[: len(self._times_ms)] = self._times_ms
            self._times_ms = longer


class ForwardingStore:
    """Where the scraper's tables come from (see `scrape.interfaces.TableStore`)."""

    def __init__(self, store: "Store", writers: RemoteWriters) -> None:
        self._store = store
        self._writers = writers
        self._newest_ms = NewestTimes()

    def table(self, name: str) -> ForwardingTable:
        return ForwardingTable(self._store.table(name), self._writers, self._newest_ms)


class ForwardingExemplars:
    """Exemplars that are kept, and forwarded where they are new."""

    def __init__(self, kept: ExemplarStore, writers: RemoteWriters) -> None:
        self._kept = kept
        self._writers = writers

    def add(
        self, series: Labels, labels: Mapping[str, str], value: float, at_ms: int, has_time: bool
    ) -> bool:
        before = self._kept.appended
        taken = self._kept.add(series, labels, value, at_ms, has_time)
        if self._kept.appended > before:
            self._writers.push_exemplar(series, labels, value, at_ms)
        return taken


def page_metadata(pools: ScrapePools) -> Iterator[Metadata]:
    """What all targets' pages say of their families."""
    for loop in pools.loops:
        for family, known in loop.metadata.families().items():
            yield Metadata(family, known.type, known.help, known.unit)
