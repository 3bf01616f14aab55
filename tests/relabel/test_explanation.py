import json

import pytest

from pyscrape.relabel import assert_relabel, explain, load_relabel_configs
from pyscrape.relabel.explanation import describe_rule
from pyscrape.relabel.page import relabel_page

RULES = load_relabel_configs(
    """
- {source_labels: [app], regex: svc-(a|b), action: keep}
- {source_labels: [host, port], regex: "([^;]+);(\\\\d+)", target_label: address, replacement: "$1:$2"}
- {regex: tmp_.*, action: labeldrop}
- {source_labels: [app], target_label: app}
- {source_labels: [none], regex: (.+), target_label: x}
- {source_labels: [app], modulus: 8, target_label: shard, action: hashmod}
- {action: labelmap, regex: meta_(.+)}
- {source_labels: [app], regex: svc-a, action: drop}
"""
)
LABELS = {"app": "svc-a", "host": "db", "port": "80", "tmp_1": "x", "meta_zone": "eu"}

STEPS = [
    ("kept", 'kept because app is "svc-a", which matches `svc-(a|b)`'),
    ("changed", 'host and port give "db;80", which matches `([^;]+);(\\d+)`, so address becomes "db:80"'),
    ("changed", "removes tmp_1, matching `tmp_.*`"),
    ("no-op", 'app is "svc-a", which matches `(.*)`, and app already is "svc-a"'),
    ("no match", 'none is not set, so the value is "", which does not match `(.+)`'),
    ("changed", 'app is "svc-a", whose hash is "3" modulo 8, so shard becomes that'),
    ("changed", "copies meta_zone as zone"),
    ("dropped", 'dropped because app is "svc-a", which matches `svc-a`'),
]


def test_steps_say_what_and_why() -> None:
    explanation = explain(LABELS, RULES)
    assert [(step.outcome, step.reason) for step in explanation.steps] == STEPS
    assert explanation.result is None
    assert explanation.dropped_by is explanation.steps[-1]


def test_a_step_has_the_facts() -> None:
    step = explain(LABELS, RULES).steps[1]
    assert (step.number, step.value, step.matched, step.groups) == (2, "db;80", True, ("db", "80"))
    assert [str(change) for change in step.changes] == ['+ address="db:80"']
    assert (step.place, step.rule.line) == ("line 3", 3)
    assert step.after is not None
    assert step.after["address"] == "db:80"
    assert "address" not in step.before


def test_it_is_plain_data_too() -> None:
    data = json.loads(json.dumps(explain(LABELS, RULES).to_dict()))
    assert data["dropped"] is True
    assert data["steps"][0]["rule"] == {"source_labels": ["app"], "regex": "svc-(a|b)", "action": "keep"}
    assert data["steps"][2]["changes"] == [{"name": "tmp_1", "before": "x", "after": None}]


def test_as_text() -> None:
    text = str(explain({"app": "svc-c"}, RULES))
    near = 'the nearest it takes is "svc-a", with "a" where the value has "c"'
    assert text.splitlines() == [
        'labels: {app="svc-c"}',
        "rule 1: keep [app] regex `svc-(a|b)`  (line 2)",
        f'  dropped because app is "svc-c", which does not match `svc-(a|b)`: {near}',
        "result: dropped by rule 1",
    ]


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ("{target_label: a}", "replace -> a = `$1`"),
        (
            "{action: keep, source_labels: [a, b], regex: x, separator: /}",
            'keep [a, b] separator "/" regex `x`',
        ),
        ("{action: hashmod, source_labels: [a], modulus: 3, target_label: h}", "hashmod [a] modulus 3 -> h"),
        ("{action: labelmap, regex: (.)x}", "labelmap regex `(.)x` -> `$1`"),
        ("{action: labeldrop, regex: x}", "labeldrop regex `x`"),
    ],
)
def test_describe_rule(rule: str, line: str) -> None:
    assert describe_rule(load_relabel_configs(f"- {rule}")[0]) == line


