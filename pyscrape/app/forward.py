"""The store as the scraper sees it when samples are forwarded: every row goes into it and to the remote writers."""

from collections.abc import Iterator, Mapping, Sequence

from pyscrape.remote.encode import Metadata
from pyscrape.remote.writers import RemoteWriters
from pyscrape.scrape.interfaces import Appended, Columns, SampleTable, Times, Values
from pyscrape.scrape.pools import ScrapePools
from pyscrape.store import Store


class ForwardingTable:
    """A table whose rows are forwarded once the store has taken them."""

    __slots__ = ("_table", "_writers")

    def __init__(self, table: SampleTable, writers: RemoteWriters) -> None:
        self._table = table
        self._writers = writers

    def add_columns(self, labels: Sequence[Mapping[str, str]]) -> Columns:
        return self._table.add_columns(labels)

    def append(self, at_ms: int, columns: Columns, values: Values) -> Appended:
        result = self._table.append(at_ms, columns, values)
        if self._writers.writers:
            self._writers.push(at_ms, columns, values)
        return result

    def append_clocked(self, times_ms: Times, columns: Columns, values: Values) -> Appended:
        result = self._table.append_clocked(times_ms, columns, values)
        if self._writers.writers:
            self._writers.push(times_ms, columns, values)
        return result

    def retire(self, columns: Columns) -> None:
        self._table.retire(columns)

    def close(self) -> None:
        self._table.close()


class ForwardingStore:
    """Where the scraper's tables come from (see `scrape.interfaces.TableStore`)."""

    def __init__(self, store: Store, writers: RemoteWriters) -> None:
        self._store = store
        self._writers = writers

    def table(self, name: str) -> ForwardingTable:
        return ForwardingTable(self._store.table(name), self._writers)


def page_metadata(pools: ScrapePools) -> Iterator[Metadata]:
    """What all targets' pages say of their families."""
    for loop in pools.loops:
        for family, known in loop.metadata.families().items():
            yield Metadata(family, known.type, known.help, known.unit)
