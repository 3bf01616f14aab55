"""A page as lines: where each sample's series text and value stand, in a few bytes a line.

Most pages are *lined*: one entry a line, no zero bytes, labels without raw newlines, comments from the first
column on. Such a page is found by one regular expression a line, which also proves the line right; a line that
it does not know is given to the grammar alone. A page that is not lined, or holds a mistake anywhere, has no
`Lines`: the grammar reads all of it, and finds the words for the mistake.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from pyscrape.exposition.comments import END_MARK, Comments, read_comments
from pyscrape.exposition.entries import Exemplar, Series
from pyscrape.exposition.errors import NotLined, ParseError
from pyscrape.exposition.floats import milliseconds, parse_float, parse_milliseconds
from pyscrape.exposition.negotiation import Format
from pyscrape.exposition.plain import GRAMMARS
from pyscrape.exposition.series import parse_exemplar_labels
from pyscrape.exposition.values import CLOCK_DIGITS

_LABEL = rb'[a-zA-Z_][a-zA-Z0-9_]*+="[^"\\\n]*+(?:\\[^\n\0][^"\\\n]*+)*+"'


def _series_pattern(after_comma: bytes) -> bytes:
    labels = _LABEL + rb"(?:," + after_comma + _LABEL + rb")*+,?+"
    return rb"([a-zA-Z_:][a-zA-Z0-9_:]*+(?:\{(?:" + labels + rb")?+\})?+)"


# Some exporters write a blank after a comma.
_TEXT_SERIES = _series_pattern(rb" ?+")
_OM_SERIES = _series_pattern(rb"")
_USUAL: Mapping[Format, re.Pattern[bytes]] = {
    "text": re.compile(_TEXT_SERIES + rb" [^ \t\n{\0]++(?: ([0-9]++))?+\n"),
    "openmetrics": re.compile(_OM_SERIES + rb" [^ \n\0]++\n"),
}

# All lines of a page that has only usual samples and comments: an item a line, empty for a comment. A match ends
# where a line ends, and what it leaves out at the start of a line later makes two words of the line's value; so a
# page is right if there are as many items as lines and every value is a number.
_WHOLE: Mapping[Format, re.Pattern[bytes]] = {
    "text": re.compile(rb"(?:" + _TEXT_SERIES + rb" [^ \t\n{\0]++|#[^\n]*+|)\n"),
    "openmetrics": re.compile(rb"(?:" + _OM_SERIES + rb" [^ \n\0]++|#[^\n]*+)\n"),
}

_FIELD = rb"([^ \n\0]++)"
# Lines that the grammar would take 20 us for, and that some pages have many of.
_LESS_USUAL: Mapping[Format, re.Pattern[bytes]] = {
    "text": re.compile(_TEXT_SERIES + rb"[ \t]++([^ \t\n{\0]++)(?:[ \t]++([0-9]++))?+[ \t]*+\n"),
    "openmetrics": re.compile(
        _OM_SERIES + rb" " + _FIELD + rb"(?: ([^ #\n\0][^ \n\0]*+))?+"
        rb"(?: # \{((?:"
        + _LABEL
        + rb"(?:,"
        + _LABEL
        + rb")*+,?+)?+)\} "
        + _FIELD
        + rb"(?: "
        + _FIELD
        + rb")?+)?+\n"
    ),
}

PLAIN, CLOCKED, ODD = range(3)
"""How a line goes on after its series text: ` value`, ` value timestamp` of 13 digits, or anything else."""

_FIRST_GROUP = itemgetter(1)
_LAST_INDEX = attrgetter("lastindex")
_LINES_AT_ONCE = 4096
_MAX_SIZE = int(np.iinfo(np.int32).max)

_HASH = ord("#")
_NEWLINE = ord("\n")
Offsets = NDArray[np.int64]
Small = NDArray[np.int32]
Flags = NDArray[np.uint8]


class Tail(NamedTuple):
    """What an odd line says after its series text."""

    value: float
    timestamp_ms: int | None
    exemplars: tuple[Exemplar, ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """The samples of a lined page in its order; all arrays are of one length.

    Sample i has its series text at body[starts[i] : starts[i] + lengths[i]] and its newline at ends[i].
    `kinds[i]` is PLAIN, CLOCKED or ODD (`clocked`, `odd`: whether there is one); `normalised[i]` an index in
    NORMALISED; `hashes[i]` of the series text. TYPE line k of the comments holds from sample types_from[k] on;
    `other_lines` are the numbers, among all lines from 0, of those that are no samples.
    """

    body: bytes
    starts: Small
    lengths: Small
    ends: Small
    kinds: Flags
    normalised: Flags
    hashes: NDArray[np.int64]
    comments: Comments
    types_from: Small
    other_lines: Small
    clocked: bool = field(init=False)
    odd: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "clocked", bool((self.kinds == CLOCKED).any()))
        object.__setattr__(self, "odd", bool((self.kinds == ODD).any()))

    def moved(self, body: bytes, starts: Small, ends: Small) -> "Lines":
        """The same series in another page."""
        # Twice as fast as dataclasses.replace, which counts on pages of a few lines.
        return Lines(
            body,
            starts,
            self.lengths,
            ends,
            self.kinds,
            self.normalised,
            self.hashes,
            self.comments,
            self.types_from,
            self.other_lines,
        )

    def text(self, index: int) -> bytes:
        """The series text of sample `index`."""
        start: int = self.starts.item(index)
        return self.body[start : start + self.lengths.item(index)]

    def texts(self, indices: NDArray[np.integer] | None = None) -> list[bytes]:
        """The series texts of some samples, or of all."""
        body = self.body
        starts = self.starts if indices is None else self.starts[indices]
        stops = starts + (self.lengths if indices is None else self.lengths[indices])
        return [body[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]


class Geometry(NamedTuple):
    """Where the lines of a page lie: samples (starts and newlines) and comments."""

    starts: Offsets
    ends: Offsets
    comment_starts: Offsets
    comments: bytes
    other_lines: Small
    lines: int


def geometry(body: bytes, form: Format) -> Geometry:
    """Find the lines of `body`, which ends in a newline. Raises NotLined."""
    if len(body) > _MAX_SIZE:
        raise NotLined
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
        if not comment[-1] or pieces[-1] != END_MARK:
            raise NotLined
        del pieces[-1]
        comment_starts = comment_starts[:-1]
    others = np.flatnonzero(~sample).astype(np.int32)
    return Geometry(starts[sample], ends[sample], comment_starts, b"".join(pieces), others, len(starts))


def types_from(found: Geometry, comments: Comments) -> Small:
    """The sample from which on each TYPE line holds."""
    lines = [line for line, _ in comments.normalised]
    return np.searchsorted(found.starts, found.comment_starts[lines]).astype(np.int32)


def normalised_at(starts_of_types: Small, comments: Comments, samples: Offsets) -> Flags:
    """For samples of a page: which label the last TYPE line before each of them has normalised."""
    flags = np.array([0, *(label for _, label in comments.normalised)], np.uint8)
    at: Flags = flags[np.searchsorted(starts_of_types, samples, "right")]
    return at


class Samples(NamedTuple):
    """What `read_lines` finds: series texts, and the kind of each line."""

    texts: list[bytes]
    kinds: Sequence[int]


def read_lines(body: bytes, starts: Sequence[int], ends: Sequence[int], form: Format) -> Samples:
    """Prove lines right and find their series texts. Raises NotLined."""
    match = _USUAL[form].match
    texts: list[bytes] = []
    kinds: list[int] = []
    for first in range(0, len(starts), _LINES_AT_ONCE):
        here = slice(first, first + _LINES_AT_ONCE)
        matches = [match(body, start) for start in starts[here]]
        if None in matches:
            for found, start, end in zip(matches, starts[here], ends[here], strict=True):
                text, kind = (
                    _odd_line(body[start : end + 1], form) if found is None else (found[1], _kind(found))
                )
                texts.append(text)
                kinds.append(kind)
        else:
            good = cast(list[re.Match[bytes]], matches)
            texts += map(_FIRST_GROUP, good)
            kinds += [PLAIN] * len(good) if max(map(_LAST_INDEX, good)) == 1 else map(_kind, good)
    return Samples(texts, kinds)


def usual_series(text: bytes, form: Format) -> bool:
    """Whether a series text is right and in its usual form."""
    found = _USUAL[form].fullmatch(text + b" 0\n")
    return found is not None and found.end(1) == len(text)


def _kind(found: re.Match[bytes]) -> int:
    if found.lastindex == 1:
        return PLAIN
    return CLOCKED if len(found[2]) == CLOCK_DIGITS else ODD


def _odd_line(line: bytes, form: Format) -> tuple[bytes, int]:
    """A line that the usual pattern does not know, by the grammar."""
    return _one_sample(line, form).raw, ODD


def _one_sample(line: bytes, form: Format) -> Series:
    """The sample of one line that is not usual. Raises NotLined."""
    found = _LESS_USUAL[form].fullmatch(line) if line.isascii() and b"\0" not in line else None
    if found is not None:
        try:
            return _less_usual(found, form)
        except ValueError:
            raise NotLined from None
    grammar = GRAMMARS[form](line)
    try:
        entry = grammar.next_entry()
    except ParseError:
        raise NotLined from None
    if not isinstance(entry, Series) or grammar.position < len(line):
        raise NotLined
    return entry


def _less_usual(found: re.Match[bytes], form: Format) -> Series:
    """A sample with a timestamp, free blanks or an exemplar. Raises ValueError for a wrong number."""
    raw, value = found[1], parse_float(found[2])
    if form == "text":
        return Series(raw, value, None if found[3] is None else parse_milliseconds(found[3]))
    exemplars: tuple[Exemplar, ...] = ()
    if found[5] is not None:
        labels = parse_exemplar_labels(b"{%b}" % found[4])
        exemplars = (Exemplar(labels, parse_float(found[5]), _seconds(found[6])),)
    return Series(raw, value, _seconds(found[3]), "", exemplars)


def _seconds(text: bytes | None) -> int | None:
    return None if text is None else milliseconds(parse_float(text))


def read_tail(lines: Lines, index: int, form: Format) -> Tail:
    """Value, timestamp and exemplars of an odd line. Raises NotLined where it is wrong."""
    line = lines.body[int(lines.starts[index]) : int(lines.ends[index]) + 1]
    entry = _one_sample(line, form)
    if len(entry.raw) != lines.lengths[index]:
        raise NotLined
    return Tail(entry.value, entry.timestamp_ms, entry.exemplars)


def lined(body: bytes, form: Format) -> Lines:
    """A first page. Raises NotLined."""
    found, samples = prove(body, form)
    comments = read_comments(found.comments, form)
    return lines_of(body, found, samples, comments, hashed=True)


def prove(body: bytes, form: Format) -> tuple[Geometry, Samples]:
    """Find every line of a page and prove its samples right, numbers aside. Raises NotLined."""
    check_text(body)
    found = geometry(body, form)
    texts = _usual_texts(body, found, form)
    if texts is not None:
        return found, Samples(texts, bytes(len(texts)))
    return found, read_lines(body, found.starts.tolist(), found.ends.tolist(), form)


def _usual_texts(body: bytes, found: Geometry, form: Format) -> list[bytes] | None:
    """The series texts of a page that has usual lines only, None for another one."""
    pattern = _WHOLE[form]
    # In vain if one line is odd, so worth trying if the first is not.
    if not len(found.starts) or pattern.match(body, int(found.starts[0])) is None:
        return None
    texts: list[bytes] = []
    # Some lines a call (0.5 us a line, against 0.75 one by one); other threads may run between calls.
    stops = [*found.starts[_LINES_AT_ONCE::_LINES_AT_ONCE].tolist(), len(body)]
    begin = lines = 0
    for stop in stops:
        items = pattern.findall(body, begin, stop)
        lines += len(items)
        texts += filter(None, items)
        begin = stop
    return texts if lines == found.lines and len(texts) == len(found.starts) else None


def lines_of(body: bytes, found: Geometry, samples: Samples, comments: Comments, *, hashed: bool) -> Lines:
    """Put a page's lines together; without hashes it cannot be followed."""
    size = len(samples.texts)
    holding = types_from(found, comments)
    return Lines(
        body,
        found.starts.astype(np.int32),
        np.fromiter(map(len, samples.texts), np.int32, size),
        found.ends.astype(np.int32),
        np.frombuffer(bytes(samples.kinds), np.uint8),
        normalised_at(holding, comments, np.arange(size)),
        np.fromiter(map(hash, samples.texts), np.int64, size) if hashed else np.empty(0, np.int64),
        comments,
        holding,
        found.other_lines,
    )


def check_text(body: bytes) -> None:
    """Raise NotLined where bytes are no UTF-8, or are too many for the offsets of a page."""
    if len(body) > _MAX_SIZE:
        raise NotLined
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError:
            raise NotLined from None
