"""The relabel page: why a target is what it is, and what other rules would make of all targets of its job.

A form and its answer, rendered here: the script only sends the form as one types. Nothing is ever applied.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from pyscrape.relabel import explain
from pyscrape.relabel.engine import RelabelTimeout
from pyscrape.relabel.explanation import Explanation, describe_rule, rule_fields
from pyscrape.relabel.plans import Rules
from pyscrape.scrape.pool import Pool
from pyscrape.scrape.samples import SampleRules
from pyscrape.targets.manifests import InputError
from pyscrape.targets.populate import rules_of
from pyscrape.targets.url import target_url
from pyscrape.web.answers import Answer
from pyscrape.web.pages.discovery_page import Entry, entries
from pyscrape.web.pages.label_text import LabelTextError, parse_labels, print_labels
from pyscrape.web.pages.pasted import pasted_targets
from pyscrape.web.pages.render import Renderer
from pyscrape.web.pages.shape import cut, label_id, weight
from pyscrape.web.pages.what_if import (
    VERDICTS,
    Difference,
    Outcome,
    differences,
    outcome,
    read_rules,
    series_differences,
)
from pyscrape.web.routes import Call
from pyscrape.web.services import AgentServices

MOST_CHOICES = 300
MOST_DIFFERENCES = 100
MOST_WEIGHT = 500_000
MOST_SERIES = 20_000
MOST_EXPLAINED = 20


@dataclass(frozen=True, slots=True)
class Form:
    """What was asked: a job, one of its targets, and rules and labels where they were edited."""

    job: str
    target: str
    rules: str | None
    labels: str | None
    metric: bool = False


class RelabelPage:
    """`/relabel`."""

    def __init__(self, services: AgentServices, renderer: Renderer) -> None:
        self._services = services
        self._render = renderer

    def show(self, call: Call) -> Answer:
        params = dict(reversed(call.params.items()))
        form = Form(
            params.get("job", ""),
            params.get("target", ""),
            params.get("rules"),
            params.get("labels"),
            params.get("stage") == "metric",
        )
        pools = dict(sorted(self._services.pools.pools.items()))
        pool = pools.get(form.job)
        if pool is None and "job" not in params:
            pool = next(iter(pools.values()), None)
        values: dict[str, Any] = {"jobs": list(pools), "job": pool.job.name if pool else "", "form": form}
        return self._render.page("relabel.html", "relabel", **values, **_answer(pool, form))


def _answer(pool: Pool | None, form: Form) -> dict[str, Any]:
    """Everything that the template shows beside the form's own fields."""
    found = entries(pool) if pool is not None else []
    if form.metric:
        found = [entry for entry in found if entry.labels is not None]
    chosen = next((entry for entry in found if entry.id == form.target), None)
    if chosen is None and found and (form.labels is None or form.metric):
        chosen = found[0]
    page = LastPage(pool, chosen.id) if pool is not None and chosen is not None and form.metric else None
    in_force = rules_text(_rules_in_force(pool, form.metric))
    text = in_force if form.rules is None else form.rules.replace("\r\n", "\n")
    scheme = pool.job.config.metric_name_validation_scheme if pool is not None else "utf8"
    rules, mistakes = read_rules(text, scheme)
    if form.labels is not None:
        label_text = form.labels
    elif page is not None:
        label_text = print_labels(page.first_series())
    else:
        label_text = print_labels(chosen.discovered if chosen else {})
    edited = text.strip() != in_force.strip()
    values: dict[str, Any] = {
        "choices": _choices(found, chosen),
        "hidden_choices": max(0, len(found) - MOST_CHOICES),
        "target": chosen.id if chosen else "",
        "rules_text": text,
        "edited": edited,
        "label_text": label_text,
        "mistakes": mistakes,
        "label_error": "",
        "explained": [],
        "more_explained": 0,
        "what_if": None,
        "test": "",
    }
    if rules is None:
        return values
    try:
        given = [parse_labels(label_text)] if form.metric else pasted_targets(label_text, pool)
        shown = [labels for labels in given if labels][:MOST_EXPLAINED]
        values["explained"] = explained = [_explained(labels, rules, pool, form.metric) for labels in shown]
        values["more_explained"] = len(given) - len(shown) if explained else 0
        values["test"] = unit_test([(one["labels"], one["explanation"]) for one in explained], rules)
    except (LabelTextError, InputError, RelabelTimeout) as error:
        values["label_error"] = str(error)
    if page is not None:
        # Unedited, the comparison is with the page as it came.
        values["what_if"] = _what_if(page.differences(rules, from_in_force=edited))
    elif pool is not None and edited:
        discovered = [entry.discovered for entry in found]
        values["what_if"] = _what_if(differences(discovered, rules_of(pool.job.config), rules))
    return values


def _rules_in_force(pool: Pool | None, metric: bool) -> Sequence[Any]:
    if pool is None:
        return ()
    config = pool.job.config
    return config.metric_relabel_configs if metric else config.relabel_configs


