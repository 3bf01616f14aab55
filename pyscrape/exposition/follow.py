"""From the last page to the next: what stayed is found by comparing bytes, only the rest is parsed.

`follow` answers in the cheapest way that is right: a page of the same size with other values; else a page whose
lines are brought into line with the old ones; else every line anew. A page that is not lined raises NotLined.
"""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyscrape.exposition.comments import Comments, read_comments
from pyscrape.exposition.cut import Cut
from pyscrape.exposition.diff import Mask, aligned, alike_at, difference, shifted
from pyscrape.exposition.errors import NotLined
from pyscrape.exposition.lines import (
    CLOCKED,
    ODD,
    Flags,
    Geometry,
    Lines,
    Offsets,
    Small,
    Tail,
    geometry,
    lined,
    normalised_at,
    read_tail,
    types_from,
)
from pyscrape.exposition.matching import guess_origins
from pyscrape.exposition.negotiation import Format
from pyscrape.exposition.unplaced import look_up
from pyscrape.exposition.values import CLOCK_DIGITS, decode_clocks, decode_values

Indices = NDArray[np.int32]
Values = NDArray[np.float64]
Clocks = NDArray[np.int64]

NO_TIME = int(np.iinfo(np.int64).min)
"""In a row's times: this sample has no timestamp of its own."""


@dataclass(frozen=True, slots=True)
class Page:
    """A lined page with its numbers.

    `tails`: the odd lines' ends by sample. `origin`: for each sample its index in the page before, -1 for a new one;
    None where the series are the same in the same order. `unplaced`: the samples that moved or are new, None where
    all were read anew; `cuts`: the series texts of the new ones, if they are known so.
    """

    lines: Lines
    values: Values
    times_ms: Clocks | None
    tails: dict[int, Tail] = field(default_factory=dict)
    origin: Indices | None = None
    unplaced: Offsets | None = None
    cuts: list[Cut] | None = None


def first_page(body: bytes, form: Format) -> Page:
    """A page on its own. Raises NotLined."""
    return numbered(lined(body, form), form)


def numbered(lines: Lines, form: Format) -> Page:
    """A page whose lines are known and whose numbers are not. Raises NotLined."""
    every = np.ones(len(lines.starts), np.bool_)
    return _numbered(lines, every, form, np.empty(len(every)), {})


def follow(page: Page, body: bytes, form: Format) -> Page:
    """`body` as the page after `page`. Raises NotLined."""
    old = page.lines
    if not len(old.starts):
        return _anew(page, body, form)
    try:
        found = _in_place(old, body)
        if found is None:
            found = _brought_in_line(old, body, form)
        elif found.origin is None:
            lines = old.moved(body, found.starts, found.ends)
            return _numbered(lines, found.changed, form, page.values.copy(), page.tails)
        return _rebuilt(page, found, body, form)
    except NotLined:
        # A value became something else, for example a value and a timestamp.
        return _anew(page, body, form)


class _Match(NamedTuple):
    """Samples of a page and the old samples at their places.

    `origin`: the old sample with the same series text at that place, -1 where there is none; None where all have
    theirs. `in_place`: no sample has moved, so that each is its own origin or has none. `changed`: mask of the samples
    whose value differs from that of their origin.
    """

    starts: Small
    ends: Small
    origin: Indices | None
    in_place: bool
    changed: Mask
    comments: Comments
    types_from: Small
    other_lines: Small


def _in_place(old: Lines, body: bytes) -> _Match | None:
    """The match of a page whose lines are the old ones but for numbers and, in place, some series texts."""
    new = np.frombuffer(body, np.uint8)
    starts, ends, found = old.starts, old.ends, None
    clocked = old.kinds == CLOCKED if old.clocked else None
    resized: Offsets = np.empty(0, np.int64)
    if len(body) == len(old.body) and alike_at(old, body, starts):
        found = difference(np.frombuffer(old.body, np.uint8), new, starts, ends, old.lengths, clocked)
    if found is None or found.outside:
        moved = shifted(old, body)
        if moved is None or not alike_at(old, body, moved.starts):
            return None
        copy, starts, ends, resized = moved
        found = difference(copy, new, starts, ends, old.lengths, clocked)
        if found.outside:
            return None
    found.values[resized] = True
    if found.texts is None:
        return _Match(starts, ends, None, True, found.values, old.comments, old.types_from, old.other_lines)
    replaced = found.texts.nonzero()[0]
    for start, end in zip(starts[replaced].tolist(), ends[replaced].tolist(), strict=True):
        if body.find(b"\n", start) != end:
            return None
    origin = np.arange(len(starts), dtype=np.int32)
    origin[replaced] = -1
    return _Match(
        starts, ends, origin, True, found.values | found.texts, old.comments, old.types_from, old.other_lines
    )


def _numbered(lines: Lines, changed: Mask, form: Format, values: Values, old_tails: dict[int, Tail]) -> Page:
    """Read the numbers of the `changed` samples into `values`, and every clock. Raises NotLined."""
    tails: dict[int, Tail] = {}
    if lines.odd:
        odd = lines.kinds == ODD
        tails = {index: tail for index, tail in old_tails.items() if not changed[index]}
        for index in (changed & odd).nonzero()[0].tolist():
            tails[index] = tail = read_tail(lines, index, form)
            values[index] = tail.value
        changed = changed & ~odd
    usual = changed.nonzero()[0]
    starts = (lines.starts[usual] + lines.lengths[usual]).astype(np.int64) + 1
    ends = lines.ends[usual].astype(np.int64)
    if lines.clocked:
        ends -= np.where(lines.kinds[usual] == CLOCKED, CLOCK_DIGITS + 1, 0)
    try:
        values[usual] = decode_values(lines.body, starts, ends)
    except ValueError:
        raise NotLined from None
    return Page(lines, values, _times(lines, tails), tails)


