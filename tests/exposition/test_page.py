"""PageReader: one layout while the series stay, what is kept and what is born when they do not."""

import numpy as np
import pytest

from pyscrape.exposition import NO_TIME, PageReader, ParseError
from pyscrape.exposition.page import Layout

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def test_like_page_keeps_the_layout() -> None:
    reader = PageReader()
    first = reader.feed(b'a{x="1"} 1\na{x="2"} 2\n')
    second = reader.feed(b'a{x="1"} 5\na{x="2"} 2\n')
    assert first.layout is second.layout
    assert second.values.tolist() == [5.0, 2.0]
    assert first.values.tolist() == [1.0, 2.0]
    assert second.times_ms is None


def test_births_deaths_and_moves() -> None:
    reader = PageReader()
    first = reader.feed(b"a 1\nb 2\nc 3\n").layout
    assert first.kept is None
    assert first.births.tolist() == [0, 1, 2]
    row = reader.feed(b"c 30\nd 4\na 10\n")
    assert row.layout is not first
    assert row.layout.kept is not None
    assert row.layout.kept.tolist() == [2, -1, 0]
    assert row.layout.births.tolist() == [1]
    assert row.layout.labels(1) == {"__name__": "d"}
    assert row.layout.text(2) == b"a"
    assert row.values.tolist() == [30.0, 4.0, 10.0]


def test_repeats() -> None:
    row = PageReader().feed(b"a 1\nb 2\na 3\n")
    assert row.layout.repeats.tolist() == [2]


def test_timestamps() -> None:
    reader = PageReader()
    row = reader.feed(b"a 1 1000\nb 2\n")
    assert row.times_ms is not None
    assert row.times_ms.tolist() == [1000, NO_TIME]
    again = reader.feed(b"a 1 2000\nb 2\n")
    assert again.layout is row.layout
    assert again.times_ms is not None
    assert again.times_ms.tolist() == [2000, NO_TIME]


def test_exemplars_and_metadata() -> None:
    row = PageReader().feed(
        b'# TYPE a counter\n# HELP a of A\n# UNIT a \na_total 1\na_total{b="c"} 2 # {id="x"} 0.5 1.5\n# EOF\n',
        OPENMETRICS,
    )
    ((index, exemplar),) = row.exemplars
    assert index == 1
    assert exemplar.labels == {"id": "x"}
    assert (exemplar.value, exemplar.timestamp_ms) == (0.5, 1500)
    assert row.metadata["a"].type == "counter"
    assert row.metadata["a"].help == "of A"


def test_a_broken_page_leaves_the_layout() -> None:
    reader = PageReader()
    first = reader.feed(b"a 1\nb 2\n")
    with pytest.raises(ParseError):
        reader.feed(b"a 1\nb {\n")
    assert reader.feed(b"a 3\nb 4\n").layout is first.layout


def test_nan_is_the_ordinary_one() -> None:
    row = PageReader().feed(b"a NaN\nb nan\n")
    assert row.values.view(np.uint64).tolist() == [0x7FF8000000000001] * 2


def test_an_empty_body_is_a_page_without_samples() -> None:
    reader = PageReader()
    before = reader.feed(b"a 1\n")
    assert reader.feed(b"", "text/html").layout.size == 0
    after = reader.feed(b"a 2\n").layout
    assert before.layout.size == after.size == 1
    assert after.births.tolist() == [0]


def test_the_format_may_change_between_pages() -> None:
    reader = PageReader()
    first = reader.feed(b"a 1\nb 2\n", "text/plain")
    second = reader.feed(b"a 3\nb 4 1.5\n# EOF\n", OPENMETRICS)
    assert second.layout is first.layout
    assert second.values.tolist() == [3.0, 4.0]
    assert second.times_ms is not None
    assert second.times_ms.tolist() == [NO_TIME, 1500]


