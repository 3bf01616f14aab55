"""Batches as remote write 2.0 requests: every text once in a table of symbols, metadata with each series.

The table is a request's own, so nothing can be prepared but the texts of each series. Times of creation are not sent:
pages say them as series of their own, `_created`, which are sent as such.

    Request      4 symbols (the first is ""), 5 timeseries
    TimeSeries   1 labels_refs, 2 samples, 4 exemplars, 5 metadata
    Exemplar     1 labels_refs, 2 value, 3 timestamp          Metadata   1 type, 3 help_ref, 4 unit_ref

Source: the Prometheus Remote-Write 2.0 specification.
"""

from collections.abc import Callable, Mapping, Sequence

from pyscrape.model.labels import METRIC_NAME
from pyscrape.remote.encode import (
    METADATA_TYPES,
    Exemplar,
    Metadata,
    Times,
    Values,
    field,
    sample_tails,
    value_and_time,
    varint,
)

Texts = tuple[str, ...]
"""A series' labels: name, value, name, value, ... sorted by name."""

_SUFFIXES = ("_total", "_bucket", "_sum", "_count", "_created", "_info")


def series_texts(labels: Mapping[str, str]) -> Texts:
    """The texts of a series, empty labels left out."""
    return tuple(text for name in sorted(labels) if labels[name] for text in (name, labels[name]))


def metric_name(texts: Texts) -> str:
    """The metric name among the texts of a series, empty where it has none."""
    return texts[texts.index(METRIC_NAME) + 1] if METRIC_NAME in texts[::2] else ""


def families_of(name: str) -> list[str]:
    """The families that a metric of this name may belong to, the likeliest first.

    >>> families_of("rpc_seconds_bucket")
    ['rpc_seconds_bucket', 'rpc_seconds']
    """
    return [name, *(name.removesuffix(suffix) for suffix in _SUFFIXES if name.endswith(suffix))]


def write_request2(
    series: Sequence[Texts],
    times_ms: Times,
    values: Values,
    metadata: Callable[[str], Metadata | None],
    exemplars: Mapping[int, Sequence[Exemplar]],
) -> bytes:
    """A Request; `metadata` is asked for each metric name, `exemplars` are those of sample k."""
    symbols: dict[str, int] = {"": 0}
    refer = symbols.setdefault
    parts = []
    for number, (texts, tail) in enumerate(zip(series, sample_tails(times_ms, values), strict=True)):
        refs = b"".join([varint(refer(text, len(symbols))) for text in texts])
        content = field(0x0A, refs) + field(0x12, b"\x09" + tail)
        for one in exemplars.get(number, ()):
            own = b"".join([varint(refer(text, len(symbols))) for text in series_texts(one.labels)])
            content += field(0x22, (field(0x0A, own) if own else b"") + value_and_time(one))
        known = metadata(metric_name(texts))
        if known is not None:
            content += field(0x2A, _metadata(known, refer, symbols))
        parts.append(field(0x2A, content))
    return b"".join([field(0x22, text.encode()) for text in symbols]) + b"".join(parts)


def _metadata(known: Metadata, refer: Callable[[str, int], int], symbols: Mapping[str, int]) -> bytes:
    number = METADATA_TYPES.get(known.type, 0)
    content = b"\x08" + varint(number) if number else b""
    for tag, text in ((0x18, known.help), (0x20, known.unit)):
        if text:
            content += bytes((tag,)) + varint(refer(text, len(symbols)))
    return content
