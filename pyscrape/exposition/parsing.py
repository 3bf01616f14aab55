"""`parse`: a page as entries, for library use and for tools; scrapes go through `page.PageReader`.

A lined page is proved right by one pattern a line, its numbers are read all at once, and labels wait until they
are asked for; everything else goes the plain way.
"""

from collections.abc import Iterator
from functools import partial
from itertools import islice, repeat
from typing import cast

import numpy as np

from pyscrape.exposition.entries import Entry, Exemplar, Series
from pyscrape.exposition.follow import NO_TIME, numbered
from pyscrape.exposition.lines import NORMALISED, NotLined, comment_entries, comments_of, lines_of, prove
from pyscrape.exposition.negotiation import Format, choose_parser
from pyscrape.exposition.plain import entries

DEFAULT_CONTENT_TYPE = "text/plain; version=0.0.4"

_series = partial(tuple.__new__, Series)


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
    size = len(samples.texts)
    times = (
        repeat(None, size)
        if page.times_ms is None
        else (None if time_ms == NO_TIME else time_ms for time_ms in page.times_ms.tolist())
    )
    normalised = [NORMALISED[label] for label in lines.normalised.tolist()]
    exemplars: list[tuple[Exemplar, ...]] = [()] * size
    for index, tail in page.tails.items():
        exemplars[index] = tail.exemplars
    series = map(_series, zip(samples.texts, page.values.tolist(), times, normalised, exemplars, strict=True))
    before_comments = np.searchsorted(found.starts, found.comment_starts).tolist()
    return _in_order(cast(Iterator[Series], series), comments, before_comments)


def _in_order(series: Iterator[Series], comments: list[Entry], before_comments: list[int]) -> Iterator[Entry]:
    """Samples and comments as they stand in the page: comment k comes after before_comments[k] samples."""
    done = 0
    for comment, before in zip(comments, before_comments, strict=True):
        yield from islice(series, before - done)
        done = before
        yield comment
    yield from series
