"""`pyscrape check`: every kind of input, every output, the exit codes."""

# ruff: noqa: E501  (cases are data, one line each)

import base64
import gzip
import io
import json
import os
import re
from pathlib import Path

import pytest

from pyscrape.cli.main import main
from pyscrape.config import check_text
from pyscrape.config.check import Options, Report, check_bytes, check_file
from pyscrape.config.explanations import explanations
from pyscrape.config.lint.run import LINTS
from pyscrape.model.regex import compile_re2

DATA = Path(__file__).parents[1] / "data" / "config"
GOOD = sorted(DATA.glob("*.good.yml"))
BAD = sorted(DATA.glob("*.bad.yml"))
EXPECTED = re.compile(r"# (\d+:\d+ (?:error|warning|info) [a-z-]+: .*)")


def lines(report: Report) -> list[str]:
    return [f"{p.line}:{p.column} {p.severity} {p.id}: {p.message}" for p in report.problems]


def test_there_are_examples() -> None:
    assert len(GOOD) + len(BAD) >= 20


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_good_examples(path: Path) -> None:
    report = check_file(str(path), Options("ignore"))
    assert report.valid
    assert {problem.id for problem in report.problems} <= {"not-run"}


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.name)
def test_bad_examples(path: Path) -> None:
    """The comments at the top of the file are what must be said, all of it and in this order."""
    expected = [found[1] for line in path.read_text().splitlines() if (found := EXPECTED.fullmatch(line))]
    assert expected
    assert lines(check_file(str(path))) == expected


def test_fourteen_mistakes_of_fourteen_kinds() -> None:
    report = check_file(str(DATA / "fourteen.bad.yml"))
    assert len({problem.id for problem in report.problems} - {"plain-http-credentials"}) == 14


def test_every_example_error_has_a_source_place() -> None:
    for path in BAD:
        for problem in check_file(str(path)).problems:
            text = path.read_text().splitlines()[problem.line - 1]
            assert 1 <= problem.column <= len(text) + 1


# --- other kinds of input

RULES = """groups:
- name: g
  rules:
  - record: job:up:sum
    expr: sum by (job) (up
  - alert: Down
    expr: |
      up == 0
        and foo{
    for: 5m
    annotations: {summary: "{{ $labels.instance }} {{ humanise $value }}"}
  - alert: Twice
    expr: up
  - alert: Twice
    expr: up == 1
  - record: x
    expr: up
    for: 1m
- name: g
  rules: [{expr: up}, {record: a, alert: b, expr: up}, {record: "a{b}", expr: up}, {alert: a}]
"""


def test_rule_files() -> None:
    report = check_bytes(RULES.encode(), "rules.yml")
    assert report.kind == "rules"
    assert report.holds == ("9 rules",)
    assert lines(report) == [
        '5:27 error bad-rule: group "g", rule 1, "job:up:sum": could not parse expression: 1:17: parse error: unclosed left parenthesis',
        '9:17 error bad-rule: group "g", rule 2, "Down": could not parse expression: 3:1: parse error: unexpected end of input inside braces',
        '11:54 error bad-rule: group "g", rule 2, "Down": could not parse template of annotations "summary": function "humanise" not defined',
        "14:5 warning duplicate-rule: Twice stands with the same labels in line 12",
        "18:10 error invalid-value: invalid field 'for' in recording rule",
        '19:9 error duplicate-name: groupname: "g" is repeated in the same file',
        "20:11 error invalid-value: one of 'record' or 'alert' must be set",
        "20:32 error invalid-value: only one of 'record' and 'alert' must be set",
        "20:65 error invalid-value: braces present in the recording rule name; should it be in expr?: a{b}",
        "20:84 error invalid-value: field 'expr' must be set in rule",
    ]  # fmt: skip


# A template and what is held against it, with the offset.
TEMPLATES = [
    ("{{ $labels.a }}{{ $externalURL }}{{ $.Labels }}", None),
    ("{{ $lables.a }}", ('undefined variable "$lables", did you mean `$labels`?', 3)),
    ("{{ $x }}", ('undefined variable "$x"', 3)),
    ('{{ range $i, $x := query "up" }}{{ $i }}{{ $x.Value }}{{ end }}', None),
    ("{{ $value | humanise }}", ('function "humanise" not defined', 12)),
    ('{{ (query "up" | first).Value }}{{ and (gt $value 1.0) true }}', None),
    ('{{ printf "%s $x | foo" $value }}{{/* $x | foo */}} $x', None),
]


