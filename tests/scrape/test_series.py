"""What pages become in the table: clocks of their own, duplicates, limits, relabeling, the report's own names."""

import asyncio
from collections.abc import Callable

import pytest

from pyscrape.exposition.page import Row
from pyscrape.model.value import STALE_BITS
from tests.helpers.virtual_loop import EPOCH_S
from tests.scrape.world import STALE, Page, World, group, play, scrape_config

JOB = {"job": "j", "instance": "a:1"}


def scraped(*pages: Page | str, **fields: object) -> World:
    """A world that scraped these pages, one every 10 s, under a job with these fields."""

    async def script(world: World) -> None:
        world.pages(*pages)
        await world.start(scrape_config(scrape_interval="10s", **fields))
        await world.wait(10 * len(pages))

    return play(script)


def at(seconds: float) -> int:
    """Milliseconds of a moment of the virtual world."""
    return round((EPOCH_S + seconds) * 1000)


def test_samples_with_their_own_time_are_kept_at_it() -> None:
    world = scraped(f"m 1 {at(-5)}\nn 1\n", f"m 2 {at(3)}\nn 2\n", "n 3\n")
    assert world.series("m", **JOB) == [(-5, 1), (3, 2)]
    assert world.values("n", **JOB) == [1, 2, 3]
    assert world.values("scrape_series_added", **JOB) == [2, 0, 0]


def test_tracked_timestamps_end_by_markers() -> None:
    world = scraped(f"m 1 {at(-5)}\nn 1\n", "n 2\n", track_timestamps_staleness=True)
    assert world.values("m", **JOB) == [1, STALE]
    world = scraped(f"m 1 {at(-5)}\n", Page("", status=500), track_timestamps_staleness=True)
    assert world.values("m", **JOB) == [1, STALE]


def test_timestamps_may_be_ignored() -> None:
    world = scraped(f"m 1 {at(-5)}\n", "", honor_timestamps=False)
    assert world.values("m", **JOB) == [1, STALE]
    assert all(when >= 0 for when, _ in world.series("m", **JOB))


def test_a_series_that_gains_a_time_of_its_own_ends_as_one_without() -> None:
    world = scraped("m 1\nn 1\n", f"m 2 {at(40)}\nn 2\n", f"m 3 {at(50)}\nn 3\n")
    assert world.values("m", **JOB) == [1, STALE, 2, 3]
    assert world.values("n", **JOB) == [1, 2, 3]


def test_samples_from_the_future_are_dropped_and_counted() -> None:
    world = scraped(f"m 1 {at(3600)}\nn 1\n")
    assert world.values("m", **JOB) == []
    assert world.values("n", **JOB) == [1]
    assert world.pools.stats.prometheus_target_scrapes_sample_out_of_bounds_total == 1
    assert world.values("scrape_series_added", **JOB) == [1]


def test_out_of_order_and_changed_samples_are_dropped_and_counted() -> None:
    world = scraped(f"m 1 {at(-5)}\n", f"m 2 {at(-5)}\n", f"m 3 {at(-9)}\n", f"m 1 {at(-5)}\n")
    assert world.series("m", **JOB) == [(-5, 1)]
    stats = world.pools.stats
    assert stats.prometheus_target_scrapes_sample_duplicate_timestamp_total == 1
    assert stats.prometheus_target_scrapes_sample_out_of_order_total == 1
    assert world.values("up", **JOB) == [1, 1, 1, 1]


def test_one_series_at_several_times_of_one_page() -> None:
    world = scraped(f"m 1 {at(-5)}\nm 2 {at(-4)}\nm 3 {at(-3)}\n")
    assert world.series("m", **JOB) == [(-5, 1), (-4, 2), (-3, 3)]


def test_the_first_of_equal_series_wins() -> None:
    world = scraped("m 1\nm 2\n", 'm{a=""} 3\nm 4\n')
    assert world.values("m", **JOB) == [1, 3]
    assert world.values("scrape_samples_scraped", **JOB) == [2, 2]
    assert world.pools.stats.prometheus_target_scrapes_sample_duplicate_timestamp_total == 2


