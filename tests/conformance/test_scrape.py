"""scrape.json: one target over HTTP, scrape after scrape, against what Prometheus stores and reports."""

import asyncio
import gzip
import math
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from pyscrape.discovery.groups import TargetGroup
from pyscrape.model.labels import Labels
from pyscrape.model.matcher import Matcher, MatchType
from pyscrape.model.value import ABSENT_BITS, STALE_BITS, bits_of_float
from pyscrape.scrape.report import EXTRA_NAMES, NAMES
from tests.conformance.scrape_cases import Case, at_now, body_of, cases_of
from tests.helpers.memory_transport import Page
from tests.helpers.virtual_loop import EPOCH_S
from tests.scrape.world import World, play, scrape_config

# What a project may lack, with the reason.
LEFT_OUT = {
    "native_histograms": "native histograms are not stored",
}
REPORT = {*NAMES, *EXTRA_NAMES}
OWN = ("job", "instance")

Stored = dict[tuple[Labels, int], float]


def everything(world: World) -> Stored:
    """Every sample in the store: (labels, time in ms) to value."""
    found: Stored = {}
    selection = world.store.select([Matcher(MatchType.RE, "__name__", ".*")], 0, 1 << 62)
    for block in selection.blocks:
        bits = block.values.view("uint64")
        for column, series in enumerate(block.series.tolist()):
            labels = selection.frame.labels(series)
            for row, at_ms in enumerate(block.times_ms.tolist()):
                if bits[row, column] != ABSENT_BITS:
                    found[labels, at_ms] = block.values[row, column]
    return found


def shown(value: float) -> str:
    if value != value:
        return "StaleNaN" if bits_of_float(value) == STALE_BITS else "NaN"
    return str(float(value))


def expected_value(text: str) -> str:
    return text if text in ("NaN", "StaleNaN") else str(float(text))


