"""From a table's parts to one matrix: the columns of some series in a range of time, whatever parts they lie in.

Almost always the parts of a table follow one another, and their rows are laid below each other. Where they overlap (a
second append at one time, samples out of order, one series in two tables) the times are united and the parts poured
in, in the order in which they were appended; a later sample wins over an earlier one at the same time.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.blocks import Room, unlimited
from pyscrape.model.value import ABSENT_BITS
from pyscrape.store.layout import Columns, Layout

Times = NDArray[np.int64]
Values = NDArray[np.float64]
Positions = NDArray[np.intp]

ABSENT_WORD = np.uint64(ABSENT_BITS)


class Part(Protocol):
    """Rows of one layout: open ones, or a sealed chunk."""

    layout: Layout
    min_ms: int
    max_ms: int

    @property
    def nbytes(self) -> int: ...

    def times(self, start_ms: int, end_ms: int) -> tuple[int, Times]: ...

    def read(self, positions: Positions, first: int, count: int) -> Values: ...


def absent(rows: int, columns: int) -> Values:
    """A matrix without a sample."""
    return np.full((rows, columns), ABSENT_WORD, np.uint64).view(np.float64)


class _Found:
    """What one part has of the asked series: its rows, and which of them in which of its columns."""

    __slots__ = ("first", "part", "there", "times", "where")

    def __init__(self, part: Part, where: Positions, there: Positions | None, first: int, times: Times):
        self.part = part
        self.where = where  # columns of the part
        self.there = there  # their places among the asked series; None: all of them
        self.first = first
        self.times = times

    def values(self) -> Values:
        return self.part.read(self.where, self.first, len(self.times))


def find(parts: Sequence[Part], ids: Columns, start_ms: int, end_ms: int) -> list[_Found]:
    """The rows in (start, end] of parts that have some of the series."""
    found = []
    seen: dict[int, tuple[Positions, Positions | None]] = {}
    for part in parts:
        if part.max_ms <= start_ms or part.min_ms > end_ms:
            continue
        first, times = part.times(start_ms, end_ms)
        if not len(times):
            continue
        places = seen.get(id(part.layout))
        if places is None:
            where = part.layout.positions(ids)
            whole = where.item(0) >= 0 if len(where) == 1 else bool((where >= 0).all())
            there = None if whole else np.flatnonzero(where >= 0)
            places = seen[id(part.layout)] = (where if there is None else where[there], there)
        if places[1] is None or len(places[0]):
            found.append(_Found(part, *places, first, times))
    return found


def reads_of(parts: Sequence[Part], ids: Columns, start_ms: int, end_ms: int) -> tuple[Columns, list[_Found]]:
    """(those of the series that have a place in any part, what `find` finds of them)."""
    found = find(parts, ids, start_ms, end_ms)
    if all(one.there is None for one in found):
        return ids if found else ids[:0], found
    seen = np.zeros(len(ids), np.bool_)
    for one in found:
        seen[slice(None) if one.there is None else one.there] = True
    if seen.all():
        return ids, found
    return ids[seen], find(parts, ids[seen], start_ms, end_ms)


def present(parts: Sequence[Part], ids: Columns, start_ms: int, end_ms: int) -> NDArray[np.bool_]:
    """Which of the series have a place in a part with rows in (start, end], judged without reading a value.

    The part with most columns comes first: as a rule it has all of them.
    """
    out = np.zeros(len(ids), np.bool_)
    seen: set[int] = set()
    widest = max(parts, key=_width, default=None)
    for part in (widest, *parts) if widest is not None else ():
        if id(part.layout) in seen or part.max_ms <= start_ms or part.min_ms > end_ms:
            continue
        if part.min_ms > start_ms or part.max_ms <= end_ms or len(part.times(start_ms, end_ms)[1]):
            seen.add(id(part.layout))
            out |= part.layout.positions(ids) >= 0
            if out.all():
                break
    return out


def _width(part: Part) -> int:
    return len(part.layout.columns)


def unite(found: list[_Found], columns: int, room: Room = unlimited) -> tuple[Times, Values]:
    """One time axis (strictly increasing) and the matrix [times x columns]; `room` is asked before it is made."""
    if len(found) == 1 and found[0].there is None:
        room(len(found[0].times) * columns)
        return found[0].times, found[0].values()
    follows = all(a.times.item(-1) < b.times.item(0) for a, b in pairwise(found))
    times = np.concatenate([one.times for one in found])
    if not follows:
        times = np.unique(times)
    room(len(times) * columns)
    if follows:
        return times, _stacked(found, len(times), columns)
    beside = _in_runs(found, times, columns)
    return times, _poured(found, times, columns) if beside is None else beside


def on_axis(times: Times, found: list[_Found], columns: int) -> Values:
    """The matrix [times x columns] on an axis that has every time of the parts."""
    own_times, values = unite(found, columns)
    if len(own_times) == len(times):
        return values
    out = absent(len(times), columns)
    out[np.searchsorted(times, own_times)] = values
    return out


def _stacked(found: list[_Found], rows: int, columns: int) -> Values:
    whole = all(one.there is None for one in found)
    out = np.empty((rows, columns)) if whole else absent(rows, columns)
    row = 0
    for one in found:
        into = out[row : row + len(one.times)]
        if one.there is None:
            into[:] = one.values()
        else:
            into[:, one.there] = one.values()
        row += len(one.times)
    return out


def _in_runs(found: list[_Found], times: Times, columns: int) -> Values | None:
    """Tables that go together: parts with equal times and columns of their own stand beside each other, and such runs
    of parts follow one another. None where they do not; `_poured` is the plain way.
    """
    runs: dict[tuple[int, int, int], list[_Found]] = {}
    for one in found:
        runs.setdefault((one.times.item(0), one.times.item(-1), len(one.times)), []).append(one)
    order = sorted(runs)
    if any(before[1] >= after[0] for before, after in pairwise(order)):
        return None
    for run in runs.values():
        seen = np.zeros(columns, np.bool_)
        for one in run[len(run) == 1 :]:
            if one.there is None or seen[one.there].any() or not (one.times == run[0].times).all():
                return None
            seen[one.there] = True
    out = absent(len(times), columns)
    row = 0
    for key in order:
        into = out[row : row + key[2]]
        for one in runs[key]:
            into[:, slice(None) if one.there is None else one.there] = one.values()
        row += key[2]
    return out


def _poured(found: list[_Found], times: Times, columns: int) -> Values:
    out = absent(len(times), columns)
    for one in found:
        rows = np.searchsorted(times, one.times)[:, None]
        there = np.arange(columns) if one.there is None else one.there
        new = one.values()
        kept = new.view(np.uint64) == ABSENT_WORD
        if kept.any():
            new = np.where(kept, out[rows, there], new)
        out[rows, there] = new
    return out