@pytest.mark.parametrize(("text", "mistake"), TEMPLATES)
def test_templates(text: str, mistake: tuple[str, int] | None) -> None:
    from pyscrape.config.rulefiles import template_mistake

    assert template_mistake(text) == mistake


def test_expressions_that_need_a_flag() -> None:
    report = check_bytes(b"groups: [{name: g, rules: [{record: a, expr: 'limitk(1, up)'}]}]")
    assert report.valid
    assert [problem.id for problem in report.problems] == ["needs-feature-flag"]


def test_target_lists() -> None:
    text = '[{"targets": ["a:1", "http://b"], "labels": {"x": "y"}}, {"target": []}, null]'
    report = check_bytes(text.encode(), "targets.json")
    assert report.kind == "targets"
    assert [(p.id, p.column) for p in report.problems] == [
        ("url-target", 22),
        ("unknown-field", 59),
        ("null-item", 74),
    ]


# Texts of a .json file beside what is held against them, as promtool judges them.
JSON_LISTS = [
    ('[{"targets": ["a:1"], "labels": {"a": null}}, {"targets": null}]', []),
    ('[\n\t{"targets": ["a:1"]}\n]', []),
    ('[{"targets": [1, true]}]', ["1:15: json: cannot unmarshal number into a value of type string", "1:18: json: cannot unmarshal bool into a value of type string"]),
    ('[{"labels": {"a": 1}}]', ["1:19: json: cannot unmarshal number into a value of type string"]),
    ('[{"Targets": ["a:1"], "LABELS": {"x": "y"}}]', []),
    ('[{"TARGETS": [1]}]', ["1:15: json: cannot unmarshal number into a value of type string"]),
    ("[{'targets': []}]", ["1:3: json: Expecting property name enclosed in double quotes"]),
    ("- targets: [a]", ["1:1: json: Expecting value"]),
    ("", ["1:1: json: Expecting value"]),
]  # fmt: skip


def test_a_trailing_comma_is_no_json() -> None:
    from pyscrape.config.targetfiles import check_targets
    from pyscrape.model.yaml_nodes import compose

    text = '[{"targets": ["a"]},]'
    [error] = [p for p in check_targets(compose(text).root, text, "a.json") if p.severity == "error"]
    # Python 3.13 points at the comma and names it, those before at what follows.
    assert (error.line, error.message.startswith("json: ")) == (1, True) and error.column in {20, 21}


@pytest.mark.parametrize(("text", "errors"), JSON_LISTS, ids=[str(i) for i in range(len(JSON_LISTS))])
def test_json_target_lists(text: str, errors: list[str]) -> None:
    from pyscrape.config.targetfiles import check_targets
    from pyscrape.model.yaml_nodes import compose

    found = check_targets(compose(text).root, text, "a.json")
    assert [f"{p.line}:{p.column}: {p.message}" for p in found if p.severity == "error"] == errors
    if text.startswith("- "):
        assert check_targets(compose(text).root, text, "a.yml") == []


# The job's fields, what is held against them: as promtool judges them.
TARGETS = [
    ("static_configs: [{targets: ['a:b:c', ':80', a b]}]", []),
    ("static_configs: [{targets: [a, ~]}]", ["1:63: instance 1 in group 0: no address"]),
    ("static_configs: [{targets: ['http://a']}], relabel_configs: [{target_label: __address__, replacement: a}]", []),
    ("static_configs: [{targets: ['http://a']}], relabel_configs: [{action: drop}]", []),
    ("static_configs: [{targets: [a]}], relabel_configs: [{target_label: __address__, replacement: ''}]", ["1:60: instance 0 in group 0: no address"]),
    ("static_configs: [{targets: [a], labels: {__scrape_interval__: x}}]", ['1:60: instance 0 in group 0: error parsing scrape interval: not a valid duration string: "x"']),
    ("params: {a: [b?c]}", ["1:46: yaml: a `?` in a text without quotes between brackets: did not find expected ',' or '}'"]),
    ("params: {a: ['b?c']}", []),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "errors"), TARGETS, ids=[str(i) for i in range(len(TARGETS))])
