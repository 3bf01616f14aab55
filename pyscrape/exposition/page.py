"""Pages of one target, scrape after scrape: `PageReader.feed(body)` -> `Row`.

A layout is the order of a page's series. It is found once and stays the same object while no series comes, goes
or moves, so that whoever keeps something per series (columns, labels) does nothing on a page like the last one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyscrape.exposition.entries import Exemplar, Help, Metadata, Series, Type, Unit
from pyscrape.exposition.negotiation import Format, choose_parser
from pyscrape.exposition.parsing import entries
from pyscrape.exposition.series import Normalised, parse_labels

NO_TIME = int(np.iinfo(np.int64).min)
"""In `Row.times_ms`: this sample has no timestamp of its own."""

Indices = NDArray[np.int32]


class Layout:
    """The series of a page in its order."""

    __slots__ = ("_normalised", "_texts", "births", "kept", "repeats", "size")

    def __init__(
        self, texts: Sequence[bytes], normalised: Sequence[Normalised], before: "Layout | None" = None
    ) -> None:
        self._texts = texts
        self._normalised = normalised
        self.size = len(texts)
        first: dict[bytes, int] = {}
        repeats = [i for i, text in enumerate(texts) if first.setdefault(text, i) != i]
        self.repeats: Indices = np.array(repeats, np.int32)
        self.kept: Indices | None = None
        self.births: Indices = np.arange(self.size, dtype=np.int32)
        if before is not None:
            known = {text: i for i, text in reversed(list(enumerate(before._texts)))}
            self.kept = np.array([known.get(text, -1) for text in texts], np.int32)
            self.births = np.flatnonzero(self.kept < 0).astype(np.int32)

    def text(self, index: int) -> bytes:
        """Series `index` as it stands in the page, without value and timestamp."""
        return self._texts[index]

    def labels(self, index: int) -> dict[str, str]:
        """Labels of series `index` with `__name__`, normalised. Raises DuplicateLabelError."""
        return parse_labels(self._texts[index], self._normalised[index])

    def labels_of(self, indices: Sequence[int] | Indices) -> list[dict[str, str]]:
        """Labels of many series. Raises DuplicateLabelError."""
        return [self.labels(int(index)) for index in indices]

    def __repr__(self) -> str:
        return f"Layout({self.size} series, {len(self.births)} new)"


@dataclass(frozen=True, slots=True)
class Row:
    """The samples of one page.

    `values`: float64[layout.size] in the order of the page, every NaN the ordinary one. `times_ms`:
    int64[layout.size] with NO_TIME where a line has no timestamp, or None when no line has one. `exemplars`:
    (index of the sample, exemplar). `metadata`: what the page's comments say, by family.
    """

    layout: Layout
    values: NDArray[np.float64]
    times_ms: NDArray[np.int64] | None
    exemplars: tuple[tuple[int, Exemplar], ...]
    metadata: Mapping[str, Metadata]


class PageReader:
    """Reads the pages of one target; remembers the last one's layout.

    `form` is the format of bodies that come without a Content-Type.
    """

    def __init__(self, *, format: Format = "text") -> None:  # noqa: A002 (the name that callers expect)
        self._format: Format = format
        self._layout: Layout | None = None

    def feed(self, body: bytes, content_type: str | None = None) -> Row:
        """The next page. Raises ParseError or ContentTypeError; the layout before then stays."""
        form = self._format if content_type is None else choose_parser(content_type).text_format()
        texts: list[bytes] = []
        normalised: list[Normalised] = []
        values: list[float] = []
        times: list[int] = []
        exemplars: list[tuple[int, Exemplar]] = []
        metadata: dict[str, Metadata] = {}
        for entry in entries(body, form):
            match entry:
                case Series():
                    exemplars += [(len(texts), exemplar) for exemplar in entry.exemplars]
                    texts.append(entry.raw)
                    normalised.append(entry.normalised)
                    values.append(entry.value)
                    times.append(NO_TIME if entry.timestamp_ms is None else entry.timestamp_ms)
                case Type() | Help() | Unit():
                    add_metadata(metadata, entry)
        if self._layout is None or self._layout._texts != texts:
            self._layout = Layout(texts, normalised, self._layout)
        clocks = None if times.count(NO_TIME) == len(times) else np.array(times, np.int64)
        return Row(self._layout, np.array(values, np.float64), clocks, tuple(exemplars), metadata)


def add_metadata(metadata: dict[str, Metadata], entry: Type | Help | Unit) -> None:
    """Take one comment into the metadata of a page; the last word on a family wins."""
    known = metadata.get(entry.metric, Metadata())
    match entry:
        case Type():
            known = Metadata(entry.type, known.help, known.unit)
        case Help():
            known = Metadata(known.type, entry.help, known.unit)
        case Unit():
            known = Metadata(known.type, known.help, entry.unit)
    metadata[entry.metric] = known
