"""The text format, case by case: entries, and errors with their place. Words were compared with Prometheus."""

import math

import pytest

from pyscrape.exposition import DuplicateLabelError, ParseError, parse


def labels(line: bytes) -> dict[str, str]:
    (entry,) = parse(line)
    assert entry.kind == "series"
    return entry.labels


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"a 1", {"__name__": "a"}),
        (b"a{} 1", {"__name__": "a"}),
        (b"a:b 1", {"__name__": "a:b"}),
        (b"\ta 1", {"__name__": "a"}),  # known difference: Prometheus takes the blank into the name
        (b'a{b="c"} 1', {"__name__": "a", "b": "c"}),
        (b'a{b="c",} 1', {"__name__": "a", "b": "c"}),
        (b'a{b="c"d="e"} 1', {"__name__": "a", "b": "c", "d": "e"}),
        (b'a { b = "c" , d = "e" } 1', {"__name__": "a", "b": "c", "d": "e"}),
        (b'a{b="x\ny"} 1', {"__name__": "a", "b": "x\ny"}),
        (b'a{b="\\\\n\\n\\"\\x"} 1', {"__name__": "a", "b": '\\n\n"\\x'}),
        (b'{"a.b"} 1', {"__name__": "a.b"}),
        (b'{"a.b",c="d"} 1', {"__name__": "a.b", "c": "d"}),
        (b'{c="d","a.b"} 1', {"__name__": "a.b", "c": "d"}),
        (b'a{"b.c"="d"} 1', {"__name__": "a", "b.c": "d"}),
        (b'a{b=""} 1', {"__name__": "a", "b": ""}),
        (b'a{b="}"} 1', {"__name__": "a", "b": "}"}),
        ('a{b="ü"} 1'.encode(), {"__name__": "a", "b": "ü"}),
        (b'{"a\xff"} 1', {"__name__": "a\udcff"}),
    ],
)
def test_labels(line: bytes, expected: dict[str, str]) -> None:
    assert labels(line) == expected


@pytest.mark.parametrize("line", [b'a{b="1",b="2"} 1', b'a{__name__="b"} 1', b'a{"b"="1",b="\\n"} 1'])
def test_a_label_given_twice(line: bytes) -> None:
    with pytest.raises(DuplicateLabelError, match="is not unique: invalid sample"):
        labels(line)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"1", 1.0),
        (b"+5", 5.0),
        (b".5", 0.5),
        (b"5.", 5.0),
        (b"1e3", 1000.0),
        (b"1E-3", 0.001),
        (b"Inf", math.inf),
        (b"-inf", -math.inf),
        (b"+Infinity", math.inf),
        (b"1e-400", 0.0),
        (b"18446744073709551617", 18446744073709551616.0),
    ],
)
def test_values(text: bytes, value: float) -> None:
    (entry,) = parse(b"a " + text + b"\n")
    assert entry.kind == "series"
    assert entry.value == value


def test_minus_zero_keeps_its_sign() -> None:
    (entry,) = parse(b"a -0\n")
    assert entry.kind == "series"
    assert math.copysign(1, entry.value) == -1


@pytest.mark.parametrize(
    ("body", "message", "line", "column"),
    [
        (b"a\n", 'expected value after metric, got "\\n" ("INVALID") while parsing: "a\\n"', 1, 2),
        (b"a 1\nb +nan\n", 'strconv.ParseFloat: parsing "+nan": invalid syntax while parsing: "b +nan"', 2, 3),
        (b"a 1e400\n", 'strconv.ParseFloat: parsing "1e400": value out of range while parsing: "a 1e400"', 1, 3),
        (b"a 1_0\n", 'unsupported character in float while parsing: "a 1_0"', 1, 3),
        (b"a 1\r\n", 'strconv.ParseFloat: parsing "1\\r": invalid syntax while parsing: "a 1\\r"', 1, 3),
        (b"a 1 -5\n", 'expected timestamp or new record, got "-" ("INVALID") while parsing: "a 1 -"', 1, 5),
        (
            b"a 1 5 6\n",
            'expected next entry after timestamp, got "6\\n" ("TIMESTAMP") while parsing: "a 1 5 6\\n"',
            1,
            7,
        ),
        (b"a{b=c} 1\n", 'expected label value, got "c" ("INVALID") while parsing: "a{b=c"', 1, 5),
        (b"a{b} 1\n", 'expected equal, got "} " ("BCLOSE") while parsing: "a{b} "', 1, 4),
        (b"a{} {\n", 'expected value after metric, got "{\\n" ("BOPEN") while parsing: "a{} {\\n"', 1, 5),
        (b'a{"b"} 1\n', 'metric name already set while parsing: "a{\\"b\\"}"', 1, 6),
        (b'{b="c"} 1\n', 'metric name not set while parsing: "{b=\\"c\\"} 1"', 1, 9),
        (b"\n\n# TYPE a foo\n", 'invalid metric type "foo"', 3, 10),
        (b"# HELP a \xff\n", 'help text "\\xff" is not a valid utf8 string', 1, 9),
        (b'a{b="\xff"} 1\n', 'invalid UTF-8 label value: "\\"\\xff\\""', 1, 5),
        (
            'a{b="ü"} x\n'.encode(),
            'strconv.ParseFloat: parsing "x": invalid syntax while parsing: "a{b=\\"ü\\"} x"',
            1,
            10,
        ),
    ],
)  # fmt: skip
def test_error(body: bytes, message: str, line: int, column: int) -> None:
    with pytest.raises(ParseError) as caught:
        list(parse(body))
    error = caught.value
    assert (error.message, error.line, error.column) == (message, line, column)


def test_an_error_shows_its_line_with_a_caret() -> None:
    with pytest.raises(ParseError) as caught:
        list(parse(b"up 1\na{b=} 2\n"))
    assert caught.value.explain().splitlines()[1:] == ["  a{b=} 2", "      ^"]


def test_a_hostile_line_is_shown_in_part() -> None:
    with pytest.raises(ParseError) as caught:
        list(parse(b'a{b="' + b"x" * 1_000_000 + b'"} y\n'))
    assert len(caught.value.message) < 2500
    assert len(caught.value.explain()) < 3000


def test_a_zero_byte_at_the_start_of_a_line_ends_the_page() -> None:
    assert len(list(parse(b"a 1\n\0b 2\n"))) == 1


def test_le_and_quantile_follow_the_last_type_line() -> None:
    body = (
        b'h{le="1"} 1\n# TYPE h histogram\nh{le="1"} 1\nother{le="0x1p4"} 1\nh{le="1_0"} 1\nh{le="all"} 1\n'
        b'# TYPE s summary\ns{quantile="0.50",le="1"} 1\n# TYPE g gauge\ng{le="1"} 1\n'
    )
    found = [entry.labels for entry in parse(body) if entry.kind == "series"]
    assert [l.get("le") for l in found] == ["1", "1.0", "16.0", "10.0", "all", "1", "1"]  # noqa: E741
    assert found[5]["quantile"] == "0.5"
