import pytest

from pyscrape.relabel import RelabelConfigError, load_relabel_configs
from pyscrape.relabel.settings import RegexKind

REFUSED = [
    ("- {action: nope, target_label: a}", "utf8", 'unknown relabel action "nope"'),
    ("- {action: null, target_label: a}", "utf8", "relabel action cannot be empty"),
    (
        "- {action: hashmod, target_label: a}",
        "utf8",
        "relabel configuration for hashmod requires non-zero modulus",
    ),
    (
        "- {source_labels: [a]}",
        "utf8",
        "relabel configuration for replace action requires 'target_label' value",
    ),
    ("- {target_label: a.b}", "legacy", "\"a.b\" is invalid 'target_label' for replace action"),
    ("- {target_label: a$-b}", "legacy", "\"a$-b\" is invalid 'target_label' for replace action"),
    (
        "- {action: lowercase, target_label: a, replacement: x}",
        "utf8",
        "'replacement' can not be set for lowercase action",
    ),
    (
        "- {action: labelmap, regex: a, replacement: a.b}",
        "legacy",
        "\"a.b\" is invalid 'replacement' for labelmap action",
    ),
    (
        "- {action: hashmod, target_label: a.b, modulus: 2}",
        "legacy",
        "\"a.b\" is invalid 'target_label' for hashmod action",
    ),
    (
        "- {action: keepequal, source_labels: [a], target_label: b, regex: (.*)}",
        "utf8",
        "keepequal action requires only 'source_labels' and `target_label`, and no other fields",
    ),
    (
        "- {action: labeldrop, regex: a, source_labels: [b]}",
        "utf8",
        "labeldrop action requires only 'regex', and no other fields",
    ),
    ("- {target_label: a, regex: '('}", "utf8", "error parsing regexp: missing closing ): `^(?s:()$`"),
    ("- {target_lable: a}", "utf8", "target_lable"),
    ("- null", "utf8", "empty or null relabeling rule"),
    ("{target_label: a}", "utf8", "expected a list"),
    ("- {target_label: a", "utf8", "yaml"),
]


@pytest.mark.parametrize(("text", "scheme", "message"), REFUSED)
def test_refused_with_prometheus_words(text: str, scheme: str, message: str) -> None:
    with pytest.raises(RelabelConfigError) as refused:
        load_relabel_configs(text, scheme=scheme)  # type: ignore[arg-type]  # "legacy" or "utf8"
    assert message in str(refused.value)
    assert isinstance(refused.value, ValueError)


def test_every_mistake_has_its_place() -> None:
    with pytest.raises(RelabelConfigError) as refused:
        load_relabel_configs("- {target_label: a}\n- {regex: '['}\n- {action: x, target_label: b}")
    assert [problem.line for problem in refused.value.problems] == [2, 3]
    assert "(and 1 more)" in str(refused.value)


@pytest.mark.parametrize(
    ("rule", "hint"),
    [
        ("{action: hashmod, target_label: a}", "add `modulus`"),
        ("{action: hashmod, target_label: a, modulus: 0}", ""),
        ("{action: lowercase, target_label: a, replacement: x}", ""),
        ("{action: labeldrop, regex: a, source_labels: [b]}", ""),
    ],
)
def test_a_field_that_is_missing_is_named(rule: str, hint: str) -> None:
    with pytest.raises(RelabelConfigError) as refused:
        load_relabel_configs(f"- {rule}")
    assert [problem.hint for problem in refused.value.problems] == [hint]


@pytest.mark.parametrize(
    ("written", "field", "value"),
    [
        ("", "replacement", "$1"),
        ("replacement:", "replacement", ""),
        ('replacement: ""', "replacement", ""),
        ("replacement: 9100", "replacement", "9100"),
        ("replacement: 0.50", "replacement", "0.50"),
        ("replacement: yes", "replacement", "yes"),
        ("regex: null", "regex", ""),
        ("separator:", "separator", ""),
        ("action: REPLACE", "action", "replace"),
    ],
)
def test_absent_differs_from_empty(written: str, field: str, value: str) -> None:
    (rule,) = load_relabel_configs(f"- target_label: a\n  {written}")
    assert getattr(rule, field) == value


def test_mappings_are_read_alike() -> None:
    (rule,) = load_relabel_configs([{"target_label": "a", "replacement": None, "regex": True}])
    assert (rule.replacement, rule.regex) == ("", "true")


@pytest.mark.parametrize("nothing", ["", "[]", "null", []])
def test_no_rules(nothing: str | list[dict[str, str]]) -> None:
    assert len(load_relabel_configs(nothing)) == 0


def test_a_regex_is_printed_unless_it_is_the_default_and_the_empty_one_is_null() -> None:
    kind = RegexKind()
    assert [kind.is_omitted(regex) for regex in ("(.*)", "", "a")] == [True, False, False]
    assert [kind.dump(regex) for regex in ("", "a")] == [None, "a"]
