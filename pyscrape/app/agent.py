"""The mode of an agent: samples are forwarded, and of a series only its labels and its newest time are known.

Series that ended are forgotten from time to time, all at once: what remote write remembers by id is remembered anew
after that, which would be too much work at every change of a page.
"""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pyscrape.app.flags import Flags
from pyscrape.app.forward import ForwardingExemplars, NewestTimes
from pyscrape.app.metrics import Family, single
from pyscrape.config.settings import Config
from pyscrape.model.label_columns import LabelColumns
from pyscrape.remote.writers import RemoteWriters
from pyscrape.scrape.exemplars import ExemplarStore
from pyscrape.scrape.interfaces import Columns, Times, Values
from pyscrape.store.files import DiskDirectory
from pyscrape.store.index import SeriesIndex
from pyscrape.web.services import AgentServices

KNOWN_EXEMPLARS = 20_000
"""Of so many series the last exemplar is known, so that it is not sent again."""
FORGET_EVERY_S = 60.0
_NONE: Columns = np.empty(0, np.int32)


class Taken(NamedTuple):
    """What became of a row. Prometheus' agent calls everything late that is not newer, and so does this one."""

    out_of_order: int = 0
    duplicates: int = 0


_ALL_TAKEN = Taken()


class AgentSeries:
    """The series of all targets that are being scraped, and the tables that their samples go through."""

    def __init__(self) -> None:
        self.index = SeriesIndex()
        self.epoch = 0
        self.newest = NewestTimes()
        self.appended = 0
        self.out_of_order = 0
        self.tables: set[AgentTable] = set()

    def forget_ended(self) -> int:
        """Give back the ids of series that no table has any more, where they are a tenth or more; how many."""
        live = np.zeros(self.index.capacity, np.bool_)
        for table in self.tables:
            live[table.live] = True
        used = np.zeros(self.index.capacity, np.bool_)
        for _, ids, _, _ in self.index.copies():
            used[ids] = True
        ended = np.flatnonzero(used & ~live).astype(np.int32)
        if len(ended) * 10 < self.index.series:
            return 0
        self.index.remove(ended)
        self.newest.forget(ended)
        self.index.reuse(ended)
        self.epoch += 1
        return len(ended)


class AgentTable:
    """One target's series on their way (see `scrape.interfaces.SampleTable`)."""

    def __init__(self, series: AgentSeries, writers: RemoteWriters) -> None:
        self.live: Columns = _NONE
        self._series = series
        self._writers = writers
        self._columns: Columns | None = None

    def add_columns_by_name(self, labels: Sequence[LabelColumns], size: int) -> Columns:
        columns = self._series.index.ids_of(labels, size)
        self.live = np.union1d(self.live, columns)
        return columns

    def append(self, at_ms: int, columns: Columns, values: Values, *, distinct: bool = False) -> Taken:
        newest = self._series.newest
        if columns is not self._columns:
            if not distinct and len(np.unique(columns)) < len(columns):
                return self.append_clocked(np.full(len(columns), at_ms, np.int64), columns, values)
            self._columns = columns
        if not newest.older_than(at_ms, columns).all():
            return self.append_clocked(np.full(len(columns), at_ms, np.int64), columns, values)
        newest.note(at_ms, columns)
        self._series.appended += len(columns)
        self._writers.push(at_ms, columns, values)
        return _ALL_TAKEN

    def append_clocked(self, times_ms: Times, columns: Columns, values: Values) -> Taken:
        series = self._series
        late = len(columns)
        for chosen in series.newest.rounds(times_ms, columns):
            if len(chosen) == len(columns):
                self._writers.push(times_ms, columns, values)
            else:
                self._writers.push(times_ms[chosen], columns[chosen], values[chosen])
            late -= len(chosen)
        series.appended += len(columns) - late
        series.out_of_order += late
        return Taken(late)

    def retire(self, columns: Columns) -> None:
        self.live = np.setdiff1d(self.live, columns)

    def close(self) -> None:
        self.live = _NONE
        self._columns = None
        self._series.tables.discard(self)


class AgentTables:
    """Where the scraper's tables come from (see `scrape.interfaces.TableStore`)."""

    def __init__(self, series: AgentSeries, writers: RemoteWriters) -> None:
        self._series = series
        self._writers = writers

    def table(self, name: str) -> AgentTable:  # noqa: ARG002  # the protocol's signature: nothing here has a name
        table = AgentTable(self._series, self._writers)
        self._series.tables.add(table)
        return table


class Agent:
    """See `mode.Mode`."""

    def __init__(self, flags: Flags, config: Config) -> None:  # noqa: ARG002  # nothing here depends on it
        self._path = Path(flags.text("storage.agent.path"))
        self._directory: DiskDirectory | None = None
        self._exemplars = ExemplarStore(KNOWN_EXEMPLARS)
        self.series = AgentSeries()

    @property
    def folder(self) -> Path | None:
        return self._path / "remote"

    @property
    def retention(self) -> str:
        return ""

    def open(self) -> None:
        """Lock the directory, so that two agents never send from one queue."""
        self._directory = DiskDirectory(self._path)

    def tables(self, writers: RemoteWriters) -> AgentTables:
        return AgentTables(self.series, writers)

    def exemplars(self, writers: RemoteWriters) -> ForwardingExemplars:
        return ForwardingExemplars(self._exemplars, writers)

    def apply(self, config: Config) -> None:
        """Nothing of a configuration is about what an agent keeps."""

    async def maintain(self) -> None:
        while True:
            await asyncio.sleep(FORGET_EVERY_S)
            self.series.forget_ended()

    def families(self) -> Iterable[Family]:
        """Under the names of Prometheus' agent."""
        series = self.series
        yield single(
            "gauge", "prometheus_agent_active_series", "Series being tracked.", float(series.index.series)
        )
        yield Family(
            "counter",
            "prometheus_agent_samples_appended_total",
            "Samples that were taken to be sent.",
            [({"type": "float"}, float(series.appended))],
        )
        text = "Samples that were not newer than the last of their series."
        yield single(
            "counter", "prometheus_agent_out_of_order_samples_total", text, float(series.out_of_order)
        )
        text = "Exemplars that were taken."
        yield single(
            "counter", "prometheus_agent_exemplars_appended_total", text, float(self._exemplars.appended)
        )

    def services(self, **common: Any) -> AgentServices:
        return AgentServices(**common)

    def close(self) -> None:
        if self._directory is not None:
            self._directory.close()
            self._directory = None
