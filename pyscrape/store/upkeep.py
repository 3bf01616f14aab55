"""What the store does behind appends and queries: seal, merge, drop what is too old or too much, give back.

One generator does it all in small steps, so that whoever calls `maintain` decides how long a slice may take. A step
is at most the packing of one group of columns (some milliseconds).
"""

import heapq
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pyscrape.store.chunk import GROUP, Chunk
from pyscrape.store.codec import MAX_ROWS, pack
from pyscrape.store.index import Codes
from pyscrape.store.join import Joiner, one_layout
from pyscrape.store.layout import Columns, union
from pyscrape.store.read import Part, find, on_axis
from pyscrape.store.table import NEVER, Table

if TYPE_CHECKING:
    from pyscrape.store.store import Store

log = logging.getLogger(__name__)

MERGED = 8
"""So many chunks of one size become one of the next."""
_LAST_LEVEL = 2
_MOST_MERGED_ROWS = 1024
_GROUP_CELLS = 64 * GROUP
_IDLE_MS = 600_000
_GRACE_MS = 600_000
_SWEEP_EVERY_MS = 300_000
_MOST_RETIRED = 32_768  # symbols at once, in some 20 ms
_ALWAYS = 2**63 - 1


class Upkeep:
    """The store's background work, as steps."""

    def __init__(self, store: "Store") -> None:
        self._store = store
        self.waiting: deque[Table] = deque()
        self._join = Joiner()
        self._removed: deque[tuple[frozenset[int], Columns]] = deque()
        self._symbols_swept_ms = NEVER
        self._symbols_retired: deque[tuple[int, Codes]] = deque()
        self._removed_since_sweep = 0
        self.evicted_samples = 0
        self._evicted_logged_ms = NEVER

    def seals(self) -> Iterator[None]:
        """Pack the rows that tables have cut off. Work that was begun when a part was deleted from is begun again."""
        while self.waiting:
            table = self.waiting.popleft()
            yield from self._seal(table)
            yield from self._merge(table)

    def rounds(self, now_ms: int) -> Iterator[None]:
        """One look at every table, then at the whole: age, size, what can be given back."""
        store = self._store
        floor_ms = now_ms - store.retention_ms
        idle_after_ms = min(_IDLE_MS, store.retention_ms)
        open_bytes = 0
        layouts: dict[int, int] = {}
        for table in store.tables():
            idle = table.quiet_ms(now_ms) > idle_after_ms
            if (idle or table.closed) and any(not isinstance(part, Chunk) for part in table.parts):
                table.cut_rows()
            parts = table.parts
            if parts and parts[0].max_ms < floor_ms:
                self._drop(table, [part for part in _chunks(table) if part.max_ms < floor_ms])
            if idle and table.autonomous and not table.closed:
                store.end_track(table)
            if table.retired or table.closed:
                self._give_back_series(table)
            open_bytes += sum(part.nbytes for part in table.parts if not isinstance(part, Chunk))
            layouts.update({id(part.layout): part.layout.nbytes for part in table.parts})
            yield
        store.open_bytes = open_bytes
        store.layout_bytes = sum(layouts.values())
        yield from self._evict(now_ms)
        yield from self._reuse_ids()
        store.inflated.tidy(now_ms, store.parts_of)
        store.companions.tidy(now_ms)
        yield
        yield from self._sweep_symbols(now_ms)

    def recount(self) -> None:
        """Count chunks and their bytes afresh."""
        chunks = [chunk for table in self._store.tables() for chunk in _chunks(table)]
        self._store.chunks = self._store.chunk_bytes = 0
        self._count(chunks, 1)

    # --- sealing ---

    def _seal(self, table: Table) -> Iterator[None]:
        for batch in self._join.batches(list(table.cut), self._store.index.capacity):
            layout, times, values = self._join.joined(batch, self._store.index.capacity)
            chunks = []
            for start in range(0, len(times), MAX_ROWS):
                rows = slice(start, start + MAX_ROWS)
                # Few rows of many columns, as pages whose series come and go leave them, go faster in wide groups.
                width = max(GROUP, _GROUP_CELLS // len(times[rows]))
                groups = []
                for at in range(0, len(layout), width):
                    groups.append(pack(times[rows], values[rows, at : at + width]))
                    yield
                chunks.append(Chunk(layout, tuple(groups), width))
            self._swap(table, batch, chunks)

    def _swap(self, table: Table, old: Sequence[Part], new: Sequence[Chunk]) -> None:
        if not table.replace(old, new):
            return  # somebody else has sealed them meanwhile
        self._count(new, 1)
        self._count([part for part in old if isinstance(part, Chunk)], -1)
        opened = sum(part.nbytes for part in old if not isinstance(part, Chunk))
        self._store.open_bytes = max(0, self._store.open_bytes - opened)

    def _count(self, chunks: Sequence[Chunk], sign: int) -> None:
        self._store.chunks += sign * len(chunks)
        self._store.chunk_bytes += sign * sum(chunk.nbytes for chunk in chunks)

    def _merge(self, table: Table) -> Iterator[None]:
        """Put the last chunks of one level together when there are enough: longer chunks pack and read better."""
        for level in range(_LAST_LEVEL):
            chunks = [part for part in _chunks(table) if part.level == level]
            while len(chunks) >= MERGED:
                batch, chunks = chunks[:MERGED], chunks[MERGED:]
                if not _worth_merging(batch):
                    for chunk in batch:
                        chunk.level = _LAST_LEVEL
                    continue
                layout = one_layout(batch)
                times = np.unique(np.concatenate([chunk.times(NEVER, _ALWAYS)[1] for chunk in batch]))
                groups = []
                for at in range(0, len(layout), GROUP):
                    ids = layout.columns[at : at + GROUP]
                    groups.append(pack(times, on_axis(times, find(batch, ids, NEVER, _ALWAYS), len(ids))))
                    yield
                merged = Chunk(layout, tuple(groups))
                merged.level = level + 1
                self._swap(table, batch, [merged])

    # --- giving back ---

    def _drop(self, table: Table, gone: list[Chunk]) -> None:
        if gone:
            table.drop(gone)
            self._store.latest.drop(max(chunk.max_ms for chunk in gone))
            self._count(gone, -1)

    def _give_back_series(self, table: Table) -> None:
        """Forget series that are retired and have no sample left in any table; then the table, if it was closed."""
        store = self._store
        with store.lock:
            oldest = table.oldest_ms
            gone = [ids for at_ms, ids in table.retired if at_ms < oldest]
            if gone:
                table.retired = [entry for entry in table.retired if entry[0] >= oldest]
                ended = union(gone)
                for _, ids in table.retired:  # ended again, later
                    ended = ended[~np.isin(ended, ids)]
                left = store.homes.leave(table.number, ended)
                if len(left):
                    store.index.remove(left)
                    store.latest.forget(left)
                    self._removed.append((store.readers(), left))
                    self._removed_since_sweep += len(left)
                    store.epoch += 1
            if table.closed and not table.parts and not table.retired:
                store.remove_table(table)

    def _reuse_ids(self) -> Iterator[None]:
        """Ids are given to new series when no query that may still hold them is left."""
        index = self._store.index
        reading = self._store.readers()
        if not self._removed:
            return
        free: list[Columns] = []
        while self._removed and not self._removed[0][0] & reading:
            free.append(self._removed.popleft()[1])
        if free:
            index.reuse(np.concatenate(free))
            yield
        yield from index.releases()

    def _sweep_symbols(self, now_ms: int) -> Iterator[None]:
        """Retire strings that no series uses, and forget those that no query can have seen for so long.

        Where there are very many, the next round goes on: a look at all series tells which those are by then.
        """
        if self._symbols_swept_ms + _SWEEP_EVERY_MS > now_ms:
            return
        self._join.rest()
        index = self._store.index
        while self._symbols_retired and self._symbols_retired[0][0] + _GRACE_MS <= now_ms:
            with self._store.lock:
                index.symbols.forget(self._symbols_retired.popleft()[1])
            yield
        more = False
        if self._removed_since_sweep:
            with self._store.lock:
                unused = index.unused_symbols()
                more = len(unused) > _MOST_RETIRED
                self._symbols_retired.append((now_ms, index.symbols.retire(unused[:_MOST_RETIRED])))
            yield
        index.symbols.tidy()
        if not more:
            self._removed_since_sweep = 0
            self._symbols_swept_ms = now_ms

    def _evict(self, now_ms: int) -> Iterator[None]:
        """Drop the oldest chunks of all while the store takes more memory than it may."""
        store = self._store
        if not store.memory_max_bytes or store.used_bytes() <= store.memory_max_bytes:
            return
        heap = [
            (chunk.max_ms, table.number, k, chunk)
            for table in store.tables()
            for k, chunk in enumerate(_chunks(table))
        ]
        heapq.heapify(heap)
        before = self.evicted_samples
        until = NEVER
        while heap and store.used_bytes() > store.memory_max_bytes:
            until, number, _, chunk = heapq.heappop(heap)
            table = store.table_of(number)
            if table is not None:
                self._drop(table, [chunk])
                self.evicted_samples += chunk.samples
            yield
        if now_ms < self._evicted_logged_ms + 60_000:
            return
        self._evicted_logged_ms = now_ms
        if self.evicted_samples > before:
            log.warning(
                "Memory limit reached: dropped the oldest samples, limit_bytes=%d samples=%d until_ms=%d",
                store.memory_max_bytes,
                self.evicted_samples - before,
                until,
            )
        if store.used_bytes() > store.memory_max_bytes:
            log.error(
                "Memory limit reached by what cannot be dropped, series and their newest samples: "
                "limit_bytes=%d used_bytes=%d series=%d",
                store.memory_max_bytes,
                store.used_bytes(),
                store.index.series,
            )


def _chunks(table: Table) -> list[Chunk]:
    return [part for part in table.parts if isinstance(part, Chunk)]


def _worth_merging(batch: Sequence[Chunk]) -> bool:
    """Whether a merged chunk would not be much emptier than its parts, nor longer than is good for reading."""
    rows = sum(chunk.rows for chunk in batch)
    if all(chunk.layout is batch[0].layout for chunk in batch):
        return rows <= _MOST_MERGED_ROWS
    width = len(one_layout(batch))
    distinct = len(np.unique(np.concatenate([chunk.times(NEVER, _ALWAYS)[1] for chunk in batch])))
    return distinct <= _MOST_MERGED_ROWS and width * distinct <= 1.5 * sum(chunk.samples for chunk in batch)
