"""The three NaNs of a sample value, told apart by their bits alone.

Prometheus marks the end of a series with a signalling NaN, stores every other NaN as one quiet
pattern, and this store needs a third pattern for "no sample in this row". Arithmetic quiets a
signalling NaN, so markers are moved and compared as uint64, never as floats.
"""

import struct

STALE_BITS = 0x7FF0000000000002
"""Staleness marker: the series ended here (Prometheus' model/value)."""

NAN_BITS = 0x7FF8000000000001
"""An ordinary NaN, the pattern that every NaN of a page becomes."""

ABSENT_BITS = 0x7FFC00000000ABCD
"""No sample at all in this row of a table; never leaves the store's blocks."""


def float_of_bits(bits: int) -> float:
    """The float64 whose bits are `bits`; a signalling NaN stays one as long as nobody computes with it."""
    value: float = struct.unpack("<d", struct.pack("<Q", bits))[0]
    return value


def bits_of_float(value: float) -> int:
    """The bits of a float64.

    >>> bits_of_float(STALE) == STALE_BITS
    True
    """
    bits: int = struct.unpack("<Q", struct.pack("<d", value))[0]
    return bits


STALE = float_of_bits(STALE_BITS)
NAN = float_of_bits(NAN_BITS)
ABSENT = float_of_bits(ABSENT_BITS)