def test_what_promtool_finds_in_targets_and_brackets(fields: str, errors: list[str]) -> None:
    found = check_text(f"scrape_configs: [{{job_name: a, {fields}}}]")
    assert [f"{p.line}:{p.column}: {p.message}" for p in found if p.severity == "error"] == errors


def test_a_bare_list_of_jobs() -> None:
    report = check_bytes(b"- job_name: a\n  static_configs: [{target: [a]}]\n")
    assert report.kind == "jobs"
    assert [(p.id, p.line, p.column, p.job) for p in report.problems if p.severity == "error"] == [
        ("unknown-field", 2, 21, "a")
    ]


def test_a_file_of_jobs_only() -> None:
    assert (
        check_bytes(b"scrape_configs: [{job_name: a, static_configs: [{targets: ['a:1']}]}]").problems == []
    )


def test_rule_unit_tests_are_not_ours() -> None:
    assert [p.id for p in check_bytes(b"rule_files: [a.yml]\ntests: []\n").problems] == ["unknown-input"]


INNER = "scrape_configs:\n- job_name: a\n  static_configs: [{target: [a]}]\n"


def indented(text: str, spaces: int) -> str:
    return "".join(" " * spaces + line + "\n" for line in text.splitlines())


MANIFESTS = [
    (f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m}}\ndata:\n  prometheus.yml: |\n{indented(INNER, 4)}", 8, 25),
    (f"apiVersion: v1\nkind: ConfigMap\ndata:\n  any-key: |-\n\n{indented(INNER, 7)}", 8, 28),
    (f"apiVersion: v1\nkind: Pod\n---\napiVersion: v1\nkind: ConfigMap\ndata:\n  a.yml: |\n{indented(INNER, 3)}", 10, 24),
    (f"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  data:\n    a.yaml: |\n{indented(INNER, 6)}", 10, 27),
    (f"apiVersion: v1\nkind: Secret\nstringData:\n  prometheus.yaml: |\n{indented(INNER, 4)}", 7, 25),
    (f"apiVersion: v1\nkind: Secret\ndata:\n  prometheus.yaml: {base64.b64encode(INNER.encode()).decode()}", 4, 20),
    (f"apiVersion: v1\nkind: Secret\ndata:\n  prometheus.yaml.gz: {base64.b64encode(gzip.compress(INNER.encode())).decode()}", 4, 23),
    (f"apiVersion: v1\nkind: ConfigMap\nbinaryData:\n  a.yml: {base64.b64encode(INNER.encode()).decode()}", 4, 10),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "column"), MANIFESTS, ids=[str(i) for i in range(len(MANIFESTS))])
def test_manifests(text: str, line: int, column: int) -> None:
    report = check_bytes(text.encode(), "manifest.yml")
    errors = [p for p in report.problems if p.severity == "error"]
    assert report.kind == "manifest"
    assert [(p.file, p.line, p.column, p.id) for p in errors] == [
        ("manifest.yml", line, column, "unknown-field")
    ]
    assert len(report.holds) == 1


def test_places_inside_encoded_texts_are_named() -> None:
    report = check_bytes(MANIFESTS[5][0].encode())
    assert "(line 3, column 21 of prometheus.yaml)" in report.problems[0].message


def test_other_texts_of_a_manifest_are_left_alone() -> None:
    text = (
        "apiVersion: v1\nkind: ConfigMap\ndata:\n  alertmanager.yml: |\n    route: {}\n    receivers: []\n"
        "  script.sh: 'a: [b'\n  prometheus.yml: |\n    global: {}\n  rules.yaml: |\n    groups: []\n  note: hello\n"
    )
    report = check_bytes(text.encode())
    assert report.problems == []
    assert [name.split(" ")[0] for name in report.holds] == ["prometheus.yml", "rules.yaml"]


def test_a_manifest_without_a_config() -> None:
    assert [p.id for p in check_text("apiVersion: v1\nkind: Pod\n")] == ["no-config-in-manifest"]


def test_a_broken_text_in_a_manifest() -> None:
    text = "apiVersion: v1\nkind: ConfigMap\ndata:\n  prometheus.yml: |\n    a: b: c\n  x.yml: '%%%'\n"
    assert [(p.id, p.line, p.column) for p in check_text(text)] == [
        ("yaml-syntax", 5, 9),
        ("yaml-syntax", 6, 12),
    ]


