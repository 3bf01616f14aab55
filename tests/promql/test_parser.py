"""The parser: what belongs together, what is refused, in which words and where."""

import math
import subprocess
import sys

import pytest

from pyscrape.model.matcher import MatchType
from pyscrape.promql import QueryParseError, ast, parse_expr, parse_metric_selector
from pyscrape.promql.cursor import MAX_DEPTH
from pyscrape.promql.signatures import FUNCTIONS, ValueType


def grouped(expr: ast.Expr) -> str:
    """An expression with every binary operation in brackets."""
    match expr:
        case ast.BinaryExpr():
            return f"[{grouped(expr.lhs)} {expr.op} {grouped(expr.rhs)}]"
        case ast.UnaryExpr():
            return f"{expr.op}{grouped(expr.expr)}"
        case ast.ParenExpr():
            return f"({grouped(expr.expr)})"
        case ast.VectorSelector():
            return expr.name + (f" offset {expr.offset_ms // 1000}" if expr.offset_ms else "")
        case ast.NumberLiteral():
            return f"{expr.value:g}"
        case _:
            return type(expr).__name__


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("a or b and c", "[a or [b and c]]"),
        ("a unless b or c and d", "[[a unless b] or [c and d]]"),
        ("a and b unless c", "[[a and b] unless c]"),
        ("a == b + c", "[a == [b + c]]"),
        ("a + b * c", "[a + [b * c]]"),
        ("a * b + c", "[[a * b] + c]"),
        ("a - b - c", "[[a - b] - c]"),
        ("a / b % c atan2 d", "[[[a / b] % c] atan2 d]"),
        ("a ^ b ^ c", "[a ^ [b ^ c]]"),
        ("a * b ^ c * d", "[[a * [b ^ c]] * d]"),
        ("-a ^ b", "-[a ^ b]"),
        ("-a * b", "[-a * b]"),
        ("a ^ -b * c", "[[a ^ -b] * c]"),
        ("-1 ^ 2", "-[1 ^ 2]"),
        ("--1", "1"),
        ("a > bool b == bool c", "[[a > b] == c]"),
        ("a + b offset 5m", "[a + b offset 300]"),
        ("a offset 5m * b", "[a offset 300 * b]"),
        ("a offset -5m ^ 2", "[a offset -300 ^ 2]"),
        ("a offset (5) * 2", "a"),
        ("a offset -(5) * 2", "a"),
        ("(a + b) * c", "[([a + b]) * c]"),
        ("a OR b AND c", "[a or [b and c]]"),
        ("sum + by", "[sum + by]"),
        ("5m * 2", "[300 * 2]"),
    ],
)
def test_precedence(query: str, expected: str) -> None:
    assert grouped(parse_expr(query)) == expected


@pytest.mark.parametrize("first", ["@ 1", "@ start()", "@ end()"])
@pytest.mark.parametrize("second", ["offset 5m", "offset -1h30m", "offset (2 * 1h)"])
@pytest.mark.parametrize("base", ["up", "up[5m]", "up[5m:1m]", "sum(up)[5m:]"])
def test_modifiers_come_in_any_order(base: str, first: str, second: str) -> None:
    assert parse_expr(f"{base} {first} {second}") == parse_expr(f"{base} {second} {first}")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sum by (a) (x)", "sum(x) by (a)"),
        ("SUM(x) BY (a)", "sum by (a,) (x)"),
        ("a[90s]", "a[1m30s]"),
        ("a[60]", "a[1m]"),
        ("x offset 90", "x offset 1m30s"),
        ("x offset --5m", "x offset 5m"),
        ("x offset +-5m", "x offset -5m"),
        ("1e3", "1000"),
        ("0x10", "16"),
        ("'a'", '"a"'),
        ("`a`", '"\\x61"'),
        ("x{a='b',}", "x{a='b'}"),
        ('{"x"}', "{__name__='x'}"),
        ("x # comment\n + y", "x+y"),
        ("a * on(b) group_left c", "a * on(b) group_left() c"),
    ],
)
def test_same_tree(one: str, other: str) -> None:
    assert parse_expr(one) == parse_expr(other)


@pytest.mark.parametrize(
    ("one", "other"), [("0", "-0"), ("1", "1s"), ("a", "(a)"), ("a[1m]", "a[1m:]"), ("a", '{"a"}')]
)
def test_different_tree(one: str, other: str) -> None:
    assert parse_expr(one) != parse_expr(other)


def test_the_selector_of_everything() -> None:
    query = 'up{job=~"a|b", "x.y"!="z"}[5m] @ 12.345 offset -1h'
    matrix = parse_expr(query)
    assert isinstance(matrix, ast.MatrixSelector)
    selector = matrix.selector
    assert [(m.type, m.name, m.value) for m in selector.matchers] == [
        (MatchType.RE, "job", "a|b"),
        (MatchType.NE, "x.y", "z"),
        (MatchType.EQ, "__name__", "up"),
    ]
    assert (matrix.range_ms, selector.at_ms, selector.offset_ms) == (300_000, 12_345, -3_600_000)
    assert query[matrix.start : matrix.end] == query


