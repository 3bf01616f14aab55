"""content_type.json: which parser a Content-Type and a fallback choose, and what is said about it."""

import pytest

from pyscrape.exposition import ContentTypeError, choose_parser
from tests.conformance.exposition_cases import Case, load

CASES = load("content_type.json")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_content_type(case: Case) -> None:
    expected: str | None = case.get("error_contains")
    try:
        choice = choose_parser(case["content_type"], case["fallback_scrape_protocol"])
    except ContentTypeError as error:
        assert case["parser"] is None
        assert expected is not None and expected in str(error)
    else:
        assert choice.parser == case["parser"]
        assert (choice.warning is None) == (expected is None)
        assert expected is None or expected in (choice.warning or "")
