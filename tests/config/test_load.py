"""From a file to a Config: inheritance, names across files, the environment, the printed form."""

# ruff: noqa: E501  (cases are data, one line each)

from pathlib import Path

import pytest
import yaml

from pyscrape.config import Config, ConfigError, load_config, parse_config, read_config
from pyscrape.config.load import expand_env
from pyscrape.model.duration import Duration

JOB = "- job_name: a\n  static_configs: [{targets: ['a:1']}]\n"


def first_error(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    return next(problem.message for problem in caught.value.problems if problem.severity == "error")


def job(text: str, name: str = "a") -> object:
    return next(job for job in parse_config(text).scrape_configs if job.job_name == name)


def test_an_empty_file_is_all_defaults() -> None:
    for text in ("", "# nothing\n", "{}", "global:\n"):
        config = parse_config(text)
        assert config.scrape_configs == ()
        assert config.global_.scrape_interval == Duration(60_000)
        assert config.global_.scrape_timeout == Duration(10_000)
        assert config.runtime.gogc == 75


INHERITED = [
    # global, job, scrape_interval, scrape_timeout
    ("", "", "1m", "10s"),
    ("scrape_interval: 5s", "", "5s", "5s"),
    ("scrape_interval: 30s", "", "30s", "10s"),
    ("{scrape_interval: 30s, scrape_timeout: 20s}", "scrape_interval: 15s", "15s", "15s"),
    ("", "scrape_interval: 5s", "5s", "5s"),
    ("", "{scrape_interval: 2m, scrape_timeout: 1m}", "2m", "1m"),
    ("scrape_interval: 0s", "scrape_interval: 0s", "1m", "10s"),
]


@pytest.mark.parametrize(("defaults", "own", "interval", "timeout"), INHERITED)
def test_intervals(defaults: str, own: str, interval: str, timeout: str) -> None:
    text = f"global: {{{defaults.strip('{}')}}}\nscrape_configs: [{{job_name: a, {own.strip('{}')}}}]"
    found = parse_config(text).scrape_configs[0]
    assert (str(found.scrape_interval), str(found.scrape_timeout)) == (interval, timeout)


def test_order_of_sections_does_not_matter() -> None:
    assert parse_config(f"scrape_configs:\n{JOB}global: {{scrape_interval: 7s}}").scrape_configs == parse_config(
        f"global: {{scrape_interval: 7s}}\nscrape_configs:\n{JOB}"
    ).scrape_configs  # fmt: skip


def test_limits_and_switches_are_inherited() -> None:
    text = (
        "global: {sample_limit: 5, body_size_limit: 1MB, extra_scrape_metrics: true, scrape_native_histograms: true}\n"
        "scrape_configs:\n- {job_name: a}\n- {job_name: b, sample_limit: 7, extra_scrape_metrics: false}\n"
    )
    a, b = parse_config(text).scrape_configs
    assert (a.sample_limit, a.body_size_limit, a.extra_scrape_metrics) == (5, 1 << 20, True)
    assert (b.sample_limit, b.extra_scrape_metrics, b.scrape_native_histograms) == (7, False, True)
    assert a.scrape_protocols[0] == "PrometheusProto"


REFUSED = [
    ("global: {scrape_interval: 5s, scrape_timeout: 6s}", "global scrape timeout greater than scrape interval"),
    ("scrape_configs: [{job_name: a, scrape_timeout: 2m}]", 'scrape timeout greater than scrape interval for scrape config with job name "a"'),
    ("scrape_configs: [{scheme: http}]", "job_name is empty"),
    ("scrape_configs: [{job_name: a}, {job_name: a}]", 'found multiple scrape configs with job name "a"'),
    ("scrape_configs: [{job_name: a, scrape_protocols: []}]", 'scrape_protocols cannot be empty for scrape config with job name "a"'),
    ("scrape_configs: [~]", "empty or null scrape config section"),
    ("global: {external_labels: {'': x}}", '"" is not a valid label name'),
    ("global: {external_labels: {a.b: x}, metric_name_validation_scheme: legacy}", '"a.b" is not a valid label name'),
    ("rule_files: ['a/*/b.yml']", 'invalid rule file path "a/*/b.yml"'),
    ("scrape_config_files: ['*/a']", 'invalid scrape config file path "*/a"'),
    ("storage: {tsdb: {retention: {percentage: 101}}}", "'storage.tsdb.retention.percentage' must be in the range [0, 100]"),
    ("tracing: {client_type: udp, endpoint: a}", "expected tracing client type to be to be http or grpc, but got udp"),
    ("otlp: {translation_strategy: x}", 'unsupported OTLP translation strategy "x"'),
    ("remote_write: [{}]", "url for remote_write is empty"),
    ("remote_write: [{url: 'http://a', sigv4: {region: a}, basic_auth: {username: a}}]", "at most one of basic_auth, authorization, oauth2, sigv4, azuread or google_iam must be configured. Currently configured: [basic_auth sigv4]"),
    ("remote_write: [{url: 'http://a', azuread: {cloud: x}}]", "must provide an Azure Managed Identity, Azure Workload Identity, Azure OAuth or Azure SDK in the Azure AD config"),
    ("scrape_configs: [{job_name: a, proxy_from_environment: true, proxy_url: 'http://a'}]", "if proxy_from_environment is configured, proxy_url must not be configured"),
    ("scrape_configs: [{job_name: a, tls_config: {min_version: TLS13, max_version: TLS12}}]", "tls_config.max_version must be greater than or equal to tls_config.min_version if both are specified"),
    ("scrape_configs: [{job_name: a, metric_name_validation_scheme: legacy, metric_name_escaping_scheme: underscores, relabel_configs: [{target_label: a.b}]}]", '"a.b" is invalid \'target_label\' for replace action'),
    ("alerting: {alertmanagers: [{static_configs: [{targets: ['http://a']}]}]}", '"http://a" is not a valid hostname'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[row[1][:50] for row in REFUSED])
def test_refused(text: str, message: str) -> None:
    assert first_error(text) == message


def test_what_needs_an_unreadable_field_is_not_judged() -> None:
    """A bad duration in `global` must not make every job's timeout look too long."""
    with pytest.raises(ConfigError) as caught:
        parse_config("global: {scrape_interval: soon}\nscrape_configs: [{job_name: a, scrape_timeout: 2m}]")
    assert [problem.id for problem in caught.value.problems] == ["bad-duration"]


def test_the_error_is_prometheus_and_more() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config("scrape_configs: [{job_nam: a}, {job_name: b, honor_labels: perhaps}]")
    assert str(caught.value).startswith("parsing YAML file -: unknown field `job_nam`")
    assert "cannot unmarshal !!str `perhaps` into bool" in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_bearer_tokens_become_authorization() -> None:
    a, b = parse_config(
        "scrape_configs: [{job_name: a, bearer_token: x}, {job_name: b, bearer_token_file: y}]", "dir"
    ).scrape_configs
    assert a.http.authorization is not None
    assert (a.http.authorization.type, a.http.authorization.credentials.reveal()) == ("Bearer", "x")
    assert b.http.authorization is not None
    assert b.http.authorization.credentials_file == "dir/y"
    assert b.http.bearer_token_file == ""


def test_jobs_compare_by_what_they_say() -> None:
    """A reload keeps the pools of jobs that did not change."""
    before = parse_config(f"scrape_configs:\n{JOB}- {{job_name: b}}")
    after = parse_config(f"# a comment\nscrape_configs:\n- {{job_name: b, scrape_interval: 10s}}\n\n{JOB}")
    assert before.scrape_configs[0] == after.scrape_configs[1]
    assert before.scrape_configs[1] != after.scrape_configs[0]
    assert hash(before.scrape_configs[0]) == hash(after.scrape_configs[1])


def test_rules_know_their_place() -> None:
    config = parse_config(
        "scrape_configs:\n- job_name: a\n  relabel_configs:\n  - target_label: x\n    replacement: y\n"
    )
    rule = config.scrape_configs[0].relabel_configs[0]
    assert (rule.line, rule.column, rule.file) == (4, 5, "-")
    assert rule == rule.replace(line=99)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "more").mkdir()
    (tmp_path / "main.yml").write_text(
        f"global: {{scrape_interval: 20s}}\nscrape_config_files: [more/*.yml]\nscrape_configs:\n{JOB}"
    )
    (tmp_path / "more" / "b.yml").write_text("scrape_configs: [{job_name: b, bearer_token_file: token}]")
    return tmp_path


def test_scrape_config_files(folder: Path) -> None:
    config = load_config(folder / "main.yml")
    assert [job.job_name for job in config.scrape_configs] == ["a", "b"]
    b = config.scrape_configs[1]
    assert b.scrape_interval == Duration(20_000)
    assert b.http.authorization is not None
    assert b.http.authorization.credentials_file == str(folder / "more" / "token")
    assert [job["job_name"] for job in yaml.safe_load(config.to_yaml())["scrape_configs"]] == ["a"]


def test_mistakes_in_all_files_at_once(folder: Path) -> None:
    (folder / "more" / "c.yml").write_text("scrape_configs: [{job_name: a}, {job_name: b}, {jobname: c}]")
    (folder / "more" / "d.yml").write_text("global: {}")
    config, problems = read_config(folder / "main.yml")
    assert config is None
    assert [(Path(p.file).name, p.line, p.column, p.message.split(", first")[0]) for p in problems] == [
        ("c.yml", 1, 29, 'found multiple scrape configs with job name "a"'),
        ("c.yml", 1, 44, 'found multiple scrape configs with job name "b"'),
        ("c.yml", 1, 49, "unknown field `jobname` of scrape_configs[2]"),
        ("d.yml", 1, 1, "unknown field `global` (field global not found in type config.ScrapeConfigs)"),
    ] or [p.message for p in problems]  # fmt: skip


def test_warnings_come_with_the_config(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("global: {external_labels: {a: $UNSET_HERE}}\n---\nx: y\n")
    config, problems = read_config(tmp_path / "a.yml")
    assert isinstance(config, Config)
    assert config.external_labels == {"a": ""}
    assert sorted(problem.id for problem in problems) == ["empty-variable", "second-document"]


def test_lints_come_with_the_config(folder: Path) -> None:
    """Also those of files that it includes."""
    (folder / "main.yml").write_text("scrape_config_files: [more/*.yml]\nscrape_configs: [{job_name: x}]\n")
    _, problems = read_config(folder / "main.yml")
    assert [(Path(p.file).name, p.id) for p in problems] == [
        ("main.yml", "no-targets"),
        ("b.yml", "no-targets"),
        ("b.yml", "plain-http-credentials"),
        ("b.yml", "deprecated-field"),
    ]


def test_unreadable_files() -> None:
    with pytest.raises(FileNotFoundError):
        load_config("there/is/none.yml")


ENVIRONMENT = [
    ("a", "a"), ("$NAME", "value"), ("${NAME}-x", "value-x"), ("$$NAME", "$NAME"), ("$NAME_x", ""), ("${MISSING}", ""),
    ("100$", "100$"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), ENVIRONMENT)
def test_the_environment(text: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAME", "value")
    assert expand_env(text, []) == expected


def test_agent_mode(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("rule_files: [a]\nremote_read: [{url: 'http://a'}]\n")
    _, problems = read_config(tmp_path / "a.yml", agent=True)
    assert [problem.message for problem in problems if problem.severity == "error"] == [
        "field rule_files is not allowed in agent mode",
        "field remote_read is not allowed in agent mode",
    ]


def test_the_printed_form_loads_again() -> None:
    text = (Path(__file__).parents[1] / "data" / "config" / "discoveries.good.yml").read_text()
    config = parse_config(text)
    printed = config.to_yaml()
    again = parse_config(printed.replace("<secret>", "b"))
    assert again.scrape_configs == config.scrape_configs
    assert "<secret>" in printed


DATA = Path(__file__).parents[1] / "data" / "config"


# An empty replacement is lost in print, as Prometheus loses it.
PRINTED = [path for path in sorted(DATA.glob("*.good.yml")) if path.name != "scalars.good.yml"]


@pytest.mark.parametrize("path", PRINTED, ids=lambda path: path.name)
def test_what_is_printed_loads_again(path: Path) -> None:
    """Printing loses secrets and nothing else."""
    config = load_config(path)
    again = parse_config(config.to_yaml())
    assert again.to_yaml() == config.to_yaml()
    assert [job.relabel_configs for job in again.scrape_configs] == [
        job.relabel_configs for job in config.scrape_configs
    ]


def test_discoveries_that_are_not_run() -> None:
    config = parse_config(
        "scrape_configs: [{job_name: a, ec2_sd_configs: [{region: x}], dns_sd_configs: [{names: [a]}]}]"
    )
    assert config.scrape_configs[0].foreign_discoveries() == ("ec2_sd_configs",)
    assert [type(found).__name__ for found in config.scrape_configs[0].discoveries()] == ["DNSSDConfig"]


def test_the_printed_form_is_prometheus() -> None:
    """Character by character what Prometheus prints for the same text (its newer fields aside)."""
    printed = parse_config(
        "global: {external_labels: {v: 1.10}}\n"
        "scrape_configs:\n"
        "- job_name: a\n"
        "  basic_auth: {username: u, password: p}\n"
        "  static_configs: [{targets: ['localhost:1'], labels: {y: 'true'}}]\n"
        "  relabel_configs:\n"
        "  - {source_labels: [a, b], regex: true, target_label: x, replacement: 9100}\n"
        "  - {target_label: c, replacement: '', regex: }\n"
        "remote_write: [{url: 'http://user:pass@h/x'}]\n"
    ).to_yaml()
    assert 'external_labels:\n    v: "1.10"\n' in printed
    assert "  basic_auth:\n    username: u\n    password: <secret>\n" in printed
    assert (
        "  relabel_configs:\n"
        "  - source_labels: [a, b]\n"
        "    separator: ;\n"
        '    regex: "true"\n'
        "    target_label: x\n"
        '    replacement: "9100"\n'
        "    action: replace\n"
        "  - separator: ;\n"
        "    regex: null\n"
        "    target_label: c\n"
        "    action: replace\n"
        "  static_configs:\n"
        "  - targets:\n"
        "    - localhost:1\n"
        "    labels:\n"
        '      "y": "true"\n'
    ) in printed
    assert "- url: http://user:xxxxx@h/x\n" in printed


MISPLACED = [
    ("global: {rule_files: [a]}", "it belongs to the top level: look at the indentation"),
    (
        "scrape_configs: [{job_name: a, targets: [b]}]",
        "it belongs to `static_configs`: look at the indentation",
    ),
    ("scrape_configs: [{job_name: a, source_labels: [b]}]", "it belongs to `relabel_configs`"),
    ("scrape_configs: [{job_name: a, nonsense_without_a_home: b}]", ""),
]


@pytest.mark.parametrize(("text", "hint"), MISPLACED)
def test_misplaced_fields(text: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    (problem,) = caught.value.problems
    assert problem.hint.startswith(hint)
    assert bool(problem.hint) is bool(hint)
    assert "did you mean" not in problem.message
