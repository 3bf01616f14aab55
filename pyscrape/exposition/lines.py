"""A page as lines: where each sample's series text and value stand, in a few bytes a line.

Most pages are *lined*: one entry a line, no zero bytes, labels without raw newlines, comments from the first
column on. Such a page is found by one regular expression a line, which also proves the line right; a line that
it does not know is given to the grammar alone. A page that is not lined, or holds a mistake anywhere, has no
`Lines`: the grammar reads all of it, and finds the words for the mistake.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyscrape.exposition.entries import Exemplar, Help, Metadata, Series, Type, Unit, add_metadata
from pyscrape.exposition.errors import ParseError
from pyscrape.exposition.negotiation import Format
from pyscrape.exposition.parsing import GRAMMARS
from pyscrape.exposition.series import NORMALISED_BY_TYPE, Normalised
from pyscrape.exposition.values import CLOCK_DIGITS

_LABEL = rb'[a-zA-Z_][a-zA-Z0-9_]*+="[^"\\\n]*+(?:\\[^\n\0][^"\\\n]*+)*+"'
_SERIES = rb"[a-zA-Z_:][a-zA-Z0-9_:]*+(?:\{(?:" + _LABEL + rb"(?:,(?=[a-zA-Z_}])|(?=\})))*+\})?+"
_USUAL: Mapping[Format, re.Pattern[bytes]] = {
    "text": re.compile(rb"(" + _SERIES + rb") [^ \t\n{\0]++(?: ([0-9]++))?+\n"),
    "openmetrics": re.compile(rb"(" + _SERIES + rb") [^ \n\0]++\n"),
}

PLAIN, CLOCKED, ODD = range(3)
"""How a line goes on after its series text: ` value`, ` value timestamp` of 13 digits, or anything else."""

_HASH = ord("#")
_NEWLINE = ord("\n")
_END_MARK = b"# EOF\n"
NORMALISED: tuple[Normalised, ...] = ("", "le", "quantile")

Offsets = NDArray[np.int64]
Small = NDArray[np.int32]
Flags = NDArray[np.uint8]


class NotLined(Exception):  # noqa: N818 (no error: another way takes over)
    """The page must be read by its grammar."""


@dataclass(frozen=True, slots=True)
class Comments:
    """The comment lines of a page: their bytes, what they say, and where types begin to hold."""

    text: bytes
    metadata: Mapping[str, Metadata]
    normalised: tuple[tuple[int, int], ...]
    """(number of the comment line, index in NORMALISED) of every TYPE line."""


class Tail(NamedTuple):
    """What an odd line says after its series text."""

    value: float
    timestamp_ms: int | None
    exemplars: tuple[Exemplar, ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """The samples of a lined page in its order; all arrays are of one length.

    Sample i has its series text at body[starts[i] : starts[i] + lengths[i]] and its newline at ends[i].
    `kinds[i]` is PLAIN, CLOCKED or ODD; `normalised[i]` an index in NORMALISED; `hashes[i]` of the series text.
    """

    body: bytes
    starts: Small
    lengths: Small
    ends: Small
    kinds: Flags
    normalised: Flags
    hashes: NDArray[np.int64]
    comments: Comments

    def text(self, index: int) -> bytes:
        """The series text of sample `index`."""
        start = int(self.starts[index])
        return self.body[start : start + int(self.lengths[index])]

    def texts(self) -> list[bytes]:
        """The series texts of all samples."""
        body = self.body
        starts = self.starts.tolist()
        stops = (self.starts + self.lengths).tolist()
        return [body[start:stop] for start, stop in zip(starts, stops, strict=True)]


class Geometry(NamedTuple):
    """Where the lines of a page lie: samples (starts and newlines) and comments."""

    starts: Offsets
    ends: Offsets
    comment_starts: Offsets
    comments: bytes


def geometry(body: bytes, form: Format) -> Geometry:
    """Find the lines of `body`, which ends in a newline. Raises NotLined."""
    data = np.frombuffer(body, np.uint8)
    ends = np.flatnonzero(data == _NEWLINE)
    starts = np.empty_like(ends)
    starts[0] = 0
    starts[1:] = ends[:-1] + 1
    first = data[starts]
    comment = first == _HASH
    sample = ~comment
    blank = first == _NEWLINE
    if blank.any():
        if form == "openmetrics":
            raise NotLined
        sample &= ~blank
    comment_starts = starts[comment]
    pieces = [
        body[start : end + 1]
        for start, end in zip(comment_starts.tolist(), ends[comment].tolist(), strict=True)
    ]
    if form == "openmetrics":
        # The end mark must be the last line and the only one.
        if not comment[-1] or pieces[-1] != _END_MARK:
            raise NotLined
        del pieces[-1]
        comment_starts = comment_starts[:-1]
    return Geometry(starts[sample], ends[sample], comment_starts, b"".join(pieces))


def read_comments(text: bytes, form: Format) -> Comments:
    """What comment lines say. Raises NotLined where they are wrong or are more than comments."""
    metadata: dict[str, Metadata] = {}
    types: list[tuple[int, int]] = []
    end_mark = _END_MARK if form == "openmetrics" else b""
    grammar = GRAMMARS[form](text + end_mark)
    line = -1
    try:
        while (entry := grammar.next_entry()) is not None:
            line += 1
            match entry:
                case Type() | Help() | Unit():
                    add_metadata(metadata, entry)
                    if isinstance(entry, Type):
                        types.append((line, NORMALISED.index(NORMALISED_BY_TYPE.get(entry.type, ""))))
                case Series():
                    raise NotLined
    except ParseError:
        raise NotLined from None
    if line + 1 != text.count(b"\n"):
        raise NotLined
    return Comments(text, MappingProxyType(metadata), tuple(types))


def normalised_at(found: Geometry, comments: Comments, starts: Offsets) -> Flags:
    """For samples at `starts`: which label the last TYPE line before each of them has normalised."""
    if not comments.normalised:
        return np.zeros(len(starts), np.uint8)
    rows = np.array(comments.normalised, np.int64)
    before = np.searchsorted(found.comment_starts[rows[:, 0]], starts)
    flags: Flags = np.concatenate(([0], rows[:, 1])).astype(np.uint8)[before]
    return flags


class Samples(NamedTuple):
    """What `read_lines` finds of each line."""

    lengths: list[int]
    kinds: list[int]
    hashes: list[int]


def read_lines(body: bytes, starts: Sequence[int], ends: Sequence[int], form: Format) -> Samples:
    """Prove lines right and measure their series texts. Raises NotLined."""
    match = _USUAL[form].match
    lengths: list[int] = []
    kinds: list[int] = []
    hashes: list[int] = []
    for start, end in zip(starts, ends, strict=True):
        found = match(body, start)
        if found is None:
            text, kind = _odd_line(body[start : end + 1], form)
        else:
            text = found[1]
            kind = PLAIN if found.lastindex == 1 else CLOCKED if len(found[2]) == CLOCK_DIGITS else ODD
        lengths.append(len(text))
        kinds.append(kind)
        hashes.append(hash(text))
    return Samples(lengths, kinds, hashes)


def _odd_line(line: bytes, form: Format) -> tuple[bytes, int]:
    """A line that the usual pattern does not know, by the grammar."""
    return _one_sample(line, form).raw, ODD


def _one_sample(line: bytes, form: Format) -> Series:
    grammar = GRAMMARS[form](line)
    try:
        entry = grammar.next_entry()
    except ParseError:
        raise NotLined from None
    if not isinstance(entry, Series) or grammar.position < len(line):
        raise NotLined
    return entry


def read_tail(lines: Lines, index: int, form: Format) -> Tail:
    """Value, timestamp and exemplars of an odd line. Raises NotLined where it is wrong."""
    line = lines.body[int(lines.starts[index]) : int(lines.ends[index]) + 1]
    entry = _one_sample(line, form)
    if len(entry.raw) != lines.lengths[index]:
        raise NotLined
    return Tail(entry.value, entry.timestamp_ms, entry.exemplars)


def lined(body: bytes, form: Format) -> Lines:
    """A first page. Raises NotLined."""
    check_text(body)
    found = geometry(body, form)
    comments = read_comments(found.comments, form)
    samples = read_lines(body, found.starts.tolist(), found.ends.tolist(), form)
    return Lines(
        body,
        found.starts.astype(np.int32),
        np.array(samples.lengths, np.int32),
        found.ends.astype(np.int32),
        np.array(samples.kinds, np.uint8),
        normalised_at(found, comments, found.starts),
        np.array(samples.hashes, np.int64),
        comments,
    )


def check_text(body: bytes) -> None:
    """Raise NotLined where bytes are no UTF-8 or zero, or the page is too large for its offsets."""
    if len(body) > np.iinfo(np.int32).max or b"\0" in body:
        raise NotLined
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError:
            raise NotLined from None
