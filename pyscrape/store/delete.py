"""Taking samples out: parts that have them are written anew without them, at once and for good."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pyscrape.store.chunk import Chunk, sealed
from pyscrape.store.layout import Columns, Layout
from pyscrape.store.read import ABSENT_WORD, Part
from pyscrape.store.segment import Segment

if TYPE_CHECKING:
    from pyscrape.store.table import Table


def delete_from(table: "Table", ids: Columns, start_ms: int, end_ms: int) -> int:
    """Delete the samples in [start, end] of some series; returns how many there were."""
    deleted = 0
    for part in table.parts:
        if part.max_ms < start_ms or part.min_ms > end_ms:
            continue
        where = part.layout.positions(ids)
        where = where[where >= 0]
        if len(where):
            new, count = _without(part, where, start_ms, end_ms)
            if count:
                table.replace([part], new)
                deleted += count
    return deleted


def _without(part: Part, where: NDArray[np.intp], start_ms: int, end_ms: int) -> tuple[list[Part], int]:
    """(what replaces the part, how many samples are gone); columns that have nothing left are left out."""
    columns = part.layout.columns
    first, times = part.times(-(2**63), 2**63 - 1)
    words = part.read(np.arange(len(columns)), first, len(times)).view(np.uint64).copy()
    rows = np.flatnonzero((times >= start_ms) & (times <= end_ms))
    cells = np.ix_(rows, where)
    count = int((words[cells] != ABSENT_WORD).sum())
    words[cells] = ABSENT_WORD
    there = words != ABSENT_WORD
    kept = there.any(axis=0)
    kept_rows = there.any(axis=1)
    if not kept.any():
        return [], count
    layout = part.layout if kept.all() else Layout(columns[kept])
    values = words[kept_rows][:, kept].view(np.float64)
    new: Part = (
        sealed(layout, times[kept_rows], values)
        if isinstance(part, Chunk)
        else Segment.of(layout, times[kept_rows], values)
    )
    return [new], count
