"""Every lint: what it finds, and what it leaves alone."""

# ruff: noqa: E501  (cases are data, one line each)

from pathlib import Path

import pytest

from pyscrape.config import check_text, read_config
from pyscrape.config.check import check_bytes, check_file
from pyscrape.config.lint import patterns
from pyscrape.config.lint.run import LINTS

KUBERNETES = "kubernetes_sd_configs: [{role: pod}]"
STATIC = "static_configs: [{targets: ['a:1']}]"


def findings(text: str) -> list[tuple[str, int, int]]:
    return [(p.id, p.line, p.column) for p in check_text(text) if p.severity != "error"]


def of_rules(rules: str, job: str = STATIC, field: str = "relabel_configs") -> list[str]:
    text = f"scrape_configs:\n- job_name: a\n  {job}\n  {field}:\n" + "".join(
        f"  - {{{rule}}}\n" for rule in rules.split("\n")
    )
    problems = check_text(text)
    assert not [p for p in problems if p.severity == "error"], problems
    return [problem.id for problem in problems]


# lint, rules, job
FOUND = [
    ("sample-label-before-scrape", "source_labels: [__name__], regex: go_.*, action: drop", STATIC),
    ("unknown-label", "source_labels: [_address_], target_label: x", STATIC),
    ("unknown-label", "source_labels: [__meta_kubernetes_service_name], target_label: x", KUBERNETES),
    ("unknown-label", "regex: _meta_kubernetes_pod_label(.+), action: labelmap", KUBERNETES),
    ("unknown-label", "regex: __meta_kubernetes_node_label_(.+), action: labelmap", KUBERNETES),
    ("unknown-label", "source_labels: [__meta_kubernetes_pod_lable_app], target_label: x", KUBERNETES),
    ("contradicting-keeps", "source_labels: [a], regex: x, action: keep\nsource_labels: [a], regex: y|z, action: keep", STATIC),
    ("contradicting-keeps", "source_labels: [a], regex: x, action: keep\nsource_labels: [a], regex: x|y, action: drop", STATIC),
    ("drops-everything", "action: drop", STATIC),
    ("drops-everything", "regex: x, action: keep", STATIC),
    ("never-matches", "source_labels: [a, b], regex: x, action: keep", STATIC),
    ("fixed-value", "target_label: a, replacement: yes\nsource_labels: [a], regex: true, action: keep", STATIC),
    ("fixed-value", "target_label: a, replacement: b\nsource_labels: [a], regex: c(.*), target_label: d", STATIC),
    ("missing-group", "source_labels: [a], regex: x(.*), target_label: b, replacement: $2", STATIC),
    ("missing-group", "source_labels: [a], regex: x.*, target_label: b", STATIC),
    ("missing-group", "regex: x_.*, action: labelmap", STATIC),
    ("glued-reference", "source_labels: [a], target_label: b, replacement: $1foo", STATIC),
    ("backslash-reference", r"source_labels: [a], target_label: b, replacement: \1", STATIC),
    ("whole-value", "source_labels: [a], regex: .*foo, action: keep", STATIC),
    ("whole-value", "source_labels: [a], regex: ^foo$, action: keep", STATIC),
    ("constant-labelmap", "regex: x_(.+), replacement: y, action: labelmap", STATIC),
    ("merging-labeldrop", "regex: __.*, action: labeldrop", STATIC),
    ("merging-labeldrop", "regex: a|b, action: labelkeep", STATIC),
    ("unused-hash", "source_labels: [a], modulus: 2, target_label: __tmp_x, action: hashmod", STATIC),
    ("no-op-rule", "source_labels: [a], target_label: a", STATIC),
    ("no-op-rule", "source_labels: [a], regex: x, action: drop\nsource_labels: [a], regex: x, action: drop", STATIC),
    ("no-op-rule", "source_labels: [a], regex: x, action: drop\nsource_labels: [c], target_label: b\nsource_labels: [a], regex: x, action: drop", STATIC),
    ("probe-address", "source_labels: [__address__], target_label: __param_target", STATIC),
    ("same-instance", "target_label: instance, replacement: x", "static_configs: [{targets: ['a:1', 'b:1']}]"),
    ("same-instance", "target_label: instance, replacement: x", KUBERNETES),
    ("same-instance", "target_label: instance, replacement: x\nsource_labels: [a], target_label: __metrics_path__", KUBERNETES),
    ("kubelet-read-only-port", "source_labels: [__address__], regex: '(.*):10250', replacement: '$1:10255', target_label: __address__", STATIC),
]  # fmt: skip


