"""Relabel unit tests as files: reading `*.relabel.yml`, running a case, saying what differs.

    config: prometheus.yml            # beside this file; or `rules:` with a list of rules
    job: kubernetes-pods
    cases:
      - name: an annotated pod is scraped on its port
        object: pod.yml               # or `labels:`, or `page:` (a file of metrics)
        expect: {job: kubernetes-pods, instance: "10.1.0.5:9102", namespace: shop}
      - name: others are dropped
        labels: {__address__: "10.1.0.6:80"}
        dropped_by: 1

What stands at the top holds for all cases that do not say otherwise. `pyscrape help relabel` has all fields.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyscrape.cli.relabel_inputs import (
    explain_page,
    explain_target,
    find_job,
    page_series,
    read_text,
)
from pyscrape.config import ConfigError
from pyscrape.model.kinds import BOOL, TEXT, EnumKind, IntKind, ListKind, MapKind
from pyscrape.model.names import ValidationScheme, quoted
from pyscrape.model.problems import Problem
from pyscrape.model.settings import Decoder, Section, SectionKind, Settings, Spot, setting
from pyscrape.model.yaml_nodes import YAMLError, compose
from pyscrape.relabel.engine import RelabelTimeout
from pyscrape.relabel.explanation import Explanation, explain
from pyscrape.relabel.page import PageReport, relabel_page
from pyscrape.relabel.plans import compile_rules
from pyscrape.relabel.settings import Rule
from pyscrape.relabel.testing import differences
from pyscrape.targets.manifests import InputError, ManifestKind, object_targets, read_manifests

_LABELS = MapKind(TEXT)
_RULES = ListKind(SectionKind(Rule), null_item="empty or null relabeling rule")
_SCHEMES = EnumKind(("utf8", "legacy"), lambda text: f"unrecognized ValidationScheme: {quoted(text)}")
_INPUTS = ("labels", "object", "page")
_OF_TARGETS = ("expect_all", "dropped_by", "error")
_OF_A_PAGE = ("series", "present", "absent")
_EXPECTATIONS = ("expect", "has", "lacks", "dropped", *_OF_TARGETS, *_OF_A_PAGE)


class RelabelCase(Settings, go_type="relabel.case"):
    """One case: an input, the rules it goes through, and what is expected of it."""

    name: str = setting(TEXT, "What the case shows.")
    config: str = setting(TEXT, "A prometheus.yml, beside the test's file.")
    job: str = setting(TEXT, "The job of that config.")
    rules: tuple[Rule, ...] = setting(_RULES, "Rules of the test's own instead of a job's.")
    scheme: str = setting(_SCHEMES, "Validation of label names with rules of the test's own.", default="utf8")
    labels: Mapping[str, str] = setting(
        _LABELS, "Labels of a discovered target; with a page, those of the scraped target."
    )
    object: Any = setting(ManifestKind(), "Kubernetes objects: a file, a mapping or a list of mappings.")
    page: str = setting(TEXT, "A page of metrics, a file; goes through metric_relabel_configs.")
    expect: Mapping[str, str] = setting(
        _LABELS, "All labels of the result; those with __ only where they are named."
    )
    expect_all: tuple[Mapping[str, str], ...] = setting(ListKind(_LABELS), "The results of several targets.")
    has: Mapping[str, str] = setting(_LABELS, "Some labels of every result.")
    lacks: tuple[str, ...] = setting(ListKind(TEXT), "Label names that no result has.")
    dropped: bool = setting(BOOL, "Every target is dropped.")
    dropped_by: int = setting(
        IntKind(unsigned=True), "The number, from 1, of the rule that drops every target."
    )
    error: str = setting(TEXT, "A part of the reason why there is no target.")
    series: int = setting(IntKind(unsigned=True), "How many series of the page are left.", default=-1)
    present: tuple[str, ...] = setting(ListKind(TEXT), "Metric names that are left of the page.")
    absent: tuple[str, ...] = setting(ListKind(TEXT), "Metric names that are not left of the page.")
    line: int = setting(IntKind(), "Line of the case.", default=0, hidden=True)
    own_rules: bool = setting(
        BOOL, "Whether `rules` stands in the case, if only as an empty list.", hidden=True
    )

    @classmethod
    def finish(cls, section: Section) -> None:
        section.values["line"] = section.node.line
        section.values["own_rules"] = section.given("rules")
        if not section["name"] and "name" not in section.failed:
            section.error("the case has no name", "name")
        inputs = [name for name in _INPUTS if section.given(name)]
        if not inputs:
            section.error(f"the case has no input: one of {', '.join(_INPUTS)}")
        if "object" in inputs and len(inputs) > 1:
            section.error(
                f"`object` does not go with `{next(name for name in inputs if name != 'object')}`", "object"
            )
        _check_expectations(section, on_page="page" in inputs)
        if not any(section.given(name) for name in _EXPECTATIONS):
            section.error(f"the case expects nothing: one of {', '.join(_EXPECTATIONS)}")


def _check_expectations(section: Section, *, on_page: bool) -> None:
    """Refuse what would be read and not looked at: a case that passes whatever the rules do."""
    others, what = (
        (_OF_TARGETS, "targets, not for a page") if on_page else (_OF_A_PAGE, "a page, not for targets")
    )
    for name in _EXPECTATIONS:
        if not section.given(name) or name in section.failed:
            continue
        if section[name] in ({}, (), "") or section[name] is False:
            section.error(f"`{name}` is empty and so expects nothing", name)
        elif name in others:
            section.error(f"`{name}` is for {what}", name)
    if section.given("dropped_by") and section["dropped_by"] == 0:
        section.error("`dropped_by` is the number of a rule, and rules count from 1", "dropped_by")


class RelabelTests(Settings, go_type="relabel.tests"):
    """A file of cases, and what holds for all of them."""

    config: str = setting(TEXT, "A prometheus.yml, beside this file.")
    job: str = setting(TEXT, "The job of that config.")
    rules: tuple[Rule, ...] = setting(_RULES, "Rules of the tests' own instead of a job's.")
    scheme: str = setting(_SCHEMES, "Validation of label names with rules of the tests' own.", default="utf8")
    cases: tuple[RelabelCase, ...] = setting(
        ListKind(SectionKind(RelabelCase), null_item="empty case"), "The cases."
    )
    own_rules: bool = setting(
        BOOL, "Whether `rules` stands in the file, if only as an empty list.", hidden=True
    )

    @classmethod
    def finish(cls, section: Section) -> None:
        if not section["cases"] and "cases" not in section.failed:
            section.error("the file has no cases", "cases")
        own_rules = section.values["own_rules"] = section.given("rules")
        for case in section.items("cases"):
            if case.given("rules") or (own_rules and not case.given("job")):
                continue
            for name in ("config", "job"):
                if not case.given(name) and not section.given(name):
                    case.error(f"the case has neither `rules` nor a `{name}`")


class TestFileError(ValueError):
    """A file of tests that cannot be read; `problems` has every mistake with its place."""

    __test__ = False  # no test itself, whatever its name makes pytest think

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(map(str, problems)))


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How a case went: `failures` is empty where it passed, `details` explains the rules."""

    name: str
    file: str
    line: int
    failures: tuple[str, ...] = ()
    details: str = ""

    @property
    def passed(self) -> bool:
        """Whether everything was as expected."""
        return not self.failures


