"""`parse`: a page as entries, for library use and for tools; scrapes go through `page.PageReader`.

A lined page is proved right by one pattern a line, its numbers are read all at once, and labels wait until they
are asked for; everything else goes the plain way.
"""

from collections.abc import Iterable, Iterator
from itertools import islice, repeat

import numpy as np

from pyscrape.exposition.comments import comment_entries, comments_of
from pyscrape.exposition.entries import Entry, Exemplar, Series
from pyscrape.exposition.errors import NotLined
from pyscrape.exposition.follow import NO_TIME, Page, numbered
from pyscrape.exposition.lines import lines_of, prove
from pyscrape.exposition.negotiation import Format, choose_parser
from pyscrape.exposition.plain import entries
from pyscrape.exposition.series import NORMALISED, Normalised

DEFAULT_CONTENT_TYPE = "text/plain; version=0.0.4"


def parse(body: bytes, content_type: str = DEFAULT_CONTENT_TYPE) -> Iterator[Entry]:
    """The entries of a page in its order; raises ParseError at the first thing that is wrong.

    >>> [(e.labels["__name__"], e.value) for e in parse(b"up 1\\n")]
    [('up', 1.0)]

    Raises ContentTypeError when the content type is none of the text formats.
    """
    form = choose_parser(content_type).text_format()
    if body:
        try:
            return _lined_entries(body if body.endswith(b"\n") else body + b"\n", form)
        except NotLined:
            pass  # the grammar reads it, or says what is wrong
    return entries(body, form)


def _lined_entries(body: bytes, form: Format) -> Iterator[Entry]:
    """The entries of a lined page. Raises NotLined, at once."""
    found, samples = prove(body, form)
    comments = comment_entries(found.comments, form)
    lines = lines_of(body, found, samples, comments_of(found.comments, comments), hashed=False)
    page = numbered(lines, form)
    series = map(Series, *_fields(page, samples.texts))
    before_comments = np.searchsorted(found.starts, found.comment_starts).tolist()
    return _in_order(series, comments, before_comments)


def _fields(
    page: Page, texts: list[bytes]
) -> tuple[
    list[bytes],
    list[float],
    Iterable[int | None],
    Iterable[Normalised],
    Iterable[tuple[Exemplar, ...]],
]:
    """The fields of Series, each for all samples; the shortest ends them all."""
    times: Iterable[int | None] = repeat(None)
    if page.times_ms is not None:
        times = [None if time_ms == NO_TIME else time_ms for time_ms in page.times_ms.tolist()]
    normalised: Iterable[Normalised] = repeat("")
    if page.lines.normalised.any():
        normalised = [NORMALISED[label] for label in page.lines.normalised.tolist()]
    exemplars: Iterable[tuple[Exemplar, ...]] = repeat(())
    if page.tails:
        exemplars = [page.tails[i].exemplars if i in page.tails else () for i in range(len(texts))]
    return texts, page.values.tolist(), times, normalised, exemplars


def _in_order(series: Iterator[Series], comments: list[Entry], before_comments: list[int]) -> Iterator[Entry]:
    """Samples and comments as they stand in the page: comment k comes after before_comments[k] samples."""
    done = 0
    for comment, before in zip(comments, before_comments, strict=True):
        yield from islice(series, before - done)
        done = before
        yield comment
    yield from series