def test_series_that_relabeling_makes_equal_are_stored_once() -> None:
    rules = [{"action": "labeldrop", "regex": "pod"}]
    page = 'm{pod="a"} 1\nm{pod="b"} 2\n'
    world = scraped(page, page, metric_relabel_configs=rules)
    assert world.values("m", **JOB) == [1, 1]
    assert world.labels("m") == [JOB]


def test_metric_relabeling_runs_once_a_series() -> None:
    rules = [
        {"source_labels": ["__name__"], "regex": "go_.*", "action": "drop"},
        {"source_labels": ["__name__"], "regex": "(.*)_old", "target_label": "__name__"},
    ]
    world = scraped("go_x 1\nm_old 1\n", "go_x 2\nm_old 2\n", metric_relabel_configs=rules)
    assert world.values("m", **JOB) == [1, 2]
    assert world.labels("go_x") == []
    assert world.values("scrape_samples_scraped", **JOB) == [2, 2]
    assert world.values("scrape_samples_post_metric_relabeling", **JOB) == [1, 1]
    assert world.values("scrape_series_added", **JOB) == [1, 0]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"sample_limit": 2}, "sample limit exceeded"),
        ({"label_limit": 3}, "label_limit exceeded (metric: c, number of labels: 4, limit: 3)"),
        (
            {"label_name_length_limit": 8},
            "label_name_length_limit exceeded (metric: c, label name: long_name, length: 9, limit: 8)",
        ),
        (
            {"label_value_length_limit": 5},
            (
                "label_value_length_limit exceeded (metric: c, label name: long_name, "
                'value: "longer", length: 6, limit: 5)'
            ),
        ),
        ({"body_size_limit": "15B"}, "body size limit exceeded"),
    ],
)
def test_a_limit_fails_the_whole_scrape(fields: dict[str, object], error: str) -> None:
    bad = 'a 1\nb 1\nc{long_name="longer"} 1\n'
    world = scraped("a 1\n", bad, bad, "a 2\n", extra_scrape_metrics=True, **fields)
    assert world.values("up", **JOB) == [1, 0, 0, 1]
    assert world.labels("b") == world.labels("c") == []
    assert world.values("a", **JOB)[-1] == 2
    status = scraped(bad, **fields).loop.status
    assert status.last_error == error
    assert status.reason in ("limit", "body_limit")


def test_a_page_that_shows_the_reports_own_series_keeps_them() -> None:
    world = scraped("up 5\nm 1\n", "up 6\nm 2\n", Page("", status=500), "m 3\n")
    assert world.values("up", **JOB) == [5, 6, 0, 1]
    assert world.values("scrape_samples_scraped", **JOB) == [2, 2, 0, 1]


def test_extra_report_series() -> None:
    world = scraped(
        "m 1\n", Page("", status=500), extra_scrape_metrics=True, sample_limit=7, scrape_timeout="3s"
    )
    assert world.values("scrape_timeout_seconds", **JOB) == [3, 3]
    assert world.values("scrape_sample_limit", **JOB) == [7, 7]
    assert world.values("scrape_body_size_bytes", **JOB) == [4, 0]


BROKEN = "# HELP a x\na 1\nb 2\nbroken{ 3\nc 1\n"


def test_a_page_that_does_not_parse_counts_what_came_before() -> None:
    world = scraped("a 1\n", BROKEN, BROKEN, "a 1\nb 1\n")
    assert world.values("scrape_samples_scraped", **JOB) == [1, 2, 2, 2]
    assert world.values("scrape_samples_post_metric_relabeling", **JOB) == [1, 2, 2, 2]
    # `b` is new once, on the page that is refused.
    assert world.values("scrape_series_added", **JOB) == [1, 1, 0, 0]
    assert world.values("up", **JOB) == [1, 0, 0, 1]
    assert world.values("b", **JOB) == [1]
    status = scraped(BROKEN).loop.status
    assert status.reason == "parse"
    assert "(line 4, column" in status.last_error