@pytest.mark.parametrize(
    ("lint", "rules", "job"), FOUND, ids=[f"{row[0]}-{i}" for i, row in enumerate(FOUND)]
)
def test_found(lint: str, rules: str, job: str) -> None:
    assert lint in of_rules(rules, job)


FINE = [
    ("source_labels: [__address__], target_label: x", STATIC),
    ("source_labels: [team], target_label: x", STATIC),
    ("source_labels: [__meta_kubernetes_pod_label_app], target_label: x", KUBERNETES),
    ("regex: __meta_kubernetes_pod_label_(.+), action: labelmap", KUBERNETES),
    ("regex: __meta_kubernetes_pod_annotation_prometheus_io_param_(.+), replacement: __param_$1, action: labelmap", KUBERNETES),
    ("source_labels: [__meta_kubernetes_node_name], target_label: x", "kubernetes_sd_configs: [{role: pod, attach_metadata: {node: true}}]"),
    ("source_labels: [__meta_anything], target_label: x", "http_sd_configs: [{url: 'https://a'}]"),
    ("source_labels: [a], target_label: __meta_own\nsource_labels: [__meta_own], target_label: b", STATIC),
    ("source_labels: [a], regex: x|y, action: keep\nsource_labels: [a], regex: y|z, action: keep", STATIC),
    ("source_labels: [a], regex: x, action: keep\nsource_labels: [b], regex: y, action: keep", STATIC),
    ("source_labels: [a], regex: x, action: keep\ntarget_label: a, replacement: y\nsource_labels: [a], regex: y, action: keep", STATIC),
    ("source_labels: [a, b], regex: x;y, action: keep", STATIC),
    ("source_labels: [a, b], regex: x.*, action: keep", STATIC),
    ("source_labels: [a], regex: (.)(.), target_label: b, replacement: '$2$1'", STATIC),
    ("source_labels: [a], regex: '(?P<x>.*)', target_label: b, replacement: '${x}'", STATIC),
    ("source_labels: [a], target_label: b, replacement: '${1}foo'", STATIC),
    ("target_label: b, replacement: constant", STATIC),
    ("regex: tmp_.*, action: labeldrop", STATIC),
    ("source_labels: [b], regex: c, target_label: a, replacement: yes\nsource_labels: [a], regex: true, action: keep", STATIC),
    ("target_label: a, replacement: b\nsource_labels: [c], target_label: a\nsource_labels: [a], regex: d, action: keep", STATIC),
    ("target_label: a, replacement: b\nregex: x_(.+), action: labelmap\nsource_labels: [a], regex: d, action: keep", STATIC),
    ("regex: __.*|job, action: labelkeep", STATIC),
    ("source_labels: [a], modulus: 2, target_label: __tmp_x, action: hashmod\nsource_labels: [__tmp_x], regex: 1, action: keep", STATIC),
    ("source_labels: [a], modulus: 2, target_label: shard, action: hashmod", STATIC),
    ("source_labels: [__address__], target_label: __param_target\ntarget_label: __address__, replacement: 'x:1'", STATIC),
    ("source_labels: [a], target_label: instance", STATIC),
    ("target_label: instance, replacement: the only one", STATIC),
    ("target_label: instance, replacement: x", "static_configs: [{targets: ['a:1'], labels: {n: '1'}}, {targets: ['b:1'], labels: {n: '2'}}]"),
    ("target_label: instance, replacement: x", "http_sd_configs: [{url: 'https://a'}]"),
    ("target_label: instance, replacement: x\nsource_labels: [__meta_kubernetes_pod_name], target_label: pod", KUBERNETES),
    ("target_label: instance, replacement: x\nregex: __meta_kubernetes_pod_label_(.+), action: labelmap", KUBERNETES),
    ("source_labels: [a], regex: x, action: drop\nsource_labels: [b], target_label: a\nsource_labels: [a], regex: x, action: drop", STATIC),
    ("source_labels: [a], regex: x, action: drop\nsource_labels: [a], target_label: a, action: lowercase\nsource_labels: [a], regex: x, action: drop", STATIC),
    ("regex: tmp_a, action: labeldrop\nsource_labels: [b], target_label: tmp_a\nregex: tmp_a, action: labeldrop", STATIC),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "job"), FINE, ids=[str(i) for i in range(len(FINE))])