@pytest.mark.parametrize(
    ("rule", "labels", "reason"),
    [
        ("{target_label: a, replacement: ''}", {"a": "1"}, "gives nothing, so a is removed"),
        ("{target_label: b, replacement: ''}", {"a": "1"}, "and b is not set anyway"),
        ("{source_labels: [a], target_label: '$2'}", {"a": "1"}, 'but "" is no valid label name'),
        ("{source_labels: [a], target_label: b, action: keepequal}", {"a": "1"}, "but b is not set"),
        ("{source_labels: [a], target_label: b, action: dropequal}", {"a": "1", "b": "1"}, "which equals b"),
        ("{source_labels: [a], target_label: b, action: uppercase}", {"a": "x"}, 'whose upper case is "X"'),
        ("{source_labels: [z], target_label: b, action: lowercase}", {"b": "x"}, "so b is removed"),
        ("{action: labelmap, regex: q}", {"a": "1"}, "no label name matches `q`"),
        (
            "{action: labelmap, regex: a|b, replacement: c}",
            {"a": "1", "b": "2"},
            "of which the last one wins",
        ),
        ("{action: labelkeep, regex: a}", {"a": "1", "b": "2"}, "removes b, not matching `a`"),
        ("{action: labelkeep, regex: a}", {"a": "1"}, "every label name matches `a`"),
        ("{action: keep}", {"a": "1"}, "there are no source labels"),
        ("{source_labels: [a, b], action: keep}", {}, 'a and b give ";" (a and b are not set)'),
        ("{source_labels: [a, b], action: keep}", {"a": "1"}, 'a and b give "1;" (b is not set)'),
    ],
)
def test_reasons(rule: str, labels: dict[str, str], reason: str) -> None:
    assert reason in explain(labels, load_relabel_configs(f"- {rule}")).steps[0].reason


def test_assert_relabel() -> None:
    rules = "- {source_labels: [a], regex: x, action: keep}\n- {source_labels: [a], target_label: b}"
    assert_relabel({"a": "x"}, rules, {"a": "x", "b": "x"})
    assert_relabel({"a": "y"}, rules, None, dropped_by=1)
    assert_relabel({"a": "x"}, [{"target_label": "c", "replacement": "1"}], {"a": "x", "c": "1"})
    for labels, expected, number, said in [
        ({"a": "x"}, {"a": "x"}, None, 'label b: not expected, is "x"'),
        ({"a": "x"}, {"a": "x", "b": "z"}, None, 'label b: expected "z", got "x"'),
        ({"a": "x"}, None, None, "expected to be dropped, but was kept"),
        ({"a": "y"}, {"a": "y"}, None, "expected labels, but they were dropped"),
        ({"a": "y"}, None, 2, "expected to be dropped by rule 2, was dropped by rule 1"),
    ]:
        with pytest.raises(AssertionError) as failed:
            assert_relabel(labels, rules, expected, dropped_by=number)
        assert said in str(failed.value)
        assert "rule 1: keep [a] regex `x`" in str(failed.value)


def test_a_page() -> None:
    rules = load_relabel_configs(
        """
- {source_labels: [__name__], regex: go_.*, action: drop}
- {regex: y, action: labeldrop}
- {source_labels: [__name__], regex: old_(.*), target_label: __name__, replacement: new_$1}
- {source_labels: [x], regex: "9", target_label: __name__, replacement: ""}
"""
    )
    series = [
        {"__name__": "a", "x": "1", "y": "1"},
        {"__name__": "a", "x": "1", "y": "2"},
        {"__name__": "go_gc"},
        {"__name__": "old_b"},
        {"__name__": "c", "x": "9"},
    ]
    report = relabel_page(series, rules)
    assert [(r.reached, r.dropped, r.changed, r.renamed) for r in report.rules] == [
        (5, 1, 0, 0),
        (4, 0, 2, 0),
        (4, 0, 1, 1),
        (4, 0, 1, 1),
    ]
    assert report.collisions == {'a{x="1"}': ['a{x="1", y="1"}', 'a{x="1", y="2"}']}
    assert report.nameless == ['c{x="9"}']
    assert (report.series_before, len(report.kept), report.names) == (5, 4, {"a", "new_b", ""})
    assert "collision: 2 series become" in str(report)
    assert json.loads(json.dumps(report.to_dict()))["series_after"] == 4
