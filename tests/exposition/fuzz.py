"""Both ways of reading pages, held against each other: the entry for a fuzzer is `fuzz_one`.

By hand: `python -m tests.exposition.fuzz SECONDS [SEED]` mutates pages of its own until time is up.
"""

import random
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import msgspec
import numpy as np

from pyscrape.exposition import NO_TIME, DuplicateLabelError, Entry, PageReader, ParseError, Row, parse
from pyscrape.exposition.entries import Exemplar, Help, Metadata, Series, Type, Unit, add_metadata
from pyscrape.exposition.negotiation import Format
from pyscrape.exposition.plain import entries
from pyscrape.exposition.series import parse_labels

CONTENT_TYPES: dict[Format, str] = {
    "text": "text/plain; version=0.0.4",
    "openmetrics": "application/openmetrics-text; version=1.0.0",
}
SEPARATOR = b"\xff\xfe"
LabelsOrError = dict[str, str] | str


class PlainPage:
    """What the grammar says of a page."""

    def __init__(self, body: bytes, form: Format) -> None:
        self.texts: list[bytes] = []
        self.values: list[float] = []
        self.times: list[int] = []
        self.labels: list[LabelsOrError] = []
        self.exemplars: list[tuple[int, Exemplar]] = []
        self.metadata: dict[str, Metadata] = {}
        for entry in entries(body, form) if body else ():
            match entry:
                case Series():
                    self.exemplars += [(len(self.texts), exemplar) for exemplar in entry.exemplars]
                    self.texts.append(entry.raw)
                    self.values.append(entry.value)
                    self.times.append(NO_TIME if entry.timestamp_ms is None else entry.timestamp_ms)
                    try:
                        self.labels.append(parse_labels(entry.raw, entry.normalised))
                    except DuplicateLabelError as error:
                        self.labels.append(str(error))
                case Type() | Help() | Unit():
                    add_metadata(self.metadata, entry)


def read(found: Iterator[Entry]) -> tuple[list[str], str]:
    """Everything that entries say, and the error that ended them, as texts."""
    said: list[str] = []
    try:
        for entry in found:
            said.append(repr(msgspec.structs.astuple(entry)) if isinstance(entry, Series) else repr(entry))
    except ParseError as error:
        return said, str(error)
    return said, ""


def until_error(found: Iterator[Entry]) -> Iterator[Series]:
    """The series that stand before the mistake."""
    with suppress(ParseError):
        yield from (entry for entry in found if isinstance(entry, Series))


class Comparison:
    """Feeds pages to one reader and checks every row against the grammar."""

    def __init__(self, form: Format) -> None:
        self.form: Format = form
        self.reader = PageReader(format=form)
        self.last_texts: list[bytes] | None = None
        self.last: Row | None = None

    def feed(self, body: bytes) -> None:
        """One more page."""
        fast, plain = read(parse(body, CONTENT_TYPES[self.form])), read(entries(body, self.form))
        assert fast == plain, (body, fast, plain)
        try:
            expected = PlainPage(body, self.form)
        except ParseError as error:
            shown = [entry.raw for entry in until_error(entries(body, self.form))]
            self.must_fail(body, error, shown)
            return
        row = self.reader.feed(body)
        layout = row.layout
        texts = [layout.text(index) for index in range(layout.size)]
        assert texts == expected.texts
        assert row.values.view(np.uint64).tolist() == np.array(expected.values).view(np.uint64).tolist()
        times = [NO_TIME] * layout.size if row.times_ms is None else row.times_ms.tolist()
        assert times == expected.times
        assert repr(row.exemplars) == repr(tuple(expected.exemplars))
        assert dict(row.metadata) == expected.metadata
        self.check_layout(row, texts, expected.labels)
        self.last, self.last_texts = row, texts

    def must_fail(self, body: bytes, error: ParseError, shown: list[bytes]) -> None:
        """The reader must refuse the page in the same words and at the same place, and tell what came before."""
        try:
            self.reader.feed(body)
        except ParseError as got:
            assert (got.message, got.line, got.column) == (error.message, error.line, error.column)
            beginning = self.reader.take_beginning()
            assert beginning is not None
            assert beginning.texts() == shown
        else:
            raise AssertionError(f"accepted what the grammar refuses: {error}")

    def check_layout(self, row: Row, texts: list[bytes], labels: list[LabelsOrError]) -> None:
        """The layout is the last one exactly if no series came, went or moved."""
        layout = row.layout
        seen: set[bytes] = set()
        assert layout.repeats.tolist() == [i for i, t in enumerate(texts) if t in seen or seen.add(t)]  # type: ignore[func-returns-value]
        if self.last is None or self.last_texts is None:
            assert layout.kept is None
        else:
            assert (layout is self.last.layout) == (texts == self.last_texts)
            if layout is self.last.layout:
                return
            assert layout.kept is not None
            known = set(self.last_texts)
            for text, origin in zip(texts, layout.kept.tolist(), strict=True):
                assert self.last_texts[origin] == text if origin >= 0 else text not in known
            assert layout.births.tolist() == np.flatnonzero(layout.kept < 0).tolist()
        by_name = layout.label_columns(layout.births)
        rows = {
            layout.births[place]: one
            for columns in by_name or ()
            for place, one in zip(columns.places, columns.rows(), strict=True)
        }
        for index in layout.births.tolist():
            assert by_name is None or rows[index] == labels[index]
            try:
                found: LabelsOrError = layout.labels(index)
            except DuplicateLabelError as error:
                found = str(error)
            assert found == labels[index]


