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
from pyscrape.targets.populate import job_defaults, rules_of
from pyscrape.targets.url import target_url
from pyscrape.web.answers import Answer
from pyscrape.web.pages.discovery_page import Entry, entries
from pyscrape.web.pages.label_text import LabelTextError, parse_labels, print_labels
from pyscrape.web.pages.render import Renderer
from pyscrape.web.pages.shape import cut, weight
from pyscrape.web.pages.what_if import VERDICTS, Difference, Outcome, differences, outcome, read_rules
from pyscrape.web.routes import Call, Mount
from pyscrape.web.services import Services

MOST_CHOICES = 300
MOST_DIFFERENCES = 100
MOST_WEIGHT = 500_000
MOST_FORM_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Form:
    """What was asked: a job, one of its targets, and rules and labels where they were edited."""

    job: str
    target: str
    rules: str | None
    labels: str | None


class RelabelPage:
    """`/relabel`."""

    def __init__(self, services: Services, renderer: Renderer) -> None:
        self._services = services
        self._render = renderer

    def mounts(self) -> list[Mount]:
        return [
            Mount("/relabel", self.show, ("GET", "POST"), place="thread", most_body_bytes=MOST_FORM_BYTES)
        ]

    def show(self, call: Call) -> Answer:
        params = dict(reversed(call.params.items()))
        form = Form(
            params.get("job", ""), params.get("target", ""), params.get("rules"), params.get("labels")
        )
        pools = dict(sorted(self._services.pools.pools.items()))
        pool = pools.get(form.job) or next(iter(pools.values()), None)
        values: dict[str, Any] = {"jobs": list(pools), "job": pool.job.name if pool else "", "form": form}
        return self._render.page("relabel.html", "relabel", **values, **_answer(pool, form))


def _answer(pool: Pool | None, form: Form) -> dict[str, Any]:
    """Everything that the template shows beside the form's own fields."""
    found = entries(pool) if pool is not None else []
    chosen = next((entry for entry in found if entry.id == form.target), None)
    if chosen is None and form.labels is None and found:
        chosen = found[0]
    scheme = pool.job.config.metric_name_validation_scheme if pool is not None else "utf8"
    in_force = rules_text(pool.job.config.relabel_configs) if pool is not None else "[]\n"
    text = in_force if form.rules is None else form.rules.replace("\r\n", "\n")
    rules, mistakes = read_rules(text, scheme)
    # A target that was chosen anew brings its own labels.
    label_text = form.labels if form.labels is not None else print_labels(chosen.discovered if chosen else {})
    values: dict[str, Any] = {
        "choices": _choices(found, chosen),
        "hidden_choices": max(0, len(found) - MOST_CHOICES),
        "target": chosen.id if chosen else "",
        "rules_text": text,
        "edited": text.strip() != in_force.strip(),
        "label_text": label_text,
        "mistakes": mistakes,
        "label_error": "",
        "explanation": None,
        "what_if": None,
        "test": "",
    }
    if rules is None:
        return values
    try:
        labels = parse_labels(label_text)
        if labels:
            values |= _explained(labels, rules, pool)
    except (LabelTextError, RelabelTimeout) as error:
        values["label_error"] = str(error)
    if pool is not None and values["edited"]:
        values["what_if"] = _what_if(found, rules_of(pool.job.config), rules)
    return values


def _explained(labels: Mapping[str, str], rules: Rules, pool: Pool | None) -> dict[str, Any]:
    explanation = explain(labels, rules)
    # Pasted labels may lack what every target of the job has; the steps show them as they are.
    whole = {**(job_defaults(pool.job.config) if pool is not None else {}), **labels}
    made = outcome(whole, rules)
    url = ""
    if made.labels is not None and pool is not None:
        url = target_url(made.labels, pool.job.config.params)
    return {
        "explanation": explanation,
        "steps": _steps(explanation),
        "made": made,
        "url": cut(url),
        "test": unit_test(labels, explanation, rules),
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


def _what_if(found: Sequence[Entry], now: Rules, proposed: Rules) -> dict[str, Any]:
    """Counts of all targets, and as many of the changed ones as the page has room for."""
    all_of_them = differences([entry.discovered for entry in found], now, proposed)
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
    return cut(found.public.get("instance") or one.discovered.get("__address__", ""))


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


def unit_test(labels: Mapping[str, str], explanation: Explanation, rules: Rules) -> str:
    """A file for `pyscrape test` that expects what the explanation found."""
    case: dict[str, Any] = {"name": "what the relabel page showed", "labels": dict(sorted(labels.items()))}
    if explanation.dropped_by is not None:
        case["dropped_by"] = explanation.dropped_by.number
    else:
        case["expect"] = dict(sorted((explanation.result or {}).items()))
    file = {"rules": [rule_fields(rule) for rule in rules], "cases": [case]}
    return _dump(file)