def _times(lines: Lines, tails: dict[int, Tail]) -> Clocks | None:
    tail_times = {i: tail.timestamp_ms for i, tail in tails.items() if tail.timestamp_ms is not None}
    if not tail_times and not lines.clocked:
        return None
    times = np.full(len(lines.starts), NO_TIME)
    if lines.clocked:
        clocked = lines.kinds == CLOCKED
        clocks = decode_clocks(lines.body, lines.ends[clocked].astype(np.int64))
        if clocks is None:
            raise NotLined
        times[clocked] = clocks
    for index, time_ms in tail_times.items():
        times[index] = time_ms
    return times


def _anew(page: Page, body: bytes, form: Format) -> Page:
    """Every line read anew; which of them are known is found by their texts."""
    fresh = first_page(body, form)
    return replace(fresh, origin=origins(fresh.lines.texts(), page.lines.texts()))


def origins(texts: list[bytes], old: list[bytes]) -> Indices | None:
    """For each series text its index in the page before, -1 for a new one; None where nothing moved."""
    if texts == old:
        return None
    known = {text: index for index, text in reversed(list(enumerate(old)))}
    return np.array([known.get(text, -1) for text in texts], np.int32)


def _moved(lines: Lines, old: Lines, origin: Indices) -> Indices | None:
    """`origin`, or None where every series stands where it stood."""
    if len(origin) != len(old.starts) or not np.array_equal(lines.hashes, old.hashes):
        return origin
    # Repeated series may have found each other's place: the texts decide.
    if np.array_equal(origin, np.arange(len(origin), dtype=np.int32)) or lines.texts() == old.texts():
        return None
    return origin


def _brought_in_line(old: Lines, body: bytes, form: Format) -> _Match:
    """The match of a page of which lines came, went or have other lengths. Raises NotLined."""
    found = geometry(body, form)
    comments = old.comments if found.comments == old.comments.text else read_comments(found.comments, form)
    origin, changed = _in_line(old, body, found)
    starts, ends = found.starts.astype(np.int32), found.ends.astype(np.int32)
    types = types_from(found, comments)
    return _Match(starts, ends, origin, False, changed, comments, types, found.other_lines)


class _Carried(NamedTuple):
    """What the old page hands on to a new one, by sample of the new one; nonsense for those without an origin."""

    lengths: Small
    kinds: Flags
    hashes: NDArray[np.int64]
    normalised: Flags
    values: Values


def _carried(page: Page, origin: Indices, *, in_place: bool) -> _Carried:
    old = page.lines
    at = slice(None) if in_place else origin
    return _Carried(
        old.lengths[at].copy(),
        old.kinds[at].copy(),
        old.hashes[at].copy(),
        old.normalised[at].copy(),
        page.values[at].copy(),
    )


def _rebuilt(page: Page, match: _Match, body: bytes, form: Format) -> Page:
    """A page with other lines: those with an origin are kept, the others looked up or read. Raises NotLined."""
    old, origin = page.lines, match.origin
    assert origin is not None
    carried = _carried(page, origin, in_place=match.in_place)
    unplaced = (origin < 0).nonzero()[0]
    cuts = None
    if len(unplaced):
        gone = unplaced if match.in_place else _gone(old, origin)
        starts, ends = match.starts[unplaced].tolist(), match.ends[unplaced].tolist()
        found = look_up(old, gone, body, starts, ends, form)
        cuts, origin[unplaced] = found.cuts, found.origins
        carried.lengths[unplaced] = found.lengths
        carried.kinds[unplaced] = found.kinds
        carried.hashes[unplaced] = found.hashes
        # In place, too: what stood there may have come from where another type held.
        carried.normalised[unplaced] = normalised_at(match.types_from, match.comments, unplaced)
        moved = unplaced[origin[unplaced] >= 0]
        carried.normalised[moved] = old.normalised[origin[moved]]
    lines = Lines(
        body,
        match.starts,
        carried.lengths,
        match.ends,
        carried.kinds,
        carried.normalised,
        carried.hashes,
        match.comments,
        match.types_from,
        match.other_lines,
    )
    changed = match.changed | (lines.kinds == ODD) if lines.odd else match.changed
    after = _numbered(lines, changed, form, carried.values, {})
    origin = _moved(lines, old, origin)
    return Page(lines, after.values, after.times_ms, after.tails, origin, unplaced, cuts)


def _gone(old: Lines, origin: Indices) -> Offsets:
    """The old samples that are nobody's origin."""
    stayed = np.zeros(len(old.starts), np.bool_)
    stayed[origin[origin >= 0]] = True
    return (~stayed).nonzero()[0]


def _in_line(old: Lines, body: bytes, found: Geometry) -> tuple[Indices, Mask]:
    """For each sample the old one with the same series text, -1 where none was found; and whose value differs."""
    if not len(found.starts):
        return np.empty(0, np.int32), np.empty(0, np.bool_)
    origin = guess_origins(old, body, found)
    copy, resized = aligned(old, origin, body, found.starts, found.ends)
    clocked = old.kinds[origin] == CLOCKED if old.clocked else None
    # Samples without an origin were copied from the new page itself and cannot differ.
    result = difference(
        copy, np.frombuffer(body, np.uint8), found.starts, found.ends, old.lengths[origin], clocked
    )
    if result.texts is not None:
        origin[result.texts] = -1
    return origin, result.values | resized | (origin < 0)
