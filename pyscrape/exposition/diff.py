"""Where two pages differ, in numpy: no Python object for a line that stayed.

Both bodies are compared eight bytes at a time; only words that differ are looked at byte by byte, and the byte's
offset tells whose series text or value it is in. Pages whose lines moved are first brought into line by copying
the old lines to where they stand in the new page, one copy for every run of lines that moved alike.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyscrape.exposition.lines import CLOCKED, Lines, Offsets, Small
from pyscrape.exposition.values import CLOCK_DIGITS, Bytes

_NEWLINE = ord("\n")
_MOST_RESIZED = 16
_MOST_SHIFT = 1000
_WORD = 8
_LARGE_BYTES = 100_000
# By a count of bytes from 0 to 8: a mask of the first bytes of a little-endian word.
_FIRST_BYTES = np.array([(1 << (8 * count)) - 1 for count in range(_WORD + 1)], np.uint64)
_LAST_BYTES = ~_FIRST_BYTES

Mask = NDArray[np.bool_]


class Difference(NamedTuple):
    """What differs between a page and an old one in line with it, by sample.

    `texts`: mask of samples whose series text differs, None where none does. `values`: mask of those whose value
    (for an odd line: all after the series text) differs; a clock is not looked at. `outside`: a byte between
    samples differs.
    """

    texts: Mask | None
    values: Mask
    outside: bool


def difference(
    old: Bytes, new: Bytes, starts: Offsets | Small, ends: Offsets | Small, lines: Lines, part: slice
) -> Difference:
    """Compare `new`, whose samples lie at `starts` and `ends`, with `old` in line with it.

    `part` is the run of samples of `lines` that they are compared with, as many as `starts` and at least one.
    """
    value_starts = starts + lines.lengths[part]
    value_starts += 1
    value_ends = ends
    if lines.clocked:
        value_ends = ends - np.where(lines.kinds[part] == CLOCKED, CLOCK_DIGITS + 1, 0)
    places = _Places(starts, value_starts, value_ends, ends)
    values = np.zeros(len(starts), np.bool_)
    offsets = (_suspects if len(new) >= _LARGE_BYTES else _every)(old, new, places, values)
    texts, outside = _by_byte(offsets, places, values) if len(offsets) else (None, False)
    return Difference(texts, values, outside)


class _Places(NamedTuple):
    """Where samples lie in a page."""

    starts: Offsets | Small
    value_starts: Offsets | Small
    value_ends: Offsets | Small
    ends: Offsets | Small


def _every(old: Bytes, new: Bytes, places: _Places, values: Mask) -> Offsets:
    """Offsets of differing bytes, none of them if all are in values, which are marked then."""
    offsets = np.flatnonzero(old != new)
    owners = places.starts.searchsorted(offsets, "right")
    owners -= 1
    good = offsets >= places.value_starts[owners]
    good &= offsets < places.value_ends[owners]
    # An offset before the first sample has the last one for owner here, and is not behind its value's start.
    if not good.all():
        return offsets
    values[owners] = True
    return offsets[:0]


def _suspects(old: Bytes, new: Bytes, places: _Places, values: Mask) -> Offsets:
    """As `_every`, for many bytes: words first, and only of words that touch more than a value the bytes."""
    words = len(new) // _WORD
    old_words = old[: words * _WORD].view("<u8")
    new_words = new[: words * _WORD].view("<u8")
    hits = np.flatnonzero(old_words != new_words)
    bits = old_words[hits] ^ new_words[hits]
    offsets = hits << 3
    owners = places.starts.searchsorted(offsets, "right")
    owners -= 1
    # Bytes of the word before the value, and those before the value's end.
    before = np.minimum(np.maximum(places.value_starts[owners] - offsets, 0), _WORD)
    within = np.minimum(np.maximum(places.value_ends[owners] - offsets, 0), _WORD)
    bad = (bits & (_FIRST_BYTES[before] | _LAST_BYTES[within])) != 0
    bad |= owners < 0
    tail = np.flatnonzero(old[words * _WORD :] != new[words * _WORD :]) + words * _WORD
    if not bad.any():
        values[owners] = True
        return tail
    values[owners[~bad]] = True
    which = np.flatnonzero(bits[bad].astype("<u8").view(np.uint8))
    return np.concatenate((offsets[bad][which >> 3] + (which & 7), tail))


def _by_byte(offsets: Offsets, places: _Places, values: Mask) -> tuple[Mask | None, bool]:
    """Mark the samples that own differing bytes: mask of texts, and whether any byte belongs to no sample."""
    owners = places.starts.searchsorted(offsets, "right")
    owners -= 1
    owned = owners >= 0
    in_text = owned & (offsets < places.value_starts[owners])
    in_value = owned & ~in_text & (offsets < places.value_ends[owners])
    values[owners[in_value]] = True
    outside = not bool((owned & (offsets < places.ends[owners])).all())
    if not in_text.any():
        return None, outside
    texts = np.zeros(len(places.starts), np.bool_)
    texts[owners[in_text]] = True
    return texts, outside


class Shifted(NamedTuple):
    """An old page whose lines stand where those of a new page should: `copy` of its bytes, and its samples."""

    copy: Bytes
    starts: Small
    ends: Small
    resized: list[int]


def shifted(lines: Lines, body: bytes) -> Shifted | None:
    """Bring an old page in line with a new one in which a few values have another length; None for more than that.

    Where a newline is not where it was, the value before it was resized, and all that follows moves with it. This
    may be wrong; `difference` then finds texts or bytes between samples that differ. Bytes of resized values are
    the new ones.
    """
    if abs(len(body) - len(lines.body)) > _MOST_SHIFT:
        return None
    new = np.frombuffer(body, np.uint8)
    sample = _next_resized(new, lines.ends, 0)
    if sample is None and len(body) == len(lines.body):
        return Shifted(np.frombuffer(lines.body, np.uint8), lines.starts, lines.ends, [])
    starts, ends = lines.starts.copy(), lines.ends.copy()
    copy = np.empty(len(body), np.uint8)
    target, source = memoryview(copy.data), memoryview(lines.body)
    resized: list[int] = []
    done = shift = 0  # copied so far of the old page; how far what follows has moved
    while sample is not None:
        value = int(starts[sample]) + int(lines.lengths[sample]) + 1
        end = body.find(b"\n", value)
        if end < 0 or len(resized) == _MOST_RESIZED:
            return None
        target[done + shift : value] = source[done : value - shift]
        target[value:end] = body[value:end]
        resized.append(sample)
        done = int(lines.ends[sample])
        shift = end - done
        ends[sample:] = lines.ends[sample:] + shift
        starts[sample + 1 :] = lines.starts[sample + 1 :] + shift
        sample = _next_resized(new, ends, sample + 1)
    if len(lines.body) + shift != len(body):
        return None
    target[done + shift :] = source[done:]
    return Shifted(copy, starts, ends, resized)


def _next_resized(new: Bytes, ends: Small, first: int) -> int | None:
    """The first sample from `first` on whose newline is not at its place in `ends`."""
    ahead = ends[first:]
    if len(ahead) and ahead[-1] >= len(new):
        inside = ahead[ahead < len(new)]
        wrong = new[inside] != _NEWLINE
        return first + (int(wrong.argmax()) if wrong.any() else len(inside))
    wrong = new[ahead] != _NEWLINE
    return first + int(wrong.argmax()) if wrong.any() else None


def aligned(lines: Lines, part: slice, body: bytes, starts: Offsets, ends: Offsets) -> tuple[Bytes, Mask]:
    """The old page's samples `part` copied to where samples stand in `body`, and a mask of those whose length differs.

    Of a sample whose length differs the series text alone is copied. Between samples the new bytes stand.
    """
    copy = np.frombuffer(body, np.uint8).copy()
    old_starts = lines.starts[part].astype(np.int64)
    old_ends = lines.ends[part].astype(np.int64)
    moved = starts - old_starts
    resized = (ends - starts) != (old_ends - old_starts)
    last = np.append(np.flatnonzero(moved[1:] != moved[:-1]), len(moved) - 1)
    first = np.concatenate(([0], last[:-1] + 1))
    text_ends = old_starts[last] + lines.lengths[part][last] + 1
    stops = np.where(resized[last], text_ends, old_ends[last])
    target = memoryview(copy.data)
    source = memoryview(lines.body)
    limit = len(body)
    for start, stop, shift in zip(
        old_starts[first].tolist(), stops.tolist(), moved[first].tolist(), strict=True
    ):
        stop = min(stop, limit - shift)
        target[start + shift : stop + shift] = source[start:stop]
    return copy, resized
