"""The comment lines of a lined page: what they say, and where types begin to hold.

Usual HELP and TYPE lines are read by one pattern; where any line is something else the grammar reads all of them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType

from pyscrape.exposition.entries import Entry, Help, Metadata, Type, Unit, add_metadata
from pyscrape.exposition.errors import NotLined, ParseError
from pyscrape.exposition.negotiation import Format
from pyscrape.exposition.plain import GRAMMARS
from pyscrape.exposition.series import NORMALISED, NORMALISED_BY_TYPE, unescape, unescape_help

END_MARK = b"# EOF\n"
_USUAL_COMMENT = re.compile(rb"# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*+) ([^ \t\n\0][^\n\0]*+)\n")


@dataclass(frozen=True, slots=True)
class Comments:
    """The comment lines of a page: their bytes, what they say, and where types begin to hold."""

    text: bytes
    metadata: Mapping[str, Metadata]
    normalised: tuple[tuple[int, int], ...]
    """(number of the comment line, index in NORMALISED) of every TYPE line."""


def comment_entries(text: bytes, form: Format) -> list[Entry]:
    """What comment lines say, an entry a line. Raises NotLined where they are wrong or are more than comments."""
    usual = _usual_comments(text, form)
    if usual is not None:
        return usual
    grammar = GRAMMARS[form](text + (END_MARK if form == "openmetrics" else b""))
    found: list[Entry] = []
    try:
        while (entry := grammar.next_entry()) is not None:
            found.append(entry)
    except ParseError:
        raise NotLined from None
    if len(found) != text.count(b"\n"):
        raise NotLined
    return found


def _usual_comments(text: bytes, form: Format) -> list[Entry] | None:
    """Comment lines that all are HELP or TYPE in their usual form; None for others, and for wrong ones."""
    found = _USUAL_COMMENT.findall(text)
    if len(found) != text.count(b"\n") or sum(map(len, chain.from_iterable(found))) + 5 * len(found) != len(
        text
    ):
        return None
    types = GRAMMARS[form].types
    helped = unescape if form == "openmetrics" else unescape_help
    entries: list[Entry] = []
    try:
        for keyword, name, said in found:
            metric = name.decode()
            if keyword == b"HELP":
                entries.append(Help(metric, helped(said.decode())))
            else:
                entries.append(Type(metric, types[said]))
    except (KeyError, UnicodeDecodeError):
        return None
    return entries


def read_comments(text: bytes, form: Format) -> Comments:
    """Metadata and types of comment lines. Raises NotLined."""
    return comments_of(text, comment_entries(text, form))


def comments_of(text: bytes, found: Sequence[Entry]) -> Comments:
    """Metadata and types of comment lines whose entries are known."""
    metadata: dict[str, Metadata] = {}
    types: list[tuple[int, int]] = []
    for line, entry in enumerate(found):
        if isinstance(entry, Type | Help | Unit):
            add_metadata(metadata, entry)
        if isinstance(entry, Type):
            types.append((line, NORMALISED.index(NORMALISED_BY_TYPE.get(entry.type, ""))))
    return Comments(text, MappingProxyType(metadata), tuple(types))
