"""Taking samples out: parts that have them are written anew without them, at once and for good."""

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pyscrape.store.chunk import GROUP, Chunk
from pyscrape.store.codec import pack
from pyscrape.store.layout import Layout
from pyscrape.store.read import ABSENT_WORD, Part
from pyscrape.store.segment import Segment

if TYPE_CHECKING:
    from pyscrape.store.table import Table

Mask = NDArray[np.bool_]


def deleting(table: "Table", chosen: Mask, start_ms: int, end_ms: int) -> Generator[None, None, int]:
    """Delete the samples in [start, end] of some series, in steps; gives how many there were.

    `chosen`: by id, whether it is one of them; the last says no for all series that have come since. Between two steps
    rows may be appended, sealed and merged: what took the place of a part is looked at, too.
    """
    deleted = 0
    done: list[Part] = []
    while True:
        seen = set(map(id, done))
        part = next((part for part in table.parts if id(part) not in seen), None)
        if part is None:
            return deleted
        done.append(part)
        if part.max_ms < start_ms or part.min_ms > end_ms:
            continue
        where = np.flatnonzero(chosen.take(part.layout.columns, mode="clip"))
        if not len(where):
            continue
        if isinstance(part, Chunk):
            new, count = yield from _chunk_without(part, where, start_ms, end_ms)
        else:
            new, count = _segment_without(part, where, start_ms, end_ms)
        if count and table.replace([part], new):
            deleted += count
            done += new
        yield


def _segment_without(
    part: Part, where: NDArray[np.intp], start_ms: int, end_ms: int
) -> tuple[list[Part], int]:
    """(what replaces a part that may grow, how many samples are gone); in one step, so that no row comes meanwhile."""
    first, times = part.times(-(2**63), 2**63 - 1)
    words = part.read(np.arange(len(part.layout)), first, len(times)).view(np.uint64)
    count = _take_out(words, _inside(times, start_ms, end_ms), where)
    there = words != ABSENT_WORD
    kept, rows = there.any(axis=0), there.any(axis=1)
    if not kept.any():
        return [], count
    if not (kept.all() and rows.all()):
        words = words[rows][:, kept]
    layout = part.layout if kept.all() else Layout(part.layout.columns[kept])
    return [Segment.of(layout, times[rows], words.view(np.float64))], count


def _chunk_without(
    chunk: Chunk, where: NDArray[np.intp], start_ms: int, end_ms: int
) -> Generator[None, None, tuple[list[Part], int]]:
    """The same for rows that no longer change, some columns at a time."""
    _, times = chunk.times(-(2**63), 2**63 - 1)
    inside = _inside(times, start_ms, end_ms)
    rows = np.zeros(len(times), np.bool_)
    kept: list[Mask] = []
    stay: list[NDArray[np.uint64]] = []
    count = 0
    for columns in _groups(len(chunk.layout)):
        words = chunk.read(columns, 0, len(times)).view(np.uint64).copy()
        low, high = np.searchsorted(where, (columns[0], columns[-1] + 1)).tolist()
        count += _take_out(words, inside, where[low:high] - columns[0])
        there = words != ABSENT_WORD
        rows |= there.any(axis=1)
        kept.append(there.any(axis=0))
        stay.append(words if kept[-1].all() else words[:, kept[-1]])
        yield
    every = np.concatenate(kept)
    if not every.any():
        return [], count
    values = np.concatenate(stay, axis=1)
    packed = []
    for columns in _groups(values.shape[1]):
        packed.append(pack(times[rows], values[rows, columns[0] : columns[-1] + 1].view(np.float64)))
        yield
    layout = chunk.layout if every.all() else Layout(chunk.layout.columns[every])
    return [Chunk(layout, tuple(packed))], count


def _groups(columns: int) -> Iterator[NDArray[np.intp]]:
    for first in range(0, columns, GROUP):
        yield np.arange(first, min(first + GROUP, columns))


def _inside(times: NDArray[np.int64], start_ms: int, end_ms: int) -> slice:
    return slice(
        int(np.searchsorted(times, start_ms, side="left")), int(np.searchsorted(times, end_ms, side="right"))
    )


def _take_out(words: NDArray[np.uint64], rows: slice, columns: NDArray[np.intp]) -> int:
    """Make some cells absent, in place; returns how many held a sample."""
    if len(columns) == words.shape[1]:  # distinct ones, so these are all
        count = int(np.count_nonzero(words[rows] != ABSENT_WORD))
        words[rows] = ABSENT_WORD
    else:
        count = int(np.count_nonzero(words[rows, columns] != ABSENT_WORD))
        words[rows, columns] = ABSENT_WORD
    return count
