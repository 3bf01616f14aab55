"""Label sets that have the same names, kept by name instead of by series.

The series that come to a page together mostly differ in a label or two. By name, what all of them share is one text,
is looked at once, and whatever becomes of the labels on their way to the store costs a step a name, not one a series.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

Column = str | list[str]
"""The values of one name, by series; one text where all have it."""


class LabelColumns(NamedTuple):
    """Some label sets with the same names, each name once.

    `values[k]` are those of `names[k]`; `places[i]` is where label set `i` stands among all that belong together.

    >>> two = LabelColumns(("__name__", "pod"), ("up", ["a", "b"]), (0, 2))
    >>> list(two.rows())
    [{'__name__': 'up', 'pod': 'a'}, {'__name__': 'up', 'pod': 'b'}]
    """

    names: tuple[str, ...]
    values: tuple[Column, ...]
    places: Sequence[int]

    def rows(self) -> Iterator[dict[str, str]]:
        """The label sets one by one."""
        size = len(self.places)
        if not self.names:
            return iter([{} for _ in range(size)])
        columns = [[column] * size if isinstance(column, str) else column for column in self.values]
        return (dict(zip(self.names, row, strict=True)) for row in zip(*columns, strict=True))


def collapsed(values: list[str]) -> Column:
    """One text where all of `values`, which are not none, are alike."""
    first = values[0]
    return first if values[-1] == first and values.count(first) == len(values) else values


def by_names(labels: Iterable[Mapping[str, str]]) -> list[LabelColumns]:
    """Label sets by their names (and the order of these); places are those among `labels`.

    >>> by_names([{"a": "1"}, {"b": "2"}, {"a": "1"}])
    [LabelColumns(names=('a',), values=('1',), places=[0, 2]), LabelColumns(names=('b',), values=('2',), places=[1])]
    """
    groups: dict[tuple[str, ...], tuple[list[int], list[Iterable[str]]]] = {}
    for place, one in enumerate(labels):
        names = tuple(one)
        known = groups.get(names)
        if known is None:
            known = groups[names] = ([], [])
        known[0].append(place)
        known[1].append(one.values())
    return [
        LabelColumns(names, tuple(collapsed(list(column)) for column in zip(*rows, strict=True)), places)
        for names, (places, rows) in groups.items()
    ]
