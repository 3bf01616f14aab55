"""What rules do to one label set, rule by rule, and why: the explanation behind the command line, the pages and tests.

It runs the plain engine, one action after the other, and looks at the labels before and after. Where a rule did not
match, it says what came nearest: the literal that differs in one place, or how far the value fitted the pattern.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pyscrape.model.labels import format_labels
from pyscrape.model.names import quoted
from pyscrape.relabel.engine import CompiledRule, rule_place, walk
from pyscrape.relabel.load import as_rules
from pyscrape.relabel.near_miss import near_miss
from pyscrape.relabel.plans import Rules

if TYPE_CHECKING:
    from pyscrape.relabel.settings import Rule

Outcome = Literal["changed", "kept", "no-op", "no match", "dropped"]
"""changed: labels differ; kept: a filter let them pass; no-op: the rule applied and changed nothing."""

_FILTERS = frozenset({"keep", "drop", "keepequal", "dropequal"})
_ON_NAMES = frozenset({"labelmap", "labeldrop", "labelkeep"})


class Change(NamedTuple):
    """One label that a rule changed; `before` is None for a new one, `after` for one that is gone."""

    name: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        if self.before is None:
            return f"+ {self.name}={quoted(self.after or '')}"
        if self.after is None:
            return f"- {self.name}={quoted(self.before)}"
        return f"~ {self.name}={quoted(self.before)} -> {quoted(self.after)}"


class Step(NamedTuple):
    """One rule at work.

    `number` counts from 1. `value` is the joined value of the source labels (None for actions on label names),
    `matched` whether the regular expression did (None where the action has none), `groups` what it captured, `names`
    the label names that an action on names chose, `missing` the source labels that the labels do not have. `after`
    is None where they were dropped.
    """

    number: int
    rule: "Rule"
    before: Mapping[str, str]
    after: Mapping[str, str] | None
    outcome: Outcome
    reason: str
    value: str | None = None
    matched: bool | None = None
    groups: tuple[str | None, ...] = ()
    names: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    near_miss: str = ""
    changes: tuple[Change, ...] = ()

    @property
    def place(self) -> str:
        """`file:line` of the rule, "" where it is not known."""
        return rule_place(self.rule)

    def to_dict(self) -> dict[str, Any]:
        """The step as plain data for JSON."""
        return {
            "number": self.number,
            "rule": rule_fields(self.rule),
            "file": self.rule.file,
            "line": self.rule.line,
            "column": self.rule.column,
            "outcome": self.outcome,
            "reason": self.reason,
            "value": self.value,
            "matched": self.matched,
            "groups": list(self.groups),
            "names": list(self.names),
            "missing": list(self.missing),
            "near_miss": self.near_miss,
            "before": dict(self.before),
            "after": None if self.after is None else dict(self.after),
            "changes": [
                {"name": change.name, "before": change.before, "after": change.after}
                for change in self.changes
            ],
        }

    def __str__(self) -> str:
        place = f"  ({self.place})" if self.place else ""
        said = self.reason if self.reason.startswith(self.outcome) else f"{self.outcome}: {self.reason}"
        lines = [f"rule {self.number}: {describe_rule(self.rule)}{place}", f"  {said}"]
        if self.groups and self.rule.regex != "(.*)":
            texts = ("took no part" if text is None else quoted(text) for text in self.groups)
            lines.append("    " + ", ".join(f"${number} {text}" for number, text in enumerate(texts, 1)))
        lines += [f"    {change}" for change in self.changes]
        return "\n".join(lines)


class Explanation(NamedTuple):
    """What the rules made of `labels`: `result` (None = dropped) and every step up to the one that dropped them."""

    labels: Mapping[str, str]
    result: dict[str, str] | None
    steps: tuple[Step, ...]

    @property
    def dropped_by(self) -> Step | None:
        """The step that dropped the labels, if one did."""
        return self.steps[-1] if self.result is None else None

    def to_dict(self) -> dict[str, Any]:
        """The explanation as plain data for JSON."""
        return {
            "labels": dict(self.labels),
            "result": self.result,
            "dropped": self.result is None,
            "steps": [step.to_dict() for step in self.steps],
        }

    def __str__(self) -> str:
        lines = [f"labels: {format_labels(self.labels)}", *map(str, self.steps)]
        if self.result is None:
            lines.append(f"result: dropped by rule {self.steps[-1].number}")
        else:
            lines.append(f"result: {format_labels(self.result)}")
        return "\n".join(lines)


def explain(labels: Mapping[str, str], rules: "Rules | Iterable[Rule]") -> Explanation:
    """Apply rules one by one and say what each did and why; the input is untouched.

    Raises:
        RelabelTimeout: a regular expression took too long.
    """
    steps = tuple(_step(*walked) for walked in walk(as_rules(rules).compiled, labels))
    end = steps[-1].after if steps else {name: value for name, value in labels.items() if value}
    return Explanation(dict(labels), None if end is None else dict(end), steps)


def _step(rule: CompiledRule, before: dict[str, str], after: dict[str, str] | None) -> Step:
    changes = () if after is None else _changes(before, after)
    facts = _facts(rule, before)
    outcome: Outcome
    if after is None:
        outcome = "dropped"
    elif changes:
        outcome = "changed"
    elif rule.action in _FILTERS:
        outcome = "kept"
    else:
        outcome = "no match" if facts.get("matched") is False else "no-op"
    reason = _REASONS[rule.action](rule, before, outcome, facts)
    return Step(
        number=rule.index + 1, rule=rule.rule, before=before, after=after, outcome=outcome, reason=reason,
        changes=changes, **facts,
    )  # fmt: skip


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Change, ...]:
    names = sorted({*before, *after})
    return tuple(
        Change(name, before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    )


def _facts(rule: CompiledRule, before: Mapping[str, str]) -> dict[str, Any]:
    """What a step knows beside its labels, by the names of `Step`'s fields."""
    if rule.action in _ON_NAMES:
        chosen = tuple(name for name in before if rule.matches(name))
        return {"names": chosen, "matched": bool(chosen)}
    value = rule.joined(lambda name: before.get(name, ""))
    missing = tuple(name for name in rule.sources if name not in before)
    facts: dict[str, Any] = {"value": value, "missing": missing}
    if rule.action in {"replace", "keep", "drop"}:
        captures = rule.captures(value)
        facts["matched"] = captures is not None
        if captures is None:
            facts["near_miss"] = near_miss(rule.pattern, value)
        else:
            facts["groups"] = captures[1:]
    return facts


