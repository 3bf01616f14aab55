from pathlib import Path
from xml.etree import ElementTree

import pytest

from pyscrape.cli.main import main
from tests.cli.test_explain import CONFIG, PAGE, POD

TESTS = """
config: prometheus.yml
job: pods
cases:
  - name: an annotated pod is scraped on its port
    object: pod.yml
    expect: {instance: "10.1.0.5:9102", job: pods, namespace: shop, __scheme__: http}
  - name: two pods
    object:
      - &pod
        apiVersion: v1
        kind: Pod
        metadata: {name: a, namespace: x, annotations: {prometheus.io/scrape: "true"}}
        spec: {containers: [{name: c, image: i, ports: [{containerPort: 80}]}]}
        status: {podIP: 10.0.0.1, phase: Running}
      - <<: *pod
        metadata: {name: b, namespace: "y", annotations: {prometheus.io/scrape: "true"}}
        status: {podIP: 10.0.0.2, phase: Running}
    expect_all:
      - {instance: "10.0.0.2:80", job: pods, namespace: "y"}
      - {instance: "10.0.0.1:80", job: pods, namespace: x}
    lacks: [zone]
  - name: others are dropped
    labels: {__address__: "10.1.0.6:80"}
    dropped_by: 1
  - name: a page
    job: static
    page: page.txt
    present: [http_requests_total]
    absent: [go_goroutines]
    series: 2
    has: {job: static}
  - name: no address
    job: broken
    labels: {__address__: "a:1"}
    error: no address
  - name: rules of its own
    rules: [{source_labels: [a], target_label: b, action: uppercase}]
    labels: {a: x}
    expect: {a: x, b: X}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (
        ("prometheus.yml", CONFIG),
        ("pod.yml", POD),
        ("page.txt", PAGE),
        ("good.relabel.yml", TESTS),
    ):
        (tmp_path / name).write_text(text)
    (tmp_path / "no-text.yml").write_bytes(b"\xff\xfe\x01")
    return tmp_path


def run(folder: Path, text: str, *flags: str) -> int:
    path = folder / "it.relabel.yml"
    path.write_text(text)
    return main(["test", str(path), *flags])


def test_all_pass(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", str(folder / "good.relabel.yml"), "--verbose"]) == 0
    text = capsys.readouterr().out
    assert text.endswith("6 passed, 0 failed\n")
    assert "rule 1: keep" in text


FAILURES = [
    ("labels: {__address__: a}, dropped_by: 2", "expected rule 2 to drop the target, but rule 1 dropped it"),
    (
        "labels: {__address__: a}, has: {job: x}",
        "expected a target, but there is none: rule 1 dropped because",
    ),
    ("object: pod.yml, dropped: true", "expected the target to be dropped, but it was kept"),
    ("object: pod.yml, dropped_by: 1", "expected rule 1 to drop the target, but it was kept"),
    ("object: pod.yml, expect: {job: pods}", 'label namespace: not expected, is "shop"'),
    ("object: pod.yml, has: {namespace: x}", 'label namespace: expected "x", got "shop"'),
    ("object: pod.yml, lacks: [namespace]", 'label namespace: not expected, is "shop"'),
    ("object: pod.yml, expect_all: [{job: pods}]", "target 1: label instance: not expected"),
    ("object: pod.yml, error: no address", 'expected the error "no address", got ""'),
    ("object: nothing.yml, dropped: true", "nothing.yml"),
    ("object: no-text.yml, dropped: true", "no-text.yml is no text in UTF-8"),
    ("job: static, page: page.txt, present: [up]", "metric up: expected, is missing"),
    (
        "job: static, page: page.txt, absent: [http_requests_total]",
        "metric http_requests_total: not expected",
    ),
    ("job: static, page: page.txt, series: 0", "expected 0 series, got 2"),
    ("job: nope, labels: {a: b}, dropped: true", "no job 'nope'"),
    ("config: nope.yml, labels: {a: b}, dropped: true", "nope.yml"),
]


@pytest.mark.parametrize(("case", "message"), FAILURES)
def test_a_failure_says_what_differs(
    folder: Path, capsys: pytest.CaptureFixture[str], case: str, message: str
) -> None:
    assert run(folder, f"config: prometheus.yml\njob: pods\ncases:\n  - {{name: x, {case}}}\n") == 1
    text = capsys.readouterr().out
    assert message in text
    assert f"FAIL {folder}/it.relabel.yml:4 x" in text


def test_results_that_cannot_be_written_are_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = folder / "nowhere" / "report.xml"
    assert main(["test", str(folder / "good.relabel.yml"), "--junit", str(nowhere)]) == 2
    assert f"{nowhere}: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file has no cases"),
        ("cases: []", "the file has no cases"),
        ("rules: []\ncases: [{labels: {a: b}, dropped: true}]", "the case has no name"),
        ("rules: []\ncases: [{name: x, dropped: true}]", "the case has no input"),
        ("rules: []\ncases: [{name: x, labels: {a: b}}]", "the case expects nothing"),
        (
            "rules: []\ncases: [{name: x, labels: {a: b}, expect: {}}]",
            "`expect` is empty and so expects nothing",
        ),
        (
            "rules: []\ncases: [{name: x, labels: {a: b}, object: c, dropped: true}]",
            "does not go with `labels`",
        ),
        ("cases: [{name: x, labels: {a: b}, dropped: true}]", "neither `rules` nor a `config`"),
        ("rules: [{action: x}]\ncases: [{name: x, labels: {a: b}, dropped: true}]", "unknown relabel action"),
        ("rules: []\ncases: [{name: x, labels: {a: b}, droped: true}]", "did you mean `dropped`"),
        *(
            (f"rules: []\ncases: [{{name: x, page: p, {name}: {value}}}]", f"`{name}` is for targets")
            for name, value in (("expect_all", "[{a: b}]"), ("dropped_by", 1), ("error", "no address"))
        ),
        *(
            (f"rules: []\ncases: [{{name: x, labels: {{a: b}}, {name}: {value}}}]", f"`{name}` is for a page")
            for name, value in (("series", 17), ("present", "[up]"), ("absent", "[up]"))
        ),
        ("rules: []\ncases: [{name: x, labels: {a: b}, dropped_by: 0}]", "rules count from 1"),
        ("rules: []\ncases: [{name: x, page: p, series: -1}]", "whole number of at least 0"),
        ("cases: [", "did not find expected node content"),
    ],
)
def test_a_file_that_is_none(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    assert run(folder, text) == 2
    assert message in capsys.readouterr().err


def test_a_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", str(folder)]) == 0
    (folder / "empty").mkdir()
    assert main(["test", str(folder / "empty")]) == 2
    assert "no *.relabel.yml below" in capsys.readouterr().err


def test_a_missing_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", "/nonexistent.relabel.yml"]) == 2
    assert "/nonexistent.relabel.yml" in capsys.readouterr().err


def test_junit(folder: Path) -> None:
    good, bad = (
        "{name: good, labels: {a: b}, expect: {a: b}}",
        '{name: bad, labels: {a: "\\x01"}, dropped: true}',
    )
    text = f"rules: []\ncases:\n  - {good}\n  - {bad}\n"
    assert run(folder, text, f"--junit={folder}/report.xml") == 1
    (suite,) = ElementTree.parse(folder / "report.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [case.get("name") for case in suite] == ["good", "bad"]
    assert suite[1][0].get("message") == "expected the target to be dropped, but it was kept"


pytest_plugins = ["pytester"]


def test_pytest_collects_only_when_asked(folder: Path, pytester: pytest.Pytester) -> None:
    for path in folder.iterdir():
        (pytester.path / path.name).write_bytes(path.read_bytes())
    (pytester.path / "bad.relabel.yml").write_text(
        "rules: []\ncases:\n  - {name: wrong, labels: {a: b}, dropped: true}\n"
    )
    bare = [
        flag for plugin in ("cacheprovider", "asyncio", "hypothesispytest") for flag in ("-p", f"no:{plugin}")
    ]
    pytester.runpytest(*bare).assert_outcomes()
    asked = pytester.runpytest(*bare, "-p", "pyscrape.cli.pytest_plugin")
    asked.assert_outcomes(passed=6, failed=1)
    asked.stdout.fnmatch_lines(["*expected the target to be dropped, but it was kept*"])
