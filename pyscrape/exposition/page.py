"""Pages of one target, scrape after scrape: `PageReader.feed(body)` -> `Row`.

A layout is the order of a page's series. It is found once and stays the same object while no series comes, goes
or moves, so that whoever keeps something per series (columns, labels) does nothing on a page like the last one.
Small pages of which only numbers change go the short way of `steady`, lined pages the fast way of `follow`; the plain
way, entry by entry, reads every other page and every mistake.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pyscrape.exposition.cut import Cut, cut, label_columns
from pyscrape.exposition.entries import Exemplar, Help, Metadata, Series, Type, Unit, add_metadata
from pyscrape.exposition.errors import NotLined, ParseError
from pyscrape.exposition.follow import NO_TIME, Indices, Page, first_page, follow, origins
from pyscrape.exposition.lines import Lines, Offsets
from pyscrape.exposition.negotiation import Format, choose_parser
from pyscrape.exposition.plain import entries
from pyscrape.exposition.series import NORMALISED, Normalised, parse_labels
from pyscrape.exposition.steady import Steady, may_be_steady
from pyscrape.model.label_columns import LabelColumns

_LEAST_BITS = 12
_ROOM_FOR_EACH = 64


class SeriesTexts(Protocol):
    """Where a layout finds its series texts."""

    def text(self, index: int) -> bytes:
        """Series text of one sample."""

    def texts(self, indices: NDArray[np.integer] | None = None) -> list[bytes]:
        """Series texts of some samples, or of all."""


@dataclass(frozen=True, slots=True)
class _Texts:
    """Series texts of a page that is not lined."""

    all: list[bytes]

    def text(self, index: int) -> bytes:
        return self.all[index]

    def texts(self, indices: NDArray[np.integer] | None = None) -> list[bytes]:
        return self.all if indices is None else [self.all[index] for index in indices.tolist()]


class Layout:
    """The series of a page in its order.

    `size`: how many samples. `kept`: int32[size], the index of each sample in the layout before, -1 for a new
    series, None for a first layout. `births`: indices of the new ones. `repeats`: indices of samples whose series
    text stood earlier in the page.
    """

    __slots__ = ("_cuts", "_normalised", "_source", "births", "kept", "repeats", "size")

    def __init__(
        self,
        source: SeriesTexts,
        normalised: NDArray[np.uint8],
        kept: Indices | None,
        repeats: Indices,
        cuts: list[Cut] | None = None,
    ) -> None:
        """`cuts`: the series texts of the births, if they are known so."""
        self._cuts = cuts
        self._source = source
        self._normalised = normalised
        self.size = len(normalised)
        self.kept = kept
        self.births: Indices = (
            np.arange(self.size, dtype=np.int32) if kept is None else (kept < 0).nonzero()[0].astype(np.int32)
        )
        self.repeats = repeats

    def text(self, index: int) -> bytes:
        """Series `index` as it stands in the page, without value and timestamp."""
        return self._source.text(index)

    def texts(self) -> list[bytes]:
        """All series texts in the order of the page."""
        return self._source.texts()

    def labels(self, index: int) -> dict[str, str]:
        """Labels of series `index` with `__name__`, normalised. Raises DuplicateLabelError."""
        self._cuts = None  # who takes them one by one has no use for them, and the layout may stay for days
        return parse_labels(self._source.text(index), NORMALISED[self._normalised.item(index)])

    def label_columns(self, indices: NDArray[np.integer]) -> list[LabelColumns] | None:
        """Labels of many series by name, places being those in `indices`; None where they have to be had one by one.

        Asked for the births of a page that is like the last one, this has them at hand.
        """
        cuts, self._cuts = self._cuts, None
        if not len(indices):
            return []
        if cuts is None or len(indices) != len(self.births) or (indices != self.births).any():
            cuts = cut(self._source.texts(indices))
        return None if cuts is None else label_columns(cuts, self._normalised[indices].tobytes())

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

    `format` is that of bodies that come without a Content-Type.
    """

    __slots__ = ("_beginning", "_format", "_layout", "_page", "_page_format", "_steady", "plain")

    def __init__(self, *, format: Format = "text") -> None:  # noqa: A002 (the name that callers expect)
        self._format: Format = format
        self._layout: Layout | None = None
        # The last page, in one of two forms; neither where it was not lined.
        self._page: Page | None = None
        self._steady: Steady | None = None
        self._page_format: Format = format
        self._beginning: Layout | None = None
        self.plain = False
        """Whether the last page was read token by token, which takes a hundred times as long."""

    @property
    def layout(self) -> Layout | None:
        """The layout of the last page, None before the first."""
        return self._layout

    def take_beginning(self) -> Layout | None:
        """The series that the page shows before its mistake, once after `feed` raised ParseError; else None."""
        beginning, self._beginning = self._beginning, None
        return beginning

    def feed(self, body: bytes, content_type: str | None = None) -> Row:
        """The next page. Raises ParseError or ContentTypeError; the layout before then stays.

        An empty body is a page without samples, in either format.
        """
        if not body:
            # Prometheus does not even look at the content type of nothing.
            return self._plain(body, "text")
        form = self._format if content_type is None else _format_of(content_type)
        lined = body if body.endswith(b"\n") else body + b"\n"
        steady = self._steady
        if steady is not None and form == self._page_format:
            values = steady.feed(lined)
            if values is not None:
                assert self._layout is not None
                self.plain = False
                return Row(self._layout, values, None, (), steady.metadata)
        try:
            page = self._lined(lined, form)
        except NotLined:
            self.plain = True
            return self._plain(body, form)
        self.plain = False
        return self._take(page, form)

    def _take(self, page: Page, form: Format) -> Row:
        self._page, self._page_format, self._steady = page, form, None
        if self._layout is None or page.origin is not None:
            lines = page.lines
            # Where no text stood twice before, only what has come or moved can make one do so.
            known = None if self._layout is None or len(self._layout.repeats) else page.unplaced
            repeats = _repeats(lines, known)
            kept = None if self._layout is None else _kept_by_repeats(page.origin, repeats, lines)
            # A repeat of a series that was kept has been cut, but is no birth.
            cuts = None if len(repeats) else page.cuts
            self._layout = Layout(lines, lines.normalised, kept, repeats, cuts)
        elif may_be_steady(page):
            self._page, self._steady = None, Steady(page)
            self._layout._source = self._steady
        else:
            self._layout._source = page.lines
        exemplars = tuple(
            (index, exemplar) for index, tail in sorted(page.tails.items()) for exemplar in tail.exemplars
        )
        return Row(self._layout, page.values, page.times_ms, exemplars, page.lines.comments.metadata)

    def _lined(self, body: bytes, form: Format) -> Page:
        last = self._page if self._steady is None else self._steady.page
        if last is not None and self._page_format == form:
            return follow(last, body, form)
        page = first_page(body, form)
        if self._layout is not None:
            # The page before was not lined, or of another format.
            page = replace(page, origin=origins(page.lines.texts(), self._layout.texts()))
        return page

    def _plain(self, body: bytes, form: Format) -> Row:
        """Entry by entry: the way that is always right."""
        texts: list[bytes] = []
        normalised: list[Normalised] = []
        values: list[float] = []
        times: list[int] = []
        exemplars: list[tuple[int, Exemplar]] = []
        metadata: dict[str, Metadata] = {}
        try:
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
        except ParseError:
            self._beginning = _plain_layout(texts, normalised, None)
            raise
        self._page = self._steady = None
        kept = None if self._layout is None else origins(texts, self._layout.texts())
        if self._layout is None or kept is not None:
            self._layout = _plain_layout(texts, normalised, kept)
        else:
            self._layout._source = _Texts(texts)
        clocks = None if times.count(NO_TIME) == len(times) else np.array(times, np.int64)
        return Row(self._layout, np.array(values, np.float64), clocks, tuple(exemplars), metadata)


