"""Selectors as Kubernetes' own parser takes and refuses them (promtool's verdicts)."""

import pytest

from pyscrape.discovery.selectors import label_mistake


@pytest.mark.parametrize(
    "text",
    ["", "a", "!a", "a=b", "a==b", "a!=b", "a=", "a in (b)", "a in (b,c)", "a in ()", "a in (,)", "a in (b,)", "a > 1",
     "a.b/c=d", "a in (b),!c"],
)  # fmt: skip
def test_good_ones(text: str) -> None:
    assert label_mistake(text) == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a in b", "found 'b' expected: '('"),
        ("a in (b c)", "found 'c', expected: ',' or ')'"),
        ("a in (b", "found '', expected: ',' or ')'"),
        ("a b", "found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        ("a > b", "the value must be an integer"),
        ("_x", "name part must consist of"),
        ("a in (_x)", "a valid label must be an empty string or consist of"),
    ],
)
def test_bad_ones(text: str, said: str) -> None:
    assert said in label_mistake(text)
