"""YAML as Go's library reads it."""

# ruff: noqa: E501  (cases are data, one line each)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.model.yaml_nodes import (
    MAX_DEPTH,
    Node,
    YAMLError,
    as_bool,
    as_float,
    as_int,
    compose,
    compose_all,
    decode_bytes,
    from_python,
    place_inside,
)
from tests.helpers.examples import examples


def scalar(text: str) -> Node:
    root = compose(f"a: {text}").root
    assert root is not None
    return root.pairs[0][1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", "true"), ("010", "010"), ("1.10", "1.10"), ("yes", "yes"), ("12:30", "12:30"), ("0x1F", "0x1F"),
        ("2024-01-01", "2024-01-01"), ("1_000", "1_000"), ("~", ""), ("", ""), ("null", ""), ("Null", ""), ("NULL", ""),
        ("'~'", "~"), ('"null"', "null"), ("=", "="), ("!!binary aGk=", "hi"), ("!!str 5", "5"), ("!!null x", ""),
    ],
)  # fmt: skip
def test_text_is_what_stands_there(text: str, expected: str) -> None:
    assert scalar(text).text == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yes", True), ("on", True), ("y", True), ("TRUE", True), ("no", False), ("off", False), ("n", False),
        ('"true"', None), ("1", None), ("tRue", None), ("", None),
    ],
)  # fmt: skip
def test_bools(text: str, expected: bool | None) -> None:
    assert as_bool(scalar(text)) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("010", 8), ("0o10", 8), ("0b11", 3), ("0x1F", 31), ("1_000", 1000), ("1.0", 1), ("1.9", 1), ("1e3", 1000),
        ("-5", -5), ("+5", 5), ('"5"', None), ("1:30", None), ("abc", None), ("08", 8), ("18446744073709551615", 2**64 - 1),
        ("_1", None), ("!!int 7", 7),
    ],
)  # fmt: skip
def test_ints(text: str, expected: int | None) -> None:
    assert as_int(scalar(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", 1.0), (".5", 0.5), ("1_0.5", 10.5), ('"1"', None), ("1e400", None), ("x", None)],
)
def test_floats(text: str, expected: float | None) -> None:
    assert as_float(scalar(text)) == expected


def test_special_floats() -> None:
    assert as_float(scalar(".inf")) == float("inf")
    assert str(as_float(scalar(".NaN"))) == "nan"


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ("a: b: c", "yaml: line 1: mapping values are not allowed in this context", 1, 5),
        ("a:\n\tb: 1", "yaml: line 2: found character that cannot start any token", 2, 1),
        ("a: *x", "yaml: unknown anchor 'x' referenced", 1, 4),
        ("a: &x [1, *x]", "yaml: anchor 'x' value contains itself", 1, 11),
        ("[" * (MAX_DEPTH + 1), f"yaml: exceeded max depth of {MAX_DEPTH}", 1, MAX_DEPTH + 1),
        ("%YAML 1.2\n---\na: 1", "yaml: found incompatible YAML document", 1, 1),
        ("a: \x00", "yaml: control characters are not allowed", 1, 4),
        ("a: 1\nb: \ud800", "yaml: invalid Unicode character", 2, 4),
        ("a: !!binary '%'", "yaml: !!binary value contains invalid base64 data", 1, 4),
    ],
)
def test_errors(text: str, message: str, line: int, column: int) -> None:
    with pytest.raises(YAMLError) as caught:
        root = compose(text).root
        assert root is not None
        root.pairs[0][1].text  # noqa: B018 - base64 is read when it is asked for
    assert (caught.value.message, caught.value.line, caught.value.column) == (message, line, column)


def test_an_anchor_may_be_defined_twice() -> None:
    root = compose("a: &x 1\nb: &x 2\nc: *x").root
    assert root is not None
    assert [value.text for _, value in root.pairs] == ["1", "2", "2"]


def test_only_the_first_document_is_read() -> None:
    found = compose("a: 1\n---\nb: 2")
    assert found.root is not None
    assert [key.text for key, _ in found.root.pairs] == ["a"]
    assert found.second_line == 2
    assert compose("a: 1\n---\n\tb: [").second_line == 2  # what follows is not even read
    assert len(compose_all("a: 1\n---\nb: 2\n")) == 2
    assert compose("").root is None
    assert compose("# nothing\n").root is None


@pytest.mark.parametrize(
    ("raw", "line", "column"), [(b"a: \xff", 1, 4), (b"a: 1\nb: \xc3", 2, 4), (b"\xe4: 1", 1, 1)]
)
def test_bytes_that_are_no_utf8(raw: bytes, line: int, column: int) -> None:
    with pytest.raises(YAMLError) as caught:
        decode_bytes(raw)
    assert (caught.value.line, caught.value.column) == (line, column)


def test_marks_of_byte_order() -> None:
    assert decode_bytes(b"\xef\xbb\xbfa: 1") == "a: 1"
    assert decode_bytes("a: 1".encode("utf-16")) == "a: 1"


def test_places_inside_texts() -> None:
    text = "a: |\n    one\n    two\nb: 'abc'\nc: >\n  x\n"
    lines = text.split("\n")
    root = compose(text).root
    assert root is not None
    block, quoted, folded = (value for _, value in root.pairs)
    assert place_inside(block, lines, 2, 3) == (3, 7)
    assert place_inside(quoted, lines, 1, 2) == (4, 6)
    assert place_inside(folded, lines, 1, 1) == (5, 4)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@examples(50)
@given(PLAIN)
def test_python_data_become_nodes_of_the_same_shape(value: object) -> None:
    def back(node: Node) -> object:
        if node.kind == "list":
            return [back(item) for item in node.items]
        if node.kind == "map":
            return {key.value: back(item) for key, item in node.pairs}
        if node.is_null:
            return None
        for read in (as_bool, as_int):
            if node.plain and (found := read(node)) is not None:
                return found
        return node.text

    assert back(from_python(value)) == value


@given(st.text(max_size=60))
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        compose(text)
    except YAMLError as error:
        assert error.line >= 1
        assert error.column >= 1
