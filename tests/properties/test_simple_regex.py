"""The small language of patterns that need no parser is part of the whole language."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from pyscrape.model.regex import compile_re2
from pyscrape.relabel.simple_regex import group_count, is_simple

PIECES = st.lists(
    st.sampled_from([*"ab.*+?()|[]^\\d;:-{}$,1\x00", "(?:", "[^a]", "\\.", "(.+)", "a|b"]), max_size=10
).map("".join)


@given(PIECES)
@example("([^:]+)(?::\\d+)?;(\\d+)")
@example("(a)(b)")
@example("a++")
def test_what_is_simple_compiles(pattern: str) -> None:
    if is_simple(pattern):
        assert compile_re2(pattern).groups == group_count(pattern)


def test_the_usual_patterns_are_simple() -> None:
    for pattern in (
        "(.*):10250",
        "__meta_kubernetes_node_label_(.+)",
        "default;kubernetes;https",
        "true",
        "(https?)",
    ):
        assert is_simple(pattern)
        assert group_count(pattern) == re.compile(pattern).groups