# -- reasons: one sentence per action


def _joined_text(rule: CompiledRule, facts: Mapping[str, Any]) -> str:
    value, missing = quoted(facts["value"]), facts["missing"]
    if not rule.sources:
        return 'there are no source labels, so the value is ""'
    if rule.sources == missing and len(missing) == 1:
        return f'{missing[0]} is not set, so the value is ""'
    if len(rule.sources) == 1:
        return f"{rule.sources[0]} is {value}"
    text = f"{_list(rule.sources)} give {value}"
    return f"{text} ({_list(missing)} {'is' if len(missing) == 1 else 'are'} not set)" if missing else text


def _match_text(rule: CompiledRule, facts: Mapping[str, Any]) -> str:
    verb = "matches" if facts["matched"] else "does not match"
    text = f"{_joined_text(rule, facts)}, which {verb} {_code(rule.rule.regex)}"
    near = facts.get("near_miss")
    return f"{text}: {near}" if near else text


def _replace_reason(
    rule: CompiledRule, before: Mapping[str, str], outcome: Outcome, facts: Mapping[str, Any]
) -> str:
    text = _match_text(rule, facts)
    if not facts["matched"]:
        return text
    captures = (facts["value"], *facts["groups"])
    target = rule.target.expand(captures)
    change = rule.replaced(facts["value"])
    if change is None:
        return f"{text}, but {quoted(target)} is no valid label name, so the rule is skipped"
    if not change[1]:
        gone = f"so {target} is removed" if target in before else f"and {target} is not set anyway"
        return f"{text}, and the replacement {_code(rule.rule.replacement)} gives nothing, {gone}"
    if outcome == "no-op":
        return f"{text}, and {target} already is {quoted(change[1])}"
    return f"{text}, so {target} becomes {quoted(change[1])}"


def _filter_reason(
    rule: CompiledRule, _before: Mapping[str, str], outcome: Outcome, facts: Mapping[str, Any]
) -> str:
    verdict = "dropped" if outcome == "dropped" else "kept"
    return f"{verdict} because {_match_text(rule, facts)}"


