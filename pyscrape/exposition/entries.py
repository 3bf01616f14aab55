"""What a page consists of, entry by entry, in the order of the page."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import msgspec

from pyscrape.exposition.errors import decoded
from pyscrape.exposition.series import Normalised, parse_labels

MetricType = Literal[
    "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset", "unknown"
]


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One example behind a sample: `timestamp_ms` is None where the page gives none."""

    labels: Mapping[str, str]
    value: float
    timestamp_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the comments of a page say of a metric family; empty texts where they say nothing."""

    type: str = "unknown"
    help: str = ""
    unit: str = ""


class Series(msgspec.Struct, frozen=True, dict=True):
    """A sample: `name{labels} value [timestamp]`. Labels are taken apart when they are first read.

    `raw`: the series as it stands in the page, without value and timestamp. `timestamp_ms`: None where the line
    has none. `normalised`: the label that the page's last TYPE line has rewritten as a float, or "". (A struct and
    no dataclass, because a page is thousands of these: 75 ns against 350 each.)
    """

    raw: bytes
    value: float
    timestamp_ms: int | None = None
    normalised: Normalised = ""
    exemplars: tuple[Exemplar, ...] = ()

    kind: ClassVar[Literal["series"]] = "series"

    @property
    def text(self) -> str:
        """`raw` as text."""
        return decoded(self.raw)

    @cached_property
    def labels(self) -> dict[str, str]:
        """Labels with `__name__`; `le` and `quantile` of classic histograms and summaries normalised.

        Raises DuplicateLabelError where one name stands twice.
        """
        return parse_labels(self.raw, self.normalised)

    def __repr__(self) -> str:
        clock = "" if self.timestamp_ms is None else f" {self.timestamp_ms}"
        return f"Series({self.text} {self.value}{clock})"


@dataclass(frozen=True, slots=True)
class Type:
    """`# TYPE metric type`; the text format's "untyped" is "unknown" here, as in Prometheus."""

    kind: ClassVar[Literal["type"]] = "type"
    metric: str
    type: MetricType


@dataclass(frozen=True, slots=True)
class Help:
    """`# HELP metric help`, escapes undone."""

    kind: ClassVar[Literal["help"]] = "help"
    metric: str
    help: str


@dataclass(frozen=True, slots=True)
class Unit:
    """`# UNIT metric unit` (OpenMetrics)."""

    kind: ClassVar[Literal["unit"]] = "unit"
    metric: str
    unit: str


@dataclass(frozen=True, slots=True)
class Comment:
    """Any other line that starts with `#` (text format only), with its `#`."""

    kind: ClassVar[Literal["comment"]] = "comment"
    text: str


Entry = Series | Type | Help | Unit | Comment


def add_metadata(metadata: dict[str, Metadata], entry: Type | Help | Unit) -> None:
    """Take one comment into the metadata of a page; the last word on a family wins."""
    known = metadata.get(entry.metric, Metadata())
    match entry:
        case Type():
            known = Metadata(entry.type, known.help, known.unit)
        case Help():
            known = Metadata(known.type, entry.help, known.unit)
        case Unit():
            known = Metadata(known.type, known.help, entry.unit)
    metadata[entry.metric] = known
