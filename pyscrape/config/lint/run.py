"""The table of all lints, and the one loop that runs them over a loaded configuration.

Findings are silenced by a comment: `# pyscrape: ignore=ID` at the end of the line or alone above it, or
`# pyscrape: ignore-file=ID` anywhere; several ids are separated by commas.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from pyscrape.config.lint import jobs, labels, relabel
from pyscrape.config.lint.subjects import Chain, Finding, Job, Link, Lint
from pyscrape.discovery.settings import DiscoverySettings
from pyscrape.model.problems import Problem, format_path
from pyscrape.model.settings import Section
from pyscrape.scrape.settings import ScrapeConfig

LINTS: tuple[Lint, ...] = (
    Lint("sample-label-before-scrape", "warning", "relabel_configs looks at __name__", chain=labels.sample_labels),
    Lint("target-label-after-scrape", "warning", "a __meta_ label after the scrape", chain=labels.target_labels),
    Lint("unknown-label", "warning", "a label that no discovery of the job gives", chain=labels.unknown_labels),
    Lint("contradicting-keeps", "warning", "keep rules that nothing passes", chain=relabel.contradicting_keeps),
    Lint("drops-everything", "warning", "a rule that drops everything", chain=relabel.unreachable_rules),
    Lint("never-matches", "warning", "a regex with too few separators", chain=relabel.impossible_joins),
    Lint("fixed-value", "warning", "a regex that a label's fixed value fails", chain=relabel.fixed_values),
    Lint("missing-group", "warning", "$2 where the regex has one group", chain=relabel.capture_groups),
    Lint("glued-reference", "warning", "$1foo is the group named 1foo", chain=relabel.glued_references),
    Lint("backslash-reference", "warning", r"\1 is no reference", chain=relabel.backslash_references),
    Lint("whole-value", "info", "the regex matches the whole value", chain=relabel.suffix_patterns),
    Lint("constant-labelmap", "warning", "labelmap to one name", chain=relabel.constant_labelmaps),
    Lint("merging-labeldrop", "warning", "labels that tell series apart are dropped", chain=relabel.merging_drops),
    Lint("unused-hash", "warning", "hashmod without keep", chain=relabel.unused_hashes),
    Lint("no-op-rule", "info", "a rule that does nothing", chain=relabel.no_ops),
    Lint("probe-address", "warning", "a probe that still goes to the target", chain=relabel.probe_without_address),
    Lint("same-instance", "warning", "one instance for all targets", chain=relabel.same_instance),
    Lint("unsupported-discovery", "warning", "a discovery not run here", job=jobs.unsupported_discoveries),
    Lint("no-targets", "warning", "a job without targets", job=jobs.no_targets),
    Lint("interval-above-lookback", "warning", "an interval above 5m", job=jobs.long_intervals,
         config=jobs.long_common_interval),
    Lint("plain-http-credentials", "warning", "credentials over plain http", job=jobs.credentials_over_http,
         config=jobs.remote_credentials),
    Lint("tls-without-https", "warning", "tls_config with scheme http", job=jobs.unused_tls),
    Lint("ca-without-verification", "warning", "ca_file with insecure_skip_verify", job=jobs.ca_without_verification),
    Lint("duplicate-target", "warning", "a static target twice", job=jobs.duplicate_targets),
    Lint("kubelet-read-only-port", "warning", "port 10255", job=jobs.read_only_port),
    Lint("federation", "warning", "a federation job that cannot work as meant", job=jobs.federation),
    Lint("url-target", "warning", "a target that is a URL", job=jobs.url_targets),
    Lint("deprecated-field", "info", "a field that has a successor", config=jobs.deprecated_fields),
    Lint("secret-ref", "warning", "a name in a secret manager", config=jobs.secret_refs),
    Lint("not-run", "info", "a section without effect in pyscrape run", config=jobs.not_run_yet),
)  # fmt: skip
IDS: frozenset[str] = frozenset(lint.id for lint in LINTS)
_COMMENT = r"#\s*pyscrape:\s*(ignore|ignore-file)=([A-Za-z0-9_,-]+)"


def lint(
    root: Section, found_jobs: Sequence[tuple[Section, ScrapeConfig]], chosen: Set[str] = IDS
) -> list[Problem]:
    """Run the chosen lints over a configuration: its root section and its jobs with their sections."""
    problems: list[Problem] = []
    # Jobs of scrape_config_files do not hang below the root of the main file.
    roots = [root, *(section for section, _ in found_jobs if section.decoder is not root.decoder)]
    chains = [*(chain for pair in found_jobs for chain in _job_chains(*pair)), *_other_chains(root)]
    for row in LINTS:
        if row.id not in chosen:
            continue
        if row.chain is not None:
            for chain in chains:
                problems += _problems(row, row.chain(chain))
        if row.job is not None:
            for section, config in found_jobs:
                problems += _problems(row, row.job(Job(config, section)), config.job_name)
        if row.config is not None:
            for section in roots:
                problems += _problems(row, row.config(section))
    return problems


def _problems(row: Lint, findings: Iterable[Finding], job: str = "") -> Iterator[Problem]:
    for found in findings:
        section = found.section
        node = section.nodes.get(found.field) or section.node
        path: tuple[str | int, ...] = (*section.path, found.field) if found.field else section.path
        if found.item >= 0 and node.kind == "list" and found.item < len(node.items):
            node = node.items[found.item]
            path = (*path, found.item)
        yield Problem(
            row.severity, row.id, found.message, section.decoder.file, node.line, node.column, format_path(path), job,
            found.hint,
        )  # fmt: skip


def _chain(kind: str, section: Section, field: str, owner: DiscoverySettings | None = None) -> Chain:
    children = section.children.get(field) or []
    links = [
        Link(index, child.value, child)
        for index, child in enumerate(children)
        if child is not None and child.value is not None and not child.failed
    ]
    return Chain(kind, links, owner, whole=len(links) == len(children))


def _job_chains(section: Section, config: ScrapeConfig) -> Iterator[Chain]:
    yield _chain("target", section, "relabel_configs", config)
    yield _chain("metric", section, "metric_relabel_configs")


def _other_chains(root: Section) -> Iterator[Chain]:
    for endpoint in root.items("remote_write"):
        yield _chain("write", endpoint, "write_relabel_configs")
    alerting = root.child("alerting")
    if alerting is None:
        return
    yield _chain("alert", alerting, "alert_relabel_configs")
    for alertmanager in alerting.items("alertmanagers"):
        yield _chain("alertmanager", alertmanager, "relabel_configs", alertmanager.value)
        yield _chain("alert", alertmanager, "alert_relabel_configs")


def without_ignored(problems: Sequence[Problem], lines: Sequence[str], filename: str) -> list[Problem]:
    """The problems that no comment in the file (its lines) silences; errors cannot be silenced."""
    by_line, everywhere = _ignored(lines)
    if not by_line and not everywhere:
        return list(problems)
    return [
        problem
        for problem in problems
        if problem.severity == "error"
        or problem.file != filename
        or not (problem.id in everywhere or problem.id in by_line.get(problem.line, frozenset()))
    ]


def _ignored(lines: Sequence[str]) -> tuple[Mapping[int, Set[str]], Set[str]]:
    by_line: dict[int, set[str]] = {}
    everywhere: set[str] = set()
    pending: set[str] = set()
    for number, line in enumerate(lines, 1):
        found = re.search(_COMMENT, line) if "pyscrape:" in line else None
        ids = set(found[2].split(",")) if found else set()
        if found and found[1] == "ignore-file":
            everywhere |= ids
        elif line.lstrip().startswith("#"):
            pending |= ids
        elif line.strip():
            if ids | pending:
                by_line[number] = ids | pending
            pending = set()
    return by_line, everywhere
