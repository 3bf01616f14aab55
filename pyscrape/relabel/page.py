"""What metric_relabel_configs do to a whole page: per rule what it dropped and changed, and what fell together."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pyscrape.model.labels import METRIC_NAME
from pyscrape.model.names import quoted
from pyscrape.relabel.engine import CompiledRule, walk
from pyscrape.relabel.explanation import describe_rule, rule_fields
from pyscrape.relabel.load import as_rules
from pyscrape.relabel.plans import Rules

if TYPE_CHECKING:
    from pyscrape.relabel.settings import Rule

_EXAMPLES = 3


def series_text(labels: Mapping[str, str]) -> str:
    """A series as a page shows it: `name{a="b"}`."""
    others = ", ".join(
        f"{name}={quoted(value)}" for name, value in sorted(labels.items()) if name != METRIC_NAME
    )
    return labels.get(METRIC_NAME, "") + (f"{{{others}}}" if others else "")


class RuleReport:
    """What one rule did to the series that reached it; `examples` are a few of those it dropped or changed."""

    def __init__(self, rule: CompiledRule) -> None:
        self.number = rule.index + 1
        self.rule = rule.rule
        self.reached = self.dropped = self.changed = self.renamed = 0
        self.examples: list[tuple[str, str | None]] = []

    def count(self, before: Mapping[str, str], after: Mapping[str, str] | None) -> None:
        """Count one series; `after` is None where the rule dropped it."""
        self.reached += 1
        if after is None:
            self.dropped += 1
        elif after != before:
            self.changed += 1
            self.renamed += before.get(METRIC_NAME) != after.get(METRIC_NAME)
        else:
            return
        if len(self.examples) < _EXAMPLES:
            self.examples.append((series_text(before), None if after is None else series_text(after)))

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data for JSON."""
        return {
            "number": self.number,
            "rule": rule_fields(self.rule),
            "line": self.rule.line,
            "description": describe_rule(self.rule),
            "reached": self.reached,
            "dropped": self.dropped,
            "changed": self.changed,
            "renamed": self.renamed,
            "examples": [{"before": before, "after": after} for before, after in self.examples],
        }


class PageReport:
    """What rules made of the series of a page.

    `kept`: the resulting label sets in the order of the page, `collisions`: results that several series share, with
    those series, `nameless`: series without a metric name at the end, which make the whole scrape fail.
    """

    def __init__(self, rules: Sequence[RuleReport]) -> None:
        self.rules = rules
        self.series_before = self.bytes_before = self.bytes_after = 0
        self.kept: list[dict[str, str]] = []
        self.collisions: dict[str, list[str]] = {}
        self.nameless: list[str] = []

    @property
    def names(self) -> set[str]:
        """The metric names that are left."""
        return {labels.get(METRIC_NAME, "") for labels in self.kept}

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data for JSON."""
        return {
            "series_before": self.series_before,
            "series_after": len(self.kept),
            "bytes_before": self.bytes_before,
            "bytes_after": self.bytes_after,
            "rules": [rule.to_dict() for rule in self.rules],
            "collisions": [
                {"series": series, "from": made_of} for series, made_of in self.collisions.items()
            ],
            "without_name": self.nameless,
        }

    def __str__(self) -> str:
        sizes = f"{self.series_before} -> {len(self.kept)}, label bytes: {self.bytes_before} -> {self.bytes_after}"
        lines = [f"series: {sizes}"]
        for rule in self.rules:
            lines.append(f"rule {rule.number}: {describe_rule(rule.rule)}")
            kept = rule.reached - rule.dropped
            lines.append(
                f"  kept {kept}, dropped {rule.dropped}, changed {rule.changed}, renamed {rule.renamed}"
            )
            lines += [f"    {before} -> {after or 'dropped'}" for before, after in rule.examples]
        for series, made_of in self.collisions.items():
            lines.append(
                f"collision: {len(made_of)} series become {series}: {', '.join(made_of[:_EXAMPLES])}"
            )
        if self.nameless:
            lines.append(
                f"without a metric name: {len(self.nameless)} series, the scrape will fail: {self.nameless[0]}"
            )
        return "\n".join(lines)


def relabel_page(series: Iterable[Mapping[str, str]], rules: "Rules | Iterable[Rule]") -> PageReport:
    """Apply rules to every series of a page (labels with `__name__`) and count what each rule did.

    Raises:
        RelabelTimeout: a regular expression took too long.
    """
    compiled = as_rules(rules).compiled
    report = PageReport([RuleReport(rule) for rule in compiled])
    made: dict[str, list[str]] = {}
    for labels in series:
        text = series_text(labels)
        report.series_before += 1
        report.bytes_before += len(text.encode())
        result: dict[str, str] | None = {name: value for name, value in labels.items() if value}
        for rule_report, (_, before, result) in zip(report.rules, walk(compiled, labels), strict=False):
            rule_report.count(before, result)
        if result is None:
            continue
        report.kept.append(result)
        after = series_text(result)
        report.bytes_after += len(after.encode())
        made.setdefault(after, []).append(text)
        if METRIC_NAME not in result:
            report.nameless.append(text)
    report.collisions = {after: texts for after, texts in made.items() if len(texts) > 1}
    return report
