"""Planned relabeling equals plain relabeling, on any rules and any labels; neither touches its input."""

from types import MappingProxyType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pyscrape.relabel import explain, load_relabel_configs, relabel
from pyscrape.relabel.engine import apply_plainly
from tests.helpers.examples import examples

NAMES = ["a", "b", "c", "aa", "ab", "__x", "__y", "é"]
VALUES = ["", "a", "b", "ab", "a;b", "A", "x1", "80", "ß", "a\nb"]
PATTERNS = [
    "(.*)",
    "(.+)",
    "a",
    "a|b",
    "(a)(b)?",
    "(a+)+b?",
    ".*;.*",
    "",
    "[^;]+;?(.*)",
    "(?i)A(.*)",
    "__(.+)",
    "(.)(.*)",
]
TEMPLATES = ["$1", "", "x", "${1}_$2", "$2", "é$1", "$$", "a", "b"]
TARGETS = ["a", "b", "c", "new", "$1", "n_${1}", "${2}"]

names = st.sampled_from(NAMES)
sources = st.lists(names, max_size=3)
patterns = st.sampled_from(PATTERNS)
static_targets = st.sampled_from(TARGETS[:4])


def rule(action: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"action": st.just(action), **fields})


RULES = st.one_of(
    rule(
        "replace",
        source_labels=sources,
        regex=patterns,
        target_label=st.sampled_from(TARGETS),
        replacement=st.sampled_from(TEMPLATES),
        separator=st.sampled_from([";", "", "-"]),
    ),
    rule(
        "replace",
        source_labels=st.lists(names, min_size=1, max_size=1),
        regex=st.sampled_from(["(.*)", "(.+)"]),
        target_label=static_targets,
    ),
    rule("keep", source_labels=sources, regex=st.sampled_from([*PATTERNS, ".*", ".*"])),
    rule("drop", source_labels=sources, regex=st.sampled_from(["a", "x.*", "80;.*"])),
    rule("keepequal", source_labels=sources, target_label=static_targets),
    rule("dropequal", source_labels=sources, target_label=static_targets),
    rule("hashmod", source_labels=sources, target_label=static_targets, modulus=st.integers(1, 5)),
    rule("lowercase", source_labels=sources, target_label=static_targets),
    rule("uppercase", source_labels=sources, target_label=static_targets),
    rule("labelmap", regex=patterns, replacement=st.sampled_from(["$1", "m_$1", "m", "${1}${2}"])),
    rule("labeldrop", regex=st.sampled_from(["a.*", "__.*", "b", "nothing"])),
    rule("labelkeep", regex=st.sampled_from(["a.*|b|c|m.*|new|__.*", "[^b]*", ".*"])),
)
LABELS = st.dictionaries(names, st.sampled_from(VALUES), max_size=6)


@examples(250)
@given(rules=st.lists(RULES, min_size=1, max_size=6), labels=st.lists(LABELS, min_size=1, max_size=4))
def test_planned_equals_plain(rules: list[dict[str, Any]], labels: list[dict[str, str]]) -> None:
    compiled = load_relabel_configs(rules)
    for one in [*labels, *labels]:  # the second time plans and memories are used
        before = dict(one)
        expected = apply_plainly(compiled.compiled, one)
        assert relabel(one, compiled) == expected
        assert relabel(MappingProxyType(one), compiled) == expected
        explanation = explain(one, compiled)
        assert explanation.result == expected
        if explanation.dropped_by is not None:
            assert compiled.dropped_by(one) + 1 == explanation.dropped_by.number
        assert one == before


@examples(100)
@given(rules=st.lists(RULES, min_size=1, max_size=5), labels=LABELS)
def test_steps_chain(rules: list[dict[str, Any]], labels: dict[str, str]) -> None:
    explanation = explain(labels, load_relabel_configs(rules))
    held = {name: value for name, value in labels.items() if value}
    for step in explanation.steps:
        assert step.before == held
        assert step.reason
        changed = {change.name for change in step.changes}
        if step.after is None:
            assert step is explanation.steps[-1] and step.outcome == "dropped"
            break
        assert changed == {n for n in {*held, *step.after} if held.get(n) != step.after.get(n)}
        assert (step.outcome == "changed") is bool(changed)
        held = dict(step.after)
    assert explanation.result == (None if explanation.dropped_by else held)
