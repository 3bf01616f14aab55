"""From the last page to the next: what stayed is found by comparing bytes, only the rest is parsed.

`follow` answers in the cheapest way that is right: a page of the same size with other values; else a page whose
lines are brought into line with the old ones; else every line anew. A page that is not lined raises NotLined.
"""

from dataclasses import dataclass, field, replace
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from pyscrape.exposition.diff import Difference, Mask, aligned, difference
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
    lines = lined(body, form)
    every = np.ones(len(lines.starts), np.bool_)
    return _numbered(lines, form, np.empty(len(every)), every, {}, None)


def follow(page: Page, body: bytes, form: Format) -> Page:
    """`body` as the page after `page`. Raises NotLined."""
    old = page.lines
    if len(body) == len(old.body):
        found = difference(
            np.frombuffer(old.body, np.uint8),
            np.frombuffer(body, np.uint8),
            old.starts,
            old.ends,
            old,
            slice(None),
        )
        if not found.outside and not found.texts.any():
            try:
                return _numbered(replace(old, body=body), form, page.values, found.values, page.tails, None)
            except NotLined:
                # A value became something else, for example a value and a timestamp.
                return _anew(page, body, form)
    try:
        return _changed(page, body, form) if len(old.starts) else _anew(page, body, form)
    except NotLined:
        return _anew(page, body, form)


def _numbered(
    lines: Lines,
    form: Format,
    old_values: Values,
    changed: Mask,
    old_tails: dict[int, Tail],
    origin: Indices | None,
) -> Page:
    """Read the numbers of the `changed` samples, and every clock. Raises NotLined."""
    values = old_values.copy()
    odd = lines.kinds == ODD
    tails = {i: tail for i, tail in old_tails.items() if not changed[i]}
    for index in np.flatnonzero(changed & odd).tolist():
        tails[index] = tail = read_tail(lines, index, form)
        values[index] = tail.value
    usual = np.flatnonzero(changed & ~odd)
    clocked = lines.kinds == CLOCKED
    ends = lines.ends[usual].astype(np.int64) - np.where(clocked[usual], CLOCK_DIGITS + 1, 0)
    starts = lines.starts[usual].astype(np.int64) + lines.lengths[usual] + 1
    try:
        values[usual] = decode_values(lines.body, starts, ends)
    except ValueError:
        raise NotLined from None
    return Page(lines, values, _times(lines, clocked, tails), tails, origin)


def _times(lines: Lines, clocked: Mask, tails: dict[int, Tail]) -> Clocks | None:
    tail_times = {i: tail.timestamp_ms for i, tail in tails.items() if tail.timestamp_ms is not None}
    if not tail_times and not clocked.any():
        return None
    clocks = decode_clocks(lines.body, lines.ends[clocked].astype(np.int64))
    if clocks is None:
        raise NotLined
    times = np.full(len(clocked), NO_TIME)
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
    check_text(body)
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
    return _numbered(lines, form, values, changed, {}, _moved(lines, old, origin))


def _in_line(old: Lines, body: bytes, found: Geometry) -> tuple[Indices, Mask]:
    """Match samples by position, from the start and from the end; -1 where neither fits. Also: whose value differs."""
    size, old_size = len(found.starts), len(old.starts)
    origin = np.full(size, -1, np.int32)
    changed = np.ones(size, np.bool_)
    common = min(size, old_size)
    from_start = _compare(old, body, found, slice(0, common), slice(0, common))
    good = ~from_start.texts
    lead = common
    if size != old_size:
        bad = np.flatnonzero(from_start.texts)
        lead = int(bad[0]) if len(bad) else common
        good[lead:] = False
    here = np.flatnonzero(good)
    origin[here] = here
    changed[here] = from_start.values[here]
    rest = common - lead
    if rest:
        new_part, old_part = slice(size - rest, size), slice(old_size - rest, old_size)
        from_end = _compare(old, body, found, new_part, old_part)
        there = np.flatnonzero(~from_end.texts) + size - rest
        origin[there] = there + (old_size - size)
        changed[there] = from_end.values[there - (size - rest)]
    return origin, changed


def _compare(old: Lines, body: bytes, found: Geometry, new_part: slice, old_part: slice) -> Difference:
    starts, ends = found.starts[new_part], found.ends[new_part]
    if not len(starts):
        none = np.zeros(0, np.bool_)
        return Difference(none, none, False)
    copy, resized = aligned(old, old_part, body, starts, ends)
    # What lies outside the part was copied from the new page itself and cannot differ.
    result = difference(copy, np.frombuffer(body, np.uint8), starts, ends, old, old_part)
    too_short = ends - starts <= old.lengths[old_part]
    return Difference(result.texts | too_short, result.values | resized, result.outside)


def _look_up(
    old: Lines, body: bytes, found: Geometry, unknown: Offsets, origin: Indices, form: Format
) -> tuple[list[int], list[int], list[int]]:
    """Lengths, kinds and hashes of lines that moved or are new; `origin` learns of those that moved."""
    stayed = np.zeros(len(old.starts), np.bool_)
    stayed[origin[origin >= 0]] = True
    gone = np.flatnonzero(~stayed).tolist()
    starts, ends = found.starts[unknown].tolist(), found.ends[unknown].tolist()
    if not gone:
        samples = read_lines(body, starts, ends, form)
        return samples.lengths, samples.kinds, samples.hashes
    known = {old.text(index): index for index in reversed(gone)}
    lengths, kinds, hashes = [0] * len(starts), [0] * len(starts), [0] * len(starts)
    new: list[bool] = []
    for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
        text, _, _ = body[start:end].rpartition(b" ")
        kind = PLAIN
        index = known.get(text)
        if index is None and form == "text":
            text, _, value = text.rpartition(b" ")
            kind = CLOCKED
            clock_digits = end - start - len(text) - len(value) - 2
            index = known.get(text) if clock_digits == CLOCK_DIGITS else None
        new.append(index is None)
        if index is not None:
            origin[unknown[row]] = index
            lengths[row], kinds[row], hashes[row] = len(text), kind, int(old.hashes[index])
    rows = list(compress(range(len(starts)), new))
    samples = read_lines(body, [starts[row] for row in rows], [ends[row] for row in rows], form)
    for row, length, kind, digest in zip(rows, *samples, strict=True):
        lengths[row], kinds[row], hashes[row] = length, kind, digest
        origin[unknown[row]] = known.get(body[starts[row] : starts[row] + length], -1)
    return lengths, kinds, hashes