class LastPage:
    """The series of a target's last page, at most `MOST_SERIES` of them."""

    def __init__(self, pool: Pool, target: str) -> None:
        self._config = pool.job.config
        loops = list(pool.loops.values())
        self._loop = next(loop for loop in loops if label_id(loop.target.discovered) == target)
        layout = self._loop.intake.reader.layout
        size = 0 if layout is None else min(layout.size, MOST_SERIES)
        self.series = [] if layout is None else [layout.labels(index) for index in range(size)]

    def _rules(self, rules: Rules | None) -> SampleRules:
        return SampleRules(self._loop.target.labels, honor_labels=self._config.honor_labels, rules=rules)

    def first_series(self) -> Mapping[str, str]:
        """Labels of the first series as the rules see them."""
        return (self._rules(None).apply(self.series[0]) or {}) if self.series else {}

    def differences(self, proposed: Rules, *, from_in_force: bool) -> list[Difference]:
        """Every series under the proposed rules, beside the rules in force or none."""
        now = self._loop.job.rules_for(self._loop.target) if from_in_force else self._rules(None)
        return series_differences(self.series, now, self._rules(proposed))


def _explained(labels: Mapping[str, str], rules: Rules, pool: Pool | None, metric: bool) -> dict[str, Any]:
    explanation = explain(labels, rules)
    made = Outcome(explanation.result) if metric else outcome(labels, rules)
    url = ""
    if made.labels is not None and not metric:
        url = target_url(made.labels, pool.job.config.params if pool is not None else {})
    return {
        "labels": labels,
        "name": cut(labels.get("__name__" if metric else "__address__", "")),
        "explanation": explanation,
        "steps": _steps(explanation),
        "made": made,
        "url": cut(url),
    }


def _steps(explanation: Explanation) -> list[dict[str, Any]]:
    return [
        {
            "number": step.number,
            "rule": cut(describe_rule(step.rule)),
            "place": step.place if step.rule.file not in ("", "-") else "",
            "outcome": step.outcome,
            "reason": cut(step.reason),
            "groups": [cut(group or "") for group in step.groups],
            "changes": [
                {"name": c.name, "before": None if c.before is None else cut(c.before),
                 "after": None if c.after is None else cut(c.after)}
                for c in step.changes
            ],
        }
        for step in explanation.steps
    ]  # fmt: skip


def _choices(found: Sequence[Entry], chosen: Entry | None) -> list[dict[str, str]]:
    shown = list(found[:MOST_CHOICES])
    if chosen is not None and chosen not in shown:
        shown.insert(0, chosen)
    return [
        {
            "id": entry.id,
            "state": entry.state,
            "name": cut((entry.labels or {}).get("instance") or entry.discovered.get("__address__", "")),
        }
        for entry in shown
    ]


def _what_if(all_of_them: Sequence[Difference]) -> dict[str, Any]:
    """Counts of all, and as many of the changed ones as the page has room for."""
    counts = Counter(one.verdict for one in all_of_them)
    room = MOST_WEIGHT
    rows = []
    for one in all_of_them[:MOST_DIFFERENCES]:
        room -= weight(one.before.public.items()) + weight(one.after.public.items())
        if one.verdict == "unchanged" or room < 0:
            break
        rows.append(
            {"verdict": one.verdict, "labels": _coloured(one), "error": one.after.error, "name": _name(one)}
        )
    changed = len(all_of_them) - counts["unchanged"]
    return {
        "counts": [(verdict, counts[verdict]) for verdict in VERDICTS if counts[verdict]],
        "total": len(all_of_them),
        "rows": rows,
        "hidden": changed - len(rows),
    }


def _name(one: Difference) -> str:
    found: Outcome = one.after if one.after.labels is not None else one.before
    name = one.discovered.get("__name__", "")
    return cut(name or found.public.get("instance") or one.discovered.get("__address__", ""))


def _coloured(one: Difference) -> list[tuple[str, str, str]]:
    """Label name, text and how it differs: "added", "gone", "changed" or ""; `__address__` and such where changed."""
    before, after = one.before.labels or {}, one.after.labels or {}
    rows = []
    both = bool(before and after)
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if name.startswith("__") and (old == new or not both):
            continue
        if old == new:
            rows.append((name, cut(new or ""), ""))
        elif old is None:
            rows.append((name, cut(new or ""), "added"))
        elif new is None:
            rows.append((name, cut(old), "gone"))
        else:
            rows.append((name, f"{cut(old)} → {cut(new)}", "changed"))
    return rows


class _Dumper(yaml.SafeDumper):
    """Lists of texts on one line, as people write source_labels."""

    def represent_list_in_line(self, found: list[Any]) -> yaml.Node:
        in_line = all(isinstance(one, str) for one in found)
        return self.represent_sequence("tag:yaml.org,2002:seq", found, flow_style=in_line)


_Dumper.add_representer(list, _Dumper.represent_list_in_line)


def _dump(found: object) -> str:
    return yaml.dump(found, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)


def rules_text(rules: Sequence[Any]) -> str:
    """Rules as prometheus.yml has them."""
    fields = [rule_fields(rule) for rule in rules]
    return _dump(fields) if fields else "[]\n"


def unit_test(explained: Sequence[tuple[Mapping[str, str], Explanation]], rules: Rules) -> str:
    """A file for `pyscrape test` that expects what the explanations found."""
    cases = []
    for number, (labels, explanation) in enumerate(explained, 1):
        name = "what the relabel page showed" + (f", target {number}" if len(explained) > 1 else "")
        case: dict[str, Any] = {"name": name, "labels": dict(sorted(labels.items()))}
        if explanation.dropped_by is not None:
            case["dropped_by"] = explanation.dropped_by.number
        else:
            case["expect"] = dict(sorted((explanation.result or {}).items()))
        cases.append(case)
    return _dump({"rules": [rule_fields(rule) for rule in rules], "cases": cases})
