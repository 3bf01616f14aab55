"""What is written is read again."""

import math

import pytest

from pyscrape.exposition import parse
from pyscrape.exposition.write import Family, Sample, write_series, write_text


@pytest.mark.parametrize(
    ("metric", "labels", "text"),
    [
        ("up", {}, "up"),
        ("up", {"__name__": "up", "job": "a"}, 'up{job="a"}'),
        ("up", {"a": 'q"\\\n'}, 'up{a="q\\"\\\\\\n"}'),
        ("up", {"instance": ""}, 'up{instance=""}'),
        ("a.b", {"c": "d"}, '{"a.b",c="d"}'),
        ("a", {"c d": "e"}, 'a{"c d"="e"}'),
    ],
)
def test_series(metric: str, labels: dict[str, str], text: str) -> None:
    assert write_series(metric, labels) == text


def test_a_page_comes_back() -> None:
    samples = [
        Sample({"job": "a\nb"}, 1.0, 1395066363000),
        Sample({"job": 'c"\\d', "é": "ü"}, math.nan),
        Sample({"job": "e"}, -math.inf),
        Sample({"job": "f"}, 123456789.125),
    ]
    body = write_text([Family("x.y", samples, "gauge", "two\nlines \\ and"), Family("z", [])])
    entries = list(parse(body))
    assert [entry.kind for entry in entries] == ["help", "type", *["series"] * 4, "type"]
    assert entries[0].help == "two\nlines \\ and"  # type: ignore[union-attr]
    series = [entry for entry in entries if entry.kind == "series"]
    assert [dict(entry.labels) for entry in series] == [{"__name__": "x.y", **s.labels} for s in samples]
    assert [repr(entry.value) for entry in series] == [repr(s.value) for s in samples]
    assert [entry.timestamp_ms for entry in series] == [1395066363000, None, None, None]
