"""Prometheus' tests of names, their escaping, and label matchers."""

import base64
from typing import Any

import pytest

from pyscrape.model.matcher import Matcher, MatchType
from pyscrape.model.names import (
    escape_name,
    sanitize_label_name,
    unescape_name,
    valid_label_name,
    valid_metric_name,
)
from tests.conformance.relabel_cases import WITHOUT, cases

# Nothing here needs names that may not begin with a digit.
UNUSED = "sanitize_full_label_name"
CASES = [case for case in cases("names.json") if case["kind"] != UNUSED]

pytestmark = pytest.mark.skipif(not CASES, reason=WITHOUT)


def text_of(case: dict[str, Any]) -> str:
    if "text_base64" in case:
        return base64.b64decode(case["text_base64"]).decode("utf-8", "surrogateescape")
    text: str = case["text"]
    return text


def check_metric(case: dict[str, Any]) -> None:
    assert valid_metric_name(text_of(case), "legacy") is case["legacy"]
    assert valid_metric_name(text_of(case), "utf8") is case["utf8"]


def check_label(case: dict[str, Any]) -> None:
    assert valid_label_name(text_of(case), "legacy") is case["legacy"]
    assert valid_label_name(text_of(case), "utf8") is case["utf8"]


def check_escape(case: dict[str, Any]) -> None:
    text = text_of(case)
    assert escape_name(text, "underscores") == case["underscores"]
    assert escape_name(text, "dots") == case["dots"]
    assert escape_name(text, "values") == case["values"]
    assert unescape_name(case["dots"], "dots") == case["unescaped_dots"]
    assert unescape_name(case["values"], "values") == text
    assert escape_name(text, "allow-utf-8") == text


def check_unescape(case: dict[str, Any]) -> None:
    assert unescape_name(text_of(case), "values") == case["output"]


def check_sanitize(case: dict[str, Any]) -> None:
    assert sanitize_label_name(text_of(case)) == case["output"]


def check_matcher(case: dict[str, Any]) -> None:
    assert Matcher(MatchType(case["type"]), "x", case["value"]).matches(case["against"]) is case["match"]


CHECKS = {
    "metric_name_valid": check_metric,
    "label_name_valid": check_label,
    "escape": check_escape,
    "unescape_values": check_unescape,
    "sanitize_label_name": check_sanitize,
    "matcher": check_matcher,
}


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_names(case: dict[str, Any]) -> None:
    CHECKS[case["kind"]](case)