@pytest.mark.parametrize(
    ("pages", "a", "c"),
    [
        ((BROKEN, "a 2\nc 2\n"), [1, 2], [1, STALE, 2]),
        ((BROKEN, BROKEN, "a 2\n"), [1, 2], [1, STALE]),
        ((BROKEN, Page("", status=500)), [1, STALE], [1, STALE]),
        ((BROKEN, "c 1\n"), [1, STALE], [1, STALE, 1]),
        (("7&-\na 1\nc 1\n", "c 1\n"), [1, STALE], [1, STALE, 1]),
    ],
)
def test_what_a_broken_page_shows_before_the_mistake_does_not_end(
    pages: tuple[Page | str, ...], a: list[float], c: list[float]
) -> None:
    world = scraped("a 1\nc 1\n", *pages)
    assert (world.values("a", **JOB), world.values("c", **JOB)) == (a, c)


def test_an_openmetrics_page_without_its_end_shows_all_its_series() -> None:
    kind = "application/openmetrics-text; version=1.0.0"
    page = Page("a 1\nb 2\n# EOF\n", content_type=kind)
    world = scraped(page, Page("a 1\nb 2\n", content_type=kind), page)
    assert world.values("up", **JOB) == [1, 0, 1]
    assert world.values("b", **JOB) == [2, 2]
    assert world.values("scrape_samples_scraped", **JOB) == [2, 2, 2]


def test_the_first_mistake_of_a_page_is_the_one_that_is_told() -> None:
    world = scraped('a 1\nb{x="1",x="2"} 1\nc 1\nd x\n')
    assert world.loop.status.last_error == 'label name "x" is not unique: invalid sample'
    assert world.values("scrape_samples_scraped", **JOB) == [2]
    world = scraped("a 1\nb 2\nc x\n", sample_limit=1)
    assert world.loop.status.reason == "parse"
    assert world.values("scrape_samples_post_metric_relabeling", **JOB) == [2]
    assert world.values("scrape_series_added", **JOB) == [1]


def test_series_that_come_with_other_labels_are_counted_one_by_one() -> None:
    rules = [{"action": "labeldrop", "regex": "pod"}]
    world = scraped('m{pod="a"} 1\nm{pod="b"} 2\nm{pod="b"} 3\n', metric_relabel_configs=rules)
    assert world.values("scrape_series_added", **JOB) == [2]
    assert world.values("m", **JOB) == [1]


def test_a_series_that_had_a_time_on_the_page_is_not_taken_again_without() -> None:
    world = scraped(f"m 1 {at(-5)}\nm 2\n")
    assert world.series("m", **JOB) == [(-5, 1)]
    assert world.pools.stats.prometheus_target_scrapes_sample_duplicate_timestamp_total == 1


def test_a_series_gets_its_marker_after_its_first_sample_with_a_time_of_its_own() -> None:
    world = scraped("m 1\n", f"m 2 {at(12)}\n")
    [(first, _), *later] = world.series("m", **JOB)
    assert later == [(12, 2), (pytest.approx(first + 10), STALE)]


def test_exemplars_of_more_than_128_characters_are_passed_over() -> None:
    lines = [f'm_total 1 # {{id="{"x" * size}"}} {size}\n' for size in (126, 127)]
    pages = [Page(f"{line}# EOF\n", content_type="application/openmetrics-text") for line in lines]
    assert [one.value for one in scraped(*pages).exemplars.all()] == [126]


def test_a_marker_is_never_taken_from_a_page() -> None:
    world = scraped("m NaN\n")
    [(_, value)] = world.series("m", **JOB)
    assert value != value and STALE_BITS


