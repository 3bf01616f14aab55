"""The loop in virtual time: when it scrapes, what it stores, how series end."""

from collections.abc import Iterator

import httpx
import pytest

from pyscrape.exposition.page import Row
from pyscrape.scrape import loop
from pyscrape.scrape.intake import Intake
from tests.scrape.world import STALE, Page, World, group, play, scrape_config

JOB = {"job": "j", "instance": "a:1"}


def test_scrapes_keep_an_absolute_schedule() -> None:
    async def script(world: World) -> None:
        world.pages(Page("m 1\n", delay_s=3.3))
        await world.start(scrape_config(scrape_interval="15s"))
        await world.wait(75)

    world = play(script)
    first = world.transport.times[0]
    assert 0 <= first < 15
    assert [round(at - first, 6) for at in world.transport.times] == [0, 15, 30, 45, 60]
    assert [at for at, _ in world.series("m", **JOB)] == [round(first + 15 * k, 3) for k in range(5)]


def test_a_page_is_one_row_with_its_report() -> None:
    async def script(world: World) -> None:
        world.pages(Page("m 1\nn 2\n", delay_s=0.5), Page("m 3\nn 4\n", delay_s=0.25))
        await world.start(scrape_config(scrape_interval="10s"))
        await world.wait(20)

    world = play(script)
    assert world.values("m", **JOB) == [1, 3]
    assert world.values("up", **JOB) == [1, 1]
    assert world.values("scrape_duration_seconds", **JOB) == [0.5, 0.25]
    assert world.values("scrape_samples_scraped", **JOB) == [2, 2]
    assert world.values("scrape_samples_post_metric_relabeling", **JOB) == [2, 2]
    assert world.values("scrape_series_added", **JOB) == [2, 0]
    assert world.labels("m") == [JOB]


def test_a_series_that_leaves_the_page_ends_by_a_marker() -> None:
    async def script(world: World) -> None:
        world.pages("m 1\nn 2\n", "m 3\n", "m 4\nn 5\n")
        await world.start(scrape_config(scrape_interval="10s"))
        await world.wait(30)

    world = play(script)
    assert world.values("m", **JOB) == [1, 3, 4]
    assert world.values("n", **JOB) == [2, STALE, 5]
    assert world.values("scrape_series_added", **JOB) == [2, 0, 1]


def test_a_failed_scrape_is_a_row_of_markers() -> None:
    async def script(world: World) -> None:
        world.pages("m 1\n", Page("", status=500), Page("", status=500), "m 2\n")
        await world.start(scrape_config(scrape_interval="10s"))
        await world.wait(40)

    world = play(script)
    assert world.values("m", **JOB) == [1, STALE, 2]
    assert world.values("up", **JOB) == [1, 0, 0, 1]
    assert world.values("scrape_series_added", **JOB) == [1, 0, 0, 0]
    assert world.loop.status.health == "up"
    assert world.pools.stats.pyscrape_scrape_failures_total == {"http_5xx": 2}


def test_an_empty_page_ends_everything_and_is_no_failure() -> None:
    async def script(world: World) -> None:
        world.pages("m 1\n", "", "m 2\n")
        await world.start(scrape_config(scrape_interval="10s"))
        await world.wait(30)

    world = play(script)
    assert world.values("m", **JOB) == [1, STALE, 2]
    assert world.values("up", **JOB) == [1, 1, 1]
    assert world.values("scrape_series_added", **JOB) == [1, 0, 0]


def test_a_target_that_goes_ends_after_the_time_it_could_come_back_in() -> None:
    async def script(world: World) -> None:
        world.pages("m 1\n")
        await world.start(scrape_config(scrape_interval="10s"))
        await world.wait(10)
        first = world.transport.times[0]
        world.pools.update("j", [])
        await world.wait(first + 20.9 - 10)
        assert world.values("m", **JOB) == [1]
        await world.wait(0.2)

    world = play(script)
    first = world.transport.times[0]
    assert world.series("m", **JOB) == [(round(first, 3), 1), (round(first + 10, 3), STALE)]
    assert world.values("up", **JOB) == [1, STALE]


def test_a_target_that_comes_back_goes_on_without_a_marker() -> None:
    async def script(world: World) -> None:
        world.pages("m 1\n")
        await world.start(scrape_config(scrape_interval="10s"))
        await world.wait(15)
        world.pools.update("j", [])
        await world.wait(2)
        world.pools.update("j", [group("a:1", source="other")])
        await world.wait(60)

    world = play(script)
    assert set(world.values("m", **JOB)) == {1}
    assert set(world.values("up", **JOB)) == {1}


def test_shutdown_writes_no_markers() -> None:
    async def script(world: World) -> None:
        world.pages("m 1\n")
        await world.start(scrape_config(scrape_interval="10s"))
        await world.wait(15)

    world = play(script)
    assert STALE not in world.values("m", **JOB) + world.values("up", **JOB)


def test_the_timeout_ends_the_whole_exchange() -> None:
    async def script(world: World) -> None:
        world.pages(Page("m 1\n", delay_s=30))
        await world.start(scrape_config(scrape_interval="10s", scrape_timeout="4s"))
        await world.wait(19)

    world = play(script)
    assert world.values("up", **JOB)[0] == 0
    assert world.values("scrape_duration_seconds", **JOB)[0] == 4
    status = world.loop.status
    assert status.last_error == 'Get "http://a:1/metrics": context deadline exceeded'
    assert (status.health, status.reason) == ("down", "timeout")


def test_a_fault_of_this_program_fails_the_scrape_and_nothing_else() -> None:
    def answer(request: httpx.Request) -> Page:
        raise RuntimeError("a fault")

    async def script(world: World) -> None:
        world.transport.answer = answer
        await world.start(scrape_config(scrape_interval="10s"))
        await world.wait(25)

    world = play(script)
    assert world.loop.status.reason == "internal"
    assert world.loop.status.scrapes == 2


@pytest.mark.parametrize("turns", [True, False])
def test_large_first_pages_are_bound_one_after_the_other(
    turns: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of twelve targets at least two share one of the ten moments of an interval."""
    size = loop.TAKES_TURNS.start
    if not turns:
        monkeypatch.setattr(loop, "TAKES_TURNS", range(0))
    under_way = most = 0
    bind = Intake.bind

    def counted(self: Intake, row: Row) -> Iterator[None]:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        yield from bind(self, row)
        under_way -= 1

    monkeypatch.setattr(Intake, "bind", counted)
    page = "".join(f'm{{k="{k}"}} 1\n' for k in range(size))

    async def script(world: World) -> None:
        world.pages(page)
        targets = [group(*(f"a:{port}" for port in range(12)))]
        await world.start(scrape_config(scrape_interval="10s"), groups={"j": targets})
        await world.wait(15)
        assert {one.status.series for one in world.pools.loops} == {size}

    play(script)
    assert (most == 1) is turns
