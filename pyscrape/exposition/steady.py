"""Small pages that go on as they were: the same lines, some with another number.

What `follow` does for any page takes some sixty calls of numpy, which is most of what a page of a few hundred lines
costs. A page without timestamps and exemplars of which only values differ needs a dozen: every differing byte is
looked up in one sorted list of where values begin and end, and where all of them lie in values, those are read. What a
page may be otherwise is left to `follow`, which is held to the same properties (benchmarks/exposition.py).
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyscrape.exposition.entries import Metadata
from pyscrape.exposition.follow import Page, Values
from pyscrape.exposition.lines import Lines, Small
from pyscrape.exposition.values import Bytes, decode_values

LARGEST_BYTES = 100_000
"""Larger pages are quicker to compare by words than by bytes, which is what `follow` does."""

_NEWLINE = ord("\n")
_NOWHERE: Small = np.empty(0, np.int32)


def may_be_steady(page: Page) -> bool:
    """Whether `Steady` can go on from `page`."""
    lines = page.lines
    return 0 < len(lines.body) <= LARGEST_BYTES and len(lines.starts) > 0 and not (lines.clocked or lines.odd)


class Steady:
    """The last page, ready for the next one; also where its layout finds series texts.

    `bounds[2 * n]` is where the value of line n begins, `bounds[2 * n + 1]` where it ends, which is at the newline.
    That of a line that is no sample is empty.
    """

    __slots__ = ("_body", "_bounds", "_page", "_template", "_values")

    def __init__(self, page: Page) -> None:
        lines = page.lines
        self._body = lines.body
        self._values = page.values
        self._bounds = _bounds_of(lines)
        # Without what changes from page to page.
        self._template = lines.moved(b"", _NOWHERE, _NOWHERE)
        self._page: Page | None = None

    def feed(self, body: bytes) -> Values | None:
        """The values of the page after the last one; None, and nothing done, where that is not for this class."""
        new = np.frombuffer(body, np.uint8)
        bounds = self._bounds
        changed = (
            _changed(np.frombuffer(self._body, np.uint8), new, bounds)
            if len(body) == len(self._body)
            else None
        )
        if changed is None:
            resized = _resized(self._body, bounds, new)
            if resized is None:
                return None
            bounds = resized.bounds
            changed = _changed(resized.copy, new, bounds)
            if changed is None:
                return None
        values = self._values.copy()
        if len(changed):
            lines = changed >> 1
            try:
                numbers = decode_values(body, bounds.take(changed - 1), bounds.take(changed))
            except ValueError:
                return None  # it became something else, for example a value and a timestamp
            values[lines - self._template.other_lines.searchsorted(lines)] = numbers
        self._body, self._bounds, self._values, self._page = body, bounds, values, None
        return values

    @property
    def metadata(self) -> Mapping[str, Metadata]:
        """What the page's comments say."""
        return self._template.comments.metadata

    @property
    def page(self) -> Page:
        """The last page, for `follow`."""
        if self._page is None:
            lines = self._template
            ends = np.delete(self._bounds[1::2], lines.other_lines)
            starts = np.delete(self._bounds[::2], lines.other_lines) - lines.lengths - 1
            self._page = Page(lines.moved(self._body, starts, ends), self._values, None)
        return self._page

    def text(self, index: int) -> bytes:
        """Series text of one sample."""
        return self.page.lines.text(index)

    def texts(self, indices: NDArray[np.integer] | None = None) -> list[bytes]:
        """Series texts of some samples, or of all."""
        return self.page.lines.texts(indices)


def _bounds_of(lines: Lines) -> Small:
    ends = np.flatnonzero(np.frombuffer(lines.body, np.uint8) == _NEWLINE)
    bounds = np.repeat(ends, 2).astype(np.int32)
    bounds[2 * np.delete(np.arange(len(ends)), lines.other_lines)] = lines.starts + lines.lengths + 1
    return bounds


def _changed(old: Bytes, new: Bytes, bounds: Small) -> NDArray[np.intp] | None:
    """Places in `bounds` of the ends of values that differ; None where any other byte differs."""
    at: NDArray[np.intp] = bounds.searchsorted((old != new).nonzero()[0], "right")
    if not len(at):
        return at
    first = np.empty(len(at), np.bool_)
    first[0] = True
    np.not_equal(at[1:], at[:-1], out=first[1:])
    changed: NDArray[np.intp] = at[first]
    # A byte has an odd number of bounds before it if it is in a value.
    return changed if np.bitwise_and.reduce(changed) & 1 else None


class _Resized(NamedTuple):
    """The old page with each line where the new page has it, and that page's bounds.

    In place of a value that has another length stand newlines, from which every byte of the new value differs.
    """

    copy: Bytes
    bounds: Small


def _resized(old: bytes, bounds: Small, new: Bytes) -> _Resized | None:
    """Bring the old page in line with one of as many lines of which some samples are longer or shorter."""
    ends = (new == _NEWLINE).nonzero()[0]
    if 2 * len(ends) != len(bounds):
        return None
    moved = ends - bounds[1::2]
    before = np.empty_like(moved)
    before[0] = 0
    before[1:] = moved[:-1]
    where = (moved != before).nonzero()[0]
    if not len(where):
        return None
    shifted = np.empty_like(bounds)
    np.add(bounds[::2], before, out=shifted[::2], casting="unsafe")
    shifted[1::2] = ends
    places = where << 1
    pieces: list[bytes] = []
    done = 0
    for start, end, begin, stop in zip(
        bounds.take(places).tolist(), bounds.take(places + 1).tolist(),
        shifted.take(places).tolist(), shifted.take(places + 1).tolist(), strict=True,
    ):  # fmt: skip
        if start == end or stop <= begin:
            return None  # a line without a value, or with none any more
        pieces += (old[done:start], b"\n" * (stop - begin))
        done = end
    pieces.append(old[done:])
    return _Resized(np.frombuffer(b"".join(pieces), np.uint8), shifted)
