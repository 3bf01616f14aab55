"""From chosen series to blocks: each table's columns, series of several tables joined, equal time axes put together."""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.blocks import Block
from pyscrape.store.read import Part, Times, Values

Ids = NDArray[np.int32]

MOST_JOINED = 1 << 18
"""Larger columns stay a block of their own: putting them beside others would copy them."""

Read = Callable[[tuple[int, ...], Sequence[Part], Ids, int, int], tuple[Ids, Times, Values]]
"""(numbers of tables, their parts, ids, start, end) -> (ids that may have samples in (start, end], times, values)."""


class _Columns:
    """Columns on one time axis, before equal axes are put together."""

    __slots__ = ("ids", "times", "values")

    def __init__(self, ids: Ids, times: Times, values: Values) -> None:
        self.ids = ids
        self.times = times
        self.values = values


def columns_of(
    parts: Mapping[int, Sequence[Part]],
    ids: Ids,
    homes: NDArray[np.int32],
    others: Mapping[int, Sequence[int]],
    start_ms: int,
    end_ms: int,
    read: Read,
) -> list[_Columns]:
    """The samples in (start, end] of `ids`; `homes` are their tables, `others` further tables of some."""
    many = (
        np.isin(ids, np.fromiter(others, np.int32, len(others))) if others else np.zeros(len(ids), np.bool_)
    )
    columns: list[_Columns] = []
    alone, tables = ids[~many], homes[~many]
    for group in groups_of(tables):
        home = int(tables[group[0]])
        columns.append(_Columns(*read((home,), parts.get(home, ()), alone[group], start_ms, end_ms)))
    together: dict[tuple[int, ...], list[int]] = {}
    for one, home in zip(ids[many].tolist(), homes[many].tolist(), strict=True):
        together.setdefault((home, *others[one]), []).append(one)
    for several, members in together.items():
        joined = [part for table in several for part in parts.get(table, ())]
        columns.append(_Columns(*read(several, joined, np.array(members, np.int32), start_ms, end_ms)))
    return [one for one in columns if len(one.times)]


def groups_of(tables: NDArray[np.int32]) -> list[NDArray[np.intp]]:
    """Places with equal numbers, in their order."""
    if not len(tables):
        return []
    if tables.item(0) == tables.max() == tables.min():  # one table
        return [np.arange(len(tables))]
    order = np.argsort(tables, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(tables[order])) + 1)


def blocks_of(columns: list[_Columns]) -> tuple[Ids, tuple[Block, ...]]:
    """(ids in the order of the frame, blocks); columns with equal times become one block."""
    groups: dict[tuple[int, int, int], list[list[_Columns]]] = {}
    for one in columns:
        alike = groups.setdefault((len(one.times), one.times.item(0), one.times.item(-1)), [])
        if one.values.size > MOST_JOINED:
            alike.append([one])
            continue
        group = next((group for group in alike if (group[0].times == one.times).all()), None)
        if group is None:
            alike.append([one])
        else:
            group.append(one)
    ids: list[Ids] = []
    blocks = []
    row = 0
    rows = np.arange(sum(len(one.ids) for one in columns))
    for group in chain.from_iterable(groups.values()):
        if len(group) == 1:
            count, values = len(group[0].ids), group[0].values
        else:
            count = sum(len(one.ids) for one in group)
            values = np.concatenate([one.values for one in group], axis=1)
        blocks.append(Block(rows[row : row + count], group[0].times, values))
        ids += [one.ids for one in group]
        row += count
    return (np.concatenate(ids) if ids else np.zeros(0, np.int32)), tuple(blocks)
