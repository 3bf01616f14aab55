"""Durations as Prometheus writes them: `1h30m` to milliseconds and back.

A `Duration` is an int of milliseconds, so that arithmetic needs no conversion and its text needs no context.
The grammar: `<int><unit>` repeated, units among y w d h m s ms in this order, each at most once; `0` alone.
"""

import re
from functools import lru_cache

from pyscrape.model.names import quoted

_UNITS_MS = {
    "y": 365 * 86_400_000,
    "w": 7 * 86_400_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
_ORDER = {unit: position for position, unit in enumerate(_UNITS_MS)}
_ONLY_EXACT = {"y", "w"}  # 90d is easier to read than 12w6d
_PART = re.compile(r"([0-9]+)([^0-9]+)")
# Go counts nanoseconds in a signed 64-bit integer, and so ends at about 292 years.
_MAX_MS = (2**63 - 1) // 1_000_000


class DurationError(ValueError):
    """A text that is not a duration; the message is Prometheus'."""


class Duration(int):
    """Milliseconds that print as Prometheus prints durations.

    >>> str(Duration(90_000)), Duration(90_000) + 1
    ('1m30s', 90001)
    """

    __slots__ = ()

    @property
    def seconds(self) -> float:
        """The same span in seconds."""
        return int(self) / 1000

    def __str__(self) -> str:
        return format_duration(self)

    def __repr__(self) -> str:
        return f"Duration({int(self)})"


@lru_cache(maxsize=1024)
def parse_duration(text: str, allow_negative: bool = False) -> Duration:
    """Milliseconds of a duration text; raises DurationError.

    >>> parse_duration("1h30m")
    Duration(5400000)
    """
    if allow_negative and text.startswith("-"):
        return Duration(-parse_duration(text[1:]))
    if text == "0":
        return Duration(0)
    if not text:
        raise DurationError("empty duration string")
    total_ms, position, last_unit = 0, 0, -1
    while position < len(text):
        part = _PART.match(text, position)
        if part is None or int(part[1]) >= 2**64:
            raise DurationError(f"not a valid duration string: {quoted(text)}")
        unit = part[2]
        if unit not in _UNITS_MS:
            raise DurationError(f"unknown unit {quoted(unit)} in duration {quoted(text)}")
        if _ORDER[unit] <= last_unit:
            raise DurationError(f"not a valid duration string: {quoted(text)}")
        total_ms += int(part[1]) * _UNITS_MS[unit]
        if total_ms > _MAX_MS:
            raise DurationError("duration out of range")
        last_unit, position = _ORDER[unit], part.end()
    return Duration(total_ms)


def format_duration(ms: int) -> str:
    """Milliseconds in Prometheus' form; years and weeks only where they leave no rest.

    >>> format_duration(90_000), format_duration(0), format_duration(7 * 86_400_000)
    ('1m30s', '0s', '1w')
    """
    if ms == 0:
        return "0s"
    sign, rest = ("-", -int(ms)) if ms < 0 else ("", int(ms))
    parts = []
    for unit, size_ms in _UNITS_MS.items():
        if unit in _ONLY_EXACT and rest % size_ms:
            continue
        count, rest = divmod(rest, size_ms)
        if count:
            parts.append(f"{count}{unit}")
    return sign + "".join(parts)
