"""The catalogue of series: label sets to ids and back, and which ids some matchers choose.

A series is one integer, whatever number of tables hold samples of it. Everything known about it stands in vectors
by id (its metric name, its shape, its row there); nothing here is a Python object per series. Writers hold `lock`;
readers hold it for the passes over vectors and not while a regular expression runs.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import chain
from operator import attrgetter, itemgetter

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.blocks import LabelFrame
from pyscrape.model.labels import METRIC_NAME, Labels
from pyscrape.model.matcher import Matcher, MatchType
from pyscrape.model.symbols import EMPTY, NAME
from pyscrape.store.arrays import Growing
from pyscrape.store.fingerprints import MISSING, FingerprintTable
from pyscrape.store.journal import Journal
from pyscrape.store.shapes import FREE, Shape
from pyscrape.store.symbols import StoreSymbols
from pyscrape.store.verdicts import Verdicts

Ids = NDArray[np.int32]
Codes = NDArray[np.int32]

_MIX = np.uint64(0x9E3779B97F4A7C15)
_MIX_2 = np.uint64(0xBF58476D1CE4E5B9)
_COLLISION = np.uint64(0xD1B54A32D192ED03)
_SHIFT = np.uint64(29)


def _mixed(state: NDArray[np.uint64], codes: NDArray[np.int32]) -> NDArray[np.uint64]:
    """One round of hashing: `codes` into `state`."""
    state = (state ^ codes.astype(np.uint64)) * _MIX
    state ^= state >> _SHIFT
    state *= _MIX_2
    state ^= state >> _SHIFT
    return state


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
        self.shapes: list[Shape] = []
        self._shape_of_names: dict[tuple[int, ...], Shape] = {}
        self._orders: dict[tuple[str, ...], tuple[Shape, list[int], int]] = {}
        self._fingerprints = FingerprintTable()
        self._metric = Growing(np.int32)  # by id: code of the metric name, 0 where it has none
        self._shape = Growing(np.int32)  # by id: number of the shape, FREE where the id is not in use
        self._row = Growing(np.int32)  # by id: row in the shape
        self._free: list[int] = []
        self.series = 0
        self.version = 0
        self.journal: Journal | None = None
        self.on_capacity: Callable[[int], None] | None = None
        """Told before ids up to a new capacity are given out."""

    # --- label sets to ids ---

    def ids(self, labels: Sequence[Mapping[str, str]]) -> Ids:
        """The ids of label sets, new ones included; labels with empty values are no labels."""
        with self.lock:
            shapes = list(map(tuple, labels))
            out = np.empty(len(labels), np.int32)
            groups: dict[tuple[str, ...], list[int]] = {}
            for position, names in enumerate(shapes):
                groups.setdefault(names, []).append(position)
            for names, positions in groups.items():
                whole = len(positions) == len(labels)
                group = labels if whole else [labels[position] for position in positions]
                values = chain.from_iterable(one.values() for one in group)
                flat = np.array(self.symbols.codes(values), np.int32)
                ids = self._ids_of_codes(names, flat.reshape(len(positions), len(names)).T)
                out[slice(None) if whole else positions] = ids
            return out

    def _ids_of_codes(self, names: tuple[str, ...], codes: Codes) -> Ids:
        """Ids of series whose labels are called `names`; `codes` has shape [names x series]."""
        if not codes.all():
            return self._ids_without_empty(names, codes)
        shape, order, metric_at = self._order(names)
        count = codes.shape[1]
        metric = codes[metric_at] if metric_at >= 0 else np.zeros(count, np.int32)
        return self._resolve(shape, metric, codes[order])

    def ids_of_codes(self, names: NDArray[np.int32], metric: Codes, values: Codes) -> Ids:
        """Ids of series given as codes, metric name apart; `values` has shape [names x series]."""
        order = np.argsort(names)
        with self.lock:
            return self._resolve(self._shape_named(tuple(names[order].tolist())), metric, values[order])

    def _ids_without_empty(self, names: tuple[str, ...], codes: Codes) -> Ids:
        out = np.empty(codes.shape[1], np.int32)
        patterns, which = np.unique(codes != EMPTY, axis=1, return_inverse=True)
        for k in range(patterns.shape[1]):
            there = patterns[:, k]
            where = np.flatnonzero(which.ravel() == k)
            kept = tuple(name for name, yes in zip(names, there.tolist(), strict=True) if yes)
            out[where] = self._ids_of_codes(kept, codes[there][:, where])
        return out

    def _order(self, names: tuple[str, ...]) -> tuple[Shape, list[int], int]:
        """(shape, places of the shape's names in `names`, place of __name__ or -1)."""
        known = self._orders.get(names)
        if known is not None:
            return known
        codes = self.symbols.codes(names)
        order = sorted((k for k in range(len(names)) if codes[k] != NAME), key=codes.__getitem__)
        key = tuple(codes[k] for k in order)
        shape = self._shape_named(key)
        known = (shape, order, codes.index(NAME) if NAME in codes else -1)
        self._orders[names] = known
        return known

    def _shape_named(self, names: tuple[int, ...]) -> Shape:
        """The shape of these names (codes, ascending)."""
        shape = self._shape_of_names.get(names)
        if shape is None:
            shape = self._shape_of_names[names] = Shape(len(self.shapes), names)
            self.shapes.append(shape)
        return shape

    def _resolve(self, shape: Shape, metric: Codes, values: Codes) -> Ids:
        """Ids for one shape's label sets, made where they are new."""
        keys = self._keys(shape, metric, values)
        found = self._fingerprints.find(keys)
        if (found == MISSING).all():
            ordered = np.sort(keys)
            if (ordered[1:] != ordered[:-1]).all():  # a first page: nothing to compare with
                return self._create(shape, keys, metric, values)
        out = np.full(len(keys), MISSING, np.int32)
        waiting = np.arange(len(keys))
        while len(waiting):
            found = self._fingerprints.find(keys[waiting])
            new = np.flatnonzero(found == MISSING)
            if len(new):
                places = waiting[new]
                _, first, inverse = np.unique(keys[places], return_index=True, return_inverse=True)
                in_order = np.argsort(first)  # ids follow the page, so that layouts are ascending as a rule
                made = places[first[in_order]]
                ids = np.empty(len(made), np.int32)
                ids[in_order] = self._create(shape, keys[made], metric[made], values[:, made])
                found[new] = ids[inverse.ravel()]
            same = self._same(shape, found, metric[waiting], values[:, waiting])
            out[waiting[same]] = found[same]
            waiting = waiting[~same]  # two label sets with one fingerprint: go on with another one
            keys[waiting] += _COLLISION
        return out

    def _keys(self, shape: Shape, metric: Codes, values: Codes) -> NDArray[np.uint64]:
        state = np.full(len(metric), (shape.number * 2 + 1) * int(_COLLISION) % 2**64, np.uint64)
        state = _mixed(state, metric)
        for row in values:
            state = _mixed(state, row)
        state[state < 2] += np.uint64(2)
        return state

    def _same(self, shape: Shape, ids: Ids, metric: Codes, values: Codes) -> NDArray[np.bool_]:
        same = (self._shape.data[ids] == shape.number) & (self._metric.data[ids] == metric)
        rows = np.where(same, self._row.data[ids], 0)
        alike: NDArray[np.bool_] = same & (shape.values.data[:, rows] == values).all(axis=0)
        return alike

    def _create(self, shape: Shape, keys: NDArray[np.uint64], metric: Codes, values: Codes) -> Ids:
        """New series; keys are distinct."""
        count = len(keys)
        reused = [heappop(self._free) for _ in range(min(count, len(self._free)))]
        start = self._shape.size
        end = start + count - len(reused)
        for column in (self._metric, self._shape, self._row):
            column.resize(end)
        if self.on_capacity is not None:
            self.on_capacity(end)
        ids = np.arange(start, end, dtype=np.int32)
        if reused:
            ids = np.concatenate([np.array(reused, np.int32), ids])
        self._metric.data[ids] = metric
        self._row.data[ids] = shape.add(values, ids)
        self._shape.data[ids] = shape.number
        self._fingerprints.insert(keys, ids)
        self.series += count
        self.version += 1
        if self.journal is not None:
            self.journal.series(shape.names, ids, metric, np.ascontiguousarray(values))
        return ids

    @property
    def capacity(self) -> int:
        """Every id is smaller."""
        return self._shape.size

    def remove(self, ids: Ids) -> None:
        """Forget series; their ids are reused only after `reuse`."""
        with self.lock:
            for number in np.unique(self._shape.data[ids]).tolist():
                shape = self.shapes[number]
                group = ids[self._shape.data[ids] == number]
                rows = self._row.data[group]
                keys = self._keys(shape, self._metric.data[group], shape.values.data[:, rows])
                self._fingerprints.remove(keys, group)
                shape.remove(rows)
            self._shape.data[ids] = FREE
            self._metric.data[ids] = EMPTY
            self.series -= len(ids)
            self.version += 1

    def reuse(self, ids: Ids) -> None:
        """Let removed ids be given to new series."""
        with self.lock:
            for one in ids.tolist():
                heappush(self._free, one)
            self._shrink()

    def _shrink(self) -> None:
        """Give back room that is mostly free: rows of shapes, the hash table, ids at the end."""
        for shape in self.shapes:
            moved = shape.compacted()
            if moved is not None:
                self._row.data[moved] = np.arange(len(moved))
        self._fingerprints.fit()
        size = self._shape.size
        if len(self._free) * 2 > size > 1024:
            used = np.flatnonzero(self._shape.view != FREE)
            end = int(used[-1]) + 1 if len(used) else 0
            waiting = (
                size - len(used) - len(self._free)
            )  # removed, and not to be reused yet: they may lie anywhere
            if end * 2 < size and not waiting:
                self._free = [one for one in self._free if one < end]
                heapify(self._free)
                for column in (self._metric, self._shape, self._row):
                    column.cut(end)

    def copies(self) -> Iterator[tuple[tuple[int, ...], Ids, Codes, Codes]]:
        """(names, ids, metric names, values [names x series]) of all series, a shape at a time, as codes."""
        for shape in list(self.shapes):
            with self.lock:
                used = np.flatnonzero(shape.series.view != FREE)
                ids = shape.series.view[used]
                copy = (shape.names, ids, self._metric.data[ids], shape.values.view[:, used])
            if len(used):
                yield copy

    def metric_codes(self) -> Codes:
        """The metric name's code of every series in use, 0 where it has none."""
        codes: Codes = self._metric.view[self._shape.view != FREE]
        return codes

    def label_pairs(self) -> int:
        """Distinct pairs of label name and value."""
        with self.lock:
            names = {name for shape in self.shapes for name in shape.names}
        return sum(len(self.codes_of(name)) for name in (NAME, *names))

    def unused_symbols(self) -> list[int]:
        """Codes that no series has, neither as a name nor as a value."""
        with self.lock:
            used = np.zeros(self.symbols.given, np.bool_)
            used[self._metric.view] = True
            for shape in self.shapes:
                used[list(shape.names)] = True
                used[shape.values.view] = True
        return np.flatnonzero(~used).tolist()

    @property
    def nbytes(self) -> int:
        """Bytes held, estimated for the strings."""
        columns = self._metric.nbytes + self._shape.nbytes + self._row.nbytes + 8 * len(self._free)
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
        used = self._shape.view != FREE
        for matcher in matchers:
            used = used & self.verdicts.chosen(matcher, metric)
        return np.flatnonzero(used).astype(np.int32)

    def _match_rows(self, ids: Ids, matchers: list[tuple[int, Matcher]]) -> Ids:
        """Those of `ids` that the matchers choose."""
        if not len(ids) or not matchers:
            return ids
        parts = []
        shapes = self._shape.data[ids]
        for number in np.unique(shapes).tolist():
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
        there = self._shape.data[ids] != FREE
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
        known = self.symbols.known
        return sorted(text for one in codes.tolist() if (text := known(one)) is not None)

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
                texts = [self.symbols.texts(row) for row in shape.values.data[:, self._row.data[group]]]
                names = [self.symbols.text(name) for name in shape.names]
                rows = [
                    (METRIC_NAME, self.symbols.texts(self._metric.data[group])),
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
