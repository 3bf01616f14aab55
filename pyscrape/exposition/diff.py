"""Where two pages differ, in numpy: no Python object for a line that stayed.

Both bodies are compared eight bytes at a time; only words that differ are looked at byte by byte, and the byte's
offset tells whose series text or value it is in. Pages whose lines moved are first brought into line by copying
the old lines to where they stand in the new page, one copy for every run of lines that moved alike.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyscrape.exposition.lines import Lines, Offsets, Small
from pyscrape.exposition.values import CLOCK_DIGITS, Bytes

_NEWLINE = ord("\n")
# A step to the next resized sample costs about as much as looking for the newlines of this many samples.
_SAMPLES_WORTH_A_STEP = 200
_MOST_STEPS = 32
_SAMPLES_AT_ONCE = 512
_SAMPLES_TRIED = 8
_WORD = 8
_LARGE_BYTES = 100_000
# By a count of bytes from 0 to 8: a mask of the first bytes of a little-endian word.
_FIRST_BYTES = np.array([(1 << (8 * count)) - 1 for count in range(_WORD + 1)], np.uint64)

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
    old: Bytes,
    new: Bytes,
    starts: Offsets | Small,
    ends: Offsets | Small,
    lengths: Small,
    clocked: Mask | None,
) -> Difference:
    """Compare `new` with `old` in line with it.

    The samples of `new`, at least one, lie at `starts` and `ends` and have series texts of `lengths`; `clocked` marks
    those that end with a timestamp.
    """
    value_starts = starts + lengths
    value_starts += 1
    value_ends = ends if clocked is None else ends - np.where(clocked, CLOCK_DIGITS + 1, 0)
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
    offsets: Offsets = (old != new).nonzero()[0]
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
    hits = (old_words != new_words).nonzero()[0]
    bits = old_words[hits] ^ new_words[hits]
    offsets = hits << 3
    owners = places.starts.searchsorted(offsets, "right")
    owners -= 1
    # Bytes of the word before the value, and those before the line's end.
    before = np.minimum(np.maximum(places.value_starts[owners] - offsets, 0), _WORD)
    within = np.minimum(np.maximum(places.ends[owners] - offsets, 0), _WORD)
    not_text = ~_FIRST_BYTES[before]
    bad = (bits & not_text & _FIRST_BYTES[within]) != bits
    bad |= owners < 0
    marked = ~bad
    if places.value_ends is not places.ends:
        # What differs in a clock is no other value.
        within = np.minimum(np.maximum(places.value_ends[owners] - offsets, 0), _WORD)
        marked &= (bits & not_text & _FIRST_BYTES[within]) != 0
    values[owners[marked]] = True
    tail: Offsets = (old[words * _WORD :] != new[words * _WORD :]).nonzero()[0] + words * _WORD
    if not bad.any():
        return tail
    which = bits[bad].astype("<u8").view(np.uint8).nonzero()[0]
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
    """An old page brought in line with a new one.

    `copy`: its bytes, each line where the new page should have it; in a value of another length the new bytes.
    `starts`, `ends`: of the new page's samples. `resized`: the samples whose value has another length.
    """

    copy: Bytes
    starts: Small
    ends: Small
    resized: Offsets


def shifted(lines: Lines, body: bytes) -> Shifted | None:
    """Bring an old page in line with a new one of as many lines; None where that cannot be.

    Where a line is longer or shorter its value is taken to be, and all that follows to have moved with it. This
    may be wrong; `difference` then finds texts or bytes between samples that differ.
    """
    found = _stepped(lines, body) or _rescanned(lines, body)
    if found is None:
        return None
    starts, ends, resized = found
    old_ends = lines.ends[resized]
    old_values = lines.starts[resized] + lines.lengths[resized] + 1
    shifts = np.concatenate(([0], ends[resized] - old_ends))
    if (
        len(lines.body) + shifts[-1] != len(body)
        or (starts[resized] - lines.starts[resized] != shifts[:-1]).any()
    ):
        return None
    pieces = _pieces(memoryview(lines.body), [0, *old_ends.tolist()], [*old_values.tolist(), len(lines.body)])
    values = _pieces(
        memoryview(body), (starts[resized] + lines.lengths[resized] + 1).tolist(), ends[resized].tolist()
    )
    joined = [pieces[0]] * (len(pieces) + len(values))
    joined[0::2] = pieces
    joined[1::2] = values
    return Shifted(np.frombuffer(b"".join(joined), np.uint8), starts, ends, resized)


def _pieces(source: memoryview, begins: list[int], ends: list[int]) -> list[memoryview]:
    return [source[begin:end] for begin, end in zip(begins, ends, strict=True)]


def _stepped(lines: Lines, body: bytes) -> tuple[Small, Small, Offsets] | None:
    """Starts, ends and resized samples of a page with few resized ones, from one newline out of place to the next."""
    most = min(_MOST_STEPS, len(lines.starts) // _SAMPLES_WORTH_A_STEP)
    new = np.frombuffer(body, np.uint8)
    resized: list[int] = []
    shifts: list[int] = []
    sample = shift = 0
    while sample < len(lines.ends):
        places = lines.ends[sample : sample + _SAMPLES_AT_ONCE] + shift
        wanted = len(places)
        if places[-1] >= len(new):
            places = places[places < len(new)]
        wrong = (new[places] != _NEWLINE).nonzero()[0]
        right = int(wrong[0]) if len(wrong) else len(places)
        sample += right
        if right == wanted:
            continue
        end = body.find(b"\n", int(lines.starts[sample]) + int(lines.lengths[sample]) + 1 + shift)
        if end < 0 or len(resized) >= most:
            return None
        shift = end - int(lines.ends[sample])
        resized.append(sample)
        shifts.append(shift)
        sample += 1
    if not resized:
        return lines.starts, lines.ends, np.empty(0, np.int64)
    moved = np.repeat(np.array([0, *shifts], np.int32), np.diff([0, *resized, len(lines.ends)]))
    ends = lines.ends + moved
    starts = lines.starts + moved
    starts[resized] -= np.diff([0, *shifts])
    return starts, ends, np.array(resized)


def _rescanned(lines: Lines, body: bytes) -> tuple[Small, Small, Offsets] | None:
    """Starts, ends and resized samples from all newlines; None where lines came or went, or cannot hold their text."""
    newlines = (np.frombuffer(body, np.uint8) == _NEWLINE).nonzero()[0].astype(np.int32)
    if len(newlines) != len(lines.starts) + len(lines.other_lines):
        return None
    starts = np.empty_like(newlines)
    starts[0] = 0
    np.add(newlines[:-1], 1, out=starts[1:])
    ends = np.delete(newlines, lines.other_lines)
    starts = np.delete(starts, lines.other_lines)
    sizes = ends - starts
    if (sizes <= lines.lengths).any():
        return None
    return starts, ends, (sizes != lines.ends - lines.starts).nonzero()[0]


def alike_at(lines: Lines, body: bytes, starts: Offsets | Small) -> bool:
    """Whether most of a few samples have their series text at `starts`: it is not worth comparing pages otherwise."""
    if len(starts) < _SAMPLES_AT_ONCE:
        return True  # a small page is compared before it is tried
    step = len(starts) // _SAMPLES_TRIED
    tried = range(0, len(starts), step)
    same = sum(body.startswith(lines.text(index), starts.item(index)) for index in tried)
    return 2 * same >= len(tried)


def aligned(lines: Lines, origin: Small, body: bytes, starts: Offsets, ends: Offsets) -> tuple[Bytes, Mask]:
    """Old samples copied to where `body` has those whose `origin` they are, and a mask of those of another length.

    Of a sample of another length the series text alone is copied. Everywhere else the new bytes stand.
    """
    target, source = bytearray(body), lines.body
    resized = np.zeros(len(starts), np.bool_)
    matched = (origin >= 0).nonzero()[0]
    if not len(matched):
        return np.frombuffer(target, np.uint8), resized
    origins = origin[matched]
    old_starts = lines.starts[origins].astype(np.int64)
    old_ends = lines.ends[origins].astype(np.int64)
    moved = starts[matched] - old_starts
    other_size = (ends[matched] - starts[matched]) != (old_ends - old_starts)
    resized[matched] = other_size
    # A run of lines that moved alike is copied at once, with what lies between them.
    last = np.append((moved[1:] != moved[:-1]).nonzero()[0], len(moved) - 1)
    first = np.concatenate(([0], last[:-1] + 1))
    text_ends = old_starts[last] + lines.lengths[origins[last]] + 1
    stops = np.where(other_size[last], text_ends, old_ends[last])
    stops = np.minimum(stops, len(body) - moved[first])
    runs = zip(old_starts[first].tolist(), stops.tolist(), moved[first].tolist(), strict=True)
    for start, stop, shift in runs:
        target[start + shift : stop + shift] = source[start:stop]
    assert len(target) == len(body)
    return np.frombuffer(target, np.uint8), resized
