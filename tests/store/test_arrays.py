"""Vectors by id, of which stretches are given back."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import DTypeLike

from pyscrape.store.arrays import ById, stretches_of


@pytest.mark.parametrize("dtype", [np.bool_, np.int32, np.int64])
@pytest.mark.parametrize("size", [1000, 100_000])
@given(st.lists(st.tuples(st.integers(0, 100_000), st.integers(0, 30_000)), max_size=4))
def test_what_is_released_is_zero_and_the_rest_is_not(
    dtype: DTypeLike, size: int, cuts: list[tuple[int, int]]
) -> None:
    column, plain = ById(dtype), np.ones(size, dtype)
    column.extend(plain)
    stretches = [(start % size, min(size, start % size + length)) for start, length in cuts]
    column.release(stretches)
    for start, stop in stretches:
        plain[start:stop] = 0
    assert (column.view == plain).all()
    assert plain.nbytes <= column.nbytes + sum(stop - start for start, stop in stretches) * plain.itemsize
    column.resize(2 * size)
    assert column.nbytes == column.data.nbytes
    assert (column.view[:size] == plain).all()
    assert not column.view[size:].any()
    column.cut(size // 2)
    assert (column.view == plain[: size // 2]).all()


@pytest.mark.skipif(sys.platform != "linux", reason="pages are given back on Linux only")
def test_what_is_given_back_does_not_count() -> None:
    column = ById(np.int64)
    column.extend(np.ones(100_000, np.int64))
    whole = column.nbytes
    for _ in range(2):
        column.release([(0, 90_000)])
        assert whole - 90_000 * 8 <= column.nbytes < whole - 85_000 * 8
    column.release([(0, 10_000)])
    assert column.nbytes > whole - 10_000 * 8


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 4))
def test_stretches_are_the_long_runs(free: list[bool], least: int) -> None:
    text = "".join("x" if one else " " for one in free)
    runs = [run for run in text.split() if len(run) >= least]
    found = stretches_of(np.array(free, np.bool_), least)
    assert [text[start:stop] for start, stop in found] == runs
