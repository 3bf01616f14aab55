"""The engine of declared settings: Go's rules for YAML, places, and the behaviour of frozen dataclasses."""

# ruff: noqa: E501  (cases are data, one line each)

import dataclasses
import pickle
from collections.abc import Mapping

import pytest

from pyscrape.config import parse_config
from pyscrape.model.kinds import (
    BOOL,
    DURATION,
    INT,
    SECRET,
    SIZE,
    TEXT,
    TEXT_MAP,
    TEXTS,
    EnumKind,
    ListKind,
    format_size,
    join_dir,
    parse_size,
)
from pyscrape.model.problems import Problem
from pyscrape.model.settings import (
    Decoder,
    Secret,
    Section,
    SectionKind,
    Settings,
    SettingsError,
    decode_node,
    dump,
    from_mapping,
    setting,
)
from pyscrape.model.yaml_nodes import compose


class Inner(Settings, go_type="test.Inner"):
    """A section."""

    name: str = setting(TEXT, "A name.", default="anonymous")
    count: int = setting(INT, "A count.", default=3)


class Outer(Settings, go_type="test.Outer"):
    """A document."""

    text: str = setting(TEXT, "Text.", default="given")
    secret: Secret = setting(SECRET, "A secret.")
    flag: bool = setting(BOOL, "A flag.", default=True, always=True)
    wait: int = setting(DURATION, "How long.")
    size: int = setting(SIZE, "How much.")
    kind: str = setting(
        EnumKind(("red", "green"), lambda text: f"no colour {text}"), "A colour.", default="red"
    )
    names: tuple[str, ...] = setting(TEXTS, "Names.")
    labels: Mapping[str, str] = setting(TEXT_MAP, "Labels.")
    inner: Inner = setting(SectionKind(Inner), "One.", default=Inner())
    maybe: Inner | None = setting(SectionKind(Inner, optional=True), "One or none.")
    many: tuple[Inner, ...] = setting(ListKind(SectionKind(Inner), null_item="empty inner"), "Many.")


def decode(text: str) -> tuple[Outer, list[Problem]]:
    decoder = Decoder(text_size=len(text))
    root = compose(text).root
    assert root is not None
    return decode_node(Outer, root, decoder)[0], decoder.problems


def good(text: str) -> Outer:
    value, problems = decode(text)
    assert problems == []
    return value


def test_defaults_and_nulls_differ() -> None:
    assert good("{}").text == "given"
    assert good("text:").text == ""
    assert good("flag: null").flag is False
    assert good("inner: ~").inner == Inner(name="", count=0)
    assert good("inner: {}").inner == Inner()
    assert good("maybe:").maybe is None
    assert good("kind: null").kind == ""


def test_values() -> None:
    value = good("{wait: 1m30s, size: 10MB, names: [1, true, ~], labels: {a: 1.10}, many: [{name: x}]}")
    assert value.wait == 90_000
    assert value.size == 10 << 20
    assert value.names == ("1", "true", "")
    assert value.labels == {"a": "1.10"}
    assert value.many == (Inner(name="x"),)


MERGES = [
    ("<<: {text: a}\ntext: b", "b"),
    ("text: b\n<<: {text: a}", "a"),  # order decides, as in Go
    ("<<: [{text: a}, {text: c}]", "a"),
]


@pytest.mark.parametrize(("text", "expected"), MERGES)
def test_merge_keys(text: str, expected: str) -> None:
    assert good(text).text == expected


