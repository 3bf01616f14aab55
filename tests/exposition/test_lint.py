"""Findings on a page: one line a case; words are promtool's where it has the rule."""

import pytest

from pyscrape.exposition.lint import RULES, lint_page


def page(name: str, kind: str, *samples: str) -> bytes:
    lines = [f"# HELP {name} x", f"# TYPE {name} {kind}", *(samples or (f"{name} 1",)), ""]
    return "\n".join(lines).encode()


CASES = [
    (b"# TYPE a gauge\na 1\n", "no-help", "no help text"),
    (b"# HELP a x\na 1\n", "no-type", "no type"),
    (page("c", "counter"), "counter-total", 'counter metrics should have "_total" suffix'),
    (page("e_ms", "gauge"), "abbreviated-unit", "metric names should not contain abbreviated units"),
    (page("fCamel", "gauge"), "camel-case", "metric names should be written in 'snake_case' not 'camelCase'"),
    (
        page("j", "gauge", 'j{aB="x"} 1'),
        "camel-case",
        "label names should be written in 'snake_case' not 'camelCase'",
    ),
    (
        page("h", "gauge", 'h{le="1"} 1'),
        "reserved-name",
        'non-histogram metrics should not have "le" label',
    ),
    (
        page("h", "gauge", 'h{quantile="1"} 1'),
        "reserved-name",
        'non-summary metrics should not have "quantile" label',
    ),
    (
        page("i_bucket", "gauge"),
        "reserved-name",
        'non-histogram metrics should not have "_bucket" suffix',
    ),
    (
        page("l_count", "gauge"),
        "reserved-name",
        'non-histogram and non-summary metrics should not have "_count" suffix',
    ),
    (page("j:k", "gauge"), "colon", "metric names should not contain ':'"),
    (page("counter_gauge", "gauge"), "type-in-name", "metric name should not include type 'gauge'"),
    (page("w_hours", "gauge"), "base-unit", 'use base unit "seconds" instead of "hours"'),
    (page("x_kilobytes", "gauge"), "base-unit", 'use base unit "bytes" instead of "kilobytes"'),
    (page("k_milliseconds_seconds", "gauge"), "mixed-units", 'mixed units "milliseconds" and "seconds"'),
    (
        page("h", "histogram", 'h_bucket{le="1"} 1', "h_sum 1", "h_count 1"),
        "no-last-bucket",
        'histogram has no bucket with le="+Inf"',
    ),
    (
        page("n", "gauge", 'n{a="1",b="2"} 1', 'n{b="2",a="1"} 2'),
        "duplicate-series",
        "metric not unique: the series in line 4 stood before",
    ),
    (b"# HELP a x\na 1\n# TYPE a gauge\n", "type-place", "TYPE in line 3 reported after samples"),
    (page("a", "gauge") + b"# TYPE a gauge\n", "type-place", "second TYPE line in line 4"),
]


@pytest.mark.parametrize(("body", "rule", "message"), CASES, ids=[case[1] for case in CASES])
def test_finding(body: bytes, rule: str, message: str) -> None:
    assert (rule, message) in [(found.id, found.message) for found in lint_page(body)]


def test_every_rule_has_a_case() -> None:
    assert {rule for _, rule, _ in CASES} == set(RULES)


def test_a_good_page_has_no_findings() -> None:
    good = page(
        "h_seconds", "histogram", 'h_seconds_bucket{le="+Inf"} 1', "h_seconds_sum 1", "h_seconds_count 1"
    )
    assert lint_page(good + page("c_total", "counter")) == []


def test_openmetrics_names_a_counter_without_its_suffix() -> None:
    body = b"# HELP a x\n# TYPE a counter\na_total 1\n# EOF\n"
    assert lint_page(body, "application/openmetrics-text") == []


def test_lines_are_counted_over_blank_ones() -> None:
    (found,) = lint_page(b"\n\n# HELP a x\n# TYPE a counter\na 1\n")
    assert found.line == 3
