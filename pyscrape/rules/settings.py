"""The shape of a rule file: groups of recording and alerting rules.

What needs PromQL (expressions) is checked by `config.rulefiles`; this module holds what may be written.
"""

from collections.abc import Mapping

from pyscrape.model.duration import Duration
from pyscrape.model.kinds import DURATION, INT, TEXT, TEXT_MAP, ListKind
from pyscrape.model.names import quoted, valid_label_name, valid_metric_name
from pyscrape.model.settings import Section, SectionKind, Settings, setting

_FORBIDDEN_LABELS = {"__name__"}


class RuleConfig(Settings, go_type="rulefmt.Rule"):
    """A recording rule (`record`) or an alerting rule (`alert`)."""

    record: str = setting(TEXT, "Metric name of the result.")
    alert: str = setting(TEXT, "Name of the alert.")
    expr: str = setting(TEXT, "PromQL expression (required).", always=True)
    for_: Duration = setting(DURATION, "How long the expression must hold before the alert fires.", key="for")
    keep_firing_for: Duration = setting(DURATION, "How long an alert goes on firing afterwards.")
    labels: Mapping[str, str] = setting(TEXT_MAP, "Labels of the result.")
    annotations: Mapping[str, str] = setting(TEXT_MAP, "Texts of the alert.")

    @classmethod
    def finish(cls, section: Section) -> None:
        record, alert = section["record"], section["alert"]
        if record and alert:
            section.error("only one of 'record' and 'alert' must be set", "record")
        if not record and not alert and not section.failed & {"record", "alert"}:
            section.error("one of 'record' or 'alert' must be set", "record")
        if not section["expr"].strip() and "expr" not in section.failed:
            section.error("field 'expr' must be set in rule", "expr")
        if record:
            _check_recording(section, record)
        _check_labels(section)


def _check_recording(section: Section, record: str) -> None:
    for name in ("annotations", "for", "keep_firing_for"):
        if section.values.get(name):
            section.error(f"invalid field '{name}' in recording rule", name)
    if not valid_metric_name(record, "utf8"):
        section.error(f"invalid recording rule name: {record}", "record")
    elif "{" in record or "}" in record:
        section.error(f"braces present in the recording rule name; should it be in expr?: {record}", "record")


def _check_labels(section: Section) -> None:
    for name in section["labels"]:
        if not valid_label_name(name, "utf8") or name in _FORBIDDEN_LABELS:
            section.error(f"invalid label name: {name}", "labels")
    for name in section["annotations"]:
        if not valid_label_name(name, "utf8"):
            section.error(f"invalid annotation name: {name}", "annotations")


class RuleGroup(Settings, go_type="rulefmt.RuleGroup"):
    """Rules that are evaluated one after the other."""

    name: str = setting(TEXT, "Name of the group (required, unique in the file).", always=True)
    interval: Duration = setting(DURATION, "How often to evaluate; global.evaluation_interval by default.")
    query_offset: Duration = setting(DURATION, "How far in the past the rules look.")
    limit: int = setting(INT, "Most series of a rule; 0 is no limit.")
    rules: tuple[RuleConfig, ...] = setting(ListKind(SectionKind(RuleConfig)), "The rules.", always=True)
    labels: Mapping[str, str] = setting(TEXT_MAP, "Labels of all results.")

    @classmethod
    def finish(cls, section: Section) -> None:
        if not section["name"] and "name" not in section.failed:
            section.error("Groupname must not be empty", "name")
        for name in section["labels"]:
            if not valid_label_name(name, "utf8") or name in _FORBIDDEN_LABELS:
                section.error(f"invalid label name: {name}", "labels")


class RuleGroups(Settings, go_type="rulefmt.RuleGroups"):
    """A rule file."""

    groups: tuple[RuleGroup, ...] = setting(ListKind(SectionKind(RuleGroup)), "The groups.", always=True)

    @classmethod
    def finish(cls, section: Section) -> None:
        seen: set[str] = set()
        for child in section.items("groups"):
            name = child["name"]
            if name and name in seen:
                child.error(
                    f"groupname: {quoted(name)} is repeated in the same file",
                    "name",
                    problem_id="duplicate-name",
                )
            seen.add(name)
