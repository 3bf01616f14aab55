"""The store: tables of rows going in, columns coming out.

Writers (the event loop) own tables and the index; readers (worker threads) take a table's tuple of parts as it is at
that moment and need nothing else of it. Only changes of the index and passes over it take the lock.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import count, islice
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.blocks import Block, LabelFrame, Newest, Room, Selection, newest_of, unlimited
from pyscrape.model.labels import Labels
from pyscrape.model.matcher import Matcher
from pyscrape.model.value import NAN_BITS, STALE_BITS
from pyscrape.store.cardinality import cardinality
from pyscrape.store.chunk import Chunk
from pyscrape.store.clocks import Clocks
from pyscrape.store.delete import deleting
from pyscrape.store.durable import Durability, write_snapshot
from pyscrape.store.files import Directory, DiskDirectory
from pyscrape.store.homes import Homes
from pyscrape.store.index import SeriesIndex
from pyscrape.store.inflated import INFLATED_BYTES, Inflated
from pyscrape.store.journal import Journal
from pyscrape.store.latest import Latest
from pyscrape.store.read import ABSENT_WORD, Part, present
from pyscrape.store.selection import Companions, Places, Read, alike, blocks_of, groups_of, lone
from pyscrape.store.shelf import FEWEST_GROUPS
from pyscrape.store.stats import StoreStats
from pyscrape.store.symbols import StoreSymbols
from pyscrape.store.table import NEVER, AppendResult, Table
from pyscrape.store.upkeep import Upkeep

Ids = NDArray[np.int32]

DEFAULT_RETENTION_MS = 24 * 3_600_000
FEW_SERIES = 50_000
FEW_TABLES = 100
"""A store of so many series matches a selector without a regular expression in less than a millisecond, and looks for
them in so many tables."""
FEW_CHOSEN, MOST_CHOSEN = 1000, 64
"""So many series of so many selectors are remembered: 3 MB at most."""
_ROUND_MS = 5_000
_ROWS_BY_WIDTH = ((1024, 32), (256, 48), (0, 64))
"""Rows until a cut, by the least number of columns: wide tables seal early because open rows take 8 bytes a sample."""


class Chosen(NamedTuple):
    """What some matchers chose while the series had a version; `frame` None: labels were not looked up yet."""

    version: int
    ids: Ids
    frame: LabelFrame | None


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
        memory_max_bytes: int = 0,
        out_of_order_window_ms: int = 0,
        seal_rows: int = 0,
        inflated_max_bytes: int = INFLATED_BYTES,
    ) -> None:
        """`memory_max_bytes` 0: no limit; `seal_rows` 0: by the table's width.

        `inflated_max_bytes` bounds what is kept of columns that queries have read; 0 keeps nothing.
        """
        self.index = SeriesIndex()
        self.homes = Homes()
        self.latest = Latest()
        self.index.beside = (self.homes, self.latest)
        self.lock = self.index.lock
        self.inflated = Inflated(inflated_max_bytes)
        self.companions = Companions()
        self._chosen: dict[tuple[Matcher, ...], Chosen] = {}
        self.retention_ms = retention_ms
        self.memory_max_bytes = memory_max_bytes
        self.out_of_order_window_ms = out_of_order_window_ms
        self.chunk_bytes = 0
        self.open_bytes = 0
        self.layout_bytes = 0
        self.chunks = 0
        self.epoch = 0
        """Counts up when columns that somebody may remember were given back."""
        self._seal_rows = seal_rows
        self._names: dict[str, Table] = {}
        self._tables: dict[int, Table] = {}
        self._numbers = 0
        self._place = np.zeros(0, np.int32)
        self._refused = AppendResult(0)
        self._removed_samples = 0
        self._deletions = 0  # that are in the middle
        self._library: Clocks | None = None
        self._tokens = count()
        self._reading: set[int] = set()
        self.journal: Journal | None = None
        self.durability: Durability | None = None
        self._upkeep = Upkeep(self)
        self._steps: Iterator[None] | None = None
        self._round_ms = NEVER

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
            with self.lock:
                self._numbers += 1
                table = self._names[name] = self._tables[self._numbers] = Table(self, self._numbers, name)
        table.closed = False
        return table

    def append(
        self, labels: Mapping[str, str], times_ms: Iterable[int], values: Iterable[float]
    ) -> AppendResult:
        """Samples of one series, for use as a library: times ascending, any iterables of equal length.

        What is out of order, older than the retention or there already is not appended; the result counts it.

        Raises:
            ValueError: more times than values, or fewer.
        """
        times = np.fromiter(times_ms, np.int64)
        samples = normalised(np.fromiter(values, np.float64))
        if len(times) != len(samples):
            raise ValueError(f"{len(times)} times and {len(samples)} values")
        if not len(times):
            return AppendResult(0)
        if self._library is None:
            self._library = self.clocks("library")
        result = self._library.append_rows(times, self.index.ids([labels]), samples.reshape(-1, 1))
        self.seal_waiting()
        return result

    def seal_waiting(self) -> None:
        """Seal now what waits, for writers beside whom nobody calls `maintain`."""
        if len(self._upkeep.waiting) > 8:
            for _ in self._upkeep.seals():
                pass

    def clocks(self, name: str, parent: Table | None = None) -> Clocks:
        """Tables for series that bring times of their own; `parent` is the table that they were announced to."""
        return Clocks(self, name, parent)

    def delete(self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int) -> int:
        """Delete the samples in [start, end] of the series that any of the sets chooses; returns their number."""
        return _to_the_end(self.deleting(self.matching(matcher_sets), start_ms, end_ms))

    def delete_ids(self, ids: Ids, start_ms: int, end_ms: int) -> int:
        """Delete the samples in [start, end] of some series, as a log says."""
        return _to_the_end(self._delete(ids, start_ms, end_ms))

    def deleting(self, ids: Ids, start_ms: int, end_ms: int) -> Generator[None, None, int]:
        """`delete` in steps of some milliseconds, between which others may read and write; `ids` must be held."""
        if self.journal is not None:
            self.journal.delete(ids, start_ms, end_ms)
        return self._delete(ids, start_ms, end_ms)

    def _delete(self, ids: Ids, start_ms: int, end_ms: int) -> Generator[None, None, int]:
        # What is there now; what comes while it runs stands behind it in the log.
        ends = [(table, min(end_ms, table.last_ms)) for table in self.tables()]
        return self._deleting(ids, start_ms, ends)

    def _deleting(
        self, ids: Ids, start_ms: int, ends: Sequence[tuple[Table, int]]
    ) -> Generator[None, None, int]:
        self._steps = None  # a seal that was begun may hold what goes now; it begins anew
        chosen = np.zeros(self.index.capacity + 1, np.bool_)
        chosen[ids] = True
        self.latest.doubt(ids)
        deleted = 0
        self._deletions += 1
        try:
            for table, end_ms in ends:
                deleted += yield from deleting(table, chosen, start_ms, end_ms)
                if table.cut:
                    self.wait_for_seal(table)
        finally:
            self._deletions -= 1
        self.latest.doubt(ids)  # also what came meanwhile and went again
        self._upkeep.recount()
        return deleted

    # --- on disk ---

    def open(self, path: Path | str) -> None:
        """Keep this store, which is empty, in a directory: read what is there, then log and checkpoint.

        LockedError (an OSError) when another process has the directory.
        """
        self.open_directory(DiskDirectory(Path(path)))
        assert self.durability is not None
        self.durability.start()

    def open_directory(self, directory: Directory) -> None:
        """`open` without the writer's thread."""
        self.durability = Durability(self, directory)
        self.journal = self.index.journal = self.durability.journal

    def close(self) -> None:
        """Write what is left and let go of the directory; nothing for a store in memory."""
        if self.durability is not None:
            self.durability.close()
            self.durability = self.journal = self.index.journal = None

    def commit(self) -> "Future[None]":
        """Done when everything appended so far is on disk, at once for a store in memory; else NotDurableError."""
        if self.durability is not None:
            return self.durability.commit()
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def snapshot(self, path: Path | str) -> None:
        """Write everything to an empty directory that `open` can read. OSError when the disk refuses."""
        directory = DiskDirectory(Path(path))
        try:
            write_snapshot(self, directory)
        finally:
            directory.close()

    def restore_chunk(self, table: Table, chunk: Chunk) -> None:
        """A chunk that was read from disk."""
        self.own_missing(table, chunk.layout.columns)
        table.restore(chunk)
        self.latest.doubt(chunk.layout.columns)
        self.chunks += 1
        self.chunk_bytes += chunk.nbytes

    def restored(self, samples: int) -> None:
        """Reading is done: what nobody announces again has ended."""
        self._removed_samples = samples
        with self.lock:
            live = self.homes.live()
            for table in self.tables():
                if not table.autonomous:
                    table.closed = True
                    self.disown(table, live.get(table.number, np.zeros(0, np.int32)))

    # --- what tables ask of the store ---

    def rows_to_cut(self, width: int) -> int:
        """Rows that a table of so many columns keeps open."""
        return self._seal_rows or next(rows for least, rows in _ROWS_BY_WIDTH if width >= least)

    def first_cut(self, number: int) -> int:
        """Rows until a table's first cut: spread, so that tables that began together do not seal together."""
        rows = self.rows_to_cut(0)
        return rows // 4 + number * 2_654_435_761 % 2**32 * rows // 2**32 + 1

    def wait_for_seal(self, table: Table) -> None:
        """`table` has cut off rows."""
        if table not in self._upkeep.waiting:
            self._upkeep.waiting.append(table)

    def count_refused(self, result: AppendResult) -> None:
        """Keep account of samples that were not appended."""
        if result.refused:
            self._refused += AppendResult(0, result.out_of_order, result.duplicates, result.too_old)

    def tables(self) -> list[Table]:
        """All tables that may hold samples."""
        return list(self._tables.values())

    def tables_named(self, prefix: str) -> list[Table]:
        """Tables whose name begins so."""
        return [table for name, table in self._names.items() if name.startswith(prefix)]

    def table_of(self, number: int) -> Table | None:
        """The table of that number, if it still is."""
        return self._tables.get(number)

    def parts_of(self, number: int) -> Sequence[Part]:
        """The parts of the table of that number, none where there is no such table."""
        table = self._tables.get(number)
        return table.parts if table is not None else ()

    def remove_table(self, table: Table) -> None:
        """Forget a table that is closed and empty."""
        del self._tables[table.number]
        self._removed_samples += table.samples
        if self._names.get(table.name) is table:
            del self._names[table.name]

    def readers(self) -> frozenset[int]:
        """The selections that run now."""
        return frozenset(self._reading)

    def hold_ids(self) -> Callable[[], None]:
        """Until the answer is called, ids that are removed are not given to other series."""
        token = next(self._tokens)
        self._reading.add(token)
        return lambda: self._reading.discard(token)

    def used_bytes(self) -> int:
        """Bytes that the store accounts for, as `stats` names them."""
        return sum(self._bytes().values())

    def _bytes(self) -> dict[str, int]:
        """By part."""
        index = self.index.nbytes + self.homes.nbytes + self.latest.nbytes + self.index.verdicts.nbytes
        return {
            "chunks": self.chunk_bytes,
            "open": self.open_bytes,
            "layouts": self.layout_bytes,
            "index": index,
            "symbols": self.symbols.nbytes,
            "inflated": self.inflated.nbytes,
        }

    def own(self, table: Table, ids: Ids) -> None:
        """`table` writes these series now."""
        with self.lock:
            self.homes.add(table.number, ids)

    def own_missing(self, table: Table, ids: Ids) -> None:
        """Make sure that `table` is known to write these series."""
        elsewhere = self.homes.first(ids) != table.number
        if elsewhere.any():
            self.own(table, ids[elsewhere])

    def move(self, ids: Ids, old: Table, new: Table) -> None:
        """Series of `old`, which has no samples of them, are written in `new`."""
        with self.lock:
            self.homes.move(ids, old.number, new.number)

    def disown(self, table: Table, ids: Ids) -> None:
        """`table` writes these series no more."""
        with self.lock:
            self.homes.retire(table.number, ids)
            table.retired.append((table.last_ms, ids))

    def close_table(self, table: Table) -> None:
        """Retire everything that `table` writes."""
        with self.lock:
            table.closed = True
            self.disown(table, self.homes.live_in(table.number))

    def end_track(self, track: Table) -> None:
        """Nothing has come to `track` for long; what was announced to its parent stays announced there.

        The parent's owner may know the series by their columns still, and has not said that they ended.
        """
        with self.lock:
            live = self.homes.live_in(track.number)
            track.closed = True
            self.disown(track, live)
            if track.parent is not None and not track.parent.closed:
                self.own(track.parent, live)
            self.epoch += 1

    def first_of_each(self, columns: Ids) -> NDArray[np.intp] | None:
        """Places of the first occurrence of every column, None when all are distinct."""
        if len(self._place) < self.index.capacity:
            self._place = np.zeros(self.index.capacity * 5 // 4 + 64, np.int32)
        places = np.arange(len(columns), dtype=np.int32)
        self._place[columns[::-1]] = places[::-1]
        firsts = self._place[columns]
        return None if (firsts == places).all() else np.flatnonzero(firsts == places)

    # --- reading ---

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        room: Room = unlimited,
        *,
        ragged: bool = False,
    ) -> Selection:
        """The series that all matchers choose and that have samples in (start, end], with those samples.

        `room` is told of the samples of each table before they are read; what it raises ends the selection. With
        `ragged` some series may be in the selection's `ragged` instead of its blocks.
        """
        with self._read():
            chosen = self._chosen_by(matchers)
            with self.lock:
                # Labels, places and parts of one moment: a series that ends later is answered as it was.
                ids, frame = self._as_they_are(matchers, chosen)
                places = self._places(ids)
            read = partial(self.inflated.read, room=room)
            if (
                ragged
                and self.inflated.max_bytes
                and not places.others
                and len(places.parts) >= FEWEST_GROUPS
            ):
                name = ids.tobytes() + places.homes.tobytes()
                known = self.inflated.read_shelf(name, places.parts_of, start_ms, end_ms, room)
            else:
                name, known = b"", None
            if known is None:
                found, blocks = self._blocks(ids, places, start_ms, end_ms, read, name)
                return Selection(_those(frame, ids, found), blocks)
            shelf, side_by_side = known
            columns = places.columns(shelf.rest, start_ms, end_ms, read)
            found, blocks = blocks_of(alike(columns), len(shelf.ids))
            found = np.concatenate([shelf.ids, found])
            return Selection(_those(frame, ids, found), blocks, side_by_side)

    def _chosen_by(self, matchers: Sequence[Matcher]) -> Chosen:
        """The series that all matchers choose: what they chose the last time, where no series came or went since."""
        version = self.index.version
        known = self._chosen.get(tuple(matchers))
        if known is not None and known.version == version:
            return known
        return Chosen(version, self.index.match(matchers), None)

    def _as_they_are(self, matchers: Sequence[Matcher], chosen: Chosen) -> tuple[Ids, LabelFrame]:
        """(ids, labels) of those that still are series; for holders of the lock."""
        same = chosen.version == self.index.version
        if same and chosen.frame is not None:
            return chosen.ids, chosen.frame
        ids = self.index.alive(chosen.ids)
        frame = self.index.frame(ids)
        if same and len(ids) <= FEW_CHOSEN:
            if len(self._chosen) >= MOST_CHOSEN:
                self._chosen.clear()
            ids.flags.writeable = frame.codes.flags.writeable = False
            self._chosen[tuple(matchers)] = Chosen(chosen.version, ids, frame)
        return ids, frame

    def _blocks(
        self, ids: Ids, places: Places, start_ms: int, end_ms: int, read: Read, shelf: bytes = b""
    ) -> tuple[Ids, tuple[Block, ...]]:
        """(ids in the order of the frame, blocks) of some series that live in `places`; what was read is laid on a
        shelf of that name.
        """
        groups = places.groups(ids, self.companions)
        axes = alike(places.columns(groups, start_ms, end_ms, read))
        if self.inflated.max_bytes:
            self.companions.learn(axes, places.parts)
        if shelf:
            self.inflated.lay_on_shelf(shelf, *lone(groups, axes), end_ms)
        return blocks_of(axes)

    def newest(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Newest:
        """The newest sample in (start, end] of each series that all matchers choose, where it has one."""
        with self._read():
            chosen = self._chosen_by(matchers)
            with self.lock:
                ids, frame = self._as_they_are(matchers, chosen)
                times, values, unsure = self.latest.of(ids, end_ms)
                if self.homes.others:
                    unsure |= np.isin(ids, np.fromiter(self.homes.others, np.int32))
                places = self._places(ids[unsure]) if unsure.any() else None
            if places is not None:
                doubtful = ids[unsure]
                times[unsure] = NEVER
                found, blocks = self._blocks(doubtful, places, start_ms, end_ms, self.inflated.read)
                there = np.searchsorted(ids, found)
                some_times, some_values, some = newest_of(blocks, len(found))
                times[there[some]], values[there[some]] = some_times[some], some_values[some]
            late = times > start_ms
            if late.all():
                return Newest(frame, times, values)
            kept = np.flatnonzero(late)
            return Newest(replace(frame, codes=frame.codes[kept]), times[kept], values[kept])

    def samples(
        self, matchers: Sequence[Matcher], start_ms: int = NEVER, end_ms: int = 2**63 - 1
    ) -> Iterator[tuple[Labels, NDArray[np.int64], NDArray[np.float64]]]:
        """(labels, times in ms, values) of every series that all matchers choose, for notebooks.

        >>> store = Store()
        >>> _ = store.append({"__name__": "up"}, [1000, 2000], [1.0, 0.0])
        >>> [(labels["__name__"], times.tolist(), values.tolist()) for labels, times, values in store.samples([])]
        [('up', [1000, 2000], [1.0, 0.0])]
        """
        selection = self.select(matchers, start_ms, end_ms)
        for block in selection.blocks:
            for k, series in enumerate(block.series.tolist()):
                values = block.values[:, k]
                there = values.view(np.uint64) != ABSENT_WORD
                if there.any():
                    yield selection.frame.labels(series), block.times_ms[there], values[there]

    @contextmanager
    def _read(self) -> Iterator[None]:
        """While inside, ids that are removed are not given to other series."""
        release = self.hold_ids()
        try:
            yield
        finally:
            release()

    def _places(self, ids: Ids) -> Places:
        """The tables of some series, and those tables' parts as they are now; for holders of the lock."""
        homes = self.homes.first(ids)
        others: dict[int, Sequence[int]] = {}
        if self.homes.others:
            chosen = set(ids.tolist()) & self.homes.others.keys()
            others = {one: sorted(self.homes.others[one]) for one in sorted(chosen)}
        numbers = set(np.unique(homes).tolist()).union(*others.values())
        parts = {number: self._tables[number].parts for number in numbers if number in self._tables}
        return Places(homes, others, parts)

    def _present(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, most_tables: int | None = None
    ) -> Ids | None:
        """Ids of matching series with samples in (start, end], judged without reading values; None where more than
        `most_tables` tables would have to be looked into.
        """
        ids = self.index.match(matchers)
        with self.lock:
            ids = self.index.alive(ids)
            newest_ms, _, unsure = self.latest.of(ids, end_ms)
            there = ~unsure & (newest_ms > start_ms)  # its newest sample is one of the range
            doubtful = np.flatnonzero(~there)
            if not len(doubtful):
                return ids
            places = self._places(ids[doubtful])
        parts = places.parts
        if most_tables is not None and len(parts) > most_tables:
            return None
        for group in groups_of(places.homes):
            some = parts.get(int(places.homes[group[0]]), ())
            there[doubtful[group]] = present(some, ids[doubtful[group]], start_ms, end_ms)
        for one, tables in places.others.items():
            place = np.searchsorted(ids, one)
            for number in tables:
                there[place] |= present(parts.get(number, ()), ids[place : place + 1], start_ms, end_ms)[0]
        return ids[there]

    def series(
        self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int, limit: int = 0
    ) -> list[Labels]:
        """Labels of the series that any of the sets chooses, with samples in the range; sorted; 0 = no limit."""
        with self._read():
            labels = self.index.labels(self._union(matcher_sets, start_ms, end_ms))
        return labels[:limit] if limit else labels

    def label_sets(self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int) -> LabelFrame:
        """The same series as `series` gives, as codes and in no order."""
        with self._read():
            ids = self._union(matcher_sets, start_ms, end_ms)
            with self.lock:
                return self.index.frame(self.index.alive(ids))

    def label_names(self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int) -> list[str]:
        """Label names among the series that any of the sets chooses; all series when there is no set."""
        with self._read():
            if not matcher_sets:
                return self.index.label_names() if self.has_samples(start_ms, end_ms) else []
            return self.index.label_names(self._union(matcher_sets, start_ms, end_ms))

    def label_values(
        self,
        name: str,
        matcher_sets: Sequence[Sequence[Matcher]] = (),
        start_ms: int = NEVER,
        end_ms: int = 2**63 - 1,
    ) -> list[str]:
        """Values of a label among the series that any of the sets chooses; all series when there is no set."""
        with self._read():
            if not matcher_sets:
                return self.index.label_values(name) if self.has_samples(start_ms, end_ms) else []
            return self.index.label_values(name, self._union(matcher_sets, start_ms, end_ms))

    def chosen(self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int) -> Ids:
        """Ids of the series that any of the sets chooses, with samples in the range; ascending. They name the same
        series for as long as `series_version` stays.
        """
        with self._read():
            return self._union(matcher_sets, start_ms, end_ms)

    def chosen_at_once(
        self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> Ids | None:
        """What `chosen` gives, where that takes less than a millisecond or so: without a regular expression, in a store
        of some size at most, of which few tables have to be looked into. Else None.
        """
        regex = any(matcher.type.regex for matchers in matcher_sets for matcher in matchers)
        if regex or self.index.series > FEW_SERIES:
            return None
        with self._read():
            found = []
            for matchers in matcher_sets:
                ids = self._present(matchers, start_ms, end_ms, FEW_TABLES)
                if ids is None:
                    return None
                found.append(ids)
        return _united(found)

    def matching(self, matcher_sets: Sequence[Sequence[Matcher]]) -> Ids:
        """Ids of the series that any of the sets chooses, whenever they have samples; ascending."""
        with self._read():
            return _united([self.index.match(matchers) for matchers in matcher_sets])

    def newest_are_in(self, ids: Ids, start_ms: int, end_ms: int) -> bool:
        """Whether each of some series is known at a glance to have its newest sample in (start, end]."""
        newest_ms, _, unsure = self.latest.of(ids, end_ms)
        return not unsure.any() and bool((newest_ms > start_ms).all())

    @property
    def losses(self) -> int:
        """Another number whenever samples went."""
        return self.latest.losses

    @property
    def series_version(self) -> int:
        """Another number whenever a series came or went."""
        return self.index.version

    def has_samples(self, start_ms: int, end_ms: int, most_tables: int | None = None) -> bool:
        """Whether any part reaches into (start, end]: as fine as Prometheus looks without a matcher. With
        `most_tables` the others are not looked at.
        """
        tables = islice(self.tables(), most_tables)
        parts = (part for table in tables if table.last_ms > start_ms for part in table.parts)
        return any(part.max_ms > start_ms and part.min_ms <= end_ms for part in parts)

    def _union(self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int) -> Ids:
        found = (self._present(matchers, start_ms, end_ms) for matchers in matcher_sets)
        return _united([ids for ids in found if ids is not None])

    # --- upkeep ---

    def maintain(self, now_ms: int, budget_s: float = 0.02) -> bool:
        """One slice of upkeep; True when there is more to do. Call it every second or so, from one thread at a time."""
        end = perf_counter() + budget_s
        # A checkpoint amid a deletion would have what is still to go, and no log after it says so.
        if self.durability is not None and not self._deletions:
            self.durability.step(now_ms)
        while True:
            if self._steps is None:
                self._steps = self._next_work(now_ms)
                if self._steps is None:
                    return False
            for _ in self._steps:
                if perf_counter() > end:
                    return True
            self._steps = None

    def _next_work(self, now_ms: int) -> Iterator[None] | None:
        if self._upkeep.waiting:
            return self._upkeep.seals()
        if not self._round_ms <= now_ms < self._round_ms + _ROUND_MS:
            self._round_ms = now_ms
            return self._upkeep.rounds(now_ms)
        return None

    def stats(self) -> StoreStats:
        """Counts, times and sizes; sizes and the number of chunks are those of the last round of upkeep, about."""
        tables = self.tables()
        return StoreStats(
            series=self.index.series,
            tables=len(tables),
            chunks=self.chunks,
            samples_appended=self._removed_samples + sum(table.samples for table in tables),
            out_of_order=self._refused.out_of_order,
            duplicates=self._refused.duplicates,
            too_old=self._refused.too_old,
            evicted=self._upkeep.evicted_samples,
            min_ms=min((table.parts[0].min_ms for table in tables if table.parts), default=None),
            max_ms=max((table.last_ms for table in tables if table.parts), default=None),
            bytes=self._bytes(),
        )

    def cardinality(self, limit: int = 10) -> dict[str, object]:
        """What makes the most series, as `/api/v1/status/tsdb` answers it."""
        with self._read():
            stats = self.stats()
            head = {
                "numSeries": stats.series,
                "numLabelPairs": self.index.label_pairs(),
                "chunkCount": stats.chunks,
                "minTime": stats.min_ms if stats.min_ms is not None else 2**63 - 1,
                "maxTime": stats.max_ms if stats.max_ms is not None else -(2**63),
            }
            return {"headStats": head, **cardinality(self.index, limit)}


def _to_the_end(steps: Generator[None, None, int]) -> int:
    """What steps give, taken one after the other."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return int(end.value)


def _those(frame: LabelFrame, ids: Ids, found: Ids) -> LabelFrame:
    """The labels of those of `ids` that were found, in their order."""
    if len(found) == len(ids) and (found == ids).all():
        return frame
    return replace(frame, codes=frame.codes[np.searchsorted(ids, found)])


def normalised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values with every NaN but the staleness marker made the ordinary one; the same array when there is none."""
    nan = np.isnan(values)
    if not nan.any():
        return values
    bits = values.view(np.uint64).copy()
    bits[nan & (bits != np.uint64(STALE_BITS))] = np.uint64(NAN_BITS)
    return bits.view(np.float64)


def _united(found: Sequence[Ids]) -> Ids:
    """All of several sets of ids; each is distinct and ascending."""
    if len(found) == 1:
        return found[0]
    return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int32)
