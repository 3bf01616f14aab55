"""What other rules would make of a job's targets: each is built twice, by the rules in force and by those proposed.

Pure: nothing is applied. Targets are built by the very functions that the scraper builds them with.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pyscrape.relabel import RelabelConfigError, load_relabel_configs
from pyscrape.relabel.engine import RelabelTimeout
from pyscrape.relabel.plans import Rules
from pyscrape.scrape.failure import ScrapeRefusedError
from pyscrape.scrape.samples import SampleRules
from pyscrape.targets.populate import TargetError, finish_labels

Verdict = Literal["added", "dropped", "changed", "failed", "unchanged"]
VERDICTS: tuple[Verdict, ...] = ("added", "dropped", "failed", "changed", "unchanged")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What rules make of one target: its labels, or None with the error where it cannot be built ("" = dropped)."""

    labels: Mapping[str, str] | None
    error: str = ""

    @property
    def public(self) -> dict[str, str]:
        """The labels that every series of the target gets."""
        return {name: value for name, value in (self.labels or {}).items() if not name.startswith("__")}


@dataclass(frozen=True, slots=True)
class Difference:
    """One target under both rule lists."""

    discovered: Mapping[str, str]
    before: Outcome
    after: Outcome

    @property
    def verdict(self) -> Verdict:
        if self.after.error and self.after.error != self.before.error:
            return "failed"
        if self.before.labels is None and self.after.labels is not None:
            return "added"
        if self.before.labels is not None and self.after.labels is None:
            return "dropped"
        return "unchanged" if self.before == self.after else "changed"


def outcome(discovered: Mapping[str, str], rules: Rules) -> Outcome:
    """What becomes of a discovered target.

    >>> outcome({"__address__": "a:1", "job": "j"}, load_relabel_configs("[]")).error
    'error parsing scrape interval: empty duration string'
    """
    try:
        relabeled = rules.apply(dict(discovered))
        return Outcome(None if relabeled is None else finish_labels(relabeled))
    except (TargetError, RelabelTimeout) as error:
        return Outcome(None, str(error))


def differences(found: Iterable[Mapping[str, str]], now: Rules, proposed: Rules) -> list[Difference]:
    """Every target under the rules in force and the proposed ones, what changes first."""
    made = [Difference(labels, outcome(labels, now), outcome(labels, proposed)) for labels in found]
    return by_verdict(made)


def series_outcome(exposed: Mapping[str, str], rules: SampleRules) -> Outcome:
    """What becomes of one series of a page."""
    try:
        return Outcome(rules.apply(exposed))
    except ScrapeRefusedError as error:
        return Outcome(None, str(error))


def series_differences(
    page: Iterable[Mapping[str, str]], now: SampleRules, proposed: SampleRules
) -> list[Difference]:
    """Every series of a page under the rules in force and the proposed ones, what changes first."""
    made = [
        Difference(labels, series_outcome(labels, now), series_outcome(labels, proposed)) for labels in page
    ]
    return by_verdict(made)


def by_verdict(made: list[Difference]) -> list[Difference]:
    """Differences in the order of `VERDICTS`."""
    order = {verdict: place for place, verdict in enumerate(VERDICTS)}
    return sorted(made, key=lambda one: order[one.verdict])


def read_rules(text: str, scheme: str) -> tuple[Rules | None, list[str]]:
    """The rules of a YAML text, or None and what is wrong with it, one sentence a mistake with its place."""
    try:
        return load_relabel_configs(text, scheme="legacy" if scheme == "legacy" else "utf8"), []
    except RelabelConfigError as error:
        return None, [
            (f"line {problem.line}, column {problem.column}: " if problem.line else "") + problem.message
            for problem in error.problems
        ]
