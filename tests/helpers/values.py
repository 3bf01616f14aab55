"""What tests ask of sample values."""

from pyscrape.model.value import STALE_BITS, bits_of_float


def is_stale(value: float) -> bool:
    """Whether `value` is the staleness marker (`==` cannot tell: NaN differs from itself)."""
    return bits_of_float(value) == STALE_BITS
