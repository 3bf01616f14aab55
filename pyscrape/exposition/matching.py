"""Where the lines of an old page went in a new one: a guess by fingerprints, made in numpy for all lines at once.

A fingerprint mixes a line's text length with a few windows of its text. Equal ones are taken in order, first with
first: series that differ elsewhere, and pages that give a series twice, mostly keep their order. The guess may be
wrong; who uses it compares the bytes.
"""

import numpy as np
from numpy.typing import NDArray

from pyscrape.exposition.lines import Geometry, Lines, Offsets, Small
from pyscrape.exposition.values import CLOCK_DIGITS

_BLANK = ord(" ")
_WINDOW = 8
_WINDOWS = 6
_FIRST_BYTES = np.array([(1 << (8 * count)) - 1 for count in range(_WINDOW + 1)], np.uint64)
# Odd numbers without a pattern (digits of pi and e), one a window, one for the length, one for the rank.
_MIX = np.array(
    [
        0x243F6A8885A308D3,
        0x13198A2E03707345,
        0xA4093822299F31D1,
        0x082EFA98EC4E6C89,
        0x452821E638D01377,
        0xBE5466CF34E90C6D,
        0xB7E151628AED2A6B,
        0xBF7158809CF4F3C7,
    ],
    np.uint64,
)

Fingerprints = NDArray[np.uint64]


def guess_origins(old: Lines, body: bytes, found: Geometry) -> Small:
    """For each sample of `body` the sample of the old page with the same fingerprint, -1 where there is none."""
    origin = np.full(len(found.starts), -1, np.int32)
    lengths = _text_lengths(old, body, found)
    candidates = np.flatnonzero(lengths > 0)
    if not len(candidates) or min(len(body), len(old.body)) < _WINDOW:
        return origin
    new = fingerprints(body, found.starts[candidates], lengths[candidates])
    known = fingerprints(old.body, old.starts.astype(np.int64), old.lengths.astype(np.int64))
    if _has_repeats(new) or _has_repeats(known):
        new, known = ranked(new), ranked(known)
    order = np.argsort(known)
    places = np.minimum(np.searchsorted(known, new, sorter=order), len(known) - 1)
    same = known[order[places]] == new
    origin[candidates[same]] = order[places[same]]
    return origin


def _text_lengths(old: Lines, body: bytes, found: Geometry) -> Offsets:
    """How long each line's series text is if it ends like the old page's lines do; 0 or less where it does not."""
    blanks = np.flatnonzero(np.frombuffer(body, np.uint8) == _BLANK)
    if not len(blanks):
        return np.zeros(len(found.starts), np.int64)
    at = np.searchsorted(blanks, found.ends) - 1
    lengths: Offsets = blanks[at] - found.starts
    if old.clocked:
        clocked = found.ends - blanks[at] == CLOCK_DIGITS + 1
        lengths[clocked] = blanks[at[clocked] - 1] - found.starts[clocked]
    return lengths


def fingerprints(body: bytes, starts: Offsets, lengths: Offsets) -> Fingerprints:
    """A number for each text body[start : start + length]; `body` has at least eight bytes."""
    windows: NDArray[np.void] = np.ndarray(
        (len(body) - _WINDOW + 1,), dtype=f"V{_WINDOW}", buffer=body, strides=(1,)
    )
    covered = _FIRST_BYTES[np.minimum(lengths, _WINDOW)]
    room = np.maximum(lengths - _WINDOW, 0)
    mixed: Fingerprints = lengths.astype(np.uint64) * _MIX[-2]
    for window in range(_WINDOWS):
        offsets = starts + room * window // (_WINDOWS - 1)
        # At the very end of a page a window of a short text would reach beyond it.
        np.minimum(offsets, len(windows) - 1, out=offsets)
        mixed += (windows[offsets].view("<u8") & covered) * _MIX[window]
        mixed ^= mixed >> np.uint64(29)
    return mixed


def _has_repeats(found: Fingerprints) -> bool:
    ordered = np.sort(found)
    return bool((ordered[1:] == ordered[:-1]).any())


def ranked(found: Fingerprints) -> Fingerprints:
    """Fingerprints told apart by how many equal ones came before."""
    order = np.argsort(found, kind="stable")
    ordered = found[order]
    places = np.arange(len(found))
    group = np.where(np.concatenate(([True], ordered[1:] != ordered[:-1])), places, 0)
    result = np.empty_like(found)
    result[order] = ordered + (places - np.maximum.accumulate(group)).astype(np.uint64) * _MIX[-1]
    return result