@pytest.mark.parametrize(
    "body",
    [
        b'a{b="' + b"x" * 1_000_000 + b'"} 1\n',
        b'a{b="' + b"\\\\" * 500_000 + b'"} 1\n',
        b"a{" + b",".join(b'l%d="x"' % i for i in range(100_000)) + b"} 1\n",
        b"a" + b" " * 1_000_000 + b"1\n",
    ],
    ids=["long value", "escapes", "100,000 labels", "blanks"],
)
def test_hostile_lines_take_no_more_than_their_length(body: bytes) -> None:
    # A quadratic way would not end within the test's time limit.
    reader = PageReader()
    first = reader.feed(body)
    assert reader.feed(body).layout is first.layout
    assert first.layout.labels(0)["__name__"] == "a"


def rows_of(layout: Layout) -> list[dict[str, str]] | None:
    """The labels of a layout's births, had by name."""
    found = layout.label_columns(layout.births)
    if found is None:
        return None
    rows = {
        place: row for columns in found for place, row in zip(columns.places, columns.rows(), strict=True)
    }
    return [rows[place] for place in range(len(layout.births))]


@pytest.mark.parametrize(
    "body",
    [
        b'# TYPE a histogram\na{le="1"} 1\na{le="+Inf"} 1\na_sum 2\na{le="x",d=""} 3\n',
        b'# TYPE a histogram\na{le="1"} 1\n# TYPE b summary\nb{quantile="1",le="1"} 1\n',
        b'a{b="1"} 1\na{b="2"} 2\n',
        b'a{b="1"} 1\na{b="1",c="2"} 2\nd{c="1",b="2",} 2\nd{} 3\ne 4\n',
        b'# TYPE a histogram\na{le="1",x="y"} 1\n# TYPE a gauge\na{le="2",x="y"} 1\n',
        'a{b="\u00fc"} 1\n'.encode(),
    ],
)
def test_labels_by_name_are_the_labels(body: bytes) -> None:
    layout = PageReader().feed(body).layout
    assert rows_of(layout) == [layout.labels(index) for index in range(layout.size)]


@pytest.mark.parametrize(
    "body",
    [
        b'c{d="e",d="f"} 3\n',
        b'c{d="\\n"} 3\n',
        b'{"a.b"} 3\n',
        b'c{__name__="e"} 3\n',
        b'a 1\nc{d="e\n"} 3\n',
    ],
)
def test_some_labels_are_had_one_by_one(body: bytes) -> None:
    assert rows_of(PageReader().feed(body).layout) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'a{b="1"} 1\nc 2\n', b'a{b="2"} 1\nc 2\n'),  # in place
        (b'a{b="1"} 1\nc 2\n', b'a{b="12"} 1\na{b="3"} 1\nd 2\n'),  # lines of another length
        (b'a{b="1"} 1 1395066363000\n', b'a{b="1 2"} 1395066363000 1395066363000\n'),  # with clocks
        (b'a{b="1"} 1\nc 2\n', b'a{b="2"} 1\na{b="2"} 2\nc 2\nc 3\n'),  # repeats
        (b'a{b="1"} 1\n', b'c 1\na{b="1"} 1\na{b="1"} 1\n'),  # a repeat of what was there
    ],
)
def test_new_labels_by_name_are_the_labels(before: bytes, after: bytes) -> None:
    reader = PageReader()
    reader.feed(before)
    layout = reader.feed(after).layout
    assert rows_of(layout) == [layout.labels(index) for index in layout.births.tolist()]
    assert rows_of(layout) == [layout.labels(index) for index in layout.births.tolist()], "asked once more"


def test_a_new_series_has_the_type_that_holds_at_its_place() -> None:
    reader = PageReader()
    reader.feed(b"# TYPE h histogram\na 1\n")
    # `a` comes from where h's type held; the series that takes its place does not.
    reader.feed(b"m 1\na 1\n# HELP a some help\nn 1\n")
    row = reader.feed(b'm 1\nh_bucket{le="1"} 1\n# HELP a some help\nn 1\n')
    assert row.layout.labels(1) == {"__name__": "h_bucket", "le": "1"}


def test_a_page_that_separates_by_tabs_after_one_that_did_by_blanks() -> None:
    reader = PageReader()
    reader.feed(b"".join(b"m_%d 1\n" % k for k in range(10)))
    row = reader.feed(b"".join(b"m_%d\t%d\n" % (k, k) for k in range(12)))
    assert row.values.tolist() == list(range(12))
    assert [row.layout.text(k) for k in (0, 11)] == [b"m_0", b"m_11"]
