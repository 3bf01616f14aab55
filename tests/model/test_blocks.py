"""Selections as notebooks take them."""

import numpy as np

from pyscrape.model.blocks import Block, LabelFrame, Ragged, Selection
from pyscrape.model.symbols import NAME, Symbols


def test_a_selection_as_arrays_has_the_series_of_blocks_and_of_small_groups() -> None:
    symbols = Symbols()
    codes = [[symbols.code(name)] for name in ("a", "b", "c")]
    frame = LabelFrame((NAME,), np.array(codes, np.int32), symbols)
    block = Block(np.array([1]), np.array([10, 30]), np.array([[1.0], [3.0]]))
    ragged = Ragged(
        series=np.array([0, 2]),
        owner=np.array([0, 1]),
        times_ms=np.array([[0, 10, 20], [5, 30, 31]]),
        values=np.array([[0.5, 1.5, 2.5], [7.0, 8.0, 9.0]]),
        first=0,
        start_ms=0,
        end_ms=30,
    )
    labels, times, values = Selection(frame, (block,), ragged).to_numpy()
    assert [one["__name__"] for one in labels] == ["a", "b", "c"]
    assert times.tolist() == [5, 10, 20, 30]
    assert np.nan_to_num(values, nan=-1.0).tolist() == [[-1, -1, 7], [1.5, 1, -1], [2.5, -1, -1], [-1, 3, 8]]
