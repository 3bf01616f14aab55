"""Canonical texts, split texts, JSON trees."""

import pytest

from pyscrape.promql import parse_expr
from pyscrape.promql.json import to_json
from pyscrape.promql.printer import extract_selectors, format_expr, format_query

ALL = {"experimental": True, "extended_ranges": True, "fill": True}

CANONICAL = [
    ("sum(x)by(a,b)", "sum by (a, b) (x)"),
    ("quantile without ( ) (0.5, x)", "quantile without () (0.5, x)"),
    ("SUM by () (x)", "sum(x)"),
    ("a+on(b)group_left(c)d", "a + on (b) group_left (c) d"),
    ("a+ignoring()d", "a + d"),
    ("a*on()d", "a * on () d"),
    ("a/ignoring('x.y')b", 'a / ignoring ("x.y") b'),
    ("a==bool 1", "a == bool 1"),
    ("a + fill(1000000) b", "a + fill (1e+06) b"),
    ("a + fill_right(2) fill_left(1) b", "a + fill_left (1) fill_right (2) b"),
    ("x{a!='2',b='1'}[1h30m]@12.34567 offset-5m", 'x{a!="2",b="1"}[1h30m] @ 12.346 offset -5m'),
    ("x offset 5m @ end()", "x @ end() offset 5m"),
    ("sum(x)[1h:]offset 1w", "sum(x)[1h:] offset 1w"),
    ("x[90s:15]", "x[1m30s:15s]"),
    ("x[2*step()+1m]", "x[2 * step() + 1m]"),
    ("x[max_of(range(),5m):min_of(1m,2)]", "x[max_of(range(), 5m):min_of(1m, 2)]"),
    ("x offset -(1h+step())", "x offset -(1h + step())"),
    ("x smoothed offset 1m", "x smoothed offset 1m"),
    ("rate(x[5m] anchored @ 1)", "rate(x[5m] anchored @ 1.000)"),
    ('{"c.d"="e","a.b"}', '{"c.d"="e",__name__="a.b"}'),
    ("-(1 + -x)", "-(1 + -x)"),
    ("1e21 + 1e-9 + 5m + -1h", "1000000000000000000000 + 0.000000001 + 5m + -1h"),
    ("+Inf - -Inf / NaN", "+Inf - -Inf / NaN"),
    ("'a\"\\n'", '"a\\"\\n"'),
    ("topk(3,x)", "topk(3, x)"),
    ("time()", "time()"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "text"), CANONICAL)
def test_canonical_text(query: str, text: str) -> None:
    tree = parse_expr(query, **ALL)
    assert format_expr(tree) == text
    assert parse_expr(text, **ALL) == tree


@pytest.mark.parametrize(("query", "text"), CANONICAL)
@pytest.mark.parametrize("width", [1, 10, 100])
def test_split_text_is_the_same_query(query: str, text: str, width: int) -> None:
    split = format_query(query, width, **ALL)
    assert parse_expr(split, **ALL) == parse_expr(query, **ALL)
    assert width < 100 or split == text


def test_split_text() -> None:
    query = "sum by (a) (rate(x[5m])) / on (a) group_left (b) topk(1, y) > bool (z or 1 * w)"
    assert format_query(query, 20) == (
        "    sum by (a) (\n"
        "      rate(x[5m])\n"
        "    )\n"
        "  / on (a) group_left (b)\n"
        "    topk(1, y)\n"
        "> bool\n"
        "  (z or 1 * w)"
    )


def test_json_of_a_query() -> None:
    tree = to_json(parse_expr("sum by (a) (x offset 1m) * 2"))
    assert (tree["type"], tree["op"], tree["matching"]) == ("binaryExpr", "*", None)
    assert tree["rhs"] == {"type": "numberLiteral", "val": "2"}
    assert (tree["lhs"]["grouping"], tree["lhs"]["expr"]["offset"]) == (["a"], 60_000)


def test_selectors_come_left_to_right() -> None:
    found = extract_selectors(parse_expr("a + rate(b[5m]) * max_over_time(topk(scalar(c), d)[1h:])"))
    assert [matchers[-1].value for matchers in found] == ["a", "b", "c", "d"]