def _equal_reason(
    rule: CompiledRule, before: Mapping[str, str], outcome: Outcome, facts: Mapping[str, Any]
) -> str:
    target = rule.rule.target_label
    other = before.get(target, "")
    verdict = "dropped" if outcome == "dropped" else "kept"
    if other == facts["value"]:
        return f"{verdict} because {_joined_text(rule, facts)}, which equals {target}"
    shown = f"which differs from {target}={quoted(other)}" if other else f"but {target} is not set"
    return f"{verdict} because {_joined_text(rule, facts)}, {shown}"


def _convert_reason(
    rule: CompiledRule, before: Mapping[str, str], outcome: Outcome, facts: Mapping[str, Any]
) -> str:
    target, made = rule.rule.target_label, rule.converted(facts["value"])
    text = f"{_joined_text(rule, facts)}, whose {_CONVERSION_NAMES[rule.action]} is {quoted(made)}"
    if rule.action == "hashmod":
        text += f" modulo {rule.rule.modulus}"
    if not made:
        return (
            f"{text}, so {target} is removed"
            if target in before
            else f"{text}, and {target} is not set anyway"
        )
    return f"{text}, and {target} already is" if outcome == "no-op" else f"{text}, so {target} becomes that"


def _map_reason(
    rule: CompiledRule, _before: Mapping[str, str], outcome: Outcome, facts: Mapping[str, Any]
) -> str:
    names = facts["names"]
    if not names:
        return f"no label name matches {_code(rule.rule.regex)}"
    copied = [f"{name} as {rule.renamed(name)}" for name in names]
    made = [rule.renamed(name) for name in names]
    clash = sorted({str(name) for name in made if made.count(name) > 1})
    text = f"copies {_list(copied)}"
    if clash:
        text += f"; several labels become {_list(clash)}, of which the last one wins"
    return text if outcome == "changed" else f"{text}, which changes nothing"


def _drop_names_reason(
    rule: CompiledRule, before: Mapping[str, str], _outcome: Outcome, facts: Mapping[str, Any]
) -> str:
    matched = facts["names"]
    gone = matched if rule.action == "labeldrop" else [name for name in before if name not in matched]
    if not gone:
        every = "no label name matches" if rule.action == "labeldrop" else "every label name matches"
        return f"{every} {_code(rule.rule.regex)}"
    verb = "matching" if rule.action == "labeldrop" else "not matching"
    return f"removes {_list(gone)}, {verb} {_code(rule.rule.regex)}"


_CONVERSION_NAMES = {"hashmod": "hash", "lowercase": "lower case", "uppercase": "upper case"}
_REASONS = {
    "replace": _replace_reason,
    "keep": _filter_reason,
    "drop": _filter_reason,
    "keepequal": _equal_reason,
    "dropequal": _equal_reason,
    "hashmod": _convert_reason,
    "lowercase": _convert_reason,
    "uppercase": _convert_reason,
    "labelmap": _map_reason,
    "labeldrop": _drop_names_reason,
    "labelkeep": _drop_names_reason,
}


def _code(text: str) -> str:
    """A pattern or template as it is written in the file."""
    return f"`{text}`"


def _list(items: Iterable[str]) -> str:
    found = list(items)
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}" if found else ""


# -- how a rule reads


def rule_fields(rule: "Rule") -> dict[str, Any]:
    """The fields of a rule as prometheus.yml has them, those left out that are at their default."""
    defaults = {"source_labels": (), "separator": ";", "regex": "(.*)", "modulus": 0, "target_label": "",
                "replacement": "$1"}  # fmt: skip
    fields: dict[str, Any] = {}
    for name, default in defaults.items():
        value = getattr(rule, name)
        if value != default:
            fields[name] = list(value) if isinstance(value, tuple) else value
    return {**fields, "action": rule.action}


def describe_rule(rule: "Rule") -> str:
    """A rule in one line: ``replace [a, b] regex `(.+)` -> c = `$1` ``."""
    parts = [rule.action]
    if rule.source_labels:
        parts.append(f"[{', '.join(rule.source_labels)}]")
    if rule.separator != ";":
        parts.append(f"separator {quoted(rule.separator)}")
    if rule.regex != "(.*)":
        parts.append(f"regex {_code(rule.regex)}")
    if rule.modulus:
        parts.append(f"modulus {rule.modulus}")
    if rule.action == "replace":
        parts.append(f"-> {rule.target_label} = {_code(rule.replacement)}")
    elif rule.action == "labelmap":
        parts.append(f"-> {_code(rule.replacement)}")
    elif rule.target_label:
        parts.append(f"-> {rule.target_label}")
    return " ".join(parts)