ERRORS = [
    ("txet: a", "unknown-field", 1, 1, "unknown field `txet`, did you mean `text`? (field txet not found in type test.Outer)"),
    ("text: a\ntext: b", "duplicate-key", 2, 1, "field text already set in type test.Outer (first in line 1)"),
    ("labels: {a: 1, a: 2}", "duplicate-key", 1, 16, 'key "a" already set in map'),
    ("labels: {a: 1, <<: {a: 2}}", "duplicate-key", 1, 21, 'key "a" already set in map'),
    ("<<: text", "bad-merge", 1, 5, "map merge requires map or sequence of maps as the value"),
    ("many: [{}, ~]", "null-item", 1, 12, "empty inner"),
    ("text: [a]", "wrong-type", 1, 7, "expected text, found a list (line 1: cannot unmarshal !!seq into string)"),
    ("inner: a", "wrong-type", 1, 8, "expected a mapping, found `a` (line 1: cannot unmarshal !!str `a` into test.Inner)"),
    ("inner: {count: '5'}", "wrong-type", 1, 16, "expected a whole number, found `5` (line 1: cannot unmarshal !!str `5` into int)"),
    ("flag: maybe", "wrong-type", 1, 7, "expected true or false, found `maybe` (line 1: cannot unmarshal !!str `maybe` into bool)"),
    ("names: a-long-scalar", "wrong-type", 1, 8, "expected a list, found `a-long-scalar` (line 1: cannot unmarshal !!str `a-long-...` into []string)"),
    ("wait: 5min", "bad-duration", 1, 7, 'unknown unit "min" in duration "5min"'),
    ("size: 100", "bad-size", 1, 7, "units: unknown unit  in 100"),
    ("kind: gren", "unknown-value", 1, 7, "no colour gren, did you mean `green`?"),
    ("targetLabel: a", "unknown-field", 1, 1, "unknown field `targetLabel` (field targetLabel not found in type test.Outer)"),
    ("inner: {names: [a]}", "unknown-field", 1, 9, "unknown field `names` of inner, did you mean `name`? (field names not found in type test.Inner)"),
    ("many: [{}, {cuont: x}]", "unknown-field", 1, 13, "unknown field `cuont` of many[1], did you mean `count`? (field cuont not found in type test.Inner)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "problem_id", "line", "column", "message"), ERRORS)
def test_errors(text: str, problem_id: str, line: int, column: int, message: str) -> None:
    problem = decode(text)[1][0]
    assert (problem.id, problem.line, problem.column, problem.message) == (problem_id, line, column, message)


def test_what_a_misspelt_field_holds_is_checked_too() -> None:
    _, problems = decode("innner: {count: x}")
    assert [problem.id for problem in problems] == ["unknown-field", "wrong-type"]


def test_a_null_key_is_no_key() -> None:
    assert parse_config("global: {external_labels: {null: a, ~: b, c: d}}").external_labels == {"c": "d"}


def test_hints() -> None:
    assert decode("wait: 15")[1][0].hint == "add a unit: 15s"
    assert decode("wait: 15 seconds")[1][0].hint == "write 15s"
    assert "CRD" in decode("Text: a")[1][0].hint or "snake_case" in decode("Text: a")[1][0].hint


def test_aliases_may_not_explode() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    value, problems = decode("\n".join([*lines, "names: *a8"]))
    assert value.names == ()
    assert len(problems) < 1_100


def test_frozen_values() -> None:
    value = Inner(name="a")
    with pytest.raises(AttributeError, match="frozen"):
        value.name = "b"  # type: ignore[misc]
    with pytest.raises(AttributeError, match="frozen"):
        del value.name
    assert value == Inner("a")
    assert value != Inner("b")
    assert value != "a"
    assert hash(Outer(labels={"a": "b"})) == hash(Outer(labels={"a": "b"}))
    assert repr(value) == "Inner(name='a')"
    assert value.replace(count=5) == Inner("a", 5)
    assert pickle.loads(pickle.dumps(value)) == value
    with pytest.raises(TypeError, match="colour"):
        Inner(colour="red")  # type: ignore[call-arg]


def test_they_are_dataclasses_for_who_asks() -> None:
    value = Inner(name="a")
    assert dataclasses.is_dataclass(Inner)
    assert [field.name for field in dataclasses.fields(Inner)] == ["name", "count"]  # type: ignore[arg-type]
    assert dataclasses.replace(value, count=7) == Inner("a", 7)  # type: ignore[type-var]


def test_secrets_do_not_show() -> None:
    value = good("secret: hunter2")
    assert value.secret.reveal() == "hunter2"
    assert "hunter2" not in f"{value.secret} {value.secret!r} {value!r} {dump(value)} {value.secret:>20}"
    assert dump(value)["secret"] == "<secret>"
    assert str(Secret("")) == ""


def test_what_is_printed() -> None:
    assert dump(Outer(wait=good("wait: 90s").wait, size=3 << 20)) == {
        "text": "given", "flag": True, "wait": "1m30s", "size": "3MiB", "kind": "red",
        "inner": {"name": "anonymous", "count": 3},
    }  # fmt: skip


def test_plain_mappings() -> None:
    value = from_mapping(Outer, {"text": "5", "inner": {"count": 5}, "names": ["a"], "flag": False})
    assert value == Outer(text="5", inner=Inner(count=5), names=("a",), flag=False)
    with pytest.raises(SettingsError) as caught:
        from_mapping(Outer, {"inner": {"count": "5"}, "txet": 1})
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("text", "size"), [("10MB", 10 << 20), ("1.5GiB", 3 << 29), ("0", 0), ("7B", 7), ("1KB512B", 1536)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size
    assert parse_size(format_size(size)) == size
    assert text == "0" or parse_size(f"-{text}") == -size


@pytest.mark.parametrize("text", ["", "x", "1.1.1MB", "10Mb", "MB", "9999999EB"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="units"):
        parse_size(text)


@pytest.mark.parametrize(
    ("base", "path", "joined"),
    [
        ("a", "b", "a/b"),
        ("a", "../b", "b"),
        (".", "b", "b"),
        ("a", "/b", "/b"),
        ("a", "", ""),
        ("/x", "b/*.yml", "/x/b/*.yml"),
    ],
)
def test_paths(base: str, path: str, joined: str) -> None:
    assert join_dir(base, path) == joined


def test_sections_remember_places() -> None:
    decoder = Decoder()
    root = compose("inner:\n  name: a\nmany:\n- {count: 1}\n- {count: 2}\n").root
    assert root is not None
    _, section = decode_node(Outer, root, decoder)
    assert isinstance(section, Section)
    assert [child["count"] for child in section.items("many")] == [1, 2]
    assert [child.path for child in section.walk()] == [(), ("inner",), ("many", 0), ("many", 1)]
    section.items("many")[1].error("no", "count")
    assert decoder.problems == [Problem("error", "invalid-value", "no", "-", 5, 11, "many[1].count")]
