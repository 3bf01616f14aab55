"""The catalogue of series: label sets to ids and back, and which ids some matchers choose.

A series is one integer, whatever number of tables hold samples of it. Everything known about it stands in vectors
by id (its metric name, its shape, its row there); nothing here is a Python object per series. Writers hold `lock`;
readers hold it for the passes over vectors and not while a regular expression runs.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.blocks import LabelFrame
from pyscrape.model.label_columns import LabelColumns, by_names
from pyscrape.model.labels import METRIC_NAME, Labels
from pyscrape.model.matcher import Matcher, MatchType
from pyscrape.model.symbols import EMPTY, NAME
from pyscrape.store.arrays import ById, Stretches, stretches_of
from pyscrape.store.coded import Coded, Keys, keys_of, keys_of_all
from pyscrape.store.fingerprints import MISSING, FingerprintTable, Slots
from pyscrape.store.journal import Journal
from pyscrape.store.shapes import FREE, NO_SHAPE, Shape
from pyscrape.store.symbols import StoreSymbols
from pyscrape.store.verdicts import Verdicts

Ids = NDArray[np.int32]
Codes = NDArray[np.int32]

_NEXT_KEY = np.uint64(0xD1B54A32D192ED03)
"""Added to the key of a label set where another one has it."""
_LEAST_STRETCH = 1024
"""So many ids in a row, a page of a vector, are worth giving back."""


class KeptById(Protocol):
    """What else is known of series, in vectors by id. Called for the index, with its lock held."""

    def fit(self, capacity: int) -> None:
        """Ids below `capacity` are given out from now on, and none above it."""

    def renew(self, ids: Ids) -> None:
        """These ids, of series that are gone, are given to new ones."""

    def release(self, stretches: Stretches) -> None:
        """No series has these ids: nothing of them needs to be kept."""


def _sorted_labels(pairs: tuple[tuple[str, str], ...]) -> Labels:
    """Labels of pairs that are sorted and without empty values: a third of the time of finding that out."""
    labels = object.__new__(Labels)
    labels.pairs = pairs
    labels._map = labels._hash = None
    return labels


class SeriesIndex:
    """Label sets of all series."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.symbols = StoreSymbols()
        self.verdicts = Verdicts(self.symbols)
        self.shapes = [Shape(NO_SHAPE, ())]
        self._shape_of_names: dict[tuple[int, ...], Shape] = {}
        self._rows: dict[tuple[str, ...], tuple[Shape, list[int]]] = {}
        self._fingerprints = FingerprintTable()
        self._metric = ById(np.int32)  # by id: code of the metric name, 0 where it has none
        self._shape = ById(np.int32)  # by id: number of the shape, NO_SHAPE where the id is not in use
        self._row = ById(np.int32)  # by id: row in the shape
        self._free: Ids = np.zeros(0, np.int32)  # not in use, ascending
        self.series = 0
        self.version = 0
        self.journal: Journal | None = None
        self.beside: Sequence[KeptById] = ()

    # --- label sets to ids ---

    def ids(self, labels: Sequence[Mapping[str, str]]) -> Ids:
        """The ids of label sets, new ones included; labels with empty values are no labels."""
        return self.ids_of(by_names(labels), len(labels))

    def ids_of(self, columns: Sequence[LabelColumns], size: int) -> Ids:
        """As `ids`, for label sets by name; the places are those of 0 to `size`, each once."""
        with self.lock:
            return self._resolve([group for one in columns for group in self._coded(one)], size)

    def ids_of_codes(self, names: NDArray[np.int32], metric: Codes, values: Codes) -> Ids:
        """Ids of series given as codes, metric name apart; `values` has shape [names x series]."""
        order = np.argsort(names)
        with self.lock:
            shape = self._shape_named(tuple(names[order].tolist()))
            codes = np.concatenate((metric[None], values[order]))
            return self._resolve([Coded(shape, codes, np.arange(len(metric)))], len(metric))

    def _coded(self, columns: LabelColumns) -> list[Coded]:
        """Label sets as codes; several groups where some have empty values."""
        shape, rows = self._rows_of(columns.names)
        codes = np.zeros((len(shape.names) + 1, len(columns.places)), np.int32)
        for row, values in zip(rows, columns.values, strict=True):
            codes[row] = self.symbols.code(values) if isinstance(values, str) else self.symbols.codes(values)
        places = columns.places
        at = np.arange(places.start, places.stop) if isinstance(places, range) else np.array(places, np.intp)
        whole = Coded(shape, codes, at)
        return [whole] if codes[1:].all() else self._without_empty(whole)

    def _without_empty(self, group: Coded) -> list[Coded]:
        """The same label sets in shapes without the labels that are empty."""
        found = []
        patterns, which = np.unique(group.codes[1:] != EMPTY, axis=1, return_inverse=True)
        for k, there in enumerate(patterns.T):
            names = tuple(name for name, yes in zip(group.shape.names, there.tolist(), strict=True) if yes)
            _, codes, places = group.some(which.ravel() == k)
            found.append(Coded(self._shape_named(names), codes[np.concatenate(([True], there))], places))
        return found

    def _rows_of(self, names: tuple[str, ...]) -> tuple[Shape, list[int]]:
        """The shape of these names, and for each of them its row in a matrix of codes."""
        known = self._rows.get(names)
        if known is None:
            codes = self.symbols.codes(names)
            shape = self._shape_named(tuple(sorted(code for code in codes if code != NAME)))
            rows = [0 if code == NAME else shape.place[code] + 1 for code in codes]
            known = self._rows[names] = (shape, rows)
        return known

    def _shape_named(self, names: tuple[int, ...]) -> Shape:
        """The shape of these names (codes, ascending)."""
        shape = self._shape_of_names.get(names)
        if shape is None:
            shape = self._shape_of_names[names] = Shape(len(self.shapes), names)
            self.shapes.append(shape)
        return shape

    def _resolve(self, groups: Sequence[Coded], size: int) -> Ids:
        """Ids of label sets, made where they are new."""
        keys = keys_of_all(groups, size)
        while True:
            found, slots = self._fingerprints.find(keys)
            known = found != MISSING
            if not known.all():
                known |= self._create(groups, keys, found, slots)
            # What has just been made is what was asked for; what was known may be another one with the same key.
            others = self._others(groups, found, known) if known.any() else known
            if not others.any():
                return found
            keys[others] += _NEXT_KEY

    def _others(self, groups: Sequence[Coded], found: Ids, asked: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Those of the label sets asked about that are not the ones found for them."""
        others = np.zeros(len(found), np.bool_)
        for group in groups:
            here = asked[group.places]
            if here.any():
                shape, codes, places = group if here.all() else group.some(here)
                ids = found[places]
                same = (self._shape.data[ids] == shape.number) & (self._metric.data[ids] == codes[0])
                rows = np.where(same, self._row.data[ids], 0)
                others[places] = ~(same & (shape.values.data[:, rows] == codes[1:]).all(axis=0))
        return others

    def _create(self, groups: Sequence[Coded], keys: Keys, found: Ids, slots: Slots) -> NDArray[np.bool_]:
        """Make the series that were not found and put their ids in `found`; of equal keys the first is made.

        Returns a mask of the repeats, which got the id of the first.
        """
        repeats = np.zeros(len(found), np.bool_)
        places = (found == MISSING).nonzero()[0]
        ordered = np.sort(keys[places])
        distinct = bool((ordered[1:] != ordered[:-1]).all())
        if distinct and len(places) == len(found) and len(groups) == 1:
            self._create_all(groups[0], keys, found, slots)
            return repeats
        first = places if distinct else places[np.sort(np.unique(keys[places], return_index=True)[1])]
        ids = self._new_ids(len(first))  # they follow the page, so that layouts are ascending as a rule
        self._fingerprints.insert(keys[first], ids, slots[first])
        found[first] = ids
        new = np.zeros(len(found), np.bool_)
        new[first] = True
        for group in groups:
            here = new[group.places]
            if here.any():
                some = group if here.all() else group.some(here)
                self._add(some, found[some.places])
        self.series += len(ids)
        self.version += 1
        if not distinct:
            repeats[places] = True
            repeats[first] = False
            again = np.flatnonzero(repeats)
            found[again] = self._fingerprints.find(keys[again])[0]
        return repeats

    def _create_all(self, group: Coded, keys: Keys, found: Ids, slots: Slots) -> None:
        """`_create` where none was found, all are distinct and of one shape, as the new ones of a page mostly are."""
        found[:] = self._new_ids(len(found))
        self._fingerprints.insert(keys, found, slots)
        self._add(group, found[group.places])
        self.series += len(found)
        self.version += 1

    def _new_ids(self, count: int) -> Ids:
        """Ids for new series, ascending; those that were given back first."""
        reused, self._free = self._free[:count], self._free[count:]
        start = self._shape.size
        end = start + count - len(reused)
        for column in (self._metric, self._shape, self._row):
            column.resize(end)
        for kept in self.beside:
            kept.fit(end)
            if len(reused):
                kept.renew(reused)
        fresh = np.arange(start, end, dtype=np.int32)
        return np.concatenate((reused, fresh)) if len(reused) else fresh

    def _add(self, group: Coded, ids: Ids) -> None:
        """New series of one shape."""
        shape, codes, _ = group
        self._metric.data[ids] = codes[0]
        self._row.data[ids] = shape.add(codes[1:], ids)
        self._shape.data[ids] = shape.number
        if self.journal is not None:
            self.journal.series(shape.names, ids, codes[0], np.ascontiguousarray(codes[1:]))

    @property
    def capacity(self) -> int:
        """Every id is smaller."""
        return self._shape.size

    def remove(self, ids: Ids) -> None:
        """Forget series; their ids are reused only after `reuse`."""
        with self.lock:
            numbers = self._shape.data[ids]
            for number in np.flatnonzero(np.bincount(numbers)).tolist():
                shape = self.shapes[number]
                group = ids[numbers == number]
                rows = self._row.data[group]
                codes = np.concatenate((self._metric.data[group][None], shape.values.data[:, rows]))
                self._fingerprints.remove(keys_of(shape, codes), group)
                shape.remove(rows)
            self._shape.data[ids] = NO_SHAPE
            self._metric.data[ids] = EMPTY
            self.series -= len(ids)
            self.version += 1

    def reuse(self, ids: Ids) -> None:
        """Let removed ids be given to new series."""
        with self.lock:
            self._free = np.sort(np.concatenate((self._free, ids)), kind="stable")
            self._shrink()

    def _shrink(self) -> None:
        """Give back room that is mostly free: rows of shapes, the hash table, ids at the end."""
        for shape in self.shapes:
            moved = shape.compacted()
            if moved is not None:
                self._row.data[moved] = np.arange(len(moved))
        self._fingerprints.fit()
        size = self._shape.size
        if len(self._free) * 4 > size > 1024:
            used = np.flatnonzero(self._shape.view != NO_SHAPE)
            end = int(used[-1]) + 1 if len(used) else 0
            waiting = (
                size - len(used) - len(self._free)
            )  # removed, and not to be reused yet: they may lie anywhere
            if end * 4 < size * 3 and not waiting:
                self._free = self._free[self._free < end]
                for column in (self._metric, self._shape, self._row):
                    column.cut(end)
                for kept in self.beside:
                    kept.fit(end)

    def releases(self) -> Iterator[None]:
        """Give back the memory of ids that are not in use, where whole pages of the vectors are of such; in steps."""
        for release in (self.release, *(kept.release for kept in self.beside)):
            with self.lock:
                release(stretches_of(self._shape.view == NO_SHAPE, _LEAST_STRETCH))
            yield

    def release(self, stretches: Stretches) -> None:
        """No series has these ids."""
        for column in (self._metric, self._shape, self._row):
            column.release(stretches)

    def copies(self) -> Iterator[tuple[tuple[int, ...], Ids, Codes, Codes]]:
        """(names, ids, metric names, values [names x series]) of all series, a shape at a time, as codes."""
        for shape in list(self.shapes):
            with self.lock:
                used = np.flatnonzero(shape.series.view != FREE)
                ids = shape.series.view[used]
                copy = (shape.names, ids, self._metric.data[ids], shape.values.view[:, used])
            if len(used):
                yield copy

    def described(self, ids: Ids) -> Iterator[tuple[tuple[int, ...], Ids, Codes, Codes]]:
        """`copies` of some series."""
        with self.lock:
            shapes = self._shape.data[ids]
            for number in np.unique(shapes[shapes != NO_SHAPE]).tolist():
                group = ids[shapes == number]
                shape = self.shapes[number]
                values = shape.values.data[:, self._row.data[group]]
                yield shape.names, group, self._metric.data[group], values

    def metric_codes(self) -> Codes:
        """The metric name's code of every series in use, 0 where it has none."""
        codes: Codes = self._metric.view[self._shape.view != NO_SHAPE]
        return codes

    def label_pairs(self) -> int:
        """Distinct pairs of label name and value."""
        with self.lock:
            names = {name for shape in self.shapes for name in shape.names}
        return sum(len(self.codes_of(name)) for name in (NAME, *names))

    def unused_symbols(self) -> Codes:
        """Codes that no series has, neither as a name nor as a value, and that were not retired; ascending."""
        with self.lock:
            unused = self.symbols.live.copy()
            unused[self._metric.view] = False
            for shape in self.shapes:
                unused[list(shape.names)] = False
                unused[shape.values.view] = False
        return np.flatnonzero(unused).astype(np.int32)

    @property
    def nbytes(self) -> int:
        """Bytes held, estimated for the strings."""
        columns = self._metric.nbytes + self._shape.nbytes + self._row.nbytes + self._free.nbytes
        return columns + self._fingerprints.nbytes + sum(shape.nbytes for shape in self.shapes)

    # --- matchers to ids ---

    def match(self, matchers: Sequence[Matcher]) -> Ids:
        """Ids of the series that all `matchers` choose, ascending. A label that is absent counts as empty."""
        by_code = [(self.symbols.find(matcher.name), matcher) for matcher in matchers]
        for code, matcher in by_code:
            if code is not None and matcher.type.regex:
                self.verdicts.learn(matcher, self.codes_of(code))
        with self.lock:
            names = [matcher for code, matcher in by_code if code == NAME]
            others: list[tuple[int, Matcher]] = []
            for code, matcher in by_code:
                if code is None:
                    if not matcher.matches_empty:
                        return np.zeros(0, np.int32)
                elif code != NAME:
                    others.append((code, matcher))
            others.sort(key=lambda pair: pair[1].type is not MatchType.EQ)
            ids = self._match_rows(self._named(names), others) if names else self._match_all(others)
        ids.sort()
        return ids

    def _named(self, matchers: list[Matcher]) -> Ids:
        """Ids chosen by matchers on the metric name."""
        metric = self._metric.view
        used = self._shape.view != NO_SHAPE
        for matcher in matchers:
            used = used & self.verdicts.chosen(matcher, metric)
        return np.flatnonzero(used).astype(np.int32)

    def _match_rows(self, ids: Ids, matchers: list[tuple[int, Matcher]]) -> Ids:
        """Those of `ids` that the matchers choose."""
        if not len(ids) or not matchers:
            return ids
        parts = []
        shapes = self._shape.data[ids]
        for number in np.flatnonzero(np.bincount(shapes)).tolist():
            shape = self.shapes[number]
            if self._possible(shape, matchers):
                group = ids[shapes == number]
                rows = self._row.data[group]
                parts.append(group[self._filter(shape, rows, matchers)])
        return np.concatenate(parts) if parts else np.zeros(0, np.int32)

    def _match_all(self, matchers: list[tuple[int, Matcher]]) -> Ids:
        parts = []
        for shape in self.shapes:
            if shape.series.size and self._possible(shape, matchers):
                ids = shape.series.view[self._filter(shape, None, matchers)]
                parts.append(ids[ids != FREE])
        return np.concatenate(parts) if parts else np.zeros(0, np.int32)

    @staticmethod
    def _possible(shape: Shape, matchers: list[tuple[int, Matcher]]) -> bool:
        return all(name in shape.place or matcher.matches_empty for name, matcher in matchers)

    def _filter(
        self, shape: Shape, rows: NDArray[np.int32] | None, matchers: list[tuple[int, Matcher]]
    ) -> NDArray[np.intp]:
        """Places in `rows` (or rows of the shape) that all matchers choose, narrowed matcher by matcher."""
        count = shape.series.size if rows is None else len(rows)
        kept: NDArray[np.intp] | None = None
        for name, matcher in matchers:
            place = shape.place.get(name)
            if place is None:
                continue  # absent, and `_possible` has seen that this is chosen
            codes = shape.values.data[place, :count] if rows is None else shape.values.data[place, rows]
            if kept is None:
                kept = np.flatnonzero(self.verdicts.chosen(matcher, codes))
            else:
                kept = kept[self.verdicts.chosen(matcher, codes[kept])]
            if not len(kept):
                break
        return np.arange(count) if kept is None else kept

    # --- ids to labels ---

    def codes_of(self, name: int) -> Codes:
        """The distinct value codes of a label name (its code), over all series; ascending."""
        with self.lock:
            seen = np.zeros(self.symbols.given, np.bool_)
            if name == NAME:
                seen[self._metric.view] = True
            for shape in self.shapes:
                place = shape.place.get(name)
                if place is not None:
                    seen[shape.values.view[place]] = True
        seen[EMPTY] = False
        return np.flatnonzero(seen).astype(np.int32)

    def alive(self, ids: Ids) -> Ids:
        """Those of the ids that still are series; what may have ended since they were found is left out.

        True for as long as the caller holds `lock`.
        """
        there = self._shape.data[ids] != NO_SHAPE
        return ids if there.all() else ids[there]

    def frame(self, ids: Ids) -> LabelFrame:
        """Labels of some series as codes; they are series still (see `alive`)."""
        with self.lock:
            shapes = self._shape.data[ids]
            numbers = np.unique(shapes).tolist()
            names = sorted({name for number in numbers for name in self.shapes[number].names})
            codes = np.zeros((len(names) + 1, len(ids)), np.int32)
            codes[0] = self._metric.data[ids]
            place = {name: k + 1 for k, name in enumerate(names)}
            for number in numbers:
                shape = self.shapes[number]
                where = slice(None) if len(numbers) == 1 else np.flatnonzero(shapes == number)
                rows = self._row.data[ids[where]]
                for k, name in enumerate(shape.names):
                    codes[place[name], where] = shape.values.data[k, rows]
        return LabelFrame((NAME, *names), np.ascontiguousarray(codes.T), self.symbols)

    def label_names(self, ids: Ids | None = None) -> list[str]:
        """Names of labels that the series (all of them by default) have; sorted."""
        with self.lock:
            if ids is None:
                shapes = [shape for shape in self.shapes if (shape.series.view != FREE).any()]
                named = bool(self._metric.view.any())
            else:
                ids = self.alive(ids)
                shapes = [self.shapes[number] for number in np.unique(self._shape.data[ids]).tolist()]
                named = bool(self._metric.data[ids].any())
            codes = {name for shape in shapes for name in shape.names}
        texts = {self.symbols.text(code) for code in codes}
        return sorted(texts | {METRIC_NAME} if named else texts)

    def label_values(self, name: str, ids: Ids | None = None) -> list[str]:
        """Distinct values of a label among the series (all of them by default); sorted."""
        code = self.symbols.find(name)
        if code is None:
            return []
        codes = self.codes_of(code) if ids is None else self._codes_among(code, ids)
        return sorted(filter(None, self.symbols.distinct_texts(codes)))

    def _codes_among(self, name: int, ids: Ids) -> Codes:
        with self.lock:
            ids = self.alive(ids)
            seen = np.zeros(self.symbols.given, np.bool_)
            if name == NAME:
                seen[self._metric.data[ids]] = True
            else:
                shapes = self._shape.data[ids]
                for number in np.flatnonzero(np.bincount(shapes)).tolist():
                    place = self.shapes[number].place.get(name)
                    if place is not None:
                        rows = self._row.data[ids[shapes == number]]
                        seen[self.shapes[number].values.data[place, rows]] = True
        seen[EMPTY] = False
        return np.flatnonzero(seen).astype(np.int32)

    def labels(self, ids: Ids) -> list[Labels]:
        """Labels of some series as values, sorted, for answers that list them."""
        out: list[Labels] = []
        with self.lock:
            ids = self.alive(ids)
            shapes = self._shape.data[ids]
            for number in np.unique(shapes).tolist():
                shape = self.shapes[number]
                group = ids[shapes == number]
                texts = [
                    self.symbols.texts(row) for row in shape.values.data[:, self._row.data[group]].tolist()
                ]
                names = [self.symbols.text(name) for name in shape.names]
                rows = [
                    (METRIC_NAME, self.symbols.texts(self._metric.data[group].tolist())),
                    *zip(names, texts, strict=True),
                ]
                rows.sort(key=itemgetter(0))
                columns = [name for name, _ in rows]
                every = zip(*(values for _, values in rows), strict=True)
                if all(rows[columns.index(METRIC_NAME)][1]):
                    out += [_sorted_labels(tuple(zip(columns, values, strict=True))) for values in every]
                else:
                    out += [Labels(zip(columns, values, strict=True)) for values in every]
        out.sort(key=attrgetter("pairs"))
        return out
