"""Numbers as Prometheus prints them."""

import math
from decimal import Decimal


def format_float(value: float) -> str:
    """Shortest decimal form without an exponent, as in label values made from numbers and answers that are scalars.

    >>> format_float(1e21), format_float(0.1), format_float(float("inf"))
    ('1000000000000000000000', '0.1', '+Inf')
    """
    special = _special(value)
    if special is not None:
        return special
    text = repr(value)
    if "e" in text:
        text = _plain(text)
    return text[:-2] if text.endswith(".0") else text


def format_sample(value: float) -> str:
    """A sample value of the API's vectors and matrices: an exponent only below 1e-6 and from 1e21 on.

    >>> format_sample(1e21), format_sample(1e-7), format_sample(1e16), format_sample(-0.0)
    ('1e+21', '1e-07', '10000000000000000', '-0')
    """
    text = repr(value)
    if text[-2:] == ".0":  # nearly all samples end here or at the next line
        return text[:-2]
    if "e" not in text and "n" not in text:
        return text
    special = _special(value)
    if special is not None:
        return special
    size = abs(value)
    return text if size < 1e-6 or size >= 1e21 else _plain(text)


def go_number(value: float) -> str:
    """A number in Go's `%g`/`%v` form, as messages have it: an exponent below 1e-4 and from a million on.

    >>> go_number(float("nan")), go_number(1e-5), go_number(3.0), go_number(1234567.0)
    ('NaN', '1e-05', '3', '1.234567e+06')
    """
    special = _special(value)
    if special is not None:
        return special
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        return format_float(value)
    exact = Decimal(repr(value)).normalize()
    digits = "".join(map(str, exact.as_tuple().digits))
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{'-' if value < 0 else ''}{digits[0]}{fraction}e{exact.adjusted():+03d}"


def _special(value: float) -> str | None:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return None


def _plain(text: str) -> str:
    """`1.5e-07` -> `0.00000015`."""
    mantissa, _, exponent = text.partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.removeprefix("-").partition(".")
    shift = int(exponent)
    digits = whole + fraction
    point = len(whole) + shift
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return sign + digits + "0" * (point - len(digits))
    return f"{sign}{digits[:point]}.{digits[point:]}"
