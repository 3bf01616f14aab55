"""Numbers as Go reads and writes them, where that differs from Python.

Python's float() takes more than strconv.ParseFloat (blanks, underscores, "+nan") and less exactly what it
refuses (1e400 is infinity here, an error there).
"""

import math
import re
from decimal import Decimal

from pyscrape.exposition.errors import go_quoted
from pyscrape.model.value import NAN

_DECIMAL = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_HEXADECIMAL = re.compile(r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+")
_STRAY_UNDERSCORE = re.compile(r"(?<![0-9])_|_(?![0-9])")
_STRAY_HEX_UNDERSCORE = re.compile(r"(?<![0-9a-fA-FxX])_|_(?![0-9a-fA-F])")
_SPECIAL = {
    **dict.fromkeys((b"inf", b"+inf", b"infinity", b"+infinity"), math.inf),
    **dict.fromkeys((b"-inf", b"-infinity"), -math.inf),
    b"nan": NAN,
}
_REFUSED = re.compile(rb"[pP_]")
_SMALLEST_PLAIN_POWER = -4
_SMALLEST_LARGE_POWER = 6
_MAX_INT64 = 2**63 - 1
_INT64_DIGITS = 19
_COMMON = {1.0: "1.0", -1.0: "-1.0"}


def parse_float(text: bytes) -> float:
    """A sample's value; every NaN becomes Prometheus' ordinary one. Raises ValueError with Prometheus' text.

    >>> parse_float(b"1e3"), parse_float(b"-Inf")
    (1000.0, -inf)
    """
    if _DECIMAL.fullmatch(text) is not None:
        value = float(text)
        if math.isinf(value):
            raise ValueError(f"strconv.ParseFloat: parsing {go_quoted(text)}: value out of range")
        return value
    if _REFUSED.search(text) is not None:
        # Formats that came with Go 1.13 are kept out on purpose.
        raise ValueError("unsupported character in float")
    special = _SPECIAL.get(text.lower())
    if special is None:
        raise ValueError(f"strconv.ParseFloat: parsing {go_quoted(text)}: invalid syntax")
    return special


def parse_go_float(text: str) -> float:
    """All of strconv.ParseFloat, with hexadecimal numbers and underscores. Raises ValueError.

    >>> parse_go_float("0x1p4"), parse_go_float("1_0")
    (16.0, 10.0)
    """
    if "_" in text:
        stray = _STRAY_HEX_UNDERSCORE if "x" in text.lower() else _STRAY_UNDERSCORE
        if stray.search(text) is not None:
            raise ValueError("underscores must separate digits")
        text = text.replace("_", "")
    if _HEXADECIMAL.fullmatch(text) is not None:
        try:
            return float.fromhex(text)
        except OverflowError:
            raise ValueError("value out of range") from None
    return parse_float(text.encode("utf-8", "surrogateescape"))


def milliseconds(seconds: float) -> int:
    """Float seconds cut to whole milliseconds, as Go converts; what no int64 holds becomes a time before all others.

    Raises ValueError, with how Go prints the number, where there is no such time.
    """
    if not math.isfinite(seconds):
        raise ValueError(go_g(seconds))
    # The product is rounded before it is cut: 123.123 s is 123123 ms.
    product = seconds * 1000
    return int(product) if -(2.0**63) < product < 2.0**63 else 1 - 2**63


def parse_milliseconds(digits: bytes) -> int:
    """A timestamp of the text format. Raises ValueError with Prometheus' text."""
    shortened = digits.lstrip(b"0") or b"0"
    if len(shortened) > _INT64_DIGITS or int(shortened) > _MAX_INT64:
        raise ValueError(f"strconv.ParseInt: parsing {go_quoted(digits)}: value out of range")
    return int(shortened)


def openmetrics_float(value: float) -> str:
    """A float the way OpenMetrics writes label values of `le` and `quantile`.

    >>> openmetrics_float(1.0), openmetrics_float(2500000.0), openmetrics_float(0.25)
    ('1.0', '2.5e+06', '0.25')
    """
    common = _COMMON.get(value)
    if common is not None:
        return common
    if value == 0:
        return "0.0"  # also for -0
    text = go_g(value)
    return text if math.isnan(value) or math.isinf(value) or "." in text or "e" in text else text + ".0"


def go_g(value: float) -> str:
    """strconv.FormatFloat(value, 'g', -1, 64): the shortest digits, an exponent from 1e+06 and below 1e-04.

    >>> go_g(100000.0), go_g(1000000.0), go_g(0.0001), go_g(0.00001)
    ('100000', '1e+06', '0.0001', '1e-05')
    """
    size = abs(value)
    if 1e-4 <= size < 1e6 or not size:
        return repr(value).removesuffix(".0")
    if 1e6 <= size < 1e16:  # without an exponent in Python
        whole, _, fraction = repr(size).partition(".")
        digits = (whole + fraction).rstrip("0")
        point = "." if len(digits) > 1 else ""
        return f"{'-' if value < 0 else ''}{digits[0]}{point}{digits[1:]}e+{len(whole) - 1:02d}"
    return go_g_of_any(value)


def go_g_of_any(value: float) -> str:
    """`go_g` by way of decimal digits: the plain way, ten times slower."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    minus, digits, exponent = Decimal(repr(value)).as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)).lstrip("0")
    sign = "-" if minus else ""
    if not text:
        return sign + "0"
    point = len(text) + exponent  # digits before the decimal point
    text = text.rstrip("0")
    if not _SMALLEST_PLAIN_POWER <= point - 1 < _SMALLEST_LARGE_POWER:
        power = point - 1
        fraction = f".{text[1:]}" if len(text) > 1 else ""
        return f"{sign}{text[0]}{fraction}e{'-' if power < 0 else '+'}{abs(power):02d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{text}"
    whole = text[:point].ljust(point, "0")
    return f"{sign}{whole}.{text[point:]}" if len(text) > point else sign + whole
