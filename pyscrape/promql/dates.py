"""Date functions on columns of Unix seconds, in UTC, by numpy's calendar."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.blocks import Values

Days = NDArray[np.int64]

DAY_S = 86_400
CYCLE_DAYS, CYCLE_YEARS = 146_097, 400
"""The calendar repeats after so many days, which are whole weeks."""
_MONTH = np.timedelta64(1, "M")
_FIRST = np.datetime64("2001-01-01")  # a Monday, and the first day of a cycle
_FAR_CYCLES = 730_692_556
"""Go counts seconds from so many cycles before the year 1, in 64 bits without a sign: the last answers wrap around."""
_FAR_S = np.uint64(62_135_596_800 + _FAR_CYCLES * CYCLE_DAYS * DAY_S)


def _seconds(values: Values) -> Days:
    """Whole seconds; what does not fit into 64 bits is what Prometheus has for it on most machines."""
    whole = np.nan_to_num(np.trunc(values), nan=0.0)
    fits = (whole >= -(2.0**63)) & (whole < 2.0**63)
    return np.where(fits, whole, -(2.0**63)).astype(np.int64)


def _days(values: Values) -> tuple[Days, Days]:
    """(cycle, day in it), of all the cycles that Go counts."""
    days = ((_seconds(values).view(np.uint64) + _FAR_S) // np.uint64(DAY_S)).astype(np.int64)
    return days // CYCLE_DAYS, days % CYCLE_DAYS


def _day(values: Values) -> NDArray[np.datetime64]:
    """The day, of the cycle from 2001 to 2400."""
    return _FIRST + _days(values)[1]


def _months(values: Values) -> NDArray[np.datetime64]:
    return _day(values).astype("datetime64[M]")


def _minute(values: Values) -> Days:
    return _clock(values, 60, 60)


def _hour(values: Values) -> Days:
    return _clock(values, 3600, 24)


def _clock(values: Values, unit_s: int, units: int) -> Days:
    seconds = _seconds(values).view(np.uint64) + _FAR_S
    return (seconds // np.uint64(unit_s) % np.uint64(units)).astype(np.int64)


def _day_of_week(values: Values) -> Days:
    return (_days(values)[1] + 1) % 7


def _day_of_month(values: Values) -> Days:
    days: Days = (_day(values) - _months(values).astype("datetime64[D]")).astype(np.int64)
    return days + 1


def _day_of_year(values: Values) -> Days:
    day = _day(values)
    days: Days = (day - day.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64)
    return days + 1


def _days_in_month(values: Values) -> Days:
    month = _months(values)
    days: Days = ((month + _MONTH).astype("datetime64[D]") - month.astype("datetime64[D]")).astype(np.int64)
    return days


def _month(values: Values) -> Days:
    return _months(values).astype(np.int64) % 12 + 1


def _year(values: Values) -> Days:
    year = _day(values).astype("datetime64[Y]").astype(np.int64) + 1970 - 2000
    return year + CYCLE_YEARS * (_days(values)[0] - _FAR_CYCLES)


DATES: dict[str, Callable[[Values], Days]] = {
    "minute": _minute,
    "hour": _hour,
    "day_of_week": _day_of_week,
    "day_of_month": _day_of_month,
    "day_of_year": _day_of_year,
    "days_in_month": _days_in_month,
    "month": _month,
    "year": _year,
}
