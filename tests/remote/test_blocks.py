"""Blocks compressed beforehand hold what joining and compressing gives: the same message, byte for byte."""

from collections.abc import Mapping

import cramjam
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.model.value import STALE_BITS
from pyscrape.remote.blocks import body, elements, make_block, origins
from pyscrape.remote.encode import FIRST_SIX_BYTE_MS, LAST_SIX_BYTE_MS, series_head, write_request
from pyscrape.remote.exemplars import ExemplarQueue
from pyscrape.remote.heads import SeriesHeads
from pyscrape.remote.protocol import Message1
from pyscrape.remote.rows import Batch, Row
from pyscrape.remote.waves import related, requests_of
from pyscrape.store import Store
from tests.helpers.examples import examples
from tests.remote.receiver import config, fields

AT = 1_700_000_000_000
NAMES = st.sampled_from(["__name__", "a", "b", "job", "instance", "long"])
LABELS = st.text("ab/é", max_size=4) | st.integers(0, 300).map(lambda n: "x" * n) | st.just("10.0.0.1:9100")
SERIES = st.dictionaries(NAMES, LABELS, max_size=5)


def decoded(*parts: object) -> bytes:
    return bytes(cramjam.snappy.decompress_raw(body(parts)))  # type: ignore[arg-type]


@examples(200)
@given(
    st.lists(SERIES, min_size=1, max_size=12),
    st.integers(FIRST_SIX_BYTE_MS, LAST_SIX_BYTE_MS),
    st.lists(st.floats(), min_size=12, max_size=12),
)
def test_a_block_is_the_message(series: list[dict[str, str]], at_ms: int, numbers: list[float]) -> None:
    heads = [series_head(labels) for labels in series]
    block = make_block(heads)
    assert block is not None
    for values in (np.array(numbers[: len(heads)]), np.zeros(len(heads))):
        plain = write_request(heads, np.full(len(heads), at_ms), values)
        filled = block.fill(at_ms, values)
        assert filled.size == len(plain)
        assert decoded(filled, elements(plain), filled) == plain * 3
    assert block.heads() == heads


@pytest.mark.parametrize("size", [1, 100, 127, 128, 16_000, 17_000, 70_000])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_labels_of_any_length(size: int, count: int) -> None:
    heads = [series_head({"__name__": "m", "a": "x" * size, "b": str(k) * (k + 1)}) for k in range(count)]
    values = np.full(count, STALE_BITS, np.uint64).view(np.float64)
    plain = write_request(heads, np.full(count, AT), values)
    block = make_block(heads)
    assert block is not None
    assert decoded(block.fill(AT, values)) == plain
    assert block.heads() == heads


@given(st.lists(st.binary(max_size=8) | st.just(bytes(range(90))), max_size=300).map(b"".join))
def test_every_byte_is_followed_to_its_literal(text: bytes) -> None:
    data = elements(text).data
    assert bytes(data[place] for place in origins(data, len(text))) == text


@given(st.integers(1, 3), st.integers(1, 9), st.integers(1, 30), st.integers(1, 6))
def test_requests_are_the_same_before_and_after_blocks_are_there(
    lanes: int, most: int, width: int, rows: int
) -> None:
    """Every sample once, in its lane, and in the same bytes, however often a row came."""
    columns = np.arange(width, dtype=np.int32) * 3
    row = Row(columns, None, columns, [series_head({"__name__": f"m{k}"}) for k in range(width)])
    message = Message1()
    seen = set()
    for _ in range(40):
        batches = [Batch(row, AT + k, np.arange(width) + float(k)) for k in range(rows)]
        requests = requests_of(batches, lanes, most, message, ExemplarQueue(1))
        assert sum(request.samples for request in requests) == width * rows
        assert all(request.samples <= most for request in requests)
        seen.add(tuple((r.lane, bytes(cramjam.snappy.decompress_raw(r.body))) for r in requests))
    assert len(seen) == 1
    assert all(part.block is not None for part in row.parts(most))
    # Parts of another length get blocks of their own.
    again = requests_of(batches, lanes, most + 1, message, ExemplarQueue(1))
    assert sum(request.samples for request in again) == width * rows
    messages = b"".join(bytes(cramjam.snappy.decompress_raw(r.body)) for r in again)
    assert len(messages) == sum(len(m) for _, m in seen.pop())


