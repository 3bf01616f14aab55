"""Series texts cut at their quotes, many at once: what lies between is alike for a whole family.

A text without escapes is values between the parts of a structure, `name{a=`, `,b=` and `}`. Texts that come together
mostly share it, so that splitting all of them in one go leaves the values of each label as every so many-th piece.
`series.parse_labels` is the plain way for one text.
"""

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from pyscrape.exposition.series import NORMALISED, names_of_structure, normalise_float
from pyscrape.model.label_columns import Column, LabelColumns, collapsed
from pyscrape.model.labels import METRIC_NAME

Structure = tuple[str, ...]


class Cut(NamedTuple):
    """Texts of one structure. `values[k][i]` is the k-th value of the i-th of them, `places[i]` its place among all."""

    structure: Structure
    values: list[list[str]]
    places: Sequence[int]


def cut(texts: Sequence[bytes]) -> list[Cut] | None:
    """Cut series texts, at least one; None where one has an escape, a newline, a quote too many, or is no UTF-8.

    >>> cut([b'up{a="1",b="2"}', b'up{a="3",b="4"}'])
    [Cut(structure=('up{a=', ',b=', '}'), values=[['1', '3'], ['2', '4']], places=range(0, 2))]
    """
    joined = b"\n".join(texts)
    if b"\\" in joined or joined.count(b"\n") != len(texts) - 1:
        return None
    try:
        text = joined.decode()
    except UnicodeDecodeError:
        return None
    return _alike(text, len(texts)) or _grouped(text.split("\n"))


def _alike(text: str, size: int) -> list[Cut] | None:
    """Texts that all have the structure of the first; None where they have not."""
    pieces = text.split('"')
    width, rest = divmod(len(pieces) // 2, size)
    between = pieces[::2]
    if rest or len(pieces) % 2 == 0 or not width:
        return None
    end = between[-1]
    structure = (*between[:width], end)
    following = [f"{end}\n{structure[0]}", *structure[1:-1]]
    if between[width:-1] != following * (size - 1):
        return None
    values = pieces[1::2]
    return [Cut(structure, [values[k::width] for k in range(width)], range(size))]


def _grouped(texts: list[str]) -> list[Cut] | None:
    """Texts of several structures; None where one has an odd number of quotes."""
    groups: dict[Structure, tuple[list[int], list[list[str]]]] = {}
    for place, text in enumerate(texts):
        pieces = text.split('"')
        if len(pieces) % 2 == 0:
            return None
        structure = tuple(pieces[::2])
        known = groups.get(structure)
        if known is None:
            known = groups[structure] = ([], [])
        known[0].append(place)
        known[1].append(pieces[1::2])
    return [
        Cut(structure, list(map(list, zip(*rows, strict=True))), places)
        for structure, (places, rows) in groups.items()
    ]


def label_columns(cuts: Sequence[Cut], normalised: bytes) -> list[LabelColumns] | None:
    """The labels of cut texts with `__name__`; None where one text has to go the plain way.

    `normalised`: by place, the index in NORMALISED of the label that is written as a float.
    """
    by_names: dict[Structure, list[tuple[str, Cut]]] = {}
    for one in cuts:
        known = names_of_structure(one.structure)
        if known is None:
            return None
        by_names.setdefault(known[1], []).append((known[0], one))
    rewritten = any(normalised)
    found = []
    for names, group in by_names.items():
        metric, (_, values, places) = group[0]
        columns: list[Column] = [metric]
        if len(group) > 1:
            columns = [[metric for metric, one in group for _ in one.places]]
            parts = zip(*(one.values for _, one in group), strict=True)
            values = [list(chain.from_iterable(column)) for column in parts]
            places = [place for _, one in group for place in one.places]
        if rewritten:
            _normalise(names, values, [normalised[place] for place in places])
        found.append(LabelColumns((METRIC_NAME, *names), (*columns, *map(collapsed, values)), places))
    return found


def _normalise(names: Structure, values: list[list[str]], flags: list[int]) -> None:
    """Rewrite the values of `le` or `quantile` of those that are flagged."""
    for flag, name in enumerate(NORMALISED):
        if name in names and flag in flags:
            place = names.index(name)
            values[place] = [
                normalise_float(value) if own == flag else value
                for value, own in zip(values[place], flags, strict=True)
            ]
