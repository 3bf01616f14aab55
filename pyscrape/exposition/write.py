"""Families to the text format: what /federate and other pages of this server say.

# TYPE up untyped
up{instance="a:9090",job="node"} 1 1395066363000
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pyscrape.exposition.floats import go_g
from pyscrape.model.labels import METRIC_NAME
from pyscrape.model.names import valid_label_name, valid_metric_name

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Sample:
    """One line: `labels` without or with `__name__` (which gives the line its own name), `time_ms` if it has one."""

    labels: Mapping[str, str]
    value: float
    time_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """Lines under one TYPE; an empty help writes no HELP line."""

    name: str
    samples: Iterable[Sample]
    type: str = "untyped"
    help: str = ""


def write_text(families: Iterable[Family]) -> bytes:
    """A page in the text format 0.0.4; names that are not legacy ones are written as 1.0.0 does, in quotes.

    >>> write_text([Family("up", [Sample({"job": "a"}, 1.0, 5)])])
    b'# TYPE up untyped\\nup{job="a"} 1 5\\n'
    """
    lines: list[str] = []
    for family in families:
        name = write_name(family.name)
        if family.help:
            lines.append(f"# HELP {name} {_escape_help(family.help)}")
        lines.append(f"# TYPE {name} {family.type}")
        lines += (_line(family.name, sample) for sample in family.samples)
    lines.append("")
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def _line(family: str, sample: Sample) -> str:
    clock = "" if sample.time_ms is None else f" {sample.time_ms}"
    metric = sample.labels.get(METRIC_NAME, family)
    return f"{write_series(metric, sample.labels)} {go_g(sample.value)}{clock}"


def write_series(metric: str, labels: Mapping[str, str]) -> str:
    """A series as it stands in a page; labels keep their order, and empty ones are written.

    >>> write_series("up", {"job": 'a "b"'}), write_series("a.b", {"c d": "e"})
    ('up{job="a \\\\"b\\\\""}', '{"a.b","c d"="e"}')
    """
    pairs = [f'{_label(name)}="{_escape(value)}"' for name, value in labels.items() if name != METRIC_NAME]
    if valid_metric_name(metric, "legacy"):
        return f"{metric}{{{','.join(pairs)}}}" if pairs else metric
    return "{" + ",".join([write_name(metric), *pairs]) + "}"


def write_label(name: str, value: str) -> bytes:
    """A label as it stands between braces."""
    return f'{_label(name)}="{_escape(value)}"'.encode("utf-8", "surrogateescape")


def write_name(metric: str) -> str:
    """A metric's name as it stands in a page."""
    return metric if valid_metric_name(metric, "legacy") else f'"{_escape(metric)}"'


def _label(name: str) -> str:
    return name if valid_label_name(name, "legacy") else f'"{_escape(name)}"'


def _escape_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _escape(text: str) -> str:
    return _escape_help(text).replace('"', '\\"')
