"""Rows of several layouts in one matrix: the same as by looking each layout through, and never much emptier."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.store.join import Joiner, halves, one_layout
from pyscrape.store.layout import Layout
from pyscrape.store.read import Part, find, unite
from pyscrape.store.segment import Segment
from tests.helpers.examples import examples

CAPACITY = 40
ALWAYS = (-(2**63), 2**63 - 1)

pages = st.lists(
    st.tuples(
        st.lists(st.integers(0, CAPACITY - 1), min_size=1, max_size=12, unique=True),
        st.integers(1, 3),  # rows
        st.integers(-2, 3),  # from the last row of the one before to the first of this
    ),
    min_size=1,
    max_size=12,
)


def segments(drawn: list[tuple[list[int], int, int]]) -> list[Part]:
    parts: list[Part] = []
    at_ms = 0
    for k, (columns, rows, gap) in enumerate(drawn):
        layout = Layout(np.array(columns, np.int32))
        times = max(0, at_ms + gap) + np.arange(rows)
        values = np.arange(rows * len(columns), dtype=np.float64).reshape(rows, -1) + 1000 * k
        parts.append(Segment.of(layout, times, values))
        at_ms = int(times[-1])
    return parts


def cells(batch: list[Part]) -> tuple[int, int]:
    """(cells of the matrix, samples)."""
    rows = [len(part.times(*ALWAYS)[1]) for part in batch]
    times = np.unique(np.concatenate([part.times(*ALWAYS)[1] for part in batch]))
    samples = sum(len(part.layout) * count for part, count in zip(batch, rows, strict=True))
    return len(times) * len(one_layout(batch)), samples


@examples(200)
@given(st.lists(pages, min_size=1, max_size=3))
def test_joined_as_by_looking_through_each_layout(tables: list[list[tuple[list[int], int, int]]]) -> None:
    joiner = Joiner()  # of all tables, so that what one leaves must not show in another
    for parts in map(segments, tables):
        batches = joiner.batches(parts, CAPACITY)
        assert [part for batch in batches for part in batch] == parts
        for batch in batches:
            layout, times, values = joiner.joined(batch, CAPACITY)
            assert layout.columns.tolist() == one_layout(batch).columns.tolist()
            plain_times, plain = unite(find(batch, layout.columns, *ALWAYS), len(layout))
            assert times.tolist() == plain_times.tolist()
            assert values.view(np.uint64).tolist() == plain.view(np.uint64).tolist()


@examples(200)
@given(pages)
def test_at_least_half_of_a_batch_of_several_is_samples(drawn: list[tuple[list[int], int, int]]) -> None:
    parts = segments(drawn)
    for batch in (*Joiner().batches(parts, CAPACITY), *halves(parts)):
        size, samples = cells(batch)
        assert len(batch) == 1 or size <= 2 * samples


def test_a_page_that_is_there_again_after_failures_is_one_batch() -> None:
    report, page = Layout(np.arange(5, dtype=np.int32)), Layout(np.arange(50, dtype=np.int32))
    parts: list[Part] = [Segment(report, k, np.zeros(5)) for k in range(5)]
    parts.append(Segment.of(page, np.arange(5, 60), np.zeros((55, 50))))
    assert Joiner().batches(parts, 50) == [parts]


def test_rows_of_series_that_come_and_go_stay_together_while_half_full() -> None:
    parts = [
        Segment(Layout(np.arange(k * 10, k * 10 + 100, dtype=np.int32)), k, np.zeros(100)) for k in range(64)
    ]
    batches = Joiner().batches(list(parts), 1000)
    assert [len(batch) for batch in batches[:3]] == [11, 11, 11]
    assert all(before[-1].max_ms < after[0].min_ms for before, after in pairwise(batches))


def test_serial_numbers_begin_again() -> None:
    joiner = Joiner()
    joiner._serial = -(2**31) + 1
    parts = segments([([k, k + 1], 1, 1) for k in range(0, 38, 2)])
    assert [part for batch in joiner.batches(parts, CAPACITY) for part in batch] == parts
    assert joiner._serial > -100
