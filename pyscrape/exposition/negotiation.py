"""What a scrape asks for, and which parser reads the answer.

The Accept header lists the configured protocols; the answer's Content-Type decides, and
`fallback_scrape_protocol` only where the server says nothing usable.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pyscrape.model.names import EscapingScheme, quoted

ScrapeProtocol = Literal[
    "PrometheusProto",
    "OpenMetricsText0.0.1",
    "OpenMetricsText1.0.0",
    "PrometheusText1.0.0",
    "PrometheusText0.0.4",
]

_MEDIA_RANGES: dict[ScrapeProtocol, str] = {
    "PrometheusProto": "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
    "OpenMetricsText0.0.1": "application/openmetrics-text;version=0.0.1",
    "OpenMetricsText1.0.0": "application/openmetrics-text;version=1.0.0",
    "PrometheusText1.0.0": "text/plain;version=1.0.0",
    "PrometheusText0.0.4": "text/plain;version=0.0.4",
}
_ESCAPED_PROTOCOLS = frozenset({"OpenMetricsText1.0.0", "PrometheusText1.0.0"})

DEFAULT_PROTOCOLS: tuple[ScrapeProtocol, ...] = (
    "OpenMetricsText1.0.0",
    "OpenMetricsText0.0.1",
    "PrometheusText1.0.0",
    "PrometheusText0.0.4",
)

Parser = Literal["prom", "om", "protobuf"]
Format = Literal["text", "openmetrics"]
"""The formats that this project reads."""

_PARSERS: dict[str, Parser] = {
    "text/plain": "prom",
    "application/openmetrics-text": "om",
    "application/vnd.google.protobuf": "protobuf",
}
_FORMATS: dict[Parser, Format] = {"prom": "text", "om": "openmetrics"}
_NO_PROTOBUF = (
    "the target answered in the protobuf format, which is not read here; "
    "take PrometheusProto out of scrape_protocols and fallback_scrape_protocol"
)


class ContentTypeError(ValueError):
    """No parser for this answer: the scrape fails with this text."""


class MediaTypeError(ValueError):
    """A Content-Type that is not one, in the words of Go's mime package."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The parser of an answer, and what was wrong with its Content-Type where the fallback had to decide."""

    parser: Parser
    warning: str | None = None

    def text_format(self) -> Format:
        """The format to parse; raises ContentTypeError for protobuf."""
        form = _FORMATS.get(self.parser)
        if form is None:
            raise ContentTypeError(_NO_PROTOBUF)
        return form


def accept_header(
    protocols: Sequence[ScrapeProtocol] = DEFAULT_PROTOCOLS, escaping: EscapingScheme = "allow-utf-8"
) -> str:
    """The Accept header of a scrape: the protocols in order, falling weights, then anything.

    >>> accept_header(["PrometheusText0.0.4"])
    'text/plain;version=0.0.4;q=0.6,*/*;q=0.5'
    """
    weight = len(_MEDIA_RANGES) + 1
    ranges = []
    for protocol in protocols:
        escape = f";escaping={escaping}" if protocol in _ESCAPED_PROTOCOLS else ""
        ranges.append(f"{_MEDIA_RANGES[protocol]}{escape};q=0.{weight}")
        weight -= 1
    return ",".join((*ranges, f"*/*;q=0.{weight}"))


def choose_parser(content_type: str | None, fallback: str | None = None) -> Choice:
    """The parser for a Content-Type; `fallback` is a `fallback_scrape_protocol` or empty.

    Raises ContentTypeError where neither decides.

    >>> choose_parser("text/plain; version=0.0.4").parser
    'prom'
    """
    fallback_type = _fallback_media_type(fallback)
    if not content_type:
        blank = "non-compliant scrape target sending blank Content-Type"
        return _fall_back(
            fallback_type, f"{blank} and no fallback_scrape_protocol specified for target", blank
        )
    try:
        media_type = parse_media_type(content_type)
    except MediaTypeError as error:
        return _fall_back(
            fallback_type,
            f"cannot parse Content-Type {quoted(content_type)} and no fallback_scrape_protocol for target\n{error}",
            f"could not parse received Content-Type {quoted(content_type)}",
            f"\n{error}",
        )
    if media_type in _PARSERS:
        return Choice(_PARSERS[media_type])
    unsupported = f"received unsupported Content-Type {quoted(content_type)}"
    return _fall_back(
        fallback_type, f"{unsupported} and no fallback_scrape_protocol specified for target", unsupported
    )


def _fall_back(media_type: str | None, error: str, warning: str, reason: str = "") -> Choice:
    if media_type is None:
        raise ContentTypeError(error)
    used = f"{warning}, using fallback_scrape_protocol {quoted(media_type)}{reason}"
    return Choice(_PARSERS[media_type], used)


def _fallback_media_type(protocol: str | None) -> str | None:
    if not protocol:
        return None
    for name, media_range in _MEDIA_RANGES.items():
        if name == protocol:
            return media_range.partition(";")[0]
    raise ValueError(f"unknown scrape protocol {protocol}")


_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105 (a token of the HTTP grammar)
_TYPE = re.compile(_TOKEN)
_PARAMETER = re.compile(rf'\s*;\s*({_TOKEN})\s*=\s*(?:({_TOKEN})|"((?:\\.|[^"\\\r\n])*)")', re.DOTALL)
_TRAILING = re.compile(r"\s*;?\s*")


def parse_media_type(content_type: str) -> str:
    """The media type in small letters, its parameters checked as Go does. Raises MediaTypeError."""
    base, semicolon, _ = content_type.partition(";")
    media_type = base.lower().strip()
    _check_type(media_type)
    position = len(base)
    parameters: dict[str, str] = {}
    while semicolon and position < len(content_type):
        found = _PARAMETER.match(content_type, position)
        if found is None:
            if _TRAILING.fullmatch(content_type, position):
                break
            raise MediaTypeError("mime: invalid media parameter")
        name = found[1].lower()
        value = found[2] if found[2] is not None else re.sub(r"\\(.)", r"\1", found[3], flags=re.DOTALL)
        if parameters.setdefault(name, value) != value:
            raise MediaTypeError("mime: duplicate parameter name")
        position = found.end()
    return media_type


def _check_type(media_type: str) -> None:
    first = _TYPE.match(media_type)
    if first is None:
        raise MediaTypeError("mime: no media type")
    rest = media_type[first.end() :]
    if not rest:
        return
    if rest[0] != "/":
        raise MediaTypeError("mime: expected slash after first token")
    second = _TYPE.match(rest, 1)
    if second is None:
        raise MediaTypeError("mime: expected token after slash")
    if second.end() != len(rest):
        raise MediaTypeError("mime: unexpected content after media subtype")
