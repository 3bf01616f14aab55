"""promql/parser.json: the verdict, the text and the place of every fault, trees, canonical and split texts, series."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from pyscrape.model.matcher import Matcher, MatchType
from pyscrape.promql import QueryParseError, ast, parse_expr
from pyscrape.promql.format import format_float
from pyscrape.promql.json import to_json
from pyscrape.promql.printer import extract_selectors, format_expr, format_query, format_selector
from pyscrape.promql.series import STALE, parse_series

FOLDER = Path(
    os.environ.get("PYSCRAPE_CONFORMANCE", Path(__file__).parents[2].parent / "shared" / "conformance")
)
FILE = FOLDER / "promql" / "parser.json"
if not FILE.is_file():
    pytest.skip(f"no conformance corpus at {FILE}", allow_module_level=True)
CASES: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))["cases"]
EVERYTHING = {"experimental": True, "extended_ranges": True, "fill": True}
NO_FILL = EVERYTHING | {"fill": False}
# A store of floats has no native histograms; the notation keeps them as text.
KNOWN_DIFFERENCES = {"native_histograms"}


def of_kind(*kinds: str) -> list[Any]:
    found = [case for case in CASES if case["kind"] in kinds]
    assert found, f"the corpus has no cases of {kinds}"
    return [pytest.param(case, id=case["name"][:60]) for case in found]


def text_of(case: dict[str, Any]) -> str:
    if "input_base64" in case:
        return base64.b64decode(case["input_base64"]).decode(errors="surrogateescape")
    text: str = case["input"]
    return text


def skip_native_histograms(case: dict[str, Any]) -> None:
    if KNOWN_DIFFERENCES & set(case.get("needs", ())):
        pytest.skip("native histograms are not supported")


@pytest.mark.parametrize("case", of_kind("expr"))
def test_expressions(case: dict[str, Any]) -> None:
    if case["ok"]:
        assert to_json(parse_expr(text_of(case), **NO_FILL)) == case["ast"]
        return
    with pytest.raises(QueryParseError) as caught:
        parse_expr(text_of(case), **NO_FILL)
    error = caught.value
    assert str(error) == case["error"]
    assert error.errors[: len(case["errors"])] == case["errors"]
    assert len(error.errors) == case.get("errors_total", len(case["errors"]))


@pytest.mark.parametrize("case", of_kind("string"))
def test_canonical_text(case: dict[str, Any]) -> None:
    assert format_expr(parse_expr(case["input"], **EVERYTHING)) == case["output"]


@pytest.mark.parametrize("case", of_kind("pretty"))
def test_split_text(case: dict[str, Any]) -> None:
    assert format_query(case["input"], case["max_chars_per_line"], **EVERYTHING) == case["output"]


@pytest.mark.parametrize("case", of_kind("ast_string"))
def test_text_of_trees(case: dict[str, Any]) -> None:
    tree = case["ast"]
    matchers = tuple(Matcher(MatchType(m["type"]), m["name"], m["value"]) for m in tree["matchers"])
    assert format_selector(ast.VectorSelector(tree["name"], matchers)) == case["output"]


@pytest.mark.parametrize("case", of_kind("extract_selectors"))
def test_extract_selectors(case: dict[str, Any]) -> None:
    found = extract_selectors(parse_expr(case["input"]))
    assert ["{" + ", ".join(map(str, matchers)) + "}" for matchers in found] == case["selectors"]


@pytest.mark.parametrize("case", of_kind("series_desc"))
def test_series_notation(case: dict[str, Any]) -> None:
    skip_native_histograms(case)
    if not case["ok"]:
        with pytest.raises(QueryParseError) as caught:
            parse_series(case["input"])
        assert case.get("error_contains", "") in str(caught.value)
        return
    series = parse_series(case["input"])
    shown = [
        None if value is None else "StaleNaN" if value is STALE else format_float(value)  # type: ignore[arg-type]
        for value in series.values
    ]
    assert (series.labels, shown) == (case["labels"], case["values"])


@pytest.mark.parametrize("case", of_kind("histogram_test_expression"))
def test_histogram_notation(case: dict[str, Any]) -> None:
    skip_native_histograms(case)
    pytest.fail(f"an unknown kind of case: {case}")
