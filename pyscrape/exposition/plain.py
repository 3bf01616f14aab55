"""`parse`: a page as entries, for library use and for tools; scrapes go through `page.PageReader`."""

from collections.abc import Iterator

from pyscrape.exposition.entries import Entry
from pyscrape.exposition.grammar import Grammar
from pyscrape.exposition.negotiation import Format
from pyscrape.exposition.openmetrics import OpenMetricsGrammar
from pyscrape.exposition.text import TextGrammar

GRAMMARS: dict[Format, type[Grammar]] = {"text": TextGrammar, "openmetrics": OpenMetricsGrammar}


def entries(body: bytes, form: Format) -> Iterator[Entry]:
    """The entries of a page, token by token: the plain way. Raises ParseError."""
    grammar = GRAMMARS[form](body)
    while (entry := grammar.next_entry()) is not None:
        yield entry
