"""From chosen series to blocks: each table's columns, series of several tables joined, equal time axes put together."""

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.blocks import Block, Facts
from pyscrape.store.read import Part, Times, Values
from pyscrape.store.shelf import Group

Ids = NDArray[np.int32]

MOST_JOINED = 1 << 18
"""Larger columns stay a block of their own: putting them beside others would copy them."""

FEWEST_TABLES, FEWEST_ROWS = 4, 8
"""So many tables with so many equal times are taken to go together."""
MOST_COLUMNS = 1024
"""Of all tables that go together."""
_AFRESH_MS = 3_600_000

Read = Callable[[tuple[int, ...], Sequence[Part], Ids, int, int], tuple[Ids, Times, Values, Facts]]
"""(numbers of tables, their parts, ids, start, end) -> (ids that may have samples in (start, end], times, values, what
is known of them)."""


class _Columns:
    """Columns on one time axis, before equal axes are put together."""

    __slots__ = ("facts", "ids", "tables", "times", "values")

    def __init__(self, tables: tuple[int, ...], ids: Ids, times: Times, values: Values, facts: Facts) -> None:
        self.tables = tables
        self.ids = ids
        self.times = times
        self.values = values
        self.facts = facts


class Companions:
    """Small tables whose rows come at the same times: what remote write sent of one target in several requests.

    They are read, kept and followed as one, since a look into each takes longer than reading it. It is a guess by what
    selections saw: where it no longer holds, the answer stays right and has rows in which some have no sample; an
    hour later it is made afresh.
    """

    def __init__(self) -> None:
        self._first: dict[int, int] = {}
        self._made_ms: int | None = None

    def of(self, tables: NDArray[np.int32]) -> NDArray[np.int32]:
        """Equal numbers for tables that go together."""
        if not self._first:
            return tables
        distinct, place = np.unique(tables, return_inverse=True)
        return np.array([self._first.get(one, one) for one in distinct.tolist()], np.int32)[place.reshape(-1)]

    def learn(self, groups: Sequence[Sequence[_Columns]], parts: Mapping[int, Sequence[Part]]) -> None:
        """`groups` were found to have equal times; those that go with others already stay where they are."""
        for group in groups:
            if len(group) < FEWEST_TABLES or len(group[0].times) < FEWEST_ROWS:
                continue
            new = [
                one.tables[0] for one in group if len(one.tables) == 1 and one.tables[0] not in self._first
            ]
            widths = {table: len(parts[table][-1].layout) for table in new}
            room = 0
            first = 0
            for table in new if len(new) >= FEWEST_TABLES else ():
                if widths[table] > MOST_COLUMNS // FEWEST_TABLES:
                    continue
                if widths[table] > room:
                    first, room = table, MOST_COLUMNS
                self._first[table] = first
                room -= widths[table]

    def tidy(self, now_ms: int) -> None:
        """Begin anew every hour."""
        if self._made_ms is None or not 0 <= now_ms - self._made_ms < _AFRESH_MS:
            self._first.clear()
            self._made_ms = now_ms


class Places:
    """Where some series live, at one moment."""

    __slots__ = ("homes", "others", "parts")

    def __init__(
        self,
        homes: NDArray[np.int32],
        others: Mapping[int, Sequence[int]],
        parts: Mapping[int, Sequence[Part]],
    ) -> None:
        self.homes = homes
        """Table of each series."""
        self.others = others
        """Further tables of some series, by id."""
        self.parts = parts
        """Parts of every table."""

    def parts_of(self, tables: tuple[int, ...]) -> Sequence[Part]:
        """The parts of tables that are read as one."""
        if len(tables) == 1:
            return self.parts.get(tables[0], ())
        return [part for table in tables for part in self.parts.get(table, ())]

    def groups(self, ids: Ids, companions: Companions) -> list[Group]:
        """The series by what is read as one."""
        many = (
            np.isin(ids, np.fromiter(self.others, np.int32, len(self.others)))
            if self.others
            else np.zeros(len(ids), np.bool_)
        )
        found: list[Group] = []
        alone, tables = ids[~many], self.homes[~many]
        for group in groups_of(companions.of(tables)):
            home = int(tables[group[0]])
            # Not by asking `companions` again: another thread may have begun them anew.
            along = (home,) if (tables[group] == home).all() else tuple(sorted(set(tables[group].tolist())))
            found.append((along, alone[group]))
        together: dict[tuple[int, ...], list[int]] = {}
        for one, home in zip(ids[many].tolist(), self.homes[many].tolist(), strict=True):
            together.setdefault((home, *self.others[one]), []).append(one)
        found += [(several, np.array(members, np.int32)) for several, members in together.items()]
        return found

    def columns(self, groups: Sequence[Group], start_ms: int, end_ms: int, read: Read) -> list[_Columns]:
        """The samples in (start, end], of the groups that have some."""
        columns = [
            _Columns(tables, *read(tables, self.parts_of(tables), ids, start_ms, end_ms))
            for tables, ids in groups
        ]
        return [one for one in columns if len(one.times)]


def groups_of(tables: NDArray[np.int32]) -> list[NDArray[np.intp]]:
    """Places with equal numbers, in their order."""
    if not len(tables):
        return []
    if tables.item(0) == tables.max() == tables.min():  # one table
        return [np.arange(len(tables))]
    order = np.argsort(tables, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(tables[order])) + 1)


def alike(columns: list[_Columns]) -> list[list[_Columns]]:
    """Columns with equal times; large ones alone."""
    groups: dict[tuple[int, int, int], list[list[_Columns]]] = {}
    for one in columns:
        known = groups.setdefault((len(one.times), one.times.item(0), one.times.item(-1)), [])
        if one.values.size > MOST_JOINED:
            known.append([one])
            continue
        group = next((group for group in known if (group[0].times == one.times).all()), None)
        if group is None:
            known.append([one])
        else:
            group.append(one)
    return list(chain.from_iterable(groups.values()))


def lone(groups: Sequence[Group], axes: Sequence[Sequence[_Columns]]) -> tuple[list[Group], list[Group]]:
    """(the groups whose times are like no others', all others)."""
    alone = {one[0].tables for one in axes if len(one) == 1}
    return [one for one in groups if one[0] in alone], [one for one in groups if one[0] not in alone]


def blocks_of(groups: list[list[_Columns]], row: int = 0) -> tuple[Ids, tuple[Block, ...]]:
    """(ids in the order of the frame, blocks); columns with equal times become one block. Rows begin with `row`."""
    ids: list[Ids] = []
    blocks = []
    rows = np.arange(row + sum(len(one.ids) for group in groups for one in group))
    for group in groups:
        if len(group) == 1:
            count, values = len(group[0].ids), group[0].values
        else:
            count = sum(len(one.ids) for one in group)
            values = np.concatenate([one.values for one in group], axis=1)
        facts = reduce(operator.and_, (one.facts for one in group))
        blocks.append(Block(rows[row : row + count], group[0].times, values, facts))
        ids += [one.ids for one in group]
        row += count
    return (np.concatenate(ids) if ids else np.zeros(0, np.int32)), tuple(blocks)
