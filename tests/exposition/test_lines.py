"""Small decisions of the line reader that a whole page reaches only by luck."""

import numpy as np
import pytest

from pyscrape.exposition.diff import difference
from pyscrape.exposition.errors import ParseError
from pyscrape.exposition.floats import parse_milliseconds
from pyscrape.exposition.lines import CLOCKED, PLAIN, usual_series
from pyscrape.exposition.unplaced import split_lines


@pytest.mark.parametrize(
    ("text", "usual"),
    [
        (b"a", True),
        (b'a{b="c"}', True),
        (b"a 1", False),
        (b'a{b="c"} 1', False),
        (b'a{ b="c"}', False),
        (b"", False),
    ],
)
def test_a_series_text_is_usual_when_nothing_stands_behind_it(text: bytes, usual: bool) -> None:
    assert usual_series(text, "text") is usual


def test_a_value_as_long_as_a_clock_is_none() -> None:
    lines = [b"a 1.5 1700000000000", b"b 1.23456789012", b"c 170000000000"]
    body = b"\n".join(lines) + b"\n"
    starts = [body.index(line) for line in lines]
    ends = [start + len(line) for start, line in zip(starts, lines, strict=True)]
    assert split_lines(body, starts, ends, clocked=True) == ([b"a", b"b", b"c"], [CLOCKED, PLAIN, PLAIN])
    assert split_lines(body, starts, ends, clocked=False)[0] == [b"a 1.5", b"b", b"c"]


@pytest.mark.parametrize("lines", [3, 20_000])
@pytest.mark.parametrize(
    ("changed", "texts", "values", "outside"),
    [
        ((b"m0 1", b"n0 1"), [0], [], False),
        ((b"m0 1", b"m0 2"), [], [0], False),
        ((b"m0 1", b"n0 2"), [0], [0], False),
        ((b"m2 1", b"n2 2"), [2], [2], False),
        ((b"# x", b"# y"), [], [], True),
    ],
)
def test_what_differs_is_told_by_sample(
    lines: int, changed: tuple[bytes, bytes], texts: list[int], values: list[int], outside: bool
) -> None:
    rows = [b"m%d 1" % k for k in range(lines)]
    page = b"# x\n" + b"\n".join(rows) + b"\n"
    after = page.replace(*changed, 1)
    lengths = np.array([len(row) - 2 for row in rows])
    ends = 4 + np.cumsum(lengths + 3) - 1
    found = difference(
        np.frombuffer(page, np.uint8), np.frombuffer(after, np.uint8), ends - lengths - 2, ends, lengths, None
    )
    assert ([] if found.texts is None else np.flatnonzero(found.texts).tolist()) == texts
    assert (np.flatnonzero(found.values).tolist(), found.outside) == (values, outside)


@pytest.mark.parametrize(
    ("digits", "found"),
    [
        (b"0", 0),
        (b"000000000000000000000001", 1),
        (b"9223372036854775807", 2**63 - 1),
        (b"9223372036854775808", None),
        (b"10000000000000000000", None),
        (b"1" * 5000, None),
    ],
    ids=range(6),
)
def test_timestamps_are_of_64_bits(digits: bytes, found: int | None) -> None:
    if found is not None:
        assert parse_milliseconds(digits) == found
        return
    with pytest.raises(ValueError, match="value out of range"):
        parse_milliseconds(digits)


def test_a_place_is_shown_under_what_a_terminal_shows() -> None:
    shown = ParseError("no", b"a\t\x00b{", 4).explain()
    assert shown == "no (line 1, column 5)\n  a ?b{\n      ^"
