"""Packed rows come back to the bit, whole and by column."""

from unittest.mock import patch

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.model.value import ABSENT_BITS, NAN_BITS, STALE_BITS
from pyscrape.store import codec
from pyscrape.store.chunk import Chunk
from pyscrape.store.codec import Packed, pack
from pyscrape.store.layout import Layout
from tests.helpers.examples import examples

SPECIAL = [ABSENT_BITS, STALE_BITS, NAN_BITS, 0x8000000000000000, 0x7FF0000000000000, 0xFFF8000000000123]


def words(values: list[float]) -> list[int]:
    found: list[int] = np.array(values, np.float64).view(np.uint64).tolist()
    return found


def counters(rows: int, step: st.SearchStrategy[int], scale: float) -> st.SearchStrategy[list[int]]:
    steps = st.lists(step, min_size=rows, max_size=rows)
    return st.tuples(st.integers(-(2**40), 2**40), steps).map(
        lambda drawn: words([(drawn[0] + sum(drawn[1][: k + 1])) / scale for k in range(rows)])
    )


def column(rows: int) -> st.SearchStrategy[list[int]]:
    word = st.one_of(
        st.sampled_from(SPECIAL),
        st.integers(0, 2**64 - 1),
        st.floats(allow_nan=False).map(lambda value: words([value])[0]),
    )
    wide = st.one_of(st.integers(-3, 3), st.integers(-(2**20), 2**20), st.integers(-(2**50), 2**50))
    smooth = st.one_of(
        word.map(lambda one: [one] * rows),
        counters(rows, st.integers(0, 9), 1),
        counters(rows, st.integers(-300, 300), 100),
        counters(rows, wide, 1),
        counters(rows, st.just(15), 1),
    )
    with_gaps = st.tuples(
        smooth, st.lists(st.tuples(st.integers(0, rows - 1), st.sampled_from(SPECIAL)), max_size=4)
    )
    return st.one_of(
        smooth,
        st.lists(word, min_size=rows, max_size=rows),
        with_gaps.map(lambda drawn: [dict(drawn[1]).get(k, one) for k, one in enumerate(drawn[0])]),
    )


pages = st.integers(1, 12).flatmap(lambda rows: st.lists(column(rows), min_size=1, max_size=7))


@examples(100)
@given(pages, st.data(), st.sampled_from([1, 192]))
def test_round_trip(page: list[list[int]], data: st.DataObject, wide: int) -> None:
    """`wide`: from so many columns on, rows are added up one by one."""
    with patch.object(codec, "_WIDE", wide):
        round_trip(page, data)


def round_trip(page: list[list[int]], data: st.DataObject) -> None:
    bits = np.array(page, np.uint64).T
    rows, columns = bits.shape
    steps = data.draw(st.lists(st.integers(1, 2**34), min_size=rows, max_size=rows))
    times = np.cumsum(np.array(steps, np.int64)) - 2**33
    packed = Packed(pack(times, np.ascontiguousarray(bits).view(np.float64)))
    assert (packed.rows, packed.columns) == (rows, columns)
    assert packed.times().tolist() == times.tolist()
    assert packed.read().view(np.uint64).tolist() == bits.tolist()
    some = np.array(data.draw(st.lists(st.integers(0, columns - 1), max_size=9)), np.intp)
    assert packed.read(some).view(np.uint64).tolist() == bits[:, some].tolist()
    start = data.draw(st.integers(0, rows))
    count = data.draw(st.integers(0, rows - start))
    window = packed.read(some, start, count).view(np.uint64)
    assert window.tolist() == bits[start : start + count, some].tolist()


def test_columns_of_many_groups() -> None:
    rows, columns, width = 5, 37, 10
    random = np.random.default_rng(1)
    values = random.integers(0, 3, (rows, columns)).astype(np.float64)
    times = np.arange(rows) * 1000
    groups = tuple(pack(times, values[:, at : at + width]) for at in range(0, columns, width))
    chunk = Chunk(Layout(np.arange(columns, dtype=np.int32)), groups, width)
    for some in ([36, 0, 11], list(range(columns)), [5]):
        assert chunk.read(np.array(some), 1, 3).tolist() == values[1:4][:, some].tolist()
    assert chunk.times(1000, 3000)[1].tolist() == [2000, 3000]


def test_the_last_row_alone_of_differences_that_no_integer_of_numpy_has() -> None:
    for step in (1 << 20, 1 << 36, 1 << 44, 1 << 50):
        values = (np.arange(4, dtype=np.float64) ** 3 * step)[:, None]
        assert Packed(pack(np.arange(4), values)).read(None, 3, 1).tolist() == [[27.0 * step]]
