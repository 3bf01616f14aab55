"""The manager decides with two lists, merges per source and hands over per job."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.discovery.groups import DiscoveryStatus, TargetGroup, UpdateGroups
from pyscrape.discovery.manager import (
    BUSY_INTERVAL_S,
    QUIET_DELAY_S,
    RESTART_S,
    DiscoveryManager,
    Provider,
    WantedJob,
    plan,
)
from tests.helpers.examples import examples
from tests.helpers.virtual_loop import run_virtual, virtually


@dataclass(frozen=True)
class FakeConfig:
    name: str


@dataclass
class FakeDiscoverer:
    config: FakeConfig
    status: DiscoveryStatus = field(default_factory=lambda: DiscoveryStatus("fake"))
    update: UpdateGroups | None = None
    ended: bool = False
    failing: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, update: UpdateGroups) -> None:
        self.update, self.ended = update, False
        try:
            await self.failing.wait()
            self.failing.clear()
            raise ValueError("a fault")
        finally:
            self.ended = True

    def fail(self) -> None:
        self.failing.set()


def group(source: str, *addresses: str) -> TargetGroup:
    return TargetGroup(source, tuple({"__address__": address} for address in addresses))


@dataclass
class World:
    made: list[FakeDiscoverer] = field(default_factory=list)
    given: list[tuple[str, list[str]]] = field(default_factory=list)

    def make(self, config: object) -> FakeDiscoverer:
        assert isinstance(config, FakeConfig)
        self.made.append(FakeDiscoverer(config))
        return self.made[-1]

    def running(self, config: FakeConfig) -> FakeDiscoverer:
        return next(made for made in self.made if made.config == config and not made.ended)

    def of(self, config: FakeConfig) -> UpdateGroups:
        """How the running discoverer of a config hands groups over."""
        update = self.running(config).update
        assert update is not None
        return update

    def deliver(self, job: str, groups: Sequence[TargetGroup]) -> None:
        self.given.append((job, [target["__address__"] for g in groups for target in g.targets]))


A, B = FakeConfig("a"), FakeConfig("b")


@virtually
async def test_what_discoverers_counted_outlives_them() -> None:
    world = World()
    manager = DiscoveryManager(world.make, world.deliver)
    manager.apply({"j": WantedJob((), (A,)), "k": WantedJob((), (A, B))})
    first, second = (made.status for made in world.made)
    first.counts["looks"] += 3
    first.seconds["looks"] += 0.5
    second.counts["looks"] += 1
    manager.apply({"k": WantedJob((), (B,))})
    second.counts["looks"] += 1
    counts, seconds = manager.totals()
    assert (counts["fake", "looks"], seconds["fake", "looks"]) == (5, 0.5)
    await manager.stop()


@pytest.mark.parametrize(
    ("running", "wanted", "keep", "stop", "start"),
    [
        ([], {"j": (A,)}, [], [], [(A, ("j",))]),
        ([], {"j": (A,), "k": (A, B)}, [], [], [(A, ("j", "k")), (B, ("k",))]),
        ([A], {"j": (A,)}, [A], [], []),
        ([A, B], {"j": (B,)}, [B], [A], []),
        ([A], {}, [], [A], []),
        ([], {"j": (A, A)}, [], [], [(A, ("j",))]),
    ],
)
def test_plan(
    running: list[FakeConfig],
    wanted: dict[str, tuple[FakeConfig, ...]],
    keep: object,
    stop: object,
    start: object,
) -> None:
    providers = [Provider(config, FakeDiscoverer(config)) for config in running]
    decided = plan(providers, {job: WantedJob((), configs) for job, configs in wanted.items()})
    assert [provider.config for provider, _ in decided.keep] == keep
    assert [provider.config for provider in decided.stop] == stop
    assert list(decided.start) == start


@pytest.mark.parametrize(
    ("steps", "changed", "left"),
    [
        ([[]], [True], []),
        ([[], []], [True, False], []),
        ([[group("s", "a")], [group("s", "a")]], [True, False], ["a"]),
        ([[group("s", "a")], [group("s")]], [True, True], []),
        ([[group("s", "a"), group("t", "b")], [group("s", "c")]], [True, True], ["c", "b"]),
        ([[group("s")]], [True], []),
    ],
)
def test_merge(steps: list[list[TargetGroup]], changed: list[bool], left: list[str]) -> None:
    provider = Provider(A, FakeDiscoverer(A))
    assert [provider.merge(groups) for groups in steps] == changed
    assert [target["__address__"] for g in provider.groups.values() for target in g.targets] == left


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0.01)


@virtually
async def test_equal_configs_share_a_discoverer_and_a_reload_keeps_it() -> None:
    world = World()
    manager = DiscoveryManager(world.make, world.deliver)
    static = (group("0", "s:1"),)
    manager.apply({"j": WantedJob(static, (A,)), "k": WantedJob((), (A,))})
    await settle()
    assert len(world.made) == 1
    assert world.given == [("j", ["s:1"]), ("k", [])]
    assert not manager.synced("j")
    assert world.made[0].update is not None
    world.made[0].update([group("x", "a:1")])
    world.made[0].update([group("y", "b:1")])
    await settle()
    assert sorted(world.given[2:]) == [("j", ["s:1", "a:1", "b:1"]), ("k", ["a:1", "b:1"])], (
        "two updates, handed over at once"
    )
    manager.apply({"k": WantedJob((), (A,)), "l": WantedJob((), (A,))})
    assert len(world.made) == 1
    assert world.given[-1] == ("l", ["a:1", "b:1"]), "a new job gets what is known already"
    await manager.stop()
    assert world.made[0].ended


@virtually
async def test_the_first_update_is_handed_over_at_once_and_more_are_gathered() -> None:
    world, at_s = World(), []
    loop = asyncio.get_running_loop()

    def deliver(job: str, groups: Sequence[TargetGroup]) -> None:
        at_s.append(loop.time())
        world.deliver(job, groups)

    manager = DiscoveryManager(world.make, deliver)
    manager.apply({"j": WantedJob((), (A,))})
    await asyncio.sleep(10)
    assert world.made[0].update is not None
    for number in range(100):  # one second of changes
        world.made[0].update([group("x", f"a:{number}")])
        await asyncio.sleep(0.01)
    await asyncio.sleep(10)
    first_s = 10 + QUIET_DELAY_S
    assert at_s == pytest.approx([0, first_s, first_s + BUSY_INTERVAL_S, first_s + 2 * BUSY_INTERVAL_S])
    assert world.given[-1] == ("j", ["a:99"])
    await manager.stop()


@virtually
async def test_a_changed_config_leaves_no_gap() -> None:
    world = World()
    manager = DiscoveryManager(world.make, world.deliver)
    manager.apply({"j": WantedJob((), (A,))})
    await settle()
    assert world.made[0].update is not None
    world.made[0].update([group("x", "old:1")])
    await settle()
    manager.apply({"j": WantedJob((), (B,))})
    await settle()
    assert world.made[0].ended
    assert world.given[-1] == ("j", ["old:1"]), "the old targets stay until the new discoverer has answered"
    assert world.made[1].update is not None
    world.made[1].update([group("x", "new:1")])
    await asyncio.sleep(BUSY_INTERVAL_S)
    assert world.given[-1] == ("j", ["new:1"])
    await manager.stop()


@dataclass
class Crashing:
    """A discoverer as a bad plugin has it: its first run raises, its second finds something."""

    status: DiscoveryStatus = field(default_factory=lambda: DiscoveryStatus("bad"))
    runs: int = 0

    async def run(self, update: UpdateGroups) -> None:
        self.runs += 1
        if self.runs == 1:
            async with asyncio.TaskGroup():
                raise ValueError("no such column")
        update([group("x", "a:1")])
        self.status.state = "running"


@virtually
async def test_a_discoverer_that_raises_is_failing_and_starts_again() -> None:
    world, bad = World(), Crashing()
    manager = DiscoveryManager(lambda _: bad, world.deliver)
    manager.apply({"j": WantedJob((), (A,))})
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (bad.status.state, bad.status.last_error) == ("failing", "ValueError: no such column")
    await asyncio.sleep(RESTART_S + QUIET_DELAY_S)
    assert world.given[-1] == ("j", ["a:1"])
    await manager.stop()


@virtually
async def test_a_discoverer_that_cannot_be_made_does_not_end_the_others() -> None:
    world = World()
    broken = [True]

    def make(config: object) -> FakeDiscoverer:
        if config == A and broken[0]:
            raise OSError("ca.pem: No such file or directory")
        return world.make(config)

    manager = DiscoveryManager(make, world.deliver)
    manager.apply({"j": WantedJob((), (A,)), "k": WantedJob((group("0", "s:1"),), (B,))})
    assert ("k", ["s:1"]) in world.given
    (_, status, _), *_ = manager.status()
    assert (status.state, status.last_error) == ("failing", "OSError: ca.pem: No such file or directory")
    broken[0] = False
    await asyncio.sleep(RESTART_S + QUIET_DELAY_S)
    assert [made.config for made in world.made] == [B, A]
    await manager.stop()


@virtually
async def test_targets_of_a_job_that_went_do_not_come_back_with_it() -> None:
    world = World()
    manager = DiscoveryManager(world.make, world.deliver)
    manager.apply({"j": WantedJob((), (A,))})
    await asyncio.sleep(0)
    assert world.made[0].update is not None
    world.made[0].update([group("x", "old:1")])
    manager.apply({"j": WantedJob((), (B,))})
    manager.apply({})
    manager.apply({"j": WantedJob((), (B,))})
    assert world.given[-1] == ("j", [])
    await manager.stop()


@virtually
async def test_what_was_replaced_goes_with_the_answer_of_its_successor_whoever_else_is_silent() -> None:
    world = World()
    manager = DiscoveryManager(world.make, world.deliver)
    silent, c = FakeConfig("silent"), FakeConfig("c")
    manager.apply({"j": WantedJob((), (silent, B))})
    await settle()
    world.of(B)([group("x", "old:1")])
    manager.apply({"j": WantedJob((), (silent, c))})
    await settle()
    assert world.given[-1] == ("j", ["old:1"])
    world.of(c)([group("x", "new:1")])
    await asyncio.sleep(BUSY_INTERVAL_S)
    assert world.given[-1] == ("j", ["new:1"])
    await manager.stop()


@virtually
async def test_a_config_that_stands_twice_in_a_job_counts_once() -> None:
    world = World()
    manager = DiscoveryManager(world.make, world.deliver)
    manager.apply({"j": WantedJob((), (A, B, A))})
    await settle()
    world.of(A)([group("x", "a:1")])
    world.of(B)([group("x", "b:1")])
    assert manager.discovered() == {"j": 2}
    assert [target["__address__"] for g in manager.groups("j") for target in g.targets] == ["a:1", "b:1"]
    await manager.stop()


@virtually
async def test_why_a_discoverer_cannot_be_made_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    reason = ["no ca.pem"]

    def make(config: object) -> FakeDiscoverer:
        raise OSError(reason[0])

    manager = DiscoveryManager(make, World().deliver)
    manager.apply({"j": WantedJob((), (A,))})
    await asyncio.sleep(10 * RESTART_S)
    reason[0] = "no key.pem"
    await asyncio.sleep(10 * RESTART_S)
    assert [getattr(record, "err", "") for record in caplog.records] == [
        "OSError: no ca.pem",
        "OSError: no key.pem",
    ]
    await manager.stop()


@virtually
async def test_what_went_while_a_discoverer_started_again_is_gone() -> None:
    """Its first hand-over is of everything, in each of its runs."""
    world = World()
    manager = DiscoveryManager(world.make, world.deliver)
    manager.apply({"j": WantedJob((), (A,))})
    await settle()
    world.of(A)([group("x", "a:1"), group("y", "b:1")])
    world.made[0].fail()
    await asyncio.sleep(RESTART_S / 2)
    assert world.given[-1] == ("j", ["a:1", "b:1"]), "what it found stays until it has looked again"
    await asyncio.sleep(RESTART_S)
    world.of(A)([group("y", "b:2")])
    await asyncio.sleep(BUSY_INTERVAL_S)
    assert world.given[-1] == ("j", ["b:2"])
    await manager.stop()


NAMES = ("a", "b", "c")
CONFIGS = st.lists(st.sampled_from([FakeConfig(name) for name in NAMES]), min_size=1, max_size=3).map(tuple)
RELOADS = st.tuples(st.just("reload"), st.dictionaries(st.sampled_from("jk"), CONFIGS, max_size=2))
SOME_GROUPS = st.lists(st.builds(group, st.sampled_from("xyz"), st.sampled_from(["h:1", "h:2"])), max_size=2)
STEPS = st.one_of(
    RELOADS,
    st.tuples(st.just("update"), st.sampled_from(NAMES), SOME_GROUPS),
    st.tuples(st.just("update"), st.sampled_from(NAMES), SOME_GROUPS),
    st.tuples(st.just("gone"), st.sampled_from(NAMES), st.sampled_from("xyz")),
    st.tuples(st.just("crash"), st.sampled_from(NAMES), st.none()),
    st.tuples(st.just("wait"), st.sampled_from([0.01, 1.0, 10.0]), st.none()),
)


class Model:
    """What jobs are to be given: plain dicts, and no time."""

    def __init__(self) -> None:
        self.jobs: dict[str, tuple[FakeConfig, ...]] = {}
        self.known: dict[FakeConfig, dict[str, TargetGroup] | None] = {}
        self.fresh: set[FakeConfig] = set()
        self.left: dict[str, tuple[list[TargetGroup], set[FakeConfig]]] = {}

    def reload(self, jobs: dict[str, tuple[FakeConfig, ...]]) -> None:
        asked = {config for configs in jobs.values() for config in configs}
        begun = asked - self.known.keys()
        for job, configs in self.jobs.items():
            ended = {config for config in configs if config not in asked}
            groups = [one for config in ended for one in (self.known[config] or {}).values()]
            if begun & set(jobs.get(job, ())):
                before = self.left.get(job, ([], set()))
                self.left[job] = ([*before[0], *groups], before[1])
        self.jobs = jobs
        self.known = {config: self.known.get(config) for config in asked}
        self.fresh = (self.fresh & asked) | begun
        for job, (groups, awaited) in list(self.left.items()):
            self.left[job] = (groups, (awaited | begun) & set(jobs.get(job, ())))
        self.settle()

    def update(self, config: FakeConfig, groups: Sequence[TargetGroup]) -> None:
        known = {} if config in self.fresh else dict(self.known[config] or {})
        self.fresh.discard(config)
        known |= {one.source: one for one in groups}
        self.known[config] = {source: one for source, one in known.items() if one.targets}
        self.settle()

    def settle(self) -> None:
        silent = {config for config, known in self.known.items() if known is None}
        self.left = {job: left for job, left in self.left.items() if left[1] & silent}

    def targets(self, job: str) -> list[str]:
        groups = [one for config in set(self.jobs[job]) for one in (self.known[config] or {}).values()]
        groups += self.left.get(job, ([], set()))[0]
        return sorted(target["__address__"] for one in groups for target in one.targets)


@examples(100)
@given(RELOADS, st.lists(STEPS, min_size=4, max_size=25))
def test_any_course_of_reloads_ends_with_what_the_running_discoverers_know(
    first: tuple[Any, ...], steps: list[tuple[Any, ...]]
) -> None:
    run_virtual(_course([first, *steps]))


async def _course(steps: list[tuple[Any, ...]]) -> None:
    world, model = World(), Model()
    manager = DiscoveryManager(world.make, world.deliver)
    for step in steps:
        match step:
            case ("reload", jobs):
                manager.apply({job: WantedJob((), configs) for job, configs in jobs.items()})
                model.reload(jobs)
                await asyncio.sleep(0)
            case ("wait", seconds, _):
                await asyncio.sleep(seconds)
            case (what, name, given_groups) if FakeConfig(name) in model.known:
                config = FakeConfig(name)
                if what == "crash":
                    world.running(config).fail()
                    model.fresh.add(config)
                    await asyncio.sleep(RESTART_S + 0.01)
                else:
                    groups = [group(given_groups)] if what == "gone" else given_groups
                    world.of(config)(groups)
                    model.update(config, groups)
        for job in model.jobs:
            found = [target["__address__"] for one in manager.groups(job) for target in one.targets]
            assert sorted(found) == model.targets(job)
    await asyncio.sleep(2 * BUSY_INTERVAL_S)
    last = {job: sorted(addresses) for job, addresses in world.given}
    assert {job: last[job] for job in model.jobs} == {job: model.targets(job) for job in model.jobs}
    await manager.stop()


def test_a_plan_compares_few_configs() -> None:
    compared = 0

    class Counted(FakeConfig):
        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return isinstance(other, Counted) and self.name == other.name

        def __hash__(self) -> int:
            return hash(self.name)

    def wanted() -> dict[str, WantedJob]:
        return {f"j{k}": WantedJob((), (Counted(str(k)),)) for k in range(300)}

    first = plan([], wanted())
    running = [Provider(config, FakeDiscoverer(FakeConfig("x"))) for config, _ in first.start]
    again = plan(running, wanted())
    assert (len(again.keep), again.stop, again.start) == (300, (), ())
    assert compared < 1000
