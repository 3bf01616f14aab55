from typing import Any

import pytest

from pyscrape.model.regex import compile_re2
from pyscrape.relabel import RelabelTimeout, explain, load_relabel_configs, relabel
from pyscrape.relabel.engine import ACTIONS, Memo, apply_plainly, hashmod, lower, upper
from pyscrape.relabel.plans import _PLANNERS, Rules
from pyscrape.relabel.settings import ACTIONS as WRITTEN_ACTIONS
from pyscrape.relabel.settings import Rule


def test_every_action_has_its_rows() -> None:
    assert set(WRITTEN_ACTIONS) == set(ACTIONS) == set(_PLANNERS)


def test_the_input_is_untouched_and_empty_labels_are_none() -> None:
    labels = {"a": "x", "b": ""}
    rules = load_relabel_configs("- {source_labels: [b], target_label: a}")
    assert relabel(labels, rules) == {}
    assert labels == {"a": "x", "b": ""}


def test_rules_of_a_configuration_and_none() -> None:
    rule = Rule(source_labels=("a",), target_label="b")
    assert relabel({"a": "x"}, (rule,)) == {"a": "x", "b": "x"}
    assert relabel({"a": "x"}, ()) == {"a": "x"}


def test_rules_are_a_sequence_of_rules() -> None:
    rules = load_relabel_configs("- {target_label: a, replacement: x}\n- {regex: b, action: LabelDrop}")
    assert [rule.action for rule in rules] == ["replace", "labeldrop"]
    assert (len(rules), rules[1].regex, rules[0].line) == (2, "b", 1)


def test_of_labels_that_a_labelmap_gives_one_name_the_last_wins() -> None:
    # The base labels by name, then those that rules set: `a` was set, so it comes after `b`.
    rules = load_relabel_configs(
        "- {source_labels: [a], target_label: a, replacement: new}\n- {action: labelmap, regex: a|b, replacement: c}"
    )
    assert relabel({"a": "1", "b": "2"}, rules) == {"a": "new", "b": "2", "c": "new"}
    plain = load_relabel_configs("- {action: labelmap, regex: a|b, replacement: c}")
    assert relabel({"b": "2", "a": "1"}, plain) == {"a": "1", "b": "2", "c": "2"}


@pytest.mark.parametrize(
    ("text", "lowered", "raised"),
    [
        ("aB1", "ab1", "AB1"),
        ("ß", "ß", "ß"),
        ("İ", "i", "İ"),
        ("ΑΣ", "ασ", "ΑΣ"),
        ("ᾳ", "ᾳ", "ᾼ"),
        ("ŉ", "ŉ", "ŉ"),
        ("ǆ", "ǆ", "Ǆ"),
    ],
)
def test_case_is_changed_character_by_character(text: str, lowered: str, raised: str) -> None:
    assert (lower(text), upper(text)) == (lowered, raised)


def test_hashmod() -> None:
    assert [hashmod(text, 1000) for text in ("foo\nbar", "", "é")] == [734, 958, 23]


def test_a_rule_that_takes_too_long_is_an_error_with_its_place() -> None:
    compile_re2.cache_clear()
    rules = load_relabel_configs(
        "- {source_labels: [skip], regex: y, action: drop}\n"
        "- {source_labels: [a], regex: '(?:(?:a|b){1,30}c?){30}', action: keep}"
    )
    hostile = "a" * 6000 + "da"
    with pytest.raises(
        RelabelTimeout, match=r"relabel rule 2 \(line 2\): regular expression .* needs too long"
    ):
        relabel({"a": hostile}, rules)
    with pytest.raises(RelabelTimeout):
        explain({"a": hostile}, rules)
    assert relabel({"a": hostile, "skip": "y"}, rules) is None


def test_a_name_that_takes_too_long_counts_only_when_its_rule_runs() -> None:
    compile_re2.cache_clear()
    rules = load_relabel_configs(
        "- {source_labels: [skip], regex: y, action: drop}\n"
        "- {regex: '(?:(?:a|b){1,30}c?){30}', action: labelmap, replacement: x}"
    )
    hostile = "a" * 6000 + "da"
    assert relabel({hostile: "1", "skip": "y"}, rules) is None
    with pytest.raises(RelabelTimeout):
        relabel({hostile: "1"}, rules)