def test_fine(rules: str, job: str) -> None:
    assert of_rules(rules, job) == []


def test_what_attaching_would_bring() -> None:
    text = f"scrape_configs: [{{job_name: a, {KUBERNETES}, relabel_configs: [{{source_labels: [__meta_kubernetes_node_label_zone], target_label: x}}]}}]"
    assert [p.hint for p in check_text(text)] == [
        "set attach_metadata: {node: true} in the kubernetes_sd_configs"
    ]


def test_which_role_would_give_a_label() -> None:
    text = f"scrape_configs: [{{job_name: a, {KUBERNETES}, relabel_configs: [{{source_labels: [__meta_kubernetes_service_name], target_label: x}}]}}]"
    (found,) = check_text(text)
    assert found.message == "no discovery of this job gives the label `__meta_kubernetes_service_name`"
    assert found.hint == "a kubernetes_sd_configs with role service or endpoints or endpointslice gives it"


def test_a_common_interval_is_reported_once() -> None:
    text = f"global: {{scrape_interval: 6m}}\nscrape_configs: [{{job_name: a, {STATIC}}}, {{job_name: b, {STATIC}}}]"
    assert [(p.id, p.path) for p in check_text(text)] == [
        ("interval-above-lookback", "global.scrape_interval")
    ]


AFTER_SCRAPE = [
    ("target-label-after-scrape", "source_labels: [__meta_kubernetes_namespace], target_label: x"),
    ("target-label-after-scrape", "source_labels: [__address__], target_label: x"),
    ("target-label-after-scrape", "regex: __meta_kubernetes_pod_label_(.+), action: labelmap"),
    ("merging-labeldrop", "regex: instance, action: labeldrop"),
    ("merging-labeldrop", "regex: le, action: labeldrop"),
]


@pytest.mark.parametrize(("lint", "rule"), AFTER_SCRAPE)
def test_after_the_scrape(lint: str, rule: str) -> None:
    assert of_rules(rule, KUBERNETES, "metric_relabel_configs") == [lint]
    assert (
        of_rules("source_labels: [__name__], regex: go_.*, action: drop", STATIC, "metric_relabel_configs")
        == []
    )


# lint, the job's fields beside its name
JOBS = [
    ("unsupported-discovery", "ec2_sd_configs: [{region: a}]"),
    ("no-targets", "scheme: http"),
    ("no-targets", "static_configs: [{targets: []}]"),
    ("interval-above-lookback", f"scrape_interval: 10m, {STATIC}"),
    ("plain-http-credentials", f"basic_auth: {{username: a}}, {STATIC}"),
    ("tls-without-https", f"tls_config: {{server_name: a}}, {STATIC}"),
    (
        "ca-without-verification",
        f"scheme: https, tls_config: {{ca: a, insecure_skip_verify: true}}, {STATIC}",
    ),
    ("duplicate-target", "static_configs: [{targets: ['a:1', 'a:1']}]"),
    ("kubelet-read-only-port", "static_configs: [{targets: ['a:10255']}]"),
    ("federation", f"metrics_path: /federate, {STATIC}"),
    ("federation", f"metrics_path: /federate, params: {{'match[]': [a]}}, {STATIC}"),
    ("deprecated-field", f"scheme: https, bearer_token: a, {STATIC}"),
    ("secret-ref", f"scheme: https, basic_auth: {{username_ref: a}}, {STATIC}"),
    ("path-is-url", f"metrics_path: 'http://a/metrics', {STATIC}"),
]


