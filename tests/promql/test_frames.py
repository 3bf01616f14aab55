"""What is made of labels is the same whether they are remembered or made afresh."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.model.blocks import Codes, LabelFrame
from pyscrape.model.remembered import Remembered
from pyscrape.model.symbols import NAME, LocalSymbols, Symbols
from pyscrape.promql.frames import (
    drop_name,
    group_series,
    groups_of,
    keep,
    label_order,
    match_ids,
)

TEXTS = ["a", "b", "B", "é", "aa"]


def frame_of(rows: list[list[int]], width: int) -> LabelFrame:
    """Labels whose codes nobody may write, as a store gives them."""
    symbols = Symbols()
    names = [NAME, *(symbols.code(name) for name in ("x", "y", "z")[: width - 1])]
    values = [0, *map(symbols.code, TEXTS)]
    codes = np.array([[values[cell] for cell in row[:width]] for row in rows], np.int32).reshape(-1, width)
    codes = codes.copy()
    codes.flags.writeable = False
    return LabelFrame(tuple(names), codes, LocalSymbols(symbols))


def afresh(frame: LabelFrame) -> LabelFrame:
    return LabelFrame(frame.names, frame.codes.copy(), frame.symbols)


def plain(value: object) -> object:
    if isinstance(value, tuple):
        return [plain(part) for part in value]
    if isinstance(value, LabelFrame):
        return value.names, value.codes.tolist(), value.symbols is not None
    return value.tolist() if isinstance(value, np.ndarray) else value


ROWS = st.lists(st.lists(st.integers(0, 5), min_size=4, max_size=4), max_size=9)
WAYS: list[Callable[[LabelFrame], object]] = [
    drop_name,
    label_order,
    lambda frame: groups_of(frame.codes),
    lambda frame: keep(frame, frame.names[1:]),
    lambda frame: group_series(frame, frame.names[1:2], without=False),
    lambda frame: group_series(frame, frame.names[1:2], without=True),
    lambda frame: group_series(frame, [frame.symbols.code("of this query alone")], without=False),
    lambda frame: match_ids(frame, drop_name(frame), frame.names[1:2], on=True),
    lambda frame: match_ids(drop_name(frame), frame, frame.names[1:2], on=False),
    lambda frame: group_series(drop_name(frame), (), without=True),
]


@given(ROWS, st.integers(1, 4))
def test_remembered_and_afresh(rows: list[list[int]], width: int) -> None:
    frame = frame_of(rows, width)
    for way in WAYS:
        expected = plain(way(afresh(frame)))
        assert [plain(way(frame)) for _ in range(2)] == [expected] * 2


def test_groups_are_those_of_many_rows() -> None:
    few = frame_of([[k % 3, k % 2, 0, 0] for k in range(12)], 4).codes
    many = np.concatenate([few] * 40)
    assert groups_of(few.copy())[0].tolist() * 40 == groups_of(many)[0].tolist()
    assert groups_of(few.copy())[1].tolist() == groups_of(many)[1].tolist()


def test_only_what_nobody_can_write_is_remembered_and_not_too_much_of_it() -> None:
    kept: Remembered[Codes] = Remembered(2, 3)
    made: list[int] = []

    def make() -> Codes:
        made.append(len(made))
        return np.zeros(1, np.int32)

    frozen = np.zeros((2, 1), np.int32)
    frozen.flags.writeable = False
    first = kept.of((frozen,), "a", make)
    assert kept.of((frozen,), "a", make) is first
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1
    wide = np.zeros((4, 1), np.int32)
    wide.flags.writeable = False
    for codes in (np.zeros((2, 1), np.int32), frozen[:1], wide):
        assert kept.of((codes,), "a", make) is not kept.of((codes,), "a", make)
    assert len(made) == 7
    for key in "bc":  # two at most
        kept.of((frozen,), key, make)
    assert kept.of((frozen,), "a", make) is not first
