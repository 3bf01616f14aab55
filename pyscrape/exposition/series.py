"""Series text to labels: `name{a="b"}` -> {"__name__": "name", "a": "b"}.

The text has passed a parser already, so this only takes apart. Cut at its quotes, a usual text is values between
the parts of a shape that its whole family shares; escapes and quoted names go the general way, token by token.
"""

import re
from functools import lru_cache
from typing import Literal

from pyscrape.exposition.errors import decoded
from pyscrape.exposition.floats import openmetrics_float, parse_go_float
from pyscrape.model.labels import METRIC_NAME

Normalised = Literal["", "le", "quantile"]
"""Which label of a sample is rewritten as an OpenMetrics float: decided by the page's last TYPE line."""

NORMALISED: tuple[Normalised, ...] = ("", "le", "quantile")
NORMALISED_BY_TYPE: dict[str, Normalised] = {"histogram": "le", "summary": "quantile"}

_TOKENS = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([a-zA-Z_][a-zA-Z0-9_]*)|([=,}])', re.DOTALL)
# Stands for an escaped backslash while the other escapes are undone: no page decodes to this lone surrogate.
_BACKSLASH = "\ud800"
_FLOATS_REMEMBERED = 4096
_SHAPES_REMEMBERED = 16384


class DuplicateLabelError(ValueError):
    """A series that gives one label twice: Prometheus fails the whole scrape."""

    def __init__(self, name: str) -> None:
        super().__init__(f'label name "{name}" is not unique: invalid sample')
        self.name = name


def unescape(text: str) -> str:
    """Undo the escapes of names, label values and OpenMetrics help; an unknown escape stays as it is."""
    if "\\" not in text:
        return text
    # Replacing takes no memory per escape, as a pattern's matches would: a hostile value may hold millions.
    text = text.replace("\\\\", _BACKSLASH).replace("\\n", "\n").replace('\\"', '"')
    return text.replace(_BACKSLASH, "\\")


def unescape_help(text: str) -> str:
    """Undo the escapes of a text format's help, where a quote is nothing special."""
    if "\\" not in text:
        return text
    return text.replace("\\\\", _BACKSLASH).replace("\\n", "\n").replace(_BACKSLASH, "\\")


@lru_cache(_FLOATS_REMEMBERED)
def normalise_float(text: str) -> str:
    """A value of `le` or `quantile` as an OpenMetrics float; what is no number stays.

    >>> normalise_float("1"), normalise_float("0.50"), normalise_float("all")
    ('1.0', '0.5', 'all')
    """
    try:
        return openmetrics_float(parse_go_float(text))
    except ValueError:
        return text


class _Shapes(dict[tuple[str, ...], tuple[str, tuple[str, ...]] | None]):
    """Series texts without their values -> metric name and label names; None for what has to go the general way.

    A family's series share their shape, so taking it apart once serves all of them.
    """

    def __missing__(self, shape: tuple[str, ...]) -> tuple[str, tuple[str, ...]] | None:
        if len(self) >= _SHAPES_REMEMBERED:
            self.clear()
        found = self[shape] = _names_of(shape)
        return found


def _names_of(shape: tuple[str, ...]) -> tuple[str, tuple[str, ...]] | None:
    name, _, first = shape[0].partition("{")
    if len(shape) == 1:
        return name.strip(" \t"), ()
    keys = [part.strip(" \t,") for part in (first, *shape[1:-1])]
    names = tuple(key[:-1].rstrip(" \t") for key in keys)
    usable = all(key.endswith("=") for key in keys) and len({METRIC_NAME, *names}) == len(names) + 1
    return (name.strip(" \t"), names) if usable else None


_shapes = _Shapes()


def names_of_structure(structure: tuple[str, ...]) -> tuple[str, tuple[str, ...]] | None:
    """Metric name and label names of series texts cut at their quotes; None for what has to go the general way.

    >>> names_of_structure(("up{a=", ",b=", "}"))
    ('up', ('a', 'b'))
    """
    return _shapes[structure]


def parse_labels(raw: bytes, normalised: Normalised = "") -> dict[str, str]:
    """The labels of a series text with `__name__`.

    >>> parse_labels(b'http_bucket{le="1",code="200"}', "le")
    {'le': '1.0', 'code': '200', '__name__': 'http_bucket'}

    Raises DuplicateLabelError.
    """
    text = raw.decode("utf-8", "surrogateescape")
    parts = text.split('"')
    shape = _shapes[tuple(parts[::2])] if "\\" not in text else None
    if shape is None:
        labels = _general_labels(text)
    else:
        # Not `strict`: that alone would take a sixth of the time, and a shape has as many names as values.
        labels = dict(zip(shape[1], parts[1::2]))  # noqa: B905
        labels[METRIC_NAME] = shape[0]
    if normalised and normalised in labels:
        labels[normalised] = normalise_float(labels[normalised])
    return labels


def parse_exemplar_labels(braces: bytes) -> dict[str, str]:
    """The labels of an exemplar, `{trace_id="x"}`; of a label given twice the last one stays."""
    return dict(_pairs(decoded(braces))[1])


def _general_labels(text: str) -> dict[str, str]:
    """Any series text that a parser let pass."""
    name, _, rest = text.partition("{")
    quoted_name, pairs = _pairs(rest)
    labels = {METRIC_NAME: name.strip(" \t") if quoted_name is None else quoted_name}
    for label, value in pairs:
        if label in labels:
            raise DuplicateLabelError(label)
        labels[label] = value
    return labels


def _pairs(braces: str) -> tuple[str | None, list[tuple[str, str]]]:
    """The quoted metric name among the braces, if there is one, and the label pairs."""
    metric: str | None = None
    pairs: list[tuple[str, str]] = []
    key: str | None = None
    for found in _TOKENS.finditer(braces):
        quoted, bare, mark = found.groups()
        if mark is None:
            text = bare if bare is not None else unescape(quoted)
            if key is None:
                key = text
            else:
                pairs.append((key, text))
                key = None
        elif mark != "=" and key is not None:
            # A quoted string on its own is the metric's name.
            metric, key = key, None
    return metric, pairs