@pytest.mark.parametrize(("lint", "fields"), JOBS)
def test_jobs(lint: str, fields: str) -> None:
    assert [row[0] for row in findings(f"scrape_configs: [{{job_name: a, {fields}}}]")] == [lint]


def test_urls_as_targets_are_errors_of_a_check_and_findings_of_a_server(tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_text(
        "scrape_configs: [{job_name: a, static_configs: [{targets: ['http://a']}],"
        " relabel_configs: [{target_label: x, replacement: y}]}]"
    )
    assert [p.id for p in check_file(str(path)).problems] == ["bad-target"]
    assert [p.id for p in read_config(path)[1]] == ["url-target"]


def test_around_the_jobs() -> None:
    text = "remote_write:\n- url: http://a\n  basic_auth: {username: a}\nrule_files: ['none*.yml']\n"
    ids = [row[0] for row in findings(text)]
    assert ids.count("not-run") == 1, "rules are not evaluated"
    assert "plain-http-credentials" in ids
    unsigned = findings("remote_write: [{url: 'https://a', sigv4: {region: a}, round_robin_dns: true}]")
    assert [row[0] for row in unsigned] == ["not-run"] * 2
    https = "remote_write: [{url: 'https://a', basic_auth: {username: a}}]"
    assert findings(https) == []


def test_duplicate_targets_in_two_groups_differ_by_labels() -> None:
    text = "scrape_configs: [{job_name: a, static_configs: [{targets: ['a:1'], labels: {x: 1}}, {targets: ['a:1']}]}]"
    assert findings(text) == []


BAD = "scrape_configs:\n- job_name: a\n  static_configs: [{targets: ['a:1']}]\n  relabel_configs:\n"
IGNORED = [
    (f"{BAD}  - source_labels: [_address_]  # pyscrape: ignore=unknown-label\n    target_label: x", True),
    (
        f"{BAD}  # pyscrape:ignore=unknown-label,no-op-rule\n  - source_labels: [_address_]\n    target_label: x",
        True,
    ),
    (
        f"# pyscrape: ignore-file=unknown-label\n{BAD}  - source_labels: [_address_]\n    target_label: x",
        True,
    ),
    (f"{BAD}  - source_labels: [_address_]\n    target_label: x  # pyscrape: ignore=unknown-label", False),
    (f"{BAD}  - source_labels: [_address_]  # pyscrape: ignore=no-op-rule\n    target_label: x", False),
]


@pytest.mark.parametrize(("text", "silent"), IGNORED)
def test_comments_silence(text: str, silent: bool) -> None:
    assert (findings(text) == []) is silent


def test_errors_cannot_be_silenced() -> None:
    problems = check_text("scrape_configs:\n- job: a  # pyscrape: ignore=unknown-field\n")
    assert "unknown-field" in [problem.id for problem in problems]


def test_lints_can_be_chosen() -> None:
    from pyscrape.config.check import Options

    text = b"scrape_configs: [{job_name: a, bearer_token: x}]"
    assert {p.id for p in check_bytes(text).problems} == {
        "no-targets",
        "deprecated-field",
        "plain-http-credentials",
    }
    assert {p.id for p in check_bytes(text, options=Options(lints={"no-targets"})).problems} == {"no-targets"}
    assert check_bytes(text, options=Options(lints=frozenset())).problems == []


def test_every_lint_is_tested() -> None:
    tested = {row[0] for rows in (FOUND, AFTER_SCRAPE, JOBS) for row in rows} | {"not-run", "url-target"}
    assert {lint.id for lint in LINTS} <= tested


STARTS = [
    ("__meta_x_(.+)", "__meta_x_"), ("a|b", ""), ("(a|b)c", ""), ("ab*", "a"), ("ab?c", "a"), ("^ab.c", "ab"),
    (r"a\.b.*", "a.b"), ("a(b|c)", "a"), ("ab{2}", "a"), (".*", ""),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "start"), STARTS)
def test_literal_starts(pattern: str, start: str) -> None:
    assert patterns.literal_start(pattern) == start
