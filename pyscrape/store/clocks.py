"""Series that bring their own times: kept together as long as their times go together.

Pages with timestamps (cAdvisor), remote write and the library hand over samples whose times need not agree. Series
with equal times share a table, a *track*; members whose times part from the others' get a track of their own. So a
container's series, which its kubelet reads at one moment, stay one table, and every later step works on whole rows.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pyscrape.store.homes import NOWHERE
from pyscrape.store.layout import Columns
from pyscrape.store.table import AppendResult, Table, Times, Values

if TYPE_CHECKING:
    from pyscrape.store.store import Store

_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where the samples of one layout go: sorted by track, cut at `starts`."""

    columns: Columns
    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    tracks: list[tuple[Table, Columns]]

    def append(self, times_ms: list[int], values: Values) -> AppendResult:
        result = AppendResult(0)
        parts = np.split(values[self.order], self.starts[1:])
        for at_ms, (track, columns), part in zip(times_ms, self.tracks, parts, strict=True):
            result += track.append(at_ms, columns, part)
        return result


class Clocks:
    """The tracks behind one table or one receiver."""

    def __init__(self, store: "Store", name: str, parent: Table | None = None) -> None:
        self._store = store
        self._name = name
        self._parent = parent
        self._tracks = {track.number: track for track in store.tables_named(f"{name}#") if not track.closed}
        for track in self._tracks.values():
            track.parent = parent
        self._known: dict[bytes, tuple[Table, Columns]] = {}
        self._epoch = store.epoch
        self._plan: _Plan | None = None
        self._made = max((int(track.name.rpartition("#")[2]) for track in self._tracks.values()), default=0)

    def append(self, times_ms: Times, columns: Columns, values: Values) -> AppendResult:
        """One sample per column, each with its time."""
        plan = self._plan
        if plan is not None and plan.columns is columns and self._epoch == self._store.epoch:
            sorted_times = times_ms[plan.order]
            low = np.minimum.reduceat(sorted_times, plan.starts)
            if (low == np.maximum.reduceat(sorted_times, plan.starts)).all():
                return plan.append(low.tolist(), values)
        self._plan = None
        result = self._append_sorted_out(times_ms, columns, values)
        self._plan = self._planned(columns)
        return result

    def _append_sorted_out(self, times_ms: Times, columns: Columns, values: Values) -> AppendResult:
        self._part_ways(times_ms, columns)
        times, which = np.unique(times_ms, return_inverse=True)
        order = np.argsort(which, kind="stable")
        cuts = np.flatnonzero(np.diff(which[order])) + 1
        result = AppendResult(0)
        for k, group in enumerate(np.split(order, cuts)):
            result += self.append_rows(times[k : k + 1], columns[group], values[group].reshape(1, -1))
        return result

    def _planned(self, columns: Columns) -> "_Plan | None":
        """How pages with these very columns go to the tracks while nothing changes."""
        if self._store.first_of_each(columns) is not None:
            return None
        members = self._members(columns)
        tracks = [(track, columns[where]) for track, where in members if track is not None]
        if len(tracks) != len(members):
            return None
        order = np.concatenate([where for _, where in members])
        starts = np.cumsum([0, *(len(where) for _, where in members[:-1])])
        return _Plan(columns, order, starts, tracks)

    def append_rows(self, times_ms: Times, columns: Columns, values: Values) -> AppendResult:
        """Samples [times x columns] of series that have equal times here; times ascending."""
        if self._epoch != self._store.epoch:
            self._known.clear()
            self._epoch = self._store.epoch
            self._plan = None
            self._tracks = {number: track for number, track in self._tracks.items() if not track.closed}
        key = columns.tobytes()
        known = self._known.get(key)
        if known is not None:
            track, columns = known
            return track.append_rows(times_ms, columns, values)
        result = AppendResult(0)
        targets = self._targets(columns, times_ms)
        for track, where in targets:
            some = columns if len(where) == len(columns) else columns[where]
            self._own(track, some)
            part = values if some is columns else values[:, where]
            result += track.append_rows(times_ms, some, part)
        if len(targets) == 1:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = (targets[0][0], columns)
        return result

    def _own(self, track: Table, columns: Columns) -> None:
        """`track` writes these; those that were only announced to the parent leave it."""
        self._store.own(track, columns)
        parent = self._parent
        if parent is not None:
            announced = columns[self._store.homes.has(parent.number, columns)]
            if len(announced):
                self._store.move(announced[~parent.has_samples(announced)], parent, track)

    def retire(self, columns: Columns) -> None:
        """No more samples will come for these series."""
        for track, where in self._members(columns):
            if track is not None:
                track.retire(columns[where])
        self._known.clear()
        self._plan = None

    def close(self) -> None:
        """No more samples at all."""
        for track in self._tracks.values():
            track.close()
        self._tracks.clear()
        self._known.clear()

    # --- which track ---

    def _members(self, columns: Columns) -> list[tuple[Table | None, NDArray[np.intp]]]:
        """Places in `columns` by the track that has the series; None for those without one."""
        homes = self._store.homes.written(columns)
        found: list[tuple[Table | None, NDArray[np.intp]]] = []
        loose: list[int] = []
        for number in np.unique(homes).tolist():
            where = np.flatnonzero(homes == number)
            track = self._tracks.get(number)
            if track is not None:
                found.append((track, where))
            else:
                by_track = self._other_homes(columns, where)
                loose += by_track.pop(NOWHERE, [])
                found += [(self._tracks[one], np.array(places)) for one, places in by_track.items()]
        if loose:
            found.append((None, np.array(loose)))
        return found

    def _other_homes(self, columns: Columns, where: NDArray[np.intp]) -> dict[int, list[int]]:
        """Places by number of the track, for series that are not written in their first home, or elsewhere too."""
        others = self._store.homes.others
        by_track: dict[int, list[int]] = {}
        for place, one in zip(where.tolist(), columns[where].tolist(), strict=True):
            tables = others.get(one, {})
            written = [number for number, live in tables.items() if live and number in self._tracks]
            by_track.setdefault(max(written, default=NOWHERE), []).append(place)
        return by_track

    def _targets(self, columns: Columns, times_ms: Times) -> list[tuple[Table, NDArray[np.intp]]]:
        """The tracks that take these series, with the places of each one's; new series join or found one."""
        members = self._members(columns)
        targets = [(track, where) for track, where in members if track is not None]
        new = [where for track, where in members if track is None]
        if new:
            first, last = int(times_ms[0]), int(times_ms[-1])
            if len(targets) == 1:
                track, where = targets[0]
                targets = [(track, np.sort(np.concatenate([where, *new])))]
            else:
                track = self._joinable(first, last, len(times_ms)) or self._found()
                targets.append((track, new[0]))
        return targets

    def _joinable(self, first_ms: int, last_ms: int, rows: int) -> Table | None:
        """The newest track, where its whole history so far has these very times."""
        if not self._tracks:
            return None
        track = next(reversed(self._tracks.values()))
        alike = not track.closed and track.last_ms == last_ms and track.oldest_ms == first_ms
        return track if alike and rows > 1 else None

    def _found(self) -> Table:
        self._made += 1
        track = self._store.table(f"{self._name}#{self._made}")
        track.autonomous, track.parent = True, self._parent
        self._tracks[track.number] = track
        return track

    def _part_ways(self, times_ms: Times, columns: Columns) -> None:
        """Where members of a track now have different times, the smaller parties leave it.

        Who comes with a time that the track has passed stays, to be judged there by its older samples.
        """
        for track, where in self._members(columns):
            if track is None:
                continue
            times, counts = np.unique(times_ms[where], return_counts=True)
            if len(times) == 1:
                continue
            stay = times[counts.argmax()]
            gone = where[(times_ms[where] != stay) & (times_ms[where] > track.last_ms)]
            track.retire(columns[gone])
            self._known.clear()
            self._move(columns[gone], times_ms[gone])

    def _move(self, columns: Columns, times_ms: Times) -> None:
        """Give each party of equal time a track; their older samples stay where they are."""
        for at_ms in np.unique(times_ms).tolist():
            self._store.own(self._found(), columns[times_ms == at_ms])