@dataclass(frozen=True, slots=True)
class RelabelTestFile:
    """A file of tests that was read; `run` runs one of its cases."""

    path: Path
    tests: RelabelTests

    def run(self, case: RelabelCase) -> CaseResult:
        """Run a case; whatever goes wrong is a failure of it."""
        try:
            failures, details = _run(self, case)
        except ConfigError as error:
            failures, details = [str(problem) for problem in error.problems], ""
        except (InputError, RelabelTimeout, OSError) as error:
            failures, details = [str(error)], ""
        return CaseResult(case.name, str(self.path), case.line, tuple(failures), details)

    def beside(self, name: str) -> Path:
        """A path as seen from the file's directory."""
        return self.path.parent / name


def read_tests(path: Path) -> RelabelTestFile:
    """Read a file of tests.

    Raises:
        TestFileError: it holds mistakes.
        OSError: it cannot be read.
    """
    text = path.read_text(encoding="utf-8")
    try:
        root = compose(text).root
    except YAMLError as error:
        raise TestFileError(
            [Problem("error", "yaml", error.message, str(path), error.line, error.column)]
        ) from None
    decoder = Decoder(file=str(path), text_size=len(text))
    if root is None or root.is_null:
        raise TestFileError([Problem("error", "no-cases", "the file has no cases", str(path), 1, 1)])
    tests = SectionKind(RelabelTests).decode(Spot(decoder, root, ()))
    errors = [problem for problem in decoder.problems if problem.severity == "error"]
    if errors:
        raise TestFileError(errors)
    return RelabelTestFile(path, tests)


def _run(file: RelabelTestFile, case: RelabelCase) -> tuple[list[str], str]:
    """The failures of a case, and the explanation that goes with them."""
    job = _job(file, case)
    if case.page:
        report = _page_report(file, case, job)
        return _page_failures(case, report), str(report)
    outcomes = _outcomes(file, case, job)
    return _target_failures(case, outcomes), "\n\n".join(outcome.text for outcome in outcomes)


def _job(file: RelabelTestFile, case: RelabelCase) -> Any | None:
    """The job whose rules count, None where the test has rules of its own."""
    tests = file.tests
    if case.own_rules or (tests.own_rules and not case.job):
        return None
    return find_job(str(file.beside(case.config or tests.config)), case.job or tests.job)