class Scenario:
    """One case played: what was stored and how the target stood after each scrape."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.now_ms: list[int] = []
        self.errors: list[str] = []
        self.metadata: list[dict[str, Any]] = []
        self.stored: Stored = {}
        self.world = play(self.script)

    def answer(self, request: httpx.Request) -> Page:
        scrapes = self.case["scrapes"]
        response = scrapes[min(len(self.now_ms), len(scrapes) - 1)]["response"]
        now_ms = round((EPOCH_S + self.world_now()) * 1000)
        self.now_ms.append(now_ms)
        if response.get("close"):
            return Page(error=httpx.ReadError("EOF"))
        body = body_of(response, now_ms)
        headers = {}
        if response.get("gzip"):
            body, headers = gzip.compress(body), {"Content-Encoding": "gzip"}
        return Page(
            body,
            status=response.get("status", 200),
            content_type=response.get("content_type") or None,
            headers=headers,
            delay_s=response.get("delay_s", 0),
        )

    def world_now(self) -> float:
        return asyncio.get_running_loop().time()

    async def script(self, world: World) -> None:
        case = self.case
        world.transport.answer = self.answer
        config = scrape_config(**{"scrape_interval": "5s", **case["scrape_config"]})
        labels = {"instance": "i", **case.get("target_labels", {}), **case.get("target_reserved_labels", {})}
        groups = {config.job_name: [TargetGroup("s", ({"__address__": "t:80", **labels},))]}
        await world.start(config, groups=groups)
        loop = world.loop
        for number in range(len(case["scrapes"])):
            while loop.status.scrapes <= number:
                await world.wait(0.05)
            self.errors.append(loop.status.last_error)
            self.metadata.append(loop.metadata.families())
        if "then" in case:
            assert case["then"] == {"recreate_same_target_within_interval": True, "stale": []}
            world.pools.update(config.job_name, [])
            await world.wait(0.01)
            world.pools.update(config.job_name, groups[config.job_name])
            await world.wait(0.01)
            await world.wait(8)
        self.stored = everything(world)

    def expected_at(self, number: int) -> tuple[Stored, set[tuple[Labels, int]]]:
        """Samples that scrape `number` must have stored (report series aside), and markers it may have."""
        expect = self.case["scrapes"][number]["expect"]
        own = {"instance": "i", **self.case.get("target_labels", {})}
        own["job"] = self.case["scrape_config"].get("job_name", "j")
        honor = self.case["scrape_config"].get("honor_labels")
        at_ms = self.now_ms[number]
        samples: Stored = {}
        for sample in expect.get("samples", ()):
            labels = Labels(
                {**{k: own[k] for k in OWN if k not in sample["labels"] or not honor}, **sample["labels"]}
            )
            own_ms = sample["timestamp"]
            when = at_ms if own_ms == "scrape" else int(at_now(str(own_ms), at_ms))
            samples[labels, when] = expected_value(sample["value"])  # type: ignore[assignment]
        for series in expect.get("stale", ()):
            samples[Labels({**{k: own[k] for k in OWN}, **series}), at_ms] = "StaleNaN"  # type: ignore[assignment]
        optional = {
            (Labels({**{k: own[k] for k in OWN}, **series}), at_ms)
            for series in expect.get("stale_optional", ())
        }
        return samples, optional


@pytest.mark.parametrize("case", cases_of("scrape.json", "scenario"))
def test_scenario(case: Case) -> None:
    for need in case.get("needs", ()):
        if need in LEFT_OUT:
            pytest.skip(LEFT_OUT[need])
    played = Scenario(case)
    found = {key: shown(value) for key, value in played.stored.items()}
    page = {key: value for key, value in found.items() if key[0]["__name__"] not in REPORT}
    wanted: dict[Any, Any] = {}
    optional: set[Any] = set()
    stated = True
    for number, scrape in enumerate(case["scrapes"]):
        expect = scrape["expect"]
        stated &= "samples" in expect
        samples, may = played.expected_at(number)
        wanted |= samples
        optional |= may
        check_report(found, case, played.now_ms[number], expect)
        if "error_contains" in expect:
            assert expect["error_contains"] in played.errors[number]
        for sample in expect.get("series_present", ()):
            labels = Labels({"job": "j", "instance": "i", **sample["labels"]})
            assert found[labels, played.now_ms[number]] == expected_value(sample["value"])
    if stated and "then" not in case:
        assert {key: value for key, value in page.items() if key not in optional} == wanted
    elif stated:
        assert "StaleNaN" not in found.values()
    if "total_stored_samples" in case:
        assert len(found) == case["total_stored_samples"]
    check_the_rest(case, played)


def check_report(found: dict[Any, str], case: Case, at_ms: int, expect: Case) -> None:
    job = case["scrape_config"].get("job_name", "j")
    own = {"job": job, "instance": "i", **case.get("target_labels", {})}
    for name, value in {"up": expect["up"], **expect.get("report", {})}.items():
        assert float(found[Labels({"__name__": name, **own}), at_ms]) == value, name
    names = set(NAMES) | (set(EXTRA_NAMES) if case["scrape_config"].get("extra_scrape_metrics") else set())
    assert {labels["__name__"] for labels, when in found if when == at_ms} >= names


def check_the_rest(case: Case, played: Scenario) -> None:
    world = played.world
    for name, value in case.get("self_metrics", {}).items():
        assert getattr(world.pools.stats, name) == value, name
    for number, families in case.get("metadata_after", {}).items():
        known = played.metadata[int(number)]
        for family in families:
            for field in set(family) - {"metric"}:
                assert getattr(known[family["metric"]], field) == family[field], (number, family)
    request = case.get("expect_request", {})
    for sent in world.transport.requests:
        for name, value in request.get("headers", {}).items():
            assert sent.headers[name] == value
        if "path" in request:
            assert sent.url.path == request["path"]
        if "query" in request:
            assert parse_qs(sent.url.query.decode()) == request["query"]
    wanted = [
        (sample["labels"], exemplar)
        for scrape in case["scrapes"]
        for sample in scrape["expect"].get("samples", ())
        for exemplar in sample.get("exemplars", ())
    ]
    kept = [(dict(one.labels), float(one.value), one.at_ms) for one in world.exemplars.all()]
    assert kept == [
        (exemplar["labels"], float(exemplar["value"]), exemplar["timestamp_ms"]) for _, exemplar in wanted
    ]


@pytest.mark.parametrize("case", cases_of("scrape.json", "target_limit"))
def test_target_limit(case: Case) -> None:
    async def script(world: World) -> None:
        config = scrape_config(scrape_interval="5s")
        await world.start(config, groups={"j": []})
        world.pages("m 1\n")
        for step in case["steps"]:
            config = scrape_config(scrape_interval="5s", target_limit=step["target_limit"])
            addresses = [f"h{number}:80" for number in range(step["targets"])]
            if "duplicates" in step.get("note", ""):
                addresses[-1] = addresses[-2]
            groups = {"j": [TargetGroup("s", tuple({"__address__": address} for address in addresses))]}
            await world.pools.apply([config], groups)
            before = len(world.transport.requests)
            await world.wait(10.1)
            statuses = [loop.status for loop in world.pools.loops]
            down = step["all_targets_down"]
            assert {status.health for status in statuses} == {"down" if down else "up"}
            if down:
                assert {status.last_error for status in statuses} == {step["error"]}
                assert len(world.transport.requests) == before, "nothing may be asked of the targets"

    play(script)


@pytest.mark.parametrize("case", cases_of("scrape.json", "targets_api"))
def test_targets_api(case: Case) -> None:
    async def script(world: World) -> None:
        fields = case["scrape_config"]
        config = scrape_config(**fields)
        reserved = case.get("target_reserved_labels", {})
        targets = tuple({"__address__": address, **reserved} for address in case["targets"])
        groups = {config.job_name: [TargetGroup("s", targets)]}
        await world.start(config, groups=groups)
        check_pool(world, case["expect"])
        if "after_reload" in case["expect"]:
            await world.pools.apply([scrape_config(**fields, sample_limit=5)])
            check_pool(world, case["expect"]["after_reload"])
        if "then_keep_dropped_targets" in case:
            then = case["then_keep_dropped_targets"]
            await world.pools.apply(
                [scrape_config(**fields, keep_dropped_targets=then["keep_dropped_targets"])]
            )
            check_pool(world, then)

    play(script)


def check_pool(world: World, expect: Case) -> None:
    [pool] = world.pools.pools.values()
    found: dict[str, Any] = {
        "active": len(pool.loops),
        "dropped_count": pool.dropped_count,
        "dropped_listed": len(pool.dropped),
    }
    for target in pool.targets:
        found |= {"scrapeInterval": str(target.interval), "scrapeTimeout": str(target.timeout)}
    for name, value in expect.items():
        if name in found:
            assert found[name] == value, name
    subset = expect.get("dropped_discovered_labels_subset", {})
    if subset:
        assert any(subset.items() <= dict(one.discovered).items() for one in pool.dropped)


def test_the_values_of_a_nan_are_told_apart() -> None:
    assert shown(math.nan) == "NaN"
