"""Pages of metrics: both text formats to entries (`parse`) and, scrape after scrape, to rows (`PageReader`).

An `Entry` is a Series, Type, Help, Unit or Comment; `MetricType` is what a Type may say, as a text: "counter", "gauge"
and so on. `NO_TIME` is the time in ms that stands in a Row's arrays where a line has none.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyscrape.exposition.entries import (
        Comment,
        Entry,
        Exemplar,
        Help,
        Metadata,
        MetricType,
        Series,
        Type,
        Unit,
    )
    from pyscrape.exposition.errors import ParseError
    from pyscrape.exposition.follow import NO_TIME
    from pyscrape.exposition.negotiation import (
        Choice,
        ContentTypeError,
        accept_header,
        choose_parser,
    )
    from pyscrape.exposition.page import Layout, PageReader, Row
    from pyscrape.exposition.parsing import parse
    from pyscrape.exposition.series import DuplicateLabelError

__all__ = [
    "NO_TIME",
    "Choice",
    "Comment",
    "ContentTypeError",
    "DuplicateLabelError",
    "Entry",
    "Exemplar",
    "Help",
    "Layout",
    "Metadata",
    "MetricType",
    "PageReader",
    "ParseError",
    "Row",
    "Series",
    "Type",
    "Unit",
    "accept_header",
    "choose_parser",
    "parse",
]

_HOMES = {
    "entries": ("Comment", "Entry", "Exemplar", "Help", "Metadata", "MetricType", "Series", "Type", "Unit"),
    "errors": ("ParseError",),
    "negotiation": ("Choice", "ContentTypeError", "accept_header", "choose_parser"),
    "follow": ("NO_TIME",),
    "page": ("Layout", "PageReader", "Row"),
    "parsing": ("parse",),
    "series": ("DuplicateLabelError",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    module = _HOME_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)
