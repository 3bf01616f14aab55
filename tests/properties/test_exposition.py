"""The layout way of reading pages agrees with the plain way, on generated and mutated pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.exposition.fuzz import SEPARATOR, VALUES, Comparison, Pages, fuzz_one
from tests.helpers.examples import examples

LINES = st.sampled_from(
    [
        b"up 1",
        b"up 2",
        b'a{b="c"} 1.5',
        b'a{b="c"} 12.25',
        b'a{b="c"} 1.5 1395066363000',
        b'a{b="c"} 1.5 1395066364000',
        b'a{b="c"}\t3',
        b'a{b="d"} NaN',
        b'a{b="e"} 7 # {x="y"} 1',
        b"# TYPE a histogram",
        b"# HELP a words",
        b"",
        b'a{b="c"',
        b'a{b="',
        b'{"a.b"} 3',
    ]
)
PAGES = st.lists(st.lists(LINES, max_size=8).map(b"\n".join), max_size=5)


@examples(150)
@given(PAGES, st.sampled_from(["text", "openmetrics"]))
def test_ways_agree_on_generated_pages(pages: list[bytes], form: str) -> None:
    comparison = Comparison("text" if form == "text" else "openmetrics")
    for page in pages:
        comparison.feed(page if form == "text" else page + b"\n# EOF\n")


STEADY_LINES = st.lists(
    st.sampled_from([b"up ", b'a{b="c"} ', b'{"d e"} ', b"# HELP a b", b"#", b""]), min_size=1
)
MOSTLY_VALUES = st.one_of(
    *[st.sampled_from(VALUES)] * 6,
    st.sampled_from([b"1 2", b"", b"x", b"1,2", b"1e400", b"1\na 2", b"1 # {} 3", b"1\n", b" 1"]),
)


@examples(150)
@given(STEADY_LINES, st.sampled_from(["text", "openmetrics"]), st.data())
def test_ways_agree_on_pages_that_go_on(lines: list[bytes], form: str, data: st.DataObject) -> None:
    """Mostly values change; sometimes one becomes something else, or a byte of the page."""
    comparison = Comparison("text" if form == "text" else "openmetrics")
    end = b"\n" if form == "text" else b"\n# EOF\n"
    if form == "openmetrics":
        lines = [line for line in lines if line.startswith((b"up", b"a"))] or [b"up "]
    values = [b"0" for _ in lines]
    for _ in range(8):
        page = b"\n".join(
            line + value if line.endswith(b" ") else line for line, value in zip(lines, values, strict=True)
        )
        comparison.feed(page + end)
        for place in data.draw(st.sets(st.integers(0, len(lines) - 1), max_size=3)):
            values[place] = data.draw(MOSTLY_VALUES)
        if data.draw(st.integers(0, 9)) == 0:
            at = data.draw(st.integers(0, len(page)))
            comparison.feed(
                page[:at] + data.draw(st.sampled_from([b"#", b"7", b"\n", b" "])) + page[at + 1 :] + end
            )


@examples(100)
@given(st.binary(max_size=60))
def test_ways_agree_on_any_bytes(data: bytes) -> None:
    fuzz_one(data)


@pytest.mark.parametrize("seed", range(40))
def test_ways_agree_on_mutated_pages(seed: int) -> None:
    pages = Pages(seed)
    for _ in range(5):
        fuzz_one(b"t" + SEPARATOR.join(pages.pages("text")))
        fuzz_one(b"o" + SEPARATOR.join(pages.pages("openmetrics")))