@given(st.integers(1, 2500), st.integers(0, 2500), st.integers(1, 2500))
def test_labels_are_kept_as_they_were(width: int, start: int, length: int) -> None:
    for heads in ([b"%d" % k for k in range(width)], [(str(k),) for k in range(width)]):
        columns = np.arange(width, dtype=np.int32)
        row = Row(columns, None, columns, heads)
        start = min(start, width - 1)
        places = slice(start, min(width, start + length))
        assert row.heads(places) == heads[places]
        chosen = np.arange(width) % 3 == 0
        kept = row.subset(chosen)
        assert kept.heads(slice(0, len(kept.columns))) == heads[::3]


@pytest.mark.parametrize("width", [1, 999, 1000, 1001, 2300])
@pytest.mark.parametrize("most", [300, 1000, 2000])
def test_labels_can_be_had_from_blocks(width: int, most: int) -> None:
    heads = [series_head({"__name__": f"m{k}", "a": "b" * (k % 7)}) for k in range(width)]
    columns = np.arange(width, dtype=np.int32)
    row = Row(columns, None, columns, heads)
    for part in row.parts(most):
        block = make_block(heads[part.places])
        assert block is not None
        row.hold(part, block)
    assert row.heads(slice(0, width)) == heads
    assert row.heads(slice(width // 2, width)) == heads[width // 2 :]
    assert row.subset(columns % 3 == 0).heads(slice(0, len(heads[::3]))) == heads[::3]


def row_of(*columns: int) -> Row:
    array = np.array(columns, np.int32)
    return Row(array, None, array, [series_head({"__name__": f"m{k}"}) for k in columns])


def test_rows_that_share_series_are_of_one_group() -> None:
    alone, first, second, third, other = row_of(1, 2), row_of(3, 4), row_of(4, 5), row_of(5, 6), row_of(9)
    assert related([alone, first, alone, other]) == [None] * 4
    found = related([first, alone, third, second, other, first])
    assert found[0] == found[2] == found[3] == found[5] is not None
    assert found[1] is found[4] is None


@given(
    st.lists(st.lists(st.integers(0, 12), min_size=1, unique=True), min_size=1, max_size=6), st.integers(1, 4)
)
def test_a_series_is_in_one_lane_and_in_order(sets: list[list[int]], lanes: int) -> None:
    rows = [row_of(*columns) for columns in sets]
    batches = [Batch(row, AT + n, np.zeros(len(row.columns))) for n, row in enumerate([*rows, *rows])]
    lane_of: dict[bytes, set[int]] = {}
    times: dict[bytes, list[int]] = {}
    for request in requests_of(batches, lanes, 2, Message1(), ExemplarQueue(1)):
        for _, message in fields(bytes(cramjam.snappy.decompress_raw(request.body))):
            parts = dict(fields(message))
            lane_of.setdefault(parts[1], set()).add(request.lane)
            times.setdefault(parts[1], []).append(dict(fields(parts[2]))[2])
    assert all(len(lanes_of_it) == 1 for lanes_of_it in lane_of.values())
    assert all(found == sorted(found) for found in times.values())
    assert sum(map(len, times.values())) == 2 * sum(map(len, sets))


def test_a_block_is_not_much_larger_than_what_the_compressor_makes() -> None:
    heads = [
        series_head(
            {"__name__": f"requests_total_{k // 50}", "code": str(200 + k % 5), "instance": "a:9", "job": "j"}
        )
        for k in range(1000)
    ]
    values = np.random.default_rng(1).random(1000)
    plain = write_request(heads, np.full(1000, AT), values)
    block = make_block(heads)
    assert block is not None
    assert len(block.fill(AT, values).data) < 1.05 * len(elements(plain).data)


def test_labels_of_rows_that_change_are_read_once() -> None:
    store = Store()
    read: list[str] = []

    def encode(labels: Mapping[str, str]) -> bytes:
        read.append(labels["k"])
        return series_head(labels)

    heads = SeriesHeads(store, config(), {}, encode)
    columns = store.table("t").add_columns([{"__name__": "m", "k": str(k)} for k in range(30)])
    ten = columns[:10]
    for row, expected in (
        (ten, 10),
        (ten, 0),
        (columns[:11], 11),
        (columns[:12], 1),
        (columns[:13], 1),
        (ten, 0),
    ):
        read.clear()
        found = heads.row(row).heads(slice(0, len(row)))
        assert found == [series_head({"__name__": "m", "k": str(k)}) for k in range(len(row))]
        assert len(read) == expected
