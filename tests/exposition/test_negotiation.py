"""The Accept header, Content-Type and the fallback."""

import pytest

from pyscrape.exposition import ContentTypeError, accept_header, choose_parser


def test_default_accept_header() -> None:
    assert accept_header() == (
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
        "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
        "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
    )


def test_accept_header_with_protobuf_and_escaping() -> None:
    assert accept_header(["PrometheusProto", "PrometheusText1.0.0"], "underscores") == (
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
        "text/plain;version=1.0.0;escaping=underscores;q=0.5,*/*;q=0.4"
    )


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "TEXT/Plain",
        "text/plain;",
        "text/plain; charset=utf-8; version=0.0.4",
        'text/plain; a="b;c"',
    ],
)
def test_text(content_type: str) -> None:
    assert choose_parser(content_type).parser == "prom"


@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        (None, "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol"),
        ("text/html", 'received unsupported Content-Type "text/html" and no fallback_scrape_protocol specified'),
        ("text/plain; x", 'cannot parse Content-Type "text/plain; x" and no fallback_scrape_protocol for target\n'),
        ("text/plain; x", "mime: invalid media parameter"),
        ("text plain", "mime: expected slash after first token"),
        ("text/plain; a=b; a=c", "mime: duplicate parameter name"),
    ],
)  # fmt: skip
def test_no_parser(content_type: str | None, message: str) -> None:
    with pytest.raises(ContentTypeError) as caught:
        choose_parser(content_type)
    assert message in str(caught.value)


def test_fallback() -> None:
    choice = choose_parser("text/html", "OpenMetricsText1.0.0")
    assert choice.text_format() == "openmetrics"
    assert choice.warning == (
        'received unsupported Content-Type "text/html", using fallback_scrape_protocol "application/openmetrics-text"'
    )


def test_protobuf_is_refused_in_words() -> None:
    with pytest.raises(ContentTypeError, match="protobuf format, which is not read here"):
        choose_parser("application/vnd.google.protobuf").text_format()
