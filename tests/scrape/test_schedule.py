"""When a target is scraped: its place in the interval."""

import pytest

from pyscrape.scrape.schedule import first_delay_s


@pytest.mark.parametrize(
    ("interval_s", "apart_s"),
    [(15.0, 0.5), (60.0, 0.5), (2.0, 0.2), (1.0, 0.1), (0.2, 0.02), (86_400.0, 0.5)],
)
def test_places_are_shared(interval_s: float, apart_s: float) -> None:
    now_s = 1_700_000_003.25
    places = set()
    for number in range(200):
        first_s = now_s + first_delay_s(number * 2_654_435_761_000_003, 5, interval_s, now_s)
        assert 0 <= first_s - now_s <= interval_s
        place = first_s % interval_s / apart_s
        assert place == pytest.approx(round(place), abs=1e-4)
        places.add(round(place))
    # Few targets still have different places.
    assert len(places) > min(9, interval_s / apart_s / 2)


def test_a_place_is_kept_over_restarts() -> None:
    now_s, later_s = 1_700_000_003.25, 1_700_012_345.5
    first_s = now_s + first_delay_s(987_654_321_987, 7, 15.0, now_s)
    again_s = later_s + first_delay_s(987_654_321_987, 7, 15.0, later_s)
    assert (again_s - first_s) % 15.0 == pytest.approx(0, abs=1e-4)