def test_gzip_of_a_whole_file() -> None:
    assert [p.id for p in check_bytes(gzip.compress(INNER.encode())).problems if p.severity == "error"] == [
        "unknown-field"
    ]


# --- files that a configuration names


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.yml").write_text("groups: [{name: g, rules: [{record: a, expr: 'up +'}]}]")
    (tmp_path / "targets.json").write_text('[{"targets": "a"}]')
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "main.yml").write_text(
        "global: {query_log_file: none/q.log}\n"
        "rule_files: [rules/*.yml, more/*.yml, single.yml]\n"
        "scrape_configs:\n"
        "- job_name: a\n"
        "  scheme: https\n"
        "  file_sd_configs: [{files: [targets.json, none.json]}]\n"
        "  basic_auth: {username: a, password_file: empty}\n"
        "  tls_config: {ca_file: none.pem}\n"
        "  http_headers: {X: {files: [rules]}}\n"
    )
    return tmp_path


def test_named_files(folder: Path) -> None:
    report = check_file(str(folder / "main.yml"))
    found = [(Path(p.file).name, p.line, p.column, p.severity, p.id) for p in report.problems]
    assert found == [
        ("main.yml", 1, 26, "warning", "missing-file"),
        ("main.yml", 2, 13, "info", "not-run"),
        ("main.yml", 2, 27, "info", "missing-file"),
        ("main.yml", 2, 39, "warning", "missing-file"),
        ("main.yml", 6, 44, "warning", "missing-file"),
        ("main.yml", 7, 44, "warning", "empty-file"),
        ("main.yml", 8, 25, "warning", "missing-file"),
        ("main.yml", 9, 30, "error", "unreadable-file"),
        ("a.yml", 1, 51, "error", "bad-rule"),
        ("targets.json", 1, 14, "error", "wrong-type"),
    ]


def test_missing_files(folder: Path) -> None:
    path = str(folder / "main.yml")

    def missing(mode: str) -> list[str]:
        return [p.severity for p in check_file(path, Options(mode)).problems if p.id == "missing-file"]  # type: ignore[arg-type]

    assert missing("error") == ["error", "info", "error", "error", "error"]
    assert missing("ignore") == []
    text = "scrape_configs: [{job_name: a, scheme: https, bearer_token_file: /var/run/secrets/x}]"
    assert not [p for p in check_text(text) if p.id == "missing-file"]


def test_files_named_in_included_files(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "main.yml").write_text("scrape_config_files: [more/*.yml]")
    (tmp_path / "more" / "b.yml").write_text(
        "scrape_configs: [{job_name: b, scheme: https, bearer_token_file: none, file_sd_configs: [{files: [t.json]}]}]"
    )
    (tmp_path / "more" / "t.json").write_text("[{}, 5]")
    problems = check_file(str(tmp_path / "main.yml")).problems
    assert [(Path(p.file).name, p.id, p.job) for p in problems if p.id != "deprecated-field"] == [
        ("b.yml", "missing-file", "b"),
        ("t.json", "wrong-type", "b"),
    ]


def test_root(folder: Path) -> None:
    (folder / "image" / "etc").mkdir(parents=True)
    (folder / "image" / "etc" / "token").write_text("x")
    text = b"scrape_configs: [{job_name: a, scheme: https, bearer_token_file: /etc/token}]"
    ids = [p.id for p in check_bytes(text, options=Options(root=str(folder / "image") + "/")).problems]
    assert "missing-file" not in ids
    assert "missing-file" in [p.id for p in check_bytes(text).problems]


# --- the command


def run(*arguments: str) -> int:
    return main(["check", *arguments])


def test_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, warning, bad = tmp_path / "good.yml", tmp_path / "warning.yml", tmp_path / "bad.yml"
    good.write_text("scrape_configs: [{job_name: a, static_configs: [{targets: ['a:1']}]}]")
    warning.write_text("scrape_configs: [{job_name: a}]")
    bad.write_text("scrape_configs: [{}]")
    assert run(str(good)) == 0
    assert run(str(warning)) == 0
    assert run(str(warning), "--strict") == 1
    assert run(str(good), "--strict") == 0
    assert run(str(bad)) == 1
    assert run(str(good), str(tmp_path / "none.yml")) == 2
    assert "none.yml: No such file or directory" in capsys.readouterr().err
    assert run() == 2
    assert run("--lint", "nonsense", str(good)) == 2
    assert run("--lint", "none", "--strict", str(warning)) == 0
    with pytest.raises(SystemExit) as caught:
        run("--format", "xml", str(good))
    assert caught.value.code == 2


