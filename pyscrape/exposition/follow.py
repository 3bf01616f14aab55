"""From the last page to the next: what stayed is found by comparing bytes, only the rest is parsed.

`follow` answers in the cheapest way that is right: a page of the same size with other values; else a page whose
lines are brought into line with the old ones; else every line anew. A page that is not lined raises NotLined.
"""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyscrape.exposition.diff import Mask, aligned, difference, shifted
from pyscrape.exposition.lines import (
    CLOCKED,
    ODD,
    PLAIN,
    Geometry,
    Lines,
    NotLined,
    Offsets,
    Tail,
    check_text,
    geometry,
    lined,
    normalised_at,
    read_comments,
    read_lines,
    read_tail,
)
from pyscrape.exposition.negotiation import Format
from pyscrape.exposition.values import CLOCK_DIGITS, decode_clocks, decode_values

Indices = NDArray[np.int32]
Values = NDArray[np.float64]
Clocks = NDArray[np.int64]

NO_TIME = int(np.iinfo(np.int64).min)
"""In a row's times: this sample has no timestamp of its own."""


@dataclass(frozen=True, slots=True)
class Page:
    """A lined page with its numbers. `origin`: for each sample its index in the page before, -1 for a new one;
    None where the series are the same in the same order. `tails`: the odd lines' ends by sample."""

    lines: Lines
    values: Values
    times_ms: Clocks | None
    tails: dict[int, Tail] = field(default_factory=dict)
    origin: Indices | None = None


def first_page(body: bytes, form: Format) -> Page:
    """A page on its own. Raises NotLined."""
    return numbered(lined(body, form), form)


def numbered(lines: Lines, form: Format) -> Page:
    """A page whose lines are known and whose numbers are not. Raises NotLined."""
    every = np.ones(len(lines.starts), np.bool_)
    return _numbered(lines, every, form, np.empty(len(every)), {}, None)


def follow(page: Page, body: bytes, form: Format) -> Page:
    """`body` as the page after `page`. Raises NotLined."""
    if not len(page.lines.starts):
        return _anew(page, body, form)
    try:
        alike = _alike(page.lines, body)
        if alike is not None:
            return _numbered(*alike, form, page.values, page.tails, None)
        return _changed(page, body, form)
    except NotLined:
        # A value became something else, for example a value and a timestamp.
        return _anew(page, body, form)


def _alike(old: Lines, body: bytes) -> tuple[Lines, Mask] | None:
    """The lines of a page that differs from the old one in numbers alone, and a mask of those that differ."""
    new = np.frombuffer(body, np.uint8)
    whole = slice(None)
    if len(body) == len(old.body):
        found = difference(np.frombuffer(old.body, np.uint8), new, old.starts, old.ends, old, whole)
        if not found.outside and found.texts is None:
            return old.moved(body, old.starts, old.ends), found.values
    moved = shifted(old, body)
    if moved is None or not moved.resized:
        return None
    found = difference(moved.copy, new, moved.starts, moved.ends, old, whole)
    if found.outside or found.texts is not None:
        return None
    found.values[moved.resized] = True
    return old.moved(body, moved.starts, moved.ends), found.values


def _numbered(
    lines: Lines,
    changed: Mask,
    form: Format,
    old_values: Values,
    old_tails: dict[int, Tail],
    origin: Indices | None,
) -> Page:
    """Read the numbers of the `changed` samples, and every clock. Raises NotLined."""
    values = old_values.copy()
    tails: dict[int, Tail] = {}
    if lines.odd:
        odd = lines.kinds == ODD
        tails = {index: tail for index, tail in old_tails.items() if not changed[index]}
        for index in np.flatnonzero(changed & odd).tolist():
            tails[index] = tail = read_tail(lines, index, form)
            values[index] = tail.value
        changed = changed & ~odd
    usual = np.flatnonzero(changed)
    starts = (lines.starts[usual] + lines.lengths[usual]).astype(np.int64) + 1
    ends = lines.ends[usual].astype(np.int64)
    if lines.clocked:
        ends -= np.where(lines.kinds[usual] == CLOCKED, CLOCK_DIGITS + 1, 0)
    try:
        values[usual] = decode_values(lines.body, starts, ends)
    except ValueError:
        raise NotLined from None
    return Page(lines, values, _times(lines, tails), tails, origin)


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


