"""Parameters of the HTTP API: decoded once, with Prometheus' words for what is wrong with one."""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from pyscrape.model.duration import DurationError, parse_duration
from pyscrape.web.answers import ApiError

MOST_MOMENT_S = 2.0**52  # 140 million years: in ms it leaves room for offsets and ranges
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)")
_BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("", "0", "f", "F", "false", "FALSE", "False"), False),
}
_SENTINELS = {"-292273086-05-16T16:47:06Z": -math.inf, "292277025-08-18T07:12:54.999999999Z": math.inf}
_MAX_DURATION_S = 2**63 / 1e9


class Params:
    """Query string and form fields of a request, in the order in which they came."""

    def __init__(self, items: Sequence[tuple[str, str]]) -> None:
        self._items = items
        self._first = dict(reversed(items))

    def first(self, name: str) -> str:
        """The first value of `name`, empty where it is absent."""
        return self._first.get(name, "")

    def items(self) -> list[tuple[str, str]]:
        """All names and values."""
        return list(self._items)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self._items if key == name]

    def time_s(self, name: str, default: float | None = None) -> float:
        """A time as unix seconds; without a default the parameter is required."""
        text = self.first(name)
        if not text and default is not None:
            return default
        try:
            return parse_time_s(text)
        except ValueError as error:
            optional = f"invalid time value for '{name}': " if default is not None else ""
            raise ApiError.parameter(name, f"{optional}{error}") from error

    def moment_s(self, name: str, default: float | None = None) -> float:
        """A time at which something can be evaluated: not "since ever", and in milliseconds that fit into 64 bits."""
        at_s = self.time_s(name, default)
        if abs(at_s) > MOST_MOMENT_S:
            raise ApiError.parameter(name, f'cannot parse "{self.first(name)}" to a valid timestamp')
        return at_s

    def duration_s(self, name: str, default: float | None = None) -> float:
        """A duration in seconds; without a default the parameter is required."""
        text = self.first(name)
        if not text and default is not None:
            return default
        try:
            return parse_duration_s(text)
        except ValueError as error:
            raise ApiError.parameter(name, error) from error

    def boolean(self, name: str, words: str) -> bool:
        """A boolean as Go writes them, false where it is not given; `words` begin what is said of one that is none."""
        text = self.first(name)
        if text not in _BOOLEANS:
            raise ApiError.parameter(name, f'{words}: strconv.ParseBool: parsing "{text}": invalid syntax')
        return _BOOLEANS[text]

    def limit(self, name: str = "limit") -> int:
        """A count that is not negative; 0 = no limit."""
        text = self.first(name)
        if not text:
            return 0
        try:
            limit = go_int(text)
        except ValueError as error:
            raise ApiError.parameter(name, f'strconv.Atoi: parsing "{text}": {error}') from error
        if limit < 0:
            raise ApiError.parameter(name, "limit must be non-negative")
        return limit


def go_int(text: str) -> int:
    """A whole number as Go reads it: digits with a sign, in 64 bits. Raises ValueError, with Go's reason."""
    if re.fullmatch(r"[+-]?[0-9]+", text) is None:
        raise ValueError("invalid syntax")
    digits = text.lstrip("+-").lstrip("0") or "0"
    # Longer ones are out of range, and Python refuses to read very long ones.
    number = int(digits[:20]) * (-1 if text.startswith("-") else 1)
    if not -(2**63) <= number < 2**63:
        raise ValueError("value out of range")
    return number


def parse_time_s(text: str) -> float:
    """Unix seconds (rounded to milliseconds) or RFC 3339 -> unix seconds.

    >>> parse_time_s("2026-01-01T00:00:00.5Z")
    1767225600.5
    """
    try:
        seconds = _go_float(text)
    except ValueError:
        seconds = math.nan
    if not math.isnan(seconds):
        return round(seconds, 3) if math.isfinite(seconds) else seconds
    if text in _SENTINELS:
        return _SENTINELS[text]
    found = _RFC3339.fullmatch(text)
    if found is not None:
        try:
            whole = datetime.fromisoformat(found[1] + found[3]).astimezone(UTC)
        except ValueError:
            found = None
        else:
            return whole.timestamp() + float("0" + found[2] if found[2] else 0)
    raise ValueError(f'cannot parse "{text}" to a valid timestamp')


def parse_duration_s(text: str) -> float:
    """Float seconds or a Prometheus duration -> seconds."""
    try:
        seconds = _go_float(text)
    except ValueError:
        pass
    else:
        if not abs(seconds) <= _MAX_DURATION_S:
            raise ValueError(f'cannot parse "{text}" to a valid duration. It overflows int64')
        return seconds
    try:
        return parse_duration(text) / 1000
    except DurationError as error:
        raise ValueError(f'cannot parse "{text}" to a valid duration') from error


def _go_float(text: str) -> float:
    """`float` without what Go's ParseFloat refuses: blanks, digits of other scripts, and numbers that are too large."""
    if text != text.strip() or not text.isascii():
        raise ValueError(text)
    value = float(text)
    if math.isinf(value) and "i" not in text.lower():
        raise ValueError(text)
    return value


def format_time(at_s: float | None) -> str:
    """RFC 3339 with nanoseconds as Go prints them; None is Go's zero time."""
    if at_s is None:
        return "0001-01-01T00:00:00Z"
    moment = datetime.fromtimestamp(at_s, UTC)
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"