def test_a_first_page_of_many_series_is_bound_in_slices() -> None:
    body = "".join(f'm{{n="{number}"}} {number}\n' for number in range(3000))
    world = scraped(body, body)
    assert world.values("m", n="2999", **JOB) == [2999, 2999]
    assert world.values("scrape_series_added", **JOB) == [3000, 0]


def test_metadata_outlives_its_family_by_ten_scrapes() -> None:
    with_help = "# HELP m A help.\n# TYPE m gauge\nm 1\nn 1\n"
    world = scraped(with_help, *["n 2\n"] * 9)
    assert world.loop.metadata.families()["m"].help == "A help."
    world = scraped(with_help, *["n 2\n"] * 12)
    assert "m" not in world.loop.metadata.families()


def test_targets_labels_win_or_not() -> None:
    async def script(world: World, honor: bool) -> None:
        world.pages('m{job="own",instance=""} 1\n')
        await world.start(scrape_config(honor_labels=honor), groups={"j": [group("a:1")]})
        await world.wait(60)

    def labels(honor: bool) -> list[dict[str, str]]:
        async def run(world: World) -> None:
            await script(world, honor)

        return play(run).labels("m")

    assert labels(False) == [{"job": "j", "exported_job": "own", "instance": "a:1"}]
    assert labels(True) == [{"job": "own"}]


def test_big_pages_that_are_read_token_by_token_are_read_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    aside: list[bytes] = []

    async def to_thread(read: Callable[..., Row], scrape: object, content: bytes, kind: str) -> Row:
        aside.append(content)
        return read(scrape, content, kind)

    monkeypatch.setattr(asyncio, "to_thread", to_thread)
    lined = "".join(f'm{{n="{number}"}} 1\n' for number in range(7000))
    plain = [" # a comment\n" + lined.replace(" 1", f" {value}") for value in (2, 3)]
    world = scraped(lined, *plain, lined + "x", lined, lined)
    assert world.values("m", n="6999", **JOB) == [1, 2, 3, 1, 1]
    assert world.values("up", **JOB) == [1, 1, 1, 0, 1, 1]
    # The first page of its kind shows that it is of that kind.
    assert [body.decode() for body in aside] == [plain[1], lined + "x", lined]


async def tidy(world: World, seconds: int) -> None:
    """Let the store seal and drop all along, whatever it keeps open otherwise."""
    for _ in range(0, seconds, 20):
        await world.wait(20)
        for table in world.store.tables():
            table.cut_rows()
        while world.store.maintain(at(asyncio.get_running_loop().time()), 1.0):
            pass


@pytest.mark.parametrize(
    ("before", "fields"),
    [
        (["m 1\ngone 1\n", Page("", status=500)], {}),
        (["m 1\ngone 1\n", "m 1\n!\n"], {}),
        (["m 1\ngone 1\n", "m 1\nn 1\no 1\n"], {"sample_limit": 2}),
        ([f"m 1\ngone 1 {round(EPOCH_S * 1000)}\n"], {}),
    ],
    ids=["no page", "broken page", "limit", "time of its own"],
)
def test_what_ends_with_a_failed_scrape_or_without_a_marker_is_given_back(
    before: list[Page | str], fields: dict[str, object]
) -> None:
    async def script(world: World) -> None:
        world.store.retention_ms = 60_000
        world.pages(*before, "m 1\n")
        await world.start(scrape_config(scrape_interval="10s", **fields))
        await tidy(world, 200)

    world = play(script)
    assert world.store.index.series == 6  # m and the report


def test_a_report_series_that_a_page_showed_once_stays_the_reports() -> None:
    async def script(world: World) -> None:
        world.store.retention_ms = 60_000
        world.pages("up 7\nm 1\n", "m 1\n")
        await world.start(scrape_config(scrape_interval="10s"))
        await tidy(world, 200)
        await world.wait(20)

    world = play(script)
    assert world.values("up", **JOB)[-3:] == [1, 1, 1]
    assert world.pools.stats.prometheus_target_scrapes_sample_duplicate_timestamp_total == 0
