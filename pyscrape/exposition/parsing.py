"""`parse`: a page as entries, for library use and for tools; scrapes go through `page.PageReader`."""

from collections.abc import Iterator

from pyscrape.exposition.entries import Entry
from pyscrape.exposition.grammar import Grammar
from pyscrape.exposition.negotiation import Format, choose_parser
from pyscrape.exposition.openmetrics import OpenMetricsGrammar
from pyscrape.exposition.text import TextGrammar

GRAMMARS: dict[Format, type[Grammar]] = {"text": TextGrammar, "openmetrics": OpenMetricsGrammar}

DEFAULT_CONTENT_TYPE = "text/plain; version=0.0.4"


def parse(body: bytes, content_type: str = DEFAULT_CONTENT_TYPE) -> Iterator[Entry]:
    """The entries of a page in its order; raises ParseError at the first thing that is wrong.

    >>> [(e.labels["__name__"], e.value) for e in parse(b"up 1\\n")]
    [('up', 1.0)]

    Raises ContentTypeError when the content type is none of the text formats.
    """
    return entries(body, choose_parser(content_type).text_format())


def entries(body: bytes, form: Format) -> Iterator[Entry]:
    """As `parse`, for a format that is known: the plain way, token by token."""
    grammar = GRAMMARS[form](body)
    while (entry := grammar.next_entry()) is not None:
        yield entry