def test_vector_matching() -> None:
    plain = parse_expr("a / b")
    assert isinstance(plain, ast.BinaryExpr)
    assert plain.matching == ast.VectorMatching()
    scalar = parse_expr("a / 2")
    assert isinstance(scalar, ast.BinaryExpr)
    assert scalar.matching is None
    union = parse_expr("a or on() b")
    assert isinstance(union, ast.BinaryExpr)
    assert union.matching == ast.VectorMatching(ast.Cardinality.MANY_TO_MANY, (), on=True)
    filled = parse_expr("a + on(x) group_right(y) fill_right(2) b", fill=True)
    assert isinstance(filled, ast.BinaryExpr)
    assert filled.matching == ast.VectorMatching(
        ast.Cardinality.ONE_TO_MANY, ("x",), on=True, include=("y",), fill_right=2.0
    )


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("", "unknown position: parse error: no expression found in input"),
        ("sum(rate(x[5m])", "1:16: parse error: unclosed left parenthesis"),
        ("up\n  + )", "2:6: parse error: unexpected right parenthesis ')'"),
        ("ü", "1:1: parse error: unexpected character: 'ü'"),
        ("'ü' ü", "1:6: parse error: unexpected character: 'ü'"),
        ("a b", '1:3: parse error: unexpected identifier "b"'),
        ("foo(x)", '1:1: parse error: unknown function with name "foo"'),
        ("rate(x)", '1:6: parse error: expected type range vector in call to function "rate", got instant vector'),
        ("sum(1 2)", '1:7: parse error: unexpected number "2" in aggregation'),
        ("sum by (a) b", '1:12: parse error: unexpected identifier "b" in aggregation'),
        ("a + on(b) group_left = c", '1:22: parse error: unexpected "=" in grouping opts, expected "("'),
        ("topk(x)", "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1"),
        ("x{a=~'('}", "1:3: parse error: error parsing regexp: missing closing ): `(`"),
        ("x{a 'b'}", '1:5: parse error: unexpected string "\'b\'" in label matching, expected label matching operator'),
        ("limitk(1, x)", "1:1: parse error: limitk() is experimental and must be enabled with --enable-feature=promql-experimental-functions"),  # noqa: E501
        ("info(x)", '1:1: parse error: function "info" is not enabled'),
        ("x anchored", "1:1: parse error: anchored modifier is experimental and not enabled"),
        ("x + fill(1) y", "1:1: parse error: binop fill modifiers are experimental and not enabled"),
        ("x[0]", "1:3: parse error: duration must be greater than 0"),
        ("x[NaN]", '1:3: parse error: unexpected character in duration expression: \'N\''),
        ("x[1m:0]", "1:6: parse error: duration must be greater than 0"),
        ("x[1 / 0]", "1:5: parse error: division by zero"),
        ("x offset 1e12", "1:10: parse error: duration out of range"),
        ("x offset foo(1m, 2m)", '1:10: parse error: unexpected identifier "foo" in offset, expected number, duration, step(), or range()'),  # noqa: E501
        ("x offset 1m offset 1m", "1:1: parse error: offset may not be set multiple times"),
        ("x @ 1 @ 1", "1:1: parse error: @ <timestamp> may not be set multiple times"),
        ("x @ start", "1:10: parse error: unexpected end of input in @, expected timestamp"),
        ("x @ 9223372036854775808", "1:1: parse error: timestamp out of bounds for @ modifier: 9223372036854775808.000000"),  # noqa: E501
        ("x @ -9223372036854775808", "1:1: parse error: timestamp out of bounds for @ modifier: -9223372036854775808.000000"),  # noqa: E501
        ("sum(x) @ 1", "1:1: parse error: @ modifier must be preceded by an instant vector selector or range vector selector or a subquery"),  # noqa: E501
        ("1 or x", '1:1: parse error: set operator "or" not allowed in binary scalar expression'),
        ("x and on() group_left y", '1:1: parse error: no grouping allowed for "and" operation'),
        ("x[5m] + 1", "1:1: parse error: binary expression must contain only scalar and instant vector types"),
        ("round(x, 1, 2)", '1:1: parse error: expected at most 2 argument(s) in call to "round", got 3'),
        ("label_join(x, 'a')", '1:1: parse error: expected at least 3 argument(s) in call to "label_join", got 2'),
        ("08.5.1", '1:1: parse error: bad number or duration syntax: "08.5."'),
    ],
)  # fmt: skip
def test_errors(query: str, error: str) -> None:
    with pytest.raises(QueryParseError) as caught:
        parse_expr(query)
    assert str(caught.value) == error
    assert f"{caught.value.position}: parse error: {caught.value.message}" == error