# -- targets


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of one target: its final labels (None: there is none), and how."""

    labels: Mapping[str, str] | None
    explanation: Explanation
    error: str
    text: str


def _outcomes(file: RelabelTestFile, case: RelabelCase, job: Any | None) -> list[_Outcome]:
    if job is None:
        if case.object is not None:
            raise InputError(
                "a Kubernetes object needs a job: the rules alone do not say by which role it is found"
            )
        explanation = explain(case.labels, _own_rules(file, case))
        return [_Outcome(explanation.result, explanation, "", str(explanation))]
    found = (
        object_targets(job, _objects(file, case.object)) if case.object is not None else [(case.labels, {})]
    )
    reports = [explain_target(job, own, group) for own, group in found]
    return [_Outcome(report.final, report.explanation, report.error, str(report)) for report in reports]


def _own_rules(file: RelabelTestFile, case: RelabelCase) -> Any:
    rules, scheme_text = (
        (case.rules, case.scheme) if case.own_rules else (file.tests.rules, file.tests.scheme)
    )
    scheme: ValidationScheme = "legacy" if scheme_text == "legacy" else "utf8"
    return compile_rules(rules, scheme)


def _objects(file: RelabelTestFile, given: Any) -> list[Mapping[str, Any]]:
    if isinstance(given, str):
        return list(read_manifests(read_text(file.beside(given))))
    objects = list(given) if isinstance(given, (list, tuple)) else [given]
    if not all(isinstance(item, Mapping) for item in objects):
        raise InputError("`object` is a file, a mapping or a list of mappings")
    return objects


def _target_failures(case: RelabelCase, outcomes: Sequence[_Outcome]) -> list[str]:
    failures: list[str] = []
    kept = [outcome.labels for outcome in outcomes if outcome.labels is not None]
    for outcome in outcomes:
        failures += _drop_failures(case, outcome)
    if case.expect or case.has or case.lacks:
        if not kept:
            failures.append("expected a target, but there is none" + _why_not(outcomes))
        for labels in kept:
            failures += _label_failures(case, labels)
    if case.expect and len(kept) > 1:
        failures.append(f"`expect` is for one target, but there are {len(kept)}: use `expect_all` or `has`")
    if case.expect_all:
        failures += _all_failures(case.expect_all, kept)
    return failures


def _why_not(outcomes: Sequence[_Outcome]) -> str:
    for outcome in outcomes:
        step = outcome.explanation.dropped_by
        if step is not None:
            return f": rule {step.number} {step.reason}"
        if outcome.error:
            return f": {outcome.error}"
    return ""


def _drop_failures(case: RelabelCase, outcome: _Outcome) -> list[str]:
    step = outcome.explanation.dropped_by
    failures = []
    if case.dropped_by and (step is None or step.number != case.dropped_by):
        found = "it was kept" if step is None else f"rule {step.number} dropped it: {step.reason}"
        failures.append(f"expected rule {case.dropped_by} to drop the target, but {found}")
    if case.dropped and step is None:
        failures.append("expected the target to be dropped, but it was kept")
    if case.error and case.error not in outcome.error:
        failures.append(f"expected the error {quoted(case.error)}, got {quoted(outcome.error)}")
    return failures


def _shown(labels: Mapping[str, str], expected: Mapping[str, str]) -> dict[str, str]:
    """The labels that `expected` is about: public ones, and hidden ones that it names."""
    return {name: value for name, value in labels.items() if not name.startswith("__") or name in expected}


def _label_failures(case: RelabelCase, labels: Mapping[str, str]) -> list[str]:
    failures = differences(_shown(labels, case.expect), case.expect) if case.expect else []
    failures += differences({name: labels[name] for name in case.has if name in labels}, case.has)
    failures += [
        f"label {name}: not expected, is {quoted(labels[name])}" for name in case.lacks if name in labels
    ]
    return failures


def _all_failures(expected: Sequence[Mapping[str, str]], kept: Sequence[Mapping[str, str]]) -> list[str]:
    rest = list(kept)
    failures = []
    for number, wanted in enumerate(expected, 1):
        found = next((labels for labels in rest if not differences(_shown(labels, wanted), wanted)), None)
        if found is not None:
            rest.remove(found)
        elif len(rest) == 1:
            failures += [f"target {number}: {line}" for line in differences(_shown(rest[0], wanted), wanted)]
        else:
            failures.append(f"target {number}: no target has the labels {dict(wanted)}")
    if len(kept) != len(expected):
        failures.append(f"expected {len(expected)} targets, got {len(kept)}")
    return failures


# -- pages


def _page_report(file: RelabelTestFile, case: RelabelCase, job: Any | None) -> PageReport:
    series = page_series(file.beside(case.page).read_bytes())
    if job is None:
        return relabel_page(series, _own_rules(file, case))
    return explain_page(job, series, case.labels or {"job": job.job_name})


def _page_failures(case: RelabelCase, report: PageReport) -> list[str]:
    names = report.names
    failures = [f"metric {name}: expected, is missing" for name in case.present if name not in names]
    failures += [f"metric {name}: not expected, is there" for name in case.absent if name in names]
    if case.series >= 0 and case.series != len(report.kept):
        failures.append(f"expected {case.series} series, got {len(report.kept)}")
    if case.dropped and report.kept:
        failures.append(f"expected all series to be dropped, {len(report.kept)} are left")
    if case.expect or case.has or case.lacks:
        if not report.kept:
            failures.append("expected series, but none is left")
        for labels in report.kept:
            failures += _label_failures(case, labels)
    return failures