def test_text_output(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_text(
        "scrape_configs:\n- job_name: a\n  static_configs: [{targets: ['a:1']}]\n  relabel_configs:\n  - taget_label: x\n"
    )
    assert run(str(path)) == 1
    assert capsys.readouterr().out == (
        f"{path}:5:5: error: unknown field `taget_label` of relabel_configs[0], did you mean `target_label`?"
        " (field taget_label not found in type relabel.plain) [unknown-field] (job a)\n"
        "     5 |   - taget_label: x\n"
        "       |     ^ scrape_configs[0].relabel_configs[0].taget_label\n\n"
        f"{path}: not valid, 1 error\n"
    )


def test_json_output(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_text("scrape_configs: [{job_name: a}]")
    assert run("--format", "json", str(path)) == 0
    assert json.loads(capsys.readouterr().out) == {
        "files": [
            {
                "file": str(path),
                "kind": "config",
                "contents": ["1 job"],
                "valid": True,
                "problems": [
                    {
                        "severity": "warning",
                        "id": "no-targets",
                        "message": "this job has no targets",
                        "line": 1,
                        "column": 29,
                        "path": "scrape_configs[0].job_name",
                        "job": "a",
                        "hint": "add static_configs or a service discovery",
                    }
                ],
            }
        ]
    }


def test_github_output(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "a,b.yml"
    path.write_text("scrape_configs: [{job_name: a}]")
    run("--format", "github", str(path))
    place = str(path).replace(",", "%2C")
    assert capsys.readouterr().out == (
        f"::warning file={place},line=1,col=29,title=no-targets::this job has no targets"
        " (add static_configs or a service discovery)\n"
    )


def test_sarif_output(capsys: pytest.CaptureFixture[str]) -> None:
    run("--format", "sarif", str(DATA / "fourteen.bad.yml"))
    log = json.loads(capsys.readouterr().out)
    (sarif_run,) = log["runs"]
    assert log["version"] == "2.1.0"
    assert len(sarif_run["results"]) == 15
    rules = {rule["id"] for rule in sarif_run["tool"]["driver"]["rules"]}
    assert {result["ruleId"] for result in sarif_run["results"]} == rules
    first = sarif_run["results"][0]["locations"][0]["physicalLocation"]
    assert first["region"] == {"startLine": 18, "startColumn": 20}
    assert sarif_run["columnKind"] == "unicodeCodePoints"
    assert all(
        rule["shortDescription"]["text"] not in {"", rule["id"]}
        for rule in sarif_run["tool"]["driver"]["rules"]
    )


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"scrape_configs: [{}]")))
    assert run("-") == 1
    out = capsys.readouterr().out
    assert out.startswith("-:1:18: error: job_name is empty")
    assert "     1 | scrape_configs: [{}]\n" in out


SECRET_LINES = [
    (
        "basic_auth: {username: a, password: hunter2, x: y}",
        "basic_auth: {username: a, password: *******, x: y}",
    ),
    ("  credentials: 'hunter 2'  # note", "  credentials: **********  # note"),
    ('  "client_secret": "hunter2"', '  "client_secret": *********'),
    ("http_headers: {X: {secrets: [hunter2, b]}}", "http_headers: {X: {secrets: ************}}"),
    ("bearer_token: hunter2", "bearer_token: *******"),
    ("secret_key: hunter2", "secret_key: *******"),
    ("authorization: Bearer hunter2  # note", "authorization: ****************# note"),
    ("authorization: {type: a}", "authorization: {type: a}"),
    ("prometheus.yaml.gz: " + "H4sI" * 20 + "==", "prometheus.yaml.gz: " + "*" * 82),
    ("password_file: /etc/password", "password_file: /etc/password"),
    ("credentials_file: token", "credentials_file: token"),
]


@pytest.mark.parametrize(("line", "shown"), SECRET_LINES)
def test_excerpts_hold_no_secrets(line: str, shown: str) -> None:
    from pyscrape.config.report import without_secrets

    assert without_secrets(line) == shown


