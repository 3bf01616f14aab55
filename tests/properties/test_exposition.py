"""The layout way of reading pages agrees with the plain way, on generated and mutated pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.exposition.fuzz import SEPARATOR, Comparison, Pages, fuzz_one
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