@lru_cache(maxsize=64)
def _format_of(content_type: str) -> Format:
    return choose_parser(content_type).text_format()


def _plain_layout(texts: list[bytes], normalised: list[Normalised], kept: Indices | None) -> Layout:
    """The layout of series that were read one by one."""
    flags = np.array([NORMALISED.index(label) for label in normalised], np.uint8)
    first: dict[bytes, int] = {}
    repeats = [i for i, text in enumerate(texts) if first.setdefault(text, i) != i]
    return Layout(_Texts(texts), flags, kept, np.array(repeats, np.int32))


def _repeats(lines: Lines, suspects: Offsets | None) -> Indices:
    """Samples whose series text stood earlier in the page; every text that stands twice has one of `suspects` (None =
    all of the page)."""
    places = None if suspects is None else _like(lines.hashes, suspects)
    hashes = lines.hashes if places is None else lines.hashes[places]
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    same = (ordered[1:] == ordered[:-1]).nonzero()[0]
    if not len(same):
        return np.empty(0, np.int32)
    # Equal hashes are checked by the texts.
    found = np.unique(np.concatenate((order[same], order[same + 1])))
    first: dict[bytes, int] = {}
    in_page = found if places is None else places[found]
    return np.array([i for i in in_page.tolist() if first.setdefault(lines.text(i), i) != i], np.int32)


def _like(hashes: NDArray[np.int64], suspects: Offsets) -> Offsets:
    """The `suspects` and, among a few others, all samples whose hash one of them has; ascending."""
    size = 1 << max(_LEAST_BITS, (len(suspects) * _ROOM_FOR_EACH).bit_length())
    low = hashes & (size - 1)
    seen = np.zeros(size, np.bool_)
    seen[low[suspects]] = True
    found: Offsets = seen[low].nonzero()[0]
    return found


def _kept_by_repeats(kept: Indices | None, repeats: Indices, lines: Lines) -> Indices | None:
    """A repeat of a series that was kept is no birth."""
    if kept is None or not len(repeats):
        return kept
    repeated = {lines.text(index) for index in repeats.tolist()}
    of_text: dict[bytes, int] = {}
    groups = [i for i in range(len(kept)) if lines.text(i) in repeated]
    for index in groups:
        if kept[index] >= 0:
            of_text[lines.text(index)] = int(kept[index])
    for index in groups:
        if kept[index] < 0:
            kept[index] = of_text.get(lines.text(index), -1)
    return kept