def test_all_faults_are_found() -> None:
    with pytest.raises(QueryParseError) as caught:
        parse_expr("abs({}) + rate(x) + foo[5m]")
    assert [fault.message for fault in caught.value.faults] == [
        "vector selector must contain at least one non-empty matcher",
        'expected type range vector in call to function "rate", got instant vector',
        "binary expression must contain only scalar and instant vector types",
    ]
    assert [error["start"] for error in caught.value.errors] == [4, 15, 20]


def test_positions_count_characters_inside_and_bytes_outside() -> None:
    with pytest.raises(QueryParseError) as caught:
        parse_expr("'ü' b")
    error = caught.value
    assert (error.position, error.position.offset, error.position.line, error.position.column) == (
        "1:6",
        4,
        1,
        6,
    )
    assert error.errors[0]["start"] == 5


def test_metric_selectors() -> None:
    assert [str(matcher) for matcher in parse_metric_selector("up{job!='a'}")] == [
        'job!="a"',
        '__name__="up"',
    ]
    assert parse_metric_selector("{}") == ()
    for text in ("up offset 1m", "sum(up)", "", "up +", "up{a=~'('}"):
        with pytest.raises(QueryParseError):
            parse_metric_selector(text)


@pytest.mark.parametrize(
    "query",
    [
        "(" * 10_000 + "a" + ")" * 10_000,
        "-" * 10_000 + "a",
        "abs(" * 10_000 + "a" + ")" * 10_000,
        "sum(" * 10_000,
        "a" + "[1m:]" * 10_000,
        "a" + " + a" * 10_000,
        "1" + " ^ 1" * 10_000,
        "a[" + "(" * 10_000 + "1" + ")" * 10_000 + "]",
        "a[" + "-" * 10_000 + "1]",
        "a[1" + "+1" * 10_000 + "]",
        "a[1" + "^1" * 10_000 + "]",
        "a[" + "max_of(1, " * 10_000,
    ],
    ids=lambda query: query[:12],
)
def test_deep_nesting_is_refused(query: str) -> None:
    with pytest.raises(QueryParseError, match=r"nested too deeply|subquery is only allowed"):
        parse_expr(query)


def test_nesting_up_to_the_limit() -> None:
    deep = MAX_DEPTH - 1
    assert hash(parse_expr("(" * deep + "a" + ")" * deep))
    assert parse_expr("a" + "+a" * deep) == parse_expr("a" + " + a" * deep)
    with pytest.raises(QueryParseError):
        parse_expr("a" + "+a" * (deep + 1))


@pytest.mark.parametrize(
    "text",
    ["(", "{", "[", "a[", '"', "a+", "1 ", "-", "a{b='c',", "5m", "0x", "\n", "#", "sum(", ",", "by("],
)
def test_long_inputs_end_in_an_error(text: str) -> None:
    """100 KB of anything; how long each takes is measured by `python -m benchmarks promql_parser`."""
    with pytest.raises(QueryParseError):
        parse_expr(text * (100_000 // len(text)))


def test_what_was_parsed_with_other_options_is_not_remembered() -> None:
    assert parse_expr("range()", experimental=True) is parse_expr("range()", experimental=True)
    for _ in range(2):
        with pytest.raises(QueryParseError):
            parse_expr("range()")


def test_every_function_has_a_sound_signature() -> None:
    assert len(FUNCTIONS) > 80
    for name, function in FUNCTIONS.items():
        assert function.name == name
        assert function.return_type in (ValueType.SCALAR, ValueType.VECTOR)
        assert function.variadic == 0 or function.arg_types


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (r'"a\x41\101b"', "aAAb"),
        (r'"\u00e9\U0001F600"', "é😀"),
        (r"'\n\t\\\''", "\n\t\\'"),
        (r'"\xff"', "\ufffd"),
        (r"`\x41`", r"\x41"),
    ],
)
def test_escapes(written: str, text: str) -> None:
    literal = parse_expr(written)
    assert isinstance(literal, ast.StringLiteral)
    assert literal.value == text


def test_numbers() -> None:
    def value(text: str) -> float:
        number = parse_expr(text)
        assert isinstance(number, ast.NumberLiteral)
        return number.value

    assert [value(text) for text in ("0755", "0789", "0x_1f", "1_0.5", "+Inf", "-5m", "1e400"[:3])] == [
        493, 789, 31, 10.5, math.inf, -300, 1e4,
    ]  # fmt: skip
    assert math.isnan(value("nan"))
    with pytest.raises(QueryParseError, match=r'strconv.ParseFloat: parsing "1e400": value out of range'):
        parse_expr("1e400")


def test_parsing_needs_no_numpy() -> None:
    code = (
        "import sys; from pyscrape.promql import parse_expr; parse_expr('up'); print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
