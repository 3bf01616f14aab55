"""textparse.json: entries and error texts of both text formats, as Prometheus' own parser tests state them.

Known differences:
- start timestamps (`skip_st_series`) are a feature that is not built: `_created` lines stay series, as they do in
  Prometheus without that feature, so they are passed over here, and `start_timestamp_ms` is not compared.
- the feature that adds `__type__` and `__unit__` is not built: those two labels are not compared.
"""

import math

import pytest

from pyscrape.exposition import Entry, ParseError, parse
from tests.conformance.exposition_cases import Case, body_of, load

CASES = load("textparse.json")
NOT_BUILT = ("__type__", "__unit__")


def of_kind(kind: str) -> list[Case]:
    return [case for case in CASES if case["kind"] == kind]


def same_number(got: float, stated: str) -> bool:
    expected = float(stated)
    return got == expected or (math.isnan(got) and math.isnan(expected))


def check_series(got: Entry, expected: Case) -> None:
    assert got.kind == "series"
    assert got.text == expected["raw"]
    if "labels" not in expected:
        return
    labels = {name: value for name, value in got.labels.items() if name not in NOT_BUILT}
    assert labels == {name: value for name, value in expected["labels"].items() if name not in NOT_BUILT}
    assert same_number(got.value, expected["value"])
    assert got.timestamp_ms == expected["timestamp_ms"]
    stated = expected.get("exemplars", [])
    assert len(got.exemplars) == len(stated)
    for exemplar, facts in zip(got.exemplars, stated, strict=True):
        assert dict(exemplar.labels) == facts["labels"]
        assert same_number(exemplar.value, facts["value"])
        assert exemplar.timestamp_ms == facts["timestamp_ms"]


@pytest.mark.parametrize("case", of_kind("parse"), ids=lambda case: case["name"])
def test_entries(case: Case) -> None:
    got = list(parse(body_of(case), case["content_type"]))
    for expected in case["entries"]:
        entry = got.pop(0)
        while (
            entry.kind == "series"
            and "_created" in entry.text
            and case["options"].get("skip_st_series")
            and entry.text != expected.get("raw")
        ):
            entry = got.pop(0)
        assert entry.kind == expected["kind"]
        if expected["kind"] == "series":
            check_series(entry, expected)
        else:
            assert {name: getattr(entry, name) for name in expected} == expected
    assert all(entry.kind == "series" and "_created" in entry.text for entry in got)


@pytest.mark.parametrize("case", of_kind("error"), ids=lambda case: case["name"])
def test_error(case: Case) -> None:
    if case["ok"]:
        list(parse(body_of(case), case["content_type"]))
        return
    with pytest.raises(ParseError) as caught:
        list(parse(body_of(case), case["content_type"]))
    assert caught.value.message == case["error"]


@pytest.mark.parametrize("case", of_kind("no_crash"), ids=lambda case: case["name"])
def test_no_crash(case: Case) -> None:
    try:
        list(parse(body_of(case), case["content_type"]))
    except ParseError as error:
        assert error.message