def _changed(page: Page, body: bytes, form: Format) -> Page:
    """A page with other lines: those in line with old ones are kept, the others looked up or read."""
    old = page.lines
    found = geometry(body, form)
    comments = old.comments if found.comments == old.comments.text else read_comments(found.comments, form)
    origin, changed = _in_line(old, body, found)
    size = len(origin)
    matched = origin >= 0
    lengths = old.lengths[origin]
    kinds = old.kinds[origin]
    hashes = old.hashes[origin]
    normalised = old.normalised[origin]
    unknown = np.flatnonzero(~matched)
    if len(unknown):
        read = _look_up(old, body, found, unknown, origin, form)
        lengths[unknown], kinds[unknown], hashes[unknown] = read
        births = np.flatnonzero(origin < 0)
        normalised[births] = normalised_at(found, comments, found.starts[births])
        late = unknown[origin[unknown] >= 0]
        normalised[late] = old.normalised[origin[late]]
    lines = Lines(
        body,
        found.starts.astype(np.int32),
        lengths,
        found.ends.astype(np.int32),
        kinds,
        normalised,
        hashes,
        comments,
    )
    changed |= kinds == ODD
    values = page.values[origin] if len(page.values) else np.empty(size)
    return _numbered(lines, changed, form, values, {}, _moved(lines, old, origin))


def _in_line(old: Lines, body: bytes, found: Geometry) -> tuple[Indices, Mask]:
    """Match samples by position, from the start and from the end; -1 where neither fits. Also: whose value differs."""
    size, old_size = len(found.starts), len(old.starts)
    origin = np.full(size, -1, np.int32)
    changed = np.ones(size, np.bool_)
    common = min(size, old_size)
    others, values = _compare(old, body, found, slice(0, common), slice(0, common))
    lead = common
    if size != old_size and others.any():
        lead = int(others.argmax())
        others[lead:] = True
    here = np.flatnonzero(~others)
    origin[here] = here
    changed[here] = values[here]
    rest = common - lead
    if rest:
        new_part, old_part = slice(size - rest, size), slice(old_size - rest, old_size)
        others, values = _compare(old, body, found, new_part, old_part)
        there = np.flatnonzero(~others)
        origin[there + size - rest] = there + old_size - rest
        changed[there + size - rest] = values[there]
    return origin, changed


def _compare(old: Lines, body: bytes, found: Geometry, new_part: slice, old_part: slice) -> tuple[Mask, Mask]:
    """Masks of the samples whose series text, and whose value, differs from that of the old sample at their place."""
    starts, ends = found.starts[new_part], found.ends[new_part]
    if not len(starts):
        return np.zeros(0, np.bool_), np.zeros(0, np.bool_)
    copy, resized = aligned(old, old_part, body, starts, ends)
    # What lies outside the part was copied from the new page itself and cannot differ.
    result = difference(copy, np.frombuffer(body, np.uint8), starts, ends, old, old_part)
    others = ends - starts <= old.lengths[old_part]
    if result.texts is not None:
        others |= result.texts
    return others, result.values | resized


class _Found(NamedTuple):
    """What is known of the lines that are not where they were."""

    lengths: list[int]
    kinds: list[int]
    hashes: list[int]


def _look_up(
    old: Lines, body: bytes, found: Geometry, unknown: Offsets, origin: Indices, form: Format
) -> _Found:
    """Find lines that moved, read those that are new; `origin` learns of the moved ones."""
    stayed = np.zeros(len(old.starts), np.bool_)
    stayed[origin[origin >= 0]] = True
    gone = np.flatnonzero(~stayed)
    known = dict(zip(reversed(old.texts(gone)), reversed(gone.tolist()), strict=True))
    starts, ends = found.starts[unknown].tolist(), found.ends[unknown].tolist()
    # A line that moved is the text of a line that is gone, a blank and a number; the others are read.
    texts = (
        [body[start:end].rpartition(b" ")[0] for start, end in zip(starts, ends, strict=True)]
        if known
        else []
    )
    kinds = [PLAIN] * len(starts)
    moved = [known.get(text, -1) for text in texts] or [-1] * len(starts)
    rows = [row for row, index in enumerate(moved) if index < 0]
    for row in rows:
        check_text(body[starts[row] : ends[row]])
    read = read_lines(body, [starts[row] for row in rows], [ends[row] for row in rows], form)
    if len(rows) == len(starts):
        texts, kinds = read
    else:
        for row, text, kind in zip(rows, *read, strict=True):
            texts[row], kinds[row] = text, kind
    if known:
        for row in rows:
            moved[row] = known.get(texts[row], -1)
    origin[unknown] = moved
    return _Found(list(map(len, texts)), kinds, list(map(hash, texts)))
