"""The series notation of rule tests."""

import pytest

from pyscrape.promql.faults import QueryParseError
from pyscrape.promql.series import STALE, Histogram, parse_series


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("1 2 3", (1, 2, 3)),
        ("1x2", (1, 1, 1)),
        ("1+2x2", (1, 3, 5)),
        ("10-2x2", (10, 8, 6)),
        ("-1+2x1 +5", (-1, 1, 5)),
        ("_ 1 _x2 2", (None, 1, None, None, 2)),
        ("1x0 _x0", (1,)),
        ("stale 1 stalex1", (STALE, 1, STALE, STALE)),
        ("0.1+0.1x2", (0.1, 0.2, 0.1 + 0.1 + 0.1)),
        ("Inf -Inf +infx1 1e3", (float("inf"), -float("inf"), float("inf"), float("inf"), 1000)),
        ("010", (8,)),
        ("1 \t 2", (1, 2)),
        ("{{sum:1}} {{}}x1", (Histogram("{{sum:1}}"), Histogram("{{}}"), Histogram("{{}}"))),
        ("", ()),
    ],
)
def test_values(values: str, expected: tuple[object, ...]) -> None:
    assert parse_series(f"x {values}").values == expected


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("x 1", {"__name__": "x"}),
        ("x{} 1", {"__name__": "x"}),
        ("{} 1", {}),
        ("a:b{c='d',} 1", {"__name__": "a:b", "c": "d"}),
        ('{"a.b", "c.d"="e"} 1', {"__name__": "a.b", "c.d": "e"}),
        ("sum{by='x'} 1", {"__name__": "sum", "by": "x"}),
    ],
)
def test_labels(text: str, labels: dict[str, str]) -> None:
    assert parse_series(text).labels == labels


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x 1+1", "1:6: parse error: unexpected end of input in series values"),
        ("x 0xF", '1:5: parse error: unexpected identifier "F" in series values'),
        (
            "x foo",
            '1:3: parse error: unexpected identifier "foo" in series values, expected number or "stale"',
        ),
        ("x{a=1} 2", "unexpected character inside braces: '1'"),
        ("x{a 'b'} 2", '1:5: parse error: unexpected string "\'b\'" in label set, expected "="'),
        ("x{,} 2", '1:3: parse error: unexpected "," in label set, expected identifier or "}"'),
        ("x 1x-1", "unexpected <op:->"),
        ("x 1x1.5", "invalid repetition in series values"),
        ("x $", "unexpected character in series sequence: '$'"),
    ],
)
def test_errors(text: str, message: str) -> None:
    with pytest.raises(QueryParseError) as caught:
        parse_series(text)
    assert message in str(caught.value)
