"""Assertions about relabel rules for the tests of those who write them.

    def test_only_annotated_pods():
        assert_relabel({"__meta_kubernetes_pod_name": "web-0"}, RULES, None, dropped_by=1)

A failure shows the labels that differ and, rule by rule, how they came about.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pyscrape.model.names import ValidationScheme, quoted
from pyscrape.relabel.explanation import explain
from pyscrape.relabel.load import as_rules, load_relabel_configs
from pyscrape.relabel.plans import Rules

if TYPE_CHECKING:
    from pyscrape.relabel.settings import Rule


def assert_relabel(
    labels: Mapping[str, str],
    rules: "Rules | Iterable[Rule] | Sequence[Mapping[str, Any]] | str",
    expected: Mapping[str, str] | None,
    *,
    dropped_by: int | None = None,
    scheme: ValidationScheme = "utf8",
) -> None:
    """Assert that `rules` make `expected` of `labels`; None: that they drop them.

    `rules` are loaded rules, the rules of a configuration, YAML text, or mappings as in prometheus.yml. `dropped_by`
    is the number (from 1) of the rule that drops.

    Raises:
        AssertionError: they do not; the text says what differs and explains every rule.
        RelabelConfigError: the rules are none.
    """
    explanation = explain(labels, _loaded(rules, scheme))
    found = differences(explanation.result, expected)
    dropping = explanation.dropped_by
    if not found and dropped_by is not None and (dropping is None or dropping.number != dropped_by):
        actual = "kept" if dropping is None else f"dropped by rule {dropping.number}"
        found = [f"expected to be dropped by rule {dropped_by}, was {actual}"]
    if found:
        raise AssertionError("\n".join([*found, "", str(explanation)]))


def _loaded(
    rules: "Rules | Iterable[Rule] | Sequence[Mapping[str, Any]] | str", scheme: ValidationScheme
) -> Rules:
    if isinstance(rules, Rules):
        return rules
    if isinstance(rules, str):
        return load_relabel_configs(rules, scheme)
    listed: list[Any] = list(rules)
    if all(isinstance(rule, Mapping) for rule in listed):
        return load_relabel_configs(listed, scheme)
    return as_rules(listed)


def differences(actual: Mapping[str, str] | None, expected: Mapping[str, str] | None) -> list[str]:
    """One line per label that differs; an empty value equals no label.

    >>> differences({"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"})
    ['label b: expected "3", got "2"', 'label c: expected "4", is missing']
    """
    if actual is None or expected is None:
        if actual is expected:
            return []
        return [
            "expected labels, but they were dropped"
            if actual is None
            else "expected to be dropped, but was kept"
        ]
    lines = []
    for name in sorted({*actual, *expected}):
        wanted, found = expected.get(name, ""), actual.get(name, "")
        if wanted == found:
            continue
        if not found:
            lines.append(f"label {name}: expected {quoted(wanted)}, is missing")
        elif not wanted:
            lines.append(f"label {name}: not expected, is {quoted(found)}")
        else:
            lines.append(f"label {name}: expected {quoted(wanted)}, got {quoted(found)}")
    return lines
