"""Sample values as text, the way Prometheus' API prints them."""

import math
from decimal import Decimal

LEAST_PLAIN = 1e-6
FIRST_EXPONENT = 1e21


def format_float(value: float) -> str:
    """The shortest decimal that reads back as `value`; exponents below 1e-6 and from 1e21 on.

    >>> [format_float(v) for v in (1.0, 0.1, 1e-05, 1e-07, 1e20, 1e21, float("inf"), -0.0)]
    ['1', '0.1', '0.00001', '1e-07', '100000000000000000000', '1e+21', '+Inf', '-0']
    """
    text = repr(value)
    if text.endswith(".0"):
        return text[:-2]
    if "e" not in text:
        if math.isfinite(value):
            return text
        return "NaN" if value != value else "+Inf" if value > 0 else "-Inf"
    if LEAST_PLAIN <= abs(value) < FIRST_EXPONENT:
        return format(Decimal(text), "f")
    return text