def test_no_secret_is_printed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_text(
        "scrape_configs:\n- job_name: a\n  proxy_url: 'http://u:hunter2@[x'\n  basic_auth:\n"
        "    password_file: x\n    password: hunter2\n  authorization: {credentials: hunter2}\n"
        "- job_name: b\n  authorization: hunter2\n  http_headers:\n    X: hunter2\n    Y: {secrets: hunter2}\n"
    )
    for form in ("text", "json", "github", "sarif"):
        assert run("--format", form, str(path)) == 1
        assert "hunter2" not in capsys.readouterr().out


def test_colours_on_a_terminal() -> None:
    from pyscrape.config.report import as_text

    report = check_file(str(DATA / "indentation.bad.yml"))
    assert "\x1b[31merror\x1b[0m" in as_text([report], lambda _: (), colour=True)
    assert "\x1b" not in as_text([report], lambda _: ())


def test_relabel_tests_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.relabel.yml"
    path.write_text("config: a.yml\njob: a\ncases:\n- name: x\n  labels: {a: b}\n  droped: true\n")
    assert run(str(path)) == 1
    assert "unknown field `droped` of cases[0], did you mean `dropped`?" in capsys.readouterr().out
    assert check_bytes(b"cases: []").problems[0].id == "bad-test"


def test_explanations(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--explain", "unknown-label") == 0
    assert capsys.readouterr().out.startswith("unknown-label: A rule looks at a label that none")
    assert run("--explain", "list") == 0
    assert run("--explain", "unknown-lable") == 2
    assert "did you mean unknown-label?" in capsys.readouterr().err


def test_every_kind_of_finding_is_explained() -> None:
    known = set(explanations())
    assert {lint.id for lint in LINTS} <= known
    package = Path(__file__).parents[2] / "pyscrape"
    sources = [p for name in ("config", "net", "relabel", "scrape", "remote", "store", "rules", "discovery", "model")
               for p in (package / name).rglob("*.py") if p.name != "load.py" or name != "relabel"]  # fmt: skip
    pattern = re.compile(
        r'problem_id: str = "([a-z-]+)"|problem_id="([a-z-]+)"|"(?:error|warning|info)",\s+"([a-z-]+)"'
    )
    used = {name for path in sources for found in pattern.findall(path.read_text()) for name in found if name}
    assert len(used) > 25
    assert used - {"error", "warning", "info", "warn"} <= known


TUTORIAL = (
    Path(
        os.environ.get("PYSCRAPE_CONFORMANCE", Path(__file__).parents[2].parent / "shared" / "conformance")
    ).parent
    / "tutorial"
)
TABLE = [
    ("prometheus.yml", 0, []),
    ("configmap.yml", 0, []),
    ("mistakes/taget_label.yml", 1, [("error", 10, 9)]),
    ("mistakes/sources_labels.yml", 1, [("error", 7, 9)]),
    ("mistakes/label_name_lost_underscores.yml", 0, [("warning", 9, 25), ("warning", 14, 16)]),
    ("mistakes/configmap_taget_label.yml", 1, [("error", 14, 13)]),
]  # fmt: skip


@pytest.mark.skipif(not TUTORIAL.is_dir(), reason=f"no tutorial at {TUTORIAL}")
@pytest.mark.parametrize(("name", "code", "places"), TABLE)
def test_the_tutorial(name: str, code: int, places: list[tuple[str, int, int]]) -> None:
    assert run(str(TUTORIAL / name)) == code
    problems = check_file(str(TUTORIAL / name)).problems
    found = [(p.severity, p.line, p.column) for p in problems]
    assert all(place in found for place in places)
    assert [place for place in found if place[0] == "error"] == [
        place for place in places if place[0] == "error"
    ]


def test_a_rule_that_takes_too_long_for_a_static_target_is_its_mistake() -> None:
    hostile = "a" * 6000 + "da"
    text = f"""
scrape_configs:
  - job_name: a
    relabel_configs:
      - {{source_labels: [x], regex: '(?:(?:a|b){{1,30}}c?){{30}}', target_label: __address__, replacement: /}}
    static_configs:
      - targets: [h:1]
        labels: {{x: {hostile}}}
"""
    compile_re2.cache_clear()
    (problem,) = [one for one in check_text(text) if one.severity == "error"]
    assert problem.message.startswith("instance 0 in group 0: relabel rule 1 (line 5): regular expression")