def test_no_filter_overtakes_one_that_takes_too_long() -> None:
    compile_re2.cache_clear()
    slow = "{source_labels: [a], regex: '(?:(?:a|b){1,30}c?){30}', action: drop}"
    wanted = "{source_labels: [wanted], regex: y, action: keep}"
    labels = {"a": "a" * 6000 + "da"}
    assert relabel(labels, load_relabel_configs(f"- {wanted}\n- {slow}")) is None
    with pytest.raises(RelabelTimeout):
        relabel(labels, load_relabel_configs(f"- {slow}\n- {wanted}"))


MAYBE_SET = "- {source_labels: [a], regex: x, target_label: b, replacement: y}"  # b is there for a="x" alone
HANDED_ON = [
    "- {source_labels: [b], target_label: c}",
    "- {source_labels: [b], regex: (.+), target_label: c}",
    "- {source_labels: [b], action: uppercase, target_label: c}",
    "- {source_labels: [b, a], regex: y;(.), target_label: c}",
    "- {source_labels: [a], regex: (x)?.*, target_label: c}",
    "- {regex: b, replacement: c, action: labelmap}",
    "- {regex: b|c, replacement: '${0}c', action: labelmap}",
    "- {source_labels: [b], target_label: '${1}'}",
    "- {regex: b()|(c+), replacement: c$2, action: labelmap}",
    "- {source_labels: [b], target_label: '$1'}\n- {target_label: c, replacement: v}\n- {regex: c, action: labeldrop}",
    "- {regex: b, action: labeldrop}",
    "- {source_labels: [b], regex: y, target_label: a, replacement: ''}",
]
READ_AFTERWARDS = [
    "- {source_labels: [c], target_label: d}",
    "- {source_labels: [c], regex: (.+), target_label: d}",
    "- {source_labels: [c, a], separator: /, target_label: d}",
    "- {source_labels: [a, b, c], target_label: d}",
    "- {source_labels: [c], regex: '[^x]*', action: keep}",
    "- {source_labels: [b, a], regex: y;x, action: drop}",
    "- {source_labels: [c], target_label: a, action: dropequal}",
    "- {source_labels: [a, c], modulus: 9, target_label: d, action: hashmod}",
    "- {regex: (.+), replacement: m_$1, action: labelmap}",
]


@pytest.mark.parametrize("handed_on", HANDED_ON)
@pytest.mark.parametrize("read_afterwards", READ_AFTERWARDS)
def test_plans_know_which_labels_may_be_missing(handed_on: str, read_afterwards: str) -> None:
    rules = load_relabel_configs("\n".join([MAYBE_SET, handed_on, read_afterwards, read_afterwards]))
    for others in ({}, {"b": "z"}, {"c": "w"}, {"b": "1", "c": "2", "cc": "3", "ccc": "4"}):
        for value in ("x", "z"):
            labels = {"a": value, **others}
            assert relabel(labels, rules) == apply_plainly(rules.compiled, labels)


def test_memories_stay_bounded() -> None:
    rules = load_relabel_configs(
        "- {source_labels: [a], regex: '(.)(.*)', target_label: b, replacement: $2$1}"
    )
    for number in range(20_000):
        relabel({"a": f"x{number}", f"n{number % 3000}": "1"}, rules)
    assert isinstance(rules, Rules)
    assert 1 < len(rules._plans) <= 1024
    assert 0 < len(memory_of(rules._runners[0].replacement)) <= 8192


def memory_of(remembering: Any) -> Memo[Any]:
    memory = remembering.__self__
    assert isinstance(memory, Memo)
    return memory


@pytest.mark.parametrize(
    ("rule", "remembered"),
    [
        ("{source_labels: [a], regex: '(.)(.*)', target_label: b}", True),
        ("{source_labels: [a, c], regex: '(.)(.*)', target_label: b}", False),
        ("{source_labels: [a], regex: 'x|y', target_label: b, replacement: z}", False),
        ("{source_labels: [a, c], regex: '(a+)+b', target_label: b}", True),
    ],
)
def test_what_is_cheap_to_find_again_is_not_remembered(rule: str, remembered: bool) -> None:
    rules = load_relabel_configs(f"- {rule}")
    assert isinstance(getattr(rules._runners[0].replacement, "__self__", None), Memo) is remembered
