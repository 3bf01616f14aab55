"""Date functions on columns of Unix seconds, in UTC, by numpy's calendar."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.blocks import Values

Days = NDArray[np.int64]

DAY_S = 86_400
_MONTH = np.timedelta64(1, "M")

# Seconds that numpy's calendar can hold; beyond it Prometheus' own answers are accidents of integer overflow.
_FARTHEST_S = 2.0**53


def _seconds(values: Values) -> Days:
    clean: Values = np.clip(np.nan_to_num(np.trunc(values), nan=0.0), -_FARTHEST_S, _FARTHEST_S)
    return clean.astype(np.int64)


def _day(values: Values) -> NDArray[np.datetime64]:
    return np.floor_divide(_seconds(values), DAY_S).astype("datetime64[D]")


def _months(values: Values) -> NDArray[np.datetime64]:
    return _day(values).astype("datetime64[M]")


def _minute(values: Values) -> Days:
    return _seconds(values) // 60 % 60


def _hour(values: Values) -> Days:
    return _seconds(values) // 3600 % 24


def _day_of_week(values: Values) -> Days:
    return (_seconds(values) // DAY_S + 4) % 7  # 1970-01-01 was a Thursday


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
    return _day(values).astype("datetime64[Y]").astype(np.int64) + 1970


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
