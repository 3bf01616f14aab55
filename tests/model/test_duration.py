import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.model.duration import Duration, DurationError, format_duration, parse_duration

GOOD = [
    ("0", 0, "0s"),
    ("15s", 15_000, "15s"),
    ("90s", 90_000, "1m30s"),
    ("168h", 604_800_000, "1w"),
    ("8d", 691_200_000, "8d"),
    ("365d", 31_536_000_000, "1y"),
    ("1y2w", 32_745_600_000, "379d"),
    ("1h30m5s7ms", 5_405_007, "1h30m5s7ms"),
]
BAD = [
    ("", "empty duration string"),
    ("1", 'not a valid duration string: "1"'),
    ("-1s", 'not a valid duration string: "-1s"'),
    ("1.5h", 'unknown unit "." in duration "1.5h"'),
    ("5q", 'unknown unit "q" in duration "5q"'),
    ("1m1h", 'not a valid duration string: "1m1h"'),
    ("1m1m", 'not a valid duration string: "1m1m"'),
    (" 1m", 'not a valid duration string: " 1m"'),
    ("300y", "duration out of range"),
    ("99999999999999999999s", 'not a valid duration string: "99999999999999999999s"'),
]


@pytest.mark.parametrize(("text", "ms", "printed"), GOOD)
def test_good(text: str, ms: int, printed: str) -> None:
    assert parse_duration(text) == ms
    assert str(parse_duration(text)) == printed


@pytest.mark.parametrize(("text", "message"), BAD)
def test_bad(text: str, message: str) -> None:
    with pytest.raises(DurationError) as refused:
        parse_duration(text)
    assert str(refused.value) == message


def test_negative_only_where_allowed() -> None:
    assert parse_duration("-1m30s", allow_negative=True) == -90_000
    assert format_duration(-90_000) == "-1m30s"


@given(st.integers(0, 200 * 365 * 86_400_000))
def test_print_then_parse(ms: int) -> None:
    assert parse_duration(format_duration(ms)) == ms


def test_is_a_number_of_milliseconds() -> None:
    assert Duration(1500).seconds == 1.5
    assert f"{Duration(1500)} {Duration(1500):d}" == "1s500ms 1500"
