"""The short way of small pages: what it takes, and what it leaves to the others."""

import numpy as np
import pytest

from pyscrape.exposition import PageReader, ParseError


def steady_reader(body: bytes) -> PageReader:
    """A reader that goes the short way on small pages like `body`."""
    reader = PageReader()
    for _ in range(2):
        reader.feed(body)
    assert reader._steady is not None
    return reader


@pytest.mark.parametrize(
    ("body", "values"),
    [
        (b"# HELP a b\na 1\n\nb 2\n", [1, 2]),
        (b"# HELP a b\na 7\n\nb 2\n", [7, 2]),
        (b"# HELP a b\na 10\n\nb 20\n", [10, 20]),
        (b"# HELP a b\na 1\n\nb 2.5", [1, 2.5]),
        (b"# HELP a b\na -0\n\nb NaN\n", [-0.0, np.nan]),
    ],
)
def test_short_way(body: bytes, values: list[float]) -> None:
    reader = steady_reader(b"# HELP a b\na 1\n\nb 2\n")
    row = reader.feed(body)
    assert reader._steady is not None
    assert row.layout is reader.layout
    assert repr(row.values.tolist()) == repr([float(value) for value in values])
    assert row.layout.texts() == [b"a", b"b"]
    assert row.metadata["a"].help == "b"


def test_short_way_of_lengths_that_make_up_for_each_other() -> None:
    reader = steady_reader(b"a 10\nb 9\nc 1\n")
    assert reader.feed(b"a 9\nb 10\nc 1\n").values.tolist() == [9.0, 10.0, 1.0]
    assert reader._steady is not None


@pytest.mark.parametrize(
    "body",
    [
        b"# HELP a c\na 1\n\nb 2\n",
        b"# HELP a bb\na 1\n\nb 2\n",
        b"# HELP a b\nc 1\n\nb 2\n",
        b"# HELP a b\na 1\n\nb 2\nc 3\n",
        b"# HELP a b\na 1 5\n\nb 2\n",
        b"# HELP a b\na 1\nb 2\n\n",
        b"",
    ],
)
def test_what_is_not_for_the_short_way(body: bytes) -> None:
    reader = steady_reader(b"# HELP a b\na 1\n\nb 2\n")
    expected, got = PageReader().feed(body), reader.feed(body)
    assert got.layout.texts() == expected.layout.texts()
    assert got.values.tolist() == expected.values.tolist()
    assert got.metadata == expected.metadata
    assert (got.times_ms is None) == (expected.times_ms is None)


def test_a_page_that_was_refused_leaves_the_short_way_open() -> None:
    reader = steady_reader(b"a 1\nb 2\n")
    with pytest.raises(ParseError):
        reader.feed(b"a 1\nb x\n")
    assert reader.feed(b"a 3\nb 4\n").values.tolist() == [3.0, 4.0]
    assert reader._steady is not None
    assert not reader.plain
