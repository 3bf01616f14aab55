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

_WORD = 8

Mask = NDArray[np.bool_]


class Difference(NamedTuple):
    """What differs between a page and an old one in line with it, by sample.

    `texts`: mask of samples whose series text differs. `values`: mask of those whose value (for an odd line: all
    after the series text) differs; a clock is not looked at. `outside`: a byte between samples differs.
    """

    texts: Mask
    values: Mask
    outside: bool


def differing(old: Bytes, new: Bytes) -> Offsets:
    """Offsets at which two arrays of one length differ."""
    words = len(new) // _WORD
    old_words = old[: words * _WORD].view(np.uint64)
    new_words = new[: words * _WORD].view(np.uint64)
    hits = np.flatnonzero(old_words != new_words)
    within = np.flatnonzero((old_words[hits] ^ new_words[hits]).view(np.uint8))
    offsets = (hits[within >> 3] << 3) + (within & 7)
    rest = np.flatnonzero(old[words * _WORD :] != new[words * _WORD :]) + words * _WORD
    return np.concatenate((offsets, rest)) if len(rest) else offsets


def difference(
    old: Bytes, new: Bytes, starts: Offsets | Small, ends: Offsets | Small, lines: Lines, part: slice
) -> Difference:
    """Compare `new`, whose samples lie at `starts` and `ends`, with `old` in line with it.

    `part` is the run of samples of `lines` that they are compared with, as many as `starts`.
    """
    size = len(starts)
    texts = np.zeros(size, np.bool_)
    values = np.zeros(size, np.bool_)
    offsets = differing(old, new)
    if not len(offsets):
        return Difference(texts, values, False)
    if not size:
        return Difference(texts, values, True)
    owners = np.searchsorted(starts, offsets, "right") - 1
    lengths = lines.lengths[part]
    value_ends = ends - np.where(lines.kinds[part] == CLOCKED, CLOCK_DIGITS + 1, 0)
    in_text = offsets - starts[owners] <= lengths[owners]
    in_text &= owners >= 0
    in_value = offsets < value_ends[owners]
    in_value &= ~in_text & (owners >= 0)
    texts[owners[in_text]] = True
    values[owners[in_value]] = True
    return Difference(texts, values, bool((owners < 0).any() or (offsets >= ends[owners]).any()))


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
