"""OpenMetrics, case by case; words were compared with Prometheus."""

import pytest

from pyscrape.exposition import Entry, ParseError, parse

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def entries(body: bytes) -> list[Entry]:
    return list(parse(body, CONTENT_TYPE))


def test_exemplars_and_float_seconds() -> None:
    (entry,) = entries(b'a_total 1 1.5 # {id="x",t="\\"y\\""} 0.25 123.123\n# EOF\n')
    assert entry.kind == "series"
    assert entry.timestamp_ms == 1500
    (exemplar,) = entry.exemplars
    assert dict(exemplar.labels) == {"id": "x", "t": '"y"'}
    assert (exemplar.value, exemplar.timestamp_ms) == (0.25, 123123)


def test_metadata() -> None:
    found = entries(b'# TYPE "b.a_s" counter\n# UNIT "b.a_s" s\n# HELP a \\"x\\" \\\\ \\n\n# EOF\n')
    assert [(entry.kind, entry.metric) for entry in found] == [  # type: ignore[union-attr]
        ("type", "b.a_s"),
        ("unit", "b.a_s"),
        ("help", "a"),
    ]
    assert found[2].help == '"x" \\ \n'  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "data does not end with # EOF"),
        (b"a 1\n", "data does not end with # EOF"),
        (b"# EOF\n\n", "unexpected data after # EOF"),
        (b"# EOF\na 1\n# EOF\n", "unexpected data after # EOF"),
        (b"\n# EOF\n", 'expected a valid start token, got "\\n" ("INVALID") while parsing: "\\n"'),
        (b"a 1 \n# EOF\n", 'expected a valid start token, got "\\n#" ("LINEBREAK") while parsing: "\\n#"'),
        (b"a 1 # x\n# EOF\n", 'expected a valid start token, got "x" ("INVALID") while parsing: "x"'),
        (b"a 1 NaN\n# EOF\n", "invalid timestamp NaN"),
        (b"a 1 -Inf\n# EOF\n", "invalid timestamp -Inf"),
        (b"# UNIT a_s m\n# EOF\n", 'unit "m" not a suffix of metric "a_s"'),
        (b"# TYPE a untyped\n# EOF\n", 'invalid metric type "untyped"'),
    ],
)
def test_error(body: bytes, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        entries(body)
    assert caught.value.message == message
