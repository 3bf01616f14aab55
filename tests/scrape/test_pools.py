"""Pools over reloads and discovery: what goes on untouched, what starts anew in its old series, what is shown."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from pyscrape.discovery.groups import TargetGroup
from pyscrape.scrape.pool import Plan, plan
from tests.scrape.world import STALE, Page, World, group, play, scrape_config

JOB = {"job": "j", "instance": "a:1"}


def test_plan() -> None:
    assert plan([], []) == Plan((), (), ())
    assert plan(["a", "b"], ["c", "b"]) == Plan(start=("c",), stop=("a",), keep=("b",))


def test_an_unchanged_pool_goes_on_without_a_gap() -> None:
    async def script(world: World) -> None:
        world.pages("m 1\n")
        config = scrape_config(scrape_interval="10s")
        await world.start(config)
        before = world.loop
        await world.wait(12)
        await world.pools.apply([scrape_config(scrape_interval="10s")], {"j": [group("a:1")]})
        assert world.loop is before
        await world.wait(20)

    world = play(script)
    times = world.transport.times
    assert [round(b - a, 6) for a, b in pairwise(times)] == [10] * (len(times) - 1)


@pytest.mark.parametrize(
    "changed", [{"scrape_timeout": "3s"}, {"sample_limit": 100}, {"params": {"x": ["y"]}}], ids=str
)
def test_a_changed_pool_goes_on_in_its_series(changed: dict[str, object]) -> None:
    async def script(world: World) -> None:
        world.pages("m 1\n")
        await world.start(scrape_config(scrape_interval="10s"))
        await world.wait(15)
        await world.pools.apply([scrape_config(scrape_interval="10s", **changed)])
        await world.wait(60)

    world = play(script)
    assert set(world.values("m", **JOB)) == {1}
    assert set(world.values("up", **JOB)) == {1}
    assert sum(int(value) for value in world.values("scrape_series_added", **JOB)) == 1
    assert world.pools.stats.prometheus_target_scrape_pool_reloads_total == 1


def test_new_metric_rules_end_what_they_drop() -> None:
    rules = [{"source_labels": ["__name__"], "regex": "n", "action": "drop"}]

    async def script(world: World) -> None:
        world.pages("m 1\nn 1\n")
        await world.start(scrape_config(scrape_interval="10s"))
        await world.wait(15)
        await world.pools.apply([scrape_config(scrape_interval="10s", metric_relabel_configs=rules)])
        await world.wait(60)

    world = play(script)
    assert set(world.values("m", **JOB)) == {1}
    assert world.values("n", **JOB)[-1] == STALE
    assert world.values("n", **JOB).count(STALE) == 1


def test_a_new_interval_is_taken_over() -> None:
    async def script(world: World) -> None:
        world.pages("m 1\n")
        await world.start(scrape_config(scrape_interval="10s"))
        await world.wait(20)
        await world.pools.apply([scrape_config(scrape_interval="5s")])
        world.transport.times.clear()
        await world.wait(30)

    world = play(script)
    assert len(world.transport.times) == 6
    assert STALE not in world.values("m", **JOB)


def test_a_job_that_goes_ends_its_series() -> None:
    async def script(world: World) -> None:
        world.pages("m 1\n")
        await world.start(scrape_config(scrape_interval="10s"))
        await world.wait(15)
        await world.pools.apply([])
        assert world.pools.pools == {}
        await world.wait(40)

    world = play(script)
    assert world.values("m", **JOB)[-1] == world.values("up", **JOB)[-1] == STALE


def test_a_target_with_the_same_labels_takes_over() -> None:
    """Its address changes behind a fixed instance label: one series, no marker."""

    async def script(world: World) -> None:
        world.pages("m 1\n")
        await world.start(
            scrape_config(scrape_interval="10s"), groups={"j": [group("10.0.0.1:80", instance="a:1")]}
        )
        await world.wait(15)
        world.pools.update("j", [group("10.0.0.2:80", instance="a:1")])
        await world.wait(60)

    world = play(script)
    assert set(world.values("m", **JOB)) == {1}
    assert set(world.values("up", **JOB)) == {1}
    assert {request.url.host for request in world.transport.requests} == {"10.0.0.1", "10.0.0.2"}


def test_dropped_failed_and_duplicate_targets_are_shown() -> None:
    rules = [{"source_labels": ["__address__"], "regex": "drop.*", "action": "drop"}]

    async def script(world: World) -> None:
        world.pages("m 1\n")
        found = TargetGroup(
            "s", tuple({"__address__": address} for address in ("a:1", "a:1", "drop:1", "bad/address"))
        )
        await world.start(scrape_config(relabel_configs=rules), groups={"j": [found]})
        pool = world.pools.pools["j"]
        assert [target.url for target in pool.targets] == ["http://a:1/metrics"]
        assert pool.duplicates == 1
        [dropped] = pool.dropped
        assert (dropped.rule_index, dropped.discovered["__address__"]) == (0, "drop:1")
        [failed] = pool.failed
        assert str(failed) == 'instance 3 in group s: "bad/address" is not a valid hostname'
        assert world.pools.stats.prometheus_target_sync_failed_total == {"j": 1}

    play(script)


def test_failures_are_said_once_per_change(caplog: pytest.LogCaptureFixture) -> None:
    async def script(world: World) -> None:
        world.pages("m 1\n", *[Page("", status=500)] * 3, *[Page("", status=404)] * 2, "m 1\n")
        await world.start(scrape_config(scrape_interval="10s"))
        await world.wait(70)

    with caplog.at_level("INFO", logger="pyscrape.scrape"):
        play(script)
    said = [record.getMessage().partition(": ")[2] for record in caplog.records]
    assert [text.partition(";")[0] for text in said] == [
        "scrape failed (http_5xx): server returned HTTP status 500 Internal Server Error",
        "scrape failed (http_4xx): server returned HTTP status 404 Not Found",
        "up again",
    ]
    assert "metrics_path of job j" in said[1]


def test_the_failure_log_has_a_line_per_failed_scrape(tmp_path: Path) -> None:
    path = tmp_path / "failures.json"

    async def script(world: World) -> None:
        world.pages(Page("", status=500), Page("", status=500), "m 1\n")
        await world.start(scrape_config(scrape_interval="10s", scrape_failure_log_file=str(path)))
        await world.wait(30)

    play(script)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == 2
    assert lines[0]["job_name"] == "j"
    assert lines[0]["target"] == "http://a:1/metrics"
    assert lines[0]["msg"] == "server returned HTTP status 500 Internal Server Error"


def test_a_failure_log_that_was_moved_away_is_made_anew_by_a_reload(tmp_path: Path) -> None:
    path = tmp_path / "failures.json"

    async def script(world: World) -> None:
        world.pages(Page("", status=500))
        config = scrape_config(scrape_interval="10s", scrape_failure_log_file=str(path))
        await world.start(config)
        await world.wait(20)
        path.rename(tmp_path / "old.json")
        await world.pools.apply([config])
        await world.wait(10)

    play(script)
    found = [(tmp_path / name).read_text().count("\n") for name in ("old.json", "failures.json")]
    assert found == [2, 1]


def test_too_many_targets_are_said_once_for_all(caplog: pytest.LogCaptureFixture) -> None:
    async def script(world: World) -> None:
        world.pages("m 1\n")
        many = {"j": [group(*(f"h{k}:80" for k in range(5)))]}
        for limit in (2, 3, 0):
            config = scrape_config(scrape_interval="10s", target_limit=limit)
            if limit == 2:
                await world.start(config, groups=many)
            await world.pools.apply([config], many)
            await world.wait(20)

    with caplog.at_level("INFO", logger="pyscrape.scrape"):
        play(script)
    [said] = caplog.messages
    assert said.startswith(
        "job j: target_limit exceeded (number of targets: 5, limit: 2); raise target_limit"
    )


def test_scrapes_of_many_targets_are_spread() -> None:
    async def script(world: World) -> None:
        world.pages("m 1\n")
        await world.start(
            scrape_config(scrape_interval="10s"), groups={"j": [group(*(f"h{k}:80" for k in range(200)))]}
        )
        await world.wait(9.99)

    times = play(script).transport.times
    assert len(times) >= 199
    buckets = [sum(1 for at in times if second <= at < second + 1) for second in range(10)]
    assert min(buckets) >= 8
