"""openmetrics_suite.json: every page that a strict parser accepts is accepted; of the others Prometheus decides.

Prometheus reads OpenMetrics line by line, so it takes many pages that the suite calls bad: rules on order,
grouping, repeated metadata and values of a family are not looked at. They are not listed here case by case.
"""

import pytest

from pyscrape.exposition import ParseError, parse
from tests.conformance.exposition_cases import Case, body_of, load

CASES = load("openmetrics_suite.json")
CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@pytest.mark.parametrize("case", [c for c in CASES if c["should_parse"]], ids=lambda case: case["name"])
def test_good_page(case: Case) -> None:
    for entry in parse(body_of(case), CONTENT_TYPE):
        if entry.kind == "series":
            assert entry.labels["__name__"]


@pytest.mark.parametrize("case", [c for c in CASES if not c["should_parse"]], ids=lambda case: case["name"])
def test_bad_page_ends_in_entries_or_a_parse_error(case: Case) -> None:
    try:
        list(parse(body_of(case), CONTENT_TYPE))
    except ParseError as error:
        assert error.line >= 1
        assert error.column >= 1