def fuzz_one(data: bytes) -> None:
    """The first byte chooses the format; SEPARATOR stands between pages. AssertionError where the ways differ."""
    comparison = Comparison("openmetrics" if data[:1] == b"o" else "text")
    for page in data[1:].split(SEPARATOR):
        comparison.feed(page)


_SERIES = (
    b"up",
    b"a:b",
    b'a{b="c"}',
    b'a{b="c",}',
    b'a{b="c", d="e"}',
    b'a{ b = "c" }',
    b'a{b="x y",c="\\"q\\""}',
    b'{"a.b"}',
    b'{"a.b","c d"="e"}',
    b'h_bucket{le="1"}',
    b'h_bucket{le="+Inf"}',
    b's{quantile="0.50"}',
    b'a{b="1",b="2"}',
    b'a{b="\xc3\xa9"}',
    b'a{b="}"} ',
    b"a ",
    b"\ta",
    b'long{path="' + b"/x" * 60 + b'"}',
)
VALUES = (
    b"0",
    b"1",
    b"-0",
    b"-0.0",
    b"12",
    b"1.5",
    b"-3",
    b"1e3",
    b"1E+5",
    b"NaN",
    b"+Inf",
    b"-Inf",
    b"1.",
    b".5",
    b"+7",
    b"007",
    b"123456789012345678901234567890",
    b"0." + b"3" * 40,
    b"18446744073709551616",
    b"4.9e-324",
)
WRONG_VALUES = (
    b"1e400",
    b"x",
    b"1_0",
    b"",
    b"1\r",
    b"0x1p3",
    b"1,2",
    b"null",
    b'"1"',
    b"[1]",
    b"1\x0b",
    b"--1",
)
_TEXT_TAILS = (
    b"",
    b"",
    b"",
    b"",
    b" 1395066363000",
    b" 1395066363999",
    b" 5",
    b" ",
    b"\t1395066363000",
    b" x",
)
_OM_TAILS = (b"", b"", b"", b" 1.5", b' # {a="b"} 1', b' 1 # {a="b"} 1 2', b" ")
_COMMENTS = (
    b"# HELP a some help",
    b"# HELP a",
    b"# TYPE h histogram",
    b"# TYPE s summary",
    b"# TYPE a gauge",
    b"# just a comment",
    b"#",
    b"",
    b"# UNIT a ",
    b"  # TYPE a counter",
    b"# EOF",
)
_JUNK = (b"{", b"a", b"a{", b"a{b=\n", b'a{b="\n"} 1', b"\0", b"a\0 1", b"\xff 1", b" ", b"a 1 2 3")


class Pages:
    """Random pages and random neighbours of them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def line(self, form: Format) -> bytes:
        """One line, mostly a good sample."""
        pick = self.random.choice
        kind = self.random.random()
        if kind < 0.1:
            return pick(_COMMENTS)
        if kind < 0.103:
            return pick(_JUNK)
        value = pick(VALUES) if kind < 0.995 else pick(WRONG_VALUES)
        series = pick(_SERIES)
        if kind > 0.5:
            series = b'm{i="%d"}' % self.random.randrange(40)
        blank = b" " if kind < 0.97 else pick((b"  ", b"\t", b""))
        return series + blank + value + pick(_TEXT_TAILS if form == "text" else _OM_TAILS)

    def change(self, lines: list[bytes], form: Format) -> None:
        """One small change, in place."""
        roll = self.random.random()
        at = self.random.randrange(len(lines) + 1)
        if roll < 0.2 or at == len(lines):
            lines.insert(at, self.line(form))
        elif roll < 0.35:
            del lines[at]
        elif roll < 0.5:
            lines[at] = self.line(form)
        elif roll < 0.6:
            self.random.shuffle(lines)
        else:
            text, blank, _ = lines[at].rpartition(b" ")
            lines[at] = text + blank + self.random.choice(VALUES)

    def pages(self, form: Format) -> list[bytes]:
        """A page and what it becomes."""
        lines = [self.line(form) for _ in range(self.random.randrange(12))]
        found = []
        for _ in range(5):
            body = b"\n".join(lines) + self.random.choice((b"\n", b"\n", b""))
            if form == "openmetrics" and self.random.random() < 0.95:
                body = body.rstrip(b"\n") + b"\n# EOF\n" if lines else b"# EOF\n"
            if self.random.random() < 0.03 and body:
                at = self.random.randrange(len(body))
                body = body[:at] + bytes([self.random.randrange(256)]) + body[at + 1 :]
            found.append(body)
            for _ in range(self.random.choice((0, 1, 1, 1, 3))):
                self.change(lines, form)
        return found


def main() -> None:
    """Fuzz by hand."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    end = time.monotonic() + seconds
    pages = Pages(seed)
    runs = 0
    while time.monotonic() < end:
        form: Format = pages.random.choice(("text", "openmetrics"))
        data = (b"o" if form == "openmetrics" else b"t") + SEPARATOR.join(pages.pages(form))
        try:
            fuzz_one(data)
        except Exception:
            print(data)
            raise
        runs += 1
    print(f"{runs} runs agree")


if __name__ == "__main__":
    main()
