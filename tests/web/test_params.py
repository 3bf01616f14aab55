import math

import pytest

from pyscrape.web.answers import ApiError, at_most
from pyscrape.web.params import Params, format_time, parse_duration_s, parse_time_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("1435781430.781", 1435781430.781),
        ("1435781430.7814", 1435781430.781),
        ("-1.5", -1.5),
        ("1e3", 1000.0),
        ("1_000", 1000.0),
        ("2026-01-01T00:00:00Z", 1767225600.0),
        ("2026-01-01T00:00:00.25Z", 1767225600.25),
        ("2026-01-01T01:00:00+01:00", 1767225600.0),
        ("-292273086-05-16T16:47:06Z", -math.inf),
        ("292277025-08-18T07:12:54.999999999Z", math.inf),
    ],
)
def test_times(text: str, seconds: float) -> None:
    assert parse_time_s(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "x", "2026-13-01T00:00:00Z", "NaN", " 1", "_1", "1__0", "\uff11", "2026-01-01", "1h"]
)
def test_no_times(text: str) -> None:
    with pytest.raises(ApiError) as caught:
        Params([("time", text)]).time_s("time")
    assert caught.value.message == f'invalid parameter "time": cannot parse "{text}" to a valid timestamp'


@pytest.mark.parametrize("text", ["Inf", "-Inf", "1e18", "-1e18", "292277025-08-18T07:12:54.999999999Z"])
def test_times_at_which_nothing_can_be_evaluated(text: str) -> None:
    with pytest.raises(ApiError) as caught:
        Params([("time", text)]).moment_s("time")
    assert caught.value.message == f'invalid parameter "time": cannot parse "{text}" to a valid timestamp'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x", "invalid syntax"),
        (" 1", "invalid syntax"),
        ("1_0", "invalid syntax"),
        ("9" * 20, "value out of range"),
        ("9" * 5000, "value out of range"),
        ("0" * 30 + "9" * 20, "value out of range"),
        ("-" + "0" * 30 + "9" * 5000, "value out of range"),
    ],
)
def test_no_limits(text: str, reason: str) -> None:
    with pytest.raises(ApiError) as caught:
        Params([("limit", text)]).limit()
    assert caught.value.message == f'invalid parameter "limit": strconv.Atoi: parsing "{text}": {reason}'


@pytest.mark.parametrize(
    ("text", "seconds"), [("15", 15.0), ("0.5", 0.5), ("1m30s", 90.0), ("-3", -3.0), ("250ms", 0.25)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x", 'cannot parse "x" to a valid duration'),
        ("1e300", 'cannot parse "1e300" to a valid duration. It overflows int64'),
        ("Inf", 'cannot parse "Inf" to a valid duration. It overflows int64'),
    ],
)
def test_no_durations(text: str, reason: str) -> None:
    with pytest.raises(ApiError) as caught:
        Params([("step", text)]).duration_s("step")
    assert caught.value.message == f'invalid parameter "step": {reason}'


@pytest.mark.parametrize(
    ("at_s", "text"),
    [(None, "0001-01-01T00:00:00Z"), (0.0, "1970-01-01T00:00:00Z"), (1.5, "1970-01-01T00:00:01.5Z")],
)
def test_printed_times(at_s: float | None, text: str) -> None:
    assert format_time(at_s) == text


def test_annotations_are_cut_after_ten() -> None:
    assert at_most([str(i) for i in range(12)], "warning")[9:] == ["9", "2 more warning annotations omitted"]
    assert at_most(["a"], "info") == ["a"]
